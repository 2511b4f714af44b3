"""``reelpulse genre predict``: pictures, and films shot by shot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from conftest import Command
from films import Sound, make_video
from genre_models import MOTION, coloured, film, textured, write_genre_model
from reelpulse.errors import MediaError
from reelpulse.genre import predict as room
from reelpulse.genre.model import load_genre
from reelpulse.genre.pictures import read_picture, write_picture
from reelpulse.genre.predict import predict_film
from reelpulse.genre.shots import LOOKS, STRETCH_SECONDS, stretches
from reelpulse.media import probe

HALF = 0.5 / LOOKS + 0.02
"""How far the place of a cut may be off: half of what lies between two looks, and a frame."""


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Of single frames: red is horror, green is romance, blue is sf."""
    return write_genre_model(tmp_path / "colours.onnx")


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    """Of pairs: action where much moves, romance where little does."""
    return write_genre_model(tmp_path / "motion.onnx", MOTION)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Six seconds: red for 3, blue for 2, green for 1."""
    return film(tmp_path / "three.mp4", (0, 3, 1), (2, 2, 1), (1, 1, 1))


def picture(path: Path, pixels: Any) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


# Pictures


def test_two_pictures_have_shares(run: Command, tmp_path: Path, motion: Path) -> None:
    for name, shift in (("a.png", 0), ("b.png", 8), ("한글 이름.png", 0)):
        write_picture(tmp_path / name, textured(shift))
    ran = run("genre", "predict", "a.png", "b.png", "--model", motion)
    assert (ran.code, ran.errors) == (0, [])
    assert [line.split()[0] for line in ran.out.splitlines()] == ["action", "romance"]
    found = json.loads(
        run("genre", "predict", "a.png", "한글 이름.png", "--model", motion, "--json").out
    )
    assert found["files"] == ["a.png", "한글 이름.png"]
    assert found["label"] == "romance"
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_grey_transparent_and_deep_pictures_are_looked_at(
    run: Command, tmp_path: Path, colours: Path
) -> None:
    red = coloured(0, (33, 17))[..., ::-1]
    clear = np.dstack([red, np.full(red.shape[:2], 255, np.uint8)])
    forms = {"odd.png": red, "clear.png": clear, "deep.png": red.astype(np.uint16) * 257}
    for name, pixels in forms.items():
        picture(tmp_path / name, pixels)
        assert run("genre", "predict", name, "--model", colours).out.startswith("horror")
    picture(tmp_path / "grey.png", red[..., 0])
    found = json.loads(run("genre", "predict", "grey.png", "--model", colours, "--json").out)
    assert list(found["probabilities"].values()) == pytest.approx([1 / 3] * 3, abs=1e-3)


def test_one_picture_where_two_are_needed(run: Command, tmp_path: Path, motion: Path) -> None:
    write_picture(tmp_path / "a.png", textured())
    ran = run("genre", "predict", "a.png", "--model", motion)
    ran.one_line("a.png: motion.onnx needs two pictures")


def test_two_pictures_of_two_sizes(run: Command, tmp_path: Path, motion: Path) -> None:
    write_picture(tmp_path / "a.png", textured())
    write_picture(tmp_path / "b.png", textured(size=(100, 50)))
    ran = run("genre", "predict", "a.png", "b.png", "--model", motion)
    ran.one_line("a.png and b.png", "320×240 and 100×50")


def test_pictures_that_cannot_be_read(run: Command, tmp_path: Path, colours: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name in ("empty.png", "text.png", "missing.png"):
        run("genre", "predict", name, "--model", colours).one_line(f"{name}: ")


def test_pictures_are_two_and_alone(run: Command, tmp_path: Path, colours: Path) -> None:
    for inputs in (["a.png", "b.png", "c.png"], ["a.png", "film.mp4"], ["a.png", "-o", "t.csv"]):
        run("genre", "predict", *inputs, "--model", colours).one_line("give two pictures alone")


def test_without_a_model_it_says_how_to_make_one(run: Command) -> None:
    run("genre", "predict", "a.png", "b.png").one_line("genre train", "genre extract")


# A film


def test_a_film_is_cut_into_its_shots(run: Command, three: Path, colours: Path) -> None:
    ran = run("genre", "predict", three, "--model", colours, "--json")
    assert (ran.code, ran.errors) == (0, [])
    found = json.loads(ran.out)
    assert [shot["label"] for shot in found["shots"]] == ["horror", "sf", "romance"]
    edges = [(shot["start"], shot["end"]) for shot in found["shots"]]
    assert edges == [pytest.approx(edge, abs=HALF) for edge in [(0, 3), (3, 5), (5, 6)]]
    assert found["label"] == "horror"
    assert found["duration"] == pytest.approx(6, abs=0.05)


def test_a_films_shares_are_those_of_its_shots_by_length(three: Path, colours: Path) -> None:
    found = predict_film(three, load_genre(colours))
    lengths = np.array([shot.end - shot.start for shot in found.shots])
    rows = [list((shot.probabilities or {}).values()) for shot in found.shots]
    expected = lengths @ np.array(rows) / lengths.sum()
    assert list(found.probabilities.values()) == pytest.approx(expected, abs=2e-3)


def test_people_read_a_table_of_shots(run: Command, three: Path, colours: Path) -> None:
    lines = run("genre", "predict", three, "--model", colours).out.splitlines()
    assert lines[0].startswith(f"{three}: horror 0.")
    assert lines[0].endswith("3 shots")
    assert [line.split()[3] for line in lines[2:]] == ["horror", "sf", "romance"]


def test_pairs_are_consecutive_frames_of_one_shot(three: Path) -> None:
    cuts = (3.0, 5.0)
    for stretch in stretches(three, probe(three), pairs=50):
        assert len(stretch.pairs) == len(stretch.times) > 2
        assert stretch.times == sorted(stretch.times)
        for time, (first, second) in zip(stretch.times, stretch.pairs, strict=True):
            assert not any(abs(time - cut) < 1 / 24 for cut in cuts)
            # One pixel of panning lies between them, and no more.
            apart = np.abs(first[:, :-1].astype(int) - second[:, 1:]).mean()
            assert apart < np.abs(first.astype(int) - second).mean()


def test_motion_tells_shots_apart(tmp_path: Path, motion: Path) -> None:
    path = film(tmp_path / "f.mp4", (0, 2, 0), (1, 2, 6))
    found = predict_film(path, load_genre(motion))
    assert [shot.label for shot in found.shots] == ["romance", "action"]


def test_a_film_of_one_shot_is_one_shot(tmp_path: Path, colours: Path) -> None:
    path = film(tmp_path / "one.mkv", (1, 4, 2))
    found = predict_film(path, load_genre(colours))
    assert [(shot.start, shot.label) for shot in found.shots] == [(0, "romance")]
    assert found.shots[0].end == pytest.approx(4, abs=0.05)


def test_a_long_shot_is_sampled_again_and_memory_is_bounded(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", (1, 2 * STRETCH_SECONDS + 6, 1), fps=8, size=(64, 48))
    found = list(stretches(path, probe(path), pairs=2))
    assert [stretch.shot for stretch in found] == [0, 0, 0]
    assert [len(stretch.pairs) for stretch in found] == [2, 2, 2]
    model = load_genre(write_genre_model(tmp_path / "m.onnx"))
    (shot,) = predict_film(path, model, pairs=2).shots
    assert shot.pairs == 6


def test_the_seed_draws_the_pairs(three: Path) -> None:
    def drawn(seed: int) -> list[list[float]]:
        return [part.times for part in stretches(three, probe(three), pairs=2, seed=seed)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_film_of_an_instant_is_looked_at(tmp_path: Path, colours: Path) -> None:
    path = film(tmp_path / "short.mp4", (2, 0.25, 1))
    assert predict_film(path, load_genre(colours)).label == "sf"


def test_films_that_cannot_be_looked_at(run: Command, tmp_path: Path, colours: Path) -> None:
    make_video(tmp_path / "sound.mkv", codec="", seconds=1, sounds=[Sound()])
    film(tmp_path / "frame.mp4", (0, 1 / 24, 0))
    (tmp_path / "text.mp4").write_text("no film")
    for name, problem in [
        ("sound.mkv", "has no video stream"),
        ("frame.mp4", "has no two frames that follow one another"),
        ("text.mp4", "is not a video"),
        ("missing.mp4", "no such file"),
    ]:
        run("genre", "predict", name, "--model", colours).one_line(f"{name}: ", problem)


def test_a_film_cut_off_is_looked_at_as_far_as_it_goes(tmp_path: Path, colours: Path) -> None:
    whole = film(tmp_path / "whole.mkv", (0, 2, 1), (2, 6, 1), gop=12).read_bytes()
    (tmp_path / "part.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    found = predict_film(tmp_path / "part.mkv", load_genre(colours))
    assert [shot.label for shot in found.shots] == ["horror", "sf"]
    assert 2 < found.duration < 8


def test_a_strip_shows_a_picture_of_each_shot(
    run: Command, three: Path, colours: Path, tmp_path: Path
) -> None:
    ran = run("genre", "predict", three, "--model", colours, "--strip", "띠.png", "--quiet")
    assert (ran.code, ran.errors) == (0, [])
    strip = read_picture(tmp_path / "띠.png").astype(int)
    for which in range(3):
        others = [channel for channel in range(3) if channel != which]
        assert (strip[..., which] > strip[..., others].max(axis=2) + 40).sum() > 2000


def test_a_strip_is_of_one_film(run: Command, three: Path, colours: Path) -> None:
    ran = run("genre", "predict", three, three, "--model", colours, "--strip", "s.png")
    ran.one_line("--strip")


# Real films


def test_open_films_are_looked_at(test_data: Path, tmp_path: Path, motion: Path) -> None:
    path = test_data / "films" / "bbb_0_30_moviepy.webm"
    found = predict_film(path, load_genre(motion), strip=True)
    inner = [shot.start for shot in found.shots[1:]]
    assert inner == pytest.approx([11.79, 15.67, 22.96], abs=0.2)
    room.write_strip(found, tmp_path / "strip.png")
    assert read_picture(tmp_path / "strip.png").shape[1] > 200


def test_a_face_that_talks_is_one_shot(test_data: Path, motion: Path) -> None:
    path = test_data / "faces" / "liveportrait_driving_d12.mp4"
    assert len(predict_film(path, load_genre(motion)).shots) == 1
    with pytest.raises(MediaError):
        predict_film(test_data / "faces" / "none.mp4", load_genre(motion))
