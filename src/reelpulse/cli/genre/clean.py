"""``reelpulse genre clean``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from reelpulse.genre.clean import Cleaned


def clean(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Of frames, as genre extract leaves it.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go, and draw the sheet.")
    ] = False,
    sheet: Annotated[
        str | None,
        typer.Option(
            "--sheet",
            metavar="FILE.png",
            help="Where the contact sheet goes. [default: FOLDER/dropped/dropped.png]",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and what went wrong.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Drop pairs of frames that are none: both frames of each, never one alone.

    A pair goes when a cut lies between its frames or they are not neighbours, when one of them is
    black, missing or unreadable, when they differ in size, and when the very same pair is there
    already, from this film or another. Nothing is deleted: the pictures move to FOLDER/dropped/,
    with dropped.csv and a contact sheet of what was dropped.

    \b
    reelpulse genre clean frames/ --dry-run
    reelpulse genre clean frames/
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.progress import counting
    from reelpulse.genre import clean as library

    with counting("pairs", quiet=quiet or json) as show:
        result = library.clean(folder, dry_run=dry_run, sheet_path=sheet, progress=show)
    if json:
        from json import dumps

        typer.echo(dumps(_plain(result), ensure_ascii=False, indent=2))
    else:
        _print(result, library.REASONS)


def _print(result: Cleaned, reasons: dict[str, str]) -> None:
    from reelpulse.cli.display import printable

    verb = "would be dropped" if result.dry_run else "dropped"
    kept = f"{result.kept} pair" + ("s" if result.kept != 1 else "")
    typer.echo(printable(f"{result.folder}: {kept} kept, {len(result.dropped)} {verb}"))
    for reason, count in result.counts().items():
        typer.echo(f"  {count:>6}  {reasons[reason]}")
    if result.sheet is not None:
        typer.echo(printable(f"  {result.sheet}"))


def _plain(result: Cleaned) -> dict[str, object]:
    return {
        "folder": str(result.folder),
        "dry_run": result.dry_run,
        "kept": result.kept,
        "counts": result.counts(),
        "sheet": None if result.sheet is None else str(result.sheet),
        "dropped": [
            {
                "genre": item.row["genre"],
                "film": item.row["film"],
                "files": item.files,
                "reason": item.reason,
                "change": None if item.change is None else round(item.change, 4),
            }
            for item in result.dropped
        ],
    }
