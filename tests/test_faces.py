"""Faces: cutting them out, finding them, telling them apart and following them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FakeDetector, FakeIdentity, face
from reelpulse import hub
from reelpulse.errors import ModelError, PersonError
from reelpulse.faces.align import ARCFACE_TEMPLATE, CropSpec, crop, similarity
from reelpulse.faces.detectors import DETECTORS, Detector, Face, load_detector
from reelpulse.faces.identity import IDENTITIES, Identity, embed_photos, load_identity, read_photo

NAN = float("nan")

# Cutting out


def turned(points: np.ndarray, degrees: float, scale: float, shift: Sequence[float]) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + np.asarray(shift)


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 180), st.floats(0.01, 50), st.floats(-500, 500), st.floats(-500, 500))
def test_a_known_turn_scale_and_shift_is_found(
    degrees: float, scale: float, right: float, down: float
) -> None:
    target = turned(ARCFACE_TEMPLATE, degrees, scale, (right, down))
    matrix = similarity(ARCFACE_TEMPLATE, target)
    assert matrix.shape == (2, 3)
    found = ARCFACE_TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(found, target, atol=1e-6 * max(scale, 1000))


def test_a_mirror_image_is_never_made() -> None:
    mirrored = ARCFACE_TEMPLATE * [-1, 1]
    matrix = similarity(ARCFACE_TEMPLATE, mirrored)[:, :2]
    assert np.linalg.det(matrix) >= 0
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2) * np.linalg.det(matrix), atol=1e-9)


def test_noise_on_the_points_moves_the_fit_little() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (5, 2))
    matrix = similarity(ARCFACE_TEMPLATE, turned(ARCFACE_TEMPLATE, 20, 100, (7, 9)) + 100 * noise)
    assert np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) == pytest.approx(20, abs=3)
    assert np.sqrt(np.linalg.det(matrix[:, :2])) == pytest.approx(100, rel=0.05)


def dots(points: np.ndarray, size: tuple[int, int], radius: float) -> np.ndarray:
    """A black picture with a soft dot at each point, of one colour or another.

    Pixel 0 reaches from 0 to 1, as in boxes.
    """
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    image = np.zeros((size[1], size[0], 3))
    for number, (x, y) in enumerate(points):
        light = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
        image[..., number % 3] = np.maximum(image[..., number % 3], light)
    return image.round().astype(np.uint8)


def found_near(image: np.ndarray, place: np.ndarray, channel: int) -> np.ndarray:
    """Centre of the light near a place, both in shares of the picture."""
    side = image.shape[0]
    at = (np.arange(side) + 0.5) / side
    light = image[..., channel].astype(float)
    light *= np.abs(at[:, None] - place[1]) < 0.12
    light *= np.abs(at[None, :] - place[0]) < 0.12
    assert light.sum() > 0, "nothing is there"
    return np.array([(light * at[None, :]).sum(), (light * at[:, None]).sum()]) / light.sum()


@pytest.mark.parametrize("degrees", [0, 35, -100])
@pytest.mark.parametrize("side", [48, 112, 224])
@pytest.mark.parametrize("scale", [40, 150, 700])
def test_the_five_points_fall_on_the_template(degrees: float, side: int, scale: float) -> None:
    points = turned(ARCFACE_TEMPLATE - 0.5, degrees, scale, (scale, scale))
    image = dots(points, (2 * scale, 2 * scale), scale / 40)
    out = crop(image, Face(np.array([0, 0, 9, 9.0]), 1, points), CropSpec("points", side=side))
    assert out.dtype == np.uint8
    assert out.shape[0] == out.shape[1] >= side
    for number, place in enumerate(ARCFACE_TEMPLATE):
        assert found_near(out, place, number % 3) == pytest.approx(place, abs=0.01)


def test_a_face_at_the_border_keeps_its_place_and_the_edge_goes_on() -> None:
    points = turned(ARCFACE_TEMPLATE - 0.5, 0, 100, (30, 95))
    image = np.maximum(dots(points, (120, 120), 2.5), 60)
    out = crop(image, Face(np.array([-20, 45, 100, 100.0]), 1, points), CropSpec("points"))
    bright = np.where(out > 75, out, 0)
    for number in (1, 2):  # the others lie outside the picture
        place = ARCFACE_TEMPLATE[number]
        assert found_near(bright, place, number % 3) == pytest.approx(place, abs=0.01)
    assert out.min() >= 55, "what lies outside repeats the edge"


def test_two_points_are_enough() -> None:
    points = turned(ARCFACE_TEMPLATE - 0.5, 25, 150, (150, 150))
    image = dots(points, (300, 300), 4)
    points[2:] = NAN
    out = crop(image, Face(np.array([0, 0, 9, 9.0]), 1, points), CropSpec("points"))
    for number in (0, 1):
        place = ARCFACE_TEMPLATE[number]
        assert found_near(out, place, number % 3) == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize("known", [0, 1])
def test_with_fewer_points_the_box_serves(known: int) -> None:
    points = np.full((5, 2), NAN)
    points[:known] = 50
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 50:90] = 255
    out = crop(image, Face(np.array([50, 20, 40, 40.0]), 1, points), CropSpec("points", side=40))
    assert out[2:-2, 2:-2].min() > 250


@pytest.mark.parametrize("margin", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("box", [(60, 50, 40, 40), (60, 40, 30, 60)])
def test_a_box_is_widened_by_its_margin_and_stretched(margin: float, box: tuple[int, ...]) -> None:
    x, y, width, height = box
    image = np.zeros((160, 160, 3), np.uint8)
    image[y : y + height, x : x + width] = 255
    spec = CropSpec("box", margin=margin, side=90)
    out = crop(image, Face(np.array(box, float), 1, np.full((5, 2), NAN)), spec)
    assert out.shape[0] == out.shape[1]
    share = 1 / (1 + 2 * margin)
    for light in (out[..., 0].mean(axis=0), out[..., 0].mean(axis=1)):
        bright = light > light.max() / 2
        assert bright.mean() == pytest.approx(share, abs=0.03)
        assert bright.nonzero()[0].mean() == pytest.approx((len(light) - 1) / 2, abs=1.5)


def test_crop_metadata_that_is_not_known_is_refused() -> None:
    for metadata in ({"geometry": "oval"}, {"geometry": "points", "template": [[0, 0]]}):
        with pytest.raises(ModelError):
            CropSpec.from_metadata(metadata, 48)
    spec = CropSpec.from_metadata({"geometry": "box", "margin": 0.2}, 48)
    assert (spec.geometry, spec.margin, spec.side) == ("box", 0.2, 48)


# Finding

ASTRONAUT = np.array([[204, 101.5], [246, 103.5], [224, 125], [202, 140], [248, 140]])
"""Eyes, nose tip and mouth corners, by eye: hers are on the picture's right."""


def sure(detector: Detector, image: np.ndarray) -> list[Face]:
    return [found for found in detector(image) if found.score >= detector.strict]


class Detects:
    """What every detector must do."""

    @pytest.fixture
    def detector(self, name: str) -> Detector:
        if name == "mtcnn":
            pytest.importorskip("facenet_pytorch", reason="facenet-pytorch is not installed")
        return load_detector(name)

    def test_it_says_what_it_is(self, detector: Detector, name: str) -> None:
        assert detector.name == name
        assert detector.strict > detector.loose
        assert detector.settings["detector"] == name
        assert detector.settings["detect_size"] == 640
        assert load_detector(name, 320).settings != detector.settings

    def test_it_finds_the_face_and_its_points(self, detector: Detector) -> None:
        every = detector(skimage.data.astronaut())
        assert [f.score for f in every] == sorted((f.score for f in every), reverse=True)
        assert all(f.score >= detector.loose for f in every)
        (found,) = [f for f in every if f.score >= detector.strict]
        assert found.points.shape == (5, 2)
        known = np.isfinite(found.points).all(axis=1)
        assert known[:2].all(), "the eyes at least"
        off = np.linalg.norm(found.points - ASTRONAUT, axis=1)[known]
        assert (off < 10).all()
        assert (off[:2] < 6).all()
        low, high = found.box[:2], found.box[:2] + found.box[2:]
        assert ((low < ASTRONAUT) & (high > ASTRONAUT)).all()
        assert 70 < found.size < 160

    @pytest.mark.parametrize("factor", [0.8, 3.3])
    def test_coordinates_are_those_of_the_full_picture(
        self, detector: Detector, factor: float
    ) -> None:
        image = skimage.data.astronaut()
        (one,) = sure(detector, image)
        (other,) = sure(detector, cv2.resize(image, None, fx=factor, fy=factor))
        np.testing.assert_allclose(other.box / factor, one.box, atol=14)
        np.testing.assert_allclose(other.points[:2] / factor, one.points[:2], atol=5)

    @pytest.mark.parametrize("shape", [(480, 640, 3), (40, 30, 3), (1, 1, 3), (1200, 20, 3)])
    def test_it_finds_none_in_noise(self, detector: Detector, shape: tuple[int, ...]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        assert sure(detector, noise) == []
        assert sure(detector, np.zeros(shape, np.uint8)) == []

    def test_it_finds_two_and_leaves_the_picture_alone(self, detector: Detector) -> None:
        image = np.concatenate([skimage.data.astronaut()[:256, 90:330]] * 2, axis=1)
        before = image.copy()
        first, second = sorted(sure(detector, image), key=lambda found: found.box[0])
        assert second.box[0] - first.box[0] == pytest.approx(240, abs=12)
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - set(hub.WEIGHTS)))
class TestDetectorsWithoutWeights(Detects):
    """Those that come with a package."""


@pytest.mark.usefixtures("test_models")
@pytest.mark.parametrize("name", sorted(set(DETECTORS) & set(hub.WEIGHTS)))
class TestDetectorsWithWeights(Detects):
    """Those whose weights must be there."""


def test_unknown_names_list_those_known() -> None:
    with pytest.raises(ModelError, match=r"nope.*yunet.*dlib"):
        load_detector("nope")
    with pytest.raises(ModelError, match=r"nope.*mobilefacenet.*dlib"):
        load_identity("nope")


# Telling apart


def shot(path: Path, second: float) -> np.ndarray:
    """The picture of a clip at a time."""
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            if frame.time is not None and frame.time >= second:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"{path} is shorter than {second} s")


def people(folder: Path) -> dict[str, list[np.ndarray]]:
    """Two pictures each of five people."""
    found = {}
    for name in ("alex-lacamoire", "lin-manuel-miranda"):
        portrait = read_photo(folder / "faces" / f"{name}.png")
        smaller = cv2.resize(portrait, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        found[name] = [portrait, np.clip(smaller * 0.8 + 10, 0, 255).astype(np.uint8)]
    for name in ("pyfeat_single_face", "liveportrait_driving_d3", "liveportrait_source_s29"):
        path = folder / "faces" / f"{name}.mp4"
        found[name] = [shot(path, 0), shot(path, 2)]
    return found


class TellsApart:
    """What every identity model must do."""

    @pytest.fixture
    def identity(self, name: str) -> Identity:
        try:
            return load_identity(name)
        except ModelError as error:
            pytest.skip(f"{name}: {error}")

    @pytest.fixture
    def detector(self, name: str) -> Detector:
        return load_detector("dlib" if name == "dlib" else "yunet")

    def test_unit_vectors(self, identity: Identity, name: str, detector: Detector) -> None:
        assert identity.name == name
        assert identity.strict > identity.loose
        assert identity.settings["identity"] == name
        assert identity.settings["checksum"]
        image = skimage.data.astronaut()
        faces = sure(detector, image)
        vectors = identity(image, faces * 2)
        assert vectors.shape == (2, identity.dimensions)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
        assert identity(image, []).shape == (0, identity.dimensions)

    def test_one_person_is_alike_and_two_are_not(
        self, identity: Identity, detector: Detector, test_data: Path
    ) -> None:
        vectors = {}
        for who, pictures in people(test_data).items():
            faces = [sure(detector, picture) for picture in pictures]
            assert [len(found) for found in faces] == [1, 1], who
            vectors[who] = [identity(p, f)[0] for p, f in zip(pictures, faces, strict=True)]
        for who, (one, other) in vectors.items():
            assert one @ other > identity.strict, who
            strangers = [v for else_, pair in vectors.items() if else_ != who for v in pair]
            assert max(float(one @ v) for v in strangers) < identity.loose, who


@pytest.mark.parametrize("name", sorted(set(IDENTITIES) - set(hub.WEIGHTS)))
class TestIdentitiesWithoutWeights(TellsApart):
    """Those that come with a package."""


@pytest.mark.usefixtures("test_models")
@pytest.mark.parametrize("name", sorted(set(IDENTITIES) & set(hub.WEIGHTS)))
class TestIdentitiesWithWeights(TellsApart):
    """Those whose weights must be there."""


def saved(path: Path, image: np.ndarray) -> Path:
    """Write a picture under any name."""
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())
    return path


def test_photos_are_embedded_one_a_row(tmp_path: Path) -> None:
    image = skimage.data.astronaut()
    photos = [saved(tmp_path / "나.jpg", image), saved(tmp_path / "me.png", image[:300])]
    vectors = embed_photos(photos, load_detector("dlib"), FakeIdentity())
    assert vectors.shape == (2, FakeIdentity.dimensions)
    assert embed_photos([], load_detector("dlib"), FakeIdentity()).shape == (0, 8)


def test_a_photo_that_cannot_serve_is_named(tmp_path: Path) -> None:
    image = skimage.data.astronaut()[:256, 90:330]
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    saved(tmp_path / "nobody.png", np.full((200, 200, 3), 90, np.uint8))
    saved(tmp_path / "둘.png", np.concatenate([image, image], axis=1))
    detector, identity = load_detector("dlib"), FakeIdentity()
    good = saved(tmp_path / "good.png", image)
    for name, said in [
        ("text.jpg", "picture"),
        ("empty.png", "picture"),
        ("folder.jpg", "photo"),
        ("missing.jpg", "no such"),
        ("nobody.png", "no face"),
        ("둘.png", "2 faces"),
    ]:
        with pytest.raises(PersonError) as caught:
            embed_photos([good, tmp_path / name], detector, identity)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_doubtful_face_on_a_photo_does_not_spoil_a_sure_one(tmp_path: Path) -> None:
    photo = saved(tmp_path / "x.png", np.zeros((40, 40, 3), np.uint8))
    detector = FakeDetector([[face(5, person=1), face(20, score=0.75, person=2)]])
    (vector,) = embed_photos([photo], detector, FakeIdentity())
    assert vector[1] == 1
