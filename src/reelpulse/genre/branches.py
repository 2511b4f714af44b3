"""Networks of two branches: one looks at a picture, one at how it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelpulse.learn.backbones import backbone, pretrained_file

if TYPE_CHECKING:
    from torch import Tensor, nn

    from reelpulse.genre.spec import PairSpec

IMAGE = "inception_v3"
"""The image branch of the published networks."""

OWN_IMAGE = "mobilenetv4_conv_small"
"""That of our own: 2.5 million weights."""

_JOINED = 4096
_STREAM = ((96, 7, 2), (256, 5, 2), (512, 3, 1), (512, 3, 1), (512, 3, 1))
"""Filters, size and stride of the convolutions of a temporal stream (Simonyan and Zisserman,
Two-stream convolutional networks, NIPS 2014); a pooling by 2 after those of stride 2."""

_MAGNITUDE = 256
_OWN = (24, 48, 96)
_SEEN, _OWN_JOINED = 64, 256
_DROPOUT = 0.3
_LEAST = 1e-6


def _spread(spec: PairSpec) -> float:
    """What flow is divided by, to be around 1: the usual magnitude of the pairs trained on."""
    return max(spec.magnitude_mean, spec.magnitude_std, _LEAST)


def double_stack(spec: PairSpec, classes: int, pretrained: bool) -> nn.Module:
    """An image branch and a motion branch, joined by a layer of 4,096."""
    import torch
    from torch import nn

    image = backbone(IMAGE, classes=0, channels=3, size=spec.size, pretrained=pretrained)
    layers: list[nn.Module] = []
    inside = 2
    for outside, size, stride in _STREAM:
        layers += [nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)]
        layers += [nn.BatchNorm2d(outside), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if stride > 1 else []
        inside = outside
    scale = 1 / _spread(spec)

    class DoubleStack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = image
            self.motion = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.joined = nn.Sequential(
                nn.Linear(_features(image) + inside, _JOINED), nn.ReLU(), nn.Dropout(0.5)
            )
            self.last = nn.Linear(_JOINED, classes)

        def forward(self, frames: Tensor, flow: Tensor) -> Tensor:
            found = torch.cat([self.image(frames), self.motion(flow * scale)], 1)
            logits: Tensor = self.last(self.joined(found))
            return logits

    return DoubleStack()


def motion_magnitude(spec: PairSpec, classes: int, pretrained: bool) -> nn.Module:
    """An image branch that ends in one value; with the magnitude it goes to 256, then classes."""
    import torch
    from torch import nn

    image = backbone(IMAGE, classes=1, channels=3, size=spec.size, pretrained=pretrained)

    class MotionMagnitude(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = image
            self.joined = nn.Sequential(
                nn.Linear(2, _MAGNITUDE), nn.ReLU(), nn.Linear(_MAGNITUDE, classes)
            )

        def forward(self, frames: Tensor, magnitude: Tensor) -> Tensor:
            logits: Tensor = self.joined(torch.cat([self.image(frames), magnitude], 1))
            return logits

    return MotionMagnitude()


def flow_pair(spec: PairSpec, classes: int, pretrained: bool) -> nn.Module:
    """One of our own: a frozen image branch, and one that sees where and how fast things move.

    The flow keeps its direction while its length goes in as a logarithm, so that a glance and a
    chase both lie within reach. Where the image branch has no pretrained weights, it is trained.
    """
    import torch
    from torch import nn

    frozen = pretrained and pretrained_file(OWN_IMAGE) is not None
    image = backbone(OWN_IMAGE, classes=0, channels=3, size=spec.size, pretrained=frozen)
    layers: list[nn.Module] = []
    inside = 3
    for outside in _OWN:
        layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(outside), nn.ReLU()]
        inside = outside
    scale = 1 / _spread(spec)

    class FlowPair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image = image.requires_grad_(not frozen)
            self.seen = nn.Sequential(
                nn.Dropout(_DROPOUT), nn.Linear(_features(image), _SEEN), nn.ReLU()
            )
            self.motion = nn.Sequential(*layers)
            self.last = nn.Sequential(
                nn.Linear(_SEEN + 2 * inside + 6, _OWN_JOINED),
                nn.BatchNorm1d(_OWN_JOINED),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
                nn.Linear(_OWN_JOINED, classes),
            )

        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            if frozen:
                self.image.eval()  # its batch norm keeps what it learnt
            return self

        def forward(self, frames: Tensor, flow: Tensor) -> Tensor:
            vectors = flow * scale
            length = (vectors.square().sum(1, keepdim=True) + _LEAST).sqrt()
            strength = length.log1p()
            moved = torch.cat([vectors * strength / length, strength], 1)
            found = self.motion(moved)
            values = [self.seen(self.image(frames)), found.mean((2, 3)), found.amax((2, 3))]
            values += [moved.mean((2, 3)), moved.square().mean((2, 3))]
            logits: Tensor = self.last(torch.cat(values, 1))
            return logits

    return FlowPair()


def _features(image: Any) -> int:
    """How many numbers a network without a last layer gives."""
    return int(getattr(image, "head_hidden_size", None) or image.num_features)
