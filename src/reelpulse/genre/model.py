"""A trained model of film genre: one ONNX file, and what it says of pairs of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse import hub
from reelpulse.errors import DataError, ModelError, ReelpulseError, at
from reelpulse.genre.spec import PairSpec, prepare_pair
from reelpulse.learn.onnx_file import odd_model, open_trained, probabilities_of

KIND, VERSION = "genre", 1

NO_MODEL = (
    "no genre model comes with reelpulse: give --model a file that `reelpulse genre train frames/"
    " -o genre.onnx` wrote (`reelpulse genre extract` makes the frames)"
)

_BATCH = 8
RGB = npt.NDArray[np.uint8]
Pair = tuple[RGB, RGB | None]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GenreModel:
    """Says which genre two consecutive frames are of; see `load_genre`.

    May be called from several threads at once.

    Parameters
    ----------
    path : Path
    name : str
        The file's name.
    checksum : str
        Sixteen digits of the file's SHA-256.
    classes : tuple of str
        What it tells apart, in the order of its probabilities.
    spec : PairSpec
        What it is given of a pair.
    description : dict
        All that stands in the file.
    """

    path: Path
    name: str
    checksum: str
    classes: tuple[str, ...]
    spec: PairSpec
    description: dict[str, Any]
    session: Any

    @property
    def needs_pair(self) -> bool:
        """Whether one picture says nothing to it."""
        return not self.spec.single

    def __call__(self, pairs: Sequence[Pair]) -> Probabilities:
        """Look at pairs of frames.

        A network of single frames looks at both, and the mean of what it says is given.

        Parameters
        ----------
        pairs : sequence of (ndarray, ndarray or None)
            uint8 RGB (height, width, 3), the earlier frame first. None as the second is for
            networks of single frames alone.

        Returns
        -------
        ndarray of float32, shape (len(pairs), len(classes))
            Each row sums to 1.

        Raises
        ------
        DataError
            Where two pictures are needed and one is given, or two differ in size.
        ModelError
            When the network fails, or gives no probabilities.
        """
        for first, second in pairs:
            self._check(first, second)
        if self.needs_pair:
            return self._of([(first, second) for first, second in pairs if second is not None])
        singles = [frame for pair in pairs for frame in pair if frame is not None]
        found = self._of([(frame, frame) for frame in singles])
        counts = [1 if second is None else 2 for _, second in pairs]
        starts = np.cumsum([0, *counts])
        rows = [found[a:b].mean(axis=0) for a, b in pairwise(starts)]
        return np.array(rows, np.float32).reshape(len(pairs), len(self.classes))

    def _check(self, first: RGB, second: RGB | None) -> None:
        if not self.needs_pair:
            return
        if second is None:
            raise DataError(
                f"{self.name} needs two pictures, a frame and the next one: give both (a network"
                " of single frames, such as inception_v3, would do with one)"
            )
        if first.shape != second.shape:
            raise DataError(
                f"the two pictures differ in size ({_size(first)} and {_size(second)}): give two"
                " consecutive frames of one film"
            )

    def _of(self, pairs: Sequence[tuple[RGB, RGB]]) -> Probabilities:
        parts = [np.empty((0, len(self.classes)), np.float32)]
        for start in range(0, len(pairs), _BATCH):
            given = [prepare_pair(*pair, self.spec) for pair in pairs[start : start + _BATCH]]
            inputs = {key: np.stack([one[key] for one in given]) for key in self.spec.inputs}
            parts.append(probabilities_of(self.path, self.session, inputs, len(self.classes)))
        return np.concatenate(parts)


def load_genre(name_or_path: str | Path, *, threads: int = 1) -> GenreModel:
    """Load a model of film genre.

    Parameters
    ----------
    name_or_path : str or Path
        An ``.onnx`` file that ``reelpulse genre train`` wrote, or its name in the folder of models.
    threads : int
        Threads for one run of the network.

    Returns
    -------
    GenreModel
        A callable: pairs of frames → probabilities.

    Raises
    ------
    ModelError
        When it cannot be had or opened, is of a newer version, or a model of something else.
    """
    try:
        found = hub.obtain(name_or_path)
    except ModelError:
        path = Path(name_or_path)
        if str(path) in hub.WEIGHTS:
            raise
        what = "is a folder" if path.is_dir() else "no such file"
        problem = f"{what}; `reelpulse genre train frames/ -o genre.onnx` writes a model"
        raise ModelError(at(path, problem)) from None
    opened = open_trained(found, KIND, VERSION, threads=threads)
    said = opened.metadata
    try:
        classes, spec = _classes(said.get("classes")), PairSpec.from_dict(said.get("spec"))
    except ReelpulseError as error:
        raise ModelError(at(opened.path, f"{error}: train it again")) from None
    model = GenreModel(
        path=opened.path,
        name=opened.path.name,
        checksum=opened.checksum,
        classes=classes,
        spec=spec,
        description=said,
        session=opened.session,
    )
    taken = [item.name for item in opened.session.get_inputs()]
    if set(taken) != set(spec.inputs):
        said_so = " and ".join(spec.inputs)
        raise odd_model(
            model.path, f"takes {' and '.join(taken)}, where its description says {said_so}"
        )
    blank = np.zeros((32, 32, 3), np.uint8)
    model([(blank, blank)] * 2)
    return model


def _size(picture: RGB) -> str:
    return f"{picture.shape[1]}×{picture.shape[0]}"


def _classes(said: Any) -> tuple[str, ...]:
    named = isinstance(said, list) and all(isinstance(name, str) and name for name in said)
    if not named or not said or len(set(said)) < len(said):
        raise ModelError("does not name the classes that it tells apart")
    return tuple(said)
