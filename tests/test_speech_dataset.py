"""Pictures on disk: those of inference, drawn once, resumed, and never another corpus'."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError
from reelpulse.files import only_one
from reelpulse.learn import rows as on_disk
from reelpulse.learn import workers
from reelpulse.media import read_sound, write_sound
from reelpulse.speech import dataset
from reelpulse.speech.dataset import PictureSet, load_pictures
from reelpulse.speech.picture import PictureSpec, normalised, picture
from reelpulse.speech.sound import SoundChange

COUNT = 8
SPEC = PictureSpec(size=(32, 48))


@dataclass
class Sounds:
    """What a corpus must have."""

    folder: Path
    names: list[str]
    fingerprint: str = "one"

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int, /) -> Path:
        return self.folder / f"{self.names[row]}.flac"


@pytest.fixture
def corpus(tmp_path: Path) -> Sounds:
    made = Sounds(tmp_path / "speech", [f"1_{number:03}" for number in range(COUNT)])
    for number in range(COUNT):
        rng = np.random.default_rng(number)
        length = 4000 + 2000 * number
        swell = np.sin(np.pi * np.arange(length) / length)
        write_sound(made.path(number), 0.3 * swell * rng.uniform(-1, 1, length))
    return made


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows drawn from here on, in this process."""
    rows: list[int] = []
    real = dataset._draw

    def spy(task: Any) -> Any:
        rows.append(task[1])
        return real(task)

    monkeypatch.setattr(dataset, "_draw", spy)
    return rows


class Stopped(Exception):
    pass


def stop_at(number: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == number:
            raise Stopped

    return progress


# The same as at inference


def test_training_and_inference_are_given_the_same(corpus: Sounds) -> None:
    pictures = load_pictures(corpus, SPEC)
    spec = SPEC.with_statistics(*pictures.statistics(range(COUNT)))
    rows = [3, 0, 3, 7]
    trained_on = pictures[rows]
    at_inference = np.stack([picture(read_sound(corpus.path(row)), SPEC) for row in rows])
    assert trained_on.shape == (4, 32, 48)
    assert trained_on.dtype == np.float32
    assert np.abs(trained_on - at_inference).max() <= 1 / 510 + 1e-6
    off = np.abs(normalised(trained_on, spec) - normalised(at_inference, spec)).max()
    assert off <= (1 / 510 + 1e-6) / spec.std[0]


def test_real_recordings_too(test_data: Path) -> None:
    paths = sorted((test_data / "emodb").rglob("*.ogg"))[:3]
    for path in paths:
        stored = dataset._draw((str(path), 5, PictureSpec(), None, 0))["picture"]
        wanted = picture(read_sound(path), PictureSpec())
        assert np.abs(stored / np.float32(255) - wanted).max() <= 1 / 510 + 1e-6
        assert stored.max() > 250
        assert 0.2 < wanted.mean() < 0.8


def test_rows_may_be_said_in_every_way(corpus: Sounds) -> None:
    pictures = load_pictures(corpus, SPEC)
    assert len(pictures) == COUNT
    some = pictures[np.array([1, 4])]
    np.testing.assert_array_equal(pictures[[1, 4]], some)
    np.testing.assert_array_equal(pictures[np.isin(np.arange(COUNT), [1, 4])], some)
    np.testing.assert_array_equal(pictures[[4, 1]], some[::-1])
    assert pictures[[]].shape == (0, 32, 48)
    np.testing.assert_allclose(pictures.stored([1, 4]) / np.float32(255), some, rtol=1e-6)


def test_statistics_are_of_the_rows_asked_for_alone(
    corpus: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_CHUNK", 3)
    pictures = load_pictures(corpus, SPEC)
    for rows in ([6, 1, 2, 5], [0], list(range(COUNT))):
        values = pictures[rows].astype(np.float64)
        wanted = values.mean(), values.std()
        np.testing.assert_allclose(pictures.statistics(rows), wanted, rtol=1e-6)
        mask = np.isin(np.arange(COUNT), rows)
        np.testing.assert_allclose(pictures.statistics(mask), wanted, rtol=1e-6)
    with pytest.raises(DataError, match="nothing to train on"):
        pictures.statistics([])


def test_pictures_of_one_value_can_still_be_normalised(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(3, [("picture", np.uint8, (4, 4))]))
    mean, std = PictureSet(tmp_path / "flat.npy", SPEC).statistics([0, 1])
    assert mean == 0
    assert std > 0


# Drawn once


def test_what_is_there_is_not_drawn_again(corpus: Sounds, drawn: list[int]) -> None:
    seen: list[tuple[int, int]] = []
    first = load_pictures(corpus, SPEC, progress=lambda *at: seen.append(at))
    assert drawn == list(range(COUNT))
    assert seen == [(done, COUNT) for done in range(1, COUNT + 1)]
    after = replace(SPEC, channels=1, mean=(0.4,), std=(0.2,))  # nothing that is drawn with
    again = load_pictures(corpus, after)
    assert len(drawn) == COUNT
    assert again.path == first.path
    np.testing.assert_array_equal(again.stored(range(COUNT)), first.stored(range(COUNT)))


def test_a_stopped_run_goes_on_where_it_stopped(corpus: Sounds, drawn: list[int]) -> None:
    with pytest.raises(Stopped):
        load_pictures(corpus, SPEC, progress=stop_at(3))
    drawn.clear()
    resumed = load_pictures(corpus, SPEC)
    assert drawn == [3, 4, 5, 6, 7]
    at_once = load_pictures(corpus, SPEC, folder=corpus.folder / "other")
    np.testing.assert_array_equal(resumed.stored(range(COUNT)), at_once.stored(range(COUNT)))


@pytest.mark.parametrize(
    "spec",
    [replace(SPEC, size=(48, 32)), replace(SPEC, trim_db=None), replace(SPEC, seconds=1.0)],
    ids=["size", "trim", "seconds"],
)
def test_other_settings_have_another_file(
    corpus: Sounds, spec: PictureSpec, drawn: list[int]
) -> None:
    first = load_pictures(corpus, SPEC)
    other = load_pictures(corpus, spec)
    assert other.path != first.path
    assert len(drawn) == 2 * COUNT
    assert load_pictures(corpus, SPEC).path == first.path
    assert len(drawn) == 2 * COUNT


def test_another_corpus_has_another_file_and_so_has_another_order(corpus: Sounds) -> None:
    first = load_pictures(corpus, SPEC)
    assert load_pictures(replace(corpus, fingerprint="two"), SPEC).path != first.path
    turned = load_pictures(replace(corpus, names=corpus.names[::-1]), SPEC)
    np.testing.assert_array_equal(turned.stored([0, 7]), first.stored([7, 0]))


def test_several_processes_draw_what_one_draws(
    corpus: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = load_pictures(corpus, SPEC, workers=1)
    monkeypatch.setattr(workers, "_FEW", 0)
    before = dict(os.environ)
    together = load_pictures(corpus, SPEC, folder=corpus.folder / "other", workers=2)
    assert alone.path.read_bytes() == together.path.read_bytes()
    assert dict(os.environ) == before


def test_a_variant_is_of_changed_sounds_and_comes_out_the_same_again(corpus: Sounds) -> None:
    rows = range(COUNT)
    plain = load_pictures(corpus, SPEC).stored(rows)
    first, again, second = (
        load_pictures(corpus, SPEC, variant=variant, folder=corpus.folder / folder).stored(rows)
        for variant, folder in ((1, "a"), (1, "b"), (2, "a"))
    )
    np.testing.assert_array_equal(first, again)
    for one, other in ((plain, first), (plain, second), (first, second)):
        assert (one != other).any(axis=(1, 2)).all()
    off = SoundChange(speed=0.0, noise=0.0, room=0.0)
    unchanged = load_pictures(corpus, SPEC, variant=1, changes=off)
    np.testing.assert_array_equal(unchanged.stored(rows), plain)


def test_a_picture_is_varied_by_one_of_its_variants_as_it_falls(corpus: Sounds) -> None:
    made = [load_pictures(corpus, SPEC, variant=number) for number in range(3)]
    pictures = PictureSet(made[0].path, SPEC, made[1:])
    rows = np.resize(np.arange(COUNT), 60 * COUNT)
    drawn = pictures.varied(rows, np.random.default_rng(0))
    kinds = [(drawn == one[rows]).all(axis=(1, 2)) for one in made]
    assert np.sum(kinds, axis=0).tolist() == [1] * len(rows)
    assert all(0.2 < kind.mean() < 0.5 for kind in kinds)
    np.testing.assert_array_equal(made[0].varied(rows, np.random.default_rng(0)), made[0][rows])


# What goes wrong


def test_a_broken_sound_is_named_and_the_others_are_kept(corpus: Sounds, drawn: list[int]) -> None:
    sound = corpus.path(5).read_bytes()
    corpus.path(5).write_bytes(b"no sound at all")
    with pytest.raises(DataError, match="1_005"):
        load_pictures(corpus, SPEC)
    corpus.path(5).write_bytes(sound)
    drawn.clear()
    load_pictures(corpus, SPEC)
    assert drawn == [5, 6, 7]


def test_a_broken_sound_is_named_by_several_processes_too(
    corpus: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_FEW", 0)
    corpus.path(2).unlink()
    with pytest.raises(DataError, match="1_002"):
        load_pictures(corpus, SPEC, workers=2)


def test_a_full_disk_is_said_in_one_line_and_the_next_run_goes_on(
    corpus: Sounds, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, room = on_disk._put, [False]

    def full(file: Any, position: int, data: bytes) -> None:
        if len(drawn) == 4 and len(data) > 1 and not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, position, data)

    monkeypatch.setattr(on_disk, "_put", full)
    with pytest.raises(DataError, match="No space left") as caught:
        load_pictures(corpus, SPEC)
    assert "\n" not in str(caught.value)
    drawn.clear()
    room[0] = True
    load_pictures(corpus, SPEC)
    assert drawn == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("broken", ["short", "text", "shape", "no marks", "other marks"])
def test_a_broken_file_is_drawn_anew(corpus: Sounds, drawn: list[int], broken: str) -> None:
    made = load_pictures(corpus, SPEC)
    wanted, path = made.stored(range(COUNT)), made.path
    del made
    if broken == "short":
        path.write_bytes(path.read_bytes()[:-100])
    elif broken == "text":
        path.write_text("no array")
    elif broken == "shape":
        np.save(path, np.zeros((COUNT, 3, 3), np.uint8))
    elif broken == "no marks":
        path.with_suffix(".done").unlink()
    else:
        path.with_suffix(".done").write_bytes(b"\1")
    drawn.clear()
    np.testing.assert_array_equal(load_pictures(corpus, SPEC).stored(range(COUNT)), wanted)
    assert len(drawn) == COUNT


def test_places_that_cannot_be_written_are_named(corpus: Sounds) -> None:
    (corpus.folder / "pictures").write_text("a file")
    with pytest.raises(DataError, match="pictures"):
        load_pictures(corpus, SPEC)


def test_two_runs_at_once_do_not_write_one_file(corpus: Sounds) -> None:
    path = load_pictures(corpus, SPEC).path
    path.with_suffix(".done").write_bytes(bytes(COUNT))
    with only_one(path, "other"), pytest.raises(DataError, match="another run"):
        load_pictures(corpus, SPEC)


def test_an_empty_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sounds"):
        load_pictures(Sounds(tmp_path, []), SPEC)
