"""``reelpulse genre serve``: what it answers, whom it refuses, and the page in a browser."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from genre_models import COLOURS, coloured, textured, write_genre_model
from genre_served import encoded, file, pair_server, server
from reelpulse.web.genre import HOST, MOST_BYTES, GenreServer

JSON = {"Content-Type": "application/json"}


__all__ = ["pair_server", "server"]


def asked(
    server: GenreServer,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Ask, as a browser does: status, headers and content of the answer."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=30)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body)
        given = headers if headers is not None else (JSON if content is not None else {})
        connection.request(
            method or ("POST" if content is not None else "GET"), path, content, given
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


# What it answers


def test_two_files_have_shares(pair_server: GenreServer, tmp_path: Path) -> None:
    first = encoded(file(tmp_path / "a.png", textured()))
    second = {"name": "b.png", "data": encoded(file(tmp_path / "b.png", textured(8)))}
    status, headers, content = asked(pair_server, "/predict", {"pictures": [first, second]})
    found = json.loads(content)
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert found["label"] == "action"
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_one_file_is_enough_for_single_frames(server: GenreServer, tmp_path: Path) -> None:
    for which, name in enumerate(COLOURS):
        given = encoded(file(tmp_path / "a.jpg", coloured(which)))
        content = asked(server, "/predict", {"pictures": [given]})[2]
        assert json.loads(content)["label"] == name


def test_many_ask_at_once(server: GenreServer, tmp_path: Path) -> None:
    files = [encoded(file(tmp_path / f"{i}.png", coloured(i))) for i in range(3)]

    def one(number: int) -> str:
        content = asked(server, "/predict", {"pictures": [files[number % 3]]})[2]
        return str(json.loads(content)["label"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == [COLOURS[number % 3] for number in range(24)]


def test_the_page_asks_nobody_else(server: GenreServer) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/genre.js", "text/javascript"),
        ("/genre.css", "text/css"),
    ):
        status, headers, content = asked(server, path)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(rb"https?://", content)
    status, _, content = asked(server, "/", method="HEAD")
    assert (status, content) == (200, b"")


def test_facts_of_the_model(pair_server: GenreServer) -> None:
    said = json.loads(asked(pair_server, "/model.json")[2])
    assert said["classes"] == ["romance", "action"]
    assert said["needs_pair"] is True
    assert (said["model"], said["network"]) == ("motion.onnx", "tiny")


# What and whom it refuses

EMPTY_PNG = base64.b64encode(b"no picture").decode()
BAD: list[tuple[Any, int, str]] = [
    (b"{", 400, "no JSON"),
    (b"[" * 100_000, 400, "no JSON"),
    (b"\xff\xfe\x00", 400, "no JSON"),
    ([], 422, "pictures"),
    ({"pictures": []}, 422, "pictures"),
    ({"pictures": "abc"}, 422, "pictures"),
    ({"pictures": [EMPTY_PNG] * 3}, 422, "pictures"),
    ({"pictures": [7]}, 422, "picture 1: is not base64"),
    ({"pictures": ["äöü"]}, 422, "picture 1: is not base64"),
    ({"pictures": [""]}, 422, "picture 1: is empty"),
    ({"pictures": [{"name": "그림.png", "data": EMPTY_PNG}]}, 422, "그림.png: is not a picture"),
]


@pytest.mark.parametrize(("body", "status", "problem"), BAD)
def test_a_bad_request_is_answered_in_a_line(
    server: GenreServer, body: Any, status: int, problem: str
) -> None:
    found, _, content = asked(server, "/predict", body)
    said = json.loads(content)
    assert found == status
    assert set(said) == {"error"}
    assert problem in said["error"]
    assert "\n" not in said["error"]


def test_pictures_that_do_not_fit_the_model(pair_server: GenreServer, tmp_path: Path) -> None:
    one = encoded(file(tmp_path / "a.png", textured()))
    other = encoded(file(tmp_path / "b.png", textured(size=(100, 60))))
    for given, problem in (([one], "needs two pictures"), ([one, other], "320×240 and 100×60")):
        status, _, content = asked(pair_server, "/predict", {"pictures": given})
        assert status == 422
        assert problem in json.loads(content)["error"]


def test_too_much_is_refused_before_it_is_read(server: GenreServer) -> None:
    headers = {**JSON, "Content-Length": str(MOST_BYTES + 1)}
    status, _, content = asked(server, "/predict", b"", headers)
    assert status == 413
    assert "MB" in json.loads(content)["error"]
    for length in ("-1", "many", "²"):
        headers = {**JSON, "Content-Length": length.encode("latin-1").decode("latin-1")}
        assert asked(server, "/predict", b"", headers)[0] == 411


def test_others_are_refused(server: GenreServer) -> None:
    """A name of somebody else that leads here, and pages of others."""
    here = f"{HOST}:{server.server_port}"
    body = b'{"pictures": []}'
    assert asked(server, "/", headers={"Host": f"localhost:{server.server_port}"})[0] == 200
    for host in ("evil.example", f"evil.example:{server.server_port}", HOST, ""):
        assert asked(server, "/", headers={"Host": host})[0] == 421
        assert asked(server, "/predict", body, {**JSON, "Host": host})[0] == 421
    for origin in ("https://evil.example", "null", f"http://{HOST}:1"):
        assert asked(server, "/predict", body, {**JSON, "Origin": origin})[0] == 403
    assert asked(server, "/predict", body, {**JSON, "Origin": f"http://{here}"})[0] == 422
    # What a form of another page can send without asking first:
    assert asked(server, "/predict", body, {"Content-Type": "text/plain"})[0] == 415


def test_there_is_nothing_else(server: GenreServer) -> None:
    for path in ("/nothing", "/../genre.py", "/static/genre.js", "/genre.js/", "//etc/passwd"):
        assert asked(server, path)[0] == 404
    assert asked(server, "/other", b"{}")[0] == 404
    assert asked(server, "/predict", method="PUT")[0] == 501


def test_a_browser_that_goes_away_harms_nobody(server: GenreServer) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: {HOST}:{server.server_port}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    for text in (head, "", "nonsense\r\n\r\n", head[:30]):
        with socket.create_connection((HOST, server.server_port)) as connection:
            connection.sendall(text.encode())
    assert asked(server, "/model.json")[0] == 200


def test_it_listens_on_this_machine_alone(server: GenreServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


# The command


def test_a_port_that_is_taken(run: Command, server: GenreServer, tmp_path: Path) -> None:
    ran = run("genre", "serve", "--model", tmp_path / "colours.onnx", "--port", server.server_port)
    ran.one_line(f"port {server.server_port} cannot be had", "--port")


def test_without_a_model_it_says_how_to_make_one(run: Command) -> None:
    run("genre", "serve").one_line("genre train")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of its own ends it there")
def test_the_command_prints_the_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    model = write_genre_model(tmp_path / "m.onnx")
    command = [sys.executable, "-m", "reelpulse", "genre", "serve", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)
        assert found
        connection = http.client.HTTPConnection(HOST, int(found[1]), timeout=30)
        connection.request("GET", "/model.json")
        assert json.loads(connection.getresponse().read())["model"] == "m.onnx"
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
