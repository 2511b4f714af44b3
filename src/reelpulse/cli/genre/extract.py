"""``reelpulse genre extract``."""

from __future__ import annotations

from typing import Annotated

import typer

from reelpulse.cli.options import show_notes


def extract(
    path: Annotated[str, typer.Argument(metavar="FILM", help="The film's file.")],
    genre: Annotated[
        str,
        typer.Option(
            "--genre",
            metavar="NAME",
            help="Such as action, horror, romance, animation_2d, animation_3d or sf.",
        ),
    ],
    film: Annotated[
        str | None,
        typer.Option("--film", metavar="NAME", help="The film's name. [default: the file's]"),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="train or test: whole films are kept for testing.")
    ] = "train",
    ranges: Annotated[
        str | None,
        typer.Option(
            "--ranges",
            metavar="START-END,...",
            help="Scenes to draw from, in the film's time. [default: the whole film]",
        ),
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", help="How many.")] = 300,
    format: Annotated[
        str, typer.Option("--format", help="png (lossless) or jpg (quality 95, a fifth as large).")
    ] = "png",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawing.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the pairs of a film that is there already.")
    ] = False,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Where pictures and table go.")
    ] = "frames",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and what went wrong.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw pairs of consecutive frames from a film.

    First frames are drawn at random from the frames of odd number inside the ranges, each with the
    next frame of the same range. They go to GENRE_train/ or GENRE_test/ as GENRE_FILM_001.png,
    GENRE_FILM_002.png (a pair) and so on, and pairs.csv says of each pair which film, range and
    times it is from. Films add up in one folder. A stopped run goes on where it stopped; a film
    that is there, drawn the same way, is left as it is.

    \b
    reelpulse genre extract film.mkv --genre horror \\
        --ranges "00:03:10-00:05:00,01:02:00-01:10:30" -o frames/
    reelpulse genre extract other.mkv --genre horror --split test -o frames/
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note, printable
    from reelpulse.cli.progress import counting
    from reelpulse.genre import extract as library

    try:
        with counting("pairs", quiet=quiet or json) as show:
            result = library.extract(
                path,
                out,
                genre=genre,
                film=film,
                split=split,
                ranges=ranges,
                pairs=pairs,
                format=format,
                seed=seed,
                force=force,
                progress=show,
            )
    except KeyboardInterrupt:
        note("stopped; the same command goes on from there")
        raise typer.Exit(130) from None
    if json:
        from dataclasses import asdict
        from json import dumps

        values = {**asdict(result), "folder": str(result.folder)}
        typer.echo(dumps(values, ensure_ascii=False, indent=2))
        return
    count = f"{result.pairs} pair" + ("s" if result.pairs != 1 else "")
    where = f"{result.genre}/{result.film}, {result.split}"
    typer.echo(printable(f"{result.folder}: {count} of {where}; {result.fresh} written now"))
