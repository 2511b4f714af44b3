"""Words on pictures, such as contact sheets: in Korean too, where the system has letters for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SIZE = 12
"""Height of the letters, in pixels."""

_FONTS = (
    "NanumGothic.ttf",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
    "NotoSansKR-Regular.otf",
    "NotoSansKR-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "UnDotum.ttf",
)
"""Files of fonts with Korean letters that systems come with, looked for in the systems' folders."""


def write(
    picture: npt.NDArray[np.uint8],
    text: str,
    left: int,
    bottom: int,
    *,
    widest: int | None = None,
    ink: int = 0,
) -> None:
    """Write on a picture, in place; what does not fit is left out.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    text : str
        A line. Where no font with Korean letters is found, those are boxes.
    left, bottom : int
        Where its first letter stands.
    widest : int, optional
        Pixels that it may take; up to the edge of the picture without it.
    ink : int
        From 0, black, to 255, white.
    """
    from PIL import Image, ImageDraw

    room = picture.shape[1] - left if widest is None else min(widest, picture.shape[1] - left)
    while text and _font().getlength(text) > room:
        text = text[:-1]
    top = max(0, bottom - SIZE - 2)
    strip = picture[top : bottom + SIZE // 2, left : left + room]
    if not text or not strip.size:
        return
    drawn = Image.fromarray(np.ascontiguousarray(strip))
    fill: Any = ink if picture.ndim == 2 else (ink,) * 3
    ImageDraw.Draw(drawn).text((0, bottom - top), text, fill=fill, font=_font(), anchor="ls")
    strip[:] = np.asarray(drawn)


def width_of(text: str) -> int:
    """How many pixels wide a line is."""
    return int(np.ceil(_font().getlength(text)))


@cache
def _font() -> FreeTypeFont:
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return ImageFont.truetype(name, SIZE)
        except OSError:
            continue
    font: Any = ImageFont.load_default(SIZE)
    return font  # type: ignore[no-any-return]
