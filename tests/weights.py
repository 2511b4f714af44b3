"""Files of weights for the tests of `reelpulse.checkpoints`, made once a session."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ARCHITECTURES = ("tf_efficientnet_b0", "efficientnet_b0")
WAYS = ("whole", "state", "older")


@pytest.fixture(scope="session")
def networks() -> dict[str, Any]:
    """The two networks with ten outputs, and weights that give outputs of some size."""
    timm = pytest.importorskip("timm", reason="the extra train is not installed")
    import torch

    made = {}
    for number, name in enumerate(ARCHITECTURES):
        torch.manual_seed(number)
        network = timm.create_model(name, num_classes=10, drop_rate=0.0)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0  # the statistics of one batch, so that rounding stays small
        with torch.no_grad():
            network.train()(torch.randn(4, 3, 224, 224))
        made[name] = network.eval()
    return made


@pytest.fixture(scope="session")
def saved(
    networks: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Path]:
    """Each network saved whole, as a state dict, and as an older timm would have left it."""
    import torch

    folder = tmp_path_factory.mktemp("weights")
    files = {}
    for name, network in networks.items():
        for way in WAYS:
            files[name, way] = folder / f"{name}_{way}.pt"
        torch.save(network, files[name, "whole"])
        torch.save(network.state_dict(), files[name, "state"])
        torch.save(aged(network), files[name, "older"])
        rewrite(files[name, "older"], lambda data: data.replace(b"timm.layers.", b"timm.models."))
    return files


def aged(network: Any) -> Any:
    """Take away what today's classes have and those of an older timm had not."""
    old = copy.deepcopy(network)
    for part in old.modules():
        for name in ("conv_s2d", "bn_s2d", "aa", "drop_path", "grad_checkpointing", "has_skip"):
            part.__dict__.pop(name, None)
            part._modules.pop(name, None)
    for name in ("pretrained_cfg", "default_cfg", "num_features", "head_hidden_size"):
        old.__dict__.pop(name, None)
    return old


def rewrite(path: Path, change: Callable[[bytes], bytes], compression: int = 0) -> None:
    """Change the pickle within a file by ``torch.save``."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, change(data) if name.endswith("/data.pkl") else data)
