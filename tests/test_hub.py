"""Weights: finding, fetching over a real connection, and opening."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reelpulse import hub
from reelpulse.cli import models as models_cli
from reelpulse.errors import ModelError

CONTENT = bytes(range(256)) * 1500  # more than one chunk
HALF = len(CONTENT) // 2


class Handler(BaseHTTPRequestHandler):
    """Answers as `server.mode` says and keeps the Range header of every request."""

    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        content, mode = self.server.content, self.server.mode
        if mode == "hang":
            self.server.release.wait(20)
            return
        if mode == "missing":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if mode == "ignore range":
            start = 0
        if start and start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mode == "cut":
            self.wfile.write(body[:HALF])
        elif mode == "stall":
            self.wfile.write(body[:HALF])
            self.wfile.flush()
            self.server.release.wait(20)
            self.wfile.write(body[HALF:])
        else:
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server on a free port of this machine."""

    daemon_threads = True
    mode = "serve"
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.release = threading.Event()

    def handle_error(self, *args: Any) -> None:
        """Say nothing of clients that went away."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that says nothing."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(hub, "cache_folder", lambda: folder)
    for name in ("REELPULSE_MODELS", "REELPULSE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return folder


def entry(url: str | None, **changes: Any) -> hub.Weights:
    facts: dict[str, Any] = {
        "name": "tiny",
        "kind": "emotion",
        "file": "tiny.onnx",
        "url": url,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "git_blob": None,
        "licence": "CC0",
        "about": "for tests",
    }
    return hub.Weights(**{**facts, **changes})


@pytest.fixture
def tiny(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> hub.Weights:
    """The only known weights, served by `server`."""
    weights = entry(f"http://127.0.0.1:{server.server_port}/tiny.onnx")
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": weights})
    return weights


def put(folder: Path, content: bytes = CONTENT, name: str = "tiny.onnx") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_one_line(error: pytest.ExceptionInfo[ModelError], *parts: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# The table


@pytest.mark.parametrize("name", list(hub.WEIGHTS))
def test_every_entry_is_whole(name: str) -> None:
    weights = hub.WEIGHTS[name]
    assert weights.name == name
    assert weights.licence
    assert weights.about
    assert Path(weights.file).name == weights.file
    if weights.url is not None:
        assert weights.url.startswith("https://")
        assert weights.url.endswith(".onnx")
        assert len(weights.sha256 or "") == 64 or len(weights.git_blob or "") == 40


def test_the_recommended_ones_cover_the_face() -> None:
    recommended = {w.name: w.kind for w in hub.WEIGHTS.values() if w.recommended}
    assert recommended == {
        "yunet": "detector",
        "mobilefacenet": "identity",
        "enet_b0_8_va_mtl": "emotion",
    }


def test_import_is_light() -> None:
    code = (
        "import sys, reelpulse.hub, reelpulse.cli.models;"
        "print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "numpy", "onnxruntime", "urllib.request", "rich.table"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Finding


def test_a_path_is_taken_unchecked(tiny: hub.Weights, tmp_path: Path) -> None:
    path = put(tmp_path, b"anything")
    assert hub.locate(path) == path
    assert hub.locate(str(path)) == path


def test_nothing_is_found_without_a_file(tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache / "tiny.onnx", name="a folder is no file")
    assert hub.locate("tiny") is None
    assert hub.locate("other") is None
    for odd in ("", ".", "..", "x" * 5000, "~nobody-of-this-name/x", "nul\0"):
        assert hub.locate(odd) is None
    assert server.ranges == []


def test_order_of_places(
    tiny: hub.Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache = put(cache)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    monkeypatch.setenv("REELPULSE_MODELS", "")
    assert hub.locate("tiny") == in_cache
    monkeypatch.setenv("REELPULSE_MODELS", os.pathsep.join(["", str(first), str(second)]))
    assert hub.locate("tiny") == in_cache
    in_second = put(second)
    assert hub.locate("tiny") == in_second
    in_first = put(first)
    assert hub.locate("tiny") == in_first
    assert hub.locate("tiny.onnx") == in_first


def test_an_empty_variable_is_not_the_working_folder(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELPULSE_MODELS", "")
    assert hub.locate("tiny") is None


def test_a_known_name_beats_a_file_of_that_name(
    tiny: hub.Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, b"stray", name="tiny")
    monkeypatch.chdir(tmp_path)
    assert hub.locate("tiny") is None
    assert hub.locate("./tiny") == Path("./tiny")
    assert hub.locate("tiny") is None
    assert hub.locate("tiny") != put(cache, name="tiny")


def test_other_models_are_found_by_bare_name(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    mine = put(folder, b"mine", name="mine.onnx")
    put(tmp_path, b"outside", name="outside.onnx")
    monkeypatch.setenv("REELPULSE_MODELS", str(folder))
    assert hub.locate("mine.onnx") == mine
    assert hub.locate("../outside.onnx") is None


@pytest.mark.parametrize("name", ["tiny", "tiny.onnx"])
def test_a_wrong_file_is_named(name: str, tiny: hub.Weights, cache: Path) -> None:
    path = put(cache, b"wrong")
    with pytest.raises(ModelError) as error:
        hub.locate(name)
    expected, found = str(tiny.sha256)[:12], hashlib.sha256(b"wrong").hexdigest()[:12]
    is_one_line(error, str(path), expected, found, "delete", "`reelpulse models fetch tiny`")
    put(cache)
    assert hub.locate("tiny") == path


def test_a_file_is_checked_once_until_it_changes(
    tiny: hub.Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(cache)
    counted: list[int] = []
    real = hashlib.sha256

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(hashlib, "sha256", counting)
    hub.locate("tiny")
    hub.locate("tiny")
    assert len(counted) == 1
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(ModelError):
        hub.locate("tiny")


def test_git_blob_id(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"
    weights = entry(None, sha256=None, git_blob=blob, size=6)
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": weights})
    path = put(cache, b"hello\n")
    assert hub.locate("tiny") == path
    path = put(cache, b"hullo\n")
    os.utime(path, ns=(0, 10**18))
    with pytest.raises(ModelError, match=blob[:12]):
        hub.locate("tiny")


def test_builtin_comes_with_the_package(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    monkeypatch.setattr("importlib.resources.files", lambda name: package)
    assert hub.locate("builtin") is None
    with pytest.raises(ModelError, match="reinstall"):
        hub.obtain("builtin")
    path = put(package / "assets", name=hub.WEIGHTS["builtin"].file)
    assert hub.locate("builtin") == path
    assert hub.obtain("builtin") == path
    assert hub.fetch("builtin") == path
    put(package / "assets", name=hub.WEIGHTS["yunet"].file)
    assert hub.locate("yunet") is None


def test_best_at_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = {name: entry(None, name=name, file=f"{name}.onnx") for name in ("a", "b", "c")}
    monkeypatch.setattr(hub, "WEIGHTS", {**known, "ear": entry(None, name="ear", kind="voice")})
    assert hub.best_at_hand("emotion", ["a", "b", "c"]) is None
    put(cache, name="c.onnx")
    put(cache, b"damaged", name="b.onnx")
    with caplog.at_level(logging.WARNING, logger="reelpulse"):
        assert hub.best_at_hand("emotion", ["a", "b", "c"]) == "c"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "b.onnx" in caplog.text
    put(cache, name="a.onnx")
    assert hub.best_at_hand("emotion", ["a", "b", "c"]) == "a"
    with pytest.raises(ModelError, match="voice"):
        hub.best_at_hand("emotion", ["ear"])


def test_unknown_name(cache: Path) -> None:
    with pytest.raises(ModelError) as error:
        hub.obtain("YuNett")
    is_one_line(error, "YuNett", "did you mean `yunet`?", *hub.WEIGHTS)
    with pytest.raises(ModelError) as error:
        hub.obtain(Path("no/such/file.onnx"))
    is_one_line(error, "no/such/file.onnx", *hub.WEIGHTS)
    assert "did you mean" not in str(error.value)


# Fetching


def test_fetch(tiny: hub.Weights, cache: Path, server: Server) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = hub.fetch("tiny", progress=lambda *values: seen.append(values))
    assert path == cache / "tiny.onnx"
    assert path.read_bytes() == CONTENT
    assert names(cache) == ["tiny.onnx"]
    assert seen[-1] == ("tiny", len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert server.ranges == [None]


def test_obtain_fetches_once(tiny: hub.Weights, cache: Path, server: Server) -> None:
    assert hub.obtain("tiny") == hub.obtain("tiny") == hub.fetch("tiny") == cache / "tiny.onnx"
    assert server.ranges == [None]


def test_fetch_into(tiny: hub.Weights, cache: Path, tmp_path: Path) -> None:
    assert hub.fetch("tiny", into=tmp_path / "a" / "b") == tmp_path / "a" / "b" / "tiny.onnx"
    assert not cache.exists()


def test_fetch_replaces_a_damaged_file(tiny: hub.Weights, cache: Path) -> None:
    put(cache, b"damaged")
    assert hub.fetch("tiny").read_bytes() == CONTENT


def test_resume_after_a_cut(tiny: hub.Weights, cache: Path, server: Server) -> None:
    server.mode = "cut"
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    is_one_line(error, "tiny", f"{HALF} bytes", "kept", str(tiny.url), "REELPULSE_MODELS")
    assert names(cache) == ["tiny.onnx.part"]
    assert hub.locate("tiny") is None
    server.mode = "serve"
    seen: list[int] = []
    path = hub.fetch("tiny", progress=lambda _, done, total: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert seen[0] > HALF
    assert server.ranges == [None, f"bytes={HALF}-"]
    assert names(cache) == ["tiny.onnx"]


def test_a_server_that_ignores_the_range(tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache, CONTENT[:HALF], name="tiny.onnx.part")
    server.mode = "ignore range"
    assert hub.fetch("tiny").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={HALF}-"]


@pytest.mark.parametrize("part", [CONTENT + b"too much", b"?" * len(CONTENT)])
def test_range_past_the_end(part: bytes, tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache, part, name="tiny.onnx.part")
    assert hub.fetch("tiny").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(part)}-", None]


def test_a_complete_part_needs_no_network(tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache, name="tiny.onnx.part")
    assert hub.fetch("tiny").read_bytes() == CONTENT
    assert server.ranges == []
    assert names(cache) == ["tiny.onnx"]


@pytest.mark.parametrize(
    "content",
    [
        CONTENT[::-1],
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        CONTENT * 20,
        b"",
    ],
    ids=["wrong", "pointer", "far too long", "empty"],
)
def test_wrong_content(content: bytes, tiny: hub.Weights, cache: Path, server: Server) -> None:
    server.content = content
    seen = [0]
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny", progress=lambda _, done, total: seen.append(done))
    assert seen[-1] <= len(CONTENT) + hub.CHUNK
    is_one_line(error, "tiny.onnx", str(tiny.sha256)[:12], "REELPULSE_MODELS")
    assert names(cache) == []
    if len(content) == len(CONTENT):
        assert hashlib.sha256(content).hexdigest()[:12] in str(error.value)
    server.content = CONTENT
    assert hub.fetch("tiny").read_bytes() == CONTENT


def test_a_wrong_part_is_removed(tiny: hub.Weights, cache: Path, server: Server) -> None:
    put(cache, b"?" * HALF, name="tiny.onnx.part")
    with pytest.raises(ModelError, match="checksum"):
        hub.fetch("tiny")
    assert names(cache) == []
    assert hub.fetch("tiny").read_bytes() == CONTENT


def test_not_found(tiny: hub.Weights, cache: Path, server: Server) -> None:
    server.mode = "missing"
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    is_one_line(error, "tiny", "HTTP 404 Not Found", str(tiny.url), "tiny.onnx")
    assert "kept" not in str(error.value)


def test_no_connection(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/tiny.onnx"
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": entry(url)})
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    is_one_line(error, "tiny", "refused", url, "REELPULSE_MODELS")


def test_no_name_server(tiny: hub.Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    is_one_line(error, "tiny", "Name or service not known", "another machine")


@pytest.mark.parametrize(("mode", "kept"), [("hang", False), ("stall", True)])
def test_a_silent_server(
    mode: str, kept: bool, tiny: hub.Weights, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    server.mode = mode
    began = time.monotonic()
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    assert time.monotonic() - began < 5
    is_one_line(error, "tiny", "no answer within 0.3 s", "REELPULSE_MODELS")
    assert ("kept" in str(error.value)) == kept


@pytest.mark.parametrize(("value", "refused"), [("1", True), ("0", False), ("", False)])
def test_offline_is_refused_at_once(
    value: str,
    refused: bool,
    tiny: hub.Weights,
    cache: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REELPULSE_OFFLINE", value)
    if not refused:
        hub.obtain("tiny")
        return
    with pytest.raises(ModelError) as error:
        hub.obtain("tiny")
    is_one_line(error, "tiny", "REELPULSE_OFFLINE", str(tiny.url), "set REELPULSE_MODELS to")
    assert server.ranges == []
    path = put(cache)
    assert hub.obtain("tiny") == hub.fetch("tiny") == path


def test_a_folder_that_cannot_be_made(tiny: hub.Weights, tmp_path: Path) -> None:
    file = put(tmp_path, name="file")
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny", into=file)
    is_one_line(error, str(file), "cannot be written")


@contextmanager
def half_fetched(server: Server, cache: Path) -> Iterator[Future[Path]]:
    """Fetch in a thread that has part of the file when the block begins, the rest at its end."""
    server.mode = "stall"
    part = cache / "tiny.onnx.part"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(hub.fetch, "tiny")
        wait_for(lambda: part.exists() and part.stat().st_size > 0)
        yield future
        server.release.set()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_name_appears_only_when_all_is_there(
    tiny: hub.Weights, cache: Path, server: Server
) -> None:
    put(cache, b"the old file")
    with half_fetched(server, cache) as fetching:
        assert (cache / "tiny.onnx").read_bytes() == b"the old file"
    assert fetching.result() == cache / "tiny.onnx"
    assert (cache / "tiny.onnx").read_bytes() == CONTENT


def test_two_at_once(tiny: hub.Weights, cache: Path, server: Server) -> None:
    with half_fetched(server, cache) as fetching:
        server.mode = "cut"
        with pytest.raises(ModelError) as error:
            hub.fetch("tiny")
        assert "kept" not in str(error.value)
        server.mode = "serve"
        assert hub.fetch("tiny").read_bytes() == CONTENT
        assert server.ranges == [None, None, None]
        assert "tiny.onnx.part" in names(cache)
    assert fetching.result().read_bytes() == CONTENT
    assert names(cache) == ["tiny.onnx"]


def test_another_process_was_faster(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_the_other(*args: Any) -> bool:
        put(cache)
        return True

    monkeypatch.setattr(hub, "_try_lock", after_the_other)
    assert hub.fetch("tiny").read_bytes() == CONTENT
    assert server.ranges == []


def test_a_lock_that_was_just_removed_is_no_lock(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    real = fcntl.flock

    def too_late(descriptor: int, operation: int) -> None:
        (cache / ".tiny.onnx.lock").unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)
    server.mode = "cut"
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    assert "kept" not in str(error.value)
    assert names(cache) == []


def test_many_at_once(tiny: hub.Weights, cache: Path) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            assert hub.fetch("tiny").read_bytes() == CONTENT
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert names(cache) == ["tiny.onnx"]


def test_resume_after_a_kill(tiny: hub.Weights, cache: Path, server: Server) -> None:
    server.mode = "stall"
    code = (
        "import sys; from pathlib import Path; from reelpulse import hub;"
        "hub.WEIGHTS['tiny'] = hub.Weights('tiny', 'emotion', 'tiny.onnx', sys.argv[1],"
        " None, sys.argv[2], None, '', '');"
        "hub.fetch('tiny', into=sys.argv[3])"
    )
    command = [sys.executable, "-c", code, str(tiny.url), str(tiny.sha256), str(cache)]
    process = subprocess.Popen(command)
    part = cache / "tiny.onnx.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    process.kill()
    process.wait()
    kept = part.stat().st_size
    server.mode = "serve"
    assert hub.fetch("tiny").read_bytes() == CONTENT
    assert 0 < kept <= HALF
    assert server.ranges == [None, f"bytes={kept}-"]
    assert names(cache) == ["tiny.onnx"]


# Opening


def network(metadata: dict[str, str] | None = None) -> bytes:
    """An ONNX file that adds one to three numbers."""
    from onnx import TensorProto, helper

    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    one = helper.make_tensor("one", TensorProto.FLOAT, [3], [1.0, 1.0, 1.0])
    node = helper.make_node("Add", ["x", "one"], ["y"])
    graph = helper.make_graph([node], "g", [shape], [result], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    return bytes(model.SerializeToString())


def test_open_onnx(tmp_path: Path) -> None:
    import numpy as np

    about = {"kind": "emotion", "steps": 15}
    content = network({"reelpulse": json.dumps(about)})
    model = hub.open_onnx(put(tmp_path, content), threads=2)
    assert model.path == tmp_path / "tiny.onnx"
    assert model.metadata == about
    assert model.checksum == hashlib.sha256(content).hexdigest()[:16]
    (result,) = model.session.run(None, {"x": np.arange(3, dtype=np.float32)})
    assert result.tolist() == [1, 2, 3]
    options = model.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert model.session.get_providers() == ["CPUExecutionProvider"]


def test_open_onnx_without_metadata(tmp_path: Path) -> None:
    model = hub.open_onnx(str(put(tmp_path, network({"other": "{"}))))
    assert model.metadata == {}
    assert model.session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", "[" * 100_000])
def test_lying_metadata(text: str, tmp_path: Path) -> None:
    path = put(tmp_path, network({"reelpulse": text}))
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "metadata")


class Bomb:
    """Pickles as the creation of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", ["model.onnx", "model.pt", "model.pkl", "model.PTH"])
def test_a_pickle_is_never_run(protocol: int, name: str, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    content = pickle.dumps(Bomb(proof), protocol)
    path = put(tmp_path, content, name=name)
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path))
    if protocol or name != "model.onnx":
        assert "pickles are never loaded" in str(error.value)
    assert not proof.exists()
    pickle.loads(content)
    assert proof.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\x80",
        b"some text\nof two lines\n",
        bytes(1000),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    ],
    ids=["empty", "newline", "byte", "text", "zeros", "pointer"],
)
def test_no_usable_file(content: bytes, tmp_path: Path) -> None:
    path = put(tmp_path, content)
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "" if content else "it is empty")
    assert str(error.value).count(str(path)) == 1


def test_a_zipped_pickle_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, b"PK\3\4" + bytes(100))
    with pytest.raises(ModelError, match="pickles are never loaded"):
        hub.open_onnx(path)


@pytest.mark.parametrize("length", [2, 20, -20, -1])
def test_truncated(length: int, tmp_path: Path) -> None:
    path = put(tmp_path, network()[:length])
    with pytest.raises(ModelError) as error:
        hub.open_onnx(path)
    is_one_line(error, str(path), "not a usable ONNX model")


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ModelError) as error:
            hub.open_onnx(path)
        is_one_line(error, str(path), "cannot be read")


# The command line


def run(*args: str) -> Any:
    return CliRunner().invoke(models_cli.app, list(args))


def test_list_as_json(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "here": entry(None, name="here", file="here.onnx"),
        "bad": entry(None, name="bad", file="bad.onnx", recommended=True),
        "away": entry("https://example.org/a", name="away", file="a.onnx", non_commercial=True),
    }
    monkeypatch.setattr(hub, "WEIGHTS", known)
    path = put(cache, name="here.onnx")
    put(cache, b"damaged", name="bad.onnx")
    result = run("list", "--json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(rows) == list(known)
    assert (rows["here"]["path"], rows["here"]["problem"]) == (str(path), None)
    assert rows["bad"]["path"] is None
    assert "delete it" in rows["bad"]["problem"]
    assert (rows["away"]["path"], rows["away"]["problem"]) == (None, None)
    assert rows["away"]["non_commercial"]
    assert not rows["here"]["non_commercial"]
    assert rows["away"]["licence"] == "CC0"


def test_list_as_table(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    folder = tmp_path / "[bold]models"
    path = put(folder, name="free.onnx")
    monkeypatch.setenv("REELPULSE_MODELS", str(folder))
    known = {
        "free": entry(None, name="free", file="free.onnx", licence="MIT", size=12_340_000),
        "research": entry("https://example.org/a", name="research", non_commercial=True),
    }
    monkeypatch.setattr(hub, "WEIGHTS", known)
    result = run("list")
    assert result.exit_code == 0
    free = next(line for line in result.stdout.splitlines() if "free" in line)
    assert "MIT " in free
    assert "MIT *" not in free
    assert str(path) in free
    assert "12.3 MB" in free
    assert "emotion" in free
    research = next(line for line in result.stdout.splitlines() if "research" in line)
    assert "CC0 *" in research
    assert " no " in research
    assert (
        "* trained on data given for non-commercial use, or without a stated licence"
        in result.stdout
    )


def test_fetch_takes_the_recommended_ones(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = entry(tiny.url, name="good", file="good.onnx", recommended=True)
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": tiny, "good": good})
    result = run("fetch")
    assert (result.exit_code, result.stdout) == (0, f"good: {cache / 'good.onnx'}\n")
    assert names(cache) == ["good.onnx"]
    assert run("fetch").exit_code == 0
    assert server.ranges == [None]


def test_fetch_goes_on_past_a_failure(
    tiny: hub.Weights, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = entry(tiny.url, name="bad", file="bad.onnx", sha256="0" * 64)
    monkeypatch.setattr(hub, "WEIGHTS", {"bad": bad, "tiny": tiny})
    result = run("fetch", "bad", "unknown", "bad", "tiny")
    assert result.exit_code == 1
    assert result.stdout == f"tiny: {cache / 'tiny.onnx'}\n"
    assert "000000000000 expected" in result.stderr
    assert result.stderr.splitlines()[-1] == "Not fetched: bad, unknown"
    assert "Traceback" not in result.output
    assert server.ranges == [None, None]
    assert names(cache) == ["tiny.onnx"]


def test_fetch_names_no_file(
    tiny: hub.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, name="some.onnx")
    result = run("fetch", str(path))
    assert result.exit_code == 1
    assert "Known: tiny" in result.stderr


def test_fetch_shows_progress_unless_quiet(tiny: hub.Weights, cache: Path) -> None:
    loud = run("fetch", "tiny")
    assert "tiny" in loud.stderr
    assert "384.0" in loud.stderr
    (cache / "tiny.onnx").unlink()
    quiet = run("fetch", "--quiet", "tiny")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert (cache / "tiny.onnx").exists()
