"""``reelpulse speech prepare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from reelpulse.speech.prepare import Prepared

_MOST_NAMED = 20
"""Lines of one kind that are printed; the file has them all."""


def prepare(
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS", help="The corpus' folder, or the table of csv.")
    ],
    layout: Annotated[
        str,
        typer.Option("--layout", help="How it is laid out: aihub, ravdess, emodb, korean or csv."),
    ] = "aihub",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the sound and table go.")
    ] = "speech",
    audio_track: Annotated[
        int | None,
        typer.Option("--audio-track", help="Which sound track to take, counted from 0."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes. [default: as many as there are cores]"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and what went wrong.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Take the sound out of a corpus of recordings, with a table of who shows what.

    Leaves SPEAKER_NUMBER.flac (16 kHz, mono), table.csv and prepare.json in the output folder. What
    was done before is not done again; a stopped run goes on where it stopped. Recordings that
    cannot be used are named, the others are taken, and the exit status is 1.

    \b
    reelpulse speech prepare corpus/ --layout aihub -o speech/
    reelpulse speech prepare mine.csv --layout csv -o speech/    # file,label[,speaker,sentence]
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.speech import extract
    from reelpulse.speech import prepare as library

    given = {} if audio_track is None else {"audio_track": audio_track}
    try:
        with counting("recordings", quiet=quiet or json) as show:
            result = library.prepare(
                corpus,
                out,
                layout,
                settings=extract.PrepareSettings(**given),
                progress=(lambda done, total: show(done, total, "")) if show else None,
                workers=workers,
            )
    except KeyboardInterrupt:
        note("stopped; the same command goes on from there")
        raise typer.Exit(130) from None
    if json:
        _print_json(result)
    else:
        _print(result)
        if not quiet:
            _name("note: ", result.notes)
    _name("", result.problems)
    if result.problems:
        count = f"{len(result.problems)} problem" + ("s" if len(result.problems) != 1 else "")
        note(f"{count}; {len(result)} recordings are in {out}")
        raise typer.Exit(1)


def _name(head: str, lines: tuple[str, ...]) -> None:
    """Print the first of many lines on stderr."""
    from reelpulse.cli.display import note

    for line in lines[:_MOST_NAMED]:
        note(head + line)
    if len(lines) > _MOST_NAMED:
        note(f"{head}{len(lines) - _MOST_NAMED} more such lines are in prepare.json")


def _print(result: Prepared) -> None:
    from reelpulse.times import clock_text

    speakers = f"{result.speakers} speaker" + ("s" if result.speakers != 1 else "")
    typer.echo(
        f"{result.folder}: {len(result)} recordings of {speakers},"
        f" {clock_text(result.seconds)} of sound; {result.fresh} done now"
    )
    for label, count in result.counts.items():
        typer.echo(f"  {label:<10}{count:>7}")


def _print_json(result: Prepared) -> None:
    from dataclasses import asdict
    from json import dumps

    values = {**asdict(result), "folder": str(result.folder)}
    typer.echo(dumps(values, ensure_ascii=False, indent=2))
