"""Writers: a timeline and its moments to a file, one format a writer.

To add one, write a function ``(timeline, moments, path, options) -> None`` in a file of this folder
and a line in `WRITERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelpulse.export import report, tables
from reelpulse.settings import ReportSettings, changed, one_of
from reelpulse.timeline import Moment, Timeline

__all__ = ["WRITERS", "ReportSettings", "Writer", "check_formats", "export"]

Write = Callable[[Timeline, Sequence[Moment], Path, ReportSettings], None]


@dataclass(frozen=True)
class Writer:
    """A format: what its files' names end with, and the function that writes one."""

    suffix: str
    write: Write
    about: str


WRITERS: dict[str, Writer] = {
    "csv": Writer(".csv", tables.write_csv, "the timeline: time and one column a value"),
    "json": Writer(".moments.json", tables.write_moments, "the moments, with reasons"),
    "html": Writer(".html", report.write_report, "the report: player, plots, moments"),
    "npz": Writer(".npz", tables.write_npz, "the timeline as NumPy arrays"),
}


def check_formats(forms: Sequence[str]) -> None:
    """Refuse a format that has no writer.

    Raises
    ------
    SettingsError
        Naming the nearest.
    """
    for form in forms:
        one_of("format", form, tuple(WRITERS))


def export(
    timeline: Timeline,
    moments: Sequence[Moment],
    folder: str | Path,
    stem: str,
    form: str,
    options: ReportSettings | None = None,
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
    options : ReportSettings, optional
        Language, and clips in the report.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    SettingsError
        On an unknown format or language.
    DataError
        When the folder cannot be written.
    """
    check_formats([form])
    writer = WRITERS[form]
    path = Path(folder) / f"{stem}{writer.suffix}"
    writer.write(timeline, moments, path, changed(options or ReportSettings(), {}))
    return path
