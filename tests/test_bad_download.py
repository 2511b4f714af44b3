"""Downloads that go wrong in ways of their own: statuses, proxies, loops, closed folders."""

from __future__ import annotations

import errno
import os
import socket
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hub_server import CONTENT, HALF, Server, cache, entry, is_one_line, names, server, tiny
from reelpulse import hub
from reelpulse.errors import ModelError

__all__ = ["cache", "server", "tiny"]


def answering(server: Server, answer: Any) -> None:
    """Let the server answer by a function of its request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.ranges.append(self.headers.get("Range"))
            answer(self)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server.RequestHandlerClass = Handler


def refused(name: str = "tiny") -> pytest.ExceptionInfo[ModelError]:
    with pytest.raises(ModelError) as error:
        hub.fetch(name)
    is_one_line(error, "tiny", "REELPULSE_MODELS")
    return error


@pytest.mark.parametrize("status", [401, 403, 404, 407, 410, 429, 500, 502, 503, 504])
def test_a_status_of_refusal_is_named(
    tiny: hub.Weights, cache: Path, server: Server, status: int
) -> None:
    answering(server, lambda request: request.send_error(status))
    assert f"HTTP {status}" in str(refused().value)
    assert names(cache) == []


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_in_a_circle_end(tiny: hub.Weights, server: Server, status: int) -> None:
    def circle(request: Any) -> None:
        request.send_response(status)
        request.send_header("Location", str(tiny.url))
        request.send_header("Content-Length", "0")
        request.end_headers()

    answering(server, circle)
    refused()
    assert len(server.ranges) < 30


@pytest.mark.parametrize("place", ["", "file:///etc/passwd", "ftp://127.0.0.1:1/x", "http://[::1"])
def test_a_redirect_to_nowhere(tiny: hub.Weights, server: Server, place: str) -> None:
    def away(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", place)
        request.send_header("Content-Length", "0")
        request.end_headers()

    answering(server, away)
    refused()


def test_a_server_that_speaks_no_http(tiny: hub.Weights, server: Server) -> None:
    answering(server, lambda request: request.wfile.write(b"\x15\x03\x01 hello\r\n\r\n"))
    refused()


@pytest.mark.parametrize("length", ["-5", "many", "99999999999999999999999", "0"])
def test_a_length_that_lies(tiny: hub.Weights, cache: Path, server: Server, length: str) -> None:
    def lie(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", length)
        request.end_headers()
        request.wfile.write(CONTENT)

    answering(server, lie)
    try:
        assert hub.fetch("tiny").read_bytes() == CONTENT
    except ModelError as error:
        assert "tiny" in str(error)  # noqa: PT017  either will do
        assert not (cache / "tiny.onnx").exists()


def test_another_part_than_asked_for_is_not_put_together(
    tiny: hub.Weights, cache: Path, server: Server
) -> None:
    cache.mkdir()
    (cache / "tiny.onnx.part").write_bytes(CONTENT[:HALF])

    def other(request: Any) -> None:
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT)

    answering(server, other)
    with pytest.raises(ModelError, match="checksum"):
        hub.fetch("tiny")
    assert not (cache / "tiny.onnx").exists()


def heed_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own: the first download settles the proxies of all."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_that_is_not_there(
    tiny: hub.Weights, monkeypatch: pytest.MonkeyPatch, server: Server, variable: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    heed_proxies(monkeypatch)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    assert "refused" in str(refused().value)
    assert server.ranges == []


@pytest.mark.parametrize("proxy", ["http://", "nonsense", "http://127.0.0.1:99999", "socks5://x:1"])
def test_a_proxy_that_is_none(
    tiny: hub.Weights, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    heed_proxies(monkeypatch)
    monkeypatch.setenv("http_proxy", proxy)
    refused()


def test_a_server_without_the_encryption_asked_for(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = entry(f"https://127.0.0.1:{server.server_port}/tiny.onnx")
    monkeypatch.setattr(hub, "WEIGHTS", {"tiny": weights})
    refused()
    assert names(cache) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_cache_that_cannot_be_written(
    tiny: hub.Weights, cache: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def closed(*arguments: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", closed)
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny")
    is_one_line(error, str(cache), "cannot be written", os.strerror(code))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_of_models_that_cannot_be(tiny: hub.Weights) -> None:
    with pytest.raises(ModelError) as error:
        hub.fetch("tiny", into="/proc/none/models")
    is_one_line(error, "/proc/none/models", "cannot be written")
