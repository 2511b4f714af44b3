"""How the source hangs together: rooms, imports, sizes, and no pickles."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reelpulse
from conftest import make_video
from fakes import write_emotion_onnx

SOURCE = Path(reelpulse.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = (
    *("errors", "files", "times", "settings", "config"),
    *("hub", "media", "timeline", "learn", "faces", "checkpoints", "speech", "genre"),
    *("streams", "measure", "resolve", "outputs", "analysis", "moments", "library"),
    *("collect", "export", "batch", "live", "cluster", "web", "demo", "cli"),
)
"""From the top down: a file imports only from its own room and those before it."""

HEAVY = {"torch", "timm", "lightning", "sklearn", "librosa", "ray", "plotly", "xgboost", "skimage"}
SLOW = {"numpy", "cv2", "av", "onnxruntime", "h5py", "scipy", "dlib"}
MOST_LINES = 400


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module(path: Path) -> list[str]:
    """The parts of a file's module name, `__init__` left off."""
    parts = ["reelpulse", *path.relative_to(SOURCE).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(node: ast.AST, path: Path) -> list[str]:
    """Full names of the modules, and of the names taken from them, that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module(path) if path.name == "__init__.py" else module(path)[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported, those inside if, try, with and class too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import(node.orelse)
            continue
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from at_import(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            yield from at_import(handler.body)


def names(path: Path) -> str:
    return str(path.relative_to(SOURCE))


everywhere = pytest.mark.parametrize("path", FILES, ids=names)


def test_every_file_belongs_to_a_room() -> None:
    assert len(FILES) > 30
    rooms = {module(path)[1] for path in FILES if len(module(path)) > 1}
    assert rooms - {"__main__"} <= set(ROOMS), rooms


def too_low(path: Path, source: ast.Module) -> list[str]:
    """What a file imports from rooms below its own."""
    own = module(path)[1]
    reach = len(ROOMS) if own == "__main__" else ROOMS.index(own) + 1
    found = []
    for node in ast.walk(source):
        for name in imported(node, path):
            parts = name.split(".")
            if parts[0] != "reelpulse" or len(parts) == 1:
                continue  # `import reelpulse` is for the version, checked below
            if parts[1] not in ROOMS[:reach]:
                found.append(f"line {node.lineno}: {name}")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", [p for p in FILES if p != SOURCE / "__init__.py"], ids=names)
def test_imports_come_from_rooms_above(path: Path) -> None:
    assert too_low(path, tree(path)) == []


def test_the_walk_sees_imports_of_every_form() -> None:
    path = SOURCE / "media" / "video.py"
    for line, low in [
        ("import reelpulse.cli", True),
        ("from reelpulse import analysis", True),
        ("from reelpulse.faces.align import crop", True),
        ("from ..timeline import Timeline", True),
        ("def f():\n    from reelpulse.timeline import Timeline", True),
        ("from . import audio", False),
        ("from .probe import probe", False),
        ("from reelpulse.errors import at", False),
        ("import reelpulse", False),
    ]:
        assert bool(too_low(path, ast.parse(line))) == low, line


@everywhere
def test_the_package_itself_is_imported_for_its_version_alone(path: Path) -> None:
    source = tree(path)
    uses = {
        node.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "reelpulse"
    }
    assert uses <= {"__version__"}


def top_level_packages(path: Path) -> set[str]:
    nodes = at_import(tree(path).body)
    return {name.split(".")[0] for node in nodes for name in imported(node, path)}


@everywhere
def test_heavy_libraries_are_imported_where_they_are_needed(path: Path) -> None:
    assert not top_level_packages(path) & HEAVY


@everywhere
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def pickles(source: ast.Module, path: Path) -> list[str]:
    """Ways to load a pickle."""
    loaders = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
    found = []
    for node in ast.walk(source):
        found += [n for n in imported(node, path) if n.split(".")[0] in loaders]
        found += [n for n in imported(node, path) if n in ("torch.load", "pandas.read_pickle")]
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) in ("torch.load", "torch.jit.load", "pd.read_pickle"):
            found.append(ast.unparse(node))
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg == "allow_pickle":
                if not (isinstance(value, ast.Constant) and value.value is False):
                    found.append(ast.unparse(node))
            elif keyword.arg == "weights_only":
                found.append(ast.unparse(node))
    return found


@everywhere
def test_no_pickle_is_ever_loaded(path: Path) -> None:
    assert pickles(tree(path), path) == []


def test_the_walk_sees_pickles_of_every_form() -> None:
    for line in (
        "import pickle",
        "from pickle import loads",
        "def f():\n    import joblib",
        "x = np.load(p, allow_pickle=True)",
        "x = np.load(p, allow_pickle=maybe)",
        "x = torch.load(p)",
        "from torch import load",
    ):
        assert pickles(ast.parse(line), SOURCE / "hub.py"), line
    assert not pickles(ast.parse("np.load(p, allow_pickle=False)"), SOURCE / "hub.py")


def modules_after(code: str, folder: Path) -> set[str]:
    """Top-level modules that a fresh Python holds after running some code."""
    code += "\nimport json, sys"
    code += "\nprint('\\n' + json.dumps([name.split('.')[0] for name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import reelpulse",
        "import reelpulse.cli",
        "import sys\nimport reelpulse.cli\n"
        "sys.argv = ['reelpulse', '--help']\n"
        "try: reelpulse.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["reelpulse", "cli", "help"],
)
def test_importing_and_asking_for_help_loads_nothing_slow(code: str, tmp_path: Path) -> None:
    loaded = modules_after(code, tmp_path)
    assert "reelpulse" in loaded
    assert not loaded & (SLOW | HEAVY)


def test_analysing_a_clip_loads_no_training_library(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", fps=10, seconds=2)
    write_emotion_onnx(tmp_path / "face.onnx")
    code = (
        "import reelpulse\n"
        "t = reelpulse.analyze('clip.mp4', out='out', detector='dlib', identity='none',"
        " emotion='face.onnx')\n"
        "assert len(t) == 4\n"
        "reelpulse.find_moments(t)"
    )
    loaded = modules_after(code, tmp_path)
    assert {"numpy", "av", "onnxruntime"} <= loaded
    assert not loaded & (HEAVY | {"onnx", "matplotlib", "pandas"})
