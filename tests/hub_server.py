"""A server of weights on this machine, and what tests of the hub share."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reelpulse import hub
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
