"""Every network trained and tested on the same recordings; which differences are noise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from reelpulse.errors import ReelpulseError
from reelpulse.learn.comparison import (
    Costs,
    NetworkComparison,
    costs_of,
    parts_of,
    ranked,
    train_each,
)
from reelpulse.learn.judged import Array
from reelpulse.learn.kept import alone
from reelpulse.learn.trials import OnShare, OnWork
from reelpulse.settings import SpeechTrainSettings, as_dict, one_of
from reelpulse.speech.judged import judged
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.picture import normalised
from reelpulse.speech.settings import checked
from reelpulse.speech.train import drawn, fit_and_judge, read_corpus

RANKED_BY = "macro_f1"

_TIMED = 8


def compare(
    speech: str | Path,
    settings: SpeechTrainSettings | None = None,
    *,
    networks: Sequence[str] | None = None,
    progress: OnWork | None = None,
) -> NetworkComparison:
    """Train every network on the same part of a corpus, and test it on the same other one.

    What is finished is kept in ``compare.parts`` in the corpus' folder: run again, it goes on
    there. `reelpulse.learn.comparison.write_comparison` keeps the result, and removes those parts.

    Parameters
    ----------
    speech : str or Path
        A folder that ``reelpulse speech prepare`` made.
    settings : SpeechTrainSettings, optional
        `network` and `every_fold` are not used.
    networks : sequence of str, optional
        Keys of `SPEECH_NETWORKS`; all of them without it.
    progress : callable, optional
        See `OnWork`.

    Raises
    ------
    DataError
        When the corpus cannot be used, or no network could be trained on it.
    SettingsError
        On an unknown network or value.
    """
    chosen = checked(settings or SpeechTrainSettings(), {})
    names = list(dict.fromkeys(networks or SPEECH_NETWORKS))
    for name in names:
        one_of("network", name, tuple(SPEECH_NETWORKS))
    corpus, dealt, warnings = read_corpus(speech, chosen)
    own = dealt[chosen.fold]
    plain = {**as_dict(chosen), "network": ""}
    plan = {
        "corpus": corpus.fingerprint, "parts": own.fingerprints(corpus), "settings": plain
    }  # fmt: skip

    def fit(name: str, kept: Path, tell: OnShare) -> tuple[Array, Costs]:
        made = replace(chosen, network=name)
        pictures = drawn(corpus, made, progress)
        tested, fitted = fit_and_judge(corpus, pictures, own, made, kept, None, tell)
        assert fitted is not None
        rows = own.test[:_TIMED]
        given = np.ascontiguousarray(normalised(pictures[rows], fitted.spec), np.float32)
        proto = fitted.onnx(pictures, own.test)
        return tested.outputs, costs_of(
            proto, {"input": given}, fitted.epoch_seconds, len(own.train)
        )

    with alone(parts_of(corpus.folder), speech, corpus.folder):
        for name in names:  # before processes that train beside this one would draw them too
            with suppress(ReelpulseError):  # raised again where it is this network's own
                drawn(corpus, replace(chosen, network=name), progress)
        done, failed = train_each(names, corpus.folder, plan, fit, progress)
    tested = {name: (judged(corpus, own.test, outputs), c) for name, (outputs, c) in done.items()}
    return NetworkComparison(
        corpus.folder,
        ranked(tested, RANKED_BY),
        failed,
        tuple(warnings),
        {
            "speech": str(corpus.folder),
            "fingerprint": corpus.fingerprint,
            "parts": {part: len(getattr(own, part)) for part in ("train", "valid", "test")},
            "settings": plain,
        },
    )
