"""A model of speech emotion, judged by a prepared corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.errors import DataError, ModelError, SettingsError, at
from reelpulse.learn.judged import Array
from reelpulse.learn.surroundings import cores
from reelpulse.settings import one_of
from reelpulse.speech.corpus import EMOTIONS, Corpus, load_corpus
from reelpulse.speech.judged import JudgedClips, judged
from reelpulse.speech.model import SpeechModel, load_speech
from reelpulse.speech.splitting import PARTS, split

EVERYTHING = "all"
_AT_ONCE = 32


@dataclass(frozen=True)
class SpeechEvaluation:
    """What came of it.

    Parameters
    ----------
    model : str
    part : {"train", "valid", "test", "all"}
        What it was tried on.
    tested : JudgedClips
        Recordings in which it heard something.
    silent : tuple of str
        Names of those in which it heard nothing, which count nowhere.
    warnings : tuple of str
    """

    model: str
    part: str
    tested: JudgedClips
    silent: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.model,
            "split": self.part,
            **self.tested.as_dict(),
            "silent": list(self.silent),
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def evaluate(
    model: str | Path,
    speech: str | Path,
    part: str | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SpeechEvaluation:
    """Let a model hear the recordings of a corpus, as ``speech predict`` does, and judge it.

    A model that looks at so many seconds hears a longer recording in several windows, where
    training saw its middle: figures may differ a little from those that the training gave.

    Parameters
    ----------
    model : str or Path
        As `load_speech` takes it.
    speech : str or Path
        A folder that ``reelpulse speech prepare`` made.
    part : {"train", "valid", "test", "all"}, optional
        A part of the corpus that it was trained on, dealt as it was then, or all recordings.
        Without it, ``test`` of that corpus, and ``all`` of another.
    progress : callable, optional
        Called with how many recordings are done, and of how many.

    Raises
    ------
    ModelError
        When the model cannot be used.
    DataError
        When the corpus cannot be used, or is not the one trained on, so that it has no such part.
    SettingsError
        On an unknown part.
    """
    if part is not None:
        one_of("split", part, (*PARTS, EVERYTHING))
    opened = load_speech(model, threads=cores())
    corpus = load_corpus(speech)
    data = opened.description.get("data")
    same = isinstance(data, dict) and data.get("fingerprint") == corpus.fingerprint
    part = part or ("test" if same else EVERYTHING)
    warnings = []
    if part == EVERYTHING:
        rows = np.arange(len(corpus))
        if same:
            warnings.append("it was trained on a part of these recordings: the figures flatter it")
    elif not same:
        problem = f"is not what {opened.name} was trained on, and has no {part}: use --split all"
        raise DataError(at(corpus.folder, problem))
    else:
        rows = _rows(opened, corpus, part)
    outputs = _heard(opened, corpus, rows, progress)
    heard = np.isfinite(outputs).all(axis=1)
    silent = tuple(corpus.names[row] for row in rows[~heard])
    if not heard.any():
        raise DataError(at(corpus.folder, "nothing is heard in any of its recordings"))
    if opened.name == "builtin":
        warnings.append(
            "the built-in model was trained on RAVDESS, EMO-DB and Korean recordings: where these"
            " are among yours, the figures flatter it"
        )
    if silent:
        warnings.append(f"nothing is heard in {len(silent)} recordings, such as {silent[0]}")
    found = judged(corpus, rows[heard], outputs[heard])
    return SpeechEvaluation(str(model), part, found, silent, tuple(warnings))


def _rows(model: SpeechModel, corpus: Corpus, part: str) -> npt.NDArray[np.intp]:
    """The rows of a part, dealt again as they were when the model was trained."""
    said = model.description
    try:
        how = said["settings"]
        dealt = split(corpus, how["split"], int(how["folds"]), int(how["seed"]))
        parts = dealt[int(how["fold"])]
        wanted = said["data"]["parts"][part]["fingerprint"]
    except (KeyError, TypeError, ValueError, IndexError, SettingsError):
        problem = f"does not say which recordings were its {part}: use --split all"
        raise ModelError(at(model.path, problem)) from None
    if parts.fingerprints(corpus)[part] != wanted:
        problem = (
            f"another version of scikit-learn deals other recordings to {part} than when it was"
            " trained: train it again, or use --split all"
        )
        raise ModelError(at(model.path, problem))
    rows: npt.NDArray[np.intp] = getattr(parts, part)
    return rows


def _heard(
    model: SpeechModel,
    corpus: Corpus,
    rows: npt.NDArray[np.intp],
    progress: Callable[[int, int], None] | None,
) -> Array:
    """Probabilities in the order of `EMOTIONS`, (len(rows), 7); NaN where all is silence."""
    unknown = [name for name in model.classes if name not in EMOTIONS]
    if unknown:
        problem = f"tells {unknown[0]!r} apart, which no corpus here has: it cannot be judged"
        raise ModelError(at(model.path, problem))
    places = [EMOTIONS.index(name) for name in model.classes]
    outputs = np.zeros((len(rows), len(EMOTIONS)), np.float32)
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        sounds = [corpus.sound(int(row), model.rate) for row in some]
        found = model.heard(sounds)
        outputs[first : first + len(some), places] = found
        if progress is not None:
            progress(first + len(some), len(rows))
    return outputs
