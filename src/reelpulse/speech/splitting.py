"""Which recordings are trained on, which tell when to stop, and which are only tested on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MissingExtra, at
from reelpulse.settings import SPLITS, one_of
from reelpulse.speech.corpus import EMOTIONS, Corpus

Rows = npt.NDArray[np.intp]

_TRIES = 20
"""How often groups are dealt anew until every part has every class."""

_VALID_PARTS = 2
"""Of what is not tested on, the folds are halved: a tenth of all is held back at five folds."""

_FEWEST_SPEAKERS = 3
"""One to train on, one to tell when to stop, one to test on."""

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Parts:
    """Rows of a corpus, each in one part at most.

    Parameters
    ----------
    train, valid, test : ndarray of int
        Those trained on, those that tell when to stop, and those that nothing was chosen by.
    """

    train: Rows
    valid: Rows
    test: Rows

    def fingerprints(self, corpus: Corpus) -> dict[str, str]:
        """Name each part by the recordings in it."""
        found = {}
        for part in PARTS:
            names = sorted(corpus.names[row] for row in getattr(self, part))
            found[part] = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        return found


def split(corpus: Corpus, how: str = "speaker", folds: int = 5, seed: int = 0) -> list[Parts]:
    """Deal a corpus.

    Parameters
    ----------
    corpus : Corpus
    how : {"speaker", "speaker_sentence", "leave_one_speaker_out", "random"}
        What the parts do not share. With ``speaker_sentence``, training has neither the speakers
        nor the sentences of the test, and what has one of them is in no part; what tells when to
        stop is apart by speaker alone. ``random`` deals single recordings: speakers and sentences
        are in every part, and figures too good.
    folds : int
        Into so many parts all is dealt, each the test of one split. Not of
        ``leave_one_speaker_out``, which has as many as there are speakers.
    seed : int

    Returns
    -------
    list of Parts
        One a fold.

    Raises
    ------
    DataError
        With fewer speakers than folds, sentences that are not known, or a class without a clip to
        train on.
    SettingsError
        On an unknown way.
    MissingExtra
        When scikit-learn is not installed.
    """
    one_of("split", how, SPLITS)
    try:
        return [_checked(corpus, parts, how) for parts in _WAYS[how](corpus, folds, seed)]
    except DataError as error:
        raise DataError(at(corpus.folder, str(error))) from None


def _by_speaker(corpus: Corpus, folds: int, seed: int) -> Iterator[Parts]:
    _enough(corpus, folds)
    for rest, test in _dealt(corpus.labels, corpus.speakers, folds, seed):
        yield _parts(corpus, rest, test, corpus.speakers, folds, seed)


def _leave_one_out(corpus: Corpus, folds: int, seed: int) -> Iterator[Parts]:
    _enough(corpus, _FEWEST_SPEAKERS)
    for speaker in np.unique(corpus.speakers):
        own = corpus.speakers == speaker
        rest, test = np.flatnonzero(~own), np.flatnonzero(own)
        yield _parts(corpus, rest, test, corpus.speakers, folds, seed)


def _at_random(corpus: Corpus, folds: int, seed: int) -> Iterator[Parts]:
    if len(corpus) < 2 * folds:
        raise DataError(f"{len(corpus)} recordings are too few for {folds} folds")
    each = np.arange(len(corpus)).astype(str)
    for rest, test in _dealt(corpus.labels, each, folds, seed):
        yield _parts(corpus, rest, test, each, folds, seed)


def _by_both(corpus: Corpus, folds: int, seed: int) -> Iterator[Parts]:
    _enough(corpus, folds)
    if (corpus.sentences == "").any():
        count = int((corpus.sentences == "").sum())
        raise DataError(f"the sentence of {count} recordings is not known: use --split speaker")
    sentences = np.random.default_rng(seed).permutation(np.unique(corpus.sentences))
    if len(sentences) < 2:
        raise DataError("all recordings have one sentence: use --split speaker")
    groups = np.array_split(sentences, min(folds, len(sentences)))
    for number, (rest, test) in enumerate(_dealt(corpus.labels, corpus.speakers, folds, seed)):
        tested = np.isin(corpus.sentences, groups[number % len(groups)])
        rest, test = rest[~tested[rest]], test[tested[test]]
        if not len(test):
            raise DataError(
                "speakers and sentences go together: no recording is left to test on; use"
                " --split speaker"
            )
        yield _parts(corpus, rest, test, corpus.speakers, folds, seed)


_WAYS = {
    "speaker": _by_speaker,
    "speaker_sentence": _by_both,
    "leave_one_speaker_out": _leave_one_out,
    "random": _at_random,
}


def _enough(corpus: Corpus, folds: int) -> None:
    speakers = len(np.unique(corpus.speakers))
    if speakers < _FEWEST_SPEAKERS:
        there = f"{speakers} speaker is" if speakers == 1 else f"{speakers} speakers are"
        raise DataError(
            f"{there} too few to train, stop and test on others ({_FEWEST_SPEAKERS} are needed):"
            " prepare more, or use --split random, which flatters"
        )
    if speakers < folds:
        raise DataError(
            f"{folds} folds need at least {folds} speakers, and there are {speakers}:"
            f" use --folds {speakers}"
        )


def _dealt(
    labels: npt.NDArray[Any], groups: npt.NDArray[Any], folds: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Deal groups to folds: rows that stay, rows taken out; with every class in both if it can be.

    Classes are as even as the groups let them be.
    """
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError:
        raise MissingExtra("train", "splitting a corpus") from None
    every = len(np.unique(labels))
    best: list[tuple[Rows, Rows]] = []
    most = -1
    for attempt in range(_TRIES):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + attempt)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes with fewer recordings than folds
            try:
                dealt = list(splitter.split(labels, labels, groups))
            except ValueError:
                raise DataError(
                    f"every class has fewer recordings than the {folds} folds: use fewer"
                ) from None
        there = sum(len(np.unique(labels[rows])) for pair in dealt for rows in pair)
        if there > most:
            best, most = dealt, there
        if there == 2 * every * folds:
            break
    return best


def _parts(
    corpus: Corpus, rest: Rows, test: Rows, groups: npt.NDArray[Any], folds: int, seed: int
) -> Parts:
    """Hold back a part of the rest, to tell when to stop."""
    of_rest = len(np.unique(groups[rest]))
    if of_rest < _FEWEST_SPEAKERS - 1:
        raise DataError("too few speakers are left to train on: use more folds")
    parts = min(max(_VALID_PARTS * (folds - 1), 2), of_rest)
    train, valid = _dealt(corpus.labels[rest], groups[rest], parts, seed)[0]
    return Parts(rest[train], rest[valid], test)


def _checked(corpus: Corpus, parts: Parts, how: str) -> Parts:
    """See that each class of the corpus can be learnt."""
    known = np.unique(corpus.labels[parts.train])
    for code in np.unique(corpus.labels):
        if code not in known:
            own = corpus.labels == code
            clips, speakers = int(own.sum()), len(np.unique(corpus.speakers[own]))
            many = f"{clips} clips of {speakers} speakers" if speakers > 1 else f"{clips} clips"
            who = many if speakers > 1 else f"{many} of one speaker"
            otherwise = ", or another --seed or --folds" if speakers > 1 else ", by other speakers"
            raise DataError(
                f"no clip of {EMOTIONS[code]} is left to train on (there are {who}): prepare more"
                f" of it{otherwise}"
            )
    return parts
