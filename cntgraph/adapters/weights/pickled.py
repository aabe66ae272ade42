"""The pickle of a PyTorch checkpoint, read as data: nothing that it names is looked up or called.

A pickle is a small program. What describes tensors needs few of its instructions: numbers, texts,
lists, tuples and dicts are made, and a tensor is said to lie in a storage, from somewhere on, with
some strides. Those are carried out here; any other refuses the file. Nothing of what was read is
hashed, compared or printed but plain keys, so that nested or shared containers, however made,
take no more time and memory than the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.checkpoint_values import (
    MADE_BY,
    SUBCLASS,
    UNREAD,
    Name,
    Other,
    Record,
    StoredTensor,
    dict_of,
    storage_of,
)
from cntgraph.core.errors import FormatError, UnsafeFileError

#: What to do where a file holds more than weights.
SAVE = "save the weights alone, torch.save(model.state_dict(), path), or pass the live model"


def read_pickle(data: bytes, path: Path, records: Collection[Name] = ()) -> Any:
    """Return what the pickle of a checkpoint describes.

    Parameters
    ----------
    data : bytes
        The pickle.
    path : Path
        The file that it is of, for messages.
    records : collection of Name, optional
        Classes whose objects are read as `Record`.

    Returns
    -------
    object
        Numbers, texts, lists, tuples and dicts of them, `StoredTensor`, `Record` and `Other`.

    Raises
    ------
    UnsafeFileError
        If it makes use of anything else.
    FormatError
        If it is damaged.

    Examples
    --------
    >>> import pickle
    >>> read_pickle(pickle.dumps({"epoch": 3, "shape": (1, 2)}), Path("model.pt"))
    {'epoch': 3, 'shape': (1, 2)}
    """
    machine = _Machine(path, records)
    what = "expected a checkpoint saved by torch.save, found a damaged one"
    with damage(path, what, "copy it again, or save it again"):
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    raise FormatError(f"{path}: the checkpoint is cut off; copy it again")


class _Machine:
    """A stack and a memory of values."""

    def __init__(self, path: Path, records: Collection[Name]) -> None:
        self.path, self.records = path, records
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def step(self, instruction: str, argument: Any) -> None:
        """Carry out one instruction."""
        if instruction not in _INSTRUCTIONS:
            raise UnsafeFileError(f"{self.path}: makes use of {instruction}; {SAVE}")
        _INSTRUCTIONS[instruction](self, argument)

    def marked(self) -> list[Any]:
        """Take what was pushed since the last mark."""
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def last(self, n: int) -> list[Any]:
        """Take the last `n` values."""
        found = self.stack[-n:]
        del self.stack[-n:]
        return found

    # -- containers ---------------------------------------------------------------------------

    def remember(self, argument: Any) -> None:
        self.memory[len(self.memory) if argument is None else argument] = self.stack[-1]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Other):
            target.update(dict_of(items))

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Other):
            raise ValueError(f"items of a {type(target).__name__}")

    # -- names and what is made by them ---------------------------------------------------------

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        found = Name("" if module in ("builtins", "__builtin__") else module, name)
        plain = found.module in ("torch", "torch.storage")  # types, and what is refused if called
        known = found in MADE_BY or found in UNREAD or found in self.records
        if not (plain or known or found == SUBCLASS):
            raise self.refusal(found)
        self.stack.append(found)

    def call(self) -> None:
        """Put what a function makes of its arguments in their place."""
        function, arguments = self.last(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise ValueError(f"a {type(function).__name__} is called")
        self.stack.append(self.make(function, arguments))

    def make(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """Return what a function makes of its arguments, without calling it."""
        if function in MADE_BY:
            return MADE_BY[function](*arguments)
        if function in UNREAD:
            return Other(function)
        if function in self.records:
            return Record(function, arguments)
        if function == SUBCLASS:  # a tensor with a class, or with attributes, of its own
            inner, _, inner_arguments, *_ = arguments
            return self.make(inner, inner_arguments)
        raise self.refusal(function)

    def build(self) -> None:
        """Leave the attributes of an object unread, but a record's: metadata, and the like."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict | Other | StoredTensor):
            raise ValueError(f"attributes of a {type(self.stack[-1]).__name__}")

    def refusal(self, what: Name) -> UnsafeFileError:
        return UnsafeFileError(
            f"{self.path}: makes use of {what!s:.200}, and calling what a file names can run "
            f"code; {SAVE}"
        )


# -- instructions -----------------------------------------------------------------------------

_PUSHED = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, a: None),
    **dict.fromkeys(_PUSHED, lambda m, a: m.stack.append(a)),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda m, _: m.stack.append([])),
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m.stack.append(m.memory[a])),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.marked())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m.last(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m.last(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m.last(3))),
    "LIST": lambda m, _: m.stack.append(m.marked()),
    "DICT": lambda m, _: m.stack.append(dict_of(m.marked())),
    "APPEND": lambda m, _: m.append(m.last(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, _: m.append(m.marked())),
    "SETITEM": lambda m, _: m.set_items(m.last(2)),
    "SETITEMS": lambda m, _: m.set_items(m.marked()),
    "GLOBAL": lambda m, a: m.name(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*m.last(2)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call()),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.stack.append(storage_of(m.stack.pop())),
}
