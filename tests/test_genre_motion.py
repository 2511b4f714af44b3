"""Motion between two frames: the flow, its magnitude, and how it is spread over genres."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from conftest import Command
from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.genre.motion import METHODS, FlowSpec, flow, magnitude
from reelpulse.genre.pictures import write_picture
from reelpulse.genre.spread import STILL, motion_spread

METHOD = pytest.mark.parametrize("method", METHODS)


def view(across: float = 0, down: float = 0, scale: float = 1.0) -> np.ndarray:
    """A part of a photo, 480 × 320, whose content lies `across` and `down` from where it did."""
    photo = skimage.data.astronaut()
    matrix = np.array([[scale, 0, across - 16], [0, scale, down - 90]], np.float64)
    return np.asarray(cv2.warpAffine(photo, matrix, (480, 320), flags=cv2.INTER_AREA))


def inner(vectors: np.ndarray) -> np.ndarray:
    """The middle of a flow: nothing has come in from outside there."""
    height, width = vectors.shape[:2]
    return vectors[height // 4 : -height // 4, width // 4 : -width // 4]


# Flow


@METHOD
def test_flow_points_to_where_the_picture_has_gone(method: str) -> None:
    vectors = flow(view(), view(12, -6), FlowSpec(method))
    assert vectors.shape == (171, 256, 2)
    assert vectors.dtype == np.float32
    expected = np.array([12, -6]) * 256 / 480
    np.testing.assert_allclose(np.median(inner(vectors), axis=(0, 1)), expected, atol=0.4)


@METHOD
def test_a_still_has_no_flow(method: str) -> None:
    assert magnitude(flow(view(), view(), FlowSpec(method))) < STILL
    black = np.zeros((90, 160, 3), np.uint8)
    assert magnitude(flow(black, black, FlowSpec(method))) == 0


@METHOD
def test_the_two_methods_agree_on_how_much_moves(method: str) -> None:
    truth = np.hypot(6, 3) / np.sqrt(480 * 320)
    found = magnitude(inner(flow(view(), view(6, 3), FlowSpec(method)))) / 2
    assert found == pytest.approx(truth, rel=0.2)


def test_grey_pictures_and_colour_give_one_flow() -> None:
    pictures = [view(), view(5, 2)]
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    np.testing.assert_array_equal(flow(*pictures), flow(*grey))


SIZES = [(1, 1), (3, 200), (200, 3), (17, 17), (16, 256), (256, 16), (24, 256), (64, 90), (90, 64)]


@METHOD
@pytest.mark.parametrize("size", SIZES)
def test_odd_sizes_have_a_flow_too(size: tuple[int, int], method: str) -> None:
    """OpenCV itself ends the process on some of them."""
    random = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    vectors = flow(random, np.roll(random, 1, axis=1), FlowSpec(method))
    assert vectors.shape == (max(32, size[0]), max(64, size[1]), 2)
    assert np.isfinite(vectors).all()
    assert magnitude(flow(random, random, FlowSpec(method))) < 10 * STILL


@METHOD
def test_what_cannot_be_seen_does_not_move(method: str) -> None:
    """Noise of near-black frames, and a sky that fades in: without a contrast, no motion."""
    random = np.random.default_rng(0)
    dark = [random.integers(0, 4, (144, 256, 3), np.uint8) for _ in range(2)]
    assert magnitude(flow(*dark, FlowSpec(method))) == 0
    sky = np.repeat(np.linspace(20, 40, 144)[:, None, None], 256, axis=1).repeat(3, axis=2)
    fading = [(sky * gain).astype(np.uint8) for gain in (0.5, 0.6)]
    assert magnitude(flow(*fading, FlowSpec(method))) == 0


def test_what_moves_over_an_even_ground_is_all_that_counts() -> None:
    frames = []
    for left in (60, 64):
        frames.append(np.full((144, 256, 3), 120, np.uint8))
        frames[-1][40:104, left : left + 64] = view()[100:164, 100:164]
    vectors = flow(*frames)
    assert (vectors[:, 150:] == 0).all()
    assert np.median(vectors[50:94, 76:110, 0]) == pytest.approx(4, abs=0.3)


def test_flow_does_not_depend_on_what_was_looked_at_before() -> None:
    alone = flow(view(), view(7, 3))
    flow(view(40), view())
    np.testing.assert_array_equal(flow(view(), view(7, 3)), alone)


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(DataError, match=r"480×320 and 100×50") as raised:
        flow(view(), np.zeros((50, 100, 3), np.uint8))
    assert "\n" not in str(raised.value)


# Magnitude


def test_magnitude_is_the_mean_length_over_the_root_of_the_size() -> None:
    vectors = np.random.default_rng(0).normal(0, 3, (30, 50, 2)).astype(np.float32)
    lengths = np.hypot(vectors[..., 0], vectors[..., 1])
    formula = np.mean(np.sqrt((lengths / 30) * (lengths / 50)))
    assert magnitude(vectors) == pytest.approx(formula, rel=1e-5)


def test_magnitude_is_that_of_the_scene_whatever_the_size_of_its_picture() -> None:
    found = []
    for size in ((480, 320), (960, 640), (240, 160)):
        pair = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (view(), view(9, 4))]
        found.append(magnitude(flow(*pair)))
    np.testing.assert_allclose(found, found[0], rtol=0.05)


def test_magnitude_grows_with_speed() -> None:
    found = [magnitude(flow(view(), view(step))) for step in (0, 1, 4, 16)]
    assert found == sorted(found)
    assert found[3] > 2.5 * found[2] > 6 * found[1]


# The spec


@METHOD
def test_a_spec_comes_back_from_a_file_equal(method: str) -> None:
    spec = FlowSpec(method, 192)
    assert FlowSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


@pytest.mark.parametrize("value", [{}, {"method": "raft", "width": 256}, {"method": "dis"}])
def test_a_spec_of_another_kind_is_named(value: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="unknown here"):
        FlowSpec.from_dict(value)


@pytest.mark.parametrize("wrong", [{"method": "raft"}, {"width": 8}, {"width": 4096}])
def test_a_wrong_spec_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        FlowSpec(**wrong)  # type: ignore[arg-type]


# Its spread over genres


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three genres: one is still, one moves by 2 pixels, the third by 20; two films each."""
    steps = {"sf": 2, "드라마": 0, "action": 20}
    for genre, step in steps.items():
        for film, more in (("one", 0), ("two", 1)):
            folder = tmp_path / "frames" / f"{genre}_{'test' if film == 'two' else 'train'}"
            folder.mkdir(parents=True)
            for pair in range(4):
                start = 3 * pair
                for side in range(2):
                    shown = view(start + side * (step + (more if step else 0)))
                    write_picture(folder / f"{genre}_{film}_{2 * pair + side + 1:03d}.png", shown)
    return tmp_path / "frames"


def test_the_spread_tells_fast_genres_from_slow_ones(frames: Path) -> None:
    calls: list[tuple[float, int, str]] = []
    found = motion_spread(frames, progress=lambda *call: calls.append(call))
    assert found.pairs.classes == ("action", "sf", "드라마")
    assert [len(found.of(genre)) for genre in found.pairs.classes] == [8, 8, 8]
    action, sf, drama = (np.median(found.of(genre)) for genre in found.pairs.classes)
    assert action > 5 * sf > 0
    assert drama < STILL
    assert list(found.films("sf")) == ["one", "two"]
    assert found.shares()["genre"] > 0.9
    assert found.shares()["film"] >= found.shares()["genre"]
    assert calls[-1][:2] == (24, 24)
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["train"]["pairs"] == 12
    assert plain["genres"]["드라마"]["still"] == 1
    one, two = plain["genres"]["sf"]["films"].values()
    assert one["q50"] < two["q50"]


def test_a_pair_that_cannot_be_measured_is_left_out_and_named(frames: Path) -> None:
    write_picture(frames / "sf_train" / "sf_one_002.png", view()[:100])
    (frames / "sf_train" / "sf_one_004.png").write_bytes(b"no picture")
    found = motion_spread(frames)
    assert np.isnan(found.values).sum() == 2
    assert any("2 of 24 pairs" in note and "sf_one" in note for note in found.notes)


def test_the_command_writes_a_page_and_its_figures(run: Command, frames: Path) -> None:
    ran = run("genre", "motion", frames, "--quiet")
    assert ran.code == 0
    assert "드라마" in ran.out
    assert "between genres" in ran.out
    page = Path("motion.html").read_text(encoding="utf-8")
    figure = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert figure["layout"]["yaxis"]["ticktext"] == ["action", "sf", "드라마"]
    assert len(figure["traces"]) == 6
    assert "Plotly.newPlot" in page
    assert "<script src" not in page
    figures = json.loads(Path("motion.json").read_text(encoding="utf-8"))
    ran = run("genre", "motion", frames, "--json", "-o", "other.html")
    assert {**figures, "files": ["other.html", "other.json"]} == json.loads(ran.out)
    assert ran.errors == []


def test_a_genre_without_a_measured_pair_still_has_its_row(run: Command, frames: Path) -> None:
    for path in frames.glob("sf_*/*.png"):
        path.write_bytes(b"no picture")
    ran = run("genre", "motion", frames, "--quiet")
    assert ran.code == 0
    assert len(ran.errors) == 1
    assert "8 of 24 pairs" in ran.errors[0]
    assert Path("motion.html").is_file()


@pytest.mark.parametrize("out", ["motion.txt", "folder"])
def test_a_page_needs_a_name_of_its_own(run: Command, frames: Path, out: str) -> None:
    Path("folder").mkdir()
    run("genre", "motion", frames, "-o", out).one_line(out, ".html")


def test_a_folder_without_pairs_is_named(run: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run("genre", "motion", "empty").one_line("empty")
    run("genre", "motion", "nowhere").one_line("nowhere")
    (tmp_path / "x_train").mkdir()
    for number in (1, 2):
        (tmp_path / "x_train" / f"x_film_00{number}.png").write_bytes(b"no picture")
    (tmp_path / "all").mkdir()
    (tmp_path / "x_train").rename(tmp_path / "all" / "x_train")
    run("genre", "motion", "all").one_line("all", "no pair that can be measured")
