"""Write a face emotion model of EfficientNet-B0's size with random weights, to measure speed."""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path

from reelpulse.timeline import FACE_COLUMNS

METADATA = {
    "kind": "face_emotion",
    "outputs": list(FACE_COLUMNS),
    "input": {
        "size": [224, 224],
        "colour": "rgb",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    "crop": {"geometry": "box", "margin": 0.0},
    "note": "random weights: of use for measuring speed only",
}


def write(path: Path, seed: int = 0) -> None:
    """Write the model; the same seed gives the same weights."""
    import onnx
    import timm
    import torch

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    network = timm.create_model("tf_efficientnet_b0", num_classes=10, exportable=True).eval()
    part = path.with_suffix(".part.onnx")
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, 224, 224),),
        str(part),
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )
    model = onnx.load(str(part))
    entry = model.metadata_props.add()
    entry.key, entry.value = "reelpulse", json.dumps(METADATA)
    onnx.save(model, str(part))
    part.replace(path)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("path", type=Path, help="the .onnx file to write")
    made.add_argument("--seed", type=int, default=0, help="of the weights (default: %(default)s)")
    arguments = made.parse_args()
    write(arguments.path, arguments.seed)
    print(f"| file | MB |\n|---|---:|\n| {arguments.path.name} | {_megabytes(arguments.path)} |")


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"


if __name__ == "__main__":
    main()
