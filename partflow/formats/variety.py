"""Says how the files of a source differ: in a column's type, or by columns not in its schema.

Knows nothing of files, or of how their schemas are recorded: keys come in, with schemas.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from partflow.formats.fingerprint import type_text
from partflow.formats.schemas import holding, united
from partflow.planning.snapshot import LeftOut, Varied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_TYPE = re.compile(r"(?<![\w'\"])([A-Z][A-Za-z0-9]*)")


def types_varied(
    source: str, held: Sequence[tuple[str, Schema]], *, is_text: bool, may_lack: bool
) -> list[Varied]:
    """The columns whose types differ so that one read cannot take the files together, each once.

    `held` has one file of each schema, by key and in order. In Parquet numbers of different widths
    are read together, in text (`is_text`) they are not. `may_lack` says whether a declared schema
    may name columns that a file lacks.
    """
    _, clashes = united(held, exact=is_text)
    by_key = dict(held)
    by_column: dict[str, Varied] = {}
    for clash in clashes:
        first_key, second_key = str(clash.one), str(clash.other)
        kinds = by_key[first_key].get(clash.column), by_key[second_key].get(clash.column)
        if clash.column in by_column or kinds[0] is None or kinds[1] is None:
            continue  # A column that one file lacks differs in no type.
        texts = type_text(kinds[0]), type_text(kinds[1])
        schemas = [schema for _, schema in held]
        if may_lack or all(clash.column in schema for schema in schemas):
            line = _line(schemas, is_text=is_text, may_lack=may_lack)
        else:
            line = None  # No schema that reads all files can have this column.
        by_column[clash.column] = Varied(source, clash.column, (first_key, second_key), texts, line)
    return list(by_column.values())


def columns_left_out(
    source: str, held: Sequence[tuple[str, Schema]], schema: Schema
) -> list[LeftOut]:
    """The first file with columns that the schema leaves out, and their names; [] if none has."""
    for key, holds in held:
        names = tuple(name for name in holds if name not in schema)
        if names:
            return [LeftOut(source, key, names)]
    return []


def _line(schemas: Sequence[Schema], *, is_text: bool, may_lack: bool) -> str | None:
    """The text that declares a schema for all of these; None if no schema reads them all."""
    whole: dict[str, Any] = {}
    for schema in schemas:
        for name, kind in schema.items():
            if not may_lack and any(name not in other for other in schemas):
                continue
            whole[name] = _both(whole.get(name, kind), kind, is_text=is_text)
            if whole[name] is None:
                return None
    pairs = ", ".join(f"{_quoted(name)}: {_code(kind)}" for name, kind in whole.items())
    return f"schema={{{pairs}}}"


def _both(first: pl.DataType, second: pl.DataType, *, is_text: bool) -> pl.DataType | None:
    """The type that a declared schema can read both as; None if there is none."""
    import polars as pl

    common = holding(first, second)
    if common is not None:
        return common
    if is_text:
        return pl.String()
    if isinstance(first, pl.Datetime) and isinstance(second, pl.Datetime):
        same = (first.time_zone is None) == (second.time_zone is None)
        return pl.Datetime("us", first.time_zone) if same else None
    if isinstance(first, pl.Duration) and isinstance(second, pl.Duration):
        return pl.Duration("us")
    return None


def _code(kind: pl.DataType) -> str:
    """A type as it is written in a declaration."""
    import polars as pl

    if isinstance(kind, pl.Datetime):
        zone = "" if kind.time_zone is None else f", {kind.time_zone!r}"
        return f"pl.Datetime({kind.time_unit!r}{zone})"
    return _TYPE.sub(r"pl.\1", str(kind))


def _quoted(name: str) -> str:
    return repr(name) if '"' in name or "\\" in name else f'"{name}"'
