"""Shows the warehouse to DuckDB: every dataset as a view by its name, for one query or in a file.

Knows nothing of tasks or of what is fresh; it is told which datasets there are and reads only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from partflow.connections import Settings, opened, state_zone
from partflow.errors import PublishError, UsageError, advice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb

_STARTS = {
    "0000-00-00": "cast({key} as date)",
    "0000-00": "cast({key} || '-01' as date)",
    "0000-W00": "cast(strptime({key} || '-1', '%G-W%V-%u') as date)",
    "0000-00-00T00": "(strptime({key}, '%Y-%m-%dT%H') at time zone 'UTC')",
    "0000-00-00T0000": "(strptime({key}, '%Y-%m-%dT%H%M') at time zone 'UTC')",
}
"""The start of a partition by the shape of its key, as DuckDB works it out for each file.

A filter on it is tried on these before files are opened, so that only those that match are read.
"""
_READERS = {"parquet": "read_parquet", "csv": "read_csv", "ndjson": "read_json"}
_DIALECTS = {
    "parquet": (),
    "csv": ("header = true", "delim = ','", "sample_size = -1"),
    "ndjson": ("format = 'newline_delimited'", "sample_size = -1"),
}
_FILE = "_partflow_file"
WRITTEN_IN = "catalog-"
"""How the names of the folders begin in which catalogs are written; below partflow's own."""

_READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_SETTINGS: Settings = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


@dataclass(frozen=True, slots=True)
class View:
    """A dataset as DuckDB sees it.

    `path` is relative to the project's root, with `{key}` for a partition's key, which has the
    shape `key_template` (a 0 for each digit). `schema` has DuckDB's types: for a dataset without
    files, and to enforce those of text files. `column` is None for what is whole; so is `zone`.
    """

    name: str
    path: str
    format: Literal["parquet", "csv", "ndjson"]
    key_template: str
    column: str | None
    has_files: bool
    schema: Mapping[str, str] | None = None
    column_in_file: bool = False
    zone: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether anything is known of its columns."""
        return self.has_files or self.schema is not None


def view_sql(view: View, root: Path | None = None) -> str:
    """The statement that makes the view, over paths under `root` or relative to the project.

    Requires: `view.is_shown`.
    """
    select = _select(view, root) if view.has_files else _select_nothing(view)
    return f"create or replace view {_name(view.name)} as {select}"


def write_catalog(root: Path, path: Path, views: Iterable[View]) -> dict[str, str]:
    """Makes the file `path` hold these views, or leaves it if it does; returns what cannot be one.

    That is, by name, DuckDB's reason: a source's files may not be readable as a table. A new file
    replaces the old by rename, since a reader may have that open. The paths in it are relative:
    it is to be opened from the project's root.
    """
    wanted = {view.name: view_sql(view) for view in views if view.is_shown}
    if _stored(path) == wanted:
        return {}
    import duckdb

    private = path.parent / ".partflow"
    try:
        private.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=WRITTEN_IN, dir=private) as folder:
            made = Path(folder) / path.name
            problems = _make(made, root, wanted)
            made.replace(path)
    except (OSError, duckdb.Error) as error:
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.strerror}; {advice_of(error)}, and run again"
        raise PublishError(f"{path} could not be written: {said}") from None
    return problems


def connect() -> duckdb.DuckDBPyConnection:
    """A connection for one query."""
    return opened(settings=_SETTINGS)


def query(
    root: Path, views: Sequence[View], sql: str, connection: duckdb.DuckDBPyConnection | None = None
) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT over the views, read lazily; the working directory plays no part.

    Moments are shown, cut and cast by the clock of the zone that all views it names have; by UTC if
    they have several, of which `zones_differ` tells. `connection` is one of `connect`, for who
    wants to interrupt it. Raises UsageError for what is no query, or names what is not there. What
    fails in a row fails while the result is read, as an error of DuckDB.
    """
    import duckdb

    root = root.resolve()
    connection = connection or connect()
    try:
        _require_select(connection, sql)
        # Making a view lists its files, so only what the query could mean is made.
        named = _named(views, sql)
        zones = _zones(named)
        state_zone(connection, zones.pop() if len(zones) == 1 else "UTC")
        for view in named or views:
            if view.is_shown:
                connection.execute(view_sql(view, root))
        _lock(connection, root, views)
        return connection.sql(sql)
    except duckdb.Error as error:
        raise UsageError(f"query: {error}") from None


def zones_differ(views: Sequence[View], sql: str) -> str | None:
    """That a query's moments are shown in UTC because what it names has several zones; else None.

    A sentence for people.
    """
    named = _named(views, sql)
    if len(zones := _zones(named)) <= 1:
        return None
    told = (", ".join(v.name for v in named if v.zone == zone) + f" in {zone}" for zone in zones)
    return f"moments are shown in UTC, since the zones differ: {'; '.join(told)}"


def _named(views: Sequence[View], sql: str) -> list[View]:
    """The views that a query could mean."""
    return [view for view in views if re.search(rf"\b{view.name}\b", sql, re.IGNORECASE)]


def _zones(views: Sequence[View]) -> list[str]:
    return sorted({view.zone for view in views if view.zone is not None})


def types_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """DuckDB's types for a schema of polars types."""
    return types_of_each([schema])[0]


def types_of_each(schemas: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The same for many schemas: DuckDB is opened once, and asked once for each type."""
    import polars as pl

    wanted = [dict(schema) for schema in schemas]
    kinds = dict.fromkeys(kind for schema in wanted for kind in schema.values())
    if not kinds:
        return wanted
    frame = pl.DataFrame(schema={str(i): kind for i, kind in enumerate(kinds)})
    with closing(opened()) as connection:
        types = connection.from_arrow(frame.to_arrow()).types
        said = dict(zip(kinds, map(str, types), strict=True))
    return [{name: said[kind] for name, kind in schema.items()} for schema in wanted]


def _select(view: View, root: Path | None) -> str:
    options = [_quoted(_pattern(view, root)), *_DIALECTS[view.format]]
    columns = "*"
    if view.schema is not None and view.format != "parquet":
        option = "types" if view.format == "csv" else "columns"
        types = ", ".join(f"{_quoted(c)}: {_quoted(t)}" for c, t in view.schema.items())
        options.append(f"{option} = {{{types}}}")
        columns = ", ".join(map(_name, view.schema))
    if view.column is None or view.column_in_file:
        options.append("hive_partitioning = false")
    else:
        more, key, hidden = _key(view, view.column)
        options += more
        columns += f" exclude ({_name(hidden)})" if columns == "*" else ""
        columns += f", {_STARTS[view.key_template].format(key=key)} as {_name(view.column)}"
    reader = _READERS[view.format]
    return f"select {columns} from {reader}({', '.join(options)})"  # noqa: S608 - all is quoted


def _key(view: View, column: str) -> tuple[list[str], str, str]:
    """How DuckDB tells a file's key: options of its reader, an expression, the column it is in."""
    if f"/{column}={{key}}/" in f"/{view.path}":
        types = f"hive_types = {{{_quoted(column)}: varchar}}"
        return ["hive_partitioning = true", types], _name(column), column
    digits = "(" + re.escape(view.key_template).replace("0", r"\d") + ")"
    tail = view.path.rpartition("{key}")[2]
    # The last of the keys in the path; what stands before it is as the pattern found it.
    before = re.escape(view.path.rpartition("{key}")[0].rpartition("{key}")[2].rpartition("/")[2])
    regexp = _quoted(f"{before}{digits}{re.escape(tail)}$")
    options = ["hive_partitioning = false", f"filename = {_quoted(_FILE)}"]
    return options, f"regexp_extract({_name(_FILE)}, {regexp}, 1)", _FILE


def _select_nothing(view: View) -> str:
    columns = dict(view.schema or {})
    if view.column is not None and view.column not in columns:
        columns[view.column] = "timestamptz" if "T" in view.key_template else "date"
    nulls = ", ".join(f"cast(null as {kind}) as {_name(c)}" for c, kind in columns.items())
    return f"select {nulls} where false"


def _pattern(view: View, root: Path | None) -> str:
    """The pattern of the view's files: keys of the grain's shape, so that no other file is read."""
    path = _literal(view.path).replace("{key}", view.key_template.replace("0", "[0-9]"))
    return path if root is None else os.path.normpath(Path(_literal(root.as_posix()), path))


def _literal(path: str) -> str:
    """The path as a pattern that matches nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _stored(path: Path) -> dict[str, str] | None:
    """The statements of a catalog, None if there is none to be read (a shell may have it open)."""
    import duckdb

    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with closing(opened(path, read_only=True)) as connection:
            return dict(connection.execute("select name, sql from partflow.views").fetchall())
    except duckdb.Error:
        return None


def _make(path: Path, root: Path, statements: Mapping[str, str]) -> dict[str, str]:
    import duckdb

    problems = {}
    # DuckDB looks at the files when a view is made, and takes commas in its search path for
    # separators, and ? and \ in the path of a database for more than they are: so it is shown the
    # root under a name that has none, and makes its file beside that.
    with tempfile.TemporaryDirectory(prefix="partflow-") as folder:
        link, made = Path(folder) / "root", Path(folder) / path.name
        link.symlink_to(root.resolve(), target_is_directory=True)
        with closing(opened(made, settings=_SETTINGS)) as connection:
            connection.execute(f"set file_search_path = {_quoted(os.fspath(link))}")
            connection.execute("create schema partflow")
            connection.execute("create table partflow.views (name varchar, sql varchar)")
            for name, sql in statements.items():
                try:
                    connection.execute(sql)
                except duckdb.Error as error:
                    problems[name] = str(error)
                else:
                    connection.execute("insert into partflow.views values (?, ?)", [name, sql])
        shutil.copyfile(made, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # a power cut must not leave a part of it under its name
    return problems


def _lock(connection: duckdb.DuckDBPyConnection, root: Path, views: Iterable[View]) -> None:
    """Leaves the connection the folders of the project and of views outside of it, to read."""
    files = (root / view.path.partition("{key}")[0] for view in views)
    folders = {os.path.normpath(folder) for folder in (root, *(file.parent for file in files))}
    # DuckDB compares patterns as they are written, so a folder that must be escaped is there twice.
    texts = sorted(folders | {_literal(folder) for folder in folders})
    connection.execute(f"set allowed_directories = [{', '.join(map(_quoted, texts))}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuses all but one SELECT that only reads.

    Its type does not tell: a WITH may hold an INSERT or a COPY to a file and is a SELECT still. So
    the parsed tree must consist of nodes that read.
    """
    import duckdb

    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError("query: takes one SELECT statement; it only reads")
    row = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"] or not _nodes(tree) <= _READING_NODES:
        raise UsageError("query: takes one SELECT statement without INSERT or COPY in its WITH")


def _nodes(tree: object) -> set[str]:
    found: set[str] = set()
    if isinstance(tree, dict):
        kind = tree.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE"):
            found.add(kind)
        tree = list(tree.values())
    if isinstance(tree, list):
        found.update(*map(_nodes, tree))
    return found
