"""``reelpulse genre``: film genre, from a film to a classifier."""

from __future__ import annotations

import typer

from reelpulse.cli.genre import clean, compare, evaluate, extract, motion, predict, serve, train

app = typer.Typer(no_args_is_help=True, help="Learn a film's genre from pairs of frames.")
app.command("extract")(extract.extract)
app.command("clean")(clean.clean)
app.command("motion")(motion.motion)
app.command("predict")(predict.predict)
app.command("serve")(serve.serve)
app.command("train")(train.train)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
