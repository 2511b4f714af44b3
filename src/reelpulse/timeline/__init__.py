"""What was observed, what is made of it, and the file that keeps both."""

from reelpulse.timeline.features import Features, embedding_summary
from reelpulse.timeline.hdf5 import load_meta, load_observations, load_timeline, write_timeline
from reelpulse.timeline.model import (
    EMOTIONS,
    FACE_COLUMNS,
    LOUDNESS_COLUMNS,
    Moment,
    Reason,
    Timeline,
    assemble,
)
from reelpulse.timeline.observations import Block, Faces, Observations

__all__ = [
    "EMOTIONS",
    "FACE_COLUMNS",
    "LOUDNESS_COLUMNS",
    "Block",
    "Faces",
    "Features",
    "Moment",
    "Observations",
    "Reason",
    "Timeline",
    "assemble",
    "embedding_summary",
    "load_meta",
    "load_observations",
    "load_timeline",
    "write_timeline",
]
