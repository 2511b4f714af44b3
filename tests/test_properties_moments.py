"""Moments of any recording: what always holds, and what silence and black leave alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import calm, hidden, with_burst
from reelpulse.moments.detect import find_moments, spans
from reelpulse.settings import MomentSettings
from reelpulse.timeline import FACE_COLUMNS, LOUDNESS_COLUMNS, Moment, Timeline

some = settings(max_examples=60, deadline=None)
ROUNDED = 2e-3
"""Moments are written to a thousandth of a second."""


# Spans of any score


@st.composite
def scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Times, scores and bounds: plateaus, ties and holes between ticks are likely."""
    count = draw(st.integers(0, 80))
    spaces = draw(
        st.lists(st.sampled_from([0.1, 0.5, 0.5, 1.0, 9.0]), min_size=count, max_size=count)
    )
    start = draw(st.sampled_from([0.0, 0.0, 3.25, 120.0]))
    times = start + np.cumsum(spaces) - (spaces[0] if spaces else 0.0)
    levels = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.31, 0.6, 0.9, 1.0])
    score = np.array(draw(st.lists(levels, min_size=count, max_size=count)), float)
    last = float(times[-1]) if count else start
    return times, score, (start, last + draw(st.sampled_from([0.1, 0.5, 4.0])))


@st.composite
def lengths(draw: st.DrawFn) -> MomentSettings:
    shortest = draw(st.sampled_from([0.5, 2.0, 5.0, 30.0]))
    longest = shortest + draw(st.sampled_from([0.0, 2.0, 20.0]))
    top = draw(st.integers(1, 12))
    least = draw(st.sampled_from([0.0, 0.2, 0.5]))
    return MomentSettings(top=top, min_score=least, shortest=shortest, longest=longest)


@some
@given(scores(), lengths())
def test_spans_keep_their_promises(
    scored: tuple[np.ndarray, np.ndarray, tuple[float, float]], wanted: MomentSettings
) -> None:
    times, score, bounds = scored
    found = spans(times, score, bounds, wanted)
    assert len(found) <= wanted.top
    peaks = [score[span.tick] for span in found]
    assert peaks == sorted(peaks, reverse=True)
    inorder = sorted(found, key=lambda span: span.start)
    for span in found:
        assert bounds[0] - 1e-9 <= span.start <= times[span.tick] <= span.end <= bounds[1] + 1e-9
        length = span.end - span.start
        assert length <= wanted.longest + 1e-9
        assert length >= min(wanted.shortest, bounds[1] - bounds[0]) - 1e-6
        assert score[span.tick] >= wanted.min_score
    for one, other in pairwise(inorder):
        assert one.end <= other.start + 1e-9


@some
@given(scores(), lengths(), st.integers(1, 12))
def test_asking_for_more_keeps_the_first(
    scored: tuple[np.ndarray, np.ndarray, tuple[float, float]], wanted: MomentSettings, more: int
) -> None:
    times, score, bounds = scored
    few = spans(times, score, bounds, wanted)
    many = spans(times, score, bounds, replace(wanted, top=wanted.top + more))
    assert many[: len(few)] == few


@some
@given(scores(), lengths(), st.sampled_from([0.5, 7.25, 3600.0]))
def test_a_later_clock_moves_spans_and_nothing_else(
    scored: tuple[np.ndarray, np.ndarray, tuple[float, float]], wanted: MomentSettings, shift: float
) -> None:
    times, score, bounds = scored
    here = spans(times, score, bounds, wanted)
    there = spans(times + shift, score, (bounds[0] + shift, bounds[1] + shift), wanted)
    assert [span.tick for span in here] == [span.tick for span in there]
    np.testing.assert_allclose(
        [(span.start + shift, span.end + shift) for span in here],
        [(span.start, span.end) for span in there],
        atol=1e-6,
    )


# Silence and black around a recording


def padded(timeline: Timeline, before: int, after: int, *, sound: bool = True) -> Timeline:
    """The same between `before` and `after` ticks of black, and of silence or no sound at all."""
    tick = timeline.spacing
    count = len(timeline)
    values = np.full((before + count + after, len(timeline.columns)), np.nan, np.float32)
    if sound:
        values[:, [timeline.columns.index(name) for name in LOUDNESS_COLUMNS]] = 0.0
    values[before : before + count] = timeline.values
    times = np.arange(len(values)) * tick
    duration = timeline.duration + (before + after) * tick
    return Timeline(times, values, timeline.columns, {"video": {"duration": duration}})


def moved(moments: list[Moment], by: float) -> list[tuple[float, float, float]]:
    """Start, end and peak of each, on the clock of the recording without padding."""
    return [(m.start - by, m.end - by, m.peak - by) for m in moments]


@st.composite
def recordings(draw: st.DrawFn, edge: float = 8.0) -> Timeline:
    """Two to five minutes with one to four bursts, none within `edge` seconds of an end."""
    seconds = draw(st.sampled_from([30.0, 60.0, 200.0, 300.0]))
    timeline = calm(seconds, seed=draw(st.integers(0, 20)))
    for _ in range(draw(st.integers(1, 4))):
        # Bursts that begin on a tick: half a tick more or less is another burst.
        start = round(draw(st.floats(edge, seconds - edge - 3)) * 2) / 2
        timeline = with_burst(timeline, start, start + draw(st.sampled_from([1.0, 2.0, 3.0])))
    missing = draw(st.sampled_from([(), FACE_COLUMNS, LOUDNESS_COLUMNS]))
    return hidden(timeline, missing)


PADS = st.sampled_from([0, 1, 2, 7, 20, 59, 120, 360, 600])
"""Ticks of half a second: nothing to five minutes."""


@some
@given(recordings(), PADS, PADS, st.booleans())
@example(with_burst(calm(60), 30, 33), 0, 120, True)
@example(with_burst(calm(60), 30, 33), 600, 0, True)
@example(with_burst(calm(200), 100, 103), 1, 1, True)
@example(with_burst(calm(200), 100, 103), 360, 360, False)
def test_silence_and_black_around_a_recording_change_no_moment(
    timeline: Timeline, before: int, after: int, sound: bool
) -> None:
    alone = find_moments(timeline)
    around = find_moments(padded(timeline, before, after, sound=sound))
    shift = before * timeline.spacing
    assert [round(m.score, 3) for m in around] == [round(m.score, 3) for m in alone]
    np.testing.assert_allclose(moved(around, shift), moved(alone, 0), atol=ROUNDED)
    assert [[str(r) for r in m.reasons] for m in around] == [
        [str(r) for r in m.reasons] for m in alone
    ]


@some
@given(recordings(edge=0.0), PADS, PADS)
@example(with_burst(calm(120), 0, 3), 20, 0)
@example(with_burst(calm(120), 117, 120), 0, 20)
def test_a_burst_at_the_very_edge_is_still_the_moment_in_black(
    timeline: Timeline, before: int, after: int
) -> None:
    alone = find_moments(timeline)
    around = find_moments(padded(timeline, before, after))
    shift = before * timeline.spacing
    assert [round(m.score, 2) for m in around] == [round(m.score, 2) for m in alone]
    np.testing.assert_allclose(
        [m.peak - shift for m in around], [m.peak for m in alone], atol=ROUNDED
    )


@some
@given(st.integers(1, 600), st.booleans())
def test_silence_and_black_alone_have_no_moment(ticks: int, sound: bool) -> None:
    nothing = hidden(calm(10), (*FACE_COLUMNS, *LOUDNESS_COLUMNS))
    assert find_moments(padded(nothing, ticks, 0, sound=sound), min_score=0.0) == []
