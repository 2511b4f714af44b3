"""Make the pictures of the documents: draw a clip, analyse it, open its report, take pictures.

Run by hand, with a Chromium on the path and the extra `dev`: ``python docs/make_pictures.py``. The
clip is drawn by `draw_clip`; nothing in the pictures comes from anywhere else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
from draw_clip import draw

from reelpulse.batch import analyze_many, export_again
from reelpulse.settings import ReportSettings

PICTURES = Path(__file__).parent / "pictures"
LARGEST = 400_000
WIDE = {"width": 1600, "height": 1330}
SHOTS: dict[str, tuple[str, dict[str, Any]]] = {
    "report": ("en", {"viewport": WIDE}),
    "report-ko": ("ko", {"viewport": WIDE}),
    "report-dark": ("en", {"viewport": WIDE, "color_scheme": "dark"}),
    "report-phone": ("ko", {"viewport": {"width": 390, "height": 1500}, "has_touch": True}),
}


def main() -> None:
    """Draw what is not there yet, and take all pictures."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--work", type=Path, help="folder that keeps the clip and its results")
    work = made.parse_args().work
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        clip = folder / "stream.mp4"
        if not clip.exists():
            draw(clip)
        (result,) = analyze_many([clip], folder, options=ReportSettings("en"))
        if result.error:
            raise SystemExit(result.error)
        take_all(folder / "stream.h5")


def take_all(timeline: Path) -> None:
    """Take each picture of `SHOTS`."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise SystemExit("no Chromium on the path")
    flags = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        for name, (lang, options) in SHOTS.items():
            (page_path,) = export_again(timeline, options=ReportSettings(lang)).files
            page = browser.new_context(**options).new_page()
            page.goto(page_path.absolute().as_uri())
            page.wait_for_function("performance.getEntriesByName('reelpulse:drawn').length > 0")
            show_peak(page)
            save(page.screenshot(), PICTURES / f"{name}.png")
        browser.close()


def show_peak(page: Any) -> None:
    """Put the player on the strongest moment and the pointer on the timeline beside it."""
    x, y = page.evaluate(
        """() => { const plot = document.getElementById("timeline");
        const peaks = plot.data.find((trace) => trace.text), axis = plot._fullLayout.xaxis;
        const box = plot.getBoundingClientRect();
        return [box.left + axis._offset + axis.l2p(peaks.x[0]), box.top + 120]; }"""
    )
    page.mouse.click(x, y)
    page.wait_for_function("!document.getElementById('player').seeking")
    page.wait_for_timeout(4000)  # until the player's own buttons have gone


def save(png: bytes, path: Path) -> None:
    """Write a picture, smaller where it would be too large a file."""
    path.write_bytes(png)
    if len(png) > LARGEST:
        image = cv2.imread(str(path))
        smaller = cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), smaller, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
