"""A clip to try things on, made on the spot: a talking portrait that laughs at known moments.

The portrait is `skimage.data.astronaut` (NASA, public domain), warped between a resting face, a
laugh and a surprise; the voice is synthesised. It shows that all works, and is no benchmark.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelpulse.errors import MediaError, MissingExtra, SettingsError, at

if TYPE_CHECKING:
    import numpy as np

    from reelpulse.timeline import Moment

    Array = np.ndarray[Any, np.dtype[Any]]

# fmt: off
CLIP_SECONDS, MIN_SECONDS, MAX_SECONDS = 60.0, 4.0, 120.0
CLIP_FPS, CLIP_SIZE, MIN_SIDE = 25, (640, 480), 120
LIMITS = f"take {MIN_SECONDS:g} to {MAX_SECONDS:g} s, 1 fps or more, even sides from {MIN_SIDE} on"
SAMPLE_RATE, SYLLABLE_RATE, LAUGH_RATE = 44_100, 3.5, 4.8  # a second
SPEECH_PEAK, OH_PEAK, LAUGH_PEAK, BANG_PEAK = 0.1, 0.4, 0.7, 2.0  # 1 is full scale
VOWELS = ((850, 1450, 2900), (560, 1000, 2700), (480, 2100, 2850), (370, 2500, 3200))  # Hz
# What happens, its middle as a share of the clip, its longest length in seconds and as a share.
SCRIPT = (("laugh", 0.175, 3.5, 0.1), ("surprise", 0.375, 3.5, 0.1), ("hidden", 0.55, 6.0, 0.1),
          ("bang", 0.675, 1.2, 0.1), ("laugh", 0.79, 4.0, 0.1), ("surprise", 0.93, 3.0, 0.1))
SHORT_SCRIPT = ("laugh", 0.25, 3.5, 0.25), ("hidden", 0.58, 3.0, 0.2), ("bang", 0.84, 1.2, 0.15)
FUNNY, SHORT_CLIP = ("laugh", "surprise"), 30.0  # seconds; a shorter clip has the short script
# Which of laughter (0), surprise (1) and hiding (2) each brings, from and until which share of it.
MOODS = {"laugh": [(0, 0., 1.)], "surprise": [(1, 0., .45), (0, .35, 1.)], "hidden": [(2, 0., 1.)]}
# The portrait, in pixels of the 512 x 512 picture: the outline of head and shoulders down to the
# bottom row, the part that moves (rows, columns), and the middle of the face.
OUTLINE = (
    (276, 31), (251, 19), (227, 16), (205, 21), (156, 58), (153, 68), (155, 98), (170, 116),
    (174, 128), (182, 132), (184, 149), (156, 152), (145, 160), (134, 176), (123, 180), (113, 204),
    (90, 227), (65, 246), (44, 282), (31, 329), (359, 329), (356, 302), (340, 262), (303, 232),
    (289, 203), (253, 172), (262, 149), (265, 137), (275, 134), (290, 117), (301, 90), (296, 58),
    (288, 43),
)
BOTTOM, MOVING, MIDDLE = 330, ((68, 196), (169, 281)), (224, 120)
# What only a smile has: folds beside the mouth, and teeth between the lips.
FOLDS = ((211, 120), (204, 133), (194, 141), (200, 126)), ((235, 121), (250, 144), (248, 124))
TEETH = ((202, 139), (214, 143), (235, 143), (248, 138), (242, 147), (224, 150), (208, 146))
LIPS, MOUTH, LEVELS = (126, 122, 196), (38, 28, 72), 16  # two colours; steps of an expression
# Points of the face, x and y, and how far they go right and down at rest, laughing and surprised:
# corners of the mouth, edge of the teeth, lips, nose, jaw, eyes (of which corners stay) and brows.
POINTS = (
    (202.8, 139.6, 4.5, 4.6, -2.5, -2.5, 9, 7), (247.4, 139.4, -4.5, 4.6, 2.5, -2.5, -9, 7),
    (211, 147, 2, -1.9, -1, -1, 5, -2), (224.5, 149.2, 0, -4.3, 0, -0.8, 0, -4.5),
    (238, 147, -2, -1.9, 1, -1, -5, -2), (211, 148.4, 2, -3, -1.5, 5, 5, 8.5),
    (224.5, 150.2, 0, -5, 0, 8, 0, 11), (238, 148.4, -2, -3, 1.5, 5, -5, 8.5),
    (212, 153, 2.5, -1.6, -1, 5.5, 4, 8.5), (224.5, 155.5, 0, -2.2, 0, 7.5, 0, 10.5),
    (237, 153, -2.5, -1.6, 1, 5.5, -4, 8.5), (213, 139.8, 1.5, 0.6, -1, -1.2, 4, 0),
    (224.5, 139.6, 0, -0.3, 0, -1, 0, -1.5), (236, 139.8, -1.5, 0.6, 1, -1.2, -4, 0),
    (213, 143, 1.5, 1.7, -1, -1.2, 4, 0), (224.5, 143.6, 0, 0.9, 0, -1, 0, -1.5),
    (236, 143, -1.5, 1.7, 1, -1.2, -4, 0), (212, 129, 0.8, 0.3, -0.5, -0.5, 0.8, 0),
    (235, 129, -0.8, 0.3, 0.5, -0.5, -0.8, 0), (205, 173, 0, 0, 0, 3, 0, 4),
    (225, 178, 0, 0, 0, 4.5, 0, 6), (245, 171, 0, 0, 0, 3, 0, 4), (187, 146, 0, 0, 0, 0, 0, 0),
    (263, 148, 0, 0, 0, 0, 0, 0), (224, 105, 0, 0, 0, 0, 0, 0), (196, 122, 0, 1, 0, -2, 0, 1),
    (252, 123, 0, 1, 0, -2, 0, 1), (193, 100, 0, 0, 0, 0, 0, 0), (203, 97, 0, 0, 0, 1, 0, -2),
    (247, 99, 0, 0, 0, 1, 0, -2), (258, 104, 0, 0, 0, 0, 0, 0), (203, 105, 0, 0, 0, -1, 0, 1),
    (247, 107, 0, 0, 0, -1, 0, 1), (190, 90, 0, 0, 0, 0, 0, -4), (200, 89, 0, 0, 0, 0, 0, -5),
    (213, 92, 0, 0, 0, 0, 0, -5), (239, 93, 0, 0, 0, 0, 0, -5), (252, 92, 0, 0, 0, 0, 0, -5),
    (262, 96, 0, 0, 0, 0, 0, -4),
)
# fmt: on


@dataclass(frozen=True)
class Planted:
    """Something that happens in the clip, in seconds."""

    start: float
    end: float
    what: str


def scenes(seconds: float = CLIP_SECONDS) -> list[Planted]:
    """List what happens, in order: `FUNNY` moments, a board before the face, a loud noise."""
    planted = []
    for what, share, longest, widest in SHORT_SCRIPT if seconds < SHORT_CLIP else SCRIPT:
        middle, half = share * seconds, min(longest, widest * seconds) / 2
        planted.append(Planted(middle - half, middle + half, what))
    return planted


def found_again(
    planted: Sequence[Planted], moments: Sequence[Moment]
) -> list[tuple[Planted, int | None]]:
    """Tell which moment, counted from 1, found each planted one: the first with its peak inside."""
    return [
        (
            thing,
            next(
                (n for n, m in enumerate(moments, 1) if thing.start - 1 <= m.peak <= thing.end + 1),
                None,
            ),
        )
        for thing in planted
    ]


def make_clip(
    path: str | Path,
    *,
    seconds: float = CLIP_SECONDS,
    fps: int = CLIP_FPS,
    size: tuple[int, int] = CLIP_SIZE,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> list[Planted]:
    """Make the clip, an MP4 file of H.264 and AAC, and return its funny moments in order.

    Parameters
    ----------
    path, seconds, fps, size
        Where to write it, whole or not at all; `MIN_SECONDS` to `MAX_SECONDS`, below `SHORT_CLIP`
        with one funny moment only; pictures a second; width and height in pixels, both even.
    seed : int
        Varies voice and movement. The same seed gives the same pictures and sound.
    progress : callable, optional
        Called with the share that is done, 0 to 1, after each picture.

    Raises
    ------
    MissingExtra, SettingsError, MediaError
        If scikit-image is missing, a number is out of range, or the file cannot be written.
    """
    even = min(size) >= MIN_SIDE and size[0] % 2 == size[1] % 2 == 0
    if not (MIN_SECONDS <= seconds <= MAX_SECONDS and fps >= 1 and even):
        raise SettingsError(f"no demo clip of {seconds:g} s, {fps} fps, {size}: {LIMITS}")
    import av
    import numpy as np

    happening, times = scenes(seconds), np.arange(round(seconds * fps)) / fps
    puppet = _Puppet(size, seed)
    sound, talking = _sound(happening, seconds, seed)
    talking = talking[(times * SAMPLE_RATE).astype(int)]
    part = Path(f"{path}.part")
    try:
        with av.open(str(part), "w", format="mp4") as container:
            video = container.add_stream("libx264", fps, {"preset": "superfast", "threads": "2"})
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            audio = container.add_stream("aac", SAMPLE_RATE, layout="mono")
            for i, picture in enumerate(puppet.play(happening, times, talking)):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
                first, last = (round(k * SAMPLE_RATE / fps) for k in (i, i + 1))
                frame = av.AudioFrame.from_ndarray(sound[None, first:last], "fltp", "mono")
                frame.sample_rate, frame.pts = SAMPLE_RATE, first
                container.mux(audio.encode(frame))
                if progress:
                    progress((i + 1) / len(times))
            container.mux([*video.encode(None), *audio.encode(None)])
        part.replace(path)
    except OSError as error:
        raise MediaError(at(path, f"cannot be written ({error})")) from error
    finally:
        part.unlink(missing_ok=True)
    return [scene for scene in happening if scene.what in FUNNY]


def _moods(happening: list[Planted], times: Array) -> Array:
    """Tell how much the person laughs, is surprised and is hidden: (3, T) in [0, 1]."""
    import numpy as np

    moods = np.zeros((3, len(times)))
    for scene in happening:
        share = (times - scene.start) / (scene.end - scene.start)
        for mood, start, end in MOODS.get(scene.what, []):
            x = np.clip(np.minimum(share - start, end - share) / 0.1, 0, 1)
            moods[mood] += x * x * (3 - 2 * x)
    return moods


def _mask(like: Array, scale: int, soft: float, *lines: Any) -> Array:
    """Make a mask that is 1 inside closed lines; they and the softness in pixels of the photo."""
    import cv2
    import numpy as np

    corners = [np.rint((np.array(k) * scale + (scale - 1) / 2) * 16).astype(int) for k in lines]
    mask = cv2.fillPoly(np.zeros(like.shape[:2], np.float32), corners, 1, cv2.LINE_8, 4)
    return cv2.GaussianBlur(mask, (0, 0), soft * scale)


class _Puppet:
    """The portrait, cut out and made movable, before a wall."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        import cv2
        import numpy as np

        try:
            data = importlib.import_module("skimage").data
        except ImportError as error:
            raise MissingExtra("demo", "The demo clip") from error
        (width, height), self.size = size, size
        self.zoom = min(height / 240, width / 320)
        n = self.detail = min(math.ceil(self.zoom) + 1, 4)  # pixels of the puppet for one there
        photo = cv2.resize(data.astronaut()[:BOTTOM, :, ::-1], None, None, n, n, cv2.INTER_CUBIC)
        self.part = tuple(slice(n * first, n * last) for first, last in MOVING)
        smiling = self.smiling = photo[self.part].copy()
        folds, teeth = (_mask(photo, n, 1, *k)[self.part] for k in (FOLDS, [TEETH]))
        plain = cv2.inpaint(smiling, (folds > 0.1).astype(np.uint8), 3 * n, cv2.INPAINT_TELEA)
        plain = cv2.blendLinear(cv2.GaussianBlur(plain, (0, 0), n), smiling, folds, 1 - folds)
        self.plain = cv2.blendLinear(np.full_like(plain, LIPS), plain, teeth, 1 - teeth)
        outline = cv2.erode(_mask(photo, n, 1, OUTLINE), np.ones((2 * n, 2 * n)))
        self.body = np.dstack((photo, (255 * outline).astype(np.uint8)))
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(0, 1, height))
        self.wall = ((160 - 70 * y - 30 * x**2)[..., None] * (1.0, 0.9, 0.85)).astype(np.uint8)
        self.board = ((120 + 30 * np.sin(60 * y + x))[..., None] * (0.5, 0.7, 1)).astype(np.uint8)
        self.phases = np.random.default_rng(seed).uniform(0, 2 * math.pi, 4)

    def face(self, laugh: int, surprise: int) -> Array:
        """Draw the part that moves; each expression goes from 0 to `LEVELS`."""
        import cv2
        import numpy as np
        from scipy.interpolate import PchipInterpolator, RBFInterpolator

        weights = np.array((LEVELS - laugh - surprise, laugh, surprise)) / LEVELS
        moves = weights @ np.reshape(POINTS, (-1, 4, 2))[:, 1:]
        points = np.array(POINTS)[:, :2] + moves
        ((top, bottom), (left, right)), n = MOVING, self.detail
        grid = np.mgrid[left:right, top:bottom].T
        shift = RBFInterpolator(points, -moves)(grid.reshape(-1, 2)).reshape(grid.shape)
        fade = n * np.minimum(1, 30 * np.outer(*map(np.hanning, grid.shape[:2])))  # to the border
        shift = cv2.resize(shift * fade[..., None], None, None, n, n, cv2.INTER_CUBIC)
        where = (np.mgrid[: shift.shape[1], : shift.shape[0]].T + shift).astype(np.float32)
        skin = cv2.addWeighted(self.plain, 1 - weights[1], self.smiling, weights[1], 0)
        face = cv2.remap(skin, where[..., 0], where[..., 1], cv2.INTER_CUBIC)
        # What is between the lips: from the lower edge of the teeth to the lower lip.
        edges = (points - (left, top))[[[0, 2, 3, 4, 1], [0, 5, 6, 7, 1]]]
        x = np.linspace(edges[0, 0, 0], edges[0, -1, 0], 25)
        upper, lower = (np.stack((x, PchipInterpolator(*edge.T)(x)), 1) for edge in edges)
        gap = _mask(face, n, 0.45, np.concatenate((upper, lower[::-1])))
        return cv2.blendLinear(np.full_like(face, MOUTH), face, gap, 1 - gap)

    def play(self, happening: list[Planted], times: Array, talking: Array) -> Iterator[Array]:
        """Draw a picture for each time, as planes of YUV 4:2:0, with a mouth open by `talking`."""
        import cv2
        import numpy as np

        laugh, surprise, hidden = _moods(happening, times)
        bob = np.sin(np.pi * LAUGH_RATE * times) * laugh
        mouth = np.stack((laugh * (0.87 + 0.13 * bob), surprise + 0.3 * talking), 1) * LEVELS
        drift = np.sin(times[:, None] * (0.31, 0.23, 0.17, 0.4) + self.phases)
        (width, height), wide = self.size, round(224 * self.zoom)
        x, y = (self.detail * side for side in MIDDLE)
        face = functools.cache(self.face)
        for i, levels in enumerate(np.rint(mouth).astype(int).tolist()):
            self.body[self.part][..., :3] = face(*levels)
            zoom = self.zoom * (1 + 0.06 * drift[i, 0])
            turn = cv2.getRotationMatrix2D((x, y), 3 * (drift[i, 1] + bob[i]), zoom / self.detail)
            turn[0, 2] += width / 2 + self.zoom * 10 * drift[i, 2] - x
            turn[1, 2] += height + self.zoom * (3 * drift[i, 3] + 4 * bob[i] - 127) - y
            warped = cv2.warpAffine(self.body, turn, self.size)
            mask = warped[..., 3] / np.float32(255)
            picture = cv2.blendLinear(warped[..., :3], self.wall, mask, 1 - mask)
            edge = round(width - hidden[i] * (width + wide) / 2)
            picture[:, max(edge, 0) : edge + wide] = self.board[:, max(edge, 0) : edge + wide]
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)


def _voice(pitch: Array, breath: Array, formants: tuple[int, ...]) -> Array:
    """Shape pulses of a pitch (Hz at each sample) and breath into a vowel."""
    import numpy as np
    from scipy.signal import lfilter

    pulses = np.diff(np.floor(np.cumsum(pitch / SAMPLE_RATE)), prepend=0)
    sound: Array = lfilter([1], [1, -0.95], pulses) + breath
    for formant in formants:
        near = math.exp(-math.pi * (60 + 0.04 * formant) / SAMPLE_RATE)
        poles = (1, -2 * near * math.cos(2 * math.pi * formant / SAMPLE_RATE), near**2)
        sound = lfilter([sum(poles)], poles, sound)
    return sound


def _sound(happening: list[Planted], seconds: float, seed: int) -> tuple[Array, Array]:
    """Make the voice and the bang; also tell how loud the speech is, in [0, 1]."""
    import numpy as np
    from scipy.signal import fftconvolve

    times = np.arange(round(seconds * SAMPLE_RATE) + SAMPLE_RATE) / SAMPLE_RATE
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(times))
    laugh, surprise, _ = _moods(happening, times)
    # Speech: seven syllables, then a pause of two; the pitch falls along them.
    beat = SYLLABLE_RATE * times + 0.25 * np.sin(2.3 * times)
    syllable = beat.astype(int)
    place = np.arange(syllable[-1] + 1) % 9
    stress = rng.uniform(0.4, 1, len(place)) * (place < 7)
    vowel = rng.integers(0, len(VOWELS), len(place))
    swell = np.sin(np.pi * (beat % 1))
    talking = stress[syllable] * swell * (1 - laugh - surprise)
    pitch = np.interp(beat, np.arange(len(place)), 215 - 7 * place + rng.normal(0, 12, len(place)))
    pitch += 15 * swell + 130 * surprise
    vowels = [_voice(pitch, 0.15 * noise, formants) for formants in VOWELS]
    speech = talking * np.choose(vowel[syllable], vowels)
    gasp = surprise * swell * vowels[1]  # "oh, oh"
    # Laughter: one "ha" after the other, each falling in pitch.
    ha = (LAUGH_RATE * times + 0.12 * np.sin(1.7 * times)) % 1
    laugh *= np.minimum(ha / 0.2, 1) * np.exp(-5 * ha)
    laughter = laugh * _voice(340 + 250 * np.exp(-3 * ha), 0.3 * noise, VOWELS[0])
    since = times - next(scene.start for scene in happening if scene.what == "bang")
    bang = (since > 0) * np.exp(-5 * abs(since)) * (noise + np.sin(2 * np.pi * 55 * since))
    parts = (speech, SPEECH_PEAK), (laughter, LAUGH_PEAK), (gasp, OH_PEAK), (bang, BANG_PEAK)
    mixed = sum(part * (peak / max(np.abs(part).max(), 1e-9)) for part, peak in parts)
    room = rng.standard_normal(SAMPLE_RATE // 4) * np.exp(-times[: SAMPLE_RATE // 4] / 0.06) / 130
    mixed += fftconvolve(mixed, room)[: len(times)] + 1e-3 * noise
    return np.clip(mixed, -1, 1).astype(np.float32), talking
