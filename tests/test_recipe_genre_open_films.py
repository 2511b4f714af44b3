"""The recipe on pieces of open films: the whole way works, and says that it is no figure."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def recipe() -> ModuleType:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "recipes")
        return importlib.import_module("genre_open_films")


@pytest.mark.slow
def test_scenes_are_apart_and_inside_the_film(recipe: ModuleType, test_data: Path) -> None:
    found = recipe.scenes(test_data / "films" / "bbb_0_30_moviepy.webm")
    spans = [tuple(map(float, part.split("-"))) for part in found.ranges.split(",")]
    assert found.count == len(spans) == 4  # three cuts
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    assert spans[0][0] > 0
    assert spans[-1][1] < 30.1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_goes_the_whole_way_and_claims_nothing(
    recipe: ModuleType, test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [str(test_data / "films"), "--work", str(tmp_path), "--pairs", "24", "--epochs", "1",
             "--network", "fc", "--size", "32x48"]  # fmt: skip
    assert recipe.main(typed) == 0
    out = capsys.readouterr().out
    assert "Tears of Steel (sf): 24 pairs of " in out
    assert "split by scene" in out
    assert "there is one SF film" in out
    assert (tmp_path / "genre.onnx").exists()


def test_a_folder_without_the_pieces_is_one_line(
    recipe: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recipe.main([str(tmp_path), "--work", str(tmp_path / "work")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/bbb_0_30_moviepy.webm: ")
