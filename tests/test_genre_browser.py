"""The page of genre in a browser: choosing, dropping, errors, languages, keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genre_models import coloured, textured
from genre_served import encoded, file, pair_server, server
from reelpulse.web.genre import GenreServer

__all__ = ["pair_server", "server"]


Open = Callable[..., Any]
DROP = """async ([selector, files]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: "image/png" }));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.querySelector(selector).dispatchEvent(
            new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
}"""


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Open the page; at the end no error and no request to anywhere else may be left."""
    contexts, troubles = [], []

    def opened(server: GenreServer, **options: Any) -> Any:
        context = chromium.new_context(**{"locale": "en-US", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: _noted(troubles, m))
        page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((server.url, "data:", "blob:"))
                else troubles.append(f"asks {r.url}")
            ),
        )
        page.goto(server.url)
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _noted(troubles: list[str], message: Any) -> None:
    """Note errors; that pictures were refused is what some tests are about."""
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        troubles.append(message.text)


def shares(page: Any) -> list[list[str]]:
    """Genre and share of each bar, as shown."""
    page.wait_for_selector("#shares:not([hidden])")
    rows = page.query_selector_all("#shares > div")
    return [row.inner_text().split("\n") for row in rows]


def dropped(page: Any, selector: str, *files: Path) -> None:
    page.evaluate(DROP, [selector, [[path.name, encoded(path)] for path in files]])


def test_two_files_are_chosen(open_page: Open, pair_server: GenreServer, tmp_path: Path) -> None:
    page = open_page(pair_server)
    assert "Both pictures" in page.text_content("#status")
    page.set_input_files("#file-0", file(tmp_path / "a.png", textured()))
    page.wait_for_selector("#status:has-text('One more')")
    page.set_input_files("#file-1", file(tmp_path / "하나 더.png", textured(8)))
    found = shares(page)
    assert [name for name, _ in found] == ["Action", "Romance"]
    assert float(found[0][1].rstrip("%")) > 90
    for place in (0, 1):
        image = page.wait_for_selector(f"[data-place='{place}'] img:not([hidden])")
        assert image.evaluate("image => image.naturalWidth") == 320
    assert page.text_content("[data-place='1'] .name") == "하나 더.png"
    assert page.is_hidden("#problem")
    bars = page.eval_on_selector_all(".bar i", "bars => bars.map((b) => b.offsetWidth)")
    assert bars[0] > 5 * bars[1]


def test_a_picture_is_dropped_on_its_place(
    open_page: Open, server: GenreServer, tmp_path: Path
) -> None:
    page = open_page(server)
    dropped(page, "[data-place='1'] .drop", file(tmp_path / "blue.png", coloured(2)))
    assert shares(page)[0][0] == "Science fiction"
    assert page.text_content("[data-place='1'] .name") == "blue.png"
    assert page.text_content("[data-place='0'] .name") == ""


def test_two_pictures_dropped_at_once_go_by_their_numbers(
    open_page: Open, pair_server: GenreServer, tmp_path: Path
) -> None:
    page = open_page(pair_server)
    two = [file(tmp_path / name, textured()) for name in ("f_10.png", "f_9.png")]
    dropped(page, "h1", *two)
    assert shares(page)[0][0] == "Romance"
    names = [page.text_content(f"[data-place='{place}'] .name") for place in (0, 1)]
    assert names == ["f_9.png", "f_10.png"]
    page.click("#swap")
    assert page.text_content("[data-place='0'] .name") == "f_10.png"
    shares(page)
    page.click("#clear")
    assert page.is_hidden("#shares")
    assert page.is_disabled("#swap")


def test_errors_are_one_line_and_go_away(
    open_page: Open, pair_server: GenreServer, tmp_path: Path
) -> None:
    page = open_page(pair_server)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    good = file(tmp_path / "a.png", textured())
    dropped(page, "h1", broken, good)
    page.wait_for_selector("#problem:not([hidden])")
    assert "broken.png: is not a picture" in page.text_content("#problem")
    page.wait_for_selector(".hint:has-text('cannot show this picture')")
    page.set_input_files("#file-0", file(tmp_path / "small.png", textured(size=(64, 48))))
    page.set_input_files("#file-1", good)
    page.wait_for_selector("#problem:has-text('64×48')")
    page.set_input_files("#file-0", good)
    assert shares(page)[0][0] == "Romance"
    assert page.is_hidden("#problem")
    notes = tmp_path / "notes.txt"
    notes.write_text("text")
    page.set_input_files("#file-0", notes)
    assert page.text_content("#problem") == "notes.txt is not a picture."


def test_a_server_that_is_gone_is_said(
    open_page: Open, server: GenreServer, tmp_path: Path
) -> None:
    page = open_page(server)
    page.route("**/predict", lambda route: route.abort())
    page.set_input_files("#file-0", file(tmp_path / "a.png", coloured(0)))
    page.wait_for_selector("#problem:has-text('genre serve')")
    page.unroute("**/predict")
    page.set_input_files("#file-0", tmp_path / "a.png")
    assert shares(page)[0][0] == "Horror"


def test_the_page_speaks_korean(open_page: Open, server: GenreServer, tmp_path: Path) -> None:
    page = open_page(server, locale="ko-KR", color_scheme="dark")
    assert page.get_attribute("html", "lang") == "ko"
    page.set_input_files("#file-0", file(tmp_path / "a.png", coloured(0)))
    assert shares(page)[0][0] == "공포"
    letters = page.evaluate(
        "Object.values(document.querySelectorAll('h1, h2, button, .hint, #lead'))"
        ".map((item) => item.textContent).join('')"
    )
    assert not re.search("[A-Za-z]", letters)


def test_the_keyboard_reaches_everything(
    open_page: Open, server: GenreServer, tmp_path: Path
) -> None:
    page = open_page(server)
    for name in ("file-0", "file-1"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name
    # A chooser that opens in earnest, where nobody waits for it in time, hangs a headless browser.
    page.set_input_files("#file-0", file(tmp_path / "a.png", coloured(1)))
    assert shares(page)[0][0] == "Romance"
    page.focus("#file-1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "clear"
    page.keyboard.press("Enter")
    assert page.is_hidden("#shares")


def test_a_narrow_window_shows_all(open_page: Open, server: GenreServer, tmp_path: Path) -> None:
    page = open_page(server, viewport={"width": 360, "height": 800})
    page.set_input_files("#file-0", file(tmp_path / "a.png", coloured(1)))
    shares(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
