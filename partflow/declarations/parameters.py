"""What a parameter of a task asks for, read off its annotation.

Knows nothing of tasks. It goes by the names of types, and imports none of the libraries that they
are from.
"""

from __future__ import annotations

import ast
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


# The packages in which each name means this kind, with the aliases that their manuals use. An
# annotation that is a text may have the bare name.
_KNOWN = {
    "LazyFrame": (ParameterKind.LAZY, {"", "pl", "polars"}),
    "DataFrame": (ParameterKind.EAGER, {"", "pl", "polars"}),
    "Table": (ParameterKind.ARROW, {"", "pa", "pyarrow"}),
    "DuckDBPyRelation": (ParameterKind.DUCKDB, {"", "duckdb", "_duckdb"}),
    "Partition": (ParameterKind.PARTITION, {"", "pf", "partflow"}),
}


def kind_of(annotation: object) -> ParameterKind:
    """The kind that an annotation, or its text, stands for.

    No annotation means LAZY. `X | None`, `Annotated[X, ...]` and other names of X mean X. Any type
    that is not known means OBJECT, which suits a dataset that is no table.
    """
    if annotation is None or annotation is Parameter.empty or annotation == "":
        return ParameterKind.LAZY
    if isinstance(annotation, str):
        return _kind_of_text(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return _kind_of_text(annotation.__forward_arg__)
    for other_name in ("__value__", "__supertype__"):  # of `type X = ...`, of NewType
        if hasattr(annotation, other_name):
            return kind_of(getattr(annotation, other_name))
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return kind_of(typing.get_args(annotation)[0])
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
    try:
        return _kind_of_expression(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        return ParameterKind.OBJECT


def _kind_of_expression(written: ast.expr) -> ParameterKind:
    """The kind that the syntax of an annotation stands for, as far as names alone tell."""
    match written:
        case ast.Constant(value=str(text)):
            return _kind_of_text(text)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _kind_of_union([left, right])
        case ast.Subscript(value=generic, slice=inner):
            members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _kind_of_generic(ast.unparse(generic).rpartition(".")[2], members)
        case ast.Name() | ast.Attribute():
            package, _, name = ast.unparse(written).rpartition(".")
            return _kind_named(package.partition(".")[0], name)
        case _:
            return ParameterKind.OBJECT


def _kind_of_generic(name: str, members: list[ast.expr]) -> ParameterKind:
    if name in ("Optional", "Union"):
        return _kind_of_union(members)
    if name == "Annotated":
        return _kind_of_expression(members[0])
    if name in ("list", "List"):
        return _kind_of_list(tuple(ast.unparse(m).strip("'\"") for m in members))
    return ParameterKind.OBJECT


def _kind_of_union(members: list[ast.expr]) -> ParameterKind:
    kinds = [_kind_of_expression(m) for m in members if ast.unparse(m) != "None"]
    return kinds[0] if len(kinds) == 1 else ParameterKind.OBJECT


def _kind_named(package: str, name: str) -> ParameterKind:
    kind, packages = _KNOWN.get(name, (ParameterKind.OBJECT, set[str]()))
    return kind if package in packages else ParameterKind.OBJECT
