"""``reelpulse genre predict``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reelpulse.cli.options import show_notes
from reelpulse.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from reelpulse.genre.catalogue import Row
    from reelpulse.genre.model import GenreModel
    from reelpulse.genre.predict import FilmPrediction

_SHOWN = 3
"""Classes printed of a film, the likeliest first; JSON has them all."""

_MOST_THREADS = 4
"""Of the network; decoding has its own."""


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Two pictures, or films, or folders of films."),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="FILE.onnx", help="A file that genre train wrote."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="TABLE", help="A .csv or .json to keep: a row for each film."
        ),
    ] = None,
    strip: Annotated[
        str | None,
        typer.Option("--strip", metavar="FILE.png", help="Of one film: a picture of each shot."),
    ] = None,
    pairs: Annotated[
        int,
        typer.Option(
            "--pairs",
            min=1,
            max=100,
            help="Pairs of frames looked at in a shot, and in each further 20 s of a long one.",
        ),
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the pairs.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Look at films again that are in the table.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and what went wrong.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say which genre two frames, a film or many films are of.

    Two pictures are a frame and the next one. A film is cut into shots, some pairs of consecutive
    frames are looked at in each, and the film's shares are those of its shots by their lengths.
    Several films, or a folder of them, become one table: with -o it is kept after each film, and a
    run that was stopped goes on; films that fail are named, the others are looked at, and the exit
    status is 1.

    No model comes with reelpulse: genre extract and genre train make one.

    \b
    reelpulse genre predict a.png b.png --model genre.onnx
    reelpulse genre predict film.mkv --model genre.onnx --strip strip.png
    reelpulse genre predict films/ --model genre.onnx -o genres.csv
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.genre.pictures import SUFFIXES

    folders = [given for given in inputs if Path(given).is_dir()]
    pictures = [given for given in inputs if Path(given).suffix.lower() in SUFFIXES]
    pictures = [given for given in pictures if given not in folders]
    many = bool(folders) or len(inputs) > 1 or out is not None
    if pictures and (len(pictures) < len(inputs) or len(pictures) > 2 or out or strip):
        raise SettingsError(
            "pictures are looked at by themselves: give two pictures alone, without -o and --strip,"
            " or films and folders of films"
        )
    if strip and many:
        raise SettingsError("--strip shows the shots of one film: give one, and no -o")
    network = loaded(model)
    if pictures:
        _pictures(network, pictures, json)
    elif not many:
        _film(network, inputs[0], strip, pairs, seed, quiet=quiet, json=json)
    else:
        _table(network, inputs, out, pairs, seed, force, quiet=quiet, json=json)


def loaded(model: str | None) -> GenreModel:
    """Load the model that was asked for; say how to get one where none was."""
    from reelpulse.genre.model import NO_MODEL, load_genre

    if model is None:
        raise ModelError(NO_MODEL)
    return load_genre(model, threads=min(_MOST_THREADS, os.cpu_count() or 1))


def _pictures(model: GenreModel, files: list[str], json: bool) -> None:
    from reelpulse.genre.predict import predict_pictures

    found = predict_pictures(model, *files)
    if json:
        _print_json(found.as_dict())
        return
    width = max(map(len, found.probabilities))
    for name, share in sorted(found.probabilities.items(), key=lambda item: -item[1]):
        typer.echo(f"{name:<{width}}  {share:6.1%}")


def _film(
    model: GenreModel,
    file: str,
    strip: str | None,
    pairs: int,
    seed: int,
    *,
    quiet: bool,
    json: bool,
) -> None:
    from reelpulse.cli.progress import counting
    from reelpulse.genre.predict import predict_film, write_strip

    with counting("s of film", quiet=quiet or json) as show:

        def progress(done: float, total: float) -> None:
            if show is not None:
                show(done, round(total), Path(file).name)

        found = predict_film(
            file, model, pairs=pairs, seed=seed, strip=strip is not None, progress=progress
        )
    if strip is not None:
        write_strip(found, strip)
    if json:
        _print_json(found.as_dict())
    else:
        _print_film(found)


def _print_film(found: FilmPrediction) -> None:

    from reelpulse.cli.display import plain_table, printable, table_console
    from reelpulse.times import clock_text

    count = len(found.shots)
    shots = f"{count} shot{'s' if count > 1 else ''}"
    typer.echo(f"{printable(found.file)}: {_shares(found.probabilities)}, {shots}")
    table = plain_table()
    for column in ("   #", "from", "to", "genre", "share"):
        table.add_column(column, header_style="dim")
    for number, shot in enumerate(found.shots, 1):
        share = f"{shot.probabilities[shot.label]:.2f}" if shot.probabilities and shot.label else ""
        table.add_row(
            f"{number:>4}", clock_text(shot.start), clock_text(shot.end), shot.label or "–", share
        )
    table_console().print(table)


def _table(
    model: GenreModel,
    inputs: list[str],
    out: str | None,
    pairs: int,
    seed: int,
    force: bool,
    *,
    quiet: bool,
    json: bool,
) -> None:
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.genre.catalogue import catalogue, films_in

    films: list[str | Path] = []
    for given in inputs:
        films += films_in(given) if Path(given).is_dir() else [given]
    base = inputs[0] if len(inputs) == 1 and Path(inputs[0]).is_dir() else None
    rows: list[Row] = []
    try:
        with counting("films", quiet=quiet or json) as show:
            for row in catalogue(
                films, model, out, base=base, force=force, pairs=pairs, seed=seed, progress=show
            ):
                rows.append(row)
                _print_row(row, quiet=quiet, json=json)
    except KeyboardInterrupt:
        note("stopped; the same command goes on from there" if out else "stopped")
        raise typer.Exit(130) from None
    if json:
        _print_json([row.as_dict() for row in rows])
    failed = [row.film for row in rows if row.error is not None]
    if failed and len(rows) > 1:
        note(f"{len(failed)} of {len(rows)} failed: {', '.join(failed)}")
    if out is not None and not quiet and not json:
        note(f"{len(rows)} film{'s' if len(rows) > 1 else ''} in {out}")
    if failed:
        raise typer.Exit(1)


def _print_row(row: Row, *, quiet: bool, json: bool) -> None:
    from reelpulse.cli.display import note, printable

    if row.error is not None:
        note(f"error: {row.error}")
    elif not json and row.probabilities is not None:
        kept = " (from the table)" if row.kept else ""
        typer.echo(printable(f"{row.film}: {_shares(row.probabilities)}{kept}"))


def _shares(probabilities: dict[str, float]) -> str:
    order = sorted(probabilities.items(), key=lambda item: -item[1])
    (best, most), *others = order[:_SHOWN]
    line = f"{best} {most:.2f}"
    if others:
        line += f" ({', '.join(f'{name} {share:.2f}' for name, share in others)})"
    return line


def _print_json(value: Any) -> None:
    from json import dumps

    typer.echo(dumps(value, ensure_ascii=False, indent=2))
