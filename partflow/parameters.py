"""What a parameter of a task asks for, read off its annotation.

Knows nothing of tasks, nor of the libraries whose types it recognises: it goes by their names, so
that deciding never imports one.
"""

from __future__ import annotations

import re
import types
import typing
from enum import Enum
from inspect import Parameter


class ParameterKind(Enum):
    """The form in which a parameter gets what it reads."""

    LAZY = "pl.LazyFrame"
    EAGER = "pl.DataFrame"
    ARROW = "pa.Table"
    DUCKDB = "duckdb.DuckDBPyRelation"
    PATHS = "list[Path]"
    PARTITION = "Partition"
    OBJECT = "object"


# The packages that may own each name; the aliases are those of their manuals, and an annotation
# that is still text may use the bare name.
_KNOWN = {
    "LazyFrame": (ParameterKind.LAZY, {"", "pl", "polars"}),
    "DataFrame": (ParameterKind.EAGER, {"", "pl", "polars"}),
    "Table": (ParameterKind.ARROW, {"", "pa", "pyarrow"}),
    "DuckDBPyRelation": (ParameterKind.DUCKDB, {"", "duckdb", "_duckdb"}),
    "Partition": (ParameterKind.PARTITION, {"", "pf", "partflow"}),
}
_PATHS = re.compile(r"(?:typing\.)?[lL]ist\[(?:pathlib\.)?Path\]")
_OPTIONAL = re.compile(r"(?:typing\.|t\.)?Optional\[(.+)\]")


def kind_of(annotation: object) -> ParameterKind:
    """The kind that an annotation, or its text, stands for.

    No annotation is LAZY; `X | None` is X. What is none of the known types is OBJECT: right for a
    dataset of another format, and the caller's to refuse for frames.
    """
    if annotation is None or annotation is Parameter.empty or annotation == "":
        return ParameterKind.LAZY
    if isinstance(annotation, str):
        return _kind_of_text(annotation)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        members = [each for each in typing.get_args(annotation) if each is not types.NoneType]
        return kind_of(members[0]) if len(members) == 1 else ParameterKind.OBJECT
    if origin is list:
        return _kind_of_list(typing.get_args(annotation))
    module = getattr(annotation, "__module__", "").partition(".")[0]
    return _kind_named(module, getattr(annotation, "__qualname__", ""))


def _kind_of_list(members: tuple[object, ...]) -> ParameterKind:
    name = getattr(members[0], "__qualname__", members[0])
    return ParameterKind.PATHS if name in ("Path", "pathlib.Path") else ParameterKind.OBJECT


def _kind_of_text(text: str) -> ParameterKind:
    text = re.sub(r"[\s'\"]", "", text)
    if optional := _OPTIONAL.fullmatch(text):
        text = optional[1]
    members = [each for each in text.split("|") if each != "None"]
    if len(members) != 1:
        return ParameterKind.OBJECT
    if _PATHS.fullmatch(members[0]):
        return ParameterKind.PATHS
    module, _, name = members[0].rpartition(".")
    return _kind_named(module.partition(".")[0], name)


def _kind_named(package: str, name: str) -> ParameterKind:
    kind, packages = _KNOWN.get(name, (ParameterKind.OBJECT, set[str]()))
    return kind if package in packages else ParameterKind.OBJECT
