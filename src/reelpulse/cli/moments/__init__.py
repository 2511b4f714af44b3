"""``reelpulse moments``: learn what is funny from labelled clips."""

from __future__ import annotations

import typer

from reelpulse.cli.moments import build, compare, evaluate, info, suggest, train, tune

app = typer.Typer(no_args_is_help=True, help="Learn what is funny from labelled clips.")
app.command("build")(build.build)
app.command("info")(info.info)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("tune")(tune.tune)
app.command("evaluate")(evaluate.evaluate)
app.command("suggest")(suggest.suggest)
