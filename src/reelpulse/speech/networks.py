"""The networks that tell emotions apart, by name: another is a line in `SPEECH_NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from reelpulse.learn.backbones import backbone
from reelpulse.media.mel import MelSpec
from reelpulse.speech.picture import PictureSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

PICTURE = PictureSpec()
"""What a backbone is given."""

SMALL_PICTURE = PictureSpec(
    mel=MelSpec(
        rate=16_000, window=640, hop=256, fft=1024, bands=80, low=60, high=7600, htk=True, power=2.0
    ),
    floor_db=-60.0,
    margin=None,
    size=(80, 192),
    seconds=192 * 256 / 16_000,
    channels=1,
)
"""One row a band and one column a frame, unlike the pictures that a backbone is given: a row always
stands for the same frequency."""

_WIDTHS = (24, 32, 64, 128)
_HEADS = 4
_LEAST_SPREAD = 1e-5


@dataclass(frozen=True)
class SpeechNetwork:
    """A kind of network.

    Parameters
    ----------
    build : callable
        ``build(spec, classes, dropout, pretrained)`` makes a ``torch.nn.Module``, from pictures
        (N, channels, height, width) to logits (N, classes).
    about : str
        A line for people.
    spec : PictureSpec
        The pictures that it is usually given.
    rate : float
        The learning rate that it is usually trained with.
    threads : int, optional
        How many it is worth training on, on a CPU; None takes all.
    variants : int
        How often it is usually given each clip with its sound changed, beside as it is.
    """

    build: Callable[[PictureSpec, int, float, bool], nn.Module]
    about: str
    spec: PictureSpec = PICTURE
    rate: float = 1e-4
    threads: int | None = None
    variants: int = 0


def _backbone(name: str, spec: PictureSpec, classes: int, dropout: float, ready: bool) -> nn.Module:
    return backbone(
        name, classes=classes, channels=spec.channels, size=spec.size, dropout=dropout,
        pretrained=ready,
    )  # fmt: skip


def small(spec: PictureSpec, classes: int, dropout: float, pretrained: bool = False) -> nn.Module:
    """A residual network of 0.4 million weights, told at each point which row it sees.

    Four heads choose the moments that count, and give the mean and the spread of what was found
    there (attentive statistics pooling: Okabe, Koshinaka and Shinoda, Interspeech 2018).

    Parameters
    ----------
    spec : PictureSpec
        Of its channels the first is looked at.
    classes : int
    dropout : float
    pretrained : bool
        Not used: there is nothing that it was trained on before.
    """
    import torch
    from torch import nn

    def convolution(inside: int, outside: int, size: int, stride: int) -> list[nn.Module]:
        layer = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
        return [layer, nn.BatchNorm2d(outside)]

    class Block(nn.Module):
        def __init__(self, inside: int, outside: int) -> None:
            super().__init__()
            first, second = convolution(inside, outside, 3, 2), convolution(outside, outside, 3, 1)
            self.main = nn.Sequential(*first, nn.ReLU(), *second)
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, ceil_mode=True), *convolution(inside, outside, 1, 1)
            )

        def forward(self, given: Tensor) -> Tensor:
            found: Tensor = (self.main(given) + self.shortcut(given)).relu()
            return found

    height = spec.size[0]
    rows = height
    for _ in _WIDTHS:
        rows = -(-rows // 2)
    wide = _WIDTHS[-1]

    class Small(nn.Module):
        place: Tensor

        def __init__(self) -> None:
            super().__init__()
            place = torch.linspace(-1, 1, height)[None, None, :, None]
            self.register_buffer("place", place, persistent=False)
            self.stem = nn.Sequential(*convolution(2, _WIDTHS[0], 5, 2), nn.ReLU())
            self.body = nn.Sequential(*(Block(*pair) for pair in pairwise(_WIDTHS)))
            self.narrow = nn.Sequential(
                nn.Conv1d(wide * rows, wide, 1, bias=False), nn.BatchNorm1d(wide), nn.ReLU()
            )
            self.attention = nn.Conv1d(wide, _HEADS, 1)
            self.dropout = nn.Dropout(dropout)
            self.last = nn.Linear(2 * wide, classes)

        def forward(self, given: Tensor) -> Tensor:
            seen = given[:, :1]
            seen = torch.cat([seen, self.place.expand_as(seen)], 1)
            found = self.narrow(self.body(self.stem(seen)).flatten(1, 2)).float()
            share = self.attention(found).float().softmax(2).repeat_interleave(wide // _HEADS, 1)
            mean = (share * found).sum(2)
            spread = ((share * found * found).sum(2) - mean * mean).clamp(min=_LEAST_SPREAD).sqrt()
            logits: Tensor = self.last(self.dropout(torch.cat([mean, spread], 1)))
            return logits

    return Small()


def _timm(name: str, about: str) -> SpeechNetwork:
    return SpeechNetwork(partial(_backbone, name), about)


SPEECH_NETWORKS: dict[str, SpeechNetwork] = {
    "resnet18": _timm("resnet18", "residual network of 18 layers, 11 million weights"),
    "convnext_tiny": _timm("convnext_tiny", "ConvNeXt, 28 million weights"),
    "convnext_small": _timm("convnext_small", "the same, 50 million"),
    "convnext_base": _timm("convnext_base", "the same, 89 million"),
    "convnext_large": _timm("convnext_large", "the same, 198 million"),
    "vit_base_patch16_224": _timm(
        "vit_base_patch16_224", "vision transformer on patches of 16 points, 86 million weights"
    ),
    "efficientnet_b0": _timm("efficientnet_b0", "EfficientNet, 5 million weights"),
    "small": SpeechNetwork(
        small, "one of our own, 0.4 million weights, for rows of fixed frequencies",
        SMALL_PICTURE, 2e-3, 1, 4,
    ),
}  # fmt: skip
