"""The report: what stands on the page, whatever the timeline, the video and the names."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from fakes import calm, hidden, with_burst, write_clip
from films import Sound, make_video
from reelpulse.errors import SettingsError
from reelpulse.export import export
from reelpulse.export.report.pictures import clips, find_source, link_to, thumbnails
from reelpulse.export.report.texts import TEXTS, locale_language, reason_text
from reelpulse.media import probe
from reelpulse.moments.detect import find_moments
from reelpulse.settings import ReportSettings, changed
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS, LOUDNESS_COLUMNS, Moment, Reason, Timeline

MOMENT = Moment(11.0, 16.0, 13.0, 0.5, (), 10.0, 17.0)


def page_of(timeline: Timeline, folder: Path, **options: Any) -> str:
    moments = find_moments(timeline)
    return export(timeline, moments, folder, "p", "html", ReportSettings(**options)).read_text(
        encoding="utf-8"
    )


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


class Elements(HTMLParser):
    """The elements of a page, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skips = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._skips = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._skips = False

    def handle_data(self, data: str) -> None:
        if not self._skips:
            self.text += data


def numbers(packed: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), kind)


# Words


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["ko"].keys() == TEXTS["en"].keys()
    for key, english in TEXTS["en"].items():
        korean = TEXTS["ko"][key]
        assert english.strip()
        assert korean.strip()
        fields = [set(re.findall(r"{(\w+)}", text)) for text in (english, korean)]
        assert fields[0] == fields[1], key


@pytest.mark.parametrize(
    ("reason", "korean"),
    [
        (Reason("loudness", "loudness ×4", 0.5, {"ratio": 4.2}), "음량 ×4"),
        (Reason("loudness", "loudness ×1.5", 0.5, {"ratio": 1.5}), "음량 ×1.5"),
        (Reason("valence", "valence −0.8", 0.5, {"change": -0.8}), "정서가 −0.8"),
        (
            Reason(
                "expression",
                "neutral → happiness",
                0.5,
                {"before": "neutral", "after": "happiness"},
            ),
            "무표정 → 행복",
        ),
        (
            Reason("expression", "stronger fear", 0.5, {"before": "fear", "after": "fear"}),
            "더 강해진 두려움",
        ),
        (Reason("novelty", "a long laugh", 0.5), "a long laugh"),
    ],
)
def test_reasons_are_told_in_korean(reason: Reason, korean: str) -> None:
    assert reason_text(reason, "ko") == korean
    if reason.facts:
        assert reason_text(reason, "en").lower() == reason.text


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LC_ALL": "ko_KR.UTF-8", "LANG": "en_US"}, "ko"),
        ({"LC_ALL": "", "LC_MESSAGES": "ko_KR", "LANG": "C"}, "ko"),
        ({"LC_ALL": "C.UTF-8", "LANG": "ko_KR"}, "en"),
        ({"LANG": "de_DE"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_follows_the_locale(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert locale_language() == language
    assert f'<html lang="{language}">' in page_of(calm(10), tmp_path)


def test_unknown_words_are_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"'kr'.*use en, ko"):
        changed(ReportSettings(), {"lang": "kr"})
    with pytest.raises(SettingsError, match="did you mean `always`"):
        changed(ReportSettings(), {"proxies": "alway"})


# The page


def test_the_page_asks_nothing_of_others(tmp_path: Path) -> None:
    page = Elements(page_of(with_burst(calm(40), 20, 22), tmp_path))
    for tag, attributes in page.found:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), (tag, value)


def test_names_and_warnings_cannot_break_the_page(tmp_path: Path) -> None:
    timeline = with_burst(calm(40), 20, 22)
    odd = "</script><script>alert(1)</script> \"웃음\" '😀' & <b>.mp4"
    timeline.meta["video"].update(name=odd, path=f"/nowhere/{odd}")
    timeline.meta["warnings"] = [f"{odd}: was cut off"]
    timeline.meta["settings"] = {"person": [odd]}
    page = Elements(page_of(timeline, tmp_path))
    assert page.text.count(odd) >= 4
    assert sum(tag == "script" for tag, _ in page.found) == 4
    assert not [tag for tag, _ in page.found if tag == "b" and odd in tag]


def test_every_tick_is_in_the_page(tmp_path: Path) -> None:
    timeline = hidden(with_burst(calm(40), 20, 22), FACE_COLUMNS, slice(10, 20))
    series = data_of(page_of(timeline, tmp_path))["series"]
    np.testing.assert_array_equal(numbers(series["times"], "<f4"), timeline.times)
    for name in ("valence", "arousal", "loudness"):
        np.testing.assert_array_equal(numbers(series["values"][name], "<f4"), timeline.column(name))
    assert (numbers(series["held"], "u1")[10:20] == 255).all()
    assert series["overview"] == {}
    percent = sum(numbers(part, "u1").astype(int) for part in series["parts"].values())
    assert abs(percent[timeline.times == 21] - 100) <= 3


def test_a_long_timeline_has_an_overview_with_its_peak(tmp_path: Path) -> None:
    timeline = with_burst(calm(6000), 3000, 3001)
    series = data_of(page_of(timeline, tmp_path))["series"]
    chosen = numbers(series["overview"]["loudness"], "<u4")
    assert len(chosen) < len(timeline)
    assert int(np.argmax(timeline.column("loudness"))) in chosen


def test_moments_shares_turns_and_settings_are_told(tmp_path: Path) -> None:
    timeline = hidden(with_burst(calm(40), 20, 24), FACE_COLUMNS, slice(60, 80))
    timeline.meta.update(
        person={"how": "photo", "similarity": 0.71, "people": 3, "ticks": 60, "share": 0.75},
        models={"detector": "yunet"},
        settings={"fps": 2.0, "forget_faces": False, "region": None},
        warnings=["the lamp flickers"],
    )
    page = Elements(page_of(timeline, tmp_path, lang="en"))
    for text in (
        "similarity 0.71",
        "2 more on screen",
        "yunet",
        "the lamp flickers",
        "For 25.0% of the time no face was measured.",
        "neutral → happiness",
        "Loudness ×4",
        "0:20.0",
    ):
        assert text in page.text, text
    for tag, attributes in page.found:
        if tag == "button":
            assert attributes["type"] == "button"


def test_the_shares_of_the_pie_add_up(tmp_path: Path) -> None:
    timeline = hidden(with_burst(calm(40), 20, 30), FACE_COLUMNS, slice(0, 20))
    pie = data_of(page_of(timeline, tmp_path, lang="en"))["figures"]["emotions"]["traces"][0]
    shares = dict(zip(pie["labels"], pie["values"], strict=True))
    expected = {"neutral": 0.5, "happiness": 0.25, "Not measured": 0.25}
    assert shares == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    "timeline",
    [
        hidden(calm(20), FACE_COLUMNS),
        hidden(calm(20), LOUDNESS_COLUMNS),
        hidden(calm(20), (*FACE_COLUMNS, *LOUDNESS_COLUMNS)),
        calm(0.5),
        replace(calm(20), meta={}),
        Timeline(np.zeros(0), np.zeros((0, 12)), (*FACE_COLUMNS, *LOUDNESS_COLUMNS)),
    ],
    ids=["no face", "no sound", "nothing", "one tick", "no facts", "no tick"],
)
def test_poor_timelines_have_a_page(timeline: Timeline, lang: str, tmp_path: Path) -> None:
    page = page_of(timeline, tmp_path, lang=lang)
    assert TEXTS[lang]["no_moments"] in page
    if not np.isfinite(timeline.column("valence")).any():
        assert TEXTS[lang]["emotions_none"] in page
        assert TEXTS[lang]["nothing_measured"] in json.dumps(
            data_of(page)["figures"]["timeline"], ensure_ascii=False
        )


def test_emotions_have_a_colour_in_light_and_dark() -> None:
    from importlib import resources

    style = resources.files("reelpulse.export.report").joinpath("page.css").read_text("utf-8")
    for name in (*EMOTIONS, "not-measured", "tension", "valence", "arousal", "loudness"):
        assert len(re.findall(rf"--{name}: #", style)) == 2, name


# The video


@pytest.fixture(scope="module")
def grey_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its picture at second s is grey of brightness s."""
    return write_clip(tmp_path_factory.mktemp("grey") / "grey.mp4", 60, size=(640, 480))


def decoded(uri: str) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    return np.asarray(cv2.imdecode(raw, cv2.IMREAD_COLOR))


def test_thumbnails_show_the_peaks(grey_clip: Path, tmp_path: Path) -> None:
    source = find_source(probe(grey_clip).as_dict(), tmp_path / "p.html")
    peaks = [30.0, 5.0, 55.0]
    moments = [replace(MOMENT, peak=peak) for peak in peaks]
    for peak, uri in zip(peaks, thumbnails(source, moments), strict=True):
        image = decoded(uri)
        assert image.shape == (240, 320, 3)
        assert image.mean() == pytest.approx(peak, abs=3)


def test_thumbnails_of_a_turned_video_stand_upright(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4", seconds=2, size=(128, 64), rotation=90)
    source = find_source(probe(video).as_dict(), tmp_path / "p.html")
    (uri,) = thumbnails(source, [replace(MOMENT, peak=1.0)])
    assert decoded(uri).shape[:2] == (320, 160)


@pytest.mark.parametrize(
    ("name", "what", "plays"),
    [
        ("v.mp4", {}, True),
        ("v.webm", {"codec": "libvpx-vp9", "sounds": [Sound("libopus")]}, True),
        ("v.mkv", {}, False),
        ("v.avi", {"codec": "mpeg4"}, False),
        ("v.mp4", {"codec": "libx265"}, False),
        ("v.mp4", {"pix_fmt": "yuv422p"}, False),
        ("v.mov", {"sounds": [Sound("pcm_s16le")]}, False),
        ("v.wav", {"codec": "", "sounds": [Sound("pcm_s16le")]}, True),
        ("v.m4a", {"codec": "", "sounds": [Sound()]}, True),
    ],
)
def test_what_a_browser_plays(name: str, what: dict[str, Any], plays: bool, tmp_path: Path) -> None:
    video = make_video(tmp_path / name, **{"seconds": 1, "fps": 10, **what})
    assert find_source(probe(video).as_dict(), tmp_path / "p.html").playable == plays


def test_links_are_quoted_and_relative_where_near(tmp_path: Path) -> None:
    page = tmp_path / "out" / "p.html"
    assert link_to(tmp_path / "a b#50%?.mp4", page) == ("./../a%20b%2350%25%3F.mp4", True)
    assert link_to(tmp_path / "out" / "a:b.mp4", page) == ("./a%3Ab.mp4", True)
    deep = tmp_path / "1" / "2" / "3" / "4" / "p.html"
    link, near = link_to(tmp_path / "웃음.mp4", deep)
    assert not near
    assert link.startswith("file:///")
    assert link.endswith("%EC%9B%83%EC%9D%8C.mp4")


def clip_facts(uri: str) -> tuple[float, list[str], tuple[int, int]]:
    import io

    with av.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as container:
        film = container.streams.video
        size = (film[0].width, film[0].height) if film else (0, 0)
        kinds = [stream.type for stream in container.streams]
        return float((container.duration or 0) / av.time_base), kinds, size


def test_clips_are_small_and_as_long_as_the_moment(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mkv", fps=10, seconds=20, size=(960, 720), sounds=[Sound()])
    source = find_source(probe(video).as_dict(), tmp_path / "p.html")
    (uri,) = clips(source, [MOMENT], "auto", 0)
    assert uri.startswith("data:video/")
    seconds, kinds, size = clip_facts(uri)
    assert seconds == pytest.approx(7, abs=0.2)
    assert sorted(kinds) == ["audio", "video"]
    assert size == (480, 360)
    assert clips(source, [MOMENT], "never", 0) == []


def test_clips_of_sound_alone(tmp_path: Path) -> None:
    video = make_video(tmp_path / "s.m4a", codec="", seconds=20, sounds=[Sound()])
    source = find_source(probe(video).as_dict(), tmp_path / "p.html")
    assert clips(source, [MOMENT], "auto", 0) == []
    (uri,) = clips(source, [MOMENT], "always", 0)
    assert uri.startswith("data:audio/")
    seconds, kinds, _ = clip_facts(uri)
    assert kinds == ["audio"]
    assert seconds == pytest.approx(7, abs=0.2)


def test_without_encoders_the_page_has_no_clips_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelpulse.export.report import pictures

    monkeypatch.setattr(pictures, "_encodes", lambda name: False)
    timeline = with_burst(calm(40), 20, 22)
    video = make_video(tmp_path / "v.mkv", fps=5, seconds=40, sounds=[Sound()])
    timeline.meta["video"] = probe(video).as_dict()
    page = page_of(timeline, tmp_path, lang="en")
    assert TEXTS["en"]["no_clips"] in page
    assert data_of(page)["media"]["link"] == "./v.mkv"


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_without_the_video_the_page_does_without(gone: str, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "v.mp4", 40)
    timeline = with_burst(calm(40), 20, 22)
    timeline.meta["video"] = probe(video).as_dict()
    video.unlink()
    if gone == "replaced":
        write_clip(video, 10)
    page = page_of(timeline, tmp_path, lang="en")
    elements = Elements(page)
    assert TEXTS["en"]["no_video"] in elements.text
    assert not [tag for tag, _ in elements.found if tag in ("video", "audio", "img")]
    assert len(data_of(page)["moments"]) == 1
