"""The errors a user can meet.

Every message names the file or value, says what is wrong with it and what to do, in one line.
The library raises these; the command line prints the message without a traceback and exits with
status 1.
"""

from __future__ import annotations

from pathlib import Path


class ReelpulseError(Exception):
    """Base of every error that reelpulse raises on purpose."""


class MediaError(ReelpulseError):
    """A video, sound or picture cannot be used."""


class ModelError(ReelpulseError):
    """A model's weights are missing, damaged or of another kind than asked for."""


class DataError(ReelpulseError):
    """A file of measurements, moments or labels cannot be used."""


class SettingsError(ReelpulseError):
    """A setting has an unknown name or an impossible value."""


class PersonError(ReelpulseError):
    """The person to follow cannot be taken from what was given."""


class MissingExtra(ReelpulseError):
    """An optional dependency is not installed.

    Parameters
    ----------
    extra : str
        Name of the extra that brings it.
    needed_for : str
        What the user wanted, as the subject of the sentence.
    """

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs an optional part: `pip install 'reelpulse[{extra}]'` brings it"
        )
        self.extra = extra


def at(path: str | Path, problem: str) -> str:
    """Put the file's name in front of what is wrong with it.

    Parameters
    ----------
    path : str or Path
        The file the user gave.
    problem : str
        What is wrong, and what to do.

    Returns
    -------
    str
        ``"<path>: <problem>"``, on one line.
    """
    return f"{path}: {' '.join(str(problem).split())}"
