"""Measuring: segments that stand by themselves, survive a stop and come back equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeDetector, FakeEmotion, FakeIdentity, face, write_clip
from reelpulse.errors import DataError
from reelpulse.measure import Parts, Progress, measure
from reelpulse.media import Clock, EvenTicks, RegularTicks, Tick, probe
from reelpulse.streams import FaceStream, LoudnessStream
from reelpulse.timeline import Faces, Observations


class Counting:
    """Gives the ticks since the last reset, and how many it has ever seen."""

    name = "count"
    columns = ("count_since",)
    wants_pictures = False
    needs_previous_frame = False

    def __init__(self, stop_after: int | None = None, version: int = 1) -> None:
        self.sound: dict[int, float] = {}
        self.settings: dict[str, Any] = {"version": version}
        self.since = self.total = 0
        self.stop_after = stop_after

    def reset(self) -> None:
        self.since = 0

    def process(self, ticks: Sequence[Tick]) -> np.ndarray:
        out = np.zeros((len(ticks), 1), np.float32)
        for row, _ in zip(out, ticks, strict=True):
            if self.total == self.stop_after:
                raise KeyboardInterrupt
            row[0] = self.since
            self.since += 1
            self.total += 1
        return out


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 s: two and a half segments."""
    return write_clip(tmp_path_factory.mktemp("clip") / "long.mp4", 150)


def measured(
    path: Path,
    counting: Counting,
    folder: Path | None = None,
    clock: Clock | None = None,
    progress: list[Progress] | None = None,
) -> tuple[Observations, Parts | None]:
    """Measure with two fakes and loudness; the face's place tells the time."""
    script = [[face(10 + i % 7, size=20, person=i % 2)] for i in range(256)]
    streams = [FaceStream(FakeDetector(script), FakeEmotion(), FakeIdentity()), counting]
    streams.append(LoudnessStream())
    parts = Parts(folder, {"streams": [s.settings for s in streams]}) if folder else None
    observed = measure(
        path,
        probe(path),
        clock or RegularTicks(2.0),
        streams,
        parts=parts,
        progress=progress.append if progress is not None else None,
    )
    return observed, parts


def assert_equal(one: Observations, other: Observations, tolerance: float = 0) -> None:
    np.testing.assert_array_equal(one.times, other.times)
    assert one.faces is not None
    assert other.faces is not None
    for name in (*Faces.ROWS, "seen"):
        left, right = getattr(one.faces, name), getattr(other.faces, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    assert one.blocks.keys() == other.blocks.keys()
    for name, block in one.blocks.items():
        np.testing.assert_allclose(block.values, other.blocks[name].values, atol=tolerance)


def test_every_segment_forgets_the_past(long_clip: Path) -> None:
    seen: list[Progress] = []
    found, _ = measured(long_clip, Counting(), progress=seen)
    np.testing.assert_array_equal(found.times, np.arange(300) / 2)
    counts = found.blocks["count"].values[:, 0]
    np.testing.assert_array_equal(counts, np.arange(300) % 120)
    assert found.faces is not None
    segment = found.times[found.faces.tick] // 60
    tracks = [set(found.faces.track[segment == k].tolist()) for k in range(3)]
    assert tracks[0]
    assert not tracks[0] & tracks[1]
    assert not tracks[1] & tracks[2]
    done = [step.done for step in seen]
    assert done == sorted(done)
    assert seen[-1].ticks == 300
    assert seen[-1].total == pytest.approx(150, abs=1)


def test_parts_are_written_and_read_back_equal(long_clip: Path, tmp_path: Path) -> None:
    in_memory, _ = measured(long_clip, Counting())
    kept, parts = measured(long_clip, Counting(), tmp_path / "x.h5.parts")
    assert_equal(in_memory, kept)
    assert parts is not None
    names = sorted(file.name for file in parts.folder.iterdir())
    assert [name for name in names if name.endswith(".npz")] == ["0000.npz", "0001.npz", "0002.npz"]
    assert not [name for name in names if "tmp" in name]
    for index, first in enumerate((0, 120, 240)):
        part = parts.read(index)
        np.testing.assert_array_equal(part["times"], kept.times[first : first + 120])
        assert isinstance(part["face"], Faces)
    again, _ = measured(long_clip, counting := Counting(), tmp_path / "x.h5.parts")
    assert_equal(kept, again)
    assert counting.total == 0, "nothing was measured twice"
    assert again.meta == kept.meta


def test_a_stopped_run_goes_on_at_the_last_finished_segment(
    long_clip: Path, tmp_path: Path
) -> None:
    whole, _ = measured(long_clip, Counting())
    folder = tmp_path / "x.h5.parts"
    with pytest.raises(KeyboardInterrupt):
        measured(long_clip, Counting(stop_after=200), folder)
    assert [file.name for file in sorted(folder.glob("*.npz"))] == ["0000.npz"]
    resumed, _ = measured(long_clip, counting := Counting(), folder)
    assert counting.total == 180
    assert_equal(whole, resumed, tolerance=1e-3)


def test_parts_of_other_settings_are_measured_anew(long_clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.h5.parts"
    with pytest.raises(KeyboardInterrupt):
        measured(long_clip, Counting(stop_after=130), folder)
    measured(long_clip, counting := Counting(version=2), folder)
    assert counting.total == 300


def test_ticks_further_apart_than_segments_are_all_kept(long_clip: Path, tmp_path: Path) -> None:
    clock = EvenTicks(1, 0.0, 150.0)  # one tick, in the second segment
    first, _ = measured(long_clip, Counting(), tmp_path / "x.h5.parts", clock)
    assert first.times.tolist() == [75.0]
    again, _ = measured(long_clip, Counting(), tmp_path / "x.h5.parts", clock)
    assert_equal(first, again)


def test_a_damaged_part_is_named(long_clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.h5.parts"
    measured(long_clip, Counting(), folder)
    (folder / "0001.npz").write_bytes(b"PK\3\4 no more")
    with pytest.raises(DataError, match=r"0001\.npz"):
        measured(long_clip, Counting(), folder)
