"""From stored steps of clips, or windows of a timeline, to what a network is given.

One function for training and detection, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reelpulse.errors import DataError, ModelError, SettingsError
from reelpulse.moments.lengths import Shape
from reelpulse.settings import MISSING, TIMES, TrainSettings
from reelpulse.timeline import EMOTIONS, FACE_COLUMNS, LOUDNESS_COLUMNS

Array = npt.NDArray[np.float32]
Form = Literal["steps", "summary"]

GROUPS: dict[str, tuple[str, ...]] = {
    "face": FACE_COLUMNS,
    "emotions": EMOTIONS,
    "loudness": LOUDNESS_COLUMNS,
    "sound": (*LOUDNESS_COLUMNS, "laughter", "speech_"),
    "speech": ("speech_",),
}
"""Names for several columns; one that ends with ``_`` stands for all that begin so."""

STATISTICS = ("mean", "std", "max", "min")
"""What is left of a clip in a summary, of each column."""

_LONGEST = 7.0
"""Seconds that the slowest sine of an encoding of time turns half round in."""
_ENCODING = 2
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Steps:
    """Clips or windows brought to steps, not yet normalised.

    Parameters
    ----------
    values : ndarray of float32, shape (N, S, C)
        NaN where nothing was measured and nothing bridges it, and at padding.
    times : ndarray of float32, shape (N, S)
        Seconds from the clip's start; NaN at padding.
    measured : ndarray of bool, shape (N, S)
        Steps at which every column was measured, and not bridged.
    usual : ndarray of float32, shape (N, C)
        What is usual for the person in that video around the clip; NaN where that is not known.
    embeddings : ndarray of float, shape (N, E), optional
        Statistics of the face embeddings over the clip.
    """

    values: Array
    times: Array
    measured: npt.NDArray[np.bool_]
    usual: Array
    embeddings: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Steps:
        wide = None if self.embeddings is None else self.embeddings[rows]
        return Steps(
            self.values[rows], self.times[rows], self.measured[rows], self.usual[rows], wide
        )

    def columns(self, index: Sequence[int]) -> Steps:
        """Some of the columns, by their places."""
        chosen = list(index)
        return replace(self, values=self.values[:, :, chosen], usual=self.usual[:, chosen])


@dataclass(frozen=True)
class Recipe:
    """All that stands between steps and a network; kept in the model's file.

    Parameters
    ----------
    columns : tuple of str
    shape : Shape
        How clips were brought to steps.
    form : {"steps", "summary"}
        What the network is given.
    baseline : {"none", "video"}
    time, missing : str
        See `TrainSettings`.
    embeddings : int
        Width of the embedding statistics that a summary ends with; 0 for none.
    mean, std : tuple of float, length C
        Of the training clips' columns, after `baseline`.
    """

    columns: tuple[str, ...]
    shape: Shape
    form: Form = "steps"
    baseline: str = "none"
    time: str = "none"
    missing: str = "fill"
    embeddings: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def from_settings(
        cls,
        columns: Sequence[str],
        shape: Shape,
        form: Form,
        settings: TrainSettings,
        steps: Steps,
    ) -> Recipe:
        """Make the recipe that the settings ask for; not yet fitted.

        Parameters
        ----------
        columns : sequence of str
            Of the clips; those that `settings.inputs` names are taken.
        shape : Shape
            Of the clips.
        form : {"steps", "summary"}
            Of the network.
        settings : TrainSettings
        steps : Steps
            The clips, of all `columns`.

        Raises
        ------
        SettingsError
            When a column is not there, or what is usual or embeddings are asked for and were not
            kept.
        """
        chosen = choose(columns, settings.inputs)
        wide = 0 if steps.embeddings is None else steps.embeddings.shape[1]
        if settings.embeddings and not wide:
            raise SettingsError(
                "the clips keep no face embeddings: build them with --embeddings, from videos"
                " analysed with --stream embedding"
            )
        baseline = settled(settings, steps).baseline
        used = wide if settings.embeddings and form == "summary" else 0
        return cls(chosen, shape, form, baseline, settings.time, settings.missing, used)

    def fitted(self, steps: Steps) -> Recipe:
        """Normalise by these clips, which must be of the training split alone."""
        values = self._relative(steps)[np.isfinite(steps.times)]
        there = np.isfinite(values)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, values, 0).sum(axis=0, dtype=np.float64) / count
        away = np.where(there, values - mean, 0)
        std = np.sqrt(np.square(away).sum(axis=0, dtype=np.float64) / count)
        return replace(
            self,
            mean=tuple(np.round(mean, 7).tolist()),
            std=tuple(np.round(np.maximum(std, _LEAST_SPREAD), 7).tolist()),
        )

    @property
    def width(self) -> int:
        """Length of the last axis of ``input``."""
        if self.form == "summary":
            return len(self.columns) * len(STATISTICS) + self.embeddings
        return len(self.columns) + {"none": 0, "delta": 1, "encoding": 2 * _ENCODING}[self.time]

    def __call__(self, steps: Steps) -> dict[str, Array]:
        """Make what the network is given.

        Parameters
        ----------
        steps : Steps
            Of just these columns, in this order.

        Returns
        -------
        dict of str to ndarray of float32
            ``input``, (N, S, width) and ``mask`` (N, S), 1 at steps that are there, for a network
            of steps; ``input``, (N, width), for one of summaries. What was not measured is 0,
            which is the mean.
        """
        there = np.isfinite(steps.times)
        if self.missing == "drop":
            there &= steps.measured
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normalised = (self._relative(steps) - mean) / std
        normalised = np.where(there[..., None], normalised, np.nan).astype(np.float32)
        if self.form == "summary":
            return {"input": self._summary(normalised, steps)}
        known = np.nan_to_num(normalised, nan=0.0)
        given: Array = np.concatenate([known, *self._timed(steps.times, there)], axis=2)
        mask: Array = there.astype(np.float32)
        if self.missing == "drop":  # the gaps closed: the time tells where they were
            order = np.argsort(~there, axis=1, kind="stable")
            given = np.take_along_axis(given, order[..., None], axis=1)
            mask = np.take_along_axis(mask, order, axis=1)
        return {"input": given, "mask": mask}

    def _relative(self, steps: Steps) -> Array:
        if self.baseline == "none":
            return steps.values
        usual = np.where(np.isfinite(steps.usual), steps.usual, 0)
        return np.asarray(steps.values - usual[:, None], np.float32)

    def _summary(self, values: Array, steps: Steps) -> Array:
        there = np.isfinite(values)
        count = np.maximum(there.sum(axis=1), 1)
        known = np.where(there, values, 0)
        mean = known.sum(axis=1) / count
        away = np.where(there, values - mean[:, None], 0)
        std = np.sqrt(np.square(away).sum(axis=1) / count)
        most = np.where(there, values, -np.inf).max(axis=1)
        least = np.where(there, values, np.inf).min(axis=1)
        parts = [mean, std, *(np.where(np.isfinite(edge), edge, 0) for edge in (most, least))]
        if self.embeddings:
            if steps.embeddings is None or steps.embeddings.shape[1] != self.embeddings:
                raise DataError("lacks the face embeddings that the model was trained with")
            parts.append(np.nan_to_num(steps.embeddings.astype(np.float32)))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _timed(self, times: Array, there: npt.NDArray[np.bool_]) -> list[Array]:
        """Columns of time: seconds since the step before that is there, or its encoding."""
        if self.time == "none":
            return []
        at = np.where(there, times, np.nan)
        if self.time == "delta":
            last = np.maximum.accumulate(np.where(there, times, -np.inf), axis=1)
            before = np.concatenate([np.full((len(at), 1), -np.inf), last[:, :-1]], axis=1)
            delta = np.where(np.isfinite(before), at - before, 0)
            return [np.nan_to_num(delta)[..., None].astype(np.float32)]
        angles = at[..., None] * (np.pi / _LONGEST) * 2.0 ** np.arange(_ENCODING)
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=2)
        return [np.nan_to_num(waves).astype(np.float32)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a model's file."""
        return {
            "columns": list(self.columns),
            "shape": self.shape.as_dict(),
            "form": self.form,
            "baseline": self.baseline,
            "time": self.time,
            "missing": self.missing,
            "embeddings": self.embeddings,
            "mean": list(self.mean),
            "std": list(self.std),
            "statistics": list(STATISTICS) if self.form == "summary" else [],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Recipe:
        """Read `as_dict`; raises `ModelError` where it is none that is known here."""
        try:
            recipe = cls(
                tuple(map(str, value["columns"])),
                Shape.from_dict(value["shape"]),
                value["form"],
                value["baseline"],
                value["time"],
                value["missing"],
                int(value["embeddings"]),
                tuple(map(float, value["mean"])),
                tuple(map(float, value["std"])),
            )
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise ModelError(f"does not say what it takes ({error})") from None
        known = (
            recipe.form in ("steps", "summary")
            and recipe.baseline in ("none", "video")
            and recipe.time in TIMES
            and recipe.missing in MISSING
            and len(recipe.columns) == len(recipe.mean) == len(recipe.std) > 0
            and np.isfinite([*recipe.mean, *recipe.std]).all()
            and min(recipe.std) > 0
        )
        if not known:
            raise ModelError("takes its input in a way unknown here: upgrade reelpulse")
        return recipe


def settled(settings: TrainSettings, steps: Steps) -> TrainSettings:
    """Decide for all folds alike what a `baseline` of ``auto`` is.

    Raises
    ------
    SettingsError
        When values less the usual are asked for, and a clip does not tell what is usual.
    """
    # One clip that is not less the usual would look like another person's.
    strange = int((~np.isfinite(steps.usual).any(axis=1)).sum())
    if settings.baseline == "video" and strange:
        raise SettingsError(
            f"{strange} of {len(steps)} clips do not tell what is usual for the person, being"
            " short files: use --baseline none, or ranges of whole videos"
        )
    if settings.baseline != "auto":
        return settings
    return replace(settings, baseline="none" if strange else "video")


def choose(columns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Choose columns by names of columns or of `GROUPS`; all of them without a name.

    Raises
    ------
    SettingsError
        When a name stands for no column that is there.
    """
    if not names:
        return tuple(columns)
    wanted = set()
    for name in names:
        patterns = GROUPS.get(name, (name,))
        found = {
            column
            for column in columns
            for pattern in patterns
            if column == pattern or (pattern.endswith("_") and column.startswith(pattern))
        }
        if not found:
            groups = ", ".join(GROUPS)
            raise SettingsError(
                f"there is no column {name!r}: use {', '.join(columns)}, or a group ({groups})"
            )
        wanted |= found
    return tuple(column for column in columns if column in wanted)
