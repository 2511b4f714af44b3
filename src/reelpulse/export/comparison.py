"""The page of a comparison: figures with their intervals, calibration, the table; and its JSON."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.export.report.figures import FONTS
from reelpulse.files import atomic_path, readable, write_json
from reelpulse.learn.metrics import Score
from reelpulse.moments.training.comparison import SHOWN, Comparison, Row

TITLES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
    "f1": "F1",
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "ece": "ECE",
    "mae": "MAE",
    "rmse": "RMSE",
    "spearman": "Spearman",
}
"""What people call the figures."""

_PLOTTED = {
    "binary": ("roc_auc", "average_precision"),
    "classes": ("roc_auc", "average_precision"),
    "score": ("spearman", "roc_auc"),
}
_AXES = {
    "binary": ("predicted probability", "share that is so"),
    "classes": ("probability of the likeliest class", "share that is right"),
    "score": ("predicted share of the highest score", "share given"),
}
_MARKS = ("circle", "diamond-open")
_COLOURS = (
    *("#4f52c9", "#0b8374", "#c2570c", "#b02a6b", "#1f78b8", "#857a1d", "#7b52b9", "#d4264a"),
    *("#2e7d32", "#795548"),
)
_BASELINE = "#8a93a3"
_SHOWN_CURVES = 3
"""Calibration curves of so many networks are drawn at once; the others wait in the legend."""

_ROW = 38
_OFFSET = 0.14


def write_comparison(comparison: Comparison, out: str | Path | None = None) -> list[Path]:
    """Write the page, which needs no other file, and its JSON twin.

    Parameters
    ----------
    comparison : Comparison
    out : str or Path, optional
        An ``.html`` file, or a folder; without it ``<dataset>.compare.html`` beside the dataset.

    Returns
    -------
    list of Path
        The page and the JSON.

    Raises
    ------
    DataError
        When a file cannot be written.
    """
    page = comparison_path(comparison.path, out)
    write_json(page.with_suffix(".json"), comparison.as_dict())
    with atomic_path(page) as temporary:
        temporary.write_bytes(readable(_page(comparison)).encode())
    return [page, page.with_suffix(".json")]


def comparison_path(dataset: Path, out: str | Path | None) -> Path:
    """Where the page goes; a folder given is made now: after the fits is too late to hear of it.

    Raises
    ------
    DataError
        When `out` would be neither a page nor a folder, or the folder cannot be written.
    """
    usual = dataset.with_name(f"{dataset.stem}.compare.html")
    if out is None:
        return usual
    given = Path(out)
    named = given.suffix.lower() in (".html", ".htm")
    if given.is_file() and not named:
        raise DataError(at(given, "is a file: give -o a folder, or a name that ends in .html"))
    page = given if named else given / usual.name
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(page.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DataError(
            at(page, f"cannot be written ({error.strerror}); give another -o")
        ) from None
    return page


def figure_text(score: Score) -> tuple[str, str]:
    """A figure and its interval, with two decimals: ``("0.83", "0.78–0.88")``."""
    if not math.isfinite(score.value):
        return "–", ""
    if not math.isfinite(score.low):
        return f"{score.value:.2f}", ""
    return f"{score.value:.2f}", f"{score.low:.2f}–{score.high:.2f}"


def cell_texts(name: str, score: Score) -> tuple[str, str]:
    """A figure and its interval as a table has them: none of ECE, which each draw makes larger."""
    value, interval = figure_text(score)
    return value, "" if name == "ece" else interval


def cost_texts(row: Row) -> tuple[str, str, str]:
    """Seconds a fit, microseconds a clip, kilobytes; dashes for a baseline."""
    if row.costs is None:
        return "–", "–", "–"
    costs = row.costs
    return f"{costs.seconds:.1f}", f"{costs.microseconds:.1f}", f"{costs.kilobytes:.0f}"


COST_TITLES = ("fit, s", "clip, µs", "size, kB")


def _page(comparison: Comparison) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("reelpulse", "export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = SHOWN[comparison.task.kind]
    warnings = [*comparison.warnings]
    warnings += [f"{name} could not be fitted: {why}" for name, why in comparison.failed.items()]
    return environment.get_template("comparison.html.j2").render(
        name=comparison.path.name,
        version=reelpulse.__version__,
        font=FONTS["en"],
        facts=facts_text(comparison),
        verdict=comparison.verdict,
        warnings=warnings,
        height=_ROW * len(comparison.rows) + 150,
        head=["", *(TITLES[name] for name in shown), *COST_TITLES],
        rows=[
            {
                "kind": _kind(row, comparison),
                "cells": [
                    (row.name, ""),
                    *(cell_texts(name, row.scores[name]) for name in shown),
                    *((text, "") for text in cost_texts(row)),
                ],
            }
            for row in comparison.rows
        ],
        notes=(
            "Figures are of clips that the network had not seen, with 95 % intervals from a"
            " bootstrap. Grey rows need no network. A clip's time is that of the exported model in"
            f" ONNX Runtime on one thread. Made by reelpulse {reelpulse.__version__}."
        ),
        data=json.dumps(_figure(comparison), ensure_ascii=False, allow_nan=False).replace(
            "<", "\\u003c"
        ),
        plotly=get_plotlyjs(),
    )


def facts_text(comparison: Comparison) -> str:
    """What was compared on, in a line."""
    facts = comparison.facts
    labels = ", ".join(f"{count} {name}" for name, count in facts["labels"].items())
    return f"{facts['clips']} clips ({labels}) of {facts['groups']} groups, {facts['folds']} folds"


def _kind(row: Row, comparison: Comparison) -> str:
    if not row.network:
        return "baseline"
    return "best" if row is comparison.best else "network"


def _figure(comparison: Comparison) -> dict[str, Any]:
    rows = comparison.rows
    colours = {
        row.name: _COLOURS[place % len(_COLOURS)] if row.network else _BASELINE
        for place, row in enumerate(rows)
    }
    metrics = _PLOTTED[comparison.task.kind]
    traces = [
        _intervals(rows, metric, place, colours) for place, metric in enumerate(metrics)
    ] + _curves(rows, colours)
    predicted, observed = _AXES[comparison.task.kind]
    grid = {"gridcolor": "#eceef2", "zeroline": False, "fixedrange": True}
    share = {**grid, "range": [-0.02, 1.02]}
    title = {"showarrow": False, "xref": "paper", "yref": "paper", "yanchor": "bottom", "y": 1.02}
    left = f"● {TITLES[metrics[0]]}   ◇ {TITLES[metrics[1]]}"
    layout = {
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONTS["en"], "size": 13, "color": "#626b7a"},
        "margin": {"l": 10, "r": 10, "t": 40, "b": 46},
        "annotations": [
            {**title, "text": left, "x": 0, "xanchor": "left"},
            {**title, "text": "Calibration", "x": 0.6, "xanchor": "left"},
        ],
        "shapes": [
            {
                "type": "path",
                "xref": "x2",
                "yref": "y2",
                "path": "M0,0L1,1",
                "line": {"color": "#c3c9d3", "dash": "dot", "width": 1},
            }
        ],
        "legend": {"x": 1.01, "y": 1, "font": {"size": 12}, "itemsizing": "constant"},
        "xaxis": {**grid, "domain": [0, 0.54], "automargin": True},
        "yaxis": {
            **grid,
            "tickvals": list(range(len(rows))),
            "ticktext": [row.name for row in rows],
            "range": [len(rows) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
        },
        "xaxis2": {**share, "domain": [0.6, 1], "anchor": "y2", "title": _titled(predicted)},
        "yaxis2": {**share, "anchor": "x2", "title": _titled(observed)},
    }
    return {"traces": traces, "layout": layout}


def _titled(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 13}}


def _intervals(
    rows: Sequence[Row], metric: str, place: int, colours: dict[str, str]
) -> dict[str, Any]:
    there = [
        (number, row, row.scores[metric])
        for number, row in enumerate(rows)
        if math.isfinite(row.scores[metric].value)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [score.value for _, _, score in there],
        "y": [number + (place * 2 - 1) * _OFFSET for number, _, _ in there],
        "text": [
            f"{row.name}: {TITLES[metric]} {' · '.join(figure_text(score))}"
            for _, row, score in there
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": 9,
            "symbol": _MARKS[place],
            "color": [colours[row.name] for _, row, _ in there],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_or(score.high, score.value) - score.value for _, _, score in there],
            "arrayminus": [score.value - _or(score.low, score.value) for _, _, score in there],
            "color": "#aab2bf",
            "thickness": 1.5,
            "width": 0,
        },
    }


def _or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def _curves(rows: Sequence[Row], colours: dict[str, str]) -> list[dict[str, Any]]:
    networks = [row for row in rows if row.network]
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "xaxis": "x2",
            "yaxis": "y2",
            "name": row.name,
            "visible": True if place < _SHOWN_CURVES else "legendonly",
            "x": list(row.calibration.predicted),
            "y": list(row.calibration.observed),
            "customdata": list(row.calibration.counts),
            "hovertemplate": f"{row.name}: %{{x:.2f}} → %{{y:.2f}}, %{{customdata}} clips"
            "<extra></extra>",
            "line": {"color": colours[row.name], "width": 1.6},
            "marker": {"color": colours[row.name], "size": _sizes(row.calibration.counts)},
        }
        for place, row in enumerate(networks)
    ]


def _sizes(counts: Sequence[int]) -> list[float]:
    """Of points: their area grows with their count."""
    most = max(counts, default=1)
    return [4 + 9 * math.sqrt(count / most) for count in counts]
