"""``reelpulse genre predict`` of many films: one table, gone on with, and never mixed up."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from genre_models import SECOND, film, write_genre_model
from reelpulse.files import only_one
from reelpulse.genre.predict import FilmPrediction, predict_film


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Of single frames: red is horror, green is romance, blue is sf."""
    return write_genre_model(tmp_path / "colours.onnx")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder of two films, one below it, one that is none, and other files."""
    folder = tmp_path / "films"
    film(folder / "red.mp4", (0, 1, 1))
    film(folder / "blue.mkv", (2, 1, 1))
    film(folder / "더 깊이" / "초록.webm", (1, 1, 1), codec="libvpx-vp9")
    (folder / "broken.mp4").write_text("no film")
    (folder / "notes.txt").write_text("no film either")
    return folder


LABELS = {"red.mp4": "horror", "blue.mkv": "sf", "더 깊이/초록.webm": "romance", "broken.mp4": None}


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return {row["film"]: row for row in csv.DictReader(file)}


def test_a_folder_becomes_a_table(run: Command, films: Path, tmp_path: Path, colours: Path) -> None:
    ran = run("genre", "predict", films, "--model", colours, "-o", "표.csv")
    assert ran.code == 1
    assert any("broken.mp4: is not a video" in line for line in ran.errors)
    assert "1 of 4 failed: broken.mp4" in ran.errors
    table = read_csv(tmp_path / "표.csv")
    assert {name: row["label"] or None for name, row in table.items()} == LABELS
    assert table["broken.mp4"]["error"]
    red = table["red.mp4"]
    assert float(red["share_horror"]) > 0.9
    assert sum(float(red[f"share_{name}"]) for name in ("horror", "romance", "sf")) == (
        pytest.approx(1, abs=1e-3)
    )
    assert (red["shots"], red["model"]) == ("1", "colours.onnx")


def test_json_says_the_same(run: Command, films: Path, tmp_path: Path, colours: Path) -> None:
    ran = run("genre", "predict", films, "--model", colours, "-o", "t.json", "--json")
    kept = json.loads((tmp_path / "t.json").read_text())["films"]
    assert json.loads(ran.out) == kept
    assert {row["film"]: row["label"] for row in kept} == LABELS


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_films_in_the_table_are_not_looked_at_again(
    run: Command,
    films: Path,
    tmp_path: Path,
    colours: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    seen: list[str] = []

    def noted(file: str | Path, *arguments: Any, **options: Any) -> FilmPrediction:
        seen.append(Path(file).name)
        return predict_film(file, *arguments, **options)

    monkeypatch.setattr("reelpulse.genre.catalogue.predict_film", noted)
    table = tmp_path / name

    def asked(*more: Any) -> list[str]:
        seen.clear()
        run("genre", "predict", films, "--model", colours, "-o", table, "--json", *more)
        return sorted(seen)

    every = ["blue.mkv", "red.mp4", "초록.webm"]
    assert asked() == every
    before = table.read_bytes()
    assert asked() == []
    assert table.read_bytes() == before
    assert asked("--force") == every

    film(films / "red.mp4", (2, 1, 1))  # another film under a name that the table knows
    assert asked() == ["red.mp4"]
    (films / "blue.mkv").unlink()
    assert asked() == []
    assert b"blue.mkv" in table.read_bytes()
    write_genre_model(colours, SECOND)
    assert asked() == ["red.mp4", "초록.webm"]


def test_a_run_that_was_stopped_goes_on(
    run: Command, films: Path, tmp_path: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def stopping(file: str | Path, *arguments: Any, **options: Any) -> FilmPrediction:
        looked.append(Path(file).name)
        if len(looked) == 2:
            raise KeyboardInterrupt
        return predict_film(file, *arguments, **options)

    monkeypatch.setattr("reelpulse.genre.catalogue.predict_film", stopping)
    assert run("genre", "predict", films, "--model", colours, "-o", "t.csv").code != 0
    assert len(read_csv(tmp_path / "t.csv")) == 2  # the broken one, and the one before the stop
    run("genre", "predict", films, "--model", colours, "-o", "t.csv")
    assert {name: row["label"] or None for name, row in read_csv(tmp_path / "t.csv").items()} == (
        LABELS
    )
    assert len(looked) == 4


def test_several_films_are_named_as_given(run: Command, films: Path, colours: Path) -> None:
    ran = run("genre", "predict", films / "red.mp4", "films/blue.mkv", "--model", colours, "--json")
    assert ran.code == 0
    assert [row["film"] for row in json.loads(ran.out)] == [
        str(films / "red.mp4"),
        "films/blue.mkv",
    ]


def test_bad_tables_and_folders(run: Command, films: Path, tmp_path: Path, colours: Path) -> None:
    def asked(where: str | Path, *more: Any) -> Any:
        return run("genre", "predict", where, "--model", colours, *more)

    (tmp_path / "none").mkdir()
    asked("none").one_line("none: holds no films")
    asked(films, "-o", "t.xlsx").one_line("t.xlsx", ".csv or .json")
    for name, text in [
        ("other.csv", "a,b\n1,2\n"),
        ("shares.csv", "film,share_sf\nx,many\n"),
        ("other.json", "[]"),
        ("odd.json", '{"format": "reelpulse genre table", "version": 1, "films": [{"x": 1}]}'),
        ("newer.json", '{"format": "reelpulse genre table", "version": 9, "films": []}'),
    ]:
        (tmp_path / name).write_text(text)
        asked(films, "-o", name).one_line(f"{name}: is no table that genre predict wrote")
        assert (tmp_path / name).read_text() == text


def test_one_run_writes_a_table_at_a_time(
    run: Command, films: Path, tmp_path: Path, colours: Path
) -> None:
    with only_one(tmp_path / "t.csv", "somebody else"):
        ran = run("genre", "predict", films, "--model", colours, "-o", "t.csv")
    ran.one_line("t.csv", "somebody else")


def test_films_of_one_name_in_two_folders_are_two_rows(
    run: Command, tmp_path: Path, colours: Path
) -> None:
    for folder, which in (("가", 0), ("나", 2)):
        (tmp_path / folder).mkdir()
        film(tmp_path / folder / "x.mp4", (which, 1, 1))
        run("genre", "predict", folder, "--model", colours, "-o", "t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8-sig", newline="") as file:
        rows = [(row["folder"], row["film"], row["label"]) for row in csv.DictReader(file)]
    assert rows == [("가", "x.mp4", "horror"), ("나", "x.mp4", "sf")]


def test_other_pairs_are_looked_at_again(run: Command, tmp_path: Path, colours: Path) -> None:
    (tmp_path / "films").mkdir()
    film(tmp_path / "films/x.mp4", (0, 1, 1))

    def kept(*more: Any) -> bool:
        done = run("genre", "predict", "films", "--model", colours, "-o", "t.csv", *more)
        return "(from the table)" in done.out

    assert not kept()
    assert kept()
    assert not kept("--pairs", 2)
    assert not kept("--pairs", 2, "--seed", 1)
    assert kept("--pairs", 2, "--seed", 1)


def test_a_table_of_somebody_else_is_left_alone(
    run: Command, tmp_path: Path, colours: Path
) -> None:
    film(tmp_path / "films/x.mp4", (0, 1, 1))
    for text in ("", "junk,1\n", "name,label\na,b\n"):
        (tmp_path / "j.csv").write_text(text)
        done = run("genre", "predict", "films", "--model", colours, "-o", "j.csv")
        done.one_line("j.csv", "is no table that genre predict wrote", "give another -o")
        assert (tmp_path / "j.csv").read_text() == text
    done = run("genre", "predict", "films", "--model", colours, "-o", tmp_path / "films")
    done.one_line("films", "csv")
    (tmp_path / "d.csv").mkdir()
    run("genre", "predict", "films", "--model", colours, "-o", "d.csv").one_line("is a folder")
    run("genre", "predict", "films", "--model", "nope.onnx").one_line("nope.onnx: no such file")
