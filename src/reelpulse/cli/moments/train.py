"""``reelpulse moments train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import TrainSettings

if TYPE_CHECKING:
    from reelpulse.moments.training.train import Training


@with_settings(TrainSettings)
def train(
    clips: Annotated[
        str, typer.Argument(metavar="CLIPS.h5", help="A dataset that moments build wrote.")
    ],
    settings: TrainSettings,
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE.onnx", help="Where the model goes."),
    ],
    videos: Annotated[
        str | None,
        typer.Option(
            "--videos",
            metavar="TRUTH.csv",
            help="Try the model on whole labelled videos (file,start,end of each funny stretch; a"
            " file is a timeline's .h5), so that detect can be asked for a --precision.",
        ),
    ] = None,
    logs: Annotated[
        str | None,
        typer.Option(
            "--logs", metavar="FOLDER", help="Write the course of each fit there, for TensorBoard."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Train a detector of moments from labelled clips, and say how good it is.

    It is cross-validated first, on folds apart by video and person: the figures are of clips that
    it had not seen, with 95 % intervals. Then it is trained on all clips. Stopped, it goes on with
    the fold that was not finished.

    \b
    reelpulse moments train clips.h5 --network conv1d -o funny.onnx
    reelpulse moments train clips.h5 --network lstm --baseline video --where person=Kim -o kim.onnx
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.moments.training.train import train as train_model

    try:
        with counting("fits", quiet=quiet or json) as progress:
            found = train_model(clips, out, settings, videos=videos, logs=logs, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on with the folds that are not done yet")
        raise typer.Exit(130) from None
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: Training) -> None:
    from rich.text import Text

    from reelpulse.cli.display import note, plain_table, printable, table_console
    from reelpulse.export.comparison import TITLES, figure_text
    from reelpulse.moments.training.comparison import SHOWN

    for warning in found.warnings:
        note(f"warning: {warning}")
    shown = SHOWN[found.task.kind]
    table = plain_table()
    for title in ("", *(TITLES[name] for name in shown)):
        table.add_column(title, no_wrap=not title, header_style="dim")
    for name, scores in {found.network: found.scores, **found.baselines}.items():
        figures = (figure_text(scores[key]) for key in shown)
        cells = [f"{value} ({interval})" if interval else value for value, interval in figures]
        table.add_row(f"  {name}", *cells, style="" if name == found.network else "dim")
    labels = ", ".join(f"{count} {name}" for name, count in found.facts["labels"].items())
    groups, sources = found.facts["groups"], found.facts["sources"]
    console = table_console()
    console.print(Text(printable(str(found.path)), style="bold"), soft_wrap=True)
    facts = f"{found.facts['clips']} clips ({labels}) of {sources} sources, {groups} apart"
    console.print(Text(f"  {facts}; fitted in {found.train_seconds:.1f} s"), soft_wrap=True)
    console.print(table)
    if found.operating:
        best = max(found.operating, key=lambda point: (point.precision, point.recall))
        text = f"on labelled videos: precision {best.precision:.2f} at recall {best.recall:.2f}"
        console.print(Text(f"  {text} (threshold {best.threshold:.2f})"), soft_wrap=True)
    console.print(
        Text(printable(f"  reelpulse detect TIMELINE.h5 --model {found.path}"), style="dim"),
        soft_wrap=True,
    )
