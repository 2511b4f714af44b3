"""The plots, as Plotly's own plain values; the page fills in the points and the colours.

A colour is written as the page's variable (``var(--tension)``), which differs between light and
dark. A trace whose ``meta`` names a series gets its points from the page's data, at the resolution
that the zoom wants. What is said at the pointer is the page's own too, so that it tells the exact
values of all rows, whatever was drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from reelpulse.export.report.downsample import stretches
from reelpulse.export.report.texts import TEXTS, texts_of
from reelpulse.moments.turns import Turns
from reelpulse.timeline import EMOTIONS, Moment, Timeline

Figure = dict[str, Any]

_KOREAN = (
    'Pretendard, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR",'
    " NanumGothic, sans-serif"
)
FONTS = {
    "en": f'-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, {_KOREAN}',
    "ko": _KOREAN,
}
"""By language. One of those with Korean is on every system; an English page shows Korean names."""

_ROWS = {"tension": (0.62, 1.0), "affect": (0.31, 0.55), "held": (0.2, 0.23), "sound": (0, 0.13)}
"""Where each row lies, as shares of the plot's height from below."""

_MOST_NUMBERED = 20
_CELL = 38
"""Height of a row of the matrix, in pixels."""

_MOST_DOTS = 400
_PIXELS = 2000


def timeline_figure(
    timeline: Timeline,
    moments: Sequence[Moment],
    notes: Sequence[str],
    turns: Turns,
    top: float,
    lang: str,
    model: str | None = None,
) -> Figure:
    """Rows on one time axis: the score, valence and arousal, the leading emotion, loudness.

    Parameters
    ----------
    timeline : Timeline
    moments : sequence of Moment
    notes : sequence of str
        What to say of each moment.
    turns : Turns
    top : float
        The highest score.
    lang : str
        A key of `TEXTS`.
    model : str, optional
        The name of the model whose score it is; that of tension without it.
    """
    texts = texts_of(lang, model)
    start, end = span(timeline)
    seen = np.isfinite(timeline.column("valence"))
    heard = bool(np.isfinite(timeline.column("loudness")).any())
    pixel = (end - start) / _PIXELS
    gaps = stretches(timeline.times, ~seen, timeline.spacing, pixel)
    bands = [(moment.start, moment.end) for moment in moments]
    dots = len(timeline) <= _MOST_DOTS
    traces = [
        {**_line("tension", "y", dots), "fill": "tozeroy", "fillcolor": "var(--tension-fill)"},
        _line("valence", "y2", dots),
        _line("arousal", "y2", dots),
        _line("loudness", "y3", dots),
        _peaks(moments, notes),
        _turn_marks(turns, texts),
    ]
    shapes = [
        _boxes(gaps if seen.any() else [], "var(--gap)", (_ROWS["held"][0] - 0.02, 1.0)),
        _boxes(bands, "var(--band)", (0, 1)),
        *(
            _boxes(
                stretches(timeline.times, turns.held == place, timeline.spacing, pixel),
                f"var(--{name})",
                (0, 1),
                row="y4",
            )
            for place, name in enumerate(EMOTIONS)
        ),
    ]
    labels = [
        _label(_coloured("tension", texts), _ROWS["tension"][1]),
        _label(
            f"{_coloured('valence', texts)}   {_coloured('arousal', texts)}", _ROWS["affect"][1]
        ),
        _label(texts["leading"], _ROWS["held"][1]),
        _label(_coloured("loudness", texts), _ROWS["sound"][1]),
    ]
    if not seen.any():
        labels.append(_absence(texts, _ROWS["affect"]))
    if not heard:
        labels.append(_absence(texts, _ROWS["sound"]))
    grid = {"gridcolor": "var(--grid)", "zeroline": False, "fixedrange": True}
    layout = {
        **_base(lang),
        "margin": {"l": 40, "r": 14, "t": 26, "b": 34},
        "hovermode": False,
        "dragmode": "zoom",
        "xaxis": {
            "range": [start, end],
            "anchor": "y3",
            "gridcolor": "var(--grid)",
            "zeroline": False,
            "tickmode": "array",
            "ticks": "outside",
            "ticklen": 6,
            "tickcolor": "rgba(0,0,0,0)",
        },
        "yaxis": {
            **grid,
            "domain": _ROWS["tension"],
            "range": [0, max(0.5, 1.25 * top)],
            "nticks": 4,
        },
        "yaxis2": {
            **grid,
            "domain": _ROWS["affect"],
            "range": [-1.05, 1.05],
            "tickvals": [-1, 0, 1],
            "ticktext": ["−1", "0", "+1"],
        },
        "yaxis3": {
            **grid,
            "domain": _ROWS["sound"],
            "range": [0, _loudest(timeline)],
            "nticks": 3,
            "showticklabels": heard,
        },
        "yaxis4": {**grid, "domain": _ROWS["held"], "range": [0, 1], "visible": False},
        "shapes": [shape for shape in shapes if shape["path"]],
        "annotations": labels,
    }
    return {"traces": traces, "layout": layout}


def span(timeline: Timeline) -> tuple[float, float]:
    """What the time axis shows, in seconds; never empty."""
    start, end = timeline.bounds
    if len(timeline):
        start, end = min(start, timeline.times[0]), max(end, timeline.times[-1])
    return float(start), float(max(end, start + 1))


def _loudest(timeline: Timeline) -> float:
    loudness = timeline.column("loudness")
    return 1.1 * max(0.01, float(np.nan_to_num(loudness).max(initial=0.0)))


def _base(lang: str) -> dict[str, Any]:
    return {
        "autosize": True,
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONTS[lang], "size": 12, "color": "var(--muted)"},
        "hoverlabel": {
            "bgcolor": "var(--surface)",
            "bordercolor": "var(--line)",
            "font": {"family": FONTS[lang], "size": 12.5, "color": "var(--text)"},
            "namelength": -1,
        },
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    }


def _line(series: str, axis: str, dots: bool) -> Figure:
    """A line; with dots, a tick whose neighbours were not measured is seen too."""
    return {
        "type": "scatter",
        "mode": "lines+markers" if dots else "lines",
        "marker": {"size": 3, "color": f"var(--{series})"},
        "meta": {"series": series},
        "yaxis": axis,
        "connectgaps": False,
        "line": {"color": f"var(--{series})", "width": 1.4},
    }


def _peaks(moments: Sequence[Moment], notes: Sequence[str]) -> Figure:
    ranks = [str(rank) for rank in range(1, len(moments) + 1)]
    numbered = len(moments) <= _MOST_NUMBERED
    return {
        "type": "scatter",
        "mode": "markers+text" if numbered else "markers",
        "meta": {"marks": True},
        "x": [moment.peak for moment in moments],
        "y": [moment.score for moment in moments],
        "text": ranks,
        "textposition": "top center",
        "textfont": {"color": "var(--text)", "size": 11},
        "cliponaxis": False,
        "customdata": list(notes),
        "marker": {
            "size": 9,
            "color": "var(--tension)",
            "line": {"width": 1.5, "color": "var(--surface)"},
        },
    }


def _turn_marks(turns: Turns, texts: Mapping[str, str]) -> Figure:
    found = turns.turns
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": {"marks": True},
        "x": [turn.time for turn in found],
        "y": [0.5] * len(found),
        "yaxis": "y4",
        "cliponaxis": False,
        "customdata": [f"{texts[turn.before]} → {texts[turn.after]}" for turn in found],
        "marker": {
            "size": 8,
            "symbol": "diamond",
            "color": [f"var(--{turn.after})" for turn in found],
            "line": {"width": 1.2, "color": "var(--surface)"},
        },
    }


def _boxes(
    spans: Iterable[tuple[float, float]],
    colour: str,
    rows: tuple[float, float],
    row: str = "paper",
) -> dict[str, Any]:
    """All stretches of one kind as one shape: thousands are drawn as quickly as one."""
    low, high = rows
    path = " ".join(
        f"M{start:.3f},{low:g}L{end:.3f},{low:g}L{end:.3f},{high:g}L{start:.3f},{high:g}Z"
        for start, end in spans
    )
    return {
        "type": "path",
        "path": path,
        "xref": "x",
        "yref": row,
        "layer": "below" if row == "paper" else "between",
        "fillcolor": colour,
        "line": {"width": 0},
    }


def _coloured(name: str, texts: Mapping[str, str]) -> str:
    return f'<span style="color:var(--{name})">●</span> {escape(texts[name])}'


def _label(text: str, top: float) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top}
    return {**place, "text": text, "showarrow": False, "xanchor": "left", "yanchor": "bottom"}


def _absence(texts: Mapping[str, str], rows: tuple[float, float]) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": sum(rows) / 2}
    return {**place, "text": texts["nothing_measured"], "showarrow": False, "yanchor": "middle"}


def emotions_figure(shares: Mapping[str, float], lang: str) -> Figure:
    """The pie: share of all ticks that each emotion leads, and of those not measured.

    Parameters
    ----------
    shares : mapping
        Name of an emotion, or ``not_measured``, to its share of 1.
    lang : str
        A key of `TEXTS`.
    """
    texts = TEXTS[lang]
    pie = {
        "type": "pie",
        "hole": 0.62,
        "sort": False,
        "direction": "clockwise",
        "labels": [texts[name] for name in shares],
        "values": list(shares.values()),
        "textinfo": "none",
        "marker": {
            "colors": [f"var(--{name.replace('_', '-')})" for name in shares],
            "line": {"color": "var(--surface)", "width": 2},
        },
        "hovertemplate": "%{label}: %{percent}<extra></extra>",
    }
    return {"traces": [pie], "layout": {**_base(lang), "margin": {"l": 4, "r": 4, "t": 4, "b": 4}}}


def matrix_figure(turns: Turns, lang: str) -> Figure | None:
    """How often each emotion was followed by each other one; None without a turn.

    Only emotions that take part are shown: rows before, columns after.
    """
    matrix, texts = turns.matrix, TEXTS[lang]
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    if not len(present):
        return None
    counts = matrix[np.ix_(present, present)]
    names = [texts[EMOTIONS[place]] for place in present]
    before = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    hover = [
        [
            texts["matrix_hover"].format(
                before=names[row],
                after=names[column],
                count=counts[row, column],
                share=f"{counts[row, column] / before[row, 0]:.0%}",
            )
            for column in range(len(names))
        ]
        for row in range(len(names))
    ]
    text = [[str(count) if count else "" for count in row] for row in counts.tolist()]
    heat = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": [
            [None if row == column else int(counts[row, column]) for column in range(len(names))]
            for row in range(len(names))
        ],
        "text": text,
        "texttemplate": "%{text}",
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": False,
        "xgap": 2,
        "ygap": 2,
        "zmin": 0,
        "colorscale": [[0, "var(--heat-low)"], [1, "var(--heat-high)"]],
        "showscale": False,
    }
    axis = {"fixedrange": True, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {
        **_base(lang),
        "height": _CELL * (len(names) + 1),
        "margin": {"l": 10, "r": 6, "t": 10, "b": 6},
        "xaxis": {**axis, "side": "top", "automargin": True},
        "yaxis": {**axis, "autorange": "reversed", "automargin": True},
    }
    return {"traces": [heat], "layout": layout}
