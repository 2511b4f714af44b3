"""Draw the clip of the pictures: a painted streamer at a desk, before a painted game.

Nothing in it is taken from anywhere: the face is shaded from ellipses, the sound is made of tones
and noise. What happens when stands in `SCRIPT`.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

Image = np.ndarray[Any, np.dtype[np.uint8]]

FPS, SECONDS, WIDTH, HEIGHT, RATE = 20, 90, 1280, 720, 44_100
SKIN, HAIR, LIP = (226, 178, 148), (58, 40, 34), (176, 84, 84)

# From, to (seconds), what: smile and surprise of the face, or nobody in the picture.
SCRIPT = (
    (12, 17, "smile"),
    (30, 32, "surprise"),
    (32, 37, "smile"),
    (48, 55, "away"),
    (64, 68, "surprise"),
    (76, 82, "smile"),
)


def level(time: float, what: str) -> float:
    """How strongly something holds, from 0 to 1, with soft ends."""
    found = 0.0
    for start, end, name in SCRIPT:
        if name == what:
            found = max(found, float(np.clip(min(time - start, end - time) / 0.4, 0, 1)))
    return found


def _shade(
    image: Image,
    middle: tuple[float, float],
    axes: tuple[float, float],
    colour: Any,
    light: float = 0.35,
) -> None:
    """An ellipse lit from the upper left."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (x - middle[0]) / axes[0], (y - middle[1]) / axes[1]
    inside = np.clip((1 - np.hypot(u, v)) * min(axes) / 2, 0, 1)[..., None]
    bright = 1 - light * (0.5 * u + 0.45 * v + 0.55 * (u**2 + v**2) - 0.15)[..., None]
    painted = np.clip(np.array(colour, np.float32) * bright, 0, 255)
    image[:] = (image * (1 - inside) + painted * inside).astype(np.uint8)


def _line(image: Image, points: Any, colour: Any, width: float) -> None:
    curve = np.round(np.array(points) * 16).astype(np.int32)
    cv2.polylines(image, [curve], False, colour, max(1, round(width)), cv2.LINE_AA, 4)


def _fill(image: Image, points: Any, colour: Any) -> None:
    cv2.fillPoly(image, [np.round(np.array(points) * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _arc(x0: float, x1: float, y: float, bend: float) -> np.ndarray[Any, Any]:
    t = np.linspace(-1, 1, 25)
    return np.column_stack([(x0 + x1) / 2 + t * (x1 - x0) / 2, y + bend * (1 - t**2)])


@functools.cache
def face(smile: float, surprise: float, blink: float) -> Image:
    """The head and shoulders, 360 by 400; each of 0 to 1."""
    w, h = 360, 400
    image = np.zeros((h, w, 3), np.uint8)
    image[:] = np.linspace((74, 82, 104), (40, 46, 62), h)[:, None].astype(np.uint8)
    middle = w / 2
    _shade(image, (middle, 215), (112, 150), HAIR, 0.5)  # hair behind
    _shade(image, (middle, 430), (170, 95), (70, 96, 140), 0.4)  # shoulders
    _shade(image, (middle, 338), (42, 62), (198, 148, 120), 0.3)  # neck
    for side in (-1, 1):
        _shade(image, (middle + side * 93, 222), (14, 26), (212, 160, 132))
    chin = 6 * surprise
    _shade(image, (middle, 216 + chin / 2), (92, 122 + chin), SKIN, 0.3)
    top = [
        (middle - 96, 205),
        (middle - 88, 135),
        (middle - 50, 92),
        (middle, 80),
        (middle + 52, 92),
        (middle + 88, 135),
        (middle + 96, 205),
        (middle + 78, 152),
        (middle + 30, 132),
        (middle - 20, 142),
        (middle - 74, 150),
    ]
    _fill(image, top, HAIR)
    for side in (-1, 1):
        x = middle + side * 38
        raised = 15 * surprise + 2 * smile - 5
        _line(image, _arc(x - 21, x + 21, 186 - raised, -3 - 8 * surprise - 2 * smile), HAIR, 6)
        wide = max(0.08, 0.52 + 1.03 * surprise) * (1 - 0.9 * blink)
        _shade(image, (x, 207), (20, 12), (208, 158, 130), 0.2)
        _shade(image, (x, 207), (16, 8.5 * wide), (244, 242, 240), 0.1)
        if wide > 0.3:
            _shade(image, (x, 207), (7.2, min(7.2, 8.3 * wide)), (70, 48, 38), 0.2)
            cv2.circle(image, (round(x - 2), 204), 2, (255, 255, 255), -1, cv2.LINE_AA)
        _line(image, _arc(x - 17, x + 17, 206, -9 * wide), (92, 60, 48), 2.5)
        if smile > 0.2:
            _shade(image, (middle + side * 56, 252), (20, 13), (235, 160, 140), 0.15)
    _shade(image, (middle, 236), (13, 20), (232, 186, 156), 0.35)
    _line(image, _arc(middle - 12, middle + 12, 251, 5), (176, 124, 102), 2.5)
    half = 30 + 14 * smile - 10 * surprise
    corner = 285 - 9 * smile
    gap = 17 * smile + 30 * surprise
    upper = _arc(middle - half, middle + half, corner, 5 * smile - 8 * surprise)
    lower = _arc(middle - half, middle + half, corner, 5 * smile - 8 * surprise + gap + 6)
    if gap > 2:
        _fill(image, np.concatenate([upper, lower[::-1]]), (92, 28, 32))
        if smile > 0.3:
            teeth = _arc(middle - half * 0.9, middle + half * 0.9, corner + 1, 5 + gap * 0.55)
            _fill(
                image, np.concatenate([np.add(upper[1:-1], [0, 1]), teeth[::-1]]), (246, 244, 240)
            )
    _line(image, upper, LIP, 5)
    _line(image, lower, LIP, 6)
    return cv2.GaussianBlur(image, (3, 3), 0)


def game(time: float) -> Image:
    """A side-scrolling game: hills, blocks, something that hops."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = np.linspace((120, 176, 232), (214, 232, 244), HEIGHT)[:, None].astype(np.uint8)
    x = np.arange(WIDTH)
    for depth, colour, height in ((60, (150, 196, 176), 430), (120, (106, 168, 132), 520)):
        ridge = (
            height - 50 * np.sin((x + depth * time) / 190) - 22 * np.sin((x + depth * time) / 67)
        )
        image[np.arange(HEIGHT)[:, None] > ridge[None]] = colour
    image[620:] = (126, 92, 70)
    image[620:632] = (96, 156, 84)
    for block in range(-1, 9):
        left = int(block * 190 - (190 * time) % 190)
        cv2.rectangle(image, (left, 440), (left + 64, 504), (214, 150, 70), -1)
        cv2.rectangle(image, (left, 440), (left + 64, 504), (150, 96, 44), 4)
    hop = abs(np.sin(time * 2.6)) * 130
    cv2.circle(image, (340, round(590 - hop)), 30, (208, 64, 92), -1, cv2.LINE_AA)
    cv2.circle(image, (350, round(582 - hop)), 7, (255, 255, 255), -1, cv2.LINE_AA)
    return image


def picture(time: float) -> Image:
    """What is on screen at a time: the game, and the streamer in the corner."""
    image = game(time)
    blink = float(time % 3.7 < 0.12)
    # In steps of a fifth, so that each face is painted once.
    smile, surprise = (round(level(time, what) * 5) / 5 for what in ("smile", "surprise"))
    person = face(smile, surprise, blink).copy()
    if level(time, "away") > 0.5:
        person[:] = np.linspace((74, 82, 104), (40, 46, 62), 400)[:, None].astype(np.uint8)
    sway = (round(4 * np.sin(time * 1.3)), round(3 * np.sin(time * 0.9)))
    person = np.roll(person, sway, axis=(1, 0))
    image[HEIGHT - 400 :, WIDTH - 360 :] = person
    cv2.rectangle(image, (WIDTH - 360, HEIGHT - 400), (WIDTH - 1, HEIGHT - 1), (30, 34, 46), 4)
    return image


def sound() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Soft music, and laughs as bursts of noise."""
    random = np.random.default_rng(1)
    time = np.arange(SECONDS * RATE) / RATE
    note = np.floor(time * 2) % 8
    tune = 0.02 * np.sin(
        2 * np.pi * 220 * 2 ** (np.array([0, 3, 5, 7, 5, 3, 7, 10])[note.astype(int)] / 12) * time
    )
    loud = np.zeros(len(time))
    for start, end, what in SCRIPT:
        inside = (time >= start) & (time < end)
        beat = np.clip(np.sin(2 * np.pi * 4.5 * (time - start)), 0, 1) if what == "smile" else 1.0
        strength = {"smile": 0.45, "surprise": 0.3, "away": 0.0}[what]
        loud += inside * beat * strength * np.exp(-(time - start) / 4)
    noise = np.convolve(random.normal(0, 1, len(time)), np.ones(12) / 12, "same")
    return (tune + loud * noise).astype(np.float32).clip(-1, 1)


def draw(path: Path) -> Path:
    """Write the clip, H.264 and AAC."""
    samples = sound()
    with av.open(str(path), "w") as out:
        film: Any = out.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        hum: Any = out.add_stream("aac", rate=RATE, layout="mono")
        step = RATE // FPS
        for number in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(picture(number / FPS), "rgb24")
            out.mux(film.encode(frame))
            heard = av.AudioFrame.from_ndarray(
                samples[None, number * step : (number + 1) * step], "fltp", "mono"
            )
            heard.sample_rate, heard.pts = RATE, number * step
            out.mux(hum.encode(heard))
        for stream in (film, hum):
            out.mux(stream.encode(None))
    return path
