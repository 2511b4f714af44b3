"""Foreign files of weights: what is in them, and what they become; nothing of them is run."""

from reelpulse.checkpoints.conversion import Converted, convert
from reelpulse.checkpoints.findings import Inspection
from reelpulse.checkpoints.inspection import inspect

__all__ = ["Converted", "Inspection", "convert", "inspect"]
