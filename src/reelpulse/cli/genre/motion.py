"""``reelpulse genre motion``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from pathlib import Path

    from reelpulse.genre.spread import MotionSpread


def motion(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Of frames, as genre extract leaves it.")
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="FILE.html", help="Where the page goes, and a .json beside it."
        ),
    ] = "motion.html",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Show how much moves between the two frames of a pair, by genre and film.

    The page has the distribution of each genre and the median of each film. Where those of two
    genres lie apart, motion tells them apart; where films of one genre lie apart, a model may learn
    the films. Animation drawn "on twos" repeats each picture, and stands out as still.

    \b
    reelpulse genre motion frames/ -o motion.html
    reelpulse genre motion frames/ --json
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from pathlib import Path

    from reelpulse.cli.progress import counting
    from reelpulse.errors import DataError, at
    from reelpulse.export.genre_motion import write_motion
    from reelpulse.genre.spread import motion_spread

    page = Path(out)
    if page.is_dir() or page.suffix.lower() not in (".html", ".htm"):
        raise DataError(at(page, "is no name for a page: give -o one that ends in .html"))
    with counting("pairs", quiet=quiet or json) as show:
        found = motion_spread(folder, progress=show)
    files = write_motion(found, page)
    if json:
        from json import dumps

        plain = {**found.as_dict(), "files": [str(file) for file in files]}
        typer.echo(dumps(plain, ensure_ascii=False, indent=2))
    else:
        _print(found, files)


def _print(found: MotionSpread, files: list[Path]) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, plain_table, printable, table_console
    from reelpulse.export.genre_motion import HEAD, figure_rows, verdict

    for text in found.notes:
        note(f"warning: {text}")
    console = table_console()
    table = plain_table(["", *HEAD])
    for genre, *texts in figure_rows(found):
        table.add_row(f"  {printable(genre)}", *texts)
    console.print(Text(printable(str(found.pairs.folder)), style="bold"), soft_wrap=True)
    console.print(table)
    for text in (verdict(found), *map(str, files)):
        console.print(Text(f"  {printable(text)}"), soft_wrap=True)
