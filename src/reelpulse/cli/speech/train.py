"""``reelpulse speech train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import SpeechTrainSettings

if TYPE_CHECKING:
    from reelpulse.speech.train import SpeechTraining


@with_settings(SpeechTrainSettings)
def train(
    speech: Annotated[
        str, typer.Argument(metavar="SPEECH", help="A folder that speech prepare made.")
    ],
    settings: SpeechTrainSettings,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.onnx", help="Where the model goes.")
    ] = "speech.onnx",
    logs: Annotated[
        str | None,
        typer.Option(
            "--logs", metavar="FOLDER", help="Write the course of the fit there, for TensorBoard."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Train a network to tell emotions apart, and say how good it is on speakers it never heard.

    The corpus is dealt to a part that is trained on, one that tells which pass was best, and one
    that is tested on. Stopped, it goes on with the pass that was not finished.

    \b
    reelpulse speech train speech/ --network convnext_small --epochs 20 -o speech.onnx
    reelpulse speech train speech/ --network small --every-fold -o small.onnx
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.learn.fit import beside
    from reelpulse.speech.train import train as train_model

    try:
        with counting("done", quiet=quiet or json or beside()) as progress:
            found = train_model(speech, out, settings, logs=logs, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on from the last pass")
        raise typer.Exit(130) from None
    if beside():
        return
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: SpeechTraining) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, printable, table_console
    from reelpulse.cli.speech.tables import print_judged

    for warning in found.warnings:
        note(f"warning: {warning}")
    console = table_console()
    parts = found.facts["parts"]
    counts = ", ".join(
        f"{parts[part]['clips']} {verb} ({_many(parts[part]['speakers'], 'speaker')})"
        for part, verb in (("train", "trained on"), ("valid", "to stop by"), ("test", "tested on"))
    )
    fitted = found.fitted
    console.print(Text(printable(str(found.path)), style="bold"), soft_wrap=True)
    console.print(Text(f"  {found.settings.network}: clips {counts}"), soft_wrap=True)
    passes = f"{_many(fitted.epochs, 'pass', 'es')} in {fitted.seconds:.0f} s"
    split = f"the best after {fitted.best}; split by {found.settings.split}"
    console.print(Text(f"  {passes}, {split}"), soft_wrap=True)
    tested = len(found.tested.labels)
    if tested > parts["test"]["clips"]:
        console.print(Text(f"  figures: of {tested} clips, each tested in one fold"))
    print_judged(console, found.tested)
    console.print(
        Text(printable(f"  reelpulse speech predict VOICE.wav --model {found.path}"), style="dim"),
        soft_wrap=True,
    )


def _many(count: int, what: str, ending: str = "s") -> str:
    return f"{count} {what}{ending if count != 1 else ''}"
