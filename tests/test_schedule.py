"""The course of the learning rate: that of PyTorch's own two schedules, one after the other."""

from __future__ import annotations

import pytest

from reelpulse.learn.schedule import LEAST, warm_cosine


@pytest.mark.parametrize(("steps", "warm"), [(20, 5), (10, 0), (7, 7), (1, 0), (100, 1)])
def test_it_begins_peaks_and_ends_where_it_should(steps: int, warm: int) -> None:
    course = [warm_cosine(step, steps, warm) for step in range(steps + 1)]
    assert course[0] == (LEAST if warm else 1)
    assert course[warm] == 1
    if warm < steps:
        assert course[-1] == pytest.approx(LEAST)
    assert course[: warm + 1] == sorted(course[: warm + 1])
    assert course[warm:] == sorted(course[warm:], reverse=True)
    assert warm_cosine(steps + 5, steps, warm) == pytest.approx(course[-1])


def test_it_is_linear_and_then_cosine_as_pytorch_has_them() -> None:
    torch = pytest.importorskip("torch")
    schedules = torch.optim.lr_scheduler
    steps, warm, rate = 40, 8, 3e-4
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    theirs = schedules.SequentialLR(
        optimiser,
        [
            schedules.LinearLR(optimiser, LEAST, 1.0, warm),
            schedules.CosineAnnealingLR(optimiser, steps - warm, LEAST * rate),
        ],
        [warm],
    )
    for step in range(steps):
        wanted = rate * warm_cosine(step, steps, warm)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(wanted, rel=1e-6), step
        optimiser.step()
        theirs.step()
