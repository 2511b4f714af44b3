"""The demo clip: what it holds, where it says so, and that the same seed makes it again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from reelpulse import demo
from reelpulse.errors import MediaError, MissingExtra, SettingsError

SECONDS, SIZE = 12.0, (320, 240)


def frames(path: Path, count: int) -> npt.NDArray[Any]:
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(pictures) >= count
    return np.stack(pictures[:count])


def sound(path: Path) -> npt.NDArray[Any]:
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


def loudness(samples: npt.NDArray[Any], start: float, end: float) -> float:
    part = samples[int(start * demo.SAMPLE_RATE) : int(end * demo.SAMPLE_RATE)]
    return float(np.sqrt(np.mean(part**2)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[demo.Planted]]:
    pytest.importorskip("skimage")
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    return path, demo.make_clip(path, seconds=SECONDS, size=SIZE)


def test_streams_and_duration(clip: tuple[Path, list[demo.Planted]]) -> None:
    with av.open(str(clip[0])) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == SIZE
        assert video.average_rate == demo.CLIP_FPS
        assert audio.rate == demo.SAMPLE_RATE
        for stream in (video, audio):
            assert stream.duration is not None
            assert stream.time_base is not None
            assert float(stream.duration * stream.time_base) == pytest.approx(SECONDS, abs=0.05)
    assert not list(clip[0].parent.glob("*.part"))


def test_the_funny_scenes_are_returned(clip: tuple[Path, list[demo.Planted]]) -> None:
    funny = [scene for scene in demo.scenes(SECONDS) if scene.what in demo.FUNNY]
    assert clip[1] == funny
    assert funny


@pytest.mark.parametrize("seconds", [demo.MIN_SECONDS, 12.0, 29.9, 30.0, 60.0, demo.MAX_SECONDS])
def test_scenes_follow_each_other_inside_the_clip(seconds: float) -> None:
    happening = demo.scenes(seconds)
    edges = [0.0, *(edge for scene in happening for edge in (scene.start, scene.end)), seconds]
    assert edges == sorted(edges)
    assert all(scene.end - scene.start <= 6.0 for scene in happening)
    what = [scene.what for scene in happening]
    assert {"laugh", "hidden", "bang"} <= set(what)
    assert sum(kind in demo.FUNNY for kind in what) == (1 if seconds < demo.SHORT_CLIP else 4)


def test_laughter_and_bang_are_louder_than_speech(clip: tuple[Path, list[demo.Planted]]) -> None:
    samples = sound(clip[0])
    speech = loudness(samples, 0.0, 1.0)
    assert speech > 0.002
    for scene in demo.scenes(SECONDS):
        if scene.what in ("laugh", "bang"):
            assert loudness(samples, scene.start, scene.end) > 4 * speech


def test_the_face_is_found_but_where_it_is_hidden(clip: tuple[Path, list[demo.Planted]]) -> None:
    dlib = pytest.importorskip("dlib")
    detect = dlib.get_frontal_face_detector()
    pictures = frames(clip[0], round(SECONDS * demo.CLIP_FPS))[..., ::-1]
    hidden = next(scene for scene in demo.scenes(SECONDS) if scene.what == "hidden")
    for i in range(0, len(pictures), demo.CLIP_FPS // 2):
        time = i / demo.CLIP_FPS
        found = len(detect(np.ascontiguousarray(pictures[i]), 1))
        if not hidden.start < time < hidden.end:
            assert found == 1, time
        elif min(time - hidden.start, hidden.end - time) > 0.2 * (hidden.end - hidden.start):
            assert found == 0, time


def test_the_same_seed_makes_the_same_clip(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    made = {}
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        path = tmp_path / f"{name}.mp4"
        demo.make_clip(path, seconds=demo.MIN_SECONDS, size=(160, 120), seed=seed)
        made[name] = frames(path, 5), sound(path)
    for one, again, other in zip(made["one"], made["again"], made["other"], strict=True):
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)


def test_progress_rises_to_one(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    shares: list[float] = []
    size = (160, 120)
    demo.make_clip(tmp_path / "a.mp4", seconds=4, fps=10, size=size, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_without_scikit_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtra, match=r"reelpulse\[demo\]"):
        demo.make_clip(tmp_path / "a.mp4", seconds=4, size=(160, 120))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings",
    [{"seconds": 1.0}, {"seconds": 1e4}, {"fps": 0}, {"size": (321, 240)}, {"size": (64, 64)}],
)
def test_impossible_settings(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="take 4 to 120 s"):
        demo.make_clip(tmp_path / "a.mp4", **settings)


def test_a_place_that_does_not_exist(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    with pytest.raises(MediaError, match="cannot be written"):
        demo.make_clip(tmp_path / "no" / "a.mp4", seconds=4, size=(160, 120))
