"""A dataset as DuckDB sees it, and the SQL statement that makes it a view.

Knows nothing of connections, or of how files are looked at: it is told their schemas.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from partflow.declarations.keyedpath import KeyedPath
from partflow.declarations.storedas import PACKED
from partflow.formats.connections import quoted, quoted_name
from partflow.formats.fingerprint import type_text
from partflow.formats.fitting import is_bridged
from partflow.formats.schemas import holding
from partflow.warehouse.shapes import Part
from partflow.warehouse.sqltypes import (
    is_stored_so,
    of_json,
    of_text,
    sql_type,
    stored,
    text_of_json,
    text_type,
    unchanged,
    widened,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import polars as pl

    Schema = Mapping[str, pl.DataType]

STARTS = {
    "0000-00-00": "cast({key} as date)",
    "0000-00": "cast({key} || '-01' as date)",
    "0000-W00": "cast(strptime({key} || '-1', '%G-W%V-%u') as date)",
    "0000-00-00T00": "(strptime({key}, '%Y-%m-%dT%H') at time zone 'UTC')",
    "0000-00-00T0000": "(strptime({key}, '%Y-%m-%dT%H%M') at time zone 'UTC')",
}
"""SQL for the start of a partition, by the shape of its key.

DuckDB computes it from a file's path. So a filter on it is applied before files are opened, and
only files that match are read.
"""
_READERS = {"parquet": "read_parquet", "csv": "read_csv", "ndjson": "read_json"}
_DIALECTS = {
    # Statistics do not count NaN; without this option DuckDB would skip files by them.
    "parquet": ("can_have_nan = true",),
    # DuckDB guesses what is not given: `#` could begin a comment, or a row of texts be a header.
    "csv": (
        "header = true", "delim = ','", "quote = '\"'", "escape = '\"'", "comment = ''",
        "allow_quoted_nulls = false", "strict_mode = false",
    ),
    "ndjson": ("format = 'newline_delimited'", "records = true", "sample_size = -1"),
}  # fmt: skip
_LONGEST_LINE = "max_line_size = 2147483647"
# DuckDB takes 16 times the longest line for a compressed file at once, if it is not told.
_LONGEST_LINE_PACKED = "max_line_size = 16777216, buffer_size = 33554432"
_SPACES = " \t\n\v\f\r"
MARK = "partflow: "
"""The beginning of an error's text that a view raises, in contrast to DuckDB's own."""


@dataclass(frozen=True, slots=True)
class View:
    """A dataset as DuckDB sees it.

    - `path` is relative to the project's root, with `{key}` for a partition's key, which has the
      shape `key_template` (a 0 for each digit).
    - `files` are the paths of fetched files by key, which end as `path` does; without them files
      are read in place.
    - `column` and `zone` are those of the partition column; None if the dataset has none.
    - `schema` has the columns that are shown, as polars types; if it is None, the files' columns.
    - `parts` are the files in groups of one schema each; without them, all files that are there.
    - `origins` says from which partition the type of each column is. To read a row of a partition
      whose type does not fit is an error that names both partitions.
    - `turned` is given if some parts do not fit. It gives the same view with the types of the parts
      that have these keys; the last key comes first.
    - `unread` has a sentence for each key whose file cannot be read. To read its rows is an error
      with that sentence.
    - With `exact` types must be the same; with `is_complete` no file may lack a column.
    - `problem` says why there can be no view.
    - `is_hive` says that no folder is called `name=value`, except for the partition column. In any
      other such folder DuckDB would take `name` for a column.
    - `paths` says where a source's files are, whose path may have pieces of the key.
    - `file_column` is a name for the path of each row's file that no column of the files has.
    """

    name: str
    path: str
    format: Literal["parquet", "csv", "ndjson"]
    key_template: str
    column: str | None
    has_files: bool
    schema: Schema | None = None
    column_in_file: bool = False
    parts: tuple[Part, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False
    is_complete: bool = False
    advice: str = ""
    turned: Callable[[Sequence[str]], View] | None = field(default=None, compare=False)
    unread: tuple[tuple[str, str], ...] = ()
    problem: str | None = None
    zone: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    is_hive: bool = True
    file_column: str = "_partflow_file"
    paths: KeyedPath | None = None

    @property
    def is_shown(self) -> bool:
        """Whether its columns are known, from files or a schema."""
        return self.has_files or self.schema is not None

    @property
    def is_unread(self) -> bool:
        """Whether none of its files can be read, so that all that is asked of it is an error."""
        has_columns = bool(self.schema) or self.column is not None
        return bool(self.unread) and not self.parts and has_columns

    @property
    def folder(self) -> str:
        """The folder above all its files, relative to the project's root; "" is the root."""
        if self.paths is not None:
            return self.paths.folder
        return self.path.partition("{key}")[0].rpartition("/")[0]

    @property
    def folder_path(self) -> str:
        """A path in the folders of its files, with `{key}` where that is a folder of its own."""
        whole = self.paths is None or self.paths.is_plain
        return self.at("{key}" if whole else self.key_template)

    def at(self, key: str) -> str:
        """The path of a partition's file, as `path` is."""
        return self.path.replace("{key}", key) if self.paths is None else self.paths.of(key)


def view_sql(view: View, root: Path | None = None) -> str:
    """The statement that makes the view, with paths below `root`, or relative ones if that is None.

    Requires: `view.is_shown` and no problem.
    """
    if not view.has_files:
        select = _select_nothing(view)
    else:
        view = replace(view, file_column=_file_column(view))
        nothing_known = () if view.unread else (Part((), view.schema or {}),)
        parts = view.parts or nothing_known
        unshown = [(key, _of_unshown(view, key)) for p in parts if p.is_unshown for key in p.keys]
        unread = [*view.unread, *unshown]
        # First, so that even a query for a few rows meets their errors.
        selects = [_unread(view, unread)] if unread else []
        selects += [_part(view, root, part) for part in parts if not part.is_unshown]
        select = "\nunion all ".join(selects)
    return f"create or replace view {quoted_name(view.name)} as {select}"


def _file_column(view: View) -> str:
    """A name for the path of a row's file that no column of the files has."""
    known = {known_as(view.format, column) for part in view.parts for column in part.schema}
    name = view.file_column
    while name in known:
        name += "_"
    return name


def _part(view: View, root: Path | None, part: Part) -> str:
    """A SELECT for the rows of files of one schema, as the view shows them."""
    if view.schema is None or (view.format == "parquet" and _is_plain(view.schema, part.schema)):
        return _select(view, root, part, "*")
    select = _select(view, root, part, ", ".join(_shown(view, part)))
    if view.format == "csv" and len(part.schema) == 1:  # A blank line is no row.
        select += f" where {_name(view, *part.schema)} is not null"
    return select


def _of_unshown(view: View, key: str) -> str:
    """The sentence for a file that tasks can read and SQL cannot show."""
    holds = "lines of spaces alone, which are no rows, and which SQL does not pass over"
    if view.format == "parquet":
        holds = "spans of time in seconds, which SQL would take for others"
    return (
        f"cannot be shown: {view.at(key)}: it has {holds}; have it delivered "
        f"without them, or read {view.name} with Project.read"
    )


def _unread(view: View, unread: Sequence[tuple[str, str]]) -> str:
    """A SELECT with a row for each file that cannot be read; any use of it, even a count, fails.

    DuckDB applies a filter on the key below the join, and evaluates the join's condition, which
    raises the error, after it. So a file that is filtered out raises none.
    """
    error = f"error({quoted(f'{MARK}{view.name}@')} || asked.key || ' ' || wrong.problem)"
    columns = {
        column: f"cast({error} as {sql_type(kind)})" for column, kind in (view.schema or {}).items()
    }
    if view.column is not None and not view.column_in_file:
        columns[view.column] = STARTS[view.key_template].format(key="asked.key")
    shown = ", ".join(f"{value} as {quoted_name(column)}" for column, value in columns.items())
    keys = ", ".join(f"({quoted(key)})" for key, _ in unread)
    pairs = ", ".join(f"({quoted(key)}, {quoted(problem)})" for key, problem in unread)
    return (
        f"select {shown} from (values {keys}) asked(key) "  # noqa: S608 - all is quoted
        f"left join (values {pairs}) wrong(key, problem) "
        f"on asked.key = wrong.key and cast({error} as boolean)"
    )


def _is_plain(schema: Schema, held: Schema) -> bool:
    """Whether files can be shown exactly as DuckDB reads them."""
    return [*schema] == [*held] and all(_is_shown_so(k, schema[c]) for c, k in held.items())


def _is_shown_so(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether DuckDB reads a type as the wanted one, and no value can be finer than that.

    Equal SQL types are not enough: DuckDB has one type for milliseconds and microseconds, one for
    text and words, and one for all zones.
    """
    if sql_type(kind) != sql_type(wanted) or not is_stored_so(kind):
        return False
    both = holding(kind, wanted)
    return both is not None and type_text(both) == type_text(wanted)


def _shown(view: View, part: Part) -> Iterator[str]:
    """An expression for each column that the view shows."""
    twins = _twins(view.format, part.schema)
    for column, wanted in (view.schema or {}).items():
        if column in twins:
            has = f" has the columns {column!r} and {twins[column]!r}, {SAME_IN_SQL}"
            value = f"cast({_error(view, f'{view.name}@', has)} as {sql_type(wanted)})"
        else:
            value = _expression(view, column, part.schema.get(column), wanted)
        yield f"{value} as {quoted_name(column)}"


def _expression(view: View, column: str, kind: pl.DataType | None, wanted: pl.DataType) -> str:
    name = _name(view, column)
    is_partition = column == view.column  # It is in all files, or in none.
    if kind is None and not view.is_complete and not is_partition:
        return f"cast(null as {sql_type(wanted)})"
    differs = view.exact and kind is not None and type_text(kind) != type_text(wanted)
    if kind is not None and not differs and (text := _of_text(view, column, kind, wanted)):
        return text
    both = None if kind is None or differs else holding(kind, wanted)
    if kind is None or both is None or type_text(both) != type_text(wanted):
        lacks = "missing" if kind is None else type_text(kind)
        differs_from = f", and {type_text(wanted)} in {view.origins.get(column, 'its schema')}; "
        error = _error(
            view, f"column {column!r} is {lacks} in {view.name}@", differs_from + view.advice
        )
        if kind is not None and view.is_complete and not view.exact and is_bridged(kind, wanted):
            return unchanged(kind, wanted, stored(kind, name), error)
        return f"cast({error} as {sql_type(wanted)})"
    if view.format == "ndjson" and text_type(kind) != sql_type(wanted):
        return f"cast({name} as {sql_type(wanted)})"
    value = stored(kind, name) if view.format == "parquet" else name
    more = f" has digits that {type_text(wanted)} does not hold; {view.advice}"
    return widened(kind, wanted, value, _error(view, f"column {column!r} of {view.name}@", more))


def _of_text(view: View, column: str, kind: pl.DataType, wanted: pl.DataType) -> str | None:
    """An expression for a field of text as the wanted type; None if DuckDB reads it as that."""
    name, whose = _name(view, column), f"column {column!r} of {view.name}@"
    no_such = f" holds text that is no {type_text(wanted)}; {view.advice}"
    if view.format == "csv":
        return of_text(wanted, name, _error(view, whose, no_such))
    if view.format != "ndjson" or not _is_json(view, kind) or wanted.is_nested():
        return None
    if _is_words(wanted):
        other = f" holds what is no text; declare what it is, or read {view.name} with Project.read"
        return of_json(name, _error(view, whose, other))
    return of_text(wanted, text_of_json(name), _error(view, whose, no_such))


def _is_json(view: View, kind: pl.DataType) -> bool:
    """Whether a field of NDJSON is read as JSON, because DuckDB's type would lose something."""
    return _is_words(kind) or not (view.exact or kind.is_nested())


def _is_words(kind: pl.DataType) -> bool:
    return type(kind).__name__ in {"String", "Categorical"}


def _name(view: View, column: str) -> str:
    return quoted_name(_trimmed(view.format, column))


def known_as(form: str, column: str) -> str:
    """DuckDB's name for a column of a file, in lower case; in CSV without spaces around it."""
    return _trimmed(form, column).lower()


def _trimmed(form: str, column: str) -> str:
    return column.strip(_SPACES) if form == "csv" else column


def _twins(form: str, columns: Iterable[str]) -> dict[str, str]:
    """Pairs of a file's columns that DuckDB takes for the same, each by the other."""
    seen: dict[str, str] = {}
    twins: dict[str, str] = {}
    for column in columns:
        if (first_name := seen.setdefault(known_as(form, column), column)) != column:
            twins |= {column: first_name, first_name: column}
    return twins


SAME_IN_SQL = (
    "which SQL does not tell apart: rename one where it is written, or read it with Project.read"
)


def clashing(view: View, message: str) -> str | None:
    """The key of the partition whose type does not fit, from an error of the view; else None."""
    match = re.search(rf" in {re.escape(view.name)}@(\S+), and ", message)
    return match[1] if match else None


def _error(view: View, before: str, after: str) -> str:
    """SQL that raises an error which names the row's partition, once it is evaluated for a row."""
    key = "'all'" if view.column is None else _key(view, view.column)[1]
    return f"error({quoted(MARK + before)} || {key} || {quoted(after)})"


def _select(view: View, root: Path | None, part: Part, columns: str) -> str:
    """A SELECT of these columns, given as SQL, from the files of a part."""
    options = [_files(view, root, part), *_DIALECTS[view.format], *_texts(view, part)]
    if view.column is None or view.column_in_file:
        needs_key = view.column is not None and "error(" in columns
        options += _key(view, view.column)[0] if needs_key and view.column else _NO_KEY
    else:
        more, key, hidden = _key(view, view.column)
        options += more
        columns += f" exclude ({quoted_name(hidden)})" if columns == "*" else ""
        start = f"{STARTS[view.key_template].format(key=key)} as {quoted_name(view.column)}"
        columns = f"{columns}, {start}" if columns else start
    reader = _READERS[view.format]
    return f"select {columns} from {reader}({', '.join(options)})"  # noqa: S608 - all is quoted


def _texts(view: View, part: Part) -> Iterator[str]:
    """The reader's options on how fields of text are read, as far as their schema is known.

    All of CSV is read as text. Then columns are found by their names in any order, and a file that
    lacks one is an error.
    """
    if view.format == "csv":
        is_packed = view.path.endswith(PACKED)
        yield _LONGEST_LINE_PACKED if is_packed else _LONGEST_LINE
        yield f"skip = {part.skip}"
        if part.skip and len(part.schema) == 1:  # DuckDB does not find the header then.
            (column,) = part.schema
            name = quoted(_trimmed(view.format, column))
            yield f"columns = {{{name}: varchar}}, auto_detect = false"
        else:
            yield "all_varchar = true" if part.schema else "sample_size = -1"
    elif view.format == "ndjson" and (part.schema or view.schema is not None):
        shown = {c: kind for c, kind in part.schema.items() if c in (view.schema or part.schema)}
        kinds = {
            c: "JSON" if _is_json(view, kind) else text_type(kind) for c, kind in shown.items()
        }
        # DuckDB must be told of a column: of one that no line has where none is known of a file.
        kinds = kinds or {f"{view.file_column}_": "JSON"}
        types = (f"{quoted(c)}: {quoted(kind)}" for c, kind in kinds.items())
        yield f"columns = {{{', '.join(types)}}}"


_NO_KEY = ["hive_partitioning = false"]


def _key(view: View, column: str) -> tuple[list[str], str, str]:
    """How SQL gets a row's key: the reader's options, the expression, and its column."""
    is_of_several = view.paths is not None and view.paths.is_of_several
    if view.is_hive and not is_of_several and f"/{column}={{key}}/" in f"/{view.path}":
        types = f"hive_types = {{{quoted(column)}: varchar}}"
        return ["hive_partitioning = true", types], quoted_name(column), column
    name = view.file_column
    options = ["hive_partitioning = false", f"filename = {quoted(name)}"]
    if view.paths is not None and (view.paths.is_of_several or not view.paths.is_plain):
        like, column_name = quoted(view.paths.regexp), quoted_name(name)
        key = f"regexp_extract({column_name}, {like})"
        return options, f"regexp_replace({key}, {like}, {quoted(view.paths.rewrite)})", name
    digits = "(" + re.escape(view.key_template).replace("0", r"\d") + ")"
    tail = view.path.rpartition("{key}")[2]
    # The last key in the path counts; the text before it is part of the regular expression.
    before = re.escape(view.path.rpartition("{key}")[0].rpartition("{key}")[2].rpartition("/")[2])
    regexp = quoted(f"{before}{digits}{re.escape(tail)}$")
    return options, f"regexp_extract({quoted_name(name)}, {regexp}, 1)", name


def _select_nothing(view: View) -> str:
    columns = {name: sql_type(kind) for name, kind in (view.schema or {}).items()}
    if view.column is not None and view.column not in columns:
        columns[view.column] = "timestamptz" if "T" in view.key_template else "date"
    nulls = ", ".join(f"cast(null as {kind}) as {quoted_name(c)}" for c, kind in columns.items())
    return f"select {nulls} where false"


def _files(view: View, root: Path | None, part: Part) -> str:
    """SQL for the view's files: a pattern that only keys of the grain's shape match.

    If the part has keys or files, or if files were fetched, it is a list of files, each escaped as
    a pattern.
    """
    keys = part.keys
    if part.files:
        listed = (_placed(literal(file), root) for file in part.files)
        return f"[{', '.join(map(quoted, listed))}]"
    if view.files:
        places = (literal(view.files[key]) for key in keys or view.files)
        return f"[{', '.join(map(quoted, places))}]"
    if keys:
        paths = (_placed(literal(view.at(key)), root) for key in keys)
        return f"[{', '.join(map(quoted, paths))}]"
    if view.paths is not None:
        return quoted(_placed(view.paths.pattern("[0-9]", literal), root))
    pattern = literal(view.path).replace("{key}", view.key_template.replace("0", "[0-9]"))
    return quoted(_placed(pattern, root))


def _placed(path: str, root: Path | None) -> str:
    return path if root is None else os.path.normpath(Path(literal(root.as_posix()), path))


def literal(path: str) -> str:
    """The path, escaped as a pattern that matches only itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
