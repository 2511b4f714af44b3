"""The page of an evaluation: scores over time with hits and misses, curve, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import reelpulse
from reelpulse.errors import DataError, at
from reelpulse.export.evaluation.tried import SUFFIX, Tried, ahead_text, cells
from reelpulse.export.report.downsample import min_max
from reelpulse.export.report.figures import FONTS
from reelpulse.files import atomic_path, readable
from reelpulse.moments.judging.figures import precision_recall
from reelpulse.moments.judging.matching import Judged, Range, match_events, overlaps_of
from reelpulse.times import clock_text

_MOST_DRAWN = 30
"""Videos whose scores are drawn; the figures are of all."""

_DAY = 86_400_000
"""Milliseconds."""

_BUCKETS = 2000
_LANES = {"true": 0.12, "found": 0.28}
"""How far below the scores their marks lie, as shares of the highest score."""

Figure = dict[str, Any]


def page_path(
    moments: Sequence[str | Path], truth: str | Path, out: str | Path | None = None
) -> Path:
    """Where the page goes: beside the first file of moments, unless it is said.

    Raises
    ------
    DataError
        When `out` is no name of a page.
    """
    if out is not None:
        if Path(out).suffix.lower() not in (".html", ".htm"):
            raise DataError(at(out, "is no name of a page: give -o one that ends in .html"))
        return Path(out)
    stem = Path(moments[0]).name.removesuffix(SUFFIX) if len(moments) == 1 else Path(truth).stem
    return Path(moments[0]).with_name(f"{stem}.evaluation.html")


def write_page(tried: Tried, path: str | Path) -> Path:
    """Write the page, one file that needs no other.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("reelpulse.export", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report, own = (resources.files(f"reelpulse.export.{name}") for name in ("report", "evaluation"))
    style = report.joinpath("page.css").read_text("utf-8").replace("FONTS", FONTS["en"])
    videos = tried.videos[tried.by]
    text = environment.get_template("page.html.j2").render(
        style=style,
        script=own.joinpath("page.js").read_text("utf-8"),
        plotly=get_plotlyjs(),
        title=videos[0].name if len(videos) == 1 else f"{len(videos)} videos",
        by=tried.by,
        facts=_facts(videos),
        warnings=tried.evaluation.warnings,
        contenders=list(tried.evaluation.figures),
        rows=cells(tried),
        ahead=ahead_text(tried),
        unit=tried.evaluation.unit,
        drawn=[video.name for video in videos[:_MOST_DRAWN]],
        left_out=max(0, len(videos) - _MOST_DRAWN),
        data={
            "curve": curve_figure(tried.videos),
            "videos": [score_figure(video) for video in videos[:_MOST_DRAWN]],
        },
        version=reelpulse.__version__,
    )
    path = Path(path)
    with atomic_path(path) as temporary:
        temporary.write_text(readable(text), encoding="utf-8")
    return path


def _facts(videos: Sequence[Judged]) -> list[tuple[str, str]]:
    right = sum(
        match is not None for video in videos for match in match_events(video.found, video.truth)
    )
    return [
        ("looked at", clock_text(sum(video.end - video.start for video in videos))),
        ("moments found", str(sum(len(video.found) for video in videos))),
        ("of them right", str(right)),
        ("true ranges", str(sum(len(video.truth) for video in videos))),
    ]


def score_figure(video: Judged) -> Figure:
    """Plot a video's scores over time, with what is true and what was found in lanes below.

    A mark keeps its size, so that six seconds are seen in six hours; zoomed in, the ranges
    themselves are.
    """
    matches = match_events(video.found, video.truth)
    met = {match for match in matches if match is not None}
    times = video.start + (np.arange(len(video.scores)) + 0.5) * video.step
    scores = np.nan_to_num(video.scores)
    keep = min_max(times, scores, _BUCKETS)
    top = float(max(scores.max(initial=0.0), 0.05))
    true, found = (-top * share for share in _LANES.values())
    lines = _overlap_texts(video)
    missed = [place for place in range(len(video.truth)) if place not in met]
    marks = {
        "true, found": ("hit", "circle", true, sorted(met)),
        "true, missed": ("missed", "circle-open", true, missed),
        "found, right": (
            "hit",
            "triangle-up",
            found,
            [i for i, m in enumerate(matches) if m is not None],
        ),
        "found, false": ("false", "x", found, [i for i, m in enumerate(matches) if m is None]),
    }
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": _date(times[keep]),
            "y": np.round(scores[keep], 4).tolist(),
            "line": {"color": "var(--tension)", "width": 1.2},
            "fill": "tozeroy",
            "fillcolor": "var(--tension-fill)",
            "name": "score",
            "hovertemplate": "%{x|%-H:%M:%S}  %{y:.2f}<extra></extra>",
        }
    ]
    for name, (colour, symbol, height, chosen) in marks.items():
        ranges = video.truth if height == true else video.found
        texts = lines["true" if height == true else "found"]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": _date([(ranges[i][0] + ranges[i][1]) / 2 for i in chosen]),
                "y": [height] * len(chosen),
                "text": [texts[i] for i in chosen],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"color": f"var(--{colour})", "symbol": symbol, "size": 9},
            }
        )
    shapes = [
        *(
            _box(range_, "hit" if place in met else "missed", (0, top))
            for place, range_ in enumerate(video.truth)
        ),
        *(
            _box(range_, "false" if match is None else "hit", (1.2 * found, 0.8 * found))
            for range_, match in zip(video.found, matches, strict=True)
        ),
    ]
    layout = {
        **_base(),
        "margin": {"l": 56, "r": 12, "t": 8, "b": 28},
        "hovermode": "closest",
        "dragmode": "zoom",
        "shapes": shapes,
        "xaxis": {
            "type": "date",
            "range": _date([video.start, max(video.end, video.start + 1)]),
            "tickformat": "%-H:%M:%S",
            "gridcolor": "var(--grid)",
            "zeroline": False,
        },
        "yaxis": {
            "range": [-0.4 * top, 1.08 * top],
            "tickvals": [found, true, 0, top],
            "ticktext": ["found", "true", "0", f"{top:.2f}"],
            "gridcolor": "var(--grid)",
            "zeroline": False,
            "fixedrange": True,
        },
    }
    return {"traces": traces, "layout": layout}


def _overlap_texts(video: Judged) -> dict[str, list[str]]:
    """What is said of each range at the pointer."""
    overlaps = overlaps_of(video.found, video.truth)
    said: dict[str, list[str]] = {"found": [], "true": []}
    for rank, range_ in enumerate(video.found, 1):
        best = float(overlaps[rank - 1].max(initial=0.0))
        said["found"].append(f"#{rank}  {_range_text(range_)}<br>overlap {best:.2f}")
    for place, range_ in enumerate(video.truth):
        best = float(overlaps[:, place].max(initial=0.0))
        said["true"].append(f"true  {_range_text(range_)}<br>overlap {best:.2f}")
    return said


def _range_text(range_: Range) -> str:
    return f"{clock_text(range_[0])}–{clock_text(range_[1])}"


def _date(times: Any) -> list[float]:
    """Seconds as the milliseconds of a day that begins with the video: axes then show clocks.

    Not of the first day there is: Plotly takes 1,000 to 9,999 for years.
    """
    return [_DAY + round(1000 * float(time), 1) for time in times]


def _box(range_: Range, colour: str, height: tuple[float, float]) -> Figure:
    start, end = _date(range_)
    return {
        "type": "rect",
        "layer": "below",
        "x0": start,
        "x1": end,
        "y0": height[0],
        "y1": height[1],
        "fillcolor": f"var(--{colour})",
        "opacity": 0.28,
        "line": {"width": 0},
    }


_COLOURS = ("tension", "valence", "arousal", "loudness")


def curve_figure(contenders: Mapping[str, Sequence[Judged]]) -> Figure:
    """Precision over recall of the seconds, by their scores; luck as a line."""
    traces: list[Figure] = []
    share = 0.0
    for (name, videos), colour in zip(contenders.items(), _COLOURS, strict=False):
        recall, precision, share = precision_recall(videos)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [*np.zeros(len(recall[:1])).tolist(), *np.round(recall, 4).tolist()],
                "y": [*np.round(precision[:1], 4).tolist(), *np.round(precision, 4).tolist()],
                "line": {
                    "color": f"var(--{colour})",
                    "width": 2.4 if not traces else 1.4,
                    "shape": "vh",
                },
                "hovertemplate": "recall %{x:.2f}, precision %{y:.2f}",
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "random",
            "x": [0, 1],
            "y": [share, share],
            "line": {"color": "var(--muted)", "width": 1.2, "dash": "dot"},
            "hoverinfo": "skip",
        }
    )
    axis = {"range": [0, 1.02], "gridcolor": "var(--grid)", "zeroline": False, "fixedrange": True}
    layout = {
        **_base(),
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"l": 50, "r": 12, "t": 30, "b": 46},
        "xaxis": {**axis, "title": {"text": "recall"}},
        "yaxis": {**axis, "title": {"text": "precision"}},
    }
    return {"traces": traces, "layout": layout}


def _base() -> Figure:
    return {
        "autosize": True,
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONTS["en"], "size": 12, "color": "var(--muted)"},
        "hoverlabel": {
            "bgcolor": "var(--surface)",
            "bordercolor": "var(--line)",
            "font": {"family": FONTS["en"], "size": 12.5, "color": "var(--text)"},
        },
    }
