"""Networks of timm, with weights that were trained on ImageNet where they can be had."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelpulse.errors import MissingExtra, SettingsError
from reelpulse.hub import locate

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

_PATCH = 16

_BADLY_BEGUN = ("inception_v3",)
"""timm draws all their weights with a deviation of 0.1: the first logits are off by several, and on
the films of `recipes/genre_proof.py` 300 steps bring what 100 do where weights are drawn well."""


def pretrained_file(name: str) -> Path | None:
    """Weights of a backbone of timm, trained on ImageNet: a file of tensors, no pickle.

    They come from the folders that `reelpulse.hub.locate` looks in, under timm's name of them (such
    as ``resnet18.a1_in1k.safetensors``), from Hugging Face's cache, or from its hub.

    Returns
    -------
    Path or None
        None, with a warning, where they cannot be had.
    """
    import timm

    facts: Any = timm.get_pretrained_cfg(name)
    file = f"{facts.architecture}.{facts.tag}.safetensors"
    found = locate(file)
    if found is not None:
        return found
    offline = os.environ.get("REELPULSE_OFFLINE", "0") not in ("", "0")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import logging as own

        own.set_verbosity_error()  # type: ignore[no-untyped-call]
        return Path(hf_hub_download(facts.hf_hub_id, "model.safetensors", local_files_only=offline))
    except Exception as error:  # of whatever library carries it
        log.warning(
            "%s: its pretrained weights cannot be had (%s), and it begins with random ones, which"
            " learn far less from few examples: put %s into $REELPULSE_MODELS, or say"
            " --no-pretrained",
            name, type(error).__name__, file,
        )  # fmt: skip
        return None


def backbone(
    name: str,
    *,
    classes: int,
    channels: int,
    size: tuple[int, int],
    dropout: float = 0.0,
    pretrained: bool = True,
    **more: Any,
) -> nn.Module:
    """Make a network of timm, from pictures (N, channels, height, width) to (N, classes).

    Parameters
    ----------
    name : str
        Of timm, such as ``resnet18``.
    classes : int
        Numbers given; 0 gives what the last layer would be given.
    channels : int
        Of the pictures. Where they are not three, timm folds or repeats the first filters, and
        keeps their sum.
    size : (int, int)
        Height and width of the pictures.
    dropout : float
        Share of what the last layer is given that is left out.
    pretrained : bool
        Begin with `pretrained_file`, where it can be had; else with random weights.
    **more
        Further options of ``timm.create_model``.

    Raises
    ------
    SettingsError
        When the network takes no pictures of such a size.
    MissingExtra
        When timm is not installed.
    """
    try:
        import timm
    except ImportError:
        raise MissingExtra("train", "training a network") from None
    if name.startswith("vit"):
        if size[0] % _PATCH or size[1] % _PATCH:
            problem = f"{name} takes pictures of a multiple of {_PATCH} a side, not of"
            raise SettingsError(f"{problem} {size[0]}x{size[1]}")
        more["img_size"] = size
    file = pretrained_file(name) if pretrained else None
    made: nn.Module = timm.create_model(
        name,
        pretrained=file is not None,
        pretrained_cfg_overlay=None if file is None else {"file": str(file)},
        num_classes=classes,
        in_chans=channels,
        drop_rate=dropout,
        **more,
    )
    if name.startswith(_BADLY_BEGUN):
        _begin(made, weights=file is None)
    return made


def _begin(network: nn.Module, *, weights: bool) -> None:
    """Draw weights so that a signal keeps its size on its way, and logits begin near 0.

    Convolutions as He et al. (Delving deep into rectifiers, ICCV 2015), the last layer with a
    deviation of 0.01 (Simonyan and Zisserman, 2014).
    """
    from torch import nn

    for part in network.modules():
        if weights and isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
