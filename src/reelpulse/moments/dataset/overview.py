"""What is in a dataset of clips, in a few numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.splits import clip_groups, split_warnings
from reelpulse.moments.dataset.clips import ClipSet

QUARTILES = ("least", "lower", "middle", "upper", "most")
_MOST_COMPARED = 20_000
"""Clips among which near-twins are looked for."""

Ints = npt.NDArray[np.int64]


def overview(clips: ClipSet, rows: Ints | None = None) -> dict[str, Any]:
    """Describe a dataset, or some of its clips.

    Parameters
    ----------
    clips : ClipSet
    rows : ndarray of int, optional
        Which clips; all of them without it.

    Returns
    -------
    dict
        Plain values: counts of clips, classes, sources and persons; quartiles of durations (and of
        scores); mean shares missing and filled; the mean spread of what several people said; how
        the clips were made; warnings.
    """
    rows = np.arange(len(clips)) if rows is None else rows
    facts = {name: values[rows] for name, values in clips.facts.items()}
    labels, task = clips.labels[rows], clips.task
    classes = {name: int((facts["label"] == name).sum()) for name in task.classes}
    groups, warnings = clip_groups(facts["source"], facts["person"])
    values = clips.features[rows] if len(rows) <= _MOST_COMPARED else None
    names = [f"row {row}" for row in rows]
    warnings = [*warnings, *split_warnings(task, labels, groups, values, names)]
    several = facts["annotators"] > 1
    return {
        "dataset": str(clips.path),
        "fingerprint": clips.fingerprint,
        "clips": len(rows),
        "of": len(clips),
        "task": task.as_dict(),
        "labels": classes,
        "scores": _quartiles(labels) if task.kind == "score" else {},
        "sources": len(set(facts["source"])),
        "persons": dict(Counter(facts["person"]).most_common()),
        "groups": len(np.unique(groups)),
        "seconds": _quartiles(facts["duration"]),
        "missing": _mean(facts["missing"]),
        "filled": _mean(facts["filled"]),
        "labelled_by_several": int(several.sum()),
        "spread": _mean(facts["spread"][several]),
        "columns": list(clips.columns),
        "shape": clips.shape.as_dict(),
        "embeddings": clips.embeddings,
        "sampling": clips.sampling,
        "warnings": warnings if len(rows) else ["no clip is like that"],
    }


def listed(clips: ClipSet, rows: Ints) -> list[dict[str, Any]]:
    """Every fact of some clips, each with its row."""
    facts = {name: values[rows] for name, values in clips.facts.items()}
    out = []
    for place, row in enumerate(rows.tolist()):
        known = {name: values[place] for name, values in facts.items()}
        out.append({"row": row, **{name: _plain(value) for name, value in known.items()}})
    return out


def _plain(value: Any) -> str | float | None:
    """A fact for JSON, which knows no NaN."""
    if isinstance(value, str):
        return value
    return round(float(value), 4) if np.isfinite(value) else None


def _quartiles(values: npt.NDArray[Any]) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    found = np.percentile(known, (0, 25, 50, 75, 100))
    return {name: round(float(x), 3) for name, x in zip(QUARTILES, found, strict=True)}


def _mean(values: npt.NDArray[Any]) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 4) if len(known) else None
