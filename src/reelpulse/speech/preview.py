"""What each way of varying pictures does, on one sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, at
from reelpulse.files import atomic_path
from reelpulse.media.lettering import write
from reelpulse.speech.augment import Augment, augment, mixup
from reelpulse.speech.corpus import EMOTIONS, Corpus, load_corpus
from reelpulse.speech.picture import Picture, PictureSpec, picture
from reelpulse.speech.sound import (
    Samples,
    SoundChange,
    changed,
    in_a_room,
    trimmed,
    with_noise,
    with_speed,
)

_GAP, _HEAD, _SIDE = 6, 26, 150
_BACKGROUND = 255
_SHOWN_MIXUP = 0.4
"""Alpha of the row that shows blending, where the settings blend nothing."""

_WAYS = ("time_masks", "frequency_masks", "shift_share", "erase_share")
"""Settings of `Augment` without which a way is left out."""

_Drawn = Callable[[Sequence[Samples], np.random.Generator], Picture]


def preview(
    folder: str | Path,
    out: str | Path,
    *,
    spec: PictureSpec | None = None,
    settings: Augment | None = None,
    changes: SoundChange | None = None,
    clips: int = 7,
    seed: int = 0,
) -> Path:
    """Write a PNG of some clips of a prepared corpus, varied in each way: `contact_sheet`.

    Parameters
    ----------
    folder : str or Path
        A prepared corpus.
    out : str or Path
        The PNG.
    spec, settings, changes : optional
        As in `contact_sheet`.
    clips : int
        How many; of each emotion in turn.
    seed : int
        Draws the clips, and how they are varied.

    Raises
    ------
    DataError
        When the corpus cannot be read, holds nothing, or the PNG cannot be written or is not named
        ``.png``.
    """
    if Path(out).suffix.lower() != ".png":
        raise DataError(at(out, "a preview's name ends with .png"))
    corpus = load_corpus(folder)
    spec = spec or PictureSpec()
    rows = _some(corpus, clips, seed)
    if not rows:
        raise DataError(at(folder, "holds no sounds: nothing to show"))
    sounds = {
        f"{EMOTIONS[corpus.labels[row]]} {corpus.names[row]}": corpus.sound(row, spec.mel.rate)
        for row in rows
    }
    sheet = contact_sheet(sounds, spec, settings, changes, seed=seed)
    with atomic_path(out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())
    return Path(out)


def contact_sheet(
    sounds: Mapping[str, Samples],
    spec: PictureSpec,
    settings: Augment | None = None,
    changes: SoundChange | None = None,
    *,
    seed: int = 0,
) -> npt.NDArray[np.uint8]:
    """Draw sounds side by side, and a row below them for each way of varying them.

    Each row shows one way on every clip, speed, noise and room at their strongest; in the last one
    each way touches the share of clips that the settings say.

    Parameters
    ----------
    sounds : mapping of str to ndarray
        Name to mono samples at ``spec.mel.rate``.
    spec : PictureSpec
    settings : Augment, optional
    changes : SoundChange, optional
    seed : int

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Grey, black letters on white.
    """
    settings, changes = settings or Augment(), changes or SoundChange()
    rows = _rows(spec, settings, changes)
    height, width = spec.size
    sheet = np.full(
        (
            _HEAD + len(rows) * (height + _GAP),
            _SIDE + len(sounds) * (width + _GAP),
        ),
        _BACKGROUND,
        np.uint8,
    )
    for column, name in enumerate(sounds):
        left = _SIDE + column * (width + _GAP)
        write(sheet, name, left, _HEAD - 8, widest=width)
    for number, (label, draw) in enumerate(rows.items()):
        top = _HEAD + number * (height + _GAP)
        write(sheet, label, _GAP, top + height // 2, widest=_SIDE - 2 * _GAP)
        drawn = draw(list(sounds.values()), np.random.default_rng([seed, number]))
        for column, cell in enumerate(drawn):
            left = _SIDE + column * (width + _GAP)
            sheet[top : top + height, left : left + width] = np.rint(255 * cell)
    return sheet


def _rows(spec: PictureSpec, settings: Augment, changes: SoundChange) -> dict[str, _Drawn]:
    """Label to what draws the row's pictures."""
    rate = spec.mel.rate

    def as_it_is(sounds: Sequence[Samples], rng: np.random.Generator) -> Picture:
        return np.stack([picture(sound, spec) for sound in sounds])

    def of_sound(change: Callable[[Samples, np.random.Generator], Samples]) -> _Drawn:
        below = spec.trim_db or math.inf  # before noise hides where the voice begins
        return lambda sounds, rng: as_it_is(
            [change(trimmed(sound, rate, below)[0], rng) for sound in sounds], rng
        )

    def of_picture(way: str) -> _Drawn:
        shown: dict[str, Any] = dict.fromkeys(_WAYS, 0)
        shown[way] = 1.0 if way.endswith("share") else getattr(settings, way)
        only = replace(settings, **shown)
        return lambda sounds, rng: np.asarray(augment(as_it_is(sounds, rng), only, rng))

    def blended(sounds: Sequence[Samples], rng: np.random.Generator) -> Picture:
        drawn = as_it_is(sounds, rng)
        alpha = settings.mixup or _SHOWN_MIXUP
        return np.asarray(mixup(drawn, np.eye(len(drawn), dtype=np.float32), alpha, rng)[0])

    def together(sounds: Sequence[Samples], rng: np.random.Generator) -> Picture:
        drawn = of_sound(lambda sound, rng: changed(sound, rate, changes, rng))(sounds, rng)
        return np.asarray(augment(drawn, settings, rng))

    def uncut(sounds: Sequence[Samples], rng: np.random.Generator) -> Picture:
        whole = replace(spec, trim_db=None, margin=None)
        return np.stack([picture(sound, whole) for sound in sounds])

    return {
        "nothing cut off": uncut,
        "ends cut off": as_it_is,
        "time mask": of_picture("time_masks"),
        "frequency mask": of_picture("frequency_masks"),
        "shift": of_picture("shift_share"),
        "erasing": of_picture("erase_share"),
        "mixup": blended,
        "speed": of_sound(lambda sound, rng: with_speed(sound, 1 + changes.speed)),
        "noise": of_sound(lambda sound, rng: with_noise(sound, changes.loudest_noise, rng)),
        "room": of_sound(lambda sound, rng: in_a_room(sound, rate, changes.longest_room, rng)),
        "all together": together,
    }


def _some(corpus: Corpus, count: int, seed: int) -> list[int]:
    """Rows of a corpus, of each emotion in turn."""
    order = np.random.default_rng(seed).permutation(len(corpus))
    by_emotion = [[int(row) for row in order if corpus.labels[row] == code] for code in range(7)]
    turns = max(map(len, by_emotion))
    dealt = [rows[turn] for turn in range(turns) for rows in by_emotion if turn < len(rows)]
    return dealt[:count]
