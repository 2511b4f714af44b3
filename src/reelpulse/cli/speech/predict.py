"""``reelpulse speech predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes

if TYPE_CHECKING:
    from reelpulse.speech.predict import Prediction

_SHOWN = 3
"""Classes printed of each file, the likeliest first; JSON has them all."""


def predict(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files with sound, or videos.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="FILE.onnx",
            help="builtin, auto (the best at hand), or a file that speech train wrote.",
        ),
    ] = "auto",
    audio_track: Annotated[
        int, typer.Option("--audio-track", min=0, help="Which sound track, counted from 0.")
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and what went wrong.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say which emotion the voice in a file shows.

    A file of up to 10 s is heard as one utterance; a longer one every 1.5 s, in windows of 3 s,
    where somebody speaks in them. Files that fail are named, the others are heard, and the exit
    status is 1.

    \b
    reelpulse speech predict voice.wav video.mp4
    reelpulse speech predict *.wav --model speech.onnx --json
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note, printable
    from reelpulse.cli.progress import counting
    from reelpulse.speech import predict as library
    from reelpulse.speech.model import load_speech

    network = load_speech(model)
    results = []
    with counting("files", quiet=quiet or json) as show:
        for result in library.predict(files, network, audio_track=audio_track, progress=show):
            results.append(result)
            if result.error is not None:
                note(f"error: {result.error}")
            elif not json:
                typer.echo(printable(_line(result)))
    if json:
        from json import dumps

        typer.echo(dumps([r.as_dict() for r in results], ensure_ascii=False, indent=2))
    failed = [result.file for result in results if result.error is not None]
    if failed and len(results) > 1:
        note(f"{len(failed)} of {len(results)} failed: {', '.join(failed)}")
    if failed:
        raise typer.Exit(1)


def _line(result: Prediction) -> str:
    if result.label is None or result.probabilities is None:
        return f"{result.file}: no voice"
    order = sorted(result.probabilities.items(), key=lambda item: -item[1])
    (best, most), *others = order[:_SHOWN]
    line = f"{result.file}: {best} {most:.2f}"
    if others:
        line += f" ({', '.join(f'{name} {share:.2f}' for name, share in others)})"
    if result.windows:
        heard = sum(window.label is not None for window in result.windows)
        line += f", in {heard} of {len(result.windows)} windows"
    return line
