"""Options made from the settings' dataclasses, so that defaults and help stand once."""

from __future__ import annotations

import functools
import inspect
import logging
import typing
from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from reelpulse.config import read_config
from reelpulse.settings import SECTIONS, Settings, changed, plain_kind

MODEL = typer.Option(
    "--model",
    metavar="FILE.onnx",
    help="Find the moments with this model, which moments train wrote, instead of by tension.",
)


def with_settings(
    *groups: type[Settings], without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of the groups, and ``--config``.

    The command is called with one filled-in dataclass a group, after its own arguments: defaults,
    then the TOML file, then what was typed. It has no option for the fields in `without`, which it
    sets itself.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.annotation not in groups
        ]
        made = [
            _parameter(item, typing.get_type_hints(group)[item.name])
            for group in groups
            for item in fields(group)
            if item.name not in without
        ]

        @functools.wraps(command)
        def wrapper(**arguments: Any) -> None:
            config = arguments.pop("config")
            from_file = read_config(config) if config else {}
            tables = {group: from_file.get(table, {}) for table, group in SECTIONS.items()}
            filled = {}
            for name, parameter in signature.parameters.items():
                if parameter.annotation in groups:
                    group = parameter.annotation
                    base = tables[group]
                    typed = {
                        f.name: arguments.pop(f.name, None)
                        for f in fields(group)
                        if f.name not in without
                    }
                    given = {key: value for key, value in typed.items() if value not in (None, [])}
                    filled[name] = changed(group(), {**base, **given})
            command(**arguments, **filled)

        config = inspect.Parameter(
            "config",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(
                    "--config",
                    metavar="FILE.toml",
                    help=f"Settings, in {_tables(groups)}.",
                ),
            ],
        )
        wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*own, *made, config]]
        )
        wrapper.__annotations__ = {p.name: p.annotation for p in [*own, *made, config]}
        return wrapper

    return decorate


def _tables(groups: Sequence[type[Settings]]) -> str:
    """Name the tables of a settings file that hold these groups."""
    *others, last = [f"[{table}]" for table, group in SECTIONS.items() if group in groups]
    return f"{', '.join(others)} and {last}" if others else last


def _parameter(item: Field[Any], hint: Any) -> inspect.Parameter:
    kind = plain_kind(hint)
    flag = "--" + item.name.replace("_", "-")
    if kind is bool:
        flag += "/--no-" + flag.removeprefix("--")
    annotation: Any = list[str] if kind is tuple else kind | None
    option = typer.Option(
        flag,
        *item.metadata["also"],
        help=item.metadata["help"] + _shown(item.default),
        metavar=item.metadata["metavar"],
        show_default=False,
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation, option],
    )


def _shown(default: Any) -> str:
    """A default for the help text; the option's own is None, to tell whether it was typed."""
    if default is None or default is False or default == ():
        return ""
    text = " ".join(default) if isinstance(default, tuple) else f"{default}"
    return f" [default: {text}]"


class _Notes(logging.Handler):
    """The library's notes as plain lines on stderr, each once, above any progress bar."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() in self._said:
            return
        self._said.add(record.getMessage())
        head = "warning: " if record.levelno >= logging.WARNING else ""
        from reelpulse.cli.display import note

        note(head + record.getMessage())


def show_notes(*, quiet: bool) -> None:
    """Print what the library logs: all notes, or warnings alone."""
    logger = logging.getLogger("reelpulse")
    logger.handlers = [_Notes()]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
