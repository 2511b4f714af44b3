"""The page of genre, served for a test."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genre_models import MOTION, write_genre_model
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GenreServer]:
    """Tells pictures by their colour, one or two."""
    yield from served(write_genre_model(tmp_path / "colours.onnx"))


@pytest.fixture
def pair_server(tmp_path: Path) -> Iterator[GenreServer]:
    """Tells pairs by their motion."""
    yield from served(write_genre_model(tmp_path / "motion.onnx", MOTION))


def file(path: Path, picture: Any) -> Path:
    write_picture(path, picture)
    return path


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
