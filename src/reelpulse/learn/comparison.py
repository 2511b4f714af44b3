"""Several networks trained and tested on the same examples; which differences are noise."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
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
from reelpulse.learn.judged import Array, JudgedClasses
from reelpulse.learn.metrics import Score
from reelpulse.learn.trials import OnShare, OnWork, in_turn

logger = logging.getLogger(__name__)

_RUNS = 3


@dataclass(frozen=True)
class Costs:
    """What a network costs.

    Parameters
    ----------
    epoch : float
        Seconds of a pass over the training examples, judging those held back among them.
    trained : float
        Examples trained on in a second of that.
    milliseconds : float
        An input of the network, by ONNX Runtime on one thread; preparing it left out.
    megabytes : float
        Of the exported model.
    """

    epoch: float
    trained: float
    milliseconds: float
    megabytes: float


@dataclass(frozen=True)
class Line:
    """A network in the comparison.

    Parameters
    ----------
    name : str
    tested : JudgedClasses
    scores : dict of str to Score
    behind : Score
        By how much the best network's figure exceeds this one's, on the same draws.
    costs : Costs
    facts : dict
        More to be told of it.
    """

    name: str
    tested: JudgedClasses
    scores: dict[str, Score]
    behind: Score
    costs: Costs
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def within_noise(self) -> bool:
        """Whether the interval of the difference from the best holds 0."""
        return self.behind.reaches_zero

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            **self.facts,
            **self.tested.as_dict(),
            "behind": self.behind.as_list(),
            "within_noise": self.within_noise,
            "costs": {name: round(value, 4) for name, value in asdict(self.costs).items()},
        }


@dataclass(frozen=True)
class NetworkComparison:
    """What a comparison found.

    Parameters
    ----------
    folder : Path
        The examples.
    lines : tuple of Line
        The best first.
    failed : dict of str to str
        Networks that could not be trained, and why.
    warnings : tuple of str
    facts : dict
        Of the examples and the settings.
    """

    folder: Path
    lines: tuple[Line, ...]
    failed: dict[str, str]
    warnings: tuple[str, ...]
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **self.facts,
            "networks": [line.as_dict() for line in self.lines],
            "failed": self.failed,
            "warnings": list(self.warnings),
            "reelpulse": reelpulse.__version__,
        }


def write_comparison(found: NetworkComparison, out: str | Path | None = None) -> Path:
    """Write it as JSON: ``compare.json`` in the folder of the examples, or where `out` says.

    What was kept to go on from is removed then, unless a network failed.
    """
    path = comparison_path(found.folder, out)
    write_json(path, found.as_dict())
    if not found.failed and not beside():
        shutil.rmtree(parts_of(found.folder), ignore_errors=True)
    return path


def comparison_path(folder: Path, out: str | Path | None = None) -> Path:
    """Name the file of a comparison, before hours are spent on it.

    Raises
    ------
    DataError
        When its name ends otherwise, or its folder cannot be written.
    """
    path = folder / "compare.json" if out is None else Path(out)
    if path.suffix.lower() != ".json":
        raise DataError(at(path, "a comparison's name ends with .json"))
    if path.is_dir() or not os.access(_existing(path.parent), os.W_OK):
        raise DataError(at(path, "cannot be written there: give another -o"))
    return path


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())


def train_each(
    names: Sequence[str],
    folder: Path,
    plan: Mapping[str, Any],
    fit: Callable[[str, Path, OnShare], tuple[Array, Costs]],
    progress: OnWork | None = None,
) -> tuple[dict[str, tuple[Array, Costs]], dict[str, str]]:
    """Train networks one after the other; what is finished is kept until `write_comparison`.

    Parameters
    ----------
    names : sequence of str
    folder : Path
        Of the examples. In its ``compare.parts`` a stopped run finds what it has done.
    plan : dict
        All that the outputs depend on: what was kept for another is removed.
    fit : callable
        Told the network's name, the beginning of the names of its files, and whom to tell its
        progress; gives the outputs for the examples tested on, (N, classes), and the costs.
    progress : callable, optional

    Returns
    -------
    done : dict of str to (ndarray, Costs)
    failed : dict of str to str
        Networks that could not be trained, and why.

    Raises
    ------
    DataError
        When none could be trained, or what is finished cannot be kept.
    """
    parts = parts_of(folder)
    begin(parts, {**plan, "reelpulse": reelpulse.__version__})
    done: dict[str, tuple[Array, Costs]] = {}
    failed: dict[str, str] = {}
    for name, tell in in_turn(names, progress):
        kept = parts / f"{name}.npz"
        try:
            done[name] = _read(kept)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            try:
                done[name] = fit(name, parts / name, tell)
            except Exception as error:  # of whatever library the network is from
                logger.debug("%s failed", name, exc_info=True)
                text = str(error) if isinstance(error, ReelpulseError) else f"{error!r}"
                failed[name] = " ".join(text.split())
            else:
                if not beside():
                    _write(kept, *done[name])
                    (parts / f"{name}.safetensors").unlink(missing_ok=True)
        tell(1.0)
    if not done:
        first = next(iter(failed.values()))
        raise DataError(at(folder, f"no network could be trained on it ({first})"))
    return done, failed


def parts_of(folder: Path) -> Path:
    """Where a comparison of the examples in a folder keeps what it has done."""
    return folder / "compare.parts"


def costs_of(proto: Any, given: dict[str, Array], epoch: float, examples: int) -> Costs:
    """Measure what a network costs.

    Parameters
    ----------
    proto : onnx.ModelProto
    given : dict of str to ndarray
        Some of its inputs.
    epoch : float
        Seconds of a pass.
    examples : int
        In a pass.
    """
    seconds, size = measured(proto, given)
    return Costs(epoch, examples / epoch, 1000 * seconds, size / 1e6)


def measured(proto: Any, given: Mapping[str, Array]) -> tuple[float, int]:
    """Run a model by ONNX Runtime on one thread.

    Parameters
    ----------
    proto : onnx.ModelProto
    given : dict of str to ndarray
        A batch; what the model does not take is left out.

    Returns
    -------
    seconds : float
        Of an example of the batch, in the fastest of a few runs.
    size : int
        Bytes of the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        session, size = open_onnx(path).session, path.stat().st_size
    inputs = {one.name: given[one.name] for one in session.get_inputs()}
    took = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        session.run(None, inputs)
        took.append(time.perf_counter() - begun)
    return min(took) / len(next(iter(inputs.values()))), size


def ranked(
    done: Mapping[str, tuple[JudgedClasses, Costs]],
    by: str,
    measure: str | None = None,
    facts: Callable[[str], Mapping[str, Any]] = lambda name: {},
) -> tuple[Line, ...]:
    """Lines of the networks, the best first.

    Parameters
    ----------
    done : dict of str to (JudgedClasses, Costs)
    by : str
        The figure, of its scores, that says which is best.
    measure : str, optional
        Its name in `reelpulse.learn.figures.FIGURES`, where that is another.
    facts : callable, optional
        More to be told of a network of that name.
    """
    scores = {name: tested.scores() for name, (tested, _) in done.items()}
    order = sorted(done, key=lambda name: -scores[name][by].value)
    best = done[order[0]][0]
    lines = []
    for name in order:
        tested, costs = done[name]
        behind = ahead_by(
            best.labels, best.predicted, tested.predicted, best.groups, len(best.classes),
            measure or by,
        )  # fmt: skip
        lines.append(Line(name, tested, scores[name], behind, costs, facts(name)))
    return tuple(lines)


def begin(parts: Path, plan: Mapping[str, Any]) -> None:
    """Keep in a folder what an earlier run left there only where it was of this very plan."""
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


def _write(path: Path, outputs: Array, costs: Costs) -> None:
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, outputs=outputs, costs=np.array(astuple(costs)))
    except OSError as error:
        raise DataError(at(path, f"cannot be written ({error.strerror})")) from None


def _read(path: Path) -> tuple[Array, Costs]:
    with np.load(path, allow_pickle=False) as kept:
        return kept["outputs"], Costs(*map(float, kept["costs"]))
