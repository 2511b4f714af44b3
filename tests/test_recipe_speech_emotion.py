"""The recipe of the built-in speech emotion network, and the model that it made."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from reelpulse.media import write_sound
from reelpulse.speech.corpus import EMOTIONS
from reelpulse.speech.model import load_speech
from reelpulse.speech.picture import picture
from speech_models import RATE, spoken

REPOSITORY = Path(__file__).resolve().parents[1]
NAMES = ("speech_emotion_clips", "speech_emotion")
SPEAKERS = 5


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    """The recipe's files by name."""
    for module in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return {name: importlib.import_module(name) for name in NAMES}


@pytest.fixture(scope="module")
def recipe(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["speech_emotion"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three corpora of tones, a clip of two classes from each of five speakers."""
    folder = tmp_path_factory.mktemp("data")
    for speaker in range(1, SPEAKERS + 1):
        names = [
            *(f"ravdess/03-01-{shown}-01-01-01-{speaker:02d}" for shown in ("02", "05")),
            *(f"emodb/{speaker:02d}a01{shown}a" for shown in "WT"),
            *(f"korean/s{speaker:02d}00{number}" for number in (105, 305)),
        ]
        for number, name in enumerate(names):
            path = folder / f"{name}.ogg"
            path.parent.mkdir(exist_ok=True)
            write_sound(path, spoken(2 + 3 * (number % 2), 0.8 + 0.1 * speaker), RATE)
    return folder


@pytest.fixture(scope="module")
def clips(modules: dict[str, ModuleType], data: Path) -> Any:
    return modules["speech_emotion_clips"].load_clips(data)


def test_names_tell_speakers_and_classes(modules: dict[str, ModuleType], clips: Any) -> None:
    assert len(clips.paths) == 6 * SPEAKERS
    shown = {
        corpus: clips.shown[clips.corpus == corpus] for corpus in ("ravdess", "emodb", "korean")
    }
    names = {corpus: {EMOTIONS[k] for k in found} for corpus, found in shown.items()}
    assert names == {
        "ravdess": {"neutral", "anger"},
        "emodb": {"anger", "sadness"},
        "korean": {"happiness", "sadness"},
    }
    calm = modules["speech_emotion_clips"].CALM
    assert (clips.label[clips.corpus == "ravdess"] == calm).sum() == SPEAKERS
    for corpus in shown:
        own = clips.corpus == corpus
        pairs = set(zip(clips.speaker[own], clips.fold[own], strict=True))
        assert len(pairs) == SPEAKERS, "a speaker is in one fold"


def test_what_is_trained_on_is_what_the_package_draws(
    modules: dict[str, ModuleType], recipe: ModuleType
) -> None:
    """A picture, brought back to log power, is the spectrogram amid silence."""
    torch = pytest.importorskip("torch")
    clips_of = modules["speech_emotion_clips"]
    sound = spoken(3, 1.5) + np.random.default_rng(0).normal(0, 0.01, 24_000).astype(np.float32)
    spectrum = clips_of.spectrum(clips_of.trimmed(sound, RATE)[0])
    drawn = torch.from_numpy(picture(sound, clips_of.SPEC))[None, None]
    power = recipe.log_power(drawn)[0].numpy()
    first = (clips_of.FRAMES - len(spectrum)) // 2
    np.testing.assert_allclose(power[first : first + len(spectrum)], spectrum, atol=1e-3)
    assert (power[:first] == -clips_of.DEPTH).all()


def test_levels_do_not_matter(recipe: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.random.default_rng(0).uniform(-9, 0, (2, 40, 80))).float()
    torch.testing.assert_close(recipe.levelled(x - 3), recipe.levelled(x), atol=1e-2, rtol=0)


def test_a_network_is_trained_kept_and_exported(
    recipe: ModuleType, clips: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.arange(len(clips.paths))
    net = recipe.trained(tmp_path / "x.pt", clips, rows, 1, 0)
    again = recipe.trained(tmp_path / "x.pt", clips, rows, 1, 0)
    for one, other in zip(net.parameters(), again.parameters(), strict=True):
        assert (one == other).all()
    assert capsys.readouterr().out.count("epoch") == 1
    heard = recipe.heard_by(tmp_path / "x.onnx", net, clips, rows[:3])
    assert np.isfinite(heard[:3]).all()
    assert np.isnan(heard[3:]).all()
    assert load_speech(tmp_path / "x.onnx").classes == EMOTIONS


def test_scores_are_of_each_corpus(modules: dict[str, ModuleType], clips: Any) -> None:
    clips_of = modules["speech_emotion_clips"]
    right = np.eye(len(EMOTIONS))[clips.shown]
    assert {s["uar"] for s in clips_of.score(clips, right).values()} == {1.0}
    wrong = right.copy()
    anger = EMOTIONS.index("anger")
    wrong[:] = np.eye(len(EMOTIONS))[anger]
    found = clips_of.score(clips, wrong)
    assert found["ravdess"]["uar"] == found["emodb"]["uar"] == 0.5
    assert found["korean"]["uar"] == 0.0
    wrong[clips.corpus == "korean"] = np.nan
    assert "korean" not in clips_of.score(clips, wrong)


def test_a_folder_of_work_is_for_one_run(recipe: ModuleType, tmp_path: Path) -> None:
    assert recipe.check_work(tmp_path / "w", {"epochs": 1}) is None
    assert recipe.check_work(tmp_path / "w", {"epochs": 1}) is None
    assert "--work" in str(recipe.check_work(tmp_path / "w", {"epochs": 2}))


def test_without_data_it_says_so(recipe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        recipe.main(["--data", str(tmp_path), "--work", str(tmp_path / "w")])
    assert ended.value.code == 2
