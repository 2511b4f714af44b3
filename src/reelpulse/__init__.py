"""Find the funny moments in a video.

>>> import reelpulse
>>> timeline = reelpulse.analyze("stream.mp4", out="out/")      # doctest: +SKIP
>>> moments = reelpulse.find_moments(timeline, top=10)          # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name → where it lives. Imported at first use, so that `import reelpulse` is quick.
_PUBLIC = {
    "analyze": "reelpulse.analysis",
    "detect": "reelpulse.moments.detect",
    "embedding_summary": "reelpulse.timeline",
    "find_moments": "reelpulse.moments.detect",
    "load_model": "reelpulse.moments.model",
    "load_timeline": "reelpulse.timeline",
    "Timeline": "reelpulse.timeline",
    "Moment": "reelpulse.timeline",
    "ReelpulseError": "reelpulse.errors",
}

__all__ = [
    "Moment",
    "ReelpulseError",
    "Timeline",
    "__version__",
    "analyze",
    "detect",
    "embedding_summary",
    "find_moments",
    "load_model",
    "load_timeline",
]

if TYPE_CHECKING:
    from reelpulse.analysis import analyze
    from reelpulse.errors import ReelpulseError
    from reelpulse.moments.detect import detect, find_moments
    from reelpulse.moments.model import load_model
    from reelpulse.timeline import Moment, Timeline, embedding_summary, load_timeline


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reelpulse' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
