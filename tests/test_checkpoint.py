"""A fit that was stopped goes on to the very weights that it would have come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError
from reelpulse.learn import checkpoint
from reelpulse.learn.fit import Batches, Fit, FitSettings, Kept, fit

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

SETTINGS = FitSettings(6, None, 0.05, 0.01, warm=0.3, watched="nearness")


class Stopped(Exception):
    pass


def made(count: int, seed: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return {"x": values, "y": (values[:, :1] * 2 - 1).astype(np.float32)}


def loss(network: Any, batch: dict[str, Any]) -> Any:
    return (network(batch["x"]) - batch["y"]).square().mean()


def build() -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))


class Nearness:
    """A judge: how near all answers together are."""

    def begin(self) -> None:
        self.apart: list[float] = []

    def add(self, network: Any, batch: dict[str, Any]) -> Any:
        found = loss(network, batch)
        self.apart += [float(found)] * len(batch["x"])
        return found

    def figures(self) -> dict[str, float]:
        return {"nearness": -float(np.mean(self.apart))}

    def picture(self) -> np.ndarray:
        return np.full((4, 4, 3), 128, np.uint8)


def fitted(
    settings: FitSettings = SETTINGS,
    path: Path | None = None,
    plan: str = "one",
    stop: float = 2,
    **others: Any,
) -> Fit:
    def tick(share: float) -> None:
        if share >= stop:
            raise Stopped

    kept = None if path is None else Kept(path, plan)
    held = Batches(made(40, 1), 16)
    training = Batches(made(90, 0), 32, seed=settings.seed)
    return fit(build, loss, training, held, settings, judge=Nearness(), kept=kept, tick=tick,
               **others)  # fmt: skip


def weights(found: Fit) -> np.ndarray:
    return np.concatenate([value.numpy().ravel() for value in found.network.state_dict().values()])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("stop", [0.2, 0.6, 1.0])
def test_a_stopped_fit_goes_on_exactly(optimiser: str, stop: float, tmp_path: Path) -> None:
    settings = FitSettings(6, None, 0.02, 0.01, warm=0.3, watched="nearness", optimiser=optimiser)
    whole = fitted(settings)
    path = tmp_path / "kept.safetensors"
    with pytest.raises(Stopped):
        fitted(settings, path, stop=stop)
    assert checkpoint.of_plan(path, "one")
    again = fitted(settings, path)
    np.testing.assert_array_equal(weights(again), weights(whole))
    assert (again.epochs, again.best, again.loss) == (whole.epochs, whole.best, whole.loss)
    assert again.figures == whole.figures
    assert again.figures["nearness"] == pytest.approx(-again.loss, rel=1e-5)


def test_one_that_had_stopped_early_does_not_go_on(tmp_path: Path) -> None:
    settings = FitSettings(30, 1, 1e-6, 0.0)
    path = tmp_path / "kept.safetensors"
    first = fitted(settings, path)
    assert first.epochs < 30
    again = fitted(settings, path)
    assert again.epochs == first.epochs
    np.testing.assert_array_equal(weights(again), weights(first))


def test_what_is_of_another_plan_or_cut_off_is_not_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    with pytest.raises(Stopped):
        fitted(path=path, stop=0.5)
    assert fitted(path=path, plan="two").epochs == 6
    path.write_bytes(path.read_bytes()[:200])
    assert not checkpoint.of_plan(path, "two")
    np.testing.assert_array_equal(weights(fitted(path=path)), weights(fitted()))


def test_a_checkpoint_holds_values_as_they_are(tmp_path: Path) -> None:
    state = {
        "numbers": {0: 1.5, 1: float("inf"), "one": None},
        "tensors": [torch.arange(6).reshape(2, 3).T, torch.ones(2, dtype=torch.bfloat16)],
        "pair": (1, ("two", True)),
        "empty": {},
    }
    shared = torch.zeros(3)
    state["shared"] = [shared, shared]
    checkpoint.save(state, tmp_path / "state.safetensors", "plan")
    found = checkpoint.load(tmp_path / "state.safetensors")
    assert found["numbers"] == state["numbers"]
    assert found["pair"] == state["pair"]
    assert found["empty"] == {}
    assert torch.equal(found["tensors"][0], state["tensors"][0])
    assert found["tensors"][1].dtype == torch.bfloat16
    assert torch.equal(found["shared"][0], found["shared"][1])
    with pytest.raises(DataError, match="cannot hold a set"):
        checkpoint.save({"odd": {1, 2}}, tmp_path / "odd.safetensors", "plan")
    assert not (tmp_path / "odd.safetensors").exists()


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"state\.safetensors: is damaged"):
        checkpoint.load(path)


def test_batches_add_up_to_one_step() -> None:
    rows = made(64, 3)

    def stepped(size: int, accumulate: int) -> np.ndarray:
        plain = FitSettings(2, None, 0.1, 0.0, accumulate=accumulate, optimiser="sgd")
        return weights(fit(lambda: torch.nn.Linear(3, 1), loss, Batches(rows, size), None, plain))

    np.testing.assert_allclose(stepped(16, 4), stepped(64, 1), atol=1e-6)
    assert np.abs(stepped(16, 1) - stepped(64, 1)).max() > 1e-3


def test_the_rate_rises_and_falls_and_pictures_are_logged(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fitted(logs=tmp_path)
    events = reading.EventAccumulator(str(tmp_path)).Reload()
    (tag,) = [tag for tag in events.Tags()["scalars"] if tag.startswith("lr")]
    rates = [event.value for event in events.Scalars(tag)]
    assert len(rates) == 18  # six passes of three steps
    assert rates[0] == pytest.approx(0.01 * SETTINGS.rate)
    assert max(rates) == pytest.approx(SETTINGS.rate) == rates[5]
    assert rates[-1] < 0.1 * SETTINGS.rate
    assert "val_nearness" in events.Tags()["scalars"]
    assert events.Tags()["images"] == ["val"]


def test_half_precision_learns_too() -> None:
    found = fitted(FitSettings(6, None, 0.05, 0.0, precision="bf16-mixed"))
    assert found.network[0].weight.dtype == torch.float32
    assert np.isfinite(weights(found)).all()
