"""The page of genre, served for a test."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reelpulse.genre.model import load_genre
from reelpulse.genre.pictures import write_picture
from reelpulse.web.genre import GenreServer


def served(model: Path) -> Iterator[GenreServer]:
    server = GenreServer(load_genre(model), port=0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def file(path: Path, picture: Any) -> Path:
    write_picture(path, picture)
    return path


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
