"""The page of motion by genre: a distribution a genre, its films, the figures; and its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import reelpulse
from reelpulse.export.report.figures import FONTS
from reelpulse.files import atomic_path, readable, write_json
from reelpulse.genre.spread import STILL, MotionSpread, logarithms

_COLOURS = (
    *("#4f52c9", "#0b8374", "#c2570c", "#b02a6b"),
    *("#1f78b8", "#857a1d", "#7b52b9", "#d4264a"),
)
_ROW = 78
_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_BIN = 0.1
"""Width of a bin of the distribution, in decades; smoothed over its neighbours."""

_EDGE = 4 * _BIN

HEAD = ("pairs", "films", "mean", "median", "10 %", "90 %", "still")


def write_motion(found: MotionSpread, page: str | Path) -> list[Path]:
    """Write the page, which needs no other file, and its JSON twin.

    Parameters
    ----------
    found : MotionSpread
    page : str or Path
        Where it goes; the JSON beside it.

    Returns
    -------
    list of Path
        The page and the JSON.

    Raises
    ------
    DataError
        When a file cannot be written.
    """
    page = Path(page)
    write_json(page.with_suffix(".json"), found.as_dict())
    with atomic_path(page) as temporary:
        temporary.write_bytes(readable(_page(found)).encode())
    return [page, page.with_suffix(".json")]


def figure_rows(found: MotionSpread) -> list[tuple[str, ...]]:
    """A row of texts a genre: its name, and what `HEAD` names."""
    rows = []
    for genre in found.pairs.classes:
        values, films = found.of(genre), found.films(genre)
        if len(values):
            low, median, high = np.quantile(values, (0.1, 0.5, 0.9))
            figures = [magnitude_text(v) for v in (values.mean(), median, low, high)]
            still = f"{100 * (values < STILL).mean():.0f} %"
        else:
            figures, still = ["–"] * 4, "–"
        rows.append((genre, str(len(values)), str(len(films)), *figures, still))
    return rows


def magnitude_text(value: float) -> str:
    """A magnitude with two figures that count, or that it is still."""
    if value < STILL:
        return "0"
    return f"{value:.{1 - int(np.floor(np.log10(value)))}f}"


def verdict(found: MotionSpread) -> str:
    """How much of the differences the genre and the film account for, in a sentence."""
    shares = found.shares()
    within = 100 * (shares["film"] - shares["genre"])
    return (
        f"Of the variance of log magnitude, {100 * shares['genre']:.0f} % lies between genres, and"
        f" {within:.0f} % between the films of one genre."
    )


def _page(found: MotionSpread) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("reelpulse", "export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figure = json.dumps(_figure(found), ensure_ascii=False, allow_nan=False)
    return environment.get_template("genre_motion.html.j2").render(
        name=found.pairs.folder.resolve().name,
        version=reelpulse.__version__,
        font=FONTS["en"],
        facts=f"{len(found.pairs)} pairs of frames, {len(set(found.pairs.film_keys))} films",
        verdict=verdict(found),
        notes=found.notes,
        height=_ROW * len(found.pairs.classes) + 90,
        head=("", *HEAD),
        rows=figure_rows(found),
        about=(
            "Magnitude: the mean length of the optical flow's vectors over √(height · width), from"
            f" the first frame of a pair to the second ({found.spec.method}, {found.spec.width}"
            " pixels wide). A shape is the distribution of a genre's pairs, a dot the median of a"
            f" film. What is below {STILL:g} is still. Made by reelpulse {reelpulse.__version__}."
        ),
        data=figure.replace("<", "\\u003c"),
        plotly=get_plotlyjs(),
    )


def _figure(found: MotionSpread) -> dict[str, Any]:
    genres = found.pairs.classes
    traces: list[dict[str, Any]] = []
    for place, genre in enumerate(genres):
        colour = _COLOURS[place % len(_COLOURS)]
        base = len(genres) - 1 - place
        if len(found.of(genre)):
            traces += [_shape(found, genre, base, colour), _films(found, genre, base, colour)]
    grid = {"gridcolor": "#eceef2", "zeroline": False, "fixedrange": True}
    highest = max(np.nanmax(found.values), 10 * STILL)
    layout = {
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONTS["en"], "size": 13, "color": "#626b7a"},
        "margin": {"l": 10, "r": 10, "t": 10, "b": 50},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {
            **grid,
            "title": {"text": "magnitude of motion between two frames", "font": {"size": 13}},
            "tickvals": np.log10(_TICKS).round(3).tolist(),
            "ticktext": [f"≤ {_TICKS[0]:g}", *(f"{tick:g}" for tick in _TICKS[1:])],
            "range": [float(np.log10(STILL)) - _EDGE, float(logarithms(highest)) + _EDGE],
        },
        "yaxis": {
            **grid,
            "showgrid": False,
            "automargin": True,
            "tickvals": [len(genres) - 1 - place for place in range(len(genres))],
            "ticktext": list(genres),
            "range": [-0.25, len(genres) - 0.02],
        },
    }
    return {"traces": traces, "layout": layout}


def _shape(found: MotionSpread, genre: str, base: int, colour: str) -> dict[str, Any]:
    """The outline of a genre's distribution, standing on its row."""
    logs = logarithms(found.of(genre))
    edges = np.arange(logs.min() - 3 * _BIN, logs.max() + 4 * _BIN, _BIN)
    counts = np.convolve(np.histogram(logs, edges)[0], (0.25, 0.5, 0.25), mode="same")
    heights = base + 0.85 * counts / counts.max()
    centres = edges[:-1] + _BIN / 2
    return {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "fillcolor": f"{colour}33",
        "line": {"color": colour, "width": 1.6},
        "hoverinfo": "skip",
        "x": [*centres.round(4).tolist(), centres[-1], centres[0]],
        "y": [*heights.round(4).tolist(), base, base],
    }


def _films(found: MotionSpread, genre: str, base: int, colour: str) -> dict[str, Any]:
    medians = {name: float(np.median(values)) for name, values in found.films(genre).items()}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": logarithms([*medians.values()]).round(4).tolist(),
        "y": [base - 0.08] * len(medians),
        "text": [
            f"{genre}: {name}, median {magnitude_text(value)}" for name, value in medians.items()
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 8, "color": colour, "line": {"color": "#fff", "width": 1}},
    }
