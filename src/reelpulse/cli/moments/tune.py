"""``reelpulse moments tune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelpulse.cli.options import show_notes, with_settings
from reelpulse.settings import TrainSettings

if TYPE_CHECKING:
    from reelpulse.moments.training.tune import Tuned


@with_settings(TrainSettings)
def tune(
    clips: Annotated[
        str, typer.Argument(metavar="CLIPS.h5", help="A dataset that moments build wrote.")
    ],
    settings: TrainSettings,
    trials: Annotated[
        int, typer.Option("--trials", help="How many to have, those of earlier runs included.")
    ] = 50,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="After so long no trial begins.")
    ] = None,
    nested: Annotated[
        bool,
        typer.Option(
            "--nested/--no-nested",
            help="Search anew inside each fold too (a fifth of the trials, three folds), so that"
            " the figure is of clips that the search had not seen. It costs up to two thirds more"
            " time.",
        ),
    ] = True,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="FILE.db",
            help="Where the trials are kept. [default: NAME.NETWORK.tune.db beside the dataset]",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE.toml", help="Write the best settings, for moments train."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only results and warnings.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
) -> None:
    """Search for the settings of one network that do best in cross-validation.

    Trials that are behind are ended early, and every trial is kept: the same command goes on where
    it was. Ctrl-C ends the search with the best so far. The best of many trials flatters itself;
    so its figure is of clips that a search had not seen, beside that of the settings as they were.

    \b
    reelpulse moments tune clips.h5 --network lstm --trials 50 -o best.toml
    reelpulse moments tune clips.h5 --network xgboost --minutes 10 --no-nested
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet or json)
    from reelpulse.cli.progress import counting
    from reelpulse.files import atomic_path
    from reelpulse.moments.training.tune import settings_file
    from reelpulse.moments.training.tune import tune as search_settings

    with counting("trials", quiet=quiet or json) as progress:
        found = search_settings(
            clips,
            settings,
            trials=trials,
            minutes=minutes,
            nested=nested,
            storage=storage,
            progress=progress,
        )
    if out is not None and found.found.finished:
        with atomic_path(out) as temporary:
            temporary.write_bytes(settings_file(found).encode())
    if json:
        from json import dumps

        typer.echo(dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found, out)
    if found.found.interrupted:
        raise typer.Exit(130)


def _print(found: Tuned, out: str | None) -> None:
    from reelpulse.cli.display import note, printable
    from reelpulse.export.comparison import TITLES, figure_text
    from reelpulse.moments.training.tune import settings_file

    for warning in found.warnings:
        note(f"warning: {warning}")
    trials, title = found.found, TITLES[found.metric]
    lines = [f"{found.path}: {found.settings.network}"]
    earlier = f", {trials.earlier} of them earlier" if trials.earlier else ""
    tried = trials.finished + trials.pruned
    lines.append(
        f"  trials     {tried}{earlier}; {trials.pruned} ended early, {trials.failed} failed"
    )
    if trials.finished:
        lines.append(f"  search     {title} {trials.value:.2f}, of the best trial: too good")
    for name, figures, how in (
        ("as it was", found.usual, "with the settings given"),
        ("tuned", found.nested, "on clips that the search had not seen"),
    ):
        if figures:
            value, interval = figure_text(figures[found.metric])
            lines.append(f"  {name:<10} {title} {value} ({interval}) {how}")
    if found.gain is not None:
        gain = found.gain
        noise = "within noise" if gain.low <= 0 <= gain.high else "more than noise"
        lines.append(
            f"  gain       {gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f}): {noise}"
        )
    lines.append(f"  trials in  {found.storage}")
    if trials.finished:
        lines.append(f"  settings   {out or 'give -o FILE.toml to keep them:'}")
        lines += [] if out else [f"    {line}" for line in settings_file(found).splitlines()]
    for line in lines:
        typer.echo(printable(line))
    if trials.interrupted:
        note("stopped; the same command goes on with the search")
