"""What a pickle may ask for: an allow list, for any name can be written into a pickle.

A pickle is a small program. Loading it for real imports the names that it holds and calls them;
here they stay names. This file tells which of them a model has reason to hold.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from reelpulse.checkpoints.tensors import NUMPY, STORAGES

PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}

CLASSES_OF = (
    *("torch.nn", "torch.optim", "timm.models", "timm.layers", "torchvision.models"),
    *("torchvision.ops", "geffnet", "efficientnet_pytorch", "sklearn"),
)
"""Packages whose classes are parts of models: to build one runs nothing that the file brings."""

_PLAIN = {
    "builtins": "bool bytearray bytes complex dict float frozenset getattr int list object range"
    " set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "copyreg": "_reconstructor __newobj__",
    "functools": "partial",
    "datetime": "date datetime time timedelta timezone",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "pathlib._local": "PosixPath WindowsPath PurePosixPath PureWindowsPath",
    "argparse": "Namespace",
    "types": "SimpleNamespace",
    "decimal": "Decimal",
    "uuid": "UUID",
    "_codecs": "encode",
    "torch": "Size device Generator",
    "torch.storage": "TypedStorage UntypedStorage _load_from_bytes",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter"
    " _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor",
    "torch._tensor": "_rebuild_from_type_v2",
    "numpy": "dtype ndarray",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
}
HARMLESS = {f"{module}.{name}" for module, text in _PLAIN.items() for name in text.split()}
"""Names that may be called: what each makes is known, and none runs what it is given."""


class Untrusted(Exception):
    """A pickle does what no model needs; the text is the rest of a sentence about the file."""


@dataclass(frozen=True, slots=True)
class Global:
    """A name in a pickle, never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_class(self) -> bool:
        """Whether it is written as a class is, and is no attribute of something else."""
        return self.name.lstrip("_")[:1].isupper() and "." not in self.name

    @property
    def within_models(self) -> bool:
        """Whether it lies in a package of what models are made of."""
        return any(self.module == p or self.module.startswith(p + ".") for p in CLASSES_OF)

    @property
    def of_a_model(self) -> bool:
        """Whether it is a class of parts of models."""
        return self.within_models and self.is_class

    @property
    def of_python(self) -> bool:
        """Whether it lies in Python's own library."""
        return self.module.partition(".")[0] in sys.stdlib_module_names

    @property
    def known(self) -> bool:
        """Whether models hold it as a matter of course."""
        typed = self.module == "torch" and (self.name in STORAGES or self.name in NUMPY)
        plain = self.within_models and "." not in self.name
        return plain or typed or str(self) in HARMLESS


@dataclass(eq=False, slots=True)
class Made:
    """What stands in for an object of a class: the class's name and what it was given."""

    cls: Global
    args: Any = ()
    state: Any = None


def named(module: str, name: str) -> Global:
    """Name something as Python 3 calls it."""
    return Global(PYTHON_2.get(module, module), name)


def check_call(function: Any, *, by_new: bool = False) -> Global:
    """Allow what a pickle calls, or refuse.

    Parameters
    ----------
    function : object
        What it calls.
    by_new : bool
        Only ``cls.__new__`` is called, as for any pickled object: allowed for classes nobody knows.

    Raises
    ------
    Untrusted
        When it is not known to be harmless.
    """
    if not isinstance(function, Global):
        raise Untrusted("tries to run what it has itself put together when loaded")
    stranger = by_new and not function.of_python
    if not (stranger or function.of_a_model or str(function) in HARMLESS):
        raise Untrusted(f"tries to run {shown(function)} when loaded")
    return function


def shown(name: Global) -> str:
    """Write a name from a file nobody trusts: in one short line, without control characters."""
    text = "".join(c if c.isprintable() else "?" for c in str(name))
    return text if len(text) <= 100 else text[:100] + "…"
