"""A page on which two pictures are dropped, and what genre they are of appears."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import reelpulse
from reelpulse.errors import DataError, MediaError, ReelpulseError, SettingsError
from reelpulse.genre.model import GenreModel
from reelpulse.genre.pictures import decode_picture

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORT = 8765

MOST_BYTES = 64 << 20
"""Of a request: two pictures of 20 MB each, as base64."""

_SECONDS = 60
"""Without a byte from the browser, after which it is given up."""

_DIGITS = 4

_FILES = {
    "/": ("genre.html", "text/html; charset=utf-8"),
    "/genre.css": ("genre.css", "text/css; charset=utf-8"),
    "/genre.js": ("genre.js", "text/javascript; charset=utf-8"),
}

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Refused(Exception):
    """A request that is answered with a status and a line."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class GenreServer(ThreadingHTTPServer):
    """Serves the page, and what one model says of the pictures dropped on it.

    It listens on this machine alone, and answers only those who call it by this machine's name: a
    page of somebody else's, whose name was made to lead here, gets nothing.

    Parameters
    ----------
    model : GenreModel
        Held once, and asked by one request at a time.
    port : int
        0 for any that is free.

    Raises
    ------
    SettingsError
        When the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let two listen at one port

    def __init__(self, model: GenreModel, port: int = PORT) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(
                f"port {port} cannot be had ({reason}): give another --port, or 0 for a free one"
            ) from None
        self.model = model
        self._asked = threading.Lock()
        files = resources.files("reelpulse.web") / "static"
        self.files = {
            path: (files.joinpath(name).read_bytes(), kind) for path, (name, kind) in _FILES.items()
        }

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser may call it."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    def about(self) -> dict[str, Any]:
        """What the page wants to know of the model."""
        model = self.model
        return {
            "model": model.name,
            "network": str(model.description.get("name", "")),
            "classes": list(model.classes),
            "needs_pair": model.needs_pair,
            "most_bytes": MOST_BYTES,
            "reelpulse": reelpulse.__version__,
        }

    def answer(self, asked: Any) -> dict[str, Any]:
        """Look at the pictures of a request.

        Parameters
        ----------
        asked : dict
            ``pictures``: one or two files, the earlier frame first, each base64 text, or a dict of
            it as ``data`` with a ``name``.

        Returns
        -------
        dict
            ``label``, and ``probabilities`` by class.

        Raises
        ------
        ReelpulseError
            When they are none, or the network fails.
        """
        given = asked.get("pictures") if isinstance(asked, dict) else None
        if not isinstance(given, list) or not 1 <= len(given) <= 2:
            raise DataError('give {"pictures": [first, second]}, each a file as base64')
        with self._asked:
            pictures = [_picture(item, number) for number, item in enumerate(given, 1)]
            found = self.model([(pictures[0], pictures[1] if len(pictures) > 1 else None)])[0]
        shares = {
            name: round(float(share), _DIGITS)
            for name, share in zip(self.model.classes, found, strict=True)
        }
        return {"label": self.model.classes[int(np.argmax(found))], "probabilities": shares}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a browser that went away; it is nobody's trouble."""
        log.debug("a request ended early", exc_info=True)


def _picture(item: Any, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    name = f"picture {number}"
    if isinstance(item, dict):
        name = str(item.get("name") or name)
        item = item.get("data")
    try:
        data = base64.b64decode(item, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise DataError(f"{name}: is not base64") from None
    if not data:
        raise MediaError(f"{name}: is empty (0 bytes)")
    return decode_picture(np.frombuffer(data, np.uint8), name)


class _Handler(BaseHTTPRequestHandler):
    server: GenreServer
    protocol_version = "HTTP/1.1"
    server_version = "reelpulse"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Give a part of the page, or facts of the model."""
        self._guarded(self._get)

    def do_HEAD(self) -> None:
        """As GET, without the content."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """Look at pictures."""
        self._guarded(self._post)

    def _guarded(self, handle: Any) -> None:
        try:
            self._check_caller()
            handle()
        except _Refused as refused:
            self.close_connection = True  # its body may not have been read
            self._json({"error": str(refused)}, refused.status)
        except ReelpulseError as error:
            self._json({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        except MemoryError:
            problem = "the pictures need more memory than there is: give smaller ones"
            self._json({"error": problem}, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _check_caller(self) -> None:
        """Refuse who calls this machine by another name, or from another page."""
        hosts = self.server.hosts
        if self.headers.get("Host", "").lower() not in hosts:
            problem = f"call this page as {self.server.url}"
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, problem)
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, "other pages may not ask here")

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == "/model.json":
            self._json(self.server.about())
        elif path in self.server.files:
            self._send(*self.server.files[path])
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> None:
        if urlsplit(self.path).path != "/predict":
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the pictures as JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "say how long the request is")
        if int(length) > MOST_BYTES:
            problem = f"more than {MOST_BYTES >> 20} MB were sent: give smaller pictures"
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        body = self.rfile.read(int(length))
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "what was sent is no JSON") from None
        self._json(self.server.answer(asked))

    def _json(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        text = json.dumps(value, ensure_ascii=False)
        self._send(text.encode("utf-8", "replace"), "application/json; charset=utf-8", status)

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing on stderr of each request."""
        log.debug(format, *arguments)
