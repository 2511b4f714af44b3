"""Sound: decoded once, forward, as mono at the rates that are asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from reelpulse.errors import MediaError, at
from reelpulse.media.demux import decoded, packets
from reelpulse.media.probe import open_container, sound_streams

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

_CHUNK_SECONDS = 0.5
_JITTER_SECONDS = 0.05
"""Timestamps are rounded (Matroska's to a millisecond): less than this is no gap."""

_ANCHOR_SECONDS = 10.0
"""Where timestamps jitter, sound is put in its place anew this often, at the same packets whether
they were read from the start or after a seek."""

_SEEK_MARGIN_SECONDS = 0.5
"""Codecs need some packets before their output is right (80 ms for Opus)."""


_MOST_PLANES = 7
"""PyAV (18.1) reads beyond a frame of more separate channels than this, and crashes."""

_FILTER_SECONDS = 0.02
"""A resampler gives out a sample only when it has seen half its filter's length beyond."""


def rms(samples: npt.ArrayLike) -> float:
    """Root mean square of the measured samples.

    Parameters
    ----------
    samples : array_like, shape (N,)
        In [-1, 1]; NaN where there was no sound track to measure.

    Returns
    -------
    float
        In [0, 1]; NaN when less than half of the samples were measured. Equals
        ``librosa.feature.rms(y=samples, frame_length=N, hop_length=N, center=False)``.
    """
    values = np.asarray(samples, np.float64)
    measured = values[np.isfinite(values)]
    if not len(measured) or len(measured) * 2 < len(values):
        return float("nan")
    return float(min(1.0, np.sqrt(np.mean(np.square(measured)))))


class _History:
    """The last seconds of one rate, by sample number, in runs with nothing between them."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate, self.length = rate, round(seconds * rate)
        self._runs: list[tuple[int, Samples]] = []

    def append(self, position: int, new: Samples) -> None:
        if self._runs:
            first, samples = self._runs[-1]
            end = first + len(samples)
            if position <= end:
                self._runs[-1] = first, np.concatenate([samples, new[end - position :]])
                return
        self._runs.append((position, new))

    def forget(self, before: int) -> None:
        self._runs = [
            (max(first, before), samples[max(0, before - first) :])
            for first, samples in self._runs
            if first + len(samples) > before
        ]

    def ending(self, time: float) -> Samples:
        """The samples of the history before a time; NaN where there was nothing."""
        end = round(time * self.rate)
        start = end - self.length
        out = np.full(self.length, np.nan, np.float32)
        for first, samples in self._runs:
            low, high = max(start, first), min(end, first + len(samples))
            if high > low:
                out[low - start : high - start] = samples[low - first : high - first]
        return out


class SoundReader:
    """Decode one sound track forward and hand out the last seconds before a time.

    Parameters
    ----------
    path : str or Path
        The file.
    start : float
        The container's start, subtracted from all times.
    track : int
        Which of the file's sound tracks, from 0.
    wanted : mapping of int to float
        Sample rate to seconds of history.
    begin : float
        First time that will be asked for.

    Raises
    ------
    MediaError
        When the track does not exist.
    """

    def __init__(
        self,
        path: str | Path,
        start: float,
        track: int,
        wanted: Mapping[int, float],
        begin: float = 0.0,
    ) -> None:
        self.path, self.start = Path(path), start
        self.end = 0.0
        self.exhausted = False
        self.packets, self.hidden = 0, 0
        self.damaged, self.damaged_at = 0, list[float]()
        self._histories = [_History(rate, seconds) for rate, seconds in wanted.items()]
        self._container = open_container(path)
        tracks = sound_streams(self._container)
        if track >= len(tracks):
            self._container.close()
            raise MediaError(
                at(path, f"has {len(tracks)} sound tracks, so no --audio-track {track} (from 0)")
            )
        self._stream = tracks[track]
        lead = begin - max(wanted.values(), default=0.0) - _SEEK_MARGIN_SECONDS
        anchor = lead // _ANCHOR_SECONDS * _ANCHOR_SECONDS - _SEEK_MARGIN_SECONDS
        if anchor > 0:
            try:
                self._container.seek(int((anchor + start) * av.time_base), backward=True)
            except av.error.FFmpegError as error:
                log.debug("%s: sound cannot be sought, read from the start: %s", path, error)
        self._interleaver = _Interleaver()
        self._runs = self._chunks()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def before(self, time: float) -> dict[int, Samples]:
        """The last seconds before `time`, by rate; times asked for must increase.

        Returns
        -------
        dict of int to ndarray of float32
            ``round(seconds * rate)`` samples in [-1, 1]; NaN where there was no sound.
        """
        self.advance(time)
        return {history.rate: history.ending(time) for history in self._histories}

    def advance(self, time: float) -> None:
        """Decode up to `time`."""
        while self.end < time + _FILTER_SECONDS and not self.exhausted:
            run = next(self._runs, None)
            if run is None:
                self.exhausted = True
                break
            self.end = run
            for history in self._histories:
                history.forget(round(time * history.rate) - 2 * history.length - history.rate)

    def _frames(self) -> Iterator[tuple[float, int, Samples]]:
        """Time, rate and mono samples of each decoded frame."""
        for frame in decoded(self._stream, packets(self._container, self._stream, self), self):
            known = frame.pts is not None
            time = float(frame.pts * frame.time_base) - self.start if known else np.nan
            if frame.format.is_planar and frame.layout.nb_channels > _MOST_PLANES:
                frame = self._interleaver(frame)
            yield time, frame.sample_rate, mono(frame)

    def _chunks(self) -> Iterator[float]:
        """Append sound to the histories, half a second at a time; yield where it ends."""
        pending: list[Samples] = []
        begin = expected = last = 0.0
        rate = 0
        resamplers: list[_Resampler] = []
        for time, frame_rate, samples in self._frames():
            time = expected if np.isnan(time) else time
            off = abs(time - expected)
            anchored = time // _ANCHOR_SECONDS > last // _ANCHOR_SECONDS and off > 0.5 / frame_rate
            broken = not resamplers or frame_rate != rate or off > _JITTER_SECONDS or anchored
            last = time
            if broken:
                yield from self._drained(resamplers, pending, begin)
                pending, rate = [], frame_rate
                samples, begin = self._on_grid(samples, time, rate)
                expected = begin
                resamplers = [_Resampler(h, rate, begin) for h in self._histories]
            pending.append(samples)
            expected += len(samples) / frame_rate
            if expected - begin >= _CHUNK_SECONDS:
                joined = np.concatenate(pending)
                for resampler in resamplers:
                    resampler.feed(joined)
                pending, begin = [], expected
                yield expected
        yield from self._drained(resamplers, pending, begin)

    def _on_grid(self, samples: Samples, time: float, rate: int) -> tuple[Samples, float]:
        """Cut a run's head off up to where input and output samples fall together.

        So a run that begins after a seek is resampled to the same values as one from the start.
        """
        steps = [rate // math.gcd(rate, history.rate) for history in self._histories]
        number = round(time * rate)
        cut = -number % math.lcm(*steps)
        if cut >= min(len(samples), _JITTER_SECONDS * rate):
            return samples, time
        return samples[cut:], (number + cut) / rate

    def _drained(
        self, resamplers: list[_Resampler], pending: list[Samples], begin: float
    ) -> Iterator[float]:
        if not resamplers:
            return
        joined = np.concatenate(pending) if pending else np.zeros(0, np.float32)
        for resampler in resamplers:
            resampler.feed(joined)
            resampler.finish()
        yield begin + len(joined) / resamplers[0].rate_in


class _Interleaver:
    """Bring a frame's separate channels into one plane."""

    def __init__(self) -> None:
        self._kind: tuple[Any, ...] = ()
        self._swr: Any = None

    def __call__(self, frame: Any) -> Any:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:
            self._kind = kind
            self._swr = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
        (whole,) = self._swr.resample(frame)
        return whole


class _Resampler:
    """Bring a run of sound without gaps to one rate and put it in its place."""

    def __init__(self, history: _History, rate_in: int, begin: float) -> None:
        self.history, self.rate_in = history, rate_in
        self.position = round(begin * history.rate)
        self._same = rate_in == history.rate
        self._swr = av.AudioResampler(format="flt", layout="mono", rate=history.rate)

    def feed(self, samples: Samples) -> None:
        if not len(samples):
            return
        if self._same:
            self._put(samples)
            return
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
        frame.sample_rate = self.rate_in
        self._take(self._swr.resample(frame))

    def finish(self) -> None:
        if not self._same:
            self._take(self._swr.resample(None))

    def _take(self, frames: list[Any]) -> None:
        for frame in frames:
            if frame is not None and frame.samples:
                self._put(frame.to_ndarray()[0])

    def _put(self, samples: Samples) -> None:
        self.history.append(self.position, samples)
        self.position += len(samples)


def mono(frame: Any) -> Samples:
    """Mean of a decoded frame's channels, as float32 in [-1, 1]."""
    data = frame.to_ndarray()
    if data.dtype == np.uint8:
        data = (data.astype(np.float32) - 128) / 128
    elif data.dtype.kind == "i":
        data = data.astype(np.float32) / float(1 << (8 * data.dtype.itemsize - 1))
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        data = data.reshape(-1, channels).T
    mixed = data.mean(axis=0) if len(data) > 1 else data[0]
    return np.asarray(np.clip(np.nan_to_num(mixed), -1, 1), np.float32)
