"""``reelpulse moments``: learn what is funny from labelled clips."""

from __future__ import annotations

import typer

from reelpulse.cli.moments import build, info

app = typer.Typer(no_args_is_help=True, help="Learn what is funny from labelled clips.")
app.command("build")(build.build)
app.command("info")(info.info)
