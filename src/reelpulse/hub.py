"""Pretrained weights: where each comes from, whether it is the right file, and how to open it.

Weights are looked for in a path given, the folders of ``$REELPULSE_MODELS``, the user's cache and
the package; only then on the network. Models are ONNX files; pickles are never loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from reelpulse.errors import ModelError, at
from reelpulse.files import try_lock as _try_lock

Kind = Literal["detector", "identity", "emotion", "laughter", "voice", "speech"]
Progress = Callable[[str, int, int | None], None]

TIMEOUT = 10.0  # seconds without a connection, or without a byte, before a download gives up
CHUNK = 1 << 16
OPENCV_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models"
GITHUB = "https://raw.githubusercontent.com"

log = logging.getLogger(__name__)

on_progress: Progress | None = None
"""Called while `obtain` downloads for somebody who does not watch; the command line sets it."""


@dataclass(frozen=True)
class Weights:
    """One pretrained network: a file, its source, its checksum and its terms.

    `git_blob`, Git's id of the content, stands in where no SHA-256 is known. `non_commercial` says
    that the training data were given for non-commercial use, or without a stated licence, whatever
    the file's own licence.
    """

    name: str
    kind: Kind
    file: str
    url: str | None
    size: int | None
    sha256: str | None
    git_blob: str | None
    licence: str
    about: str
    non_commercial: bool = False
    recommended: bool = False


# fmt: off
WEIGHTS: dict[str, Weights] = {weights.name: weights for weights in (
    Weights(
        "yunet", "detector", "face_detection_yunet_2023mar.onnx",
        f"{OPENCV_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        232_589, "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4", None,
        "MIT", "YuNet: faces and five points of each; trained on WIDER FACE",
        non_commercial=True, recommended=True,
    ),
    Weights(
        "mobilefacenet", "identity", "mobilefacenet_foamliu.onnx",
        f"{GITHUB}/foamliu/MobileFaceNet/master/weights/MobileFaceNet.onnx",
        3_998_070, "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507", None,
        "Apache-2.0", "MobileFaceNet: a face as 128 numbers; trained on MS-Celeb-1M",
        non_commercial=True, recommended=True,
    ),
    Weights(
        "sface", "identity", "face_recognition_sface_2021dec.onnx",
        f"{OPENCV_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        38_696_353, "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79", None,
        "Apache-2.0", "SFace: a face as 128 numbers; larger; trained on faces from the web",
        non_commercial=True,
    ),
    Weights(
        "enet_b0_8_va_mtl", "emotion", "enet_b0_8_va_mtl.onnx",
        f"{GITHUB}/sb-ai-lab/EmotiEffLib/main/models/affectnet_emotions/onnx/enet_b0_8_va_mtl.onnx",
        16_049_834, None, "7ce9d6dd5b82b260bc19bfe7822a6ffa1abb6011",
        "Apache-2.0", "HSEmotion: eight emotions, valence, arousal; trained on AffectNet",
        non_commercial=True, recommended=True,
    ),
    Weights(
        "builtin", "emotion", "face_emotion.onnx", None, None, None, None,
        "Apache-2.0", "small emotion network that comes with the package", non_commercial=True,
    ),
    Weights(
        "yamnet", "laughter", "yamnet_spectra_in_coral.tflite",
        f"{GITHUB}/google-coral/coralmicro/main/models/yamnet_spectra_in.tflite",
        4_047_424, "0a266465c46718f3fcc4137366be82882a8c93bfcc4f0278581a11d11dddcdf9", None,
        "Apache-2.0", "YAMNet: 521 sounds, laughter among them; wants the extra `laughter`",
    ),
    Weights(
        "builtin_laughter", "laughter", "laughter.onnx", None, None, None, None,
        "Apache-2.0", "small laughter detector that comes with the package", non_commercial=True,
    ),
    Weights(
        "silero", "voice", "silero_vad.onnx",
        f"{GITHUB}/snakers4/silero-vad/v6.2.1/src/silero_vad/data/silero_vad.onnx",
        2_327_524, "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3", None,
        "MIT", "Silero VAD: where in a sound somebody speaks",
    ),
    Weights(
        "builtin_speech", "speech", "speech.onnx", None, None, None, None,
        "Apache-2.0", "small speech emotion network of the package", non_commercial=True,
    ),
)}
# fmt: on

_right: set[tuple[str, int, int, str]] = set()  # path, size, mtime and checksum of what was checked


def cache_folder() -> Path:
    """Folder of the user's cache where fetched weights are kept."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("reelpulse")) / "models"


def locate(name: str | Path) -> Path | None:
    """Find weights without the network.

    Parameters
    ----------
    name : str or Path
        A key of `WEIGHTS`, or a file: its path, or its bare name in one of the folders. A str that
        is a key is never taken as a path (``./yunet`` is). A file given by path is not checked.

    Raises
    ------
    ModelError
        When a file of known weights has the wrong checksum or cannot be read.
    """
    # os.path, for pathlib raises on a name too long, a folder without access, an unknown ~user
    weights = WEIGHTS.get(name) if isinstance(name, str) else None
    if weights is None:
        path = Path(os.path.expanduser(name))  # noqa: PTH111
        if os.path.isfile(path):  # noqa: PTH113
            return path
        weights = next((known for known in WEIGHTS.values() if known.file == str(name)), None)
    file = weights.file if weights else str(name)
    if Path(file).name != file:
        return None
    folders = os.environ.get("REELPULSE_MODELS", "").split(os.pathsep)
    for folder in [*filter(None, folders), str(cache_folder())]:
        path = Path(os.path.expanduser(folder), file)  # noqa: PTH111
        if os.path.isfile(path):  # noqa: PTH113
            if weights and (problem := _mismatch(path, weights)):
                todo = f"delete it and run `reelpulse models fetch {weights.name}`"
                raise ModelError(at(path, f"{problem}: {todo}"))
            return path
    asset = Path(str(resources.files("reelpulse"))) / "assets" / file
    return asset if weights and weights.url is None and asset.is_file() else None


def obtain(name: str | Path, *, progress: Progress | None = None) -> Path:
    """Find weights as `locate` does, or else `fetch` them; both say what can go wrong."""
    return locate(name) or fetch(str(name), progress=progress or on_progress)


def best_at_hand(kind: Kind, preference: Sequence[str]) -> str | None:
    """First of the known weights in `preference`, all of one kind, that `locate` finds.

    Those with a wrong checksum are passed over with a warning.
    """
    for name in preference:
        if _known(name).kind != kind:
            raise ModelError(f"{name}: is of kind {WEIGHTS[name].kind}, not {kind}")
        try:
            if locate(name) is not None:
                return name
        except ModelError as error:
            log.warning("%s", error)
    return None


def fetch(name: str, *, progress: Progress | None = None, into: str | Path | None = None) -> Path:
    """Download known weights, unless the right file is there already.

    Parameters
    ----------
    name : str
        A key of `WEIGHTS`.
    progress : callable, optional
        Called with the name, the bytes so far and the total (or None) after each piece.
    into : str or Path, optional
        Folder for the file; the user's cache by default. Until the file is complete and checked it
        is called ``<file>.part`` there; a later call resumes that.

    Raises
    ------
    ModelError
        When the name is unknown, network or disk fail, ``REELPULSE_OFFLINE`` is set, or the
        checksum is wrong.
    """
    weights = _known(name)
    if weights.url is None:
        if (asset := locate(name)) is not None:
            return asset
        raise ModelError(f"{name}: {weights.file} is missing from the package: reinstall reelpulse")
    target = Path(cache_folder() if into is None else into, weights.file)
    if target.is_file() and not _mismatch(target, weights):
        return target
    if os.environ.get("REELPULSE_OFFLINE", "0") not in ("", "0"):
        raise ModelError(f"{name}: not fetched, REELPULSE_OFFLINE is set: {_by_hand(weights)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(target) as (part, kept):
            if target.is_file() and not _mismatch(target, weights):  # another process was faster
                return target
            if not part.is_file() or _mismatch(part, weights):
                _download(weights, part, kept, progress)
            if problem := _mismatch(part, weights):
                part.unlink()
                sent = f"what came from {weights.url} {problem}"
                raise ModelError(f"{weights.file}: {sent}: try again, or {_by_hand(weights)}")
            part.replace(target)
    except OSError as error:
        raise ModelError(at(target, f"cannot be written ({error.strerror})")) from error
    return target


def _known(name: str) -> Weights:
    if name in WEIGHTS:
        return WEIGHTS[name]
    near = difflib.get_close_matches(name.lower(), list(WEIGHTS), n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    problem = f"is neither a file nor the name of weights: {hint}Known: {', '.join(WEIGHTS)}"
    raise ModelError(at(name, problem))


def _by_hand(weights: Weights) -> str:
    to = f"put it as {weights.file} into a folder and set REELPULSE_MODELS to that folder"
    return f"download {weights.url} on another machine, {to}"


def _mismatch(path: Path, weights: Weights) -> str | None:
    """Say how the checksum differs from the one known; None when all is well."""
    expected = weights.sha256 or weights.git_blob or ""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            key = (str(path.absolute()), status.st_size, status.st_mtime_ns, expected)
            if not expected or key in _right:
                return None
            digest = hashlib.sha256() if weights.sha256 else hashlib.sha1(usedforsecurity=False)
            if not weights.sha256:
                digest.update(b"blob %d\0" % status.st_size)
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(at(path, f"cannot be read ({error.strerror})")) from error
    found = digest.hexdigest()
    if found != expected:
        return f"is not {weights.name} (checksum {expected[:12]} expected, {found[:12]} found)"
    _right.add(key)
    return None


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, bool]]:
    """Give ``<file>.part`` and True; or, while another process has it, an own file and False."""
    lock = target.with_name(f".{target.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    first = _try_lock(descriptor, lock) is True
    own = "" if first else f".{os.getpid()}-{threading.get_ident()}"
    part = target.with_name(f"{target.name}{own}.part")
    try:
        yield part, first
    finally:
        with suppress(OSError):
            (lock if first else part).unlink()
        os.close(descriptor)


def _download(weights: Weights, part: Path, kept: bool, progress: Progress | None) -> None:
    """Write to `part` what it lacks."""
    from http.client import HTTPException

    done = part.stat().st_size if part.exists() else 0
    try:
        response, done = _ask(str(weights.url), done)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: sent on to no address
        raise _broken(weights, error, kept and done) from error
    with response, open(part, "ab" if done else "wb") as file:
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdigit() else weights.size
        limit = weights.size or sys.maxsize
        while done <= limit:
            try:
                chunk = response.read(CHUNK)
            except (OSError, HTTPException) as error:
                raise _broken(weights, error, kept and done) from error
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(weights.name, done, total)
    if done < min(total or 0, limit):
        raise _broken(weights, "the transfer broke off", kept and done)


def _ask(url: str, start: int) -> tuple[Any, int]:
    """Ask for `url` from byte `start` on; give the answer and the byte that it begins at."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "reelpulse", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code != 416 or not start:
            raise
        return _ask(url, 0)
    return response, start if response.status == 206 else 0


def _broken(weights: Weights, error: Exception | str, done: int) -> ModelError:
    cause = getattr(error, "reason", error)  # what lies under a URLError
    if isinstance(cause, TimeoutError):
        cause = f"no answer within {TIMEOUT:g} s"
    cause = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    if code := getattr(error, "code", None):
        cause = f"HTTP {code} {cause}"
    keep = f"the {done} bytes so far are kept and will be resumed; " if done else ""
    todo = f"{keep}try again, or {_by_hand(weights)}"
    return ModelError(at(weights.name, f"cannot be downloaded ({cause}): {todo}"))


@dataclass
class OnnxModel:
    """An opened ONNX file, its metadata under the key ``reelpulse``, 16 digits of its SHA-256."""

    path: Path
    session: Any
    metadata: dict[str, Any]
    checksum: str


def open_onnx(path: str | Path, *, threads: int = 1) -> OnnxModel:
    """Open an ONNX file with ONNX Runtime, on the CPU.

    Parameters
    ----------
    path : str or Path
        The file.
    threads : int
        Threads for one run of the network. They do not spin between runs.

    Raises
    ------
    ModelError
        When the file cannot be read or is no usable ONNX model, or its metadata is damaged.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            file.seek(0)
            checksum = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ModelError(at(path, f"cannot be read ({error.strerror})")) from error
    pickled = head == b"PK\3\4" or (head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5")
    if pickled or path.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"):
        raise ModelError(at(path, "is a pickle, and pickles are never loaded: export it to ONNX"))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        reason = str(error).rpartition("failed:")[2] if head else "it is empty"
        problem = f"is not a usable ONNX model ({reason[:200]}): download or export it again"
        raise ModelError(at(path, problem)) from error
    text = session.get_modelmeta().custom_metadata_map.get("reelpulse", "{}")
    try:
        metadata = json.loads(text)
        if not isinstance(metadata, dict):
            raise ValueError(f"it is a {type(metadata).__name__}")
    except (ValueError, RecursionError) as error:
        problem = f"its metadata is no JSON object ({error}): export it again"
        raise ModelError(at(path, problem)) from error
    return OnnxModel(path, session, metadata, checksum)
