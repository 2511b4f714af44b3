"""Tables of what is truly funny: read with the line of every mistake, given to the right videos."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelpulse.errors import DataError
from reelpulse.moments.judging.truth import TrueRange, Watched, read_truth, sort_truth


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "truth.csv"
    path.write_bytes(text.encode(encoding))
    return path


def watched(*paths: str, start: float = 0.0, end: float = 3600.0) -> Watched:
    return Watched(paths, start, end, max(end, 3600.0))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_times_and_names_are_read(tmp_path: Path, encoding: str) -> None:
    path = table(tmp_path, "File;Start;END;note\n웃음.mp4;1:02:03.5;1:02:09;x\n", encoding)
    assert read_truth(path) == [TrueRange(3723.5, 3729.0, 2, "웃음.mp4")]


def test_video_is_another_name_for_file_and_neither_is_needed(tmp_path: Path) -> None:
    assert read_truth(table(tmp_path, "start,end,video\n1,2,a\n"))[0].video == "a"
    assert read_truth(table(tmp_path, "start,end\n1,2\n"))[0].video == ""


def test_of_labelled_clips_the_funny_ones_are_taken(tmp_path: Path) -> None:
    rows = ["1,2,funny", "3,4,ordinary", "5,6,웃김", "7,8,1", "9,10,0", "11,12,Boring"]
    found = read_truth(table(tmp_path, "start,end,label\n" + "\n".join(rows)))
    assert [row.start for row in found] == [1, 5, 7]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("begin,end\n1,2\n", "has no column start"),
        ("a,b\n1,2\n", "has no column start or end"),
        ("start,end\n1,2\n5\n", "line 3: end is empty"),
        ("start,end\n1,2\n,6\n", "line 3: start is empty"),
        ("start,end\nx,2\n", "line 2: 'x' is not a time"),
        ("start,end\n1:75,2:00\n", "line 2: '1:75' is not a time"),
        ("start,end\n-1,2\n", "line 2: '-1' is not a time"),
        ("start,end\nnan,2\n", "line 2: 'nan' is not a time"),
        ("start,end\n1," + "9" * 5000 + "\n", "is not a time"),
        ("start,end\n1:00,0:30\n", "line 2: ends (0:30) before it starts (1:00)"),
        ("start,end\n5,5\n", "line 2: ends (5) before it starts (5)"),
        ("file,start,end\n,1,2\n", "line 2: file is empty"),
        ("start,end,label\n1,2,7.5\n", "line 2: label '7.5' does not say whether it is funny"),
        ("start,end,label\n1,2,\n", "line 2: label is empty"),
    ],
)
def test_every_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_truth(table(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "truth.csv"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv"):
        read_truth(tmp_path / "gone.csv")


@given(st.text(max_size=80))
def test_any_junk_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, junk: str) -> None:
    folder = tmp_path_factory.mktemp("junk")
    path = table(folder, "start,end\n" + junk.encode("utf-8", "ignore").decode())
    with suppress(DataError):
        rows = read_truth(path)
        assert all(0 <= row.start < row.end < float("inf") for row in rows)


# Which video


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("talk.mp4", 0),
        ("talk", 0),
        ("TALK.MP4", 0),
        ("talk.mkv", 0),
        ("videos/talk.mp4", 0),
        ("videos\\talk.mp4", 0),
        ("/data/videos/talk.mp4", 0),
        ("talk.h5", 0),
        ("talk.2.mp4", 1),
        ("talk.2", 1),
        (unicodedata.normalize("NFD", "웃음 하나.mp4"), 2),
        ("웃음 하나", 2),
    ],
)
def test_a_video_is_meant_by_its_name_stem_or_the_end_of_its_path(written: str, place: int) -> None:
    videos = [
        watched("/data/videos/talk.mp4", "/out/talk.h5"),
        watched("/data/videos/talk.2.mp4", "/out/talk.2.h5"),
        watched("/data/웃음 하나.mp4"),
    ]
    ranges, warnings = sort_truth([TrueRange(1, 7, 2, written)], videos, "truth.csv")
    assert [len(row) for row in ranges] == [int(other == place) for other in range(3)]
    assert warnings == []


def test_two_videos_of_one_name_need_more_of_the_path() -> None:
    videos = [watched("/a/talk.mp4"), watched("/b/talk.mp4")]
    with pytest.raises(DataError, match=r"line 2: 'talk' may be any of /a/talk.mp4, /b/talk.mp4"):
        sort_truth([TrueRange(1, 7, 2, "talk")], videos, "truth.csv")
    ranges, _ = sort_truth([TrueRange(1, 7, 2, "b/talk.mp4")], videos, "truth.csv")
    assert [len(row) for row in ranges] == [0, 1]


def test_lines_of_other_videos_are_left_out_and_named() -> None:
    rows = [TrueRange(1, 7, 2, "talk"), TrueRange(1, 7, 3, "song"), TrueRange(9, 12, 5, "song")]
    ranges, warnings = sort_truth(rows, [watched("/a/talk.mp4")], "truth.csv")
    assert ranges == [((1, 7),)]
    assert warnings == ["truth.csv: lines 3, 5 left out: 'song' not among the videos given"]


def test_a_table_of_other_videos_alone_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(DataError, match=r"line 2 left out: 'takl'.*did you mean talk\.mp4"):
        sort_truth([TrueRange(1, 7, 2, "takl")], [watched("/a/talk.mp4")], "truth.csv")
    with pytest.raises(DataError, match=r"line 2 left out: 'song' not among.*, such as talk\.mp4"):
        sort_truth([TrueRange(1, 7, 2, "song")], [watched("/a/talk.mp4")], "truth.csv")


def test_without_a_column_of_files_there_must_be_one_video() -> None:
    row = TrueRange(1, 7, 2)
    assert sort_truth([row], [watched("a")], "truth.csv")[0] == [((1, 7),)]
    with pytest.raises(DataError, match="line 2: does not say which of the 2 videos"):
        sort_truth([row], [watched("a"), watched("b")], "truth.csv")


def test_no_truth_is_fine() -> None:
    assert sort_truth([], [watched("a"), watched("b")], "truth.csv") == ([(), ()], [])


# Ranges


def test_ranges_that_overlap_become_one_and_those_that_touch_do_not() -> None:
    rows = [TrueRange(8, 12, 4), TrueRange(1, 6, 2), TrueRange(5, 8, 3), TrueRange(20, 25, 5)]
    ranges, warnings = sort_truth(rows, [watched("a")], "truth.csv")
    assert ranges == [((1, 8), (8, 12), (20, 25))]
    assert warnings == ["truth.csv: taken as one with the range it overlaps: line 3"]


def test_a_range_past_the_end_is_refused_but_a_whole_second_is_forgiven() -> None:
    video = Watched(("a.mp4",), 0.0, 59.4, 59.4)
    assert sort_truth([TrueRange(55, 60, 2)], [video], "t.csv")[0] == [((55, 59.4),)]
    for start, end in ((55, 61), (59.5, 60), (70, 80)):
        with pytest.raises(DataError, match=r"line 2: .* lies past a\.mp4, which ends at 0:59\.4"):
            sort_truth([TrueRange(start, end, 2)], [video], "t.csv")


def test_what_was_not_looked_at_does_not_count() -> None:
    video = watched("a.mp4", start=100.0, end=200.0)
    rows = [TrueRange(10, 16, 2), TrueRange(98, 104, 3), TrueRange(150, 156, 4)]
    ranges, warnings = sort_truth(rows, [video], "t.csv")
    assert ranges == [((100, 104), (150, 156))]
    assert warnings == ["t.csv: line 2 left out: of a.mp4 only 1:40.0–3:20.0 was looked at"]
