"""How each network was trained where its figure was published: settings by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named way to train.

    Parameters
    ----------
    network : str
        Key of `reelpulse.genre.networks.GENRE_NETWORKS`.
    epochs, batch : int
    optimiser : {"sgd", "adam", "adamw"}
        SGD has a momentum of .9.
    rate : float
        Learning rate.
    size : str
        Height and width of the pictures, such as ``68x120``.
    step_decay : float
        What the rate is multiplied by after each pass.
    decay : float
        Weight decay.
    published : float or None
        Share of test frames told right, in %, on six classes of eight training films and one test
        film each.
    ours : tuple of str
        What of these was not published, and is our choice.
    """

    network: str
    epochs: int
    batch: int
    optimiser: str
    rate: float
    size: str
    step_decay: float = 1.0
    decay: float = 0.0
    published: float | None = None
    ours: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """Its settings, by their names in `reelpulse.settings.GenreTrainSettings`."""
        names = ("epochs", "batch", "optimiser", "rate", "size", "step_decay", "decay")
        return {name: getattr(self, name) for name in names}


def _inception(network: str, epochs: int, batch: int, size: str, **more: Any) -> Preset:
    return Preset(network, epochs, batch, "adam", 1e-4, size, **more)


PRESETS: dict[str, Preset] = {
    "fc": Preset(
        "fc", 50, 128, "adam", 1e-4, "68x120", published=36.7, ours=("batch", "optimiser", "rate")
    ),
    "vgg16": Preset("vgg16", 100, 128, "sgd", 1e-3, "224x224", published=44.1),
    "resnet50": Preset("resnet50", 30, 128, "sgd", 1e-3, "224x224", published=48.4),
    "flownet_fc": Preset(
        "flownet_fc", 60, 128, "sgd", 1e-2, "224x224", step_decay=0.96, published=51.8,
        ours=("batch", "optimiser", "size"),
    ),
    "inception_v3": _inception("inception_v3", 20, 128, "224x224", published=59.2),
    "six_channel": _inception("six_channel", 20, 64, "299x299", published=53.8),
    "double_stack": _inception("double_stack", 50, 64, "299x299", published=52.7),
    "motion_magnitude": _inception("motion_magnitude", 50, 64, "299x299", published=55.2),
    "flow_pair": Preset(
        "flow_pair", 20, 64, "adamw", 1e-3, "224x224", step_decay=0.9, decay=1e-2,
        ours=("epochs", "batch", "optimiser", "rate", "size"),
    ),
    # The text beside the table has pictures of 299, and 52 % at the pair networks' batch.
    "inception_v3_299": _inception("inception_v3", 20, 128, "299x299"),
    "inception_v3_64": _inception("inception_v3", 20, 64, "224x224", published=52.0),
    # The pair networks at the batch of single frames, from which the text expects more.
    "six_channel_128": _inception("six_channel", 20, 128, "299x299"),
    "double_stack_128": _inception("double_stack", 50, 128, "299x299"),
    "motion_magnitude_128": _inception("motion_magnitude", 50, 128, "299x299"),
    # Settings of further scripts.
    "vgg16_sgd_10": Preset("vgg16", 10, 128, "sgd", 1e-3, "224x224"),
    "vgg16_adam_10": Preset("vgg16", 10, 128, "adam", 1e-4, "224x224"),
    "vgg16_adam_50": Preset("vgg16", 50, 128, "adam", 1e-4, "224x224"),
    "inception_v3_50": _inception("inception_v3", 50, 128, "224x224"),
}  # fmt: skip
"""The rows of the published table and further settings. One that has a network's name is what the
network is trained with where no preset is named."""
