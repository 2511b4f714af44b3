"""Timeline: its contract, filling and steps on any clock, and the files that keep it."""

from __future__ import annotations

import csv
import json
import re
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from fakes import blocks, calm, hidden, observed, table, vector
from hypothesis import given, settings
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.media import EvenTicks
from reelpulse.resolve import resolve
from reelpulse.timeline import (
    EMOTIONS,
    FACE_COLUMNS,
    Faces,
    Observations,
    Timeline,
    assemble,
    load_observations,
    load_timeline,
    write_timeline,
)

TWELVE = (
    "anger contempt disgust fear happiness neutral sadness surprise valence arousal"
    " loudness loudness_change"
).split()
NAN = float("nan")
light = settings(max_examples=60, deadline=None)


def line(times: list[float], values: list[float]) -> Timeline:
    return Timeline(np.array(times), np.array(values, np.float32)[:, None], ("motion",))


@st.composite
def gappy(draw: st.DrawFn) -> Timeline:
    """A timeline with uneven times and any ticks missing."""
    spaces = draw(st.lists(st.floats(0.05, 4), min_size=1, max_size=25))
    start = draw(st.floats(-5, 100))
    times = start + np.cumsum(spaces)
    size = len(times)
    cells = st.one_of(st.just(NAN), st.floats(-1, 1, width=32))
    first = draw(st.lists(cells, min_size=size, max_size=size))
    second = draw(st.lists(cells, min_size=size, max_size=size))
    return Timeline(times, np.array([first, second], np.float32).T, ("valence", "arousal"))


def test_shapes_types_and_what_was_measured() -> None:
    timeline = Timeline([0, 0.5, 1.25], [[1, NAN], [NAN, NAN], [0, -1]], ["a", "b"])
    assert timeline.times.shape == (3,)
    assert timeline.times.dtype == np.float64
    assert timeline.values.shape == (3, 2)
    assert timeline.values.dtype == np.float32
    assert timeline.columns == ("a", "b")
    assert timeline.meta == {}
    assert len(timeline) == 3
    assert timeline.valid.dtype == bool
    assert timeline.valid.tolist() == [[True, False], [False, False], [True, True]]
    np.testing.assert_array_equal(timeline.column("a"), [1, NAN, 0])
    assert np.isnan(timeline.column("laughter")).all()


@pytest.mark.parametrize(
    ("times", "values", "columns"),
    [
        ([0, 1], [[0.0]], ["a"]),
        ([0, 1], [[0.0], [1.0]], ["a", "b"]),
        ([[0, 1]], [[0.0], [1.0]], ["a"]),
        ([0, 0], [[0.0], [1.0]], ["a"]),
        ([1, 0.5], [[0.0], [1.0]], ["a"]),
        ([0, NAN], [[0.0], [1.0]], ["a"]),
        ([0, 1], [[0.0, 0.0], [1.0, 1.0]], ["a", "a"]),
    ],
    ids=["rows", "columns", "times", "twice", "backwards", "nan time", "one name twice"],
)
def test_what_does_not_fit_together_is_refused(times: list, values: list, columns: list) -> None:
    with pytest.raises(DataError):
        Timeline(np.array(times, float), np.array(values), tuple(columns))


def test_the_first_twelve_columns_and_those_after_them() -> None:
    times = np.arange(3) / 2
    assert assemble(times, {}, {}).columns == tuple(TWELVE)
    assert not assemble(times, {}, {}).valid.any()
    extra = {
        "speech": (["speech_anger", "speech_fear"], np.full((3, 2), 2, np.float32)),
        "laughter": (["laughter"], np.full((3, 1), 1, np.float32)),
        "loudness": (["loudness", "loudness_change"], np.full((3, 2), 0.5, np.float32)),
    }
    timeline = assemble(times, extra, {"a": 1})
    assert timeline.columns == (*TWELVE, "laughter", "speech_anger", "speech_fear")
    assert timeline.meta == {"a": 1}
    assert (timeline.column("laughter") == 1).all()
    assert (timeline.column("speech_fear") == 2).all()
    assert (timeline.column("loudness") == 0.5).all()
    assert not timeline.valid[:, :10].any()


def test_columns_are_chosen_by_name() -> None:
    timeline = calm(10)
    chosen = timeline.select(["loudness", "anger"])
    assert chosen.columns == ("loudness", "anger")
    np.testing.assert_array_equal(chosen.values[:, 0], timeline.column("loudness"))
    np.testing.assert_array_equal(chosen.values[:, 1], timeline.column("anger"))
    np.testing.assert_array_equal(chosen.times, timeline.times)
    with pytest.raises(DataError, match=r"laughter.*motion"):
        timeline.select(["laughter", "anger", "motion"])


def test_linear_filling_bridges_up_to_the_gap_and_no_further() -> None:
    timeline = line([0, 1, 2.5, 5, 6, 11.5, 12], [NAN, 0, NAN, NAN, 10, NAN, 3])
    filled = timeline.filled()  # 5 s by default: 1 → 6 is bridged, 6 → 12 is not
    np.testing.assert_allclose(filled.values[:, 0], [NAN, 0, 3, 8, 10, NAN, 3], rtol=1e-6)
    assert timeline.filled(max_gap=4.9).valid[:, 0].sum() == 3
    wide = timeline.filled(max_gap=6)
    assert wide.values[5, 0] == pytest.approx(10 - 7 * 5.5 / 6)
    assert np.isnan(timeline.values[2, 0]), "the timeline itself must stay as it was"


def test_filled_emotions_still_sum_to_one() -> None:
    timeline = hidden(calm(20), EMOTIONS, slice(10, 16))
    sums = timeline.filled().select(EMOTIONS).values.sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_nearest_filling_takes_the_nearer_tick() -> None:
    timeline = line([0, 1, 2, 3, 9, 15], [1, NAN, NAN, 4, NAN, 7])
    filled = timeline.filled(method="nearest")
    np.testing.assert_array_equal(filled.values[:, 0], [1, 1, 4, 4, NAN, 7])


def test_zero_filling_leaves_the_mask_to_valid() -> None:
    timeline = line([0, 1, 100], [NAN, 2, NAN])
    filled = timeline.filled(method="zero")
    assert filled.values[:, 0].tolist() == [0, 2, 0]
    assert timeline.valid[:, 0].tolist() == [False, True, False]


def test_an_unknown_filling_is_named() -> None:
    with pytest.raises(DataError, match="cubic"):
        calm(2).filled(method="cubic")  # type: ignore[arg-type]


def test_a_column_never_measured_stays_so() -> None:
    empty = line([0, 1], [NAN, NAN])
    for method in ("linear", "nearest"):
        assert not empty.filled(method=method).valid.any()  # type: ignore[arg-type]


@light
@given(gappy(), st.floats(0.1, 12), st.sampled_from(["linear", "nearest", "zero"]))
def test_filling_never_changes_what_was_measured(
    timeline: Timeline, max_gap: float, method: str
) -> None:
    filled = timeline.filled(max_gap, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(filled.values[timeline.valid], timeline.values[timeline.valid])
    np.testing.assert_array_equal(filled.times, timeline.times)
    assert filled.columns == timeline.columns


@light
@given(gappy(), st.floats(0.1, 12))
def test_filling_is_linear_within_the_gap_and_nothing_across_longer_ones(
    timeline: Timeline, max_gap: float
) -> None:
    filled = timeline.filled(max_gap).values
    for column in range(2):
        measured = np.flatnonzero(timeline.valid[:, column])
        for tick in np.flatnonzero(~timeline.valid[:, column]):
            before, after = measured[measured < tick], measured[measured > tick]
            if not len(before) or not len(after):
                assert np.isnan(filled[tick, column])
                continue
            left, right = before[-1], after[0]
            gap = timeline.times[right] - timeline.times[left]
            if abs(gap - max_gap) < 1e-6:
                continue
            if gap > max_gap:
                assert np.isnan(filled[tick, column])
                continue
            share = (timeline.times[tick] - timeline.times[left]) / gap
            low, high = timeline.values[left, column], timeline.values[right, column]
            expected = low * (1 - share) + high * share
            assert filled[tick, column] == pytest.approx(expected, abs=1e-5)


@light
@given(gappy(), st.floats(0, 1), st.floats(0, 1), st.integers(1, 30))
def test_steps_are_linear_interpolation_on_the_times(
    timeline: Timeline, one: float, other: float, n: int
) -> None:
    timeline = timeline.filled(method="zero")
    first, last = timeline.times[0], timeline.times[-1]
    start, end = first + min(one, other) * (last - first), first + max(one, other) * (last - first)
    if end - start < 1e-3:
        return
    steps = timeline.steps(start, end, n)
    at = start + (np.arange(n) + 0.5) * (end - start) / n
    for column in range(2):
        expected = np.interp(at, timeline.times, timeline.values[:, column])
        np.testing.assert_allclose(steps[:, column], expected, atol=1e-5)


def test_steps_lie_in_the_middle_of_even_parts() -> None:
    ramp = line([0, 1, 4, 10], [0, 1, 4, 10])
    steps = ramp.steps(1, 8.5)
    assert steps.shape == (15, 1)
    assert steps.dtype == np.float32
    np.testing.assert_allclose(steps[:, 0], 1.25 + 0.5 * np.arange(15), rtol=1e-6)


def test_steps_of_a_clip_sampled_by_itself_are_its_ticks() -> None:
    clock = EvenTicks(15, 120.0, 126.5)
    times = np.array([clock.time(i) for i in range(15)])
    clip = Timeline(times, np.random.default_rng(1).random((15, 3)), ("a", "b", "c"))
    np.testing.assert_allclose(clip.steps(120.0, 126.5, 15), clip.values, atol=1e-5)


def test_steps_do_not_reach_over_ticks_not_measured() -> None:
    timeline = line([0, 1, 2, 3, 4], [0, 1, NAN, 3, 4])
    steps = timeline.steps(0, 4, 8)[:, 0]  # at 0.25, 0.75, … 3.75
    np.testing.assert_allclose(steps, [0.25, 0.75, NAN, NAN, NAN, NAN, 3.25, 3.75], atol=1e-6)
    # On a measured tick its neighbour is not asked.
    exact = timeline.steps(0.5, 3.5, 3)[:, 0]  # at 1, 2, 3
    np.testing.assert_allclose(exact, [1, NAN, 3], atol=1e-6)


def test_steps_far_outside_are_not_made_up() -> None:
    timeline = line([10, 10.5, 11, 11.5], [1, 2, 3, 4])
    steps = timeline.steps(0, 30, 30)[:, 0]  # at 0.5, 1.5, … 29.5
    assert np.isnan(steps[:9]).all()
    assert steps[10] == pytest.approx(2)
    assert np.isnan(steps[13:]).all()
    assert np.isnan(Timeline([], np.zeros((0, 1)), ("a",)).steps(0, 5)).all()


@pytest.mark.parametrize(("start", "end", "n"), [(5, 5, 15), (5, 4, 15), (0, 5, 0)])
def test_a_window_without_length_or_steps_is_refused(start: float, end: float, n: int) -> None:
    with pytest.raises(DataError):
        calm(10).steps(start, end, n)


def test_csv_round_trip(tmp_path: Path) -> None:
    timeline = hidden(calm(5, spacing=1 / 3), ["anger"], [2])
    path = tmp_path / "표.csv"
    timeline.to_csv(path)
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["time", *timeline.columns]
    assert rows[2][1] == "", "what was not measured is an empty field"
    back = np.array([[float(cell) if cell else NAN for cell in row] for row in rows])
    np.testing.assert_allclose(back[:, 0], timeline.times, atol=1e-6)
    np.testing.assert_allclose(back[:, 1:], timeline.values, rtol=1e-5)


def test_npz_round_trip(tmp_path: Path) -> None:
    timeline = hidden(calm(5), ["anger"], [2])
    timeline.to_npz(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["times"], timeline.times)
        np.testing.assert_array_equal(arrays["values"], timeline.values)
        np.testing.assert_array_equal(arrays["valid"], timeline.valid)
        assert tuple(arrays["columns"].tolist()) == timeline.columns
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def observations() -> Observations:
    """Twenty ticks with up to two faces, loudness, and facts with Korean in them."""
    random = np.random.default_rng(3)
    rows = []
    for tick in range(20):
        for track in range(1 + tick % 2):
            noise = random.normal(0, 0.1, len(vector(0)))
            rows.append((tick, track, (10 * track, 5, 20, 20), vector(track) + noise, 0.95))
    found = observed(table(rows, 20), warnings=["가나다.mp4: 소리가 없음"])
    found.meta["video"] |= {"path": "영상/방송 하이라이트.mp4", "sound_tracks": ["마이크"]}
    found.face_settings = {"checksum": "abc", "version": 1, "emotion": {"emotion": "fake"}}
    found.blocks = blocks(found.times)
    return found


def written(path: Path, *, forget_faces: bool = False) -> tuple[Timeline, Observations]:
    found = observations()
    timeline = resolve(found)
    write_timeline(path, timeline, found, forget_faces=forget_faces)
    return timeline, found


def test_hdf5_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "방송.h5"
    timeline, found = written(path)
    back = load_timeline(path)
    np.testing.assert_array_equal(back.times, timeline.times)
    np.testing.assert_array_equal(back.values, timeline.values)
    assert back.columns == timeline.columns == tuple(TWELVE)
    assert back.meta == {**timeline.meta, "file": str(path)}
    assert back.meta["video"]["path"] == "영상/방송 하이라이트.mp4"
    again = load_observations(path)
    np.testing.assert_array_equal(again.times, found.times)
    assert again.faces is not None
    assert found.faces is not None
    for name in (*Faces.ROWS, "seen"):
        one, other = getattr(again.faces, name), getattr(found.faces, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert again.face_settings == found.face_settings
    assert again.blocks.keys() == {"loudness"}
    np.testing.assert_array_equal(again.blocks["loudness"].values, found.blocks["loudness"].values)
    assert again.blocks["loudness"].settings == {"rate": 22050}
    np.testing.assert_array_equal(resolve(again).values, timeline.values)
    assert [file.name for file in tmp_path.iterdir()] == ["방송.h5"]


def test_hdf5_without_faces_or_ticks(tmp_path: Path) -> None:
    for found in (
        Observations(np.arange(4) / 2),
        Observations(np.zeros(0)),
        observed(table([], 3)),
    ):
        timeline = resolve(found)
        write_timeline(tmp_path / "x.h5", timeline, found)
        back = load_timeline(tmp_path / "x.h5")
        assert back.columns == tuple(TWELVE)
        assert back.values.shape == (len(found.times), 12)
        assert (load_observations(tmp_path / "x.h5").faces is None) == (found.faces is None)


def test_hdf5_layout(tmp_path: Path) -> None:
    _, found = written(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["times"].shape == (20,)
        assert file["times"].dtype == np.float64
        for name, columns in (("face", FACE_COLUMNS), ("loudness", TWELVE[10:])):
            group = file[f"streams/{name}"]
            assert group["values"].shape == (20, len(columns))
            assert group["values"].dtype == np.float32
            assert json.loads(group.attrs["columns"]) == list(columns)
        group = file["streams/face"]
        assert json.loads(group.attrs["settings"]) == found.face_settings
        assert group.attrs["model"] == "abc"
        assert group.attrs["version"] == 1
        assert {"tick", "box", "score", "track", "embedding", "values"} <= set(file["faces"])
        assert file["faces/embedding"].dtype == np.float16
        assert file["faces/values"].shape == (30, 10)
        assert file["video"].attrs["path"] == "영상/방송 하이라이트.mp4"
        assert file["video"].attrs["width"] == 200


def inflated(data: bytes) -> list[bytes]:
    """Everything in a file that zlib can unpack, bytes of halves put together again."""
    found = [data]
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            plain = zlib.decompressobj().decompress(data[match.start() :])
        except zlib.error:
            continue
        found += [
            plain,
            np.frombuffer(plain[: len(plain) // 2 * 2], "u1").reshape(2, -1).T.tobytes(),
        ]
    return found


def test_forgotten_faces_leave_no_embedding_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    timeline, found = written(path)
    assert found.faces is not None
    rows = [row.tobytes() for row in found.faces.embedding]
    kept = inflated(path.read_bytes())
    assert all(any(row in part for part in kept) for row in rows), "the search must find them"
    written(path, forget_faces=True)
    kept = inflated(path.read_bytes())
    assert not any(row in part for part in kept for row in rows)
    back = load_observations(path).faces
    assert back is not None
    assert back.embedding.shape == (30, 0)
    np.testing.assert_array_equal(back.values, found.faces.values)
    np.testing.assert_array_equal(load_timeline(path).values, timeline.values)
    assert resolve(load_observations(path)).valid[:, 0].any(), "a person can still be followed"


def spoil(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("time,anger\n")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "other":
        with h5py.File(path, "w") as file:
            file["times"] = np.arange(3)
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "missing":
        path.unlink()
    else:
        with h5py.File(path, "r+") as file:
            if how == "newer":
                file.attrs["version"] = 99
            elif how == "odd version":
                file.attrs["version"] = "two"
            elif how == "no times":
                del file["times"]
            elif how == "backwards":
                file["times"][...] = file["times"][::-1]
            elif how == "no meta":
                file.attrs["meta"] = "{"
            elif how == "short":
                del file["streams/loudness/values"]
                file["streams/loudness/values"] = np.zeros((3, 2))
            elif how == "no group":
                del file["streams/loudness"]
                file["streams/loudness"] = np.zeros(3)


@pytest.mark.parametrize("load", [load_timeline, load_observations])
@pytest.mark.parametrize(
    "how",
    "text empty cut other folder missing newer no_times backwards no_meta short no_group"
    " odd_version".split(),
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, how: str, load: object) -> None:
    path = tmp_path / "나쁜.h5"
    written(path)
    spoil(path, how.replace("_", " "))
    if how == "backwards" and load is load_observations:
        pytest.skip("observations are put on no clock")
    with pytest.raises(DataError) as caught:
        load(path)  # type: ignore[operator]
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    if how == "newer":
        assert "newer" in message
        assert "99" in message
