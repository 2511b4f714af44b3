"""Principal components in front of a classifier of summaries, and inside its exported model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reelpulse.learn.onnx_file import Part

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """Principal components: (x - mean) @ axes, in double precision as in the exported model.

    Trees branch on the values: rounded otherwise there, some would go the other way.
    """

    mean: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]

    @classmethod
    def fitted(cls, values: Array, components: int) -> Projection | None:
        """Find the directions of most variance, at most `components`; None where that is 0."""
        if not components:
            return None
        mean = values.mean(axis=0, dtype=np.float64)
        axes = np.linalg.svd(values - mean, full_matrices=False)[2][:components]
        signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
        return cls(mean, (axes * signs[:, None]).T)

    def __call__(self, values: Array) -> Array:
        """Project, (N, F) to (N, components)."""
        return np.asarray((values - self.mean) @ self.axes, np.float32)

    def part(self, given: str, made: str) -> Part:
        """The same as nodes of an ONNX model."""
        from onnx import TensorProto, helper, numpy_helper

        constants = {"projection_mean": self.mean, "projection_axes": self.axes}
        nodes = [
            helper.make_node("Cast", [given], ["projection_wide"], to=TensorProto.DOUBLE),
            helper.make_node("Sub", ["projection_wide", "projection_mean"], ["projection_away"]),
            helper.make_node("MatMul", ["projection_away", "projection_axes"], ["projection"]),
            helper.make_node("Cast", ["projection"], [made], to=TensorProto.FLOAT),
        ]
        return nodes, [numpy_helper.from_array(v, name) for name, v in constants.items()]


def projected(projection: Projection | None) -> tuple[list[Part], str]:
    """What stands in front of a classifier, and the tensor that it then takes."""
    if projection is None:
        return [], "input"
    return [projection.part("input", "projected")], "projected"


def constant(name: str, value: Any) -> Any:
    """Name a number or an array, float32 or int64, as an ONNX model's constant."""
    from onnx import numpy_helper

    array = np.asarray(value)
    return numpy_helper.from_array(
        array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64), name
    )
