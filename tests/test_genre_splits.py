"""How pairs are dealt to parts, kept on disk, and drawn for a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genre_frames import COLOURS, frame, write_frames, write_scenes
from reelpulse.errors import DataError, MediaError
from reelpulse.genre import dataset
from reelpulse.genre.batches import PairBatches
from reelpulse.genre.dataset import load_set
from reelpulse.genre.pairs import load_pairs
from reelpulse.genre.pictures import read_picture, write_picture
from reelpulse.genre.spec import PairSpec, drawn_pair
from reelpulse.genre.splitting import split

BOTH = PairSpec((12, 16), 2, flow=True, magnitude=True)
SINGLE = PairSpec((12, 16))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"))


# Parts


def test_the_table_says_which_films_are_tested_and_one_a_class_is_held_back(frames: Path) -> None:
    pairs = load_pairs(frames)
    (parts,) = split(pairs)
    assert (pairs.splits[parts.test] == "test").all()
    assert len(parts.test) == (pairs.splits == "test").sum()
    films = [set(pairs.film_keys[rows]) for rows in (parts.train, parts.valid, parts.test)]
    assert [len(found) for found in films] == [6, 3, 3]
    assert not films[0] & films[1]
    assert set(pairs.genres[parts.valid]) == set(COLOURS)
    (whole,) = split(pairs, held_back=0)
    assert not len(whole.valid)
    assert len(whole.train) == (pairs.splits == "train").sum()


def test_folds_by_film_share_none_and_each_has_every_class(frames: Path) -> None:
    pairs = load_pairs(frames)
    dealt = split(pairs, "film", 4)
    assert sorted(np.concatenate([parts.test for parts in dealt])) == list(range(len(pairs)))
    for parts in dealt:
        assert set(pairs.genres[parts.test]) == set(COLOURS)
        rest = np.concatenate([parts.train, parts.valid])
        assert not set(pairs.film_keys[rest]) & set(pairs.film_keys[parts.test])
    again, other = split(pairs, "film", 4), split(pairs, "film", 4, seed=1)
    assert all((a.test == b.test).all() for a, b in zip(dealt, again, strict=True))
    assert any((a.test != b.test).any() for a, b in zip(dealt, other, strict=True))


def test_each_film_is_left_out_once(frames: Path) -> None:
    pairs = load_pairs(frames)
    dealt = split(pairs, "leave_one_film_out")
    assert [set(pairs.film_keys[parts.test]) for parts in dealt] == [
        {film} for film in np.unique(pairs.film_keys)
    ]


def test_scenes_of_one_film_are_kept_apart(tmp_path: Path) -> None:
    pairs = load_pairs(write_scenes(tmp_path / "frames"))
    for parts in split(pairs, "scene", 4):
        keys = [
            {(pairs.genres[row], pairs.scenes[row]) for row in rows}
            for rows in (parts.train, parts.valid, parts.test)
        ]
        assert [len(found) for found in keys] == [6, 3, 3]
        assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    with pytest.raises(DataError, match="no film is for testing: use --split film"):
        split(pairs)
    with pytest.raises(DataError, match="horror has only one film, and none is left to train on"):
        split(pairs, "leave_one_film_out")
    with pytest.raises(DataError, match="no class has 5 films for 5 folds, but 1"):
        split(pairs, "film")


def test_a_class_without_a_film_in_a_part_is_named(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", pairs=1)
    write_frames(folder, train=1, test=0, pairs=1, genres=("sf",))
    for path in (folder / "sf_test").iterdir():
        path.unlink()
    (folder / "sf_test").rmdir()
    with pytest.raises(DataError, match="sf has no film in test: extract one"):
        split(load_pairs(folder))
    only = write_frames(tmp_path / "only", pairs=1, genres=("sf",))
    with pytest.raises(DataError, match="all pairs are of sf: nothing to tell apart"):
        split(load_pairs(only))
    late = write_frames(tmp_path / "late", pairs=1, genres=("horror", "romance"))
    write_frames(late, train=0, pairs=1, genres=("sf",))
    with pytest.raises(DataError, match="sf has no film in train: extract one"):
        split(load_pairs(late))


# On disk


def test_what_is_kept_is_what_a_network_is_given_of_the_pictures(frames: Path) -> None:
    pairs = load_pairs(frames)
    kept = load_set(pairs, BOTH, workers=1)
    rows = np.array([5, 2])
    found = kept.stored(rows, BOTH)
    for place, row in enumerate(rows):
        expected = drawn_pair(read_picture(pairs.first[row]), read_picture(pairs.second[row]), BOTH)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name][place], value, name)
    assert kept.magnitudes(rows).tolist() == found["magnitude"][:, 0].tolist()
    later = kept.frames(rows, np.array([1, 1]))["frames"]
    assert (later == found["frames"][:, 3:]).all()
    assert (kept.stored(rows, SINGLE)["frames"] == found["frames"][:, :3]).all()


def test_pictures_are_decoded_once_and_a_stopped_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = load_pairs(write_frames(tmp_path / "frames", train=1, pairs=3))
    decoded = []

    def counted(path: Path) -> np.ndarray:
        decoded.append(path)
        if len(decoded) == 7:
            raise KeyboardInterrupt
        return read_picture(path)

    monkeypatch.setattr(dataset, "read_picture", counted)
    with pytest.raises(KeyboardInterrupt):
        load_set(pairs, SINGLE, workers=1)
    told: list[tuple[int, int]] = []
    load_set(pairs, SINGLE, workers=1, progress=lambda *done: told.append(done))
    assert len(decoded) == 7 + 2 * (len(pairs) - 3)
    assert told[0] == (4, len(pairs))
    load_set(pairs, SINGLE, workers=1)
    assert len(decoded) == 7 + 2 * (len(pairs) - 3)
    load_set(pairs, replace(SINGLE, size=(8, 8)), workers=1)
    assert len(decoded) == 7 + 2 * (2 * len(pairs) - 3)


def test_what_was_kept_of_other_pairs_is_removed(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", train=1, pairs=1)
    load_set(load_pairs(folder), SINGLE, workers=1)
    load_set(load_pairs(folder), BOTH, workers=1)
    before = set((folder / "pictures").iterdir())
    assert len(before) == 6
    write_frames(folder, train=1, pairs=2)
    load_set(load_pairs(folder), SINGLE, workers=1)
    assert len(set((folder / "pictures").iterdir()) - before) == 3
    assert not before & set((folder / "pictures").iterdir())


def test_several_processes_keep_the_same(tmp_path: Path, frames: Path) -> None:
    pairs = load_pairs(frames)
    one = load_set(pairs, BOTH, workers=1, folder=tmp_path / "one")
    two = load_set(pairs, BOTH, workers=2, folder=tmp_path / "two")
    rows = np.arange(len(pairs))
    for name, value in one.stored(rows, BOTH).items():
        np.testing.assert_array_equal(value, two.stored(rows, BOTH)[name])


def test_pictures_that_cannot_be_paired_are_named(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", train=1, pairs=1)
    odd = folder / "sf_test" / "sf_movie2_002.png"
    write_picture(odd, frame("sf", 1, 2, (20, 20)))
    with pytest.raises(DataError, match=r"sf_movie2_002\.png are of two sizes"):
        load_set(load_pairs(folder), SINGLE, workers=1)
    odd.write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"sf_movie2_002\.png"):
        load_set(load_pairs(folder), SINGLE, workers=1)


# Drawn


def test_a_drawn_frame_gives_its_pair_in_order(frames: Path) -> None:
    pytest.importorskip("torch")
    pairs = load_pairs(frames)
    kept = load_set(pairs, BOTH, workers=1)
    rows = np.arange(0, 12)
    both = PairBatches(kept, rows, pairs.labels, replace(BOTH, flow=False), 5, seed=3)
    seen = [item for batch in both for item in batch["frames"].numpy()]
    expected = kept.stored(rows, BOTH)["frames"]
    assert len(both) == 5
    assert sorted(item.tobytes() for item in seen) == sorted(
        item.tobytes() for item in expected for _ in range(2)
    )
    single = PairBatches(kept, rows, pairs.labels, SINGLE, 24, seed=3)
    (batch,) = list(single)
    singles = [half.tobytes() for item in expected for half in (item[:3], item[3:])]
    assert sorted(item.tobytes() for item in batch["frames"].numpy()) == sorted(singles)


def test_orders_are_of_the_seed_and_the_pass_and_of_the_rows_without(frames: Path) -> None:
    pytest.importorskip("torch")
    pairs = load_pairs(frames)
    kept = load_set(pairs, SINGLE, workers=1)
    rows = np.arange(len(pairs))

    def drawn(batches: PairBatches) -> list[bytes]:
        return [item.tobytes() for batch in batches for item in batch["frames"].numpy()]

    one = PairBatches(kept, rows, pairs.labels, SINGLE, 8, seed=1)
    first, second = drawn(one), drawn(one)
    assert first != second
    later = PairBatches(kept, rows, pairs.labels, SINGLE, 8, seed=1)
    later.go_on(1)
    assert drawn(later) == second
    in_order = drawn(PairBatches(kept, rows, pairs.labels, SINGLE, 8))
    halves = kept.stored(rows, replace(BOTH, flow=False, magnitude=False))["frames"]
    assert in_order == [half.tobytes() for item in halves for half in (item[:3], item[3:])]
