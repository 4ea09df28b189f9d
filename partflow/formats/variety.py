"""How the files of a source differ: in a column's type, and in columns that its schema leaves out.

Knows nothing of files, or of how what they hold is recorded: keys come in, with schemas.
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
    """The columns that are of types which one read does not take together, each once.

    `held` gives by key what files hold, one of each schema, in order. Numbers of different widths
    are taken together in Parquet, and not in text. A schema may name columns that a file lacks only
    where files `may_lack` some.
    """
    _, clashes = united(held, exact=is_text)
    by_key = dict(held)
    found: dict[str, Varied] = {}
    for clash in clashes:
        one, other = str(clash.one), str(clash.other)
        kinds = by_key[one].get(clash.column), by_key[other].get(clash.column)
        if clash.column in found or kinds[0] is None or kinds[1] is None:
            continue  # what one lacks altogether is of no other type
        texts = type_text(kinds[0]), type_text(kinds[1])
        schemas = [schema for _, schema in held]
        if may_lack or all(clash.column in schema for schema in schemas):
            line = _line(schemas, is_text=is_text, may_lack=may_lack)
        else:
            line = None  # no schema that reads them all has this column
        found[clash.column] = Varied(source, clash.column, (one, other), texts, line)
    return list(found.values())


def columns_left_out(
    source: str, held: Sequence[tuple[str, Schema]], schema: Schema
) -> list[LeftOut]:
    """The first file that has columns which the schema leaves out, and what they are."""
    for key, holds in held:
        names = tuple(name for name in holds if name not in schema)
        if names:
            return [LeftOut(source, key, names)]
    return []


def _line(schemas: Sequence[Schema], *, is_text: bool, may_lack: bool) -> str | None:
    """The declaration of a schema that reads them all; None if there is none."""
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


def _both(one: pl.DataType, other: pl.DataType, *, is_text: bool) -> pl.DataType | None:
    """The type as which a schema reads both."""
    import polars as pl

    found = holding(one, other)
    if found is not None:
        return found
    if is_text:
        return pl.String()
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime):
        same = (one.time_zone is None) == (other.time_zone is None)
        return pl.Datetime("us", one.time_zone) if same else None
    if isinstance(one, pl.Duration) and isinstance(other, pl.Duration):
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
