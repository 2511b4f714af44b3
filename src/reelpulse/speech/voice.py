"""Where in a sound somebody speaks: by a network, or by how the level moves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import ModelError, SettingsError, at
from reelpulse.speech.sound import finite

log = logging.getLogger(__name__)

RATE = 16_000
STEP = 512
"""Samples that are judged at once: 32 ms, what the network was made for."""

VOICES = ("silero", "energy")
HALF = 0.5

SECONDS, ENOUGH = 3.0, 0.3
"""A long sound is heard so many seconds at a time, where somebody speaks in this share of them:
0.9 s, a short sentence."""

ENERGY_DB, RISE_DB, QUIET_SHARE = -60.0, 12.0, 0.1
"""By energy: louder than this, and louder by `RISE_DB` than the quietest tenth of the piece, for
speech pauses and hums do not. At a share of 0.3 it takes 98 % of acted speech (of 172 clips) and
32 % of the other sounds of ESC-50 (of 300) for a voice; the network 99 % and none."""

_CONTEXT = 64
_STATE = (2, 128)
_BATCH = 64

Pieces = npt.NDArray[np.float32]


class VoiceActivity:
    """Tells where somebody speaks; see `load_voice`. It keeps nothing from piece to piece.

    Attributes
    ----------
    name : str
    settings : dict
        Name and checksum, to be kept with what it was used for.
    """

    def __init__(self, name: str, checksum: str, judge: Callable[[Pieces], Pieces]) -> None:
        self.name, self._judge = name, judge
        self.settings: dict[str, Any] = {"voice": name, "voice_checksum": checksum}

    def probabilities(self, pieces: npt.ArrayLike) -> Pieces:
        """Judge pieces of sound, each by itself from its begin on.

        Parameters
        ----------
        pieces : array_like of float32, shape (N, S)
            Mono at `RATE`, in [-1, 1]; what is not finite counts as silence.

        Returns
        -------
        ndarray of float32, shape (N, ceil(S / STEP))
            Probability of a voice in each 32 ms; by energy, 0 or 1.
        """
        sound = finite(pieces)
        steps = -(-sound.shape[1] // STEP)
        sound = np.pad(sound, ((0, 0), (0, steps * STEP - sound.shape[1])))
        parts = [np.empty((0, steps), np.float32)]
        for first in range(0, len(sound) if steps else 0, _BATCH):
            parts.append(self._judge(sound[first : first + _BATCH]))
        return np.concatenate(parts) if steps else np.zeros((len(sound), 0), np.float32)

    def share(self, pieces: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Share of each piece in which somebody speaks, (N, S) to (N,) in [0, 1]."""
        voiced = self.probabilities(pieces) >= HALF
        return np.asarray(voiced.sum(axis=1) / max(1, voiced.shape[1]), np.float32)


def load_voice(name: str | Path = "auto") -> VoiceActivity:
    """Load what tells where somebody speaks.

    Parameters
    ----------
    name : str or Path
        ``silero`` (Silero VAD, fetched); ``energy``, which needs nothing and takes whatever comes
        and goes like speech for a voice; ``auto`` for the first where it is at hand; or the file.

    Raises
    ------
    ModelError
        When the network cannot be had or opened, or is another one.
    SettingsError
        When there is no such name.
    """
    if name == "auto":
        name = hub.best_at_hand("voice", VOICES[:1]) or "energy"
        if name == "energy":
            log.info("voices are told by energy; better with `reelpulse models fetch silero`")
    if name == "energy":
        return VoiceActivity("energy", "", _by_energy)
    if name not in hub.WEIGHTS and Path(name).suffix != ".onnx":
        raise SettingsError(f"{name}: is no way to tell a voice: use {', '.join(VOICES)}")
    path = hub.obtain(name)
    model = hub.open_onnx(path)
    ends = {item.name for item in model.session.get_inputs()}
    if ends != {"input", "state", "sr"}:
        raise ModelError(at(path, "is not Silero VAD as it is known here"))
    silero = _Silero(path, model.session)
    silero(np.zeros((1, STEP), np.float32))
    return VoiceActivity("silero", model.checksum, silero)


class _Silero:
    """Silero VAD from version 5 on: 32 ms with the 4 ms before them, and a state."""

    def __init__(self, path: Path, session: Any) -> None:
        self._path, self._session = path, session

    def __call__(self, sound: Pieces) -> Pieces:
        count, length = sound.shape
        sound = np.pad(sound, ((0, 0), (_CONTEXT, 0)))
        state = np.zeros((_STATE[0], count, _STATE[1]), np.float32)
        out = np.empty((count, length // STEP), np.float32)
        for step, column in enumerate(out.T):
            given = sound[:, step * STEP : (step + 1) * STEP + _CONTEXT]
            inputs = {"input": given, "state": state, "sr": np.array(RATE, np.int64)}
            try:
                found, state = self._session.run(None, inputs)
                column[:] = found[:, 0]
            except Exception as error:  # ONNX Runtime's errors have no base of their own
                problem = f"cannot be run as Silero VAD ({str(error)[:200]})"
                raise ModelError(at(self._path, problem)) from error
        return out


def _by_energy(sound: Pieces) -> Pieces:
    blocks = sound.reshape(len(sound), -1, STEP)
    power = np.einsum("nks,nks->nk", blocks, blocks) / STEP
    level = 10 * np.log10(np.maximum(power, 1e-12))
    quiet = np.quantile(level, QUIET_SHARE, axis=1, keepdims=True)
    return np.asarray((level > ENERGY_DB) & (level > quiet + RISE_DB), np.float32)
