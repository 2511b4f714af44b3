"""From a file to ticks: what is on screen and what was heard, on one clock."""

from reelpulse.media.audio import rms
from reelpulse.media.clocks import Clock, EvenTicks, RegularTicks
from reelpulse.media.probe import VideoFacts, VideoReplaced, check_unchanged, probe
from reelpulse.media.sound_file import Sound, decode_sound, read_sound, sixteen_bits, write_sound
from reelpulse.media.ticks import Tick, TickReader

__all__ = [
    "Clock",
    "EvenTicks",
    "RegularTicks",
    "Sound",
    "Tick",
    "TickReader",
    "VideoFacts",
    "VideoReplaced",
    "check_unchanged",
    "decode_sound",
    "probe",
    "read_sound",
    "rms",
    "sixteen_bits",
    "write_sound",
]
