"""Words on pictures."""

from __future__ import annotations

import numpy as np
import pytest

from reelpulse.media import lettering


def drawn(text: str, *, channels: tuple[int, ...] = (), **options: int) -> np.ndarray:
    picture = np.full((20, 200, *channels), 255, np.uint8)
    lettering.write(picture, text, options.pop("left", 0), 14, **options)
    return picture


def test_letters_are_drawn_where_they_are_asked_for() -> None:
    picture = drawn("Film 12", left=50)
    assert (picture < 128).any()
    assert (picture[:, :50] == 255).all()
    assert (picture[:, 50 + lettering.width_of("Film 12") + 1 :] == 255).all()
    np.testing.assert_array_equal(drawn("Film 12", left=50, channels=(3,))[..., 1], picture)


def test_what_does_not_fit_is_left_out() -> None:
    long = "a film with a very long name " * 3
    assert (drawn(long, widest=80)[:, 80:] == 255).all()
    assert (drawn(long, left=190) < 128).any()
    for left, text in ((200, "x"), (0, ""), (500, "x")):
        assert (drawn(text, left=left) == 255).all()


def test_korean_names_are_told_apart() -> None:
    if (
        lettering.width_of("가") == lettering.width_of("\ufffe")
        and (drawn("가") == drawn("\ufffe")).all()
    ):
        pytest.skip("no font with Korean letters")
    assert (drawn("공포/기생충") != drawn("액션/베테랑")).any()


def test_without_a_font_of_the_system_latin_letters_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_FONTS", ("no such font.ttf",))
    lettering._font.cache_clear()
    try:
        assert (drawn("Film 12") < 128).any()
        assert (drawn("기생충") < 128).any()
    finally:
        lettering._font.cache_clear()
