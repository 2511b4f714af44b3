"""Settings of a training on film genres."""

from __future__ import annotations

from dataclasses import dataclass

from reelpulse.settings.field import BITS, setting

GENRE_SPLITS = ("table", "film", "leave_one_film_out", "scene", "random")
GENRE_OPTIMISERS = ("sgd", "adam", "adamw")


@dataclass(frozen=True)
class GenreTrainSettings:
    """How a network is trained on pairs of frames.

    What has no default here is taken from the preset: that of the network, where none is named.
    """

    network: str | None = setting(
        None,
        "Network: of single frames fc, vgg16, resnet50 or inception_v3; of pairs flownet_fc,"
        " six_channel, double_stack, motion_magnitude or flow_pair. [default: the preset's;"
        " inception_v3]",
    )
    preset: str | None = setting(
        None,
        "Train as published: the name of a network, or one such as six_channel_128 (an unknown"
        " name lists them all); what is given beside it counts more. [default: the network's]",
        metavar="NAME",
    )
    pretrained: bool = setting(
        True, "Begin with weights that were trained on ImageNet, where they can be had."
    )
    split: str = setting(
        "table",
        "Which films are tested on: those that the folder says (table), each in one of --folds"
        " (film), each by itself (leave_one_film_out); or by scene or at random, which flatters:"
        " films are in both.",
        metavar="|".join(GENRE_SPLITS),
    )
    folds: int = setting(5, "Into so many parts films, scenes or pairs are dealt; one is tested.")
    fold: int = setting(0, "Which of them, counted from 0.")
    every_fold: bool = setting(False, "Test on every fold in turn, with a fit for each.")
    held_back: float = setting(
        0.1,
        "Share of the training films of each class held back to tell which pass was best, one at"
        " least where there are three; 0: none, and the last pass counts.",
    )
    epochs: int | None = setting(
        None, "Passes over the training frames. [default: the preset's]", also=("--epoch",)
    )
    patience: int | None = setting(
        None, "Stop when so many passes bring nothing better. [default: never]"
    )
    batch: int | None = setting(
        None, "Frames, or pairs, at once. [default: the preset's]", also=("--bs",)
    )
    accumulate: int = setting(
        1, "Batches that one step is made of: as a larger batch, where memory is small."
    )
    optimiser: str | None = setting(
        None,
        "How weights are changed; sgd has a momentum of .9. [default: the preset's]",
        metavar="|".join(GENRE_OPTIMISERS),
        also=("--optimizer",),
    )
    rate: float | None = setting(None, "Learning rate. [default: the preset's]", also=("--lr",))
    step_decay: float | None = setting(
        None, "What the rate is multiplied by after each pass. [default: the preset's]"
    )
    decay: float | None = setting(None, "Weight decay. [default: the preset's]")
    size: str | None = setting(
        None,
        "Height and width of the pictures, such as 224 or 68x120. [default: the preset's]",
        metavar="HxW",
    )
    one_frame: bool = setting(False, "Give flownet_fc a single frame, taken as both.")
    bits: str = setting(
        "auto",
        "Of what is computed: mixed precision on a GPU, or where it is asked for.",
        metavar="|".join(BITS),
    )
    devices: int = setting(1, "GPUs to train on.")
    threads: int | None = setting(None, "Threads on a CPU. [default: as many as there are cores]")
    seed: int = setting(0, "Of everything that is drawn.")
