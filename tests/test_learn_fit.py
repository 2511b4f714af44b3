"""The fit loop: what it learns, when it stops, and that it leaves nothing as it was not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelpulse.errors import DataError
from reelpulse.learn.fit import Batches, Fit, FitSettings, fit

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

SETTINGS = FitSettings(epochs=30, patience=5, rate=0.05, decay=0.0)


def made(count: int, seed: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return {"x": values, "y": (values[:, :1] * 2 - 1).astype(np.float32)}


def loss(network: Any, batch: dict[str, Any]) -> Any:
    return (network(batch["x"]) - batch["y"]).square().mean()


def build() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))


def fitted(
    settings: FitSettings = SETTINGS, held: dict[str, np.ndarray] | None = None, **others: Any
) -> Fit:
    held = made(40, 1) if held is None else held
    training = Batches(made(90, 0), 32, seed=settings.seed)
    return fit(build, loss, training, Batches(held, 1000), settings, **others)


def weights(found: Fit) -> np.ndarray:
    return np.concatenate([value.numpy().ravel() for value in found.network.state_dict().values()])


def test_it_learns_and_ends_in_evaluation_mode() -> None:
    found = fitted()
    assert found.loss < 0.1
    assert not found.network.training
    assert 1 <= found.best <= found.epochs <= 30


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again = fitted(), fitted()
    np.testing.assert_array_equal(weights(first), weights(again))
    other = fitted(FitSettings(30, 5, 0.05, 0.0, seed=1))
    assert not np.array_equal(weights(first), weights(other))


def test_it_stops_when_nothing_gets_better_and_keeps_the_best() -> None:
    # What is held back contradicts what is learnt: every pass makes it worse.
    against = made(40, 1)
    against["y"] = -against["y"]
    found = fitted(held=against)
    assert found.epochs < 30
    assert found.epochs == found.best + SETTINGS.patience
    with torch.no_grad():
        batch = {name: torch.from_numpy(value) for name, value in against.items()}
        assert float(loss(found.network, batch)) == pytest.approx(found.loss, rel=1e-5)


def test_without_examples_held_back_all_passes_are_made() -> None:
    found = fit(build, loss, Batches(made(90, 0), 32, seed=0), None, FitSettings(7, 2, 0.05, 0.0))
    assert found.epochs == found.best == 7


def test_no_random_draw_of_the_caller_changes() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fitted()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_what_is_no_number_ends_the_fit() -> None:
    wrong = made(90, 0)
    wrong["y"][3] = np.inf
    with pytest.raises(DataError, match="no number"):
        fit(build, loss, Batches(wrong, 32, seed=0), None, SETTINGS)


def ending(error: type[BaseException]) -> Callable[[float], None]:
    def tick(share: float) -> None:
        if share > 0.1:
            raise error

    return tick


class Pruned(Exception):
    """Stands for what a search raises to end a trial."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Pruned])
def test_it_can_be_ended_from_outside(error: type[BaseException]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(error):
        fitted(tick=ending(error))
    assert signal.getsignal(signal.SIGINT) is handler
    assert fitted().loss < 0.1


def test_it_tells_how_far_it_is() -> None:
    shares: list[float] = []
    fitted(tick=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_it_says_nothing_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    fitted()
    assert capfd.readouterr() == ("", "")


def test_it_logs_for_tensorboard(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def measures(network: Any, batch: dict[str, Any]) -> dict[str, Any]:
        return {"far": (network(batch["x"]) - batch["y"]).abs().max()}

    found = fitted(logs=tmp_path / "logs", measures=measures)
    events = reading.EventAccumulator(str(tmp_path / "logs")).Reload()
    tags = events.Tags()["scalars"]
    assert {"loss", "val_loss", "val_far"} <= set(tags)
    assert any(tag.startswith("lr") for tag in tags)
    assert len(events.Scalars("val_loss")) == found.epochs


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
def test_the_rate_falls_after_each_pass(tmp_path: Path, optimiser: str) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    falling = FitSettings(4, None, 0.01, 0.0, optimiser=optimiser, step_decay=0.5)
    fitted(falling, logs=tmp_path / "logs")
    events = reading.EventAccumulator(str(tmp_path / "logs")).Reload()
    (rate,) = (tag for tag in events.Tags()["scalars"] if tag.startswith("lr"))
    values = [event.value for event in events.Scalars(rate)]
    assert values == pytest.approx([0.01, 0.005, 0.0025, 0.00125])
    assert type_of(optimiser) in rate


def type_of(optimiser: str) -> str:
    """What TensorBoard calls it."""
    return {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[optimiser]


def test_batches_hold_every_example_once_in_an_order_of_their_own() -> None:
    batches = Batches({"x": np.arange(10)}, 4, seed=3)
    first, second = ([list(batch["x"].numpy()) for batch in batches] for _ in range(2))
    assert [len(rows) for rows in first] == [4, 4, 2] == [len(rows) for rows in second]
    assert len(batches) == 3
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == list(range(10))
    assert first != second
    plain = [batch["x"].tolist() for batch in Batches({"x": np.arange(5)}, 4)]
    assert plain == [[0, 1, 2, 3], [4]]
