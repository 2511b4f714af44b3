"""Tables of labels: every way people write them, and the line of every mistake."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelled import write_table
from reelpulse.errors import DataError, SettingsError
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.dataset.labels import WORDS, Labels, read_labels, read_table

TEXT = "file,label,person\n웃음.mp4,funny,김\n둘.mp4,ordinary,Lee\n"


# Tables


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_tables_are_read_as_programs_write_them(
    tmp_path: Path, encoding: str, separator: str, end: str
) -> None:
    text = TEXT.replace(",", separator).replace("\n", end)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    columns, rows = read_table(tmp_path / "t.csv")
    assert columns == ["file", "label", "person"]
    assert rows == [
        (2, {"file": "웃음.mp4", "label": "funny", "person": "김"}),
        (3, {"file": "둘.mp4", "label": "ordinary", "person": "Lee"}),
    ]


def test_names_blanks_and_lines_do_not_matter(tmp_path: Path) -> None:
    text = '\n FILE ,Label,\n\n "a, b.mp4", funny,\n"two\nlines.mp4",1\n,,\n"say ""hi""",0,\n\n'
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    columns, rows = read_table(tmp_path / "t.csv")
    assert columns == ["file", "label"]
    assert rows == [
        (4, {"file": "a, b.mp4", "label": "funny"}),
        (5, {"file": "two\nlines.mp4", "label": "1"}),
        (8, {"file": 'say "hi"', "label": "0"}),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"file\0,label\n", "no text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no text"),
        (b"file,label\n\xff\xff,1\n", "no text"),
        (b"\xff\xfea", "no text"),
        (b'file,label\na,1\n"b,0\nc,1\n', "line 3: cannot be read"),
        (b'file,label\na,1\n"b"c,0\n', "line 3: cannot be read"),
        (b"file,label\na,1\nb,0,more\n", "line 3: has 3 fields, and there are 2"),
        (b"file,label,File\na,1,b\n", "line 1: names the column 'file' twice"),
        (b"file,label\n" + b"a" * 200_000 + b",1\n", "line 2: cannot be read"),
    ],
)
def test_what_is_no_table_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_table_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_table(path)


# Labels


def labels_of(folder: Path, *labels: object, task: str = "auto") -> Labels:
    rows = [(f"{row}.mp4", label) for row, label in enumerate(labels)]
    return read_labels(write_table(folder / "l.csv", rows), task)


@pytest.mark.parametrize(
    ("labels", "task", "codes"),
    [
        (["funny", "ordinary"], BINARY, [1, 0]),
        (["Funny", "ORDINARY", "1", "0"], BINARY, [1, 0, 1, 0]),
        (["웃김", "보통", "재미"], BINARY, [1, 0, 1]),
        ([1, 0, 1], BINARY, [1, 0, 1]),
        (["1.0", "0.0"], BINARY, [1, 0]),
        (["funny", "ordinary", "boring"], LEVELS, [2, 1, 0]),
        (["지루함", "웃김", "0", "2"], LEVELS, [0, 2, 0, 2]),
        ([2, 1, 0], LEVELS, [2, 1, 0]),
        ([2, 0], LEVELS, [2, 0]),
        ([0, 1, 2, 3], SCORE, [0, 1, 2, 3]),
        ([7.5, 10], SCORE, [7.5, 10]),
        ([0.5, 1], SCORE, [0.5, 1]),
    ],
)
def test_labels_tell_the_task(
    tmp_path: Path, labels: list[object], task: Task, codes: list[float]
) -> None:
    found = labels_of(tmp_path, *labels)
    assert found.task == task
    assert [clip.label for clip in found.clips] == codes
    assert [clip.line for clip in found.clips] == list(range(2, 2 + len(codes)))


@pytest.mark.parametrize(
    ("asked", "labels", "task", "codes"),
    [
        ("levels", ["funny", "ordinary"], LEVELS, [2, 1]),
        ("levels", [0, 1], LEVELS, [0, 1]),
        ("score", [0, 1], SCORE, [0, 1]),
        ("binary", [0, 1], BINARY, [0, 1]),
    ],
)
def test_the_task_asked_for_is_taken(
    tmp_path: Path, asked: str, labels: list[object], task: Task, codes: list[float]
) -> None:
    found = labels_of(tmp_path, *labels, task=asked)
    assert (found.task, [clip.label for clip in found.clips]) == (task, codes)


@pytest.mark.parametrize(
    ("labels", "asked", "said"),
    [
        (["funny", "fuuny"], "auto", "line 3: unknown label 'fuuny': did you mean funny?"),
        (["웃김", "지루"], "auto", "line 3: unknown label '지루': did you mean 지루함?"),
        (["funny", "xyz"], "auto", r"unknown label 'xyz': Labels are ordinary \(0\), funny \(1\)"),
        (["funny", 2, "ordinary"], "auto", "line 3: unknown label '2': --task levels"),
        (["funny", 7.5, 8], "auto", r"line 3: unknown label '7.5'.*and 1 more line\)"),
        (["boring", 3, 0], "auto", "line 3: unknown label '3'"),
        (["funny", "boring"], "binary", "line 3: unknown label 'boring': --task levels"),
        ([2, 1], "binary", "line 2: unknown label '2'"),
        ([2, 3, 4], "levels", r"line 3: unknown label '3'.*1 more line\)"),
        (["funny", 3], "score", "line 2: label 'funny' is not a score"),
        ([11, 3], "auto", "line 2: label '11' is not a score"),
        ([-1, 3], "auto", "line 2: label '-1' is not a score"),
        (["nan", 3], "auto", "line 2: label 'nan' is not a score"),
        (["inf", 3], "auto", "line 2: label 'inf' is not a score"),
        (["funny", "", "ordinary"], "auto", "line 3: has no label: fill it in$"),
        (["", "", "", 1], "auto", r"line 2: has no label: fill it in \(and 2 more lines\)"),
        (["funny", "1"], "auto", "line 2: 'funny' is all there is"),
        ([3, 3.0], "auto", "line 2: '3' is all there is"),
    ],
)
def test_labels_that_cannot_be_used_are_named(
    tmp_path: Path, labels: list[object], asked: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        labels_of(tmp_path, *labels, task=asked)
    assert "\n" not in str(caught.value)


def test_one_label_is_enough_beside_others(tmp_path: Path) -> None:
    path = write_table(tmp_path / "l.csv", [("a", "funny"), ("b", "funny")])
    assert len(read_labels(path, BINARY, known=[0.0]).clips) == 2
    with pytest.raises(DataError, match="all there is"):
        read_labels(path, BINARY, known=[1.0])


def test_an_unknown_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean `levels`"):
        labels_of(tmp_path, 1, 0, task="level")


def test_every_word_is_of_a_class() -> None:
    assert set(WORDS.values()) == set(LEVELS.classes)


# Columns and ranges


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("file,labels", "no column 'label': is 'labels' meant"),
        ("path,label", "no column 'file'"),
        ("a,b", "no column 'file'"),
        ("file,label,start", "no column 'end'"),
        ("file,label,end", "no column 'start'"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_labels(write_table(tmp_path / "l.csv", [("a", "1")], header))


def test_a_table_of_no_clips(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clips"):
        read_labels(write_table(tmp_path / "l.csv", []))


def test_unknown_columns_are_passed_over_with_a_note(tmp_path: Path) -> None:
    rows = [("a", 1, "x", "y"), ("b", 0, "", "")]
    path = write_table(tmp_path / "l.csv", rows, "file,label,colour,reason")
    (note,) = read_labels(path).notes
    assert "colour, reason" in note
    assert read_labels(write_table(path, [("a", 1), ("b", 0)])).notes == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("", "", (None, None)),
        ("2", "8.5", (2, 8.5)),
        ("1:02", "1:08.5", (62, 68.5)),
        ("1:00:02", "1:00:08", (3602, 3608)),
    ],
)
def test_ranges(tmp_path: Path, start: str, end: str, expected: tuple[object, object]) -> None:
    rows = [("a.mp4", 1, start, end), ("b.mp4", 0, "", "")]
    path = write_table(tmp_path / "l.csv", rows, "file,label,start,end")
    clip = read_labels(path).clips[0]
    assert (clip.start, clip.end) == expected
    assert clip.path == tmp_path / "a.mp4"


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("1", "", "has a start and no end"),
        ("", "1", "has a end and no start"),
        ("7", "3", "ends at 0:03.0, and starts at 0:07.0"),
        ("3", "3", "ends at 0:03.0"),
        ("1:75", "2:00", "'1:75' is not a time"),
        ("one", "2", "'one' is not a time"),
        ("-1", "2", "'-1' is not a time"),
        ("1", "nan", "'nan' is not a time"),
        ("1", "9" * 400, "is not a time"),
        ("1", "9" * 400 + ":00:00", "is not a time"),
        ("1", "9" * 5000 + ":00:00", "is not a time"),
    ],
)
def test_ranges_that_are_none_are_named(tmp_path: Path, start: str, end: str, said: str) -> None:
    rows = [("a.mp4", 1, "1", "8"), ("b.mp4", 0, start, end), ("c.mp4", 0, start, end)]
    path = write_table(tmp_path / "l.csv", rows, "file,label,start,end")
    with pytest.raises(DataError, match=f"line 3: .*{said}.*and 1 more line"):
        read_labels(path)


def test_a_line_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: names no file"):
        read_labels(write_table(tmp_path / "l.csv", [("a", 1), ("", 0)]))


# Several people


def test_scores_of_several_become_their_mean(tmp_path: Path) -> None:
    rows = [
        ("a.mp4", 4, "kim", "me", ""),
        ("b.mp4", 1, "kim", "", ""),
        ("a.mp4", 7, "lee", "", "stream"),
        ("a.mp4", 10, "박", "you", "other"),
    ]
    path = write_table(tmp_path / "l.csv", rows, "file,label,annotator,person,source")
    first, second = read_labels(path).clips
    assert first.label == 7
    assert first.spread == pytest.approx(np.std([4, 7, 10]))
    assert (first.annotators, first.opinions, first.line) == (("kim", "lee", "박"), 3, 2)
    assert (first.person, first.source) == ("me", "stream")
    assert (second.label, second.spread, second.opinions) == (1, 0, 1)


def test_classes_of_several_become_the_majority(tmp_path: Path) -> None:
    rows = [("a", "funny"), ("a", "boring"), ("a", "funny"), ("b", "ordinary"), ("b", "boring")]
    found = read_labels(write_table(tmp_path / "l.csv", [*rows, ("c", "boring")]))
    first, last = found.clips
    assert (first.label, first.opinions) == (2, 3)
    assert first.spread == pytest.approx(np.std([2, 0, 2]))
    assert last.label == 0
    (tie,) = found.left_out
    assert (tie.line, tie.file) == (5, "b")
    assert "do not agree (ordinary, boring)" in tie.why


def test_ranges_tell_clips_of_one_file_apart(tmp_path: Path) -> None:
    rows = [("a", 1, 0, 6), ("a", 0, "0:00", "0:06"), ("a", 0, 0, 7), ("a", 1, 0, 6)]
    path = write_table(tmp_path / "l.csv", rows, "file,label,start,end")
    clips = read_labels(path).clips
    assert [(clip.end, clip.label, clip.opinions) for clip in clips] == [(6, 1, 3), (7, 0, 1)]


def test_files_are_found_as_they_are_written_elsewhere(tmp_path: Path) -> None:
    import unicodedata

    (tmp_path / "clips").mkdir()
    apart = unicodedata.normalize("NFD", "웃음.mp4")
    (tmp_path / "clips" / apart).touch()
    path = write_table(tmp_path / "l.csv", [("clips\\웃음.mp4", 1), (tmp_path / "b.mp4", 0)])
    first, second = read_labels(path).clips
    assert first.path == tmp_path / "clips" / apart
    assert second.path == tmp_path / "b.mp4"


# Anything at all


@pytest.fixture(scope="module")
def junk_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("junk") / "l.csv"


def reads_or_says_why(path: Path) -> None:
    said = None
    try:
        found = read_labels(path)
    except DataError as error:
        said = str(error)
    if said is not None:
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
    else:
        assert found.clips
        assert all(0 <= clip.label <= 10 for clip in found.clips)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_said_to_be_wrong(content: bytes, junk_path: Path) -> None:
    junk_path.write_bytes(content)
    reads_or_says_why(junk_path)


CELLS = st.one_of(
    st.sampled_from(
        ["", "a.mp4", "funny", "ordinary", "0", "1", "2", "7.5", "1:30", '"', "지루함"]
    ),
    st.text(string.printable + "가\u0301\u2028", max_size=8),
)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=6))
def test_any_rows_are_read_or_said_to_be_wrong(rows: list[list[str]], junk_path: Path) -> None:
    lines = ["file,label,start,end,annotator", *(",".join(cells) for cells in rows)]
    junk_path.write_text("\n".join(lines), encoding="utf-8")
    reads_or_says_why(junk_path)
