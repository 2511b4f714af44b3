"""The report from the command line: analyze, detect and export write it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conftest import Command
from fakes import write_clip
from reelpulse.export.report.pictures import link_to
from test_report import data_of


@pytest.fixture
def analysed(loud: Command, tmp_path: Path) -> Path:
    """A timeline that the command line made, with moments of its own settings."""
    write_clip(tmp_path / "stream.mp4", 30)
    assert loud("stream.mp4", "-o", "out", "--top", "3").code == 0
    return tmp_path / "out" / "stream.h5"


def test_analyze_writes_the_report(analysed: Path) -> None:
    page = analysed.with_suffix(".html").read_text(encoding="utf-8")
    assert data_of(page)["media"]["link"] == "./../stream.mp4"


def test_detect_writes_the_report_again(analysed: Path, run: Command) -> None:
    page = analysed.with_suffix(".html")
    page.unlink()
    assert run("detect", analysed, "--lang", "ko").code == 0
    assert '<html lang="ko">' in page.read_text(encoding="utf-8")


def test_export_writes_what_is_asked_for(analysed: Path, run: Command) -> None:
    ran = run("export", analysed, "--to", "csv", "--to", "npz", "-o", "tables", "--json")
    assert ran.code == 0
    (result,) = json.loads(ran.out)
    assert [Path(name).name for name in result["files"]] == ["stream.csv", "stream.npz"]
    assert all(Path(name).exists() for name in result["files"])


def test_export_takes_the_moments_that_are_there(analysed: Path, run: Command) -> None:
    beside = analysed.with_name("stream.moments.json")
    table = json.loads(beside.read_text(encoding="utf-8"))
    table["moments"] = [
        {
            "start": 11.0,
            "end": 16.0,
            "peak": 12.5,
            "score": 0.61,
            "clip": {"start": 7.0, "end": 17.0},
            "reasons": [{"part": "loudness", "text": "loudness ×4", "share": 0.4}],
        }
    ]
    beside.write_text(json.dumps(table), encoding="utf-8")
    ran = run("export", analysed, "--json")
    (moment,) = json.loads(ran.out)[0]["moments"]
    assert (moment["score"], moment["reasons"][0]["facts"]) == (0.61, {})
    assert data_of(analysed.with_suffix(".html").read_text("utf-8"))["moments"] == [[7, 17, 12.5]]


def test_moments_of_another_video_are_not_taken(analysed: Path, run: Command) -> None:
    beside = analysed.with_name("stream.moments.json")
    table = json.loads(beside.read_text(encoding="utf-8"))
    table["video"]["fingerprint"] = "another"
    table["moments"] = ["damaged"]
    beside.write_text(json.dumps(table), encoding="utf-8")
    assert run("export", analysed).code == 0


def test_a_format_nobody_writes_names_the_nearest(analysed: Path, run: Command) -> None:
    run("export", analysed, "--to", "htm").one_line("'htm'", "did you mean `html`")


def test_export_goes_on_past_a_bad_file(analysed: Path, run: Command, tmp_path: Path) -> None:
    analysed.with_suffix(".html").unlink()
    ran = run("export", "missing.h5", tmp_path / "stream.mp4", analysed)
    assert ran.code == 1
    assert len(ran.errors) == 2
    assert ran.out.strip() == str(analysed.with_suffix(".html"))


@pytest.mark.skipif(os.name == "nt", reason="names of bytes")
def test_a_video_whose_name_is_no_text(analysed: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.mp4"
    write_clip(tmp_path / "x.mp4", 3).rename(os.fsdecode(odd))
    link, _ = link_to(Path(os.fsdecode(odd)), tmp_path / "p.html")
    assert link == "./%FF%FE.mp4"
