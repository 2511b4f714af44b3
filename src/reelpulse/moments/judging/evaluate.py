"""How well the moments that were found agree with what is truly funny, beside rivals and luck."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reelpulse.errors import DataError
from reelpulse.learn.metrics import Score
from reelpulse.moments.judging.figures import Units, figures_of
from reelpulse.moments.judging.matching import IOUS, TINY, Floats, Judged, Range

PLACINGS = 200
"""Random placings of the moments whose mean is what luck gives."""

_FEW_VIDEOS = 5
"""With fewer, a bootstrap over videos tells little."""


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Parameters
    ----------
    figures : dict of str to dict of str to Score
        By contender, first what was judged and last ``random``: what moments of the same number
        and lengths, placed by chance, reach on average, with 95 % of the placings. Names of
        figures: ``average_precision`` (of the seconds by their scores), ``precision_iou_0.3``,
        ``recall_…``, ``f1_…`` (and at 0.5), ``hit_at_1`` (share of the videos with anything true
        of whose best moments one is right), ``precision_at_1`` (share of the best moments that
        are right; of those there are, where a video has fewer), and both at 5 and 10,
        ``false_alarms_an_hour``, ``start_distance`` (median seconds between starts). Right is,
        where a name does not tell, an overlap of 0.3. NaN where a figure is not defined.
    ahead : dict of str to dict of str to Score
        By how much what was judged exceeds each rival, in average precision and F1; an interval
        that holds 0 is a difference within noise.
    unit : {"video", "minute"}
        What the intervals were drawn over.
    warnings : list of str
    """

    figures: dict[str, dict[str, Score]]
    ahead: dict[str, dict[str, Score]]
    unit: str
    warnings: list[str]


def evaluate(
    videos: Sequence[Judged],
    rivals: Mapping[str, Sequence[Judged]] | None = None,
    *,
    name: str = "found",
    draws: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Judge what was found in videos; their order does not matter.

    Parameters
    ----------
    videos : sequence of Judged
        Names differ.
    rivals : mapping of str to sequence of Judged, optional
        What else was found in the same videos, by contender.
    name : str
        What found the moments.
    draws, seed : int
        Of the bootstrap, and of chance.

    Raises
    ------
    DataError
        Without a video, or where a rival's are not the same.
    """
    own = _sorted(videos)
    if not own:
        raise DataError("there is no video to evaluate")
    contenders = {name: own}
    for rival, theirs in (rivals or {}).items():
        contenders[rival] = _sorted(theirs)
        if [(v.name, v.truth) for v in contenders[rival]] != [(v.name, v.truth) for v in own]:
            raise DataError(f"{rival} was not tried on the same videos")
    count = Units(own).count
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), draws if count > 1 else 0)
    weights = np.concatenate([np.ones((1, count)), drawn.astype(float)])
    values = {
        contender: {key: figure(weights) for key, figure in figures_of(judged).items()}
        for contender, judged in contenders.items()
    }
    figures = {
        contender: {key: _score(row) for key, row in rows.items()}
        for contender, rows in values.items()
    }
    figures["random"] = _chance(own, rng)
    compared = ("average_precision", *(f"f1_iou_{iou}" for iou in IOUS))
    ahead = {
        rival: {key: _score(values[name][key] - values[rival][key]) for key in compared}
        for rival in contenders
        if rival != name
    }
    unit = "video" if len(own) > 1 else "minute"
    return Evaluation(figures, ahead, unit, _warnings(own))


def _sorted(videos: Sequence[Judged]) -> list[Judged]:
    return sorted(videos, key=lambda video: video.name)


def _score(row: Floats) -> Score:
    """A figure from its value and what the draws gave."""
    drawn = row[1:][np.isfinite(row[1:])]
    low, high = (
        np.percentile(drawn, (2.5, 97.5), method="inverted_cdf")
        if len(drawn)
        else (math.nan, math.nan)
    )
    return Score(float(row[0]), float(low), float(high))


def _chance(videos: Sequence[Judged], rng: np.random.Generator) -> dict[str, Score]:
    """What luck gives: moments of the same lengths placed anywhere, apart, in any order."""
    ones = np.ones((1, Units(videos).count))
    rows: dict[str, list[float]] = {}
    for _ in range(PLACINGS):
        placed = [replace(video, found=_placed(video, rng)) for video in videos]
        for key, figure in figures_of(placed, ranking=False).items():
            rows.setdefault(key, []).append(float(figure(ones)[0]))
    true = [video.is_true for video in videos]
    ranking = expected_precision(sum(map(len, true)), sum(int(mask.sum()) for mask in true))
    found = {"average_precision": Score(ranking, math.nan, math.nan)}
    for key, row in rows.items():
        drawn = np.array(row)
        mean = drawn[np.isfinite(drawn)].mean() if np.isfinite(drawn).any() else math.nan
        found[key] = _score(np.concatenate([[mean], drawn]))
    return found


def _placed(video: Judged, rng: np.random.Generator) -> tuple[Range, ...]:
    """All ways to place the moments without overlap are equally likely."""
    lengths = rng.permutation([end - start for start, end in video.found])
    room = max(video.end - video.start - lengths.sum(), 0.0)
    before = np.cumsum(lengths) - lengths
    starts = video.start + np.sort(rng.uniform(0, room, len(lengths))) + before
    order = rng.permutation(len(lengths))
    return tuple((float(starts[i]), float(starts[i] + lengths[i])) for i in order)


def expected_precision(count: int, true: int) -> float:
    """Mean average precision of all orders of `count` things of which `true` are true.

    Bestgen 2015, "Exact expected average precision of the random baseline for system evaluation".
    """
    if not true:
        return math.nan
    harmonic = float((1 / np.arange(1, count + 1)).sum()) / count
    return harmonic + (true - 1) / max(count - 1, 1) * (1 - harmonic)


def _warnings(videos: Sequence[Judged]) -> list[str]:
    found = []
    if not any(video.truth for video in videos):
        found.append("there is nothing true in any of the videos: only false alarms are counted")
    if 1 < len(videos) < _FEW_VIDEOS:
        found.append(f"the intervals were drawn over {len(videos)} videos only: do not trust them")
    lengths = [end - start for video in videos for start, end in video.found]
    truth = [end - start for video in videos for start, end in video.truth]
    if not lengths:
        return found
    for iou in IOUS:
        least, most = iou * min(lengths), max(lengths) / iou
        lost = sum(not least - TINY <= length <= most + TINY for length in truth)
        if lost:
            found.append(
                f"{lost} of {len(truth)} true ranges are shorter than {least:.1f} s or longer than"
                f" {most:.1f} s: no moment as long as these can match them at an overlap of {iou}"
            )
    return found
