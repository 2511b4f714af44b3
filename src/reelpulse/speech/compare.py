"""Every network trained and tested on the same recordings; which differences are noise."""

from __future__ import annotations

import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

import reelpulse
from reelpulse.errors import DataError, ReelpulseError, at
from reelpulse.files import atomic_path, write_json
from reelpulse.hub import open_onnx
from reelpulse.learn.figures import ahead_by
from reelpulse.learn.fit import beside
from reelpulse.learn.kept import alone
from reelpulse.learn.metrics import Score
from reelpulse.settings import SpeechTrainSettings, as_dict, one_of
from reelpulse.speech.corpus import EMOTIONS, Corpus
from reelpulse.speech.dataset import PictureSet
from reelpulse.speech.fitting import Array, FittedSpeech
from reelpulse.speech.judged import Judged, judged
from reelpulse.speech.networks import SPEECH_NETWORKS
from reelpulse.speech.picture import normalised
from reelpulse.speech.settings import checked
from reelpulse.speech.splitting import Parts
from reelpulse.speech.train import OnWork, drawn, fit_and_judge, read_corpus

logger = logging.getLogger(__name__)

RANKED_BY = "macro_f1"

_TIMED = 8
_RUNS = 3


@dataclass(frozen=True)
class Costs:
    """What a network costs.

    Parameters
    ----------
    epoch : float
        Seconds of a pass over the training clips.
    milliseconds : float
        A clip, by ONNX Runtime on one thread; drawing its picture left out.
    megabytes : float
        Of the exported model.
    """

    epoch: float
    milliseconds: float
    megabytes: float


@dataclass(frozen=True)
class Line:
    """A network in the comparison.

    Parameters
    ----------
    name : str
    tested : Judged
    scores : dict of str to Score
    behind : Score
        By how much the best network's macro F1 exceeds this one's, on the same draws.
    costs : Costs
    """

    name: str
    tested: Judged
    scores: dict[str, Score]
    behind: Score
    costs: Costs

    @property
    def within_noise(self) -> bool:
        """Whether the interval of the difference from the best holds 0."""
        return math.isfinite(self.behind.low) and self.behind.low <= 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            **self.tested.as_dict(),
            "behind": self.behind.as_list(),
            "within_noise": self.within_noise,
            "costs": {name: round(value, 4) for name, value in asdict(self.costs).items()},
        }


@dataclass(frozen=True)
class SpeechComparison:
    """What `compare` found.

    Parameters
    ----------
    folder : Path
        The corpus.
    lines : tuple of Line
        The best first.
    failed : dict of str to str
        Networks that could not be trained, and why.
    warnings : tuple of str
    facts : dict
        Of the corpus and the settings.
    """

    folder: Path
    lines: tuple[Line, ...]
    failed: dict[str, str]
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "speech": str(self.folder),
            **self.facts,
            "networks": [line.as_dict() for line in self.lines],
            "failed": self.failed,
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def compare(
    speech: str | Path,
    settings: SpeechTrainSettings | None = None,
    *,
    networks: Sequence[str] | None = None,
    progress: OnWork | None = None,
) -> SpeechComparison:
    """Train every network on the same part of a corpus, and test it on the same other one.

    What is finished is kept in ``compare.parts`` in the corpus' folder until all is: run again, it
    goes on there. `write_comparison` keeps the result.

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
    parts = corpus.folder / "compare.parts"
    with alone(parts, speech, corpus.folder):
        _begin(parts, corpus, own, chosen)
        done, failed = _train_all(corpus, own, chosen, names, parts, progress)
        if not done:
            first = next(iter(failed.values()))
            raise DataError(at(corpus.folder, f"no network could be trained on it ({first})"))
        if not failed and not beside():
            shutil.rmtree(parts)
    return SpeechComparison(
        corpus.folder,
        tuple(_lines({name: (judged(corpus, own.test, o), c) for name, (o, c) in done.items()})),
        failed,
        tuple(warnings),
        {
            "fingerprint": corpus.fingerprint,
            "parts": {part: len(getattr(own, part)) for part in ("train", "valid", "test")},
            "settings": {**as_dict(chosen), "network": ""},
        },
    )


def write_comparison(found: SpeechComparison, out: str | Path | None = None) -> Path:
    """Write it as JSON: ``compare.json`` in the corpus' folder, or where `out` says."""
    path = found.folder / "compare.json" if out is None else Path(out)
    if path.suffix.lower() != ".json":
        raise DataError(at(path, "a comparison's name ends with .json"))
    write_json(path, found.as_dict())
    return path


def _begin(parts: Path, corpus: Corpus, own: Parts, settings: SpeechTrainSettings) -> None:
    """Keep earlier parts only where they are of this corpus and these settings."""
    plan = {
        "corpus": corpus.fingerprint,
        "parts": own.fingerprints(corpus),
        "settings": {**as_dict(settings), "network": ""},
        "reelpulse": reelpulse.__version__,
    }
    file = parts / "plan.json"
    try:
        there = json.loads(file.read_bytes())
    except (OSError, ValueError):
        there = None
    if beside():
        return
    if there != plan and parts.exists():
        shutil.rmtree(parts)
    write_json(file, plan)


def _train_all(
    corpus: Corpus,
    own: Parts,
    settings: SpeechTrainSettings,
    names: Sequence[str],
    parts: Path,
    progress: OnWork | None,
) -> tuple[dict[str, tuple[Array, Costs]], dict[str, str]]:
    done: dict[str, tuple[Array, Costs]] = {}
    failed: dict[str, str] = {}
    for name in names:  # before processes that train beside this one would want to draw them too
        with suppress(ReelpulseError):  # raised again below, where it is this network's own
            drawn(corpus, replace(settings, network=name), progress)
    for place, name in enumerate(names):

        def tell(share: float, before: int = place, name: str = name) -> None:
            if progress is not None:
                progress(before + share, len(names), name)

        tell(0.0)
        kept = parts / f"{name}.npz"
        try:
            done[name] = _read(kept)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            try:
                made = replace(settings, network=name)
                pictures = drawn(corpus, made, progress)
                tested, fitted = fit_and_judge(
                    corpus, pictures, own, made, parts / name, None, tell
                )
                assert fitted is not None
                done[name] = tested.outputs, _costs(fitted, pictures, own)
                if not beside():
                    _write(kept, *done[name])
                    (parts / f"{name}.safetensors").unlink(missing_ok=True)
            except Exception as error:  # of whatever library the network is from
                logger.debug("%s failed", name, exc_info=True)
                text = str(error) if isinstance(error, ReelpulseError) else f"{error!r}"
                failed[name] = " ".join(text.split())
        tell(1.0)
    return done, failed


def _costs(fitted: FittedSpeech, pictures: PictureSet, own: Parts) -> Costs:
    given = np.ascontiguousarray(normalised(pictures[own.test[:_TIMED]], fitted.spec), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(fitted.onnx(pictures, own.test).SerializeToString())
        session, size = open_onnx(path).session, path.stat().st_size / 1e6
    took = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        session.run(["output"], {"input": given})
        took.append(time.perf_counter() - begun)
    return Costs(fitted.epoch_seconds, 1000 * min(took) / len(given), size)


def _write(path: Path, outputs: Array, costs: Costs) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, outputs=outputs, costs=np.array(astuple(costs)))


def _read(path: Path) -> tuple[Array, Costs]:
    with np.load(path, allow_pickle=False) as kept:
        return kept["outputs"], Costs(*map(float, kept["costs"]))


def _lines(done: dict[str, tuple[Judged, Costs]]) -> list[Line]:
    """The networks, the best first."""
    scores = {name: tested.scores() for name, (tested, _) in done.items()}
    order = sorted(done, key=lambda name: -scores[name][RANKED_BY].value)
    best = done[order[0]][0]
    lines = []
    for name in order:
        tested, costs = done[name]
        behind = ahead_by(
            best.labels, best.predicted, tested.predicted, best.speakers, len(EMOTIONS), RANKED_BY
        )
        lines.append(Line(name, tested, scores[name], behind, costs))
    return lines
