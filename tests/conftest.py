"""What the tests share: clips, the folders of data and models, the command line."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from films import Array, Sound, make_video

REPOSITORY = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure() -> None:
    """Keep each of several workers to a core of its own, and all that it starts.

    Networks compute in as many threads as there are cores: two workers with two threads each on
    two cores wait for each other, and take twice as long.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a real face that wanders, and is gone from 3 to 4 s; stepping sound."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    portrait = data.astronaut()

    def paint(number: int, size: tuple[int, int]) -> Array:
        if 30 <= number < 40:
            return np.full((size[1], size[0], 3), 90, np.uint8)
        x, y = 80 + round(30 * np.sin(number / 9)), 10 + round(10 * np.cos(number / 5))
        return np.ascontiguousarray(portrait[y : y + size[1], x : x + size[0]])

    path = tmp_path_factory.mktemp("face") / "face.mp4"
    return make_video(path, fps=10, seconds=6, size=(320, 240), paint=paint, sounds=[Sound()])


# Where things are


@pytest.fixture(autouse=True)
def _nothing_of_the_users(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No test sees or fills the user's cache, finds models by chance or asks the network."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(home / "cache"))
    if "test_models" not in request.fixturenames:
        (home / "models").mkdir()
        monkeypatch.setenv("REELPULSE_MODELS", str(home / "models"))
    monkeypatch.setenv("REELPULSE_OFFLINE", "1")


@pytest.fixture
def models_folder(_nothing_of_the_users: None) -> Path:
    """The folder of models that this test sees: empty until it puts something there."""
    return Path(os.environ["REELPULSE_MODELS"])


@pytest.fixture
def tiny_emotion(models_folder: Path) -> Path:
    """A network under the built-in emotion model's name that answers in microseconds."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    from fakes import write_emotion_onnx

    columns = "anger contempt disgust fear happiness neutral sadness surprise valence arousal"
    described = {
        "kind": "face_emotion",
        "outputs": columns.split(),
        "input": {"size": [16, 16], "colour": "grey", "mean": [0.5], "std": [0.25]},
        "crop": {"geometry": "box", "margin": 0.0},
    }
    path = models_folder / "face_emotion.onnx"
    write_emotion_onnx(path, described, size=16, channels=1)
    return path


def _folder(variable: str, name: str, what: str) -> Path:
    path = Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / name)
    if not path.is_dir():
        pytest.skip(f"no test {what}: set {variable}")
    return path


@pytest.fixture
def test_data() -> Path:
    """The folder of real recordings."""
    return _folder("REELPULSE_TEST_DATA", "data", "data")


@pytest.fixture
def test_models(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real models, which the code under test then finds."""
    path = _folder("REELPULSE_MODELS", "models", "models")
    monkeypatch.setenv("REELPULSE_MODELS", str(path))
    return path


# The command line


class Ran(NamedTuple):
    """How a command ended: its exit status, and the lines it printed."""

    code: int
    out: str
    errors: list[str]

    def one_line(self, *parts: str) -> None:
        """Check that it said one thing, about `parts`, and ended with 1."""
        assert self.code == 1, self
        assert len(self.errors) == 1, self.errors
        assert self.errors[0].startswith("error: ")
        for part in parts:
            assert part in self.errors[0]


Command = Callable[..., Ran]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """The command line in this process, in an empty folder; all that reaches stderr is caught."""
    from reelpulse import cli

    monkeypatch.chdir(tmp_path)
    notes = logging.getLogger("reelpulse")
    for name in ("handlers", "level", "propagate"):  # what the command sets, put back afterwards
        monkeypatch.setattr(notes, name, getattr(notes, name))

    def command(*arguments: Any) -> Ran:
        monkeypatch.setattr(sys, "argv", ["reelpulse", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(bool(code)), out, err.splitlines())

    return command


@pytest.fixture
def analyze(run: Command) -> Command:
    """``reelpulse analyze --quiet``, which says only what matters."""
    return lambda *arguments: run("analyze", "--quiet", *arguments)


@pytest.fixture
def loud(analyze: Command) -> Command:
    """The same, measuring sound alone: no models needed."""
    return lambda *arguments: analyze("--stream", "loudness", *arguments)


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function from whose call on any decoding is an error."""
    from reelpulse import measure

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the video was opened to be measured")

    return lambda: monkeypatch.setattr(measure, "TickReader", refuse)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on the path")
    with playwright.sync_playwright() as driver:
        # As root, as in a container, Chromium starts without its sandbox or not at all.
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else []
        )
        yield browser
        browser.close()
