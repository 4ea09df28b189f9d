"""Brings values that a function carries along (closure cells, arguments of a partial) to bytes.

It does not know where code is written: functions and classes are handed back, to be followed.
"""

import dataclasses
import functools
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Final

from partflow.code.normalform import constant_form, encoded, framed
from partflow.declarations.dataset import Dataset, Read, Source
from partflow.partitions.calendar import Grain

_AS_FIRST_NAMED: Final = {
    "Action": "steps",
    "Asked": "selection",
    "Controls": "controls",
    "Cron": "cron",
    "Daily": "grain",
    "DataInterval": "line",
    "Dataset": "dataset",
    "Every": "every",
    "Extent": "dataset",
    "Form": "dataset",
    "History": "history",
    "Hourly": "grain",
    "Input": "tasks",
    "Monthly": "grain",
    "Only": "steps",
    "Options": "options",
    "ParameterKind": "parameters",
    "Partition": "partition",
    "PartitionSet": "partition",
    "Plan": "steps",
    "Project": "project",
    "Read": "dataset",
    "Reason": "steps",
    "Result": "controls",
    "Sample": "accepting",
    "Source": "dataset",
    "State": "steps",
    "Status": "status",
    "Stop": "controls",
    "Summary": "execution.summary",
    "Task": "tasks",
    "Verify": "observe",
    "Weekly": "grain",
    "Whole": "grain",
    "effect": "tasks",
    "sql_file": "sqltext",
    "task": "tasks",
}
"""The modules of partflow in which these stood when their names first got into fingerprints.

Fingerprints go on using these names, so that a function which holds such an object keeps its
digest wherever the class stands now.
"""
_COMPREHENSION = re.compile(r"<(?:list|set|dict)comp>\.(?:<locals>\.)?")


@dataclass(frozen=True, slots=True)
class Captured:
    """A value's bytes, the code that it holds, and the types of what in it could not be read.

    `more` counts since the second rules: the classes of what it holds, their attributes and
    factories.
    """

    content: bytes
    code: tuple[object, ...]
    unread: tuple[str, ...]
    more: tuple[object, ...] = ()


def captured(value: object) -> Captured:
    """Equal values give equal bytes in every process; no address and no order of a set gets in."""
    reader = _Reader()
    content = reader.read(value)
    unread = tuple(sorted(set(reader.unread)))
    return Captured(content, tuple(reader.code), unread, tuple(reader.more))


class _Reader:
    def __init__(self) -> None:
        self.code: list[object] = []
        self.unread: list[str] = []
        self.more: list[object] = []
        self._inside: set[int] = set()

    def read(self, value: object) -> bytes:
        match value:
            case None | bool() | int() | float() | complex() | str() | bytes() if _is_plain(value):
                return constant_form(value)
            case Enum():
                self.more.append(type(value))
                # What a flag is put together of may have no name.
                return framed("enum", _type_name(value), encoded(value.name or repr(value.value)))
            case date() | time() | timedelta() | Decimal() | Fraction():
                return framed("value", _type_name(value), encoded(repr(value)))
            case type() | types.FunctionType() | types.BuiltinFunctionType() | types.MethodType():
                self.code.append(value)
                return framed("code", encoded(name_of(value)))
            case types.ModuleType():
                return framed("module", encoded(value.__name__))
            case Dataset() | Read() | Grain():
                return self._declaration(value)
            case _:
                return self._nested(value)

    def _declaration(self, value: Dataset | Read | Grain) -> bytes:
        """What is declared, and the code of a format of the project's own."""
        dataset = value.dataset if isinstance(value, Read) else value
        own = dataset.stored_as.brought if isinstance(dataset, Dataset) else None
        if own is None:
            return _declared(value)
        self.code.append(type(own))
        return framed("stored", _declared(value), self.read(held_by(own)))

    def _nested(self, value: object) -> bytes:
        if id(value) in self._inside:
            return framed("again")
        self._inside.add(id(value))
        if isinstance(value, (tuple, list, set, frozenset, Mapping)):
            self.more += _beside_items(value)
        try:
            return self._composed(value)
        finally:
            self._inside.discard(id(value))

    def _composed(self, value: object) -> bytes:
        match value:
            case functools.partial():
                parts = (value.func, value.args, value.keywords)
                return framed("partial", *(self.read(part) for part in parts))
            case tuple() | list():
                return framed("sequence", _type_name(value), *(self.read(item) for item in value))
            case set() | frozenset():
                return framed("set", _type_name(value), *sorted(self.read(item) for item in value))
            case Mapping():
                items = (framed("item", self.read(key), self.read(value[key])) for key in value)
                return framed("mapping", _type_name(value), *items)
            case _ if callable(value) and hasattr(value, "__wrapped__"):
                self.code.append(value)
                return framed("code", encoded(name_of(value)))
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._dataclass(value)
            case _:
                self.code.append(type(value))
                self.unread.append(type(value).__name__)
                return framed("unread", _type_name(value))

    def _dataclass(self, value: object) -> bytes:
        self.code.append(type(value))
        fields = (
            framed(name, self.read(getattr(value, name, None)))
            for name in sorted(value.__dataclass_fields__)  # type: ignore[attr-defined]
        )
        return framed("dataclass", _type_name(value), *fields)


def _beside_items(value: object) -> Iterator[object]:
    """What a container says that is none of its items: its class, attributes and factory."""
    if type(value) not in (tuple, list, set, frozenset, dict):
        yield type(value)
        yield from (each for each in (getattr(value, "__dict__", None),) if each)
        yield from (each for each in (getattr(value, "default_factory", None),) if each)


def held_by(form: object) -> object:
    """What tells an object of a project's format from others of its class, if anything does."""
    return form if dataclasses.is_dataclass(form) else getattr(form, "__dict__", None) or type(form)


def name_of(value: object) -> str:
    """Module and qualified name of a function or class."""
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{_module(value, name)}.{plain_qualname(name)}"


def _module(value: object, name: str) -> str:
    module = getattr(value, "__module__", None) or "?"
    if name in _AS_FIRST_NAMED and module.partition(".")[0] == "partflow":
        return f"partflow.{_AS_FIRST_NAMED[name]}"
    return str(module)


def plain_qualname(name: str) -> str:
    """As Python says it from 3.12 on, where a comprehension is no function of its own."""
    return _COMPREHENSION.sub("", name)


def bytecode(code: types.CodeType, docstring: str | None = None) -> bytes:
    """The instructions and constants of a function whose text is not to be found.

    Line numbers and the docstring do not count. Another Python version, and `python -O` where
    something is asserted, gives other bytes.
    """
    constants = [each for each in code.co_consts if docstring is None or each != docstring]
    return framed(
        "bytecode",
        code.co_code,
        framed("names", *(encoded(name) for name in (*code.co_names, *code.co_varnames))),
        framed("constants", *(_constant(constant) for constant in constants)),
    )


def _declared(value: Dataset | Read | Grain) -> bytes:
    """Not its range, its place or its description: they change no result."""
    match value:
        case Grain():
            return framed("grain", *(encoded(part) for part in value.signature))
        case Read():
            return framed("read", encoded(value.declared), _declared(value.dataset))
        case Dataset():
            parts = (encoded(text) for part in value.declared for text in part)
            path = encoded(value.path) if isinstance(value, Source) else b""
            return framed("dataset", encoded(value.name), path, *parts)


def _constant(value: object) -> bytes:
    match value:
        case types.CodeType():
            return bytecode(value)
        case tuple():
            return framed("tuple", *(_constant(item) for item in value))
        case frozenset():
            return framed("frozenset", *sorted(_constant(item) for item in value))
        case _:
            return constant_form(value)


def _is_plain(value: object) -> bool:
    """A subclass (an IntEnum, a numpy number) says more than its literal."""
    plain: tuple[Callable[..., object], ...] = (bool, int, float, complex, str, bytes)
    return value is None or type(value) in plain


def _type_name(value: object) -> bytes:
    kind = type(value)
    return encoded(f"{_module(kind, kind.__qualname__)}.{kind.__qualname__}")
