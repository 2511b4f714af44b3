"""One range of a real film as a clip, made three ways, compared column by column.

- ``cut``: cut out by FFmpeg, encoded anew, and measured at its 15 steps;
- ``clip``: measured at the same 15 steps within the whole film;
- ``timeline``: the whole film measured at 2 ticks a second, brought to the steps by interpolation.

What ``cut`` and ``clip`` may differ by: the pictures are encoded anew, a cut begins some
milliseconds beside where it should, and hears nothing before it. ``timeline`` differs by more,
since it did not look at the steps but up to a quarter of a second beside them: loudness moves
slowly enough; a face that changes between two ticks does not, and loudness_change is the
difference of two half seconds, of which interpolation takes the edge. There the middle of a clip's
differences is held, and the mean over the clip, which is what summaries see.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from labelled import write_table
from reelpulse.moments.dataset.build import build
from reelpulse.moments.dataset.clips import ClipSet
from reelpulse.settings import AnalyzeSettings
from reelpulse.timeline import FACE_COLUMNS

pytestmark = pytest.mark.slow

FILMS = [
    ("faces/latentsync_demo2.mp4", 10.0, 16.5, ("face", "sound")),
    ("films/tears_of_steel_battle_mdn.webm", 20.0, 25.0, ("sound",)),
    ("films/tears_of_steel_battle_mdn.webm", 41.3, 48.3, ("sound",)),
]

STREAMS = {("face", "sound"): AnalyzeSettings.stream, ("sound",): ("loudness", "laughter")}

# Of each group of columns: the middle, the largest, and the mean difference over a clip.
GROUPS = {"face": FACE_COLUMNS, "loudness": ("loudness",), "laughter": ("laughter",)}
ALIKE = {
    "face": (0.01, 0.15, 0.03),
    "loudness": (0.005, 0.02, 0.002),
    "laughter": (0.01, 0.15, 0.03),
}
ALIKE_CHANGE = 0.05
INTERPOLATED = {
    "face": (0.1, 1.0, 0.1),
    "loudness": (0.03, 0.1, 0.01),
    "laughter": (0.05, 0.6, 0.1),
}


def cut_out(film: Path, start: float, end: float, out: Path) -> Path:
    """Cut a range to a file of its own, exactly, at a quality that hardly shows; sound as it is."""
    command = ["ffmpeg", "-v", "error", "-ss", start, "-t", end - start, "-i", film]
    command += ["-c:v", "libx264", "-crf", 14, "-preset", "veryfast", "-c:a", "pcm_f32le"]
    subprocess.run([str(part) for part in (*command, out)], check=True, timeout=120)
    return out


@pytest.mark.parametrize(("film", "start", "end", "kept"), FILMS, ids=lambda value: str(value))
def test_a_clip_is_the_same_however_it_is_made(
    test_data: Path,
    test_models: Path,
    tmp_path: Path,
    film: str,
    start: float,
    end: float,
    kept: tuple[str, ...],
) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    source = test_data / film
    part = cut_out(source, start, end, tmp_path / "cut.mkv")
    rows = [(part, "", "", "funny"), (source, start, end, "ordinary")]
    labels = write_table(tmp_path / "l.csv", rows, "file,start,end,label")
    made = {}
    for sample in ("clip", "timeline"):
        build(
            labels,
            tmp_path / f"{sample}.h5",
            column=kept,
            sample=sample,
            most_missing=1.0,
            timelines=tmp_path / "timelines",
            analysis=AnalyzeSettings(stream=STREAMS[kept]),
        )
        with ClipSet(tmp_path / f"{sample}.h5") as clips:
            made["cut"], made[sample] = clips.features[:]
            columns = clips.columns
    assert np.isfinite(made["timeline"]).all()
    for way, limits in (("cut", ALIKE), ("timeline", INTERPOLATED)):
        apart = made[way] - made["clip"]
        for group, names in GROUPS.items():
            for name in names:
                if name in columns:
                    found = apart[:, columns.index(name)]
                    found = found[np.isfinite(found)]
                    assert len(found) >= 14
                    middle, largest, mean = limits[group]
                    assert np.median(np.abs(found)) <= middle, (way, name, found)
                    assert np.abs(found).max() <= largest, (way, name, found)
                    assert abs(found.mean()) <= mean, (way, name, found)
    change = columns.index("loudness_change")
    apart = np.abs(made["cut"] - made["clip"])[:, change]
    assert np.nanmedian(apart) <= ALIKE_CHANGE, apart
    agree = np.corrcoef(made["timeline"][:, change], made["clip"][:, change])[0, 1]
    assert agree > 0, agree
