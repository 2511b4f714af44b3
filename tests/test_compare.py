"""Comparing networks: the same folds for all, honest baselines, one table and a page."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from quick import Lines, fit_broken, fit_diverged, fit_lines, use_quick
from reelpulse.errors import DataError, SettingsError
from reelpulse.export.comparison import write_comparison
from reelpulse.files import only_one
from reelpulse.learn.metrics import score
from reelpulse.learn.task import BINARY, LEVELS, SCORE, Task
from reelpulse.moments.dataset.clips import ClipSet, make_clip_file
from reelpulse.moments.inputs import Steps
from reelpulse.moments.training import compare as comparing
from reelpulse.moments.training.compare import baselines, compare
from reelpulse.settings import TrainSettings

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

COLUMNS = ("valence", "loudness")


def clip_file(
    path: Path, task: Task = BINARY, *, count: int = 80, signal: float = 1.0, sources: int = 20
) -> Path:
    """Clips whose valence tells the label, as far as `signal` goes; loudness and tension less."""
    rng = np.random.default_rng(0)
    labels = {
        "binary": rng.permutation(np.arange(count) % 2),
        "classes": rng.permutation(np.arange(count) % 3),
        "score": np.round(rng.uniform(0, 10, count), 1),
    }[task.kind].astype(np.float32)
    level = labels / labels.max()
    values = rng.normal(size=(count, 15, 2)).astype(np.float32)
    values[..., 0] += signal * (level[:, None] - 0.5)
    values[..., 1] += 0.3 * signal * level[:, None]
    times = np.tile(np.arange(15, dtype=np.float32) * 0.4, (count, 1))
    steps = Steps(values, times, np.ones((count, 15), bool), np.full((count, 2), np.nan, "f4"))
    facts = {
        "source": [f"s{row % sources}" for row in range(count)],
        "person": ["김" if row % sources < 2 else "" for row in range(count)],
        "tension": level * 0.2 + rng.random(count),
    }
    return make_clip_file(path, steps, labels, task=task, columns=COLUMNS, facts=facts)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_quick(monkeypatch, lines=fit_lines, same=fit_lines, guess=fit_guess)
    return clip_file(tmp_path / "클립.h5")


def fit_guess(examples: Any, held_back: np.ndarray, how: Any) -> Lines:
    return Lines(np.zeros((examples.inputs["input"].shape[1] + 1, how.task.outputs)), how.task)


def test_the_best_leads_and_noise_is_named(clips: Path) -> None:
    found = compare(clips)
    names = [row.name for row in found.rows]
    assert set(names) == {"lines", "same", "guess", "majority", "loudness", "tension"}
    assert found.best.name in ("lines", "same")
    values = [row.scores["roc_auc"].value for row in found.rows]
    assert values == sorted(values, reverse=True)
    rows = {row.name: row for row in found.rows}
    assert rows["lines"].within_noise
    assert rows["same"].within_noise
    assert not rows["guess"].within_noise
    assert rows["lines"].behind.value == 0
    assert rows["guess"].scores["roc_auc"].value == 0.5
    assert re.fullmatch(
        r"lines is best; same within noise of it; guess behind; it beats every baseline",
        found.verdict,
    )


def test_a_network_that_adds_nothing_is_told_so(tmp_path: Path, monkeypatch: Any) -> None:
    use_quick(monkeypatch, lines=fit_lines)
    found = compare(clip_file(tmp_path / "noise.h5", signal=0.0))
    assert "what it adds over" in found.verdict
    assert "majority" in found.verdict


def test_costs_are_those_of_a_network_alone(clips: Path) -> None:
    for row in compare(clips).rows:
        assert row.network == (row.costs is not None)
        if row.costs:
            assert row.costs.seconds > 0
            assert 0 < row.costs.microseconds < 10_000
            assert 0.1 < row.costs.kilobytes < 10


@pytest.mark.parametrize("task", [BINARY, LEVELS, SCORE], ids=lambda task: task.kind)
def test_every_task_is_compared_and_shown(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_quick(monkeypatch, lines=fit_lines, guess=fit_guess)
    found = compare(clip_file(tmp_path / "clips.h5", task, count=120))
    assert found.best.name == "lines"
    page, twin = write_comparison(found)
    assert page == tmp_path / "clips.compare.html"
    plain = json.loads(twin.read_text("utf-8"))
    assert plain["best"] == "lines"
    assert plain["clips"] == 120
    assert plain["groups"] == 19
    kept = {row["name"]: row for row in plain["rows"]}
    value, low, high = kept["lines"]["scores"][plain["metric"]]
    assert low <= value <= high
    assert kept["lines"]["costs"]["kilobytes"] > 0
    assert kept["tension"]["costs"] is None
    text = page.read_text("utf-8")
    assert "http" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert text.count("Plotly.newPlot") >= 1


def test_baselines_are_out_of_fold_and_no_better_than_what_they_know(tmp_path: Path) -> None:
    path = clip_file(tmp_path / "clips.h5", count=200, signal=2.0)
    with ClipSet(path) as opened:
        found = baselines(opened)
        labels = opened.labels
        some = baselines(opened, np.arange(0, 200, 2))
    assert list(found) == ["majority", "loudness", "tension"]
    aucs = {name: score(BINARY, labels, given, "roc_auc") for name, given in found.items()}
    assert aucs["majority"] == 0.5
    assert 0.6 < aucs["loudness"] < 0.95
    assert {given.shape for given in some.values()} == {(100, 1)}


def test_a_baseline_is_left_out_where_its_column_is(tmp_path: Path) -> None:
    steps = Steps(
        np.random.default_rng(0).normal(size=(40, 15, 1)).astype(np.float32),
        np.tile(np.arange(15, dtype=np.float32), (40, 1)),
        np.ones((40, 15), bool),
        np.full((40, 1), np.nan, np.float32),
    )
    facts = {"tension": np.full(40, np.nan)}
    make_clip_file(tmp_path / "c.h5", steps, np.arange(40) % 2, columns=("valence",), facts=facts)
    with ClipSet(tmp_path / "c.h5") as opened:
        found = baselines(opened)
    assert list(found) == ["majority", "tension"]
    assert np.allclose(found["tension"], 0.5)


def test_a_network_that_fails_is_named_and_the_others_go_on(
    clips: Path, monkeypatch: pytest.MonkeyPatch, run: Command
) -> None:
    use_quick(monkeypatch, broken=fit_broken, diverged=fit_diverged, lines=fit_lines)
    found = compare(clips)
    assert [row.name for row in found.rows if row.network] == ["lines"]
    assert found.failed["broken"] == r"RuntimeError('no such\nlibrary')"
    assert "learning rate" in found.failed["diverged"]
    page = write_comparison(found)[0].read_text("utf-8")
    assert "broken could not be fitted" in page


def test_where_none_can_be_fitted_there_is_one_line(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_quick(monkeypatch, broken=fit_broken)
    with pytest.raises(DataError, match="no network could be fitted") as caught:
        compare(clips)
    assert "\n" not in str(caught.value)


def test_what_was_stopped_goes_on(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[str] = []
    whole = compare(clips)
    real = comparing._fit

    def stopping(labelled: Any, settings: TrainSettings, *rest: Any) -> Any:
        if settings.network == "same" and len(fits) == 1:
            raise KeyboardInterrupt
        fits.append(settings.network)
        return real(labelled, settings, *rest)

    monkeypatch.setattr(comparing, "_fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        compare(clips)
    parts = clips.with_suffix(".compare.parts")
    assert (parts / "lines.npz").exists()
    fits.append("stopped")
    again = compare(clips)
    assert fits == ["lines", "stopped", "same", "guess"]
    assert not parts.exists()
    for one, other in zip(whole.rows, again.rows, strict=True):
        assert (one.name, one.scores) == (other.name, other.scores)


def test_parts_of_other_settings_are_not_taken(
    clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []
    real = comparing._fit

    def stopping(labelled: Any, settings: TrainSettings, *rest: Any) -> Any:
        fits.append(settings.seed)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return real(labelled, settings, *rest)

    monkeypatch.setattr(comparing, "_fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        compare(clips)
    compare(clips, TrainSettings(seed=1))
    assert fits == [0, 0, 1, 1, 1]


def test_a_damaged_part_is_fitted_again(clips: Path) -> None:
    parts = clips.with_suffix(".compare.parts")
    with ClipSet(clips) as opened:
        labelled = comparing.read_labelled(opened, TrainSettings())
    comparing._begin(parts, labelled, TrainSettings())
    for name, content in (("lines", b""), ("same", b"PK\3\4 half of it")):
        (parts / f"{name}.npz").write_bytes(content)
    assert compare(clips).failed == {}


def test_two_runs_on_one_dataset_do_not_meet(clips: Path) -> None:
    with (
        only_one(clips.with_suffix(".compare.parts"), "x"),
        pytest.raises(DataError, match="another run"),
    ):
        compare(clips)


def test_progress_counts_every_fit(clips: Path) -> None:
    seen: list[tuple[float, int, str]] = []
    compare(clips, TrainSettings(folds=3), progress=lambda *now: seen.append(now))
    done = [fits for fits, _, _ in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 12)
    assert {total for _, total, _ in seen} == {12}
    assert {name for _, _, name in seen} == {"lines", "same", "guess"}


def test_mistakes_are_said_in_a_line(clips: Path, run: Command) -> None:
    with pytest.raises(SettingsError, match="did you mean `lines`"):
        compare(clips, networks=["line"])
    with pytest.raises(SettingsError, match="no column 'smell'"):
        compare(clips, TrainSettings(inputs=("smell",)))
    with pytest.raises(DataError, match="use --folds 20") as caught:
        compare(clips, TrainSettings(folds=40))
    assert str(caught.value).startswith(str(clips))
    with pytest.raises(DataError, match="no clip is left"):
        compare(clips, TrainSettings(where=("person=nobody",)))
    with pytest.raises(DataError, match="label some of each class"):
        compare(clips, TrainSettings(where=("label=funny",)))


def test_twins_and_few_clips_are_warned_of(tmp_path: Path, monkeypatch: Any) -> None:
    use_quick(monkeypatch, lines=fit_lines)
    found = compare(clip_file(tmp_path / "few.h5", count=30, sources=6), TrainSettings(folds=3))
    assert any("videos only" in text for text in found.warnings)
    assert any("15 clips are 'funny'" in text for text in found.warnings)
    assert all(math.isfinite(row.scores["roc_auc"].low) for row in found.rows)


def test_the_command_prints_a_table_and_writes_the_page(clips: Path, run: Command) -> None:
    done = run("moments", "compare", clips)
    assert done.code == 0, done.errors
    lines = done.out.splitlines()
    assert str(clips) in lines[0]
    assert "80 clips (40 ordinary, 40 funny)" in lines[1]
    row = next(line for line in lines if line.startswith("  lines"))
    assert re.search(r"0\.\d\d \(0\.\d\d–[01]\.\d\d\)", row)
    assert any("is best" in line for line in lines)
    assert clips.with_name("클립.compare.html").exists()


def test_the_command_takes_networks_a_place_and_json(
    clips: Path, tmp_path: Path, run: Command
) -> None:
    chosen = ("--network", "lines", "--network", "guess", "--folds", "3")
    done = run("moments", "compare", clips, *chosen, "-o", tmp_path / "결과", "--json")
    assert done.code == 0, done.errors
    plain = json.loads(done.out)
    assert {row["name"] for row in plain["rows"] if row["network"]} == {"lines", "guess"}
    assert plain["settings"]["folds"] == 3
    assert plain["files"] == [
        str(tmp_path / "결과" / f"클립.compare.{e}") for e in ("html", "json")
    ]
    assert all(Path(file).exists() for file in plain["files"])


def test_the_command_ends_with_1_where_a_network_failed(
    clips: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_quick(monkeypatch, broken=fit_broken, lines=fit_lines)
    done = run("moments", "compare", clips, "--quiet")
    assert done.code == 1
    assert done.errors[-1].startswith("error: broken could not be fitted")


def test_a_place_that_cannot_be_written_is_told_before_the_fits(
    clips: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "_fit", lambda *_: pytest.fail("it was fitted"))
    done = run("moments", "compare", clips, "-o", clips / "below a file")
    assert done.code == 1
    assert len(done.errors) == 1
    assert "cannot be written" in done.errors[0]


def test_the_command_refuses_a_place_that_is_a_file(clips: Path, run: Command) -> None:
    done = run("moments", "compare", clips, "-o", clips)
    assert done.code == 1
    assert done.errors == [
        f"error: {clips}: is a file: give -o a folder, or a name that ends in .html"
    ]
