"""How well found moments agree with what is truly funny: from files to figures and a page."""

from reelpulse.export.evaluation.page import page_path, write_page
from reelpulse.export.evaluation.tried import (
    LABELS,
    Tried,
    ahead_text,
    cells,
    evaluate_files,
    headline,
)

__all__ = [
    "LABELS",
    "Tried",
    "ahead_text",
    "cells",
    "evaluate_files",
    "headline",
    "page_path",
    "write_page",
]
