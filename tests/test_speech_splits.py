"""Which recordings are trained on and which are tested on: nothing is in both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelpulse.errors import DataError, SettingsError
from reelpulse.speech.corpus import EMOTIONS, Corpus
from reelpulse.speech.splitting import PARTS, Parts, split

pytest.importorskip("sklearn", reason="the extra train is not installed")


def corpus(
    speakers: int = 10, each: int = 4, sentences: int = 2, emotions: int = 7, lacking: int = 0
) -> Corpus:
    """Each speaker says each sentence in each emotion; the first `lacking` have no anger."""
    rows = [
        (speaker, number, label)
        for speaker in range(speakers)
        for label in range(emotions)
        for number in range(each)
        if not (label == 0 and speaker < lacking)
    ]
    names = tuple(f"{speaker}_{label}{number}" for speaker, number, label in rows)
    return Corpus(
        Path("speech"),
        names,
        np.array([label for *_, label in rows], np.int64),
        np.array([f"p{speaker}" for speaker, *_ in rows]),
        np.array([f"s{number % sentences}" if sentences else "" for _, number, _ in rows]),
        np.ones(len(rows)),
        "print",
    )


def rows_of(parts: Parts) -> list[np.ndarray]:
    return [getattr(parts, name) for name in PARTS]


def apart(values: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    return not set(values[one].tolist()) & set(values[other].tolist())


def test_by_speaker_no_speaker_is_in_two_parts_and_each_is_tested_once() -> None:
    given = corpus()
    dealt = split(given, "speaker", 5, 0)
    assert len(dealt) == 5
    tested = np.concatenate([parts.test for parts in dealt])
    assert sorted(tested) == list(range(len(given)))
    for parts in dealt:
        assert sorted(np.concatenate(rows_of(parts))) == list(range(len(given)))
        train, valid, test = rows_of(parts)
        for pair in ((train, valid), (train, test), (valid, test)):
            assert apart(given.speakers, *pair)
        for rows in (train, valid, test):
            assert len(np.unique(given.labels[rows])) == 7


def test_the_same_seed_deals_the_same() -> None:
    given = corpus()
    first, again, other = (
        [parts.fingerprints(given) for parts in split(given, "speaker", 5, seed)]
        for seed in (3, 3, 4)
    )
    assert first == again != other


def test_by_speaker_and_sentence_training_has_neither() -> None:
    given = corpus(sentences=4)
    for parts in split(given, "speaker_sentence", 5, 0):
        train, valid, test = rows_of(parts)
        seen = np.concatenate([train, valid])
        assert len(test)
        assert apart(given.speakers, seen, test)
        assert apart(given.sentences, seen, test)
        assert apart(given.speakers, train, valid)


def test_each_speaker_is_left_out_once() -> None:
    given = corpus(speakers=6, lacking=2)
    dealt = split(given, "leave_one_speaker_out", 5, 0)
    assert [set(given.speakers[parts.test].tolist()) for parts in dealt] == [
        {f"p{number}"} for number in range(6)
    ]
    for parts in dealt:
        assert apart(given.speakers, parts.train, parts.test)
        assert apart(given.speakers, parts.train, parts.valid)


def test_only_random_has_speakers_on_both_sides() -> None:
    given = corpus()
    parts = split(given, "random", 5, 0)[0]
    assert not apart(given.speakers, parts.train, parts.test)
    assert sorted(np.concatenate(rows_of(parts))) == list(range(len(given)))


@pytest.mark.parametrize("how", ["speaker", "speaker_sentence"])
def test_fewer_speakers_than_folds_name_the_folds_to_take(how: str) -> None:
    with pytest.raises(DataError, match=r"5 folds need .* there are 4: use --folds 4"):
        split(corpus(speakers=4), how, 5, 0)
    with pytest.raises(DataError, match="2 speakers are too few"):
        split(corpus(speakers=2), how, 2, 0)


def test_a_class_without_a_clip_to_train_on_is_named() -> None:
    given = corpus(speakers=5, lacking=4)  # one speaker alone is angry
    with pytest.raises(DataError, match=f"no clip of {EMOTIONS[0]} is left to train on.* one"):
        split(given, "speaker", 5, 0)
    assert len(split(given, "random", 2, 0)) == 2


def test_sentences_must_be_known_and_differ() -> None:
    for sentences, what in ((0, "is not known"), (1, "have one sentence")):
        with pytest.raises(DataError, match=f"{what}.*--split speaker"):
            split(corpus(sentences=sentences), "speaker_sentence", 5, 0)


def test_sentences_that_go_with_speakers_leave_nothing_to_test() -> None:
    given = corpus(speakers=4)
    object.__setattr__(given, "sentences", np.where(given.speakers == "p0", "a", "b"))
    with pytest.raises(DataError, match="speakers and sentences go together"):
        split(given, "speaker_sentence", 4, 0)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean `speaker`"):
        split(corpus(), "speakers", 5, 0)


def test_a_class_of_few_clips_is_dealt_all_the_same() -> None:
    given = corpus(speakers=8, each=1, lacking=5)  # three of eight are angry, once each
    for parts in split(given, "speaker", 4, 0):
        assert 0 in given.labels[parts.train]
