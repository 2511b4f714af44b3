"""The networks that tell genres apart, by name: another is a line in `GENRE_NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from reelpulse.errors import SettingsError
from reelpulse.genre.branches import double_stack, flow_pair, motion_magnitude
from reelpulse.genre.flownet import flownet
from reelpulse.genre.spec import PairSpec, prepare_pair
from reelpulse.learn.backbones import backbone

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GENRE_NETWORKS", "GenreNetwork", "PairSpec", "prepare_pair"]

_IMAGENET = PairSpec((224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""What VGG, ResNet and MobileNet were given; Inception v3 was given a mean and deviation of .5."""

_CONNECTED = (50, 10, 40)


@dataclass(frozen=True)
class GenreNetwork:
    """A kind of network.

    Parameters
    ----------
    build : callable
        ``build(spec, classes, pretrained)`` makes a ``torch.nn.Module``, which takes what
        ``spec.inputs`` names, in that order, and gives logits (N, classes).
    about : str
        A line for people.
    spec : PairSpec
        What it is usually given.
    preset : str
        How it is usually trained: a key of `reelpulse.genre.presets.PRESETS`.
    least : int
        Pictures must have this many rows and columns.
    """

    build: Callable[[PairSpec, int, bool], nn.Module]
    about: str
    spec: PairSpec
    preset: str
    least: int = 8

    def fits(self, spec: PairSpec) -> None:
        """See that pictures are not too small.

        Raises
        ------
        SettingsError
            When they are.
        """
        if min(spec.size) < self.least:
            height, width = spec.size
            raise SettingsError(
                f"{self.preset} takes pictures of {self.least} points or more a side, not of"
                f" {height}x{width}: use a larger --size"
            )


def connected(spec: PairSpec, classes: int, pretrained: bool = False) -> nn.Module:
    """Layers of 50, 10 and 40 on every point of a picture; never trained before."""
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    inside = 3 * spec.size[0] * spec.size[1]
    for outside in _CONNECTED:
        layers += [nn.Linear(inside, outside), nn.ReLU()]
        inside = outside
    return nn.Sequential(*layers, nn.Linear(inside, classes))


def _timm(name: str, spec: PairSpec, classes: int, pretrained: bool) -> nn.Module:
    """A network of timm; where it is given both frames, its first filters are repeated, halved."""
    return backbone(
        name, classes=classes, channels=3 * spec.frames, size=spec.size, pretrained=pretrained
    )


GENRE_NETWORKS: dict[str, GenreNetwork] = {
    "fc": GenreNetwork(
        connected, "fully connected layers of 50, 10 and 40", PairSpec((68, 120)), "fc"
    ),
    "vgg16": GenreNetwork(
        partial(_timm, "vgg16"), "VGG of 16 layers, 134 million weights",
        _IMAGENET, "vgg16", 32,
    ),
    "resnet50": GenreNetwork(
        partial(_timm, "resnet50"), "residual network of 50 layers, 24 million weights",
        _IMAGENET, "resnet50", 32,
    ),
    "inception_v3": GenreNetwork(
        partial(_timm, "inception_v3"), "Inception v3, 22 million weights",
        PairSpec((224, 224)), "inception_v3", 75,
    ),
    "flownet_fc": GenreNetwork(
        flownet, "the encoder of FlowNet-S and a classifier, on two frames or one as both",
        PairSpec((224, 224), frames=2), "flownet_fc",
    ),
    "six_channel": GenreNetwork(
        partial(_timm, "inception_v3"), "Inception v3 on both frames at once",
        PairSpec((299, 299), frames=2), "six_channel", 75,
    ),
    "double_stack": GenreNetwork(
        double_stack, "Inception v3 and a motion branch on the optical flow",
        PairSpec((299, 299), flow=True), "double_stack", 75,
    ),
    "motion_magnitude": GenreNetwork(
        motion_magnitude, "one value of Inception v3, and the magnitude of motion",
        PairSpec((299, 299), magnitude=True), "motion_magnitude", 75,
    ),
    "flow_pair": GenreNetwork(
        flow_pair, "one of our own: frozen MobileNet v4 and a small branch on the optical flow",
        replace(_IMAGENET, flow=True), "flow_pair", 32,
    ),
}  # fmt: skip
