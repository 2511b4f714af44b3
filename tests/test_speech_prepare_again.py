"""Preparing a corpus again: going on where a run ended, and where the result cannot go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recordings import prepare_here, table_rows, write_speech_corpus, write_voice
from reelpulse.errors import DataError, SettingsError
from reelpulse.files import only_one
from reelpulse.media import decode_sound
from reelpulse.speech import extract as extracting
from reelpulse.speech.corpus import load_corpus
from reelpulse.speech.extract import PrepareSettings
from reelpulse.speech.prepare import prepare


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_speech_corpus(tmp_path / "corpus")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files decoded, as they are."""
    names: list[str] = []

    def noted(path: Path, *arguments: Any) -> Any:
        names.append(path.name)
        return decode_sound(path, *arguments)

    monkeypatch.setattr(extracting, "decode_sound", noted)
    return names


def test_what_is_done_is_not_done_again(corpus: Path, tmp_path: Path, decoded: list[str]) -> None:
    out = tmp_path / "out"
    prepare_here(corpus, out)
    before = (out / "table.csv").read_bytes()
    decoded.clear()
    assert prepare_here(corpus, out).fresh == 0
    assert not decoded
    assert (out / "table.csv").read_bytes() == before
    # Another file in its place, a new one, one that is gone, and sound that was lost:
    write_voice(corpus / "0~9/000/movie/051.flac", 99)
    write_voice(corpus / "0~9/000/movie/052.flac", 98)
    (corpus / "0~9/000/movie/320.flac").unlink()
    (out / "011_230.flac").unlink()
    result = prepare_here(corpus, out)
    assert sorted(decoded) == ["051.flac", "052.flac", "230.flac"]
    assert (result.fresh, len(result)) == (3, 8)
    assert not (out / "000_320.flac").exists()
    decoded.clear()
    prepare_here(corpus, out, settings=PrepareSettings(trim_db=20))
    assert len(decoded) == 8


def test_a_stopped_run_keeps_what_is_done(corpus: Path, tmp_path: Path, decoded: list[str]) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare_here(corpus, out, progress=stop)
    assert len(table_rows(out)) == 3
    assert len(load_corpus(out)) == 3
    assert not (out / "prepare.json").exists()
    decoded.clear()
    assert prepare_here(corpus, out).fresh == 5
    assert len(decoded) == 5
    assert len(table_rows(out)) == 8


def test_a_journal_cut_off_in_a_line_is_gone_on_with(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_here(corpus, out)
    journal = out / "prepare.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    assert prepare_here(corpus, out).fresh == 1
    assert prepare_here(corpus, out).fresh == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_ended_from_outside_leaves_no_process_and_is_gone_on_with(
    tmp_path: Path, how: signal.Signals
) -> None:
    for i in range(300):
        write_voice(tmp_path / f"in/001/{i + 1:03d}.flac", i, seconds=0.3, lead=0)
    code = (
        "from reelpulse.speech.prepare import prepare\n"
        "if __name__ == '__main__': prepare('in', 'out', workers=2)\n"
    )
    (tmp_path / "script.py").write_text(code)
    running = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    journal = tmp_path / "out/prepare.jsonl"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert running.poll() is None
        time.sleep(0.01)
    if how == signal.SIGINT:
        os.killpg(running.pid, how)
    else:
        running.kill()
    running.communicate(timeout=60)  # ends when the last of its processes has closed the pipe
    result = prepare(tmp_path / "in", tmp_path / "out", workers=1)
    assert len(result) == 300
    assert result.fresh < 300


@pytest.mark.parametrize("change", ["corpus", "layout"])
def test_a_folder_of_another_corpus_is_left_alone(
    corpus: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "out"
    prepare_here(corpus, out)
    before = sorted(path.name for path in out.iterdir())
    write_voice(tmp_path / "b/03-01-05-01-01-01-01.flac", 1)
    write_voice(corpus / "03-01-05-01-01-01-01.flac", 1)
    other = tmp_path / "b" if change == "corpus" else corpus
    with pytest.raises(DataError, match=f"holds sound of another {change}, .*give another -o"):
        prepare_here(other, out, layout="ravdess")
    assert sorted(path.name for path in out.iterdir()) == before


def test_the_result_may_lie_within_the_corpus(corpus: Path) -> None:
    assert len(prepare_here(corpus, corpus / "speech")) == 8
    assert len(prepare_here(corpus, corpus / "speech")) == 8


@pytest.mark.parametrize("what", ["file", "same", "busy", "foreign"])
def test_where_the_result_cannot_go_is_said(corpus: Path, tmp_path: Path, what: str) -> None:
    out, problem = tmp_path / "out", "is a file; give a folder"
    if what == "file":
        out.write_text("")
    elif what == "same":
        out, problem = corpus, "is the corpus itself"
    elif what == "busy":
        with (
            only_one(out / "table.csv", "me"),
            pytest.raises(DataError, match="another run is at it"),
        ):
            prepare_here(corpus, out)
        return
    else:
        out.mkdir()
        (out / "prepare.jsonl").write_text("[1]\n")
        problem = "is not what was left here"
    with pytest.raises(DataError, match=problem):
        prepare_here(corpus, out)


def test_more_processes_give_the_same(corpus: Path, tmp_path: Path) -> None:
    write_voice(corpus / "0~9/000/movie/033.flac", 33)
    prepare_here(corpus, tmp_path / "one")
    prepare(corpus, tmp_path / "two", workers=2)
    for name in ("table.csv", "prepare.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with pytest.raises(SettingsError, match="workers=0"):
        prepare(corpus, tmp_path / "two", workers=0)
