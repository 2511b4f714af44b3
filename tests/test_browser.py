"""The report in a browser: it opens without an error, and a click leads the player there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import calm, with_burst
from films import Sound, make_video
from reelpulse.export import export
from reelpulse.media import probe
from reelpulse.moments.detect import find_moments
from reelpulse.settings import ReportSettings
from reelpulse.timeline import Timeline

DRAWN = "performance.getEntriesByName('reelpulse:drawn').length > 0"
ODD = "웃음 #1 50% \"a\" 'b' ?😀 <b>&amp;.mp4"

Open = Callable[..., Any]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Open a page and wait until it is drawn; at the end no error and no request may be left."""
    contexts, troubles = [], []

    def opened(path: Path, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1500, "height": 1000}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda r: _noted(troubles, r.url))
        page.goto(path.absolute().as_uri())
        page.wait_for_function(DRAWN)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _noted(troubles: list[str], url: str) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        troubles.append(f"asks the network for {url}")


def stream(video: Path | None = None, seconds: float = 40) -> Timeline:
    """Somebody calm who laughs at 20 s."""
    timeline = with_burst(calm(seconds), 20, 22)
    if video is not None:
        timeline.meta["video"] = probe(video).as_dict()
    return timeline


def write(timeline: Timeline, folder: Path, **options: Any) -> Path:
    moments = find_moments(timeline)
    return export(timeline, moments, folder, "page", "html", ReportSettings(**options))


def video_file(path: Path, seconds: float = 40, codec: str = "libx264") -> Path:
    return make_video(path, fps=5, seconds=seconds, sounds=[Sound()], codec=codec)


def move_to(page: Any, seconds: float) -> None:
    """Put the pointer into the empty upper part of the timeline."""
    x, y = page.evaluate(
        """t => { const plot = document.getElementById("timeline");
        plot.scrollIntoView({block: "center"});
        const box = plot.getBoundingClientRect(), axis = plot._fullLayout.xaxis;
        return [box.left + axis._offset + axis.l2p(t), box.top + 50]; }""",
        seconds,
    )
    page.mouse.move(x, y)


def click_at(page: Any, seconds: float) -> None:
    move_to(page, seconds)
    page.mouse.down()
    page.mouse.up()


def player_at(page: Any, seconds: float, tolerance: float = 0.3) -> None:
    page.wait_for_function(
        "([t, d]) => { const p = document.getElementById('player');"
        " return !p.seeking && Math.abs(p.currentTime - t) < d; }",
        arg=[seconds, tolerance],
    )


def test_a_click_on_a_plot_seeks_the_player(open_page: Open, tmp_path: Path) -> None:
    video = video_file(tmp_path / ODD)
    page = open_page(write(stream(video), tmp_path / "out"))
    page.wait_for_function("document.getElementById('player').readyState > 0")
    click_at(page, 8)
    player_at(page, 8)
    assert page.text_content("h1") == ODD


def test_a_click_near_a_peak_goes_to_the_peak(open_page: Open, tmp_path: Path) -> None:
    timeline = stream(video_file(tmp_path / "v.mp4"))
    page = open_page(write(timeline, tmp_path / "out"))
    peak = find_moments(timeline)[0].peak
    click_at(page, peak + 0.1)
    player_at(page, peak, 0.01)


def test_a_moment_is_played_from_the_start_of_its_clip(open_page: Open, tmp_path: Path) -> None:
    timeline = stream(video_file(tmp_path / "v.mp4"))
    page = open_page(write(timeline, tmp_path))
    page.click("[data-moment='0']")
    player_at(page, find_moments(timeline)[0].clip_start, 2.0)
    page.wait_for_function("!document.getElementById('player').paused")


def test_a_turning_point_is_a_button(open_page: Open, tmp_path: Path) -> None:
    page = open_page(write(stream(video_file(tmp_path / "v.mp4")), tmp_path))
    page.click("[data-time] >> nth=0")
    player_at(page, 20, 2.0)


def test_a_video_that_cannot_play_has_clips(open_page: Open, tmp_path: Path) -> None:
    timeline = stream(video_file(tmp_path / "v.mkv"))
    page = open_page(write(timeline, tmp_path))
    moment = find_moments(timeline)[0]
    page.wait_for_function("document.getElementById('player').readyState > 0")
    length = page.evaluate("document.getElementById('player').duration")
    assert length == pytest.approx(moment.clip_end - moment.clip_start, abs=0.3)
    click_at(page, moment.clip_start + 3)
    player_at(page, 3)
    click_at(page, 2)
    page.wait_for_function(
        "t => document.getElementById('note').textContent === t",
        arg="No clip of this time: choose a moment.",
    )


def test_a_video_that_went_away_is_said(chromium: Any, tmp_path: Path) -> None:
    video = video_file(tmp_path / "v.mp4")
    path = write(stream(video), tmp_path)
    video.unlink()
    page = chromium.new_page()  # the browser itself notes the missing file as an error
    page.goto(path.as_uri())
    page.wait_for_function("document.getElementById('player').hidden")
    assert "v.mp4" in page.text_content("#note")
    page.close()


def test_dragging_zooms_and_a_button_shows_all(open_page: Open, tmp_path: Path) -> None:
    page = open_page(write(stream(seconds=400), tmp_path))
    shown = "document.getElementById('timeline')._fullLayout.xaxis.range"
    box = page.locator("#timeline").bounding_box()
    y = box["y"] + 60
    page.mouse.move(box["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 450, y, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{shown}[1] - {shown}[0] < 200")
    page.click("[data-zoom='0']")
    page.wait_for_function(f"{shown}[1] - {shown}[0] === 400")


def test_the_pointer_is_told_time_and_values(open_page: Open, tmp_path: Path) -> None:
    page = open_page(write(stream(), tmp_path, lang="ko"))
    move_to(page, 21.5)
    page.wait_for_selector("#readout:not([hidden])")
    text = page.text_content("#readout")
    assert text.startswith("0:21.5")
    for part in ("긴장도0.", "정서가+0.", "음량0.2", "주된 감정행복"):
        assert part in text
    assert page.evaluate("document.documentElement.lang") == "ko"


@pytest.mark.parametrize("width", [360, 390, 768, 1920])
def test_nothing_is_wider_than_the_screen(open_page: Open, tmp_path: Path, width: int) -> None:
    timeline = stream()
    timeline.meta["warnings"] = ["x" * 300]
    timeline.meta["video"]["name"] = "a" * 200 + ".mp4"
    page = open_page(write(timeline, tmp_path), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark(open_page: Open, tmp_path: Path) -> None:
    page = open_page(write(stream(), tmp_path), color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    page.click("#theme")
    page.wait_for_function(f"{back} !== '{dark}'")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
