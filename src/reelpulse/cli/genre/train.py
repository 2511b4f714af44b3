"""``reelpulse genre train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import GenreTrainSettings

if TYPE_CHECKING:
    from reelpulse.genre.train import GenreTraining


@with_settings(GenreTrainSettings)
def train(
    frames: Annotated[
        str, typer.Argument(metavar="FRAMES", help="A folder that genre extract made.")
    ],
    settings: GenreTrainSettings,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE.onnx", help="Where the model goes.")
    ] = "genre.onnx",
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
    """Train a network to tell genres apart, and say how good it is on films it never saw.

    Films are trained on, tell which pass was best, or are tested on; none is in two of these.
    Stopped, it goes on with the pass that was not finished.

    \b
    reelpulse genre train frames/ --network inception_v3 --epoch 20 --lr 0.0001 --bs 128
    reelpulse genre train frames/ --preset six_channel_128 --bs 32 --accumulate 4 -o six.onnx
    reelpulse genre train frames/ --network flow_pair --split leave_one_film_out
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.display import note
    from reelpulse.cli.progress import counting
    from reelpulse.genre.train import train as train_model
    from reelpulse.learn.fit import beside

    try:
        with counting("done", quiet=quiet or json or beside()) as progress:
            found = train_model(frames, out, settings, logs=logs, progress=progress)
    except KeyboardInterrupt:
        note("stopped; the same command goes on from the last pass")
        raise typer.Exit(130) from None
    if beside():
        return
    for warning in found.warnings:
        note(f"warning: {warning}")
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: GenreTraining) -> None:
    from rich.text import Text

    from reelpulse.cli.display import printable, table_console
    from reelpulse.cli.genre.tables import many, print_judged

    console = table_console()

    def line(text: str, style: str = "") -> None:
        console.print(Text(printable(text), style=style), soft_wrap=True)

    parts = found.facts["parts"]
    counts = ", ".join(
        f"{parts[part]['pairs']} {verb} ({many(parts[part]['films'], 'film')})"
        for part, verb in (("train", "trained on"), ("valid", "held back"), ("test", "tested on"))
        if parts[part]["pairs"]
    )
    fitted, settings = found.fitted, found.plan.settings
    line(str(found.path), "bold")
    line(f"  {found.plan.network}: pairs {counts}; split: {settings.split}")
    how = f"{found.plan.optimiser} {found.plan.rate:g}, batches of {found.plan.batch}"
    if settings.accumulate > 1:
        how += f", {settings.accumulate} a step"
    passes = f"{many(fitted.epochs, 'pass', 'es')} in {fitted.seconds:.0f} s ({how})"
    best = f", the best after {fitted.best}" if fitted.valid else ""
    line(f"  {passes}{best}")
    tested = len(found.tested.labels)
    if tested > parts["test"]["pairs"]:
        line(f"  figures: of {tested} pairs, each tested in one fold")
    print_judged(console, found.tested)
    line(f"  reelpulse genre predict A.png B.png --model {found.path}", "dim")
