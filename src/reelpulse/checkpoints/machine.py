"""Reads a pickle without loading it: follows its operations and makes inert stand-ins.

No name in it is imported and nothing it calls is called. What a model is made of (dictionaries,
tensors) is built by own functions; all else becomes `Global` and `Made`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from reelpulse.checkpoints import builders
from reelpulse.checkpoints.builders import Budget
from reelpulse.checkpoints.trust import Global, Made, Untrusted, check_call, named, shown

MOST_OPERATIONS = 4_000_000
"""A network of 1,500 layers takes 200,000; four million are read in about ten seconds."""

MOST_MEMO = 1 << 32
NEVER = ("EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER")
EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Machine:
    """Follows pickles of one file.

    Parameters
    ----------
    persistent : callable
        From a persistent id, PyTorch's name of a storage, to what stands for it.
    nested : callable
        From the bytes of a file within the pickle to what it holds.
    budget : Budget
        What may be copied in all; shared with nested files.

    Attributes
    ----------
    globals : dict of Global
        Every name met, in order.
    """

    def __init__(
        self,
        persistent: Callable[[Any], Any],
        nested: Callable[[bytes], Any],
        budget: Budget,
    ) -> None:
        self._persistent = persistent
        self._builders = builders.Builders(nested, budget)
        self._budget = budget
        self.globals: dict[Global, None] = {}

    def run(self, file: Any) -> Any:
        """Follow one pickle to its end.

        Parameters
        ----------
        file : file object
            Binary; afterwards it stands behind the pickle.

        Returns
        -------
        object
            What it describes: plain values, `Tensor`, `Global`, `Made`.

        Raises
        ------
        Untrusted
            When it does what no model needs.
        ValueError
            When it is damaged, or larger than a model can be.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        for operation, argument, _ in pickletools.genops(file):
            self._budget.step()
            try:
                self._do(operation.name, argument)
            except (IndexError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"it breaks off in {operation.name}") from error
        if len(self._stack) != 1:
            raise ValueError("it does not end as a pickle does")
        stray = next((g for g in self.globals if g.of_python and not g.known), None)
        if stray is not None:
            raise Untrusted(f"holds {shown(stray)}, which no model needs")
        return self._stack.pop()

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(self._last(TUPLES[name]))]
        elif name in NEVER:
            raise ValueError(f"it needs something from outside the file ({name})")
        elif method := getattr(self, f"_do_{name.lower()}", None):
            method(argument)
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        else:  # a number, a string, bytes
            stack.append(argument)

    def _last(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError
        return self._stack[-count:]

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    # Stack and memo

    def _do_mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _do_pop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self._since_mark()

    def _do_dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _do_get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _do_binget = _do_long_binget = _do_get

    def _do_put(self, index: int) -> None:
        if not 0 <= index < MOST_MEMO:
            raise IndexError
        self._memo[index] = self._stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    # Containers

    def _do_list(self, _: Any) -> None:
        self._stack.append(self._since_mark())

    _do_frozenset = _do_list  # a list, so that nothing need be hashed

    def _do_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _do_dict(self, _: Any) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._fill(items)

    def _do_append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _do_appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    _do_additems = _do_appends

    def _do_setitem(self, _: Any) -> None:
        pair = self._last(2)
        del self._stack[-2:]
        self._fill(pair)

    def _do_setitems(self, _: Any) -> None:
        self._fill(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._target("change")
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Made):  # a stand-in of a list's kind needs no items
            raise TypeError

    def _fill(self, items: list[Any]) -> None:
        target = self._target("change")
        if isinstance(target, Made):
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[builders.key(key)] = value

    def _target(self, what: str) -> Any:
        target = self._stack[-1]
        if isinstance(target, Global):
            raise Untrusted(f"tries to {what} {shown(target)} when loaded")
        return target

    # Names and calls

    def _global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        found = named(module, name)
        self.globals[found] = None
        self._stack.append(found)

    def _do_global(self, argument: str) -> None:
        self._global(*argument.split(" ", 1))

    def _do_stack_global(self, _: Any) -> None:
        module, name = self._last(2)
        del self._stack[-2:]
        self._global(module, name)

    def _do_reduce(self, _: Any) -> None:
        function, arguments = self._last(2)
        del self._stack[-2:]
        self._call(function, arguments)

    def _do_inst(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self._global(*argument.split(" ", 1))
        self._call(self._stack.pop(), arguments)

    def _do_obj(self, _: Any) -> None:
        function, *arguments = self._since_mark()
        self._call(function, tuple(arguments))

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(arguments, tuple):
            raise TypeError
        made = self._builders.call(check_call(function), arguments)
        if isinstance(made, Global):  # an attribute of a class
            self.globals[made] = None
        self._stack.append(made)

    def _do_newobj(self, _: Any) -> None:
        cls, arguments = self._last(2)
        self._new(2, cls, arguments)

    def _do_newobj_ex(self, _: Any) -> None:
        cls, arguments, _keywords = self._last(3)
        self._new(3, cls, arguments)

    def _new(self, taken: int, cls: Any, arguments: Any) -> None:
        cls = check_call(cls, by_new=True)
        del self._stack[-taken:]
        self._stack.append(self._builders.call(cls, arguments))

    def _do_build(self, _: Any) -> None:
        state = self._stack.pop()
        target = self._target("change")
        self._builders.build(target, state)

    def _do_binpersid(self, _: Any) -> None:
        self._stack.append(self._persistent(self._stack.pop()))

    def _do_persid(self, argument: str) -> None:
        self._stack.append(self._persistent(argument))
