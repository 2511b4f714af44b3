"""What people see: tables on stdout, progress and notes on stderr."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reelpulse.times import clock_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reelpulse.batch import Result
    from reelpulse.learn.metrics import Score
    from reelpulse.measure import OnProgress
    from reelpulse.measure import Progress as Measured


@functools.cache
def error_console() -> Console:
    """The console of notes and progress."""
    from rich.console import Console

    return Console(stderr=True, emoji=False, markup=False, highlight=False)


def note(text: str) -> None:
    """Print a line on stderr, above any progress bar, and not broken."""
    error_console().print(printable(text), soft_wrap=True)


_ONE_LINE = 1000


def printable(text: str) -> str:
    """Show line breaks and other control characters as escapes: a file's name may have them."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


@contextmanager
def measuring(*, quiet: bool) -> Iterator[Any]:
    """Show a bar with rate and time left; gives a function from a video's name to a callback."""
    if quiet or not sys.stderr.isatty():
        # Nobody watches: not even the bar's import is wanted.
        yield lambda name: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from reelpulse import hub

    console = error_console()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )

    def start(name: str) -> OnProgress:
        task = bar.add_task(name, total=None, done="", rate="")

        def update(now: Measured) -> None:
            state = bar.tasks[bar.task_ids.index(task)]
            fresh = now.done - now.resumed
            rate = fresh / state.elapsed if state.elapsed else 0.0
            bar.update(
                task,
                total=max(now.total - now.resumed, 1e-9),
                completed=fresh,
                done=f"{clock_text(now.done)} of {clock_text(now.total)}",
                rate=f"×{rate:.1f} speed" if rate else "",
                visible=now.done < now.total - 1,
            )

        return update

    def fetching(name: str, done: int, total: int | None) -> None:
        label = f"fetching {name}"
        tasks = [task.id for task in bar.tasks if task.description == label]
        task = tasks[0] if tasks else bar.add_task(label, done="", rate="")
        size = f" of {total / 1e6:.1f}" if total else ""
        bar.update(
            task,
            total=total,
            completed=done,
            done=f"{done / 1e6:.1f}{size} MB",
            visible=done != total,
        )

    hub.on_progress = fetching
    try:
        with bar:
            yield start
    finally:
        hub.on_progress = None


_NO_MOMENTS = {
    True: "nothing moves far enough from the usual (try --min-score 0.05)",
    False: "the model finds nothing at this threshold",
}
"""Why there are none, by whether tension looked for them."""


def table_console() -> Console:
    """The console on stdout; into a file or a pipe, a row is a line."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _ONE_LINE
    return Console(emoji=False, markup=False, highlight=False, width=width)


def plain_table(titles: Iterable[str] = (), gap: int = 2) -> Table:
    """A table without lines, so many spaces between its columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for title in titles:
        table.add_column(Text(printable(title)), no_wrap=True, header_style="dim")
    return table


def score_text(score: Score) -> str:
    """A figure and its interval, with three decimals."""
    return f"{score.value:.3f} ({score.low:.3f}–{score.high:.3f})"


def print_result(result: Result) -> None:
    """Print the short table of one video."""
    from rich.text import Text

    console = table_console()
    summary = result.summary()
    console.print(Text(printable(result.video), style="bold"), soft_wrap=True)
    for label, text in _facts(summary):
        console.print(f"  {label:<10}", Text(text), soft_wrap=True)
    if not result.moments:
        by_tension = summary["settings"].get("model") is None
        console.print(f"  no moments: {_NO_MOMENTS[by_tension]}", soft_wrap=True)
    else:
        table = plain_table()
        for column in ("  #", "from", "to", "peak", "score", "why"):
            table.add_column(column, no_wrap=column != "why", header_style="dim")
        for rank, moment in enumerate(result.moments, 1):
            table.add_row(
                f"{rank:>3}",
                clock_text(moment.start),
                clock_text(moment.end),
                clock_text(moment.peak),
                f"{moment.score:.2f}",
                Text(", ".join(str(reason) for reason in moment.reasons)),
            )
        console.print(table)
    console.print(
        Text("  " + "  ".join(printable(str(path)) for path in result.files)), soft_wrap=True
    )


def _facts(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    person = summary["person"]
    if person is not None:
        yield "person", _person(person)
        yield "face in", f"{person['share']:.0%} of {summary['ticks']} ticks"
    emotions = [f"{name} {share:.0%}" for name, share in summary["emotions"].items()]
    if emotions:
        yield "emotions", ", ".join(emotions)
    found_with = summary["settings"]
    if found_with.get("model") is not None:
        asked = f"{found_with['per_hour']:g} an hour"
        if found_with["precision"] is not None:
            asked = f"right {found_with['precision']:.0%} of the time on labelled videos"
        model, threshold = printable(found_with["model"]), found_with["threshold"]
        yield "found by", f"{model}: {asked}, scores from {threshold:.2f} on"


def _person(person: dict[str, Any]) -> str:
    if not person["ticks"]:
        return "nobody"
    others = max(0, person["people"] - 1)
    among = f" ({others} more on screen)" if others else ""
    if person["how"] == "photo":
        return f"like the photo, similarity {person['similarity']:.2f}{among}"
    if person["how"] == "region":
        return f"the face in the region{among}"
    return f"the one seen most{among}"
