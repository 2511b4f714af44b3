"""The crop of the built-in face emotion model: where it lies in training, and in the library."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reelpulse.faces.align import CropSpec, crop
from reelpulse.faces.detectors import YuNet
from reelpulse.media.clocks import RegularTicks
from reelpulse.media.probe import probe
from reelpulse.media.ticks import TickReader

SIZE = 48
# Median place of right eye (left in the image), left eye, nose tip, right and left mouth corner; 0
# and 1 are the crop's outer edges, y points down. --measure-template measured it: YuNet on 2,000
# random training faces, upscaled 4x, with a grey border of half a width; 1,953 were found.
TEMPLATE = [[0.306, 0.381], [0.68, 0.378], [0.489, 0.589], [0.344, 0.75], [0.656, 0.747]]
COLUMNS, ZOOM, A_CLIP = 12, 3, 4
"""Crops a row of the sheet, how much larger than they are, crops of a clip."""


def some(faces: np.ndarray, count: int) -> np.ndarray:
    """Pick `count` random faces, the same ones each time."""
    return faces[np.random.default_rng(0).permutation(len(faces))[:count]]


def points_of(faces: np.ndarray, yunet: Path) -> np.ndarray:
    """Find YuNet's five points in faces (N, 48, 48); shape (found, 5, 2), see `TEMPLATE`."""
    wide, border = SIZE * 4, SIZE * 2
    detector = cv2.FaceDetectorYN.create(str(yunet), "", (wide + 2 * border,) * 2, 0.7)
    points = []
    for face in faces:
        large = cv2.resize(face, (wide, wide), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(large, *[border] * 4, cv2.BORDER_CONSTANT, value=127)
        found = detector.detect(cv2.cvtColor(framed, cv2.COLOR_GRAY2BGR))[1]
        if found is not None:
            largest = found[(found[:, 2] * found[:, 3]).argmax()]
            points.append((largest[4:14].reshape(5, 2) - border) / wide)
    return np.array(points).reshape(-1, 5, 2)


def clips_of(folder: Path) -> list[Path]:
    """List the clips in a folder."""
    return sorted(path for path in folder.glob("*.*") if path.suffix in (".mp4", ".mov", ".webm"))


def cut(clip: Path, yunet: Path) -> np.ndarray:
    """Cut out of a clip, twice a second, the faces that YuNet is sure of, as the library does.

    Returns
    -------
    ndarray of uint8, shape (N, 48, 48)
        What the model is given.
    """
    facts, detector = probe(clip), YuNet(weights=yunet)
    spec, faces = CropSpec("points", np.array(TEMPLATE), side=SIZE), []
    for tick in TickReader(clip, facts, RegularTicks(2.0, 0.0, facts.duration)):
        image = tick.image
        if image is not None:
            found = [face for face in detector(image) if face.score >= detector.strict]
            for face in found[:2]:
                grey = cv2.cvtColor(crop(image, face, spec), cv2.COLOR_RGB2GRAY)
                faces.append(cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    return np.array(faces, np.uint8).reshape(-1, SIZE, SIZE)


def grid(faces: np.ndarray, title: str) -> np.ndarray:
    """Set faces side by side under a title, with a dot where `TEMPLATE` has each of the points."""
    rows, side = -(-len(faces) // COLUMNS), SIZE * ZOOM
    sheet = np.full((rows, COLUMNS, side, side), 255, np.uint8)
    for k, face in enumerate(faces):
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_NEAREST)
        for x, y in np.array(TEMPLATE) * side:
            cv2.circle(large, (round(x), round(y)), 2, 255, -1)
            cv2.circle(large, (round(x), round(y)), 3, 0, 1)
        sheet[k // COLUMNS, k % COLUMNS] = large
    head = np.full((36, COLUMNS * side), 255, np.uint8)
    cv2.putText(head, title, (8, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 1, cv2.LINE_AA)
    return np.concatenate([head, sheet.transpose(0, 2, 1, 3).reshape(rows * side, -1)])


def compare(faces: np.ndarray, folder: Path, yunet: Path, sheet: Path) -> str:
    """Draw random training faces (N, 48, 48) above faces cut out of clips; say how they differ.

    Returns
    -------
    str
        Of both: how far apart the eyes are and where the five points' middle is, medians in shares
        of the crop, as YuNet finds them in the crops themselves.
    """
    by_clip = [crops for clip in clips_of(folder) if len(crops := cut(clip, yunet))]
    if not by_clip:
        return f"no crops drawn: no face was found in the clips of {folder}"
    kinds = {"training": some(faces, 1000), "run time": np.concatenate(by_clip)}
    shown = [some(faces, COLUMNS * 3), np.concatenate([some(crops, A_CLIP) for crops in by_clip])]
    titles = ["Training faces", f"Run time: cut out of {len(by_clip)} clips"]
    picture = np.concatenate([grid(*pair) for pair in zip(shown, titles, strict=True)])
    sheet.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    lines = [f"crops side by side: {sheet}"]
    for kind, crops in kinds.items():
        points = points_of(crops, yunet)
        if not len(points):
            lines.append(f"{kind}: none of {len(crops)} faces found again")
            continue
        apart = np.median(np.linalg.norm(points[:, 1] - points[:, 0], axis=1))
        x, y = np.median(points.mean(1), axis=0)
        found = f"{len(points)} of {len(crops)} faces found again"
        lines.append(f"{kind}: eyes {apart:.3f} apart, middle at ({x:.3f}, {y:.3f}); {found}")
    return "\n".join(lines)
