"""``reelpulse genre serve``."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from reelpulse.cli.options import show_notes


def serve(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="FILE.onnx", help="A file that genre train wrote."),
    ] = None,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Where to listen; 0 for any free port."),
    ] = 8765,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only the address and what went wrong.")
    ] = False,
) -> None:
    """Open a page on which two pictures are dropped and their genre appears.

    The page is for this machine alone, and nothing leaves it: the pictures are looked at here, by
    one model, and not kept. It needs nothing but the core installation. Ctrl+C ends it.

    \b
    reelpulse genre serve --model genre.onnx
    reelpulse genre serve --model genre.onnx --port 0
    curl -s -H 'Content-Type: application/json' http://127.0.0.1:8765/predict \\
      -d "{\\"pictures\\": [\\"$(base64 -w0 a.png)\\", \\"$(base64 -w0 b.png)\\"]}"
    """  # noqa: D301  click reads the \b
    show_notes(quiet=quiet)
    from reelpulse.cli.display import note
    from reelpulse.cli.genre.predict import loaded
    from reelpulse.web.genre import GenreServer

    with GenreServer(loaded(model), port) as server:
        typer.echo(server.url)
        if not quiet:
            note("open it in a browser; Ctrl+C ends it")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
