"""The loop a user would write without reelpulse: read every frame, find faces twice a second.

Reads with OpenCV (PyAV where OpenCV cannot open the file), finds faces with YuNet at 640 pixels or
MTCNN, and calls the emotion model once a face. No identity, no tracking, no sound.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

SIDE = 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
Finder = Callable[[Any], list[tuple[float, float, float, float]]]
"""From an RGB picture to boxes x, y, width, height."""


def frames(path: Path) -> tuple[str, Iterator[tuple[float, Callable[[], Any]]]]:
    """Name the reader; yield time and a function that gives the RGB picture, of every frame."""
    capture = cv2.VideoCapture(str(path))
    return ("OpenCV", _by_opencv(capture)) if capture.isOpened() else ("PyAV", _by_pyav(path))


def _by_opencv(capture: Any) -> Iterator[tuple[float, Callable[[], Any]]]:
    rate, index = capture.get(cv2.CAP_PROP_FPS) or 25.0, 0
    while True:
        there, image = capture.read()
        if not there:
            return
        yield index / rate, partial(cv2.cvtColor, image, cv2.COLOR_BGR2RGB)
        index += 1


def _by_pyav(path: Path) -> Iterator[tuple[float, Callable[[], Any]]]:
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time or 0.0, partial(frame.to_ndarray, format="rgb24")


def yunet(weights: Path, size: int = 640) -> Finder:
    """Make a finder of YuNet at `size` pixels on the longer side."""
    model = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), 0.7)

    def find(image: Any) -> list[tuple[float, float, float, float]]:
        factor = max(1.0, max(image.shape[:2]) / size)
        small = cv2.resize(image, (round(image.shape[1] / factor), round(image.shape[0] / factor)))
        model.setInputSize((small.shape[1], small.shape[0]))
        _, rows = model.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        return [tuple(row[:4] * factor) for row in rows] if rows is not None else []

    return find


def mtcnn() -> Finder:
    """Make a finder of facenet-pytorch's MTCNN, on the whole picture as its examples do."""
    from facenet_pytorch import MTCNN

    model = MTCNN(keep_all=True, device="cpu")

    def find(image: Any) -> list[tuple[float, float, float, float]]:
        boxes, _ = model.detect(image)
        found = boxes if boxes is not None else []
        return [(x, y, right - x, bottom - y) for x, y, right, bottom in found]

    return find


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("film", type=Path)
    made.add_argument("--emotion", type=Path, required=True, help="EfficientNet-B0 as ONNX")
    made.add_argument("--detector", choices=("yunet", "mtcnn"), default="yunet")
    made.add_argument("--fps", type=float, default=2.0, help="looks a second (%(default)g)")
    made.add_argument(
        "--faces", type=int, default=2, help="largest faces measured a look (default: %(default)s)"
    )
    arguments = made.parse_args()
    folder = Path(os.environ.get("REELPULSE_MODELS", "").split(os.pathsep)[0])
    weights = folder / "face_detection_yunet_2023mar.onnx"
    find = yunet(weights) if arguments.detector == "yunet" else mtcnn()
    session = onnxruntime.InferenceSession(str(arguments.emotion))
    name = session.get_inputs()[0].name
    begin = time.perf_counter()
    read = looks = calls = 0
    due = 0.0
    reader, source = frames(arguments.film)
    for at, picture in source:
        read += 1
        if at < due - 1e-6:
            continue
        due += 1 / arguments.fps
        looks += 1
        image = picture()
        boxes = sorted(find(image), key=lambda box: -box[2] * box[3])[: arguments.faces]
        for x, y, width, height in boxes:
            left, top = max(0, int(x)), max(0, int(y))
            crop = image[top : int(y + height), left : int(x + width)]
            if not crop.size:
                continue
            values = (cv2.resize(crop, (SIDE, SIDE)).astype(np.float32) / 255 - MEAN) / STD
            session.run(None, {name: values.transpose(2, 0, 1)[None]})
            calls += 1
    wall = time.perf_counter() - begin
    print("| reader | detector | frames read | looks | model calls | s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    print(f"| {reader} | {arguments.detector} | {read} | {looks} | {calls} | {wall:.2f} |")


if __name__ == "__main__":
    main()
