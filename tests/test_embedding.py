"""The stream `embedding`: what the face network sees, kept for the followed person's windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reelpulse
from conftest import Command
from fakes import write_emotion_onnx
from reelpulse.errors import DataError, SettingsError
from reelpulse.faces.emotion import load_emotion
from reelpulse.measure import Parts
from reelpulse.settings import AnalyzeSettings
from reelpulse.streams import stream_names
from reelpulse.timeline import FACE_COLUMNS, Faces, Features

SEEN = {
    "kind": "face_emotion",
    "outputs": list(FACE_COLUMNS),
    "input": {"size": [16, 16], "colour": "rgb", "mean": [0.0], "std": [1.0]},
    "crop": {"geometry": "box", "margin": 0.0},
}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network whose embedding is the mean red, green and blue of the crop."""
    path = tmp_path / "colours.onnx"
    write_emotion_onnx(path, SEEN, size=16, embedding=True)
    return path


def analyze(video: Path, out: Path, **settings: Any) -> Path:
    settings = {"detector": "dlib", "identity": "none", **settings}
    return Path(reelpulse.analyze(video, out=out, **settings).meta["file"])


def rows_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The table of features, and the followed person's row a tick."""
    with h5py.File(path) as file:
        return file["faces/feature"][()], file["faces/person"][()]


def test_the_network_gives_values_and_embedding(network: Path) -> None:
    model = load_emotion(network)
    crops = [np.full((20, 20, 3), colour, np.uint8) for colour in ((255, 0, 51), (0, 102, 0))] * 2
    values, features = model.with_features(crops)
    assert model.features == 3
    np.testing.assert_array_equal(values, model(crops))
    np.testing.assert_allclose(features[:2], [[1, 0, 0.2], [0, 0.4, 0]], atol=1e-6)
    np.testing.assert_array_equal(features[:2], features[2:])


def test_summaries_are_those_of_the_followed_faces(
    face_clip: Path, network: Path, tmp_path: Path
) -> None:
    path = analyze(face_clip, tmp_path / "with", emotion=str(network), stream=("embedding",))
    plain = analyze(face_clip, tmp_path / "without", emotion=str(network))
    timeline = reelpulse.load_timeline(path)
    np.testing.assert_array_equal(timeline.values, reelpulse.load_timeline(plain).values)
    assert timeline.columns == reelpulse.load_timeline(plain).columns

    table, rows = rows_of(path)
    np.testing.assert_array_equal(rows >= 0, np.isfinite(timeline.column("valence")))
    windows = [(0.0, 2.5), (3.1, 3.9), (4.0, 6.0)]
    four = reelpulse.embedding_summary(path, windows, ("mean", "std", "max", "min"))
    assert four.shape == (3, 12)
    assert np.isnan(four[1]).all()
    for window, summary in zip((windows[0], windows[2]), four[[0, 2]], strict=True):
        inside = (timeline.times >= window[0]) & (timeline.times < window[1]) & (rows >= 0)
        seen = table[rows[inside]].astype(np.float32)
        assert len(seen) > 1
        expected = [seen.mean(0), seen.std(0), seen.max(0), seen.min(0)]
        np.testing.assert_allclose(summary, np.concatenate(expected), atol=1e-6)
    np.testing.assert_array_equal(reelpulse.embedding_summary(path, windows), four[:, :6])
    assert (table.std(axis=0) > 0).all()


def test_another_person_keeps_the_table(
    face_clip: Path, network: Path, tmp_path: Path, no_decoding: Any
) -> None:
    settings = {"emotion": str(network), "stream": ("embedding",)}
    path = analyze(face_clip, tmp_path / "out", **settings)
    table, rows = rows_of(path)
    no_decoding()
    analyze(face_clip, tmp_path / "out", emotion=str(network), region="0,0,0.01,0.01")
    other_table, other_rows = rows_of(path)
    np.testing.assert_array_equal(table, other_table)
    assert (other_rows == -1).all()
    analyze(face_clip, tmp_path / "out", **settings)
    np.testing.assert_array_equal(rows_of(path)[1], rows)


def test_faces_without_embeddings_are_measured_again(
    face_clip: Path, network: Path, tmp_path: Path
) -> None:
    path = analyze(face_clip, tmp_path / "out", emotion=str(network))
    with pytest.raises(DataError, match="--stream embedding"):
        reelpulse.embedding_summary(path, [(0, 1)])
    analyze(face_clip, tmp_path / "out", emotion=str(network), stream=("embedding",))
    assert np.isfinite(reelpulse.embedding_summary(path, [(0, 2)])).all()


def test_forgetting_faces_forgets_embeddings(
    face_clip: Path, network: Path, tmp_path: Path, run: Command
) -> None:
    both = ("--stream", "embedding", "--forget-faces")
    run("analyze", face_clip, *both).one_line("--forget-faces", "--stream embedding")
    path = analyze(face_clip, tmp_path / "out", emotion=str(network), stream=("embedding",))
    analyze(face_clip, tmp_path / "out", emotion=str(network), forget_faces=True)
    with pytest.raises(DataError, match="--stream embedding"):
        reelpulse.embedding_summary(path, [(0, 1)])
    analyze(face_clip, tmp_path / "out", emotion=str(network), stream=("embedding",))
    assert np.isfinite(reelpulse.embedding_summary(path, [(0, 2)])).all()


def test_a_network_without_embedding_is_named(run: Command, face_clip: Path) -> None:
    ran = run("analyze", "-q", face_clip, "--stream", "embedding", "--emotion", "builtin")
    ran.one_line("builtin", "`embedding`", "reelpulse models convert")


def test_unknown_statistics_are_named(face_clip: Path) -> None:
    with pytest.raises(DataError, match="'median': use mean, std, max, min"):
        reelpulse.embedding_summary(face_clip, [(0, 1)], ["median"])


def test_no_timeline_is_named(face_clip: Path) -> None:
    with pytest.raises(DataError, match=face_clip.name):
        reelpulse.embedding_summary(face_clip, [(0, 1)])


def test_features_of_finished_segments_stay_on_disk(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "x.h5.parts", {})
    first = np.arange(6, dtype=np.float16).reshape(2, 3)
    for index in range(2):
        faces = Faces.empty(4)
        faces.features = Features.of(first + index)
        parts.write(index, {"times": np.arange(4.0), "face": faces})
    found = [parts.read(index)["face"] for index in range(2)]
    whole = Faces.joined(found).features
    assert whole is not None
    np.testing.assert_array_equal(whole.whole(), np.concatenate([first, first + 1]))
    (tmp_path / "x.h5.parts" / "0001.npz").unlink()
    with pytest.raises(FileNotFoundError):
        whole.whole()


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (("face", "loudness"), ["face", "loudness"]),
        (("loudness",), ["loudness"]),
        (("embedding",), ["face", "loudness", "laughter"]),
        (("embedding", "face"), ["face"]),
    ],
)
def test_which_streams_run(asked: tuple[str, ...], names: list[str]) -> None:
    assert stream_names(AnalyzeSettings(stream=asked)) == names


def test_an_unknown_stream_is_named() -> None:
    with pytest.raises(
        SettingsError, match="'smell': use face, loudness, laughter, speech, motion, embedding"
    ):
        stream_names(AnalyzeSettings(stream=("smell",)))
