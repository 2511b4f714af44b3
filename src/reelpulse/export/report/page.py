"""Put the page together: facts in words, plots, player, moments, in one file."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import reelpulse
from reelpulse.export.report import figures
from reelpulse.export.report.downsample import min_max
from reelpulse.export.report.pictures import Source, clips, find_source, thumbnails
from reelpulse.export.report.texts import locale_language, reason_text, texts_of
from reelpulse.export.tables import noted_scores
from reelpulse.files import atomic_path, readable
from reelpulse.moments.detect import TENSION
from reelpulse.moments.tension import tension_parts
from reelpulse.moments.turns import Turn, Turns, emotion_shares, turning_points
from reelpulse.settings import ReportSettings, parse_weights
from reelpulse.timeline import EMOTIONS, Moment, Timeline
from reelpulse.times import clock_text

_SERIES = ("valence", "arousal", "loudness")
_MOST_TURNS_LISTED = 10
_NOT_MEASURED = 255


def write_report(
    timeline: Timeline, moments: Sequence[Moment], path: Path, options: ReportSettings
) -> None:
    """Write the page: one file that needs no other, but for the video that it links.

    Parameters
    ----------
    timeline : Timeline
    moments : sequence of Moment
    path : Path
        The ``.html`` file; the link to the video is relative to it.
    options : ReportSettings
        Language, and whether small clips of the moments go into the page.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    lang = options.lang or locale_language()
    scored = _scored(timeline)
    texts = texts_of(lang, scored.model)
    source = find_source(timeline.meta.get("video", {}), path)
    turns = turning_points(timeline)
    cards = _cards(source, moments, texts, lang)
    media = _media(source, timeline, moments, options.proxies)
    shares = _shares(timeline)
    files = resources.files("reelpulse.export.report")
    environment = Environment(
        loader=PackageLoader("reelpulse.export", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        t=texts,
        lang=lang,
        name=timeline.meta.get("video", {}).get("name") or path.stem,
        style=files.joinpath("page.css").read_text("utf-8").replace("FONTS", figures.FONTS[lang]),
        script=files.joinpath("page.js").read_text("utf-8"),
        plotly=get_plotlyjs(),
        data=_script_json(
            {
                "series": _series(timeline, scored.score, scored.parts, turns),
                "figures": {
                    "timeline": figures.timeline_figure(
                        timeline,
                        moments,
                        [card["note"] for card in cards],
                        turns,
                        float(scored.score.max(initial=0.0)),
                        lang,
                        scored.model,
                    ),
                    "emotions": figures.emotions_figure(shares, lang),
                    "matrix": figures.matrix_figure(turns, lang),
                },
                "moments": [[m.clip_start, m.clip_end, m.peak] for m in moments],
                "media": media,
                "emotions": list(EMOTIONS),
                "texts": texts,
            }
        ),
        facts=_facts(timeline, moments, turns, texts),
        person=_person(timeline, texts),
        warnings=[str(text) for text in timeline.meta.get("warnings", [])],
        cards=cards,
        media=media,
        shares=[(name, texts[name], f"{share:.0%}") for name, share in shares.items()],
        measured=_measured_text(shares, texts),
        turns=_listed(turns.turns, timeline, scored.score, texts),
        turn_count=len(turns.turns),
        settings=_settings(timeline.meta, texts),
        version=reelpulse.__version__,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(readable(page), encoding="utf-8")


@dataclass(frozen=True)
class _Scored:
    """What the first row shows: a score a tick, and what each part gives to it.

    Of a model, the score by the second that is kept with its moments; so a page that is written
    later, without the model, is the same.
    """

    score: npt.NDArray[np.float64]
    parts: dict[str, npt.NDArray[np.float64]]
    model: str | None = None


def _scored(timeline: Timeline) -> _Scored:
    if timeline.meta.get("moment_scores", {}).get("by", TENSION) != TENSION:
        scores = noted_scores(timeline)
        return _Scored(scores.at(timeline.times), {}, scores.by)
    found_with = timeline.meta.get("moment_settings") or {}
    tension = tension_parts(timeline, parse_weights(found_with.get("weight") or ()))
    return _Scored(tension.score, tension.shares)


def _script_json(value: Any) -> str:
    """JSON that may stand inside a script: no name of a file ends it early."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _series(
    timeline: Timeline,
    score: npt.NDArray[np.float64],
    parts: dict[str, npt.NDArray[np.float64]],
    turns: Turns,
) -> dict[str, Any]:
    """All ticks as packed numbers, and which of them to draw while the whole is on screen."""
    values: dict[str, npt.NDArray[Any]] = {name: timeline.column(name) for name in _SERIES}
    values["tension"] = score
    with np.errstate(invalid="ignore", divide="ignore"):
        percent = {
            name: np.nan_to_num(100 * np.clip(share / score, 0, 1)).round()
            for name, share in parts.items()
        }
    chosen = {name: min_max(timeline.times, values[name]) for name in values}
    return {
        "times": _packed(timeline.times, "<f4"),
        "values": {name: _packed(value, "<f4") for name, value in values.items()},
        "parts": {name: _packed(value, "u1") for name, value in percent.items()},
        "held": _packed(np.where(turns.held < 0, _NOT_MEASURED, turns.held), "u1"),
        "overview": {
            name: _packed(index, "<u4")
            for name, index in chosen.items()
            if len(index) < len(timeline)
        },
    }


def _packed(values: npt.NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _shares(timeline: Timeline) -> dict[str, float]:
    """Share of all ticks that each emotion leads, most first, and the rest as not measured."""
    measured = float(np.mean(np.isfinite(timeline.column("happiness")))) if len(timeline) else 0.0
    shares = {name: share * measured for name, share in emotion_shares(timeline).items()}
    return {**shares, "not_measured": 1 - measured} if measured < 1 else shares


def _measured_text(shares: dict[str, float], texts: dict[str, str]) -> str:
    missing = shares.get("not_measured", 0.0)
    if missing >= 1:
        return texts["emotions_none"]
    if missing == 0:
        return texts["emotions_all"]
    return texts["emotions_missing"].format(share=f"{missing:.1%}")


def _cards(
    source: Source, moments: Sequence[Moment], texts: dict[str, str], lang: str
) -> list[dict[str, Any]]:
    cards = []
    for rank, (moment, thumb) in enumerate(
        zip(moments, thumbnails(source, moments), strict=True), 1
    ):
        start, end = clock_text(moment.start), clock_text(moment.end)
        reasons = [(_sentence(reason_text(r, lang)), f"{r.share:.0%}") for r in moment.reasons]
        note = ", ".join([texts["moment_n"].format(rank=rank), *(text for text, _ in reasons)])
        cards.append(
            {
                "rank": rank,
                "thumb": thumb,
                "start": start,
                "end": end,
                "peak": clock_text(moment.peak),
                "score": f"{moment.score:.2f}",
                "percent": f"{100 * min(1.0, max(0.0, moment.score)):.0f}",
                "clip": texts["clip"].format(
                    start=clock_text(moment.clip_start), end=clock_text(moment.clip_end)
                ),
                "label": texts["play_moment"].format(rank=rank, start=start, end=end),
                "reasons": reasons,
                "note": note,
            }
        )
    return cards


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _media(
    source: Source, timeline: Timeline, moments: Sequence[Moment], proxies: str
) -> dict[str, Any]:
    """What the player plays: the video's link, the clips of the moments, or nothing."""
    track = int(timeline.meta.get("settings", {}).get("audio_track") or 0)
    small = clips(source, moments, proxies, track)
    note = ""
    if source.facts is None:
        note = "no_video"
    elif not source.playable:
        note = "clips_only" if any(small) else "no_clips"
        if any(small) and not all(small):
            note = "some_clips"
    linked = source.facts is not None and (source.playable or not any(small))
    return {
        "kind": "" if source.facts is None else "video" if source.shows else "audio",
        "link": source.link if linked else "",
        "expected": source.link,
        "clips": small,
        "note": note,
    }


def _facts(
    timeline: Timeline, moments: Sequence[Moment], turns: Turns, texts: dict[str, str]
) -> list[tuple[str, str, str]]:
    """The figures at the top: name, value, a word beside it."""
    measured = 1 - _shares(timeline).get("not_measured", 0.0)
    best = max((moment.score for moment in moments), default=None)
    start, end = timeline.bounds
    return [
        (
            texts["duration"],
            clock_text(end - start),
            texts["of_ticks"].format(ticks=f"{len(timeline):,}"),
        ),
        (texts["face_seen"], f"{measured:.0%}", ""),
        (
            texts["moments"],
            str(len(moments)),
            texts["strongest"].format(score=f"{best:.2f}") if best is not None else "",
        ),
        (texts["turns"], str(len(turns.turns)), ""),
    ]


def _person(timeline: Timeline, texts: dict[str, str]) -> list[str]:
    """Who was followed, and when it was measured."""
    meta = timeline.meta
    person = meta.get("person") or {}
    if not person:
        seen = bool(np.isfinite(timeline.column("valence")).any())
        said = [] if seen else [texts["person_none"]]
    elif not person.get("ticks"):
        said = [texts["person_nobody"]]
    else:
        how = person.get("how")
        key = f"person_{how}" if how in ("photo", "region") else "person_seen"
        said = [texts[key].format(similarity=f"{person.get('similarity') or 0:.2f}")]
        if (others := int(person.get("people") or 1) - 1) > 0:
            said.append(texts["others"].format(others=others))
    file = Path(meta.get("file") or "")
    if file.is_file():
        date = datetime.fromtimestamp(file.stat().st_mtime).date()
        said.append(texts["analysed"].format(date=date.isoformat()))
    return said


def _listed(
    found: Sequence[Turn],
    timeline: Timeline,
    score: npt.NDArray[np.float64],
    texts: dict[str, str],
) -> list[dict[str, Any]]:
    """The turning points around which most happens, in order of time."""
    around = np.searchsorted(timeline.times, [[turn.time - 1, turn.time + 1] for turn in found])
    near = [float(score[low : max(high, low + 1)].max()) for low, high in around]
    top = sorted(sorted(range(len(found)), key=lambda i: -near[i])[:_MOST_TURNS_LISTED])
    return [
        {
            "time": found[i].time,
            "clock": clock_text(found[i].time),
            "before": (found[i].before, texts[found[i].before]),
            "after": (found[i].after, texts[found[i].after]),
        }
        for i in top
    ]


def _settings(
    meta: dict[str, Any], texts: dict[str, str]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Tables of what it was made with."""
    video = meta.get("video", {})
    known = ("name", "format", "codec", "width", "height", "rate", "rotation", "sound_tracks")
    groups = [
        (texts["models"], meta.get("models", {})),
        (texts["analysis"], meta.get("settings", {})),
        (texts["finding"], meta.get("moment_settings", {})),
        (texts["video"], {key: video[key] for key in known if video.get(key)}),
    ]
    return [
        (title, [(str(key), _plain(value, texts)) for key, value in table.items()])
        for title, table in groups
        if table
    ]


def _plain(value: Any, texts: dict[str, str]) -> str:
    if isinstance(value, bool):
        return texts["yes" if value else "no"]
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
