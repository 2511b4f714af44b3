"""The file of moments: what is written is read again, and damage is named in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import calm, with_burst
from reelpulse.errors import DataError
from reelpulse.export import export
from reelpulse.export.tables import load_moments
from reelpulse.moments.detect import find_moments


@pytest.fixture
def written(tmp_path: Path) -> Path:
    timeline = with_burst(calm(60), 20, 22)
    return export(timeline, find_moments(timeline), tmp_path, "a", "json")


def test_moments_are_read_as_they_were_written(written: Path) -> None:
    moments = find_moments(with_burst(calm(60), 20, 22))
    assert moments
    assert load_moments(written) == moments
    assert any(reason.facts for reason in moments[0].reasons)


def changed(path: Path, *keys: Any, value: Any) -> None:
    table = json.loads(path.read_text(encoding="utf-8"))
    place = table
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(table), encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (["format"], "other", "not a file of moments"),
        (["version"], 99, "newer reelpulse"),
        (["moments"], {}, "no list"),
        (["moments", 0], 7, "moment 1"),
        (["moments", 0], {}, "lacks 'start'"),
        (["moments", 0, "peak"], "early", "peak is no number"),
        (["moments", 0, "score"], float("nan"), "score is no number"),
        (["moments", 0, "score"], True, "score is no number"),
        (["moments", 0, "end"], 0.5, "not in order"),
        (["moments", 0, "clip"], [1, 2], "moment 1"),
        (["moments", 0, "reasons"], None, "moment 1"),
        (["moments", 0, "reasons", 0], "loud", "moment 1"),
        (["moments", 0, "reasons", 0, "facts"], [1], "facts is no table"),
        (["moments", 0, "reasons", 0, "facts"], {"ratio": None}, "ratio is no number"),
    ],
)
def test_damage_is_named(keys: list[Any], value: Any, said: str, written: Path) -> None:
    changed(written, *keys, value=value)
    with pytest.raises(DataError) as error:
        load_moments(written)
    assert said in str(error.value)
    assert str(error.value).startswith(f"{written}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.moments.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.moments\.json: "):
        load_moments(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        load_moments(tmp_path / "none.json")


def test_files_without_facts_are_read(written: Path) -> None:
    table = json.loads(written.read_text(encoding="utf-8"))
    for moment in table["moments"]:
        for reason in moment["reasons"]:
            del reason["facts"]
    written.write_text(json.dumps(table), encoding="utf-8")
    assert load_moments(written)[0].reasons[0].facts == {}
