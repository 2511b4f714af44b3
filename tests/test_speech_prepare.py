"""Preparing a corpus: sound and table come out, whatever lies among the good recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from films import Sound, make_video, noise
from recordings import RATE, prepare_here, table_rows, write_speech_corpus, write_voice
from reelpulse.errors import SettingsError
from reelpulse.media import decode_sound, read_sound, write_sound
from reelpulse.speech import extract as extracting
from reelpulse.speech.corpus import COLUMNS, load_corpus
from reelpulse.speech.extract import PrepareSettings
from reelpulse.speech.layouts import LAYOUTS
from reelpulse.speech.prepare import prepare


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_speech_corpus(tmp_path / "corpus")


def test_sound_and_table_come_out(corpus: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "speech"
    result = prepare_here(corpus, out, progress=lambda *now: seen.append(now))
    assert (len(result), result.speakers, result.fresh) == (8, 4, 8)
    assert result.counts["happiness"] == 2
    assert seen == [(i, 8) for i in range(1, 9)]
    assert not result.problems
    table = table_rows(out)
    assert [*next(iter(table.values()))] == list(COLUMNS)
    first = table["000_001"]
    assert (first["speaker"], first["label"]) == ("000", "happiness")
    assert first["source"] == "0~9/000/movie/001.flac"
    assert float(first["duration"]) == 1.0
    assert float(first["cut_head"]) == pytest.approx(0.2, abs=0.011)
    assert float(first["cut_tail"]) == pytest.approx(0.2, abs=0.011)
    assert float(first["rms_db"]) == pytest.approx(20 * np.log10(0.1 * np.sqrt(0.6)), abs=0.2)
    assert {f"{name}.flac" for name in table} == {path.name for path in out.glob("*.flac")}
    np.testing.assert_array_equal(
        read_sound(out / "000_001.flac"), read_sound(corpus / "0~9/000/movie/001.flac")
    )
    loaded = load_corpus(out)
    assert set(loaded.names) == {*table}
    assert {"005_002", "011_120"} < {*table}
    report = json.loads((out / "prepare.json").read_text(encoding="utf-8"))
    assert report["layout"] == "aihub"
    assert report["notes"] == list(result.notes)
    assert any(note.startswith("speaker 002: 349 of 350 missing: 1–169") for note in result.notes)
    assert "speakers without a recording: 1, 3–4, 6–10" in result.notes


@pytest.mark.parametrize(
    "sound",
    [
        Sound("pcm_u8", rate=22_050, wave=noise),
        Sound("pcm_s16le", rate=96_000, channels=2, wave=noise),
        Sound("pcm_s24le", rate=44_100, channels=2, wave=noise),
    ],
)
def test_sound_of_any_kind_becomes_sixteen_kilohertz_mono(tmp_path: Path, sound: Sound) -> None:
    make_video(tmp_path / "in/001/001.wav", codec="", seconds=1.6, sounds=[sound])
    prepare_here(tmp_path / "in", tmp_path / "out")
    samples = read_sound(tmp_path / "out/001_001.flac")
    assert len(samples) == 1.6 * RATE
    truth = noise(np.arange(len(samples)) / RATE)
    assert np.corrcoef(samples, truth)[0, 1] > 0.99


def test_what_cannot_be_taken_is_named_and_the_others_are(corpus: Path, tmp_path: Path) -> None:
    films = corpus / "0~9/000/movie"
    good = (corpus / "10~19/011/movie/120.mp4").read_bytes()
    (films / "010.mp4").write_bytes(good[: len(good) // 3])
    (films / "011.mp4").write_bytes(b"")
    (films / "012.mp4").write_bytes(b"no video" * 500)
    make_video(films / "013.mp4", seconds=1)
    write_sound(films / "014.flac", np.zeros(RATE))
    write_voice(films / "015.flac", 9, seconds=0.05, lead=0)
    write_voice(films / "016.flac", 10, seconds=0.05, lead=0.5)
    write_voice(films / "351.flac", 11)
    result = prepare_here(corpus, tmp_path / "out")
    assert len(result) == 8
    said = {Path(line.split(": ")[0]).name: line.split(": ", 1)[1] for line in result.problems}
    assert set(said) == {*(f"{n:03d}.mp4" for n in (10, 11, 12, 13))} | {
        *("014.flac", "015.flac", "016.flac", "351.flac")
    }
    assert "moov" in said["010.mp4"]
    assert said["011.mp4"].startswith("is empty")
    assert said["012.mp4"].startswith("is not a video")
    assert said["013.mp4"] == "has no sound track"
    assert said["014.flac"] == "is silent"
    for name in ("015.flac", "016.flac"):
        assert said[name].startswith("is too short: 0.0")
    assert len(list((tmp_path / "out").glob("*.flac"))) == 8


def test_damaged_sound_is_taken_with_a_note_and_ruined_sound_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_voice(tmp_path / "in/001/001.flac", 1)
    write_voice(tmp_path / "in/001/002.flac", 2)

    def hurt(path: Path, *arguments: Any) -> Any:
        return replace(decode_sound(path), damaged=3 if path.stem == "001" else 30, packets=100)

    monkeypatch.setattr(extracting, "decode_sound", hurt)
    result = prepare_here(tmp_path / "in", tmp_path / "out")
    films = tmp_path / "in/001"
    assert f"{films}/001.flac: 3 packets of its sound do not decode: listen to it" in result.notes
    problem = f"{films}/002.flac: 30 of 100 packets of its sound do not decode"
    assert result.problems == (problem,)
    assert [*table_rows(tmp_path / "out")] == ["001_001"]


def test_one_sound_under_two_names_is_kept_once(corpus: Path, tmp_path: Path) -> None:
    films = corpus / "0~9/000/movie"
    for twin in (films / "002.flac", corpus / "0~9/002/movie/003.flac"):
        twin.write_bytes((films / "001.flac").read_bytes())
    out = tmp_path / "out"
    result = prepare_here(corpus, out)
    assert len(result) == 8
    assert f"{films}/002.flac: is the same sound as {films}/001.flac: left out" in result.notes
    assert not (out / "000_002.flac").exists()
    again = prepare_here(corpus, out)
    assert (again.fresh, len(again)) == (0, 8)
    (films / "001.flac").unlink()
    moved_up = prepare_here(corpus, out)
    assert (moved_up.fresh, len(moved_up)) == (2, 8)  # the other twin is looked at too
    assert {"000_002", "000_051"} < {*table_rows(out)}
    assert not (out / "000_001.flac").exists()


def test_one_sound_with_two_labels_is_not_kept(corpus: Path, tmp_path: Path) -> None:
    films = corpus / "0~9/000/movie"
    (films / "150.flac").write_bytes((films / "001.flac").read_bytes())
    result = prepare_here(corpus, tmp_path / "out")
    assert len(result) == 7
    (problem,) = result.problems
    assert "one sound with the labels happiness and neutral" in problem
    assert not {"000_001", "000_150"} & {*table_rows(tmp_path / "out")}


def test_files_of_one_name_are_both_kept(corpus: Path, tmp_path: Path) -> None:
    write_voice(corpus / "again/000/movie/001.flac", 77)
    result = prepare_here(corpus, tmp_path / "out")
    table = table_rows(tmp_path / "out")
    assert len(table) == 9
    assert table["000_001_2"]["speaker"] == table["000_001"]["speaker"] == "000"
    assert any("its name was taken: its sound is 000_001_2.flac" in note for note in result.notes)
    assert any("speaker 000 is in several folders" in note for note in result.notes)


def test_odd_names_become_names_that_every_system_takes(tmp_path: Path) -> None:
    for seed, name in enumerate(["a b:c.flac", "A b?c.flac", "..x.flac", "말" * 70 + ".flac"]):
        write_voice(tmp_path / "in" / name, seed)
    names = [path.name for path in sorted((tmp_path / "in").iterdir())]
    lines = [f'"{name}",sad,"김/ 민수"' for name in names]
    (tmp_path / "in/mine.csv").write_text("\n".join(["file,label,speaker", *lines]), "utf-8")
    prepare_here(tmp_path / "in/mine.csv", tmp_path / "out", layout="csv")
    table = table_rows(tmp_path / "out")
    assert {row["speaker"] for row in table.values()} == {"김/ 민수"}
    assert {row["source"] for row in table.values()} == {*names}
    assert {"김-민수_A-b-c", "김-민수_a-b-c_2", "김-민수_..x"} < {*table}
    assert len({name.casefold() for name in table}) == 4


def test_clipped_sound_is_named(tmp_path: Path) -> None:
    loud = np.clip(np.random.default_rng(0).normal(0, 1, RATE), -1, 1)
    (tmp_path / "in/001").mkdir(parents=True)
    write_sound(tmp_path / "in/001/001.flac", loud)
    result = prepare_here(tmp_path / "in", tmp_path / "out")
    assert "clipped (over 0.1 % at full scale): 001_001" in result.notes
    assert float(table_rows(tmp_path / "out")["001_001"]["clipped"]) == pytest.approx(
        0.317, abs=0.02
    )
    empty = "no recording of: anger, disgust, fear, neutral, sadness, surprise"
    assert result.notes[1:] == (empty, "speaker 001: 349 of 350 missing: 2–350")


@pytest.mark.parametrize(
    "wrong",
    [
        {"shortest": 0.0},
        {"shortest": 5.0, "longest": 4.0},
        {"trim_db": float("nan")},
        {"audio_track": -1},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        PrepareSettings(**wrong)  # type: ignore[arg-type]


def test_clips_that_are_too_long_are_named(tmp_path: Path) -> None:
    write_voice(tmp_path / "in/001/001.flac", 1, seconds=3)
    write_voice(tmp_path / "in/001/002.flac", 2, seconds=1)
    result = prepare_here(tmp_path / "in", tmp_path / "out", settings=PrepareSettings(longest=2))
    assert len(result) == 1
    assert result.problems == (f"{tmp_path}/in/001/001.flac: is longer than 2 s",)


# The command


def test_the_command_prints_counts_and_names_problems(
    run: Command, corpus: Path, tmp_path: Path
) -> None:
    done = run("speech", "prepare", "corpus", "--layout", "aihub", "-o", "speech")
    assert done.code == 0
    assert done.out.startswith("speech: 8 recordings of 4 speakers, 0:08.")
    assert "  happiness       2" in done.out
    assert all(line.startswith("note: ") for line in done.errors)
    (corpus / "0~9/000/movie/049.mp4").write_bytes(b"")
    done = run("speech", "prepare", "corpus", "-o", "speech", "-q")
    assert done.code == 1
    assert "0 done now" in done.out
    assert done.errors[0].startswith("corpus/0~9/000/movie/049.mp4: is empty")
    assert done.errors[1:] == ["1 problem; 8 recordings are in speech"]
    done = run("speech", "prepare", "corpus", "-o", "speech", "--json")
    assert done.code == 1
    assert json.loads(done.out)["counts"]["happiness"] == 2


def test_the_command_says_an_error_in_a_line(run: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run("speech", "prepare", "empty").one_line("empty", "no recording of the layout aihub")
    run("speech", "prepare", "gone").one_line("gone: no such folder")
    run("speech", "prepare", "empty", "--layout", "emo").one_line("did you mean emodb?")


def test_the_help_names_every_layout(run: Command) -> None:
    shown = run("speech", "prepare", "--help").out
    assert all(name in shown for name in LAYOUTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "speakers"), [("ravdess", 1199, 20), ("emodb", 339, 10), ("korean", 180, 9)]
)
def test_real_corpora(
    test_data: Path, tmp_path: Path, name: str, count: int, speakers: int
) -> None:
    result = prepare(test_data / name, tmp_path / "out", name)
    assert (len(result), result.speakers) == (count, speakers)
    assert not result.problems
    corpus = load_corpus(tmp_path / "out")
    assert corpus.counts() == result.counts
    assert 1 < corpus.durations.mean() < 10
    if name == "ravdess":  # its one known pair of equal recordings
        assert sum("is the same sound as" in note for note in result.notes) == 1
