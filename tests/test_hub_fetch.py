"""Weights: fetched over a real connection."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub_server import (
    CONTENT,
    HALF,
    Server,
    cache,
    entry,
    is_one_line,
    names,
    put,
    server,
    tiny,
)
from reelpulse import hub
from reelpulse.errors import ModelError

__all__ = ["cache", "server", "tiny"]


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
