"""How large the report of a long recording is, how long it takes to write, and to open.

The timeline is made up: six hours of moods that come and go, a face that leaves now and then, and
bursts of sound. "Open" is from the start of navigation until the browser has painted the plots, in
headless Chromium; each opening is a page of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, table

from reelpulse.export import export
from reelpulse.moments.detect import find_moments
from reelpulse.timeline import FACE_COLUMNS, LOUDNESS_COLUMNS, Timeline

GOAL = "≤ 2.0"
MARK = "performance.getEntriesByName('reelpulse:drawn')"


def made_up(hours: float, fps: float, seed: int = 0) -> Timeline:
    """A recording with about ten turns of mood a minute, a quarter of it without a face."""
    random = np.random.default_rng(seed)
    count = round(hours * 3600 * fps)
    times = np.arange(count) / fps
    logits = _smooth(random.normal(0, 1, (count, 8)), 9) * 6
    logits[:, 5] += 2
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    affect = np.tanh(_smooth(random.normal(0, 1, (count, 2)), 15) * 2)
    bursts = _smooth((random.random((count, 1)) < 0.004).astype(float), 7)[:, 0]
    loudness = np.clip(0.04 * np.exp(random.normal(0, 0.3, count)) + 2.5 * bursts, 0, 1)
    change = np.diff(loudness, prepend=loudness[0]) / np.maximum(loudness, 0.01)
    values = np.column_stack([shares, affect, loudness, change]).astype(np.float32)
    away = _smooth(random.normal(0, 1, (count, 1)), 121)[:, 0]
    values[away > np.quantile(away, 0.75), : len(FACE_COLUMNS)] = np.nan
    meta: dict[str, Any] = {"video": {"name": "six-hours.mp4", "duration": hours * 3600}}
    return Timeline(times, values, (*FACE_COLUMNS, *LOUDNESS_COLUMNS), meta)


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    kernel = np.hanning(width + 2)
    kernel /= kernel.sum()
    return np.stack([np.convolve(column, kernel, "same") for column in values.T], axis=1)


def opened(path: Path, times: int) -> list[float]:
    """Seconds until each page was painted; empty where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    chromium = next(found, None)
    if chromium is None:
        return []
    flags = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    seconds = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(times + 1):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(path.as_uri())
            page.wait_for_function(f"{MARK}.length > 0")
            seconds.append(page.evaluate(f"{MARK}[0].startTime") / 1000)
            page.close()
        browser.close()
    return seconds[1:]  # the first also starts the browser's own processes


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--hours", type=float, default=6.0, help="length (default: %(default)g)")
    made.add_argument(
        "--fps", type=float, default=2.0, help="ticks a second (default: %(default)g)"
    )
    made.add_argument("--times", type=int, default=5, help="openings (default: %(default)s)")
    arguments = made.parse_args()
    before = machine()
    timeline = made_up(arguments.hours, arguments.fps)
    moments = find_moments(timeline)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = export(timeline, moments, folder, "report", "html")
        writing = time.perf_counter() - start
        size = path.stat().st_size / 1e6
        seconds = opened(path, arguments.times)
    print(before)
    print(f"{len(timeline):,} ticks, {len(timeline.columns)} columns, {len(moments)} moments.\n")
    rows = [("size, MB", f"{size:.1f}", "", ""), ("write, s", f"{writing:.1f}", "", "")]
    if seconds:
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        rows.append(("open, s", f"{statistics.median(seconds):.2f}", spread, GOAL))
    print(table(["", "median", "range", "goal"], rows))


if __name__ == "__main__":
    main()
