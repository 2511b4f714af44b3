"""Where results go: never over those of another video."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reelpulse.errors import DataError, at
from reelpulse.files import Busy, only_one
from reelpulse.media import VideoFacts
from reelpulse.timeline import load_meta

log = logging.getLogger(__name__)

_LONGEST_STEM = 180


@contextmanager
def output_path(out: str | Path, facts: VideoFacts, sampling: dict[str, Any]) -> Iterator[Path]:
    """Choose the ``.h5`` of a video, and keep other runs from it while the block lasts.

    It has the video's name, with more where that is taken: by the results of another video, or of
    this one looked at at other times. A range tried out must not replace six hours.

    Raises
    ------
    DataError
        When the folder's place is taken by a file, the name by a file that is not ours, or another
        run is at work on the same results.
    """
    out = Path(out)
    try:
        taken = out.exists() and not out.is_dir()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise DataError(at(out, f"cannot be used ({problem}); give another -o")) from None
    if taken:
        raise DataError(at(out, "is a file; give a folder for the results"))
    stem, mark = Path(facts.name).stem, facts.fingerprint[:8]
    if len(os.fsencode(stem)) > _LONGEST_STEM:
        # Room for what is added: the file system's limit is 255 bytes a name.
        stem = os.fsencode(stem)[: _LONGEST_STEM - 9].decode(errors="ignore") + f"-{mark}"
    look = _described(sampling)
    own = json.dumps([facts.fingerprint, sampling], sort_keys=True)
    names = [stem, f"{stem}-{look}", f"{stem}-{mark}", f"{stem}-{mark}-{look}"]
    while names:
        path = out / f"{names.pop(0)}.h5"
        try:
            with only_one(path, own):
                if _is_for(path, facts, sampling):
                    if path.stem != stem:
                        log.info("%s.h5 is of something else; these are %s", stem, path.name)
                    yield path
                    return
                theirs = not _is_of(path, facts)
        except Busy as busy:
            if busy.note == own:
                problem = "another run is at it: wait until that has ended, or give another -o"
                raise DataError(at(path, problem)) from None
            theirs = facts.fingerprint not in busy.note
        if theirs and path.stem == stem:
            names = names[1:]  # another video's: a name that tells the videos apart
    raise DataError(at(out, f"has no free name for the results of {facts.name}; give another -o"))


def _is_for(path: Path, facts: VideoFacts, sampling: dict[str, Any]) -> bool:
    if path.exists():
        meta = _meta(path)
        return _made_from(meta) == facts.fingerprint and meta.get("sampling", {}) == sampling
    parts = parts_folder(path)
    if not parts.exists() or _is_of(path, facts):
        return True
    # A run that could not even write its plan, on a full disk, leaves nothing to be kept.
    return parts.is_dir() and all(file.suffix == ".tmp" for file in parts.iterdir())


def _is_of(path: Path, facts: VideoFacts) -> bool:
    """Whether finished or unfinished results are of this video."""
    if path.exists():
        return _made_from(_meta(path)) == facts.fingerprint
    plan = parts_folder(path) / "plan.json"
    return plan.is_file() and facts.fingerprint in plan.read_text(encoding="utf-8")


def _meta(path: Path) -> dict[str, Any]:
    try:
        return load_meta(path)
    except DataError as error:
        raise in_the_way(error) from None


def in_the_way(error: DataError) -> DataError:
    """Say of a file that cannot be read that it lies where results belong."""
    advice = "It lies where this video's results belong: delete it, or give another -o"
    return DataError(f"{error}. {advice}")


def _made_from(meta: dict[str, Any]) -> str:
    """Fingerprint of the video that an .h5 was made from."""
    return str(meta.get("video", {}).get("fingerprint", ""))


def _described(sampling: dict[str, Any]) -> str:
    """When a video was looked at, for a file's name: ``20s-26.5s-15ticks``."""
    words = [f"{sampling['ticks']}ticks" if sampling["ticks"] else f"{sampling['fps']:g}fps"]
    if sampling["start"] or sampling["end"]:
        end = _seconds(sampling["end"]) if sampling["end"] else "end"
        words.insert(0, f"{_seconds(sampling['start'])}-{end}")
    return "-".join(words)


def _seconds(time: float) -> str:
    return f"{time:.3f}".rstrip("0").rstrip(".") + "s"


def parts_folder(path: Path) -> Path:
    """The folder of finished segments beside an ``.h5``."""
    return path.with_name(path.name + ".parts")
