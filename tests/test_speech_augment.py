"""Each way of varying pictures does what its setting says; and the sheet that shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from reelpulse.errors import DataError, SettingsError
from reelpulse.media import write_sound
from reelpulse.speech.augment import NO_AUGMENT, Augment, augment, mixup
from reelpulse.speech.corpus import COLUMNS, EMOTIONS
from reelpulse.speech.picture import PictureSpec, picture
from reelpulse.speech.preview import contact_sheet, preview

HEIGHT, WIDTH = 100, 150
Array = np.ndarray[Any, Any]


def ones(count: int = 2000) -> Array:
    return np.ones((count, HEIGHT, WIDTH), np.float32)


def random(count: int = 64) -> Array:
    """No value of these is 0, or that of a neighbour."""
    drawn = np.random.default_rng(5).random((count, HEIGHT, WIDTH), np.float32)
    return (0.1 + 0.9 * drawn).astype(np.float32)


def varied(pictures: Any, seed: int = 0, **settings: Any) -> Any:
    return augment(pictures, replace(NO_AUGMENT, **settings), np.random.default_rng(seed))


def runs(silent: Array) -> Array:
    """How long the one run of a mask is, row by row; checks that there is no second one."""
    edges = np.abs(np.diff(np.pad(silent.astype(int), ((0, 0), (1, 1))), axis=1)).sum(1)
    assert edges.max() <= 2
    return np.asarray(silent.sum(1))


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    pictures = random()
    out = varied(pictures)
    np.testing.assert_array_equal(out, pictures)
    assert not np.shares_memory(out, pictures)


@pytest.mark.parametrize(
    ("settings", "axis", "length"),
    [
        ({"time_masks": 1, "time_mask": 0.2}, 2, WIDTH),
        ({"frequency_masks": 1, "frequency_mask": 0.2}, 1, HEIGHT),
    ],
    ids=["time", "frequency"],
)
def test_a_mask_is_one_stretch_of_up_to_its_share(
    settings: dict[str, Any], axis: int, length: int
) -> None:
    out = varied(ones(), **settings)
    across = 3 - axis
    silent = (out == 0).any(axis=across)
    np.testing.assert_array_equal((out == 0).all(axis=across), silent)  # whole columns or rows
    long = runs(silent)
    assert long.max() == 0.2 * length
    assert long.mean() == pytest.approx(0.1 * length, rel=0.1)
    where = silent.mean(0)
    assert where[length // 4 : -length // 4].min() > 0.05  # anywhere along the axis


def test_more_masks_silence_more() -> None:
    once, thrice = (varied(ones(300), time_masks=n, time_mask=0.1).mean() for n in (1, 3))
    assert 1 - thrice > 2.5 * (1 - once)


def test_half_of_the_pictures_move_by_up_to_the_share_of_each_side() -> None:
    pictures = random(600)
    out = varied(pictures, shift=0.04, shift_share=0.5)
    seen: set[tuple[int, int]] = set()
    for before, after in zip(pictures, out, strict=True):
        rows, columns = ((after != 0).any(axis=axis) for axis in (1, 0))
        down = int(rows.argmax()) or -int(rows[::-1].argmax())
        right = int(columns.argmax()) or -int(columns[::-1].argmax())
        wanted = np.roll(before, (down, right), (0, 1))
        np.testing.assert_array_equal(after[np.ix_(rows, columns)], wanted[np.ix_(rows, columns)])
        assert (after != 0).sum() == (HEIGHT - abs(down)) * (WIDTH - abs(right))
        seen.add((down, right))
    moved = (out != pictures).any(axis=(1, 2)).mean()
    assert moved == pytest.approx(0.5 * (1 - 1 / (9 * 13)), abs=0.06)
    assert {down for down, _ in seen} == set(range(-4, 5))
    assert {right for _, right in seen} == set(range(-6, 7))


def test_a_picture_too_small_to_move_stays() -> None:
    small = random()[:, :20, :20]
    np.testing.assert_array_equal(varied(small, shift=0.04, shift_share=1.0), small)


def test_a_quarter_of_the_pictures_lose_a_box_of_2_to_8_per_cent() -> None:
    out = varied(ones(), erase_share=0.25)
    gone = out == 0
    area = gone.mean(axis=(1, 2))
    touched = area > 0
    assert touched.mean() == pytest.approx(0.25, abs=0.03)
    assert area[touched].min() >= 0.02
    assert area[touched].max() <= 0.08
    assert area[touched].mean() == pytest.approx(0.05, abs=0.003)
    rows, columns = gone.any(axis=2), gone.any(axis=1)
    tall, wide = runs(rows), runs(columns)
    np.testing.assert_array_equal(tall * wide, gone.sum(axis=(1, 2)))  # boxes, filled
    oblong = (tall / HEIGHT)[touched] / (wide / WIDTH)[touched]
    assert oblong.min() < 0.5
    assert oblong.max() > 2
    assert min(rows.mean(0).min(), columns.mean(0).min()) > 0  # anywhere


@pytest.mark.parametrize("shape", [(224, 224), (64, 300), (1, 1), (2, 500)])
def test_any_size_can_be_varied(shape: tuple[int, int]) -> None:
    pictures = np.ones((50, *shape), np.float32)
    settings = Augment(shift_share=1.0, erase_share=1.0)
    out = augment(pictures, settings, np.random.default_rng(0))
    assert out.shape == pictures.shape
    assert set(np.unique(out)) <= {0, 1}
    assert augment(pictures[:0], settings, np.random.default_rng(0)).shape == (0, *shape)


def test_the_same_seed_gives_the_same_and_what_was_given_is_left_alone() -> None:
    pictures = random()
    before = pictures.copy()
    first, again, other = (
        augment(pictures, Augment(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(pictures, before)


def test_tensors_and_bytes_are_varied_as_floats_are() -> None:
    torch = pytest.importorskip("torch")
    pictures = random()
    tensor = torch.from_numpy(pictures.copy())
    out = augment(tensor, Augment(), np.random.default_rng(3))
    assert isinstance(out, torch.Tensor)
    wanted = augment(pictures, Augment(), np.random.default_rng(3))
    np.testing.assert_array_equal(out.numpy(), wanted)
    np.testing.assert_array_equal(tensor.numpy(), pictures)
    stored = augment((pictures * 255).astype(np.uint8), Augment(), np.random.default_rng(3))
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored == 0, wanted == 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_mask": 1.1},
        {"frequency_mask": -0.1},
        {"time_masks": -1},
        {"shift": float("nan")},
        {"shift_share": 2.0},
        {"erase_share": -1.0},
        {"erase_smallest": 0.2, "erase_largest": 0.1},
        {"erase_largest": 0.9},
        {"mixup": -0.1},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong)).split("_")[0]):
        Augment(**wrong)  # type: ignore[arg-type]


# Blending


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_pictures_and_targets_are_blended_by_the_same_shares(kind: str) -> None:
    pictures, targets = random(40), np.eye(40, dtype=np.float32)
    given: tuple[Any, Any] = pictures, targets
    if kind == "tensor":
        torch = pytest.importorskip("torch")
        given = torch.from_numpy(pictures), torch.from_numpy(targets)
    mixed, blended = (np.asarray(a) for a in mixup(*given, 0.4, np.random.default_rng(0)))
    assert mixed.dtype == blended.dtype == np.float32
    np.testing.assert_allclose(blended.sum(1), 1, rtol=1e-5)
    own = np.diag(blended)
    assert own.min() >= 0.5
    assert (own < 0.95).any()
    # Each row's targets say what the picture is made of.
    np.testing.assert_allclose(mixed, np.tensordot(blended, pictures, 1), atol=1e-5)


def test_an_alpha_of_0_blends_nothing() -> None:
    pictures, targets = random(5), np.eye(5, dtype=np.float32)
    mixed, blended = mixup(pictures, targets, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed, pictures)
    np.testing.assert_array_equal(blended, targets)


# The sheet


def voice(hertz: float) -> Array:
    time = np.arange(24_000) / 16_000
    swell = np.sin(np.pi * time / 1.5) ** 2
    return (swell * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 8)) / 4).astype(
        np.float32
    )


def test_the_sheet_has_a_row_a_way_and_a_column_a_sound() -> None:
    spec = PictureSpec(size=(60, 80))
    sounds = {"one": voice(120), "두 번째": voice(200), "three": voice(300)}
    sheet = contact_sheet(sounds, spec, seed=1)
    np.testing.assert_array_equal(sheet, contact_sheet(sounds, spec, seed=1))
    assert sheet.shape == (26 + 11 * 66, 150 + 3 * 86)
    cells = [
        [sheet[26 + r * 66 :, 150 + c * 86 :][:60, :80] / 255 for c in range(3)] for r in range(11)
    ]
    for cell, sound in zip(cells[1], sounds.values(), strict=True):
        np.testing.assert_allclose(cell, picture(sound, spec), atol=1 / 500)
    for row in range(11):
        if row != 1:
            same = [(a == b).all() for a, b in zip(cells[row], cells[1], strict=True)]
            assert not all(same), f"row {row} shows nothing"


def write_corpus(folder: Path, labels: list[str]) -> None:
    folder.mkdir()
    lines = [",".join(COLUMNS)]
    for number, label in enumerate(labels):
        name = f"1_{number:03}"
        write_sound(folder / f"{name}.flac", voice(100 + 10 * number))
        row = {"name": name, "speaker": "1", "label": label, "duration": "1.5", "checksum": name}
        lines.append(",".join(row.get(column, "") for column in COLUMNS))
    (folder / "table.csv").write_text("\n".join(lines), encoding="utf-8")


def test_preview_takes_clips_of_each_emotion_in_turn(tmp_path: Path) -> None:
    write_corpus(tmp_path / "speech", [*EMOTIONS[:2] * 3, EMOTIONS[5]])
    spec = PictureSpec(size=(60, 80))
    out = preview(tmp_path / "speech", tmp_path / "sheet.png", spec=spec, clips=3)
    sheet = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert sheet.shape == (26 + 11 * 66, 150 + 3 * 86)
    # Asked for more than there are, it shows what there is.
    preview(tmp_path / "speech", out, spec=spec, clips=30)
    assert cv2.imread(str(out)).shape[1] == 150 + 7 * 86


def test_preview_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="speech prepare"):
        preview(tmp_path / "empty", tmp_path / "sheet.png")
    write_corpus(tmp_path / "speech", ["anger"])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        preview(tmp_path / "speech", tmp_path / "file" / "sheet.png")
    with pytest.raises(DataError, match=r"sheet\.jpg: a preview's name ends with \.png"):
        preview(tmp_path / "speech", tmp_path / "sheet.jpg")
    assert not (tmp_path / "sheet.jpg").exists()
