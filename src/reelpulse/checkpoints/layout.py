"""From what a file holds to named tensors, as a state dict has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reelpulse.checkpoints.builders import NumpyArray
from reelpulse.checkpoints.tensors import Tensor
from reelpulse.checkpoints.trust import Made

STATE_KEYS = (
    *("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model_state"),
    *("model", "net", "network", "module", "params_ema", "params", "weights"),
)
"""Where training scripts put the weights within a checkpoint; the first there is taken."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What DataParallel, torch.compile, Lightning and wrappers put before every name."""

MOST_PARTS = 200_000
DEEPEST = 4  # dictionaries within a checkpoint
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Layout:
    """Named tensors and what is known of the modules that hold them.

    Attributes
    ----------
    kind : str
        ``module``, ``state dict`` or ``object`` (which holds no tensors by name).
    within : str
        Where in the file: the keys on the way, empty for the whole.
    tensors : dict of Tensor
        By the names a state dict gives.
    modules : dict of Made
        Parts of a pickled module by name; the whole has the name "".
    """

    kind: str
    within: str
    tensors: dict[str, Tensor]
    modules: dict[str, Made] = field(default_factory=dict)

    def is_parameter(self, name: str) -> bool:
        """Whether a tensor is trained, and not counted along: told by batch norm's names."""
        return name.rpartition(".")[2] not in STATISTICS


def lay_out(root: Any) -> Layout:
    """Find the tensors in what a file holds.

    Raises
    ------
    ValueError
        When there are more parts than any model has.
    """
    for within, found in _candidates(root):
        if isinstance(found, Made) and isinstance(found.state, dict):
            tensors, modules = _walk(found)
            if tensors:
                return Layout("module", within, tensors, modules)
        elif isinstance(found, dict):
            tensors = {
                name: tensor
                for name, value in found.items()
                if isinstance(name, str) and (tensor := _tensor(value)) is not None
            }
            if tensors:
                return Layout("state dict", within, tensors)
    return Layout("object", "", {})


def _candidates(root: Any) -> Iterator[tuple[str, Any]]:
    """Give what may be the weights: the whole, then what lies under the usual keys, breadth first.

    A checkpoint may hold stray tensors (a learning rate) beside the weights: the usual keys first.
    """
    level = [("", root)]
    for _ in range(DEEPEST):
        below = [
            (f"{within}.{name}".lstrip("."), found[name])
            for within, found in level
            if isinstance(found, dict)
            for name in STATE_KEYS
            if isinstance(found.get(name), dict | Made)
        ]
        if not below:
            break
        yield from below
        level = below
    yield "", root


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, NumpyArray):
        return value.tensor
    return value if isinstance(value, Tensor) else None


def _walk(root: Made) -> tuple[dict[str, Tensor], dict[str, Made]]:
    """Name tensors as ``Module.state_dict`` does: own parameters and buffers, then the parts'."""
    tensors: dict[str, Tensor] = {}
    modules: dict[str, Made] = {}
    waiting: list[tuple[str, Made]] = [("", root)]
    while waiting:
        path, module = waiting.pop()
        modules[path.removesuffix(".")] = module
        if len(modules) + len(tensors) > MOST_PARTS or path.count(".") > 100:
            raise ValueError("it has more parts than any model")
        state = module.state if isinstance(module.state, dict) else {}
        own, parts = _members(state)
        for name, value in own.items():
            if (tensor := _tensor(value)) is not None:
                tensors[path + str(name)] = tensor
        # Off the end of the list: the last part first on it.
        waiting += [
            (f"{path}{name}.", part)
            for name, part in reversed(parts.items())
            if isinstance(part, Made)
        ]
    return tensors, modules


def _members(state: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Tell a module's own tensors from its parts; TorchScript keeps both as plain attributes."""
    if "_modules" not in state and "_parameters" not in state:
        return state, state
    passing = state.get("_non_persistent_buffers_set") or ()
    buffers = {k: v for k, v in _dict(state.get("_buffers")).items() if k not in passing}
    return {**_dict(state.get("_parameters")), **buffers}, _dict(state.get("_modules"))


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def without_prefix(names: list[str]) -> str:
    """What stands before every name and is no part of the model's own, such as ``module.``."""
    taken = ""
    while prefix := next(
        (p for p in PREFIXES if names and all(n.startswith(taken + p) for n in names)), ""
    ):
        taken += prefix
    return taken
