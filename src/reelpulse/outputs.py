"""Where results go: never over those of another video."""

from __future__ import annotations

from pathlib import Path

from reelpulse.errors import DataError, at
from reelpulse.media import VideoFacts
from reelpulse.timeline import load_observations


def output_path(out: str | Path, facts: VideoFacts) -> Path:
    """The ``.h5`` of a video: its name, with its fingerprint where another video has that name.

    Raises
    ------
    DataError
        When the folder's place is taken by a file.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise DataError(at(out, "is a file; give a folder for the results"))
    stem = Path(facts.name).stem
    for name in (stem, f"{stem}-{facts.fingerprint[:8]}"):
        path = out / f"{name}.h5"
        parts = parts_folder(path)
        if not path.exists() and not parts.exists():
            return path
        if path.exists() and _made_from(path) == facts.fingerprint:
            return path
        if not path.exists() and facts.fingerprint in _read_or_empty(parts / "plan.json"):
            return path
    return path


def parts_folder(path: Path) -> Path:
    """The folder of finished segments beside an ``.h5``."""
    return path.with_name(path.name + ".parts")


def _read_or_empty(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _made_from(path: Path) -> str:
    """Fingerprint of the video that an .h5 was made from."""
    try:
        meta = load_observations(path).meta
    except DataError as error:
        raise DataError(
            f"{error}. It lies where this video's results belong: delete it, or give another -o"
        ) from None
    return str(meta.get("video", {}).get("fingerprint", ""))
