"""Streams: what they say of themselves, loudness by its formula, and the faces of each tick."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from fakes import (
    DIMENSIONS,
    FakeDetector,
    FakeEmotion,
    FakeIdentity,
    face,
    tick,
    vector,
    write_emotion_onnx,
)
from reelpulse.errors import MissingExtra, ModelError
from reelpulse.media import Tick
from reelpulse.settings import AnalyzeSettings
from reelpulse.streams import STREAMS, FaceStream, LoudnessStream, Stream
from reelpulse.streams.face import Focus, Region
from reelpulse.timeline import LOUDNESS_COLUMNS, Faces

RATE = 22_050
HALF = RATE // 2


@pytest.fixture(params=sorted(STREAMS))
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Stream:
    """Every registered stream, with models that are always at hand."""
    write_emotion_onnx(tmp_path / "face.onnx")
    settings = AnalyzeSettings(
        detector="dlib", identity="none", emotion=str(tmp_path / "face.onnx"), detect_size=256
    )
    try:
        return STREAMS[request.param](settings)
    except (ModelError, MissingExtra) as error:
        if request.param in ("face", "loudness"):
            raise
        pytest.skip(f"{request.param}: {error}")


def real_ticks(count: int, seed: int) -> list[Tick]:
    """A moving portrait and noise that swells."""
    random = np.random.default_rng(seed)
    portrait = skimage.data.astronaut()[:256, 64:320]
    ticks = []
    for index in range(count):
        image = np.roll(portrait, 6 * index, axis=1)
        sound = {}
        for rate in (RATE, 16_000):
            noise = 0.1 * (index + 1) * random.standard_normal(10 * rate)
            # It comes and goes, as a voice does.
            noise *= np.arange(10 * rate) % (rate // 4) < rate // 8
            sound[rate] = noise.astype(np.float32)
        before = np.roll(image, -3, axis=1)
        ticks.append(tick(index, image=image, previous=before, sounds=sound))
    return ticks


def as_arrays(measured: Any) -> list[np.ndarray]:
    if isinstance(measured, Faces):
        return [getattr(measured, name) for name in (*Faces.ROWS, "seen")]
    return [measured]


def test_a_stream_says_what_it_measures(stream: Stream) -> None:
    assert STREAMS[stream.name] is not None
    assert stream.columns
    assert all(isinstance(name, str) for name in stream.columns)
    assert len(set(stream.columns)) == len(stream.columns)
    if stream.name not in ("face", "loudness"):
        assert all(name.split("_")[0] == stream.name for name in stream.columns)
    assert all(rate > 0 and seconds > 0 for rate, seconds in stream.sound.items())
    assert isinstance(stream.wants_pictures, bool)
    assert isinstance(stream.needs_previous_frame, bool)


def test_settings_of_a_stream_come_back_from_a_file_equal(stream: Stream) -> None:
    assert json.loads(json.dumps(stream.settings)) == stream.settings


def test_no_ticks_give_no_values(stream: Stream) -> None:
    measured = stream.process([])
    if isinstance(measured, Faces):
        assert len(measured) == 0
        assert measured.seen.shape == (0,)
    else:
        assert measured.shape == (0, len(stream.columns))
        assert measured.dtype == np.float32


def test_after_a_reset_the_past_does_not_matter(stream: Stream) -> None:
    before, segment = real_ticks(2, 1), real_ticks(3, 2)
    stream.reset()
    alone = as_arrays(stream.process(segment))
    assert any(np.isfinite(part).any() and part.size for part in alone)
    stream.reset()
    stream.process(before)
    stream.reset()
    for one, other in zip(alone, as_arrays(stream.process(segment)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_of_ticks_give_what_all_at_once_do(stream: Stream) -> None:
    ticks = real_ticks(4, 3)
    stream.reset()
    whole = stream.process(ticks)
    stream.reset()
    first, second = stream.process(ticks[:1]), stream.process(ticks[1:])
    if isinstance(first, Faces) and isinstance(second, Faces):
        joined: Any = Faces.joined([first, second], same_tracks=True)
    else:
        joined = np.concatenate([first, second])  # type: ignore[list-item]
    for one, other in zip(as_arrays(whole), as_arrays(joined), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def loud(samples: np.ndarray | None) -> tuple[float, float]:
    sounds = {} if samples is None else {RATE: samples.astype(np.float32)}
    (row,) = LoudnessStream().process([tick(0, sounds=sounds)])
    return float(row[0]), float(row[1])


def test_loudness_is_the_rms_of_the_half_second_before() -> None:
    random = np.random.default_rng(0)
    samples = 0.1 * random.standard_normal(RATE)
    samples[HALF:] *= 3
    before, now = (np.sqrt(np.mean(part**2)) for part in (samples[:HALF], samples[HALF:]))
    loudness, change = loud(samples)
    assert loudness == pytest.approx(now, rel=1e-6)
    assert change == pytest.approx((now - before) / before, rel=1e-5)
    assert LoudnessStream.columns == LOUDNESS_COLUMNS


def test_change_from_near_silence_is_measured_against_a_hundredth() -> None:
    samples = np.full(RATE, 0.001)
    samples[HALF:] = 0.2
    assert loud(samples) == pytest.approx((0.2, (0.2 - 0.001) / 0.01), rel=1e-5)
    samples[:HALF], samples[HALF:] = 0.2, 0.0
    assert loud(samples) == pytest.approx((0, -1), abs=1e-6)


def test_loudness_hears_only_what_it_says_of_a_longer_history() -> None:
    samples = np.concatenate([np.full(3 * RATE, 0.9), np.full(HALF, 0.1), np.full(HALF, 0.3)])
    assert loud(samples) == pytest.approx((0.3, 2), rel=1e-5)


def test_full_scale_is_one_and_nan_is_not_measured() -> None:
    assert loud(np.where(np.arange(RATE) % 2, 1.0, -1.0))[0] == 1
    assert np.isnan(loud(None)).all()
    assert np.isnan(loud(np.full(RATE, np.nan))).all()


def test_half_a_window_is_enough() -> None:
    samples = np.full(RATE, np.nan)
    samples[-HALF // 2 - 10 :] = 0.2
    assert loud(samples)[0] == pytest.approx(0.2, rel=1e-6)
    assert np.isnan(loud(samples)[1]), "nothing was heard before"
    samples[: -HALF // 2 + 10] = np.nan
    assert np.isnan(loud(samples)[0])


def faces_of(
    script: Sequence[Sequence[Any]], *, identity: bool = True, focus: Focus | None = None
) -> Faces:
    stream = FaceStream(
        FakeDetector(script), FakeEmotion(), FakeIdentity() if identity else None, focus
    )
    return stream.process([tick(i, number=i) for i in range(len(script))])


def test_at_most_two_faces_a_tick_are_measured_and_all_are_counted() -> None:
    crowd = [face(10), face(60, person=1), face(110, person=2), face(160, person=3)]
    detector, emotion = FakeDetector([crowd] * 3), FakeEmotion()
    stream = FaceStream(detector, emotion, FakeIdentity())
    table = stream.process([tick(i, number=i) for i in range(3)])
    assert table.tick.tolist() == [0, 0, 1, 1, 2, 2]
    assert emotion.seen == 6
    assert table.seen.tolist() == [4, 4, 4]
    assert table.box.shape == (6, 4)
    assert table.values.shape == (6, 10)
    assert table.embedding.dtype == np.float16
    assert table.embedding.shape == (6, DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(table.embedding.astype(float), axis=1), 1, atol=1e-3)
    assert len(set(table.track.tolist())) == 2, "the two are followed on, not chosen anew"


@pytest.mark.parametrize("region", [Region(150, 0, 50, 100), Region(0.75, 0, 0.25, 1)])
def test_a_face_in_the_region_gets_a_slot_before_larger_ones(region: Region) -> None:
    crowd = [face(5, size=40), face(60, size=40, person=1), face(170, size=12, person=2)]
    table = faces_of([crowd] * 2, focus=Focus(region=region))
    assert [170 in table.box[table.tick == t, 0] for t in range(2)] == [True, True]
    assert 170 not in faces_of([crowd] * 2).box[:, 0]


def test_a_face_like_the_photo_gets_a_slot_before_larger_ones() -> None:
    larger = [face(5, size=40), face(60, size=40, person=1)]
    script = [larger, larger, [*larger, face(170, size=12, person=2)]]
    table = faces_of([*script, script[-1]], focus=Focus(vector(2)[None]))
    for number in (2, 3):
        found = table.embedding[table.tick == number].astype(float) @ vector(2)
        assert found.max() > 0.99
    assert 170 not in faces_of([*script, script[-1]]).box[:, 0]


def test_a_track_is_split_where_the_embedding_says_somebody_else() -> None:
    script = [[face(50)], [face(52)], [face(54, person=1)], [face(55, person=1)]]
    tracks = faces_of(script).track.tolist()
    assert tracks[0] == tracks[1] != tracks[2] == tracks[3]
    assert len(set(faces_of(script, identity=False).track.tolist())) == 1


def textured(number: int, seed: int) -> np.ndarray:
    """A picture with something on it, that says its number to a `FakeDetector`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 20, 3), np.uint8)
    image = np.repeat(np.repeat(coarse, 10, axis=0), 10, axis=1)
    image[0, 0, 0] = number
    return image


def test_a_face_that_looks_the_same_is_embedded_every_two_seconds_at_least() -> None:
    stream = FaceStream(FakeDetector([[face(50, size=60)]]), FakeEmotion(), FakeIdentity())
    table = stream.process([tick(i, image=textured(0, 1)) for i in range(30)])
    assert table.tick.tolist() == list(range(30))
    known = np.isfinite(table.embedding).all(axis=1)
    assert known[0]
    assert np.diff(np.flatnonzero(known), append=30).max() <= 4
    np.testing.assert_allclose(np.linalg.norm(table.embedding[known], axis=1), 1, atol=1e-3)
    assert np.isnan(table.embedding[~known]).all()


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_cut_to_somebody_in_the_same_place_splits_the_track_at_once(cut: int) -> None:
    script = [[face(50, size=60)], [face(50, size=60, person=1)]]
    stream = FaceStream(FakeDetector(script), FakeEmotion(), FakeIdentity())
    shown = [int(number >= cut) for number in range(8)]
    table = stream.process([tick(i, image=textured(k, k)) for i, k in enumerate(shown)])
    assert (np.diff(table.track) != 0).tolist() == (np.diff(shown) != 0).tolist()


def test_two_people_who_change_places_keep_their_own_tracks_apart() -> None:
    script = [[face(20), face(100, person=1)], [face(20, person=1), face(100)]]
    table = faces_of(script)
    for track in set(table.track.tolist()):
        vectors = table.embedding[table.track == track].astype(float)
        assert (vectors @ vectors[0] > 0.9).all()


def test_ticks_without_a_picture_or_face_give_no_rows() -> None:
    stream = FaceStream(FakeDetector([[face(10)], []]), FakeEmotion(), FakeIdentity())
    table = stream.process([tick(0), tick(1, number=1), tick(2, number=0), tick(3)])
    assert table.tick.tolist() == [2]
    assert table.seen.tolist() == [0, 0, 1, 0]
    nothing = stream.process([tick(4), tick(5, number=1)])
    assert len(nothing) == 0
    assert nothing.embedding.shape == (0, DIMENSIONS)


def test_a_doubtful_face_is_measured_where_nothing_better_is() -> None:
    faint = face(100, score=0.8, person=1)
    table = faces_of([[face(10), faint], [faint], [face(10), faint]])
    assert table.tick.tolist()[:2] == [0, 1]
    assert table.seen.tolist() == [1, 1, 2], "all that are sure or measured are counted"
