"""Where a fit stands, in a file from which it goes on exactly: tensors and JSON, no pickle.

Lightning gathers what is to be kept (weights, optimiser, schedule, progress, what callbacks have to
say) and puts it back; here it only becomes a file, and is read again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, at
from reelpulse.files import atomic_path

_KEPT = "reelpulse"
_VERSION = 1


def plugin(plan: str) -> Any:
    """What Lightning writes and reads its checkpoints with, those of one plan.

    Parameters
    ----------
    plan : str
        Names what is fitted and how; kept in the file.

    Returns
    -------
    lightning.pytorch.plugins.CheckpointIO
    """
    from lightning.pytorch.plugins import CheckpointIO

    class Plain(CheckpointIO):
        def save_checkpoint(
            self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
        ) -> None:
            save(checkpoint, Path(path), plan)

        def load_checkpoint(
            self, path: Any, map_location: Any = None, weights_only: bool | None = None
        ) -> dict[str, Any]:
            found: dict[str, Any] = load(Path(path))
            return found

        def remove_checkpoint(self, path: Any) -> None:
            Path(path).unlink(missing_ok=True)

    return Plain()


def save(state: Any, path: Path, plan: str) -> None:
    """Write nested plain values and tensors.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    text = json.dumps({"version": _VERSION, "plan": plan, "state": _plain(state, tensors)})
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_KEPT: text})


def load(path: Path) -> Any:
    """Read what `save` wrote.

    Raises
    ------
    DataError
        When the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _whole(_head(path)["state"], load_file(path))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(at(path, f"is damaged ({error}): remove it, and start anew")) from None


def of_plan(path: Path, plan: str) -> bool:
    """Whether there is a checkpoint, whole, and of this plan."""
    from safetensors import SafetensorError

    try:
        return bool(_head(path)["plan"] == plan)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return False


def _head(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        head: dict[str, Any] = json.loads((file.metadata() or {})[_KEPT])
    if head["version"] != _VERSION:
        raise ValueError(f"version {head['version']}")
    return head


def _plain(value: Any, tensors: dict[str, Any]) -> Any:
    """Values as JSON has them; tensors go to `tensors`, and dicts become lists of pairs.

    An optimiser counts its parameters by whole numbers, which JSON would make texts of.
    """
    import torch

    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy of its own: a file holds no two names of one memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [[_plain(key, tensors), _plain(held, tensors)] for key, held in value.items()]
        return {"dict": pairs}
    if isinstance(value, tuple):
        return {"tuple": [_plain(held, tensors) for held in value]}
    if isinstance(value, list):
        return [_plain(held, tensors) for held in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise DataError(f"a checkpoint cannot hold a {type(value).__name__}")


def _whole(value: Any, tensors: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_whole(held, tensors) for held in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "tensor":
        return tensors[held]
    if kind == "tuple":
        return tuple(_whole(one, tensors) for one in held)
    return {_whole(key, tensors): _whole(one, tensors) for key, one in held}
