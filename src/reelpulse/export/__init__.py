"""Writers: a timeline and its moments to a file, one format a writer.

To add one, write a function ``(timeline, moments, path) -> None`` in a file of this folder and a
line in `WRITERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelpulse.errors import DataError
from reelpulse.export import tables
from reelpulse.timeline import Moment, Timeline

Write = Callable[[Timeline, Sequence[Moment], Path], None]


@dataclass(frozen=True)
class Writer:
    """A format: what its files' names end with, and the function that writes one."""

    suffix: str
    write: Write
    about: str


WRITERS: dict[str, Writer] = {
    "csv": Writer(".csv", tables.write_csv, "the timeline: time and one column a value"),
    "json": Writer(".moments.json", tables.write_moments, "the moments, with reasons"),
    "npz": Writer(".npz", tables.write_npz, "the timeline as NumPy arrays"),
}


def export(
    timeline: Timeline, moments: Sequence[Moment], folder: str | Path, stem: str, form: str
) -> Path:
    """Write one format.

    Parameters
    ----------
    timeline : Timeline
    moments : sequence of Moment
    folder : str or Path
    stem : str
        The file's name without what the format adds.
    form : str
        A key of `WRITERS`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        On an unknown format or a folder that cannot be written.
    """
    if form not in WRITERS:
        raise DataError(f"no format is named {form!r}: use {', '.join(WRITERS)}")
    writer = WRITERS[form]
    path = Path(folder) / f"{stem}{writer.suffix}"
    writer.write(timeline, moments, path)
    return path
