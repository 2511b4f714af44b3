"""The encoder of FlowNet-S with a classifier of genres on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reelpulse.genre.spec import PairSpec

ENCODER = (
    *((64, 7, 2), (128, 5, 2), (256, 5, 2), (256, 3, 1), (512, 3, 2)),
    *((512, 3, 1), (512, 3, 2), (512, 3, 1), (1024, 3, 2)),
)
"""Filters, size and stride of each convolution (Dosovitskiy et al., FlowNet, ICCV 2015)."""

LEAK = 0.1
VARIANCE = 0.05
"""Of the normal distribution that weights are drawn from."""

_SHRUNK = 64
_HIDDEN = 512
_DROPOUT = 0.5


def flownet(spec: PairSpec, classes: int, pretrained: bool = False) -> nn.Module:
    """Two frames, RGBRGB, to logits; a single frame is taken as both.

    Batch norm and dropout as published; the width of the classifier is ours.

    Parameters
    ----------
    spec : PairSpec
    classes : int
    pretrained : bool
        Not used: weights are drawn from a normal distribution.
    """
    import torch
    from torch import nn

    def convolution(inside: int, outside: int, size: int, stride: int) -> list[nn.Module]:
        layer = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
        return [layer, nn.BatchNorm2d(outside), nn.LeakyReLU(LEAK)]

    height, width = (-(-side // _SHRUNK) for side in spec.size)

    class FlowNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            inside = 6
            for outside, size, stride in ENCODER:
                layers += convolution(inside, outside, size, stride)
                inside = outside
            self.encoder = nn.Sequential(*layers)
            self.classifier = nn.Sequential(
                nn.Flatten(),
                nn.Dropout(_DROPOUT),
                nn.Linear(inside * height * width, _HIDDEN, bias=False),
                nn.BatchNorm1d(_HIDDEN),
                nn.LeakyReLU(LEAK),
                nn.Dropout(_DROPOUT),
                nn.Linear(_HIDDEN, classes),
            )
            for part in self.modules():
                if isinstance(part, nn.Conv2d | nn.Linear):
                    nn.init.normal_(part.weight, std=VARIANCE**0.5)
                    if part.bias is not None:
                        nn.init.zeros_(part.bias)

        def forward(self, frames: Tensor) -> Tensor:
            if frames.shape[1] == 3:
                frames = torch.cat([frames, frames], 1)
            logits: Tensor = self.classifier(self.encoder(frames))
            return logits

    return FlowNet()
