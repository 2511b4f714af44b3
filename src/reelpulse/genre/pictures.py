"""Pictures as files: read to RGB whatever they are, written under any name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, MediaError, at
from reelpulse.files import atomic_path

RGB = npt.NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Of the pictures that are read."""

WRITTEN = (".png", ".jpg")
_JPEG = b"\xff\xd8"
_TO_BYTE = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 257}


def read_picture(path: str | Path) -> RGB:
    """Read a picture file.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB, upright. Grey becomes three equal channels, what is transparent lies over black, 16
        bits become 8.

    Raises
    ------
    MediaError
        When it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise MediaError(at(path, "is a folder; give the pictures inside it"))
    try:
        data = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise MediaError(at(path, "no such picture")) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise MediaError(at(path, f"cannot be read ({problem})")) from None
    if not len(data):
        raise MediaError(at(path, "is empty (0 bytes); copy it again"))
    return decode_picture(data, path)


def decode_picture(data: npt.NDArray[np.uint8], name: str | Path) -> RGB:
    """Decode the bytes of a picture file as `read_picture` does; errors call it by `name`."""
    # A camera's photo says in its EXIF data which side is up, and that is heeded in colour alone.
    flags = cv2.IMREAD_COLOR if data[:2].tobytes() == _JPEG else cv2.IMREAD_UNCHANGED
    # Its warnings would stand beside our own line.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error:  # a header that promises more pixels than any picture has
        image = None
    if image is None or not image.size:
        problem = "is not a picture that can be read, or is damaged; give a whole PNG or JPEG file"
        raise MediaError(at(name, problem))
    if image.dtype not in _TO_BYTE:
        problem = f"has {image.dtype} values; save it with 8 or 16 bits a channel"
        raise MediaError(at(name, problem))
    return _rgb(np.asarray(image))


def _rgb(image: npt.NDArray[Any]) -> RGB:
    """BGR, BGRA or grey of 8 or 16 bits to RGB of 8."""
    depth = _TO_BYTE[image.dtype]
    if depth > 1:
        image = np.rint(image / depth).astype(np.uint8)
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1).astype(np.uint8), 3, axis=2)
    if image.shape[2] == 2:  # grey and alpha
        image = image[:, :, [0, 0, 0, 1]]
    if image.shape[2] == 4:
        alpha = image[:, :, 3:].astype(np.float32) / 255
        image = np.rint(image[:, :, :3] * alpha).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, ::-1], dtype=np.uint8)


def write_picture(path: str | Path, rgb: RGB, quality: int = 95) -> None:
    """Write a picture, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in ``.png`` (lossless) or ``.jpg``.
    rgb : ndarray of uint8, shape (H, W, 3)
    quality : int
        Of a JPEG, 0 to 100; its colour is kept at full resolution.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise DataError(at(path, f"pictures are written as {' or '.join(WRITTEN)}"))
    options = []
    if suffix == ".jpg":
        options = [
            *(cv2.IMWRITE_JPEG_QUALITY, quality),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ]
    try:
        data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1].tobytes()
    except cv2.error as error:
        shape = "×".join(map(str, rgb.shape))
        raise DataError(at(path, f"a picture of {shape} cannot be written ({error.err})")) from None
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
