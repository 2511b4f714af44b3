"""The command line: parses, calls one library function, prints."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import reelpulse
from reelpulse.cli import analyze, demo, detect, export, genre, models, moments, speech
from reelpulse.errors import ReelpulseError

app = typer.Typer(
    name="reelpulse",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Find the funny moments in a video: follow one person's face and the sound, and point at"
        " the seconds worth clipping.\n\nStart with: reelpulse analyze stream.mp4 -o out/"
    ),
)
app.command("analyze")(analyze.analyze)
app.command("detect")(detect.detect)
app.command("export")(export.export)
app.command("demo")(demo.demo)
app.add_typer(moments.app, name="moments")
app.add_typer(speech.app, name="speech")
app.add_typer(genre.app, name="genre")
app.add_typer(models.app, name="models")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"reelpulse {reelpulse.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; a ReelpulseError becomes one line and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        # A Korean name must not end a run on a terminal of another code page.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except ReelpulseError as error:
        from reelpulse.cli.display import printable

        typer.echo(f"error: {printable(str(error))}", err=True)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
