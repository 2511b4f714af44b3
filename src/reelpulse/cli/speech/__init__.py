"""``reelpulse speech``: speech emotion, from a corpus to a classifier."""

from __future__ import annotations

import typer

from reelpulse.cli.speech import compare, evaluate, predict, prepare, preview, train

app = typer.Typer(no_args_is_help=True, help="Learn which emotion a voice shows, from a corpus.")
app.command("prepare")(prepare.prepare)
app.command("preview")(preview.preview)
app.command("predict")(predict.predict)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
