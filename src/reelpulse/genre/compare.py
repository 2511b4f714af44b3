"""Every network trained and tested on the same films; which differences are noise."""

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
from reelpulse.genre.dataset import PairSet
from reelpulse.genre.fitting import OUTPUT, Array, FittedGenre
from reelpulse.genre.judged import Judged, judged
from reelpulse.genre.networks import GENRE_NETWORKS
from reelpulse.genre.pairs import Pairs
from reelpulse.genre.presets import PRESETS
from reelpulse.genre.settings import plan
from reelpulse.genre.splitting import Parts
from reelpulse.genre.train import OnWork, fit_and_judge, made_set, read_folder
from reelpulse.hub import open_onnx
from reelpulse.learn.figures import ahead_by
from reelpulse.learn.fit import beside
from reelpulse.learn.kept import alone
from reelpulse.learn.metrics import Score
from reelpulse.settings import GenreTrainSettings, as_dict, one_of

logger = logging.getLogger(__name__)

RANKED_BY = "accuracy"

_TIMED = 8
_RUNS = 3


@dataclass(frozen=True)
class Costs:
    """What a network costs.

    Parameters
    ----------
    epoch : float
        Seconds of a pass over the training frames.
    images : float
        Frames, or pairs, trained on in a second.
    milliseconds : float
        An input of the network, by ONNX Runtime on one thread; preparing it left out. A network of
        single frames has two a pair.
    megabytes : float
        Of the exported model.
    """

    epoch: float
    images: float
    milliseconds: float
    megabytes: float


@dataclass(frozen=True)
class Line:
    """A network, as a preset trains it, in the comparison.

    Parameters
    ----------
    name : str
        Key of `PRESETS`.
    tested : Judged
    scores : dict of str to Score
    behind : Score
        By how much the best network's accuracy exceeds this one's, on the same draws.
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
            "network": PRESETS[self.name].network,
            "published": PRESETS[self.name].published,
            **self.tested.as_dict(),
            "behind": self.behind.as_list(),
            "within_noise": self.within_noise,
            "costs": {name: round(value, 4) for name, value in asdict(self.costs).items()},
        }


@dataclass(frozen=True)
class GenreComparison:
    """What `compare` found.

    Parameters
    ----------
    folder : Path
        The pairs.
    lines : tuple of Line
        The best first.
    failed : dict of str to str
        Networks that could not be trained, and why.
    warnings : tuple of str
    facts : dict
        Of the pairs and the settings.
    """

    folder: Path
    lines: tuple[Line, ...]
    failed: dict[str, str]
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "frames": str(self.folder),
            **self.facts,
            "networks": [line.as_dict() for line in self.lines],
            "failed": self.failed,
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def compare(
    frames: str | Path,
    settings: GenreTrainSettings | None = None,
    *,
    presets: Sequence[str] | None = None,
    progress: OnWork | None = None,
) -> GenreComparison:
    """Train every network on the same films, each as its preset says, and test it on the same.

    What is finished is kept in ``compare.parts`` in the folder until all is: run again, it goes on
    there. `write_comparison` keeps the result.

    Parameters
    ----------
    frames : str or Path
        A folder that ``reelpulse genre extract`` made.
    settings : GenreTrainSettings, optional
        What stands in it counts more than the presets; `network`, `preset` and `every_fold` are not
        used.
    presets : sequence of str, optional
        Keys of `PRESETS`; the networks of `GENRE_NETWORKS` without it.
    progress : callable, optional
        See `OnWork`.

    Raises
    ------
    DataError
        When the folder cannot be used, or no network could be trained on it.
    SettingsError
        On an unknown preset or value.
    """
    given = replace(settings or GenreTrainSettings(), network=None, preset=None, every_fold=False)
    names = list(dict.fromkeys(presets or GENRE_NETWORKS))
    for name in names:
        one_of("preset", name, tuple(PRESETS))
    pairs, dealt, warnings = read_folder(frames, given)
    own = dealt[given.fold]
    parts = pairs.folder / "compare.parts"
    with alone(parts, frames, pairs.folder):
        _begin(parts, pairs, own, given)
        done, failed = _train_all(pairs, own, given, names, parts, progress)
        if not done:
            first = next(iter(failed.values()))
            raise DataError(at(pairs.folder, f"no network could be trained on it ({first})"))
        if not beside() and not failed:
            shutil.rmtree(parts)
    return GenreComparison(
        pairs.folder,
        tuple(_lines({name: (judged(pairs, own.test, o), c) for name, (o, c) in done.items()})),
        failed,
        tuple(warnings),
        {
            "fingerprint": pairs.fingerprint,
            "classes": list(pairs.classes),
            "parts": {part: len(getattr(own, part)) for part in ("train", "valid", "test")},
            "settings": as_dict(given),
        },
    )


def write_comparison(found: GenreComparison, out: str | Path | None = None) -> Path:
    """Write it as JSON: ``compare.json`` in the folder of the pairs, or where `out` says."""
    path = found.folder / "compare.json" if out is None else Path(out)
    if path.suffix.lower() != ".json":
        raise DataError(at(path, "a comparison's name ends with .json"))
    write_json(path, found.as_dict())
    return path


def _begin(parts: Path, pairs: Pairs, own: Parts, settings: GenreTrainSettings) -> None:
    """Keep earlier parts only where they are of these pairs and these settings."""
    told = {
        "pairs": pairs.fingerprint,
        "parts": own.fingerprints(pairs),
        "settings": as_dict(settings),
        "reelpulse": reelpulse.__version__,
    }
    file = parts / "plan.json"
    try:
        there = json.loads(file.read_bytes())
    except (OSError, ValueError):
        there = None
    if beside():
        return
    if there != told and parts.exists():
        shutil.rmtree(parts)
    write_json(file, told)


def _train_all(
    pairs: Pairs,
    own: Parts,
    settings: GenreTrainSettings,
    names: Sequence[str],
    parts: Path,
    progress: OnWork | None,
) -> tuple[dict[str, tuple[Array, Costs]], dict[str, str]]:
    done: dict[str, tuple[Array, Costs]] = {}
    failed: dict[str, str] = {}
    for name in names:  # before processes that train beside this one would want to make them too
        with suppress(ReelpulseError):  # raised again below, where it is this network's own
            made_set(pairs, plan(settings, {"preset": name}), progress)
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
                chosen = plan(settings, {"preset": name})
                pictures = made_set(pairs, chosen, progress)
                tested, fitted = fit_and_judge(
                    pairs, pictures, own, chosen, parts / name, None, tell
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


def _costs(fitted: FittedGenre, pictures: PairSet, own: Parts) -> Costs:
    given = fitted.given(pictures, own.test[:_TIMED])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(fitted.onnx(pictures, own.test).SerializeToString())
        session, size = open_onnx(path).session, path.stat().st_size / 1e6
    took = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        session.run([OUTPUT], given)
        took.append(time.perf_counter() - begun)
    seconds = fitted.epoch_seconds
    inputs = len(next(iter(given.values())))
    return Costs(seconds, 2 * len(own.train) / seconds, 1000 * min(took) / inputs, size)


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
            best.labels, best.predicted, tested.predicted, best.films, len(best.classes), "war"
        )
        lines.append(Line(name, tested, scores[name], behind, costs))
    return lines
