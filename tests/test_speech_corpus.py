"""Corpora: what their names tell, what is said of those that tell nothing, the prepared folder."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from reelpulse.errors import DataError, SettingsError
from reelpulse.speech.corpus import COLUMNS, EMOTIONS, Found, load_corpus
from reelpulse.speech.layouts import LAYOUTS, find_recordings
from reelpulse.speech.scan import runs


def lay(folder: Path, *names: str) -> Path:
    """A corpus of empty files: a layout looks at names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def told(found: Found) -> dict[str, tuple[str, str, str, str]]:
    """What was found, by the files' names."""
    return {r.path.name: (r.speaker, r.number, r.label, r.sentence) for r in found.recordings}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_says_what_it_is_and_refuses_what_is_not_there(
    name: str, tmp_path: Path
) -> None:
    assert LAYOUTS[name].about
    with pytest.raises(DataError, match="no such f"):
        find_recordings(tmp_path / "nothing", name)


@pytest.mark.parametrize(
    ("number", "label"),
    [
        *((1, "happiness"), (50, "happiness"), (51, "surprise"), (100, "surprise")),
        *((101, "neutral"), (151, "fear"), (201, "disgust"), (251, "anger")),
        *((300, "anger"), (301, "sadness"), (350, "sadness")),
    ],
)
def test_the_label_comes_from_the_range_of_the_number(
    tmp_path: Path, number: int, label: str
) -> None:
    lay(tmp_path, f"0~9/007/movie/{number:04d}.mp4")
    (recording,) = find_recordings(tmp_path, "aihub").recordings
    assert (recording.speaker, recording.number) == ("007", f"{number:03d}")
    assert (recording.label, recording.sentence) == (label, "")


def test_speaker_and_number_are_found_wherever_they_stand(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "4번연기자_0007.mp4")
    assert apart != unicodedata.normalize("NFC", apart)
    lay(
        tmp_path,
        "corpus/0~9/000/movie/001.mp4",
        "corpus/0~9/001/movie/part2/x_051.MP4",
        "corpus/10~19/12/102.wav",
        "corpus/90~99/actors/3번 연기자/3번 연기자_0350.mkv",
        "corpus/flat/100번 연기자_0210.mp4",
        f"corpus/flat/{apart}",
        # What is left out: stills, hidden files, tables, what a Mac adds.
        "corpus/0~9/000/picture/002.mp4",
        "corpus/0~9/000/movie/002.jpg",
        "corpus/0~9/000/movie/._001.mp4",
        "corpus/__MACOSX/0~9/000/movie/004.mp4",
    )
    found = find_recordings(tmp_path / "corpus", "aihub")
    assert told(found) == {
        "001.mp4": ("000", "001", "happiness", ""),
        "x_051.MP4": ("001", "051", "surprise", ""),
        "102.wav": ("012", "102", "neutral", ""),
        "3번 연기자_0350.mkv": ("003", "350", "sadness", ""),
        "100번 연기자_0210.mp4": ("100", "210", "disgust", ""),
        apart: ("004", "007", "happiness", ""),
    }
    assert not found.problems


@pytest.mark.parametrize("given", ["003", "003/movie"])
def test_one_speakers_folder_may_be_given(tmp_path: Path, given: str) -> None:
    lay(tmp_path, "003/movie/001.mp4")
    (recording,) = find_recordings(tmp_path / given, "aihub").recordings
    assert recording.speaker == "003"


def test_gaps_are_a_line_a_speaker(tmp_path: Path) -> None:
    there = set(range(1, 351)) - {4, 17, 18, 19, 20, 350}
    lay(tmp_path, *(f"0~9/002/movie/{n:03d}.mp4" for n in there))
    lay(tmp_path, *(f"0~9/005/movie/{n:03d}.mp4" for n in range(1, 351)))
    found = find_recordings(tmp_path, "aihub")
    assert found.gaps == ("speaker 002: 6 of 350 missing: 4, 17–20, 350",)
    assert found.notes == ("speakers without a recording: 3–4",)


def test_runs_of_numbers_are_written_shortly() -> None:
    assert runs(["1", "2", "3", "7", "009", "010"]) == "1–3, 7, 9–10"
    assert runs(["05-01", "05-02"]) == "05-01, 05-02"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("0~9/000/movie/0.mp4", "its number, 0, is not in 1–350"),
        ("0~9/000/movie/351.mp4", "its number, 351, is not in 1–350"),
        ("0~9/000/movie/001 (1).mp4", "does not end in the clip's number"),
        ("flat/001.mp4", "no speaker in its path"),
    ],
)
def test_files_that_tell_too_little_are_named(tmp_path: Path, name: str, problem: str) -> None:
    lay(tmp_path, "0~9/001/movie/001.mp4", name)
    found = find_recordings(tmp_path, "aihub")
    assert len(found.recordings) == 1
    (line,) = found.problems
    assert line.startswith(str(tmp_path / name))
    assert problem in line


def test_two_folders_of_one_number_are_one_speaker(tmp_path: Path) -> None:
    lay(tmp_path, "0~9/003/movie/001.mp4", "more/3/movie/001.mp4", "more/4/movie/002.mp4")
    found = find_recordings(tmp_path, "aihub")
    assert [r.speaker for r in found.recordings] == ["003", "003", "004"]
    (line,) = [note for note in found.notes if "several folders" in note]
    assert "speaker 003" in line
    assert str(tmp_path / "0~9/003") in line
    assert str(tmp_path / "more/3") in line


def test_folders_with_files_of_one_actor_are_one_speaker(tmp_path: Path) -> None:
    lay(
        tmp_path,
        *("000/1번연기자_001.mp4", "000/1번연기자_002.mp4"),
        *("005/1번연기자_003.mp4", "005/7번연기자_004.mp4", "009/7번연기자_005.mp4"),
        *("005/008.mp4", "010/8번연기자_006.mp4", "flat/1번연기자_007.mp4"),
    )
    found = find_recordings(tmp_path, "aihub")
    speakers = {r.number: r.speaker for r in found.recordings}
    assert speakers == {
        **dict.fromkeys(("001", "002", "003", "004", "005", "007", "008"), "000"),
        "006": "010",
    }
    assert any("folders 000, 005" in note and "actor, 1" in note for note in found.notes)


def test_a_numbered_folder_of_several_actors_is_no_speaker(tmp_path: Path) -> None:
    """As the parts of an archive are numbered."""
    lay(tmp_path, "01/1번연기자_001.mp4", "01/2번연기자_001.mp4", "2/2번연기자_002.mp4")
    lay(tmp_path, "2/3번 연기자_0001.mp4", "003/007.mp4")
    found = find_recordings(tmp_path, "aihub")
    got = {str(r.path.relative_to(tmp_path)): r.speaker for r in found.recordings}
    assert list(got.values()) == ["003", "001", "002", "002", "003"]
    assert not any("hold clips named" in note for note in found.notes)


def test_sound_beside_its_video_is_taken_instead_of_it(tmp_path: Path) -> None:
    lay(tmp_path, "001/001.mp4", "001/001.wav", "001/002.mp4")
    found = find_recordings(tmp_path, "aihub")
    assert [r.path.name for r in found.recordings] == ["001.wav", "002.mp4"]
    assert any("1 file left out" in note for note in found.notes)


def test_links_that_go_round_end(tmp_path: Path) -> None:
    lay(tmp_path, "001/001.mp4")
    (tmp_path / "001" / "again").symlink_to(tmp_path)
    assert len(find_recordings(tmp_path, "aihub").recordings) == 1


def test_ravdess_leaves_out_song_and_folds_calm(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "Actor_12/03-01-02-01-02-01-12.wav",
        "Actor_12/03-01-06-01-01-02-12.wav",
        "Actor_12/01-01-06-01-01-02-12.mp4",
        "Actor_12/02-01-06-01-01-02-12.mp4",
        "Actor_12/03-02-06-01-01-02-12.wav",
        "Actor_12/03-01-09-01-01-02-12.wav",
        "Actor_01/03-01-08-02-01-01-01.wav",
        "Actor_01/readme.wav",
    )
    found = find_recordings(tmp_path, "ravdess")
    assert told(found) == {
        "03-01-08-02-01-01-01.wav": ("01", "08-02-01-01", "surprise", "01"),
        "03-01-02-01-02-01-12.wav": ("12", "02-01-02-01", "neutral", "02"),
        "03-01-06-01-01-02-12.wav": ("12", "06-01-01-02", "fear", "01"),
    }
    assert [problem.split(": ")[1] for problem in found.problems] == [
        "is not named as RAVDESS names its clips",
        "has an unknown emotion, 09; known",
    ]
    for what in ("1 song left", "1 video without", "1 clip left out, there twice", "1 calm"):
        assert any(note.startswith(what) for note in found.notes), what
    assert "speaker 01: 2 of 3 missing: 02-01-02-01, 06-01-01-02" in found.gaps


def test_emodb_knows_all_its_letters(tmp_path: Path) -> None:
    lay(tmp_path, *(f"03a01{letter}a.wav" for letter in "WEAFTNLX"), "08b09Tb.wav")
    found = find_recordings(tmp_path, "emodb")
    labels = {r.number: r.label for r in found.recordings if r.speaker == "03"}
    assert labels == {
        "a01Wa": "anger",
        "a01Ea": "disgust",
        "a01Aa": "fear",
        "a01Fa": "happiness",
        "a01Ta": "sadness",
        "a01Na": "neutral",
    }
    assert {r.sentence for r in found.recordings} == {"a01", "b09"}
    assert found.notes == ("1 clip of boredom left out",)
    assert len(found.problems) == 1
    assert "unknown emotion, X" in found.problems[0]


def test_korean_numbers_tell_emotion_and_sentence(tmp_path: Path) -> None:
    lay(tmp_path, "ema00001.wav", "ema00101.wav", "emb00001.wav", "neb00001.wav", "neb00301.wav")
    lay(tmp_path, "emb00401.wav", "x.wav")
    found = find_recordings(tmp_path, "korean")
    labels = {r.path.stem: r.label for r in found.recordings}
    assert labels["ema00101"] == "happiness"
    assert labels["neb00301"] == "sadness"
    sentences = {r.path.stem: r.sentence for r in found.recordings}
    assert sentences["ema00001"] == sentences["ema00101"] == sentences["emb00001"]
    assert len({sentences["neb00001"], sentences["neb00301"], sentences["ema00001"]}) == 3
    assert len(found.problems) == 2


def test_real_corpora_are_found_whole(test_data: Path) -> None:
    counts = {
        name: Counter(r.label for r in find_recordings(test_data / name, name).recordings)
        for name in ("ravdess", "emodb", "korean")
    }
    assert counts["ravdess"] == {**dict.fromkeys(EMOTIONS, 160), "neutral": 240}
    assert counts["emodb"] == {"anger": 127, "happiness": 71, "neutral": 79, "sadness": 62}
    assert counts["korean"] == dict.fromkeys(("anger", "happiness", "neutral", "sadness"), 45)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    lay(tmp_path, "a/één.wav", "b.wav", "c.wav", "d.wav")
    (tmp_path / "mine.csv").write_text(
        "\ufeffFile, LABEL ,speaker,sentence\na/één.wav,기쁨,kim,hello\n\nb.wav,Fearful,lee,\n"
        "c.wav,calm,,\nd.wav,DISGUSTED\n",
        encoding="utf-8",
    )
    found = find_recordings(tmp_path / "mine.csv", "csv")
    assert told(found) == {
        "één.wav": ("kim", "één", "happiness", "hello"),
        "b.wav": ("lee", "b", "fear", ""),
        "c.wav": ("unknown", "c", "neutral", ""),
        "d.wav": ("unknown", "d", "disgust", ""),
    }
    assert any(note.startswith("2 recordings have no speaker") for note in found.notes)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("b.wav,bored", "line 3: unknown label 'bored'; known: anger, "),
        ("x.wav,sad", "line 3: no such file: "),
        (",sad", "line 3: names no file"),
        ("a.wav,sad", "line 3: "),
    ],
)
def test_a_wrong_line_of_ones_own_table_is_named(tmp_path: Path, text: str, problem: str) -> None:
    lay(tmp_path, "a.wav", "b.wav")
    (tmp_path / "mine.csv").write_text(f"file,label\na.wav,anger\n{text}\n", encoding="utf-8")
    found = find_recordings(tmp_path / "mine.csv", "csv")
    assert len(found.recordings) == 1
    assert problem in found.problems[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must name the columns file,label; not there: file, label"),
        (b"file;label\na.wav;sad\n", "must name the columns"),
        (b"file,label\na.wav,sad,me,too\n", "line 2 has more values than columns"),
        ("file,label\na.wav,기쁨\n".encode("cp949"), "is not UTF-8"),
        (b"file,label\n", "holds no recording of the layout csv"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=problem):
        find_recordings(tmp_path / "mine.csv", "csv")


def test_an_empty_corpus_is_said_and_another_layout_proposed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recording of the layout aihub .*; give the folder"):
        find_recordings(tmp_path, "aihub")
    lay(tmp_path, "03-01-05-01-01-01-01.wav")
    with pytest.raises(DataError, match="try --layout ravdess"):
        find_recordings(tmp_path, "aihub")
    with pytest.raises(DataError, match=r"of 1 problems the first: .*EMO-DB"):
        find_recordings(lay(tmp_path / "other", "noise.wav"), "emodb")
    with pytest.raises(SettingsError, match="did you mean ravdess"):
        find_recordings(tmp_path, "ravdes")


# The prepared folder


def write_prepared(folder: Path, *changes: dict[str, str], count: int = 3) -> Path:
    """A prepared folder of empty sounds; changes are laid over the rows."""
    folder.mkdir(exist_ok=True)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="0")
        writer.writeheader()
        for i in range(count):
            row = {
                "name": f"s{i}_1",
                "speaker": f"s{i}",
                "sentence": "",
                "label": EMOTIONS[i],
                "duration": f"{i + 1}.5",
                "checksum": f"{i}",
            }
            writer.writerow({**row, **(changes[i] if i < len(changes) else {})})
    for i in range(count):
        (folder / f"s{i}_1.flac").touch()
    (folder / "prepare.json").write_text("{}")
    return folder


def test_a_prepared_folder_is_read(tmp_path: Path) -> None:
    corpus = load_corpus(write_prepared(tmp_path, {"sentence": "여보"}))
    assert len(corpus) == 3
    np.testing.assert_array_equal(corpus.labels, [0, 1, 2])
    np.testing.assert_array_equal(corpus.durations, [1.5, 2.5, 3.5])
    assert list(corpus.speakers) == ["s0", "s1", "s2"]
    assert list(corpus.sentences) == ["여보", "", ""]
    assert corpus.path(1) == tmp_path / "s1_1.flac"
    assert corpus.counts()["disgust"] == 1


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"label": "fear"}, True),
        ({"speaker": "x"}, True),
        ({"sentence": "x"}, True),
        ({"checksum": "x"}, True),
        ({"peak_db": "-3"}, False),
    ],
)
def test_the_fingerprint_tells_what_matters(
    tmp_path: Path, change: dict[str, str], differs: bool
) -> None:
    first = load_corpus(write_prepared(tmp_path / "a")).fingerprint
    assert (load_corpus(write_prepared(tmp_path / "b", change)).fingerprint != first) is differs


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": "joy"}, r"table.csv: line 2: unknown label 'joy'; known: anger, "),
        ({"duration": "long"}, "line 2: the duration must be seconds, not 'long'"),
        ({"duration": "nan"}, "line 2: the duration must be seconds"),
        ({"name": "../x"}, r"line 2: '../x' is not the name of a recording"),
        ({"name": "s1_1"}, "lists s1_1 2 times"),
        ({"name": "gone"}, "gone.flac is not there"),
    ],
)
def test_what_is_wrong_in_a_prepared_folder_is_said(
    tmp_path: Path, change: dict[str, str], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        load_corpus(write_prepared(tmp_path, change))


def test_what_is_no_prepared_folder_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=r"has no table\.csv: make it with `reelpulse speech prep"):
        load_corpus(tmp_path / "nothing")
    with pytest.raises(DataError, match="lists no recording"):
        load_corpus(write_prepared(tmp_path / "empty", count=0))
    (tmp_path / "empty" / "table.csv").write_text("name,speaker\n")
    with pytest.raises(DataError, match="not there: sentence, label, duration, checksum"):
        load_corpus(tmp_path / "empty")
    (write_prepared(tmp_path / "half") / "prepare.json").unlink()
    assert len(load_corpus(tmp_path / "half")) == 3
    assert "was not prepared to its end" in caplog.text
