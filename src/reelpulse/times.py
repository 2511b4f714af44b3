"""Times as people write and read them."""

from __future__ import annotations

import re

from reelpulse.errors import SettingsError

_TIME = re.compile(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d{1,99})?)")

_MOST_SHOWN = 60
"""Characters of what is no time that a message repeats."""


def parse_time(text: str) -> float:
    """Read ``[h:]m:s`` or seconds, such as ``1:02:03.5``, ``2:06.5`` or ``126.5``."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        shown = text if len(text) < _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
        raise SettingsError(f"{shown!r} is not a time: write seconds, m:s or h:m:s, such as 2:06.5")
    hours, minutes, seconds = found.groups()
    if (minutes is not None and float(seconds) >= 60) or (hours and int(minutes) >= 60):
        raise SettingsError(
            f"{text!r} is not a time: minutes and seconds after a colon stay below 60"
        )
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def parse_range(text: str) -> tuple[float, float]:
    """Read ``START-END``.

    Returns
    -------
    tuple of float
        Start and end in seconds.

    Raises
    ------
    SettingsError
        When it cannot be read or does not end after it starts.
    """
    start_text, dash, end_text = text.replace("–", "-").partition("-")
    if not dash:
        raise SettingsError(f"{text!r} is not a range: write START-END, such as 2:00-2:06.5")
    try:
        start, end = parse_time(start_text), parse_time(end_text)
    except SettingsError as error:
        raise SettingsError(f"the range {text!r} cannot be read: {error}") from None
    if end <= start:
        raise SettingsError(f"the range {text!r} ends before it starts: write START-END")
    return start, end


def clock_text(seconds: float) -> str:
    """Write seconds as people read them: ``4.5`` → ``0:04.5``, ``3725`` → ``1:02:05.0``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02d}.{rest % 10}"
