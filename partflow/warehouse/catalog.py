"""Shows the warehouse to DuckDB: a view for each dataset, for one query or in a file.

Knows nothing of tasks or freshness: it is told which views there are. It never writes a dataset.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.errors import PublishError, UsageError, advice_of
from partflow.formats.connections import Settings, import_for_ourselves, opened, quoted, state_zone
from partflow.warehouse.viewsql import MARK, View, clashing, literal, view_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import duckdb

WRITTEN_IN = "catalog-"
"""The beginning of the names of folders, in partflow's own, in which catalogs are written."""

_OURS = re.compile(f"(?<!'){MARK}")
"""Matches the mark where an error's own text begins, and not where DuckDB quotes SQL."""
_READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_SETTINGS: Settings = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


@dataclass(frozen=True, slots=True)
class Access:
    """What a query may read, relative to the project's root: folders, and files beside them."""

    folders: tuple[str, ...]
    files: tuple[str, ...] = ()


def write_catalog(root: Path, path: Path, views: Iterable[View]) -> dict[str, str]:
    """Make the file at `path` hold these views; a file that holds them already is left alone.

    Returns by name why a view could not be made, as when a source's files are no tables. A new file
    replaces the old one by a rename, since a reader may have that open. Paths in it are relative,
    so it has to be opened from the project's root.

    Raises:
        PublishError: the file could not be written.
    """
    import_for_ourselves()
    views = list(views)
    wanted = _statements(views)
    refused = {v.name: v.problem for v in views if v.is_shown and v.problem is not None}
    if _stored(path) == wanted:
        return refused
    import duckdb

    private = path.parent / ".partflow"
    try:
        private.mkdir(parents=True, exist_ok=True)
        with _own_folder(private) as folder:
            written = folder / path.name
            problems = _make(written, root, wanted)
            written.replace(path)
    except (OSError, duckdb.Error) as error:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"{error.strerror}; {advice_of(error)}, and run again"
        raise PublishError(f"{path} could not be written: {reason}") from None
    return refused | problems


def digest_of_file(path: Path) -> str:
    """A digest of a catalog's stat; "" if there is no catalog."""
    try:
        stat = path.stat()
    except OSError:
        return ""
    return _digest((stat.st_ino, stat.st_size, stat.st_mtime_ns))


def digest_of_view(view: View) -> str:
    """A digest of what a catalog has of a view; of a view that it does not have, that of nothing.

    If it, and that of the file, are those that were noted when the catalog was written, then the
    catalog holds the view: the file need not be opened to know that.
    """
    return _digest(_statements([view]))


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:16]


def _statements(views: Iterable[View]) -> dict[str, str]:
    """The statements of views that can be made, by name; unreadable files are no hindrance."""
    return {v.name: view_sql(v) for v in views if v.is_shown and (v.problem is None or v.is_unread)}


@contextmanager
def _own_folder(private: Path) -> Iterator[Path]:
    """A new folder, with the permissions of the umask, until the end of the block."""
    folder = private / f"{WRITTEN_IN}{os.urandom(4).hex()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect() -> duckdb.DuckDBPyConnection:
    """A connection for one query; the caller closes it."""
    return opened(settings=_SETTINGS)


def query(
    root: Path,
    views: Sequence[View],
    sql: str,
    access: Access,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT over the views, read lazily.

    Moments are shown, truncated and cast in the zone of the views that it names, or in UTC if these
    have several (`zones_differ` says so). A caller that wants to interrupt the query passes a
    `connection` from `connect`. The query can read only what `access` has, and does not depend on
    the working directory. For a row that is wrong, DuckDB raises its own error while the result is
    read.

    Raises:
        UsageError: it is no SELECT, or names a table that is not there or cannot be shown.
    """
    import duckdb

    root = root.resolve()
    connection = connection or connect()
    try:
        _require_select(connection, sql)
        zones = _zones([view for view in views if _names(view, sql)])
        _lock(connection, root, access, zones[0] if len(zones) == 1 else "UTC")
        shown = [view for view in views if view.is_shown]
        for view in shown:
            if view.problem is not None and _names(view, sql):
                raise UsageError(f"query: {view.problem}")
        usable = [view for view in shown if view.problem is None]
        return _answered(connection, root, usable, sql)
    except duckdb.Error as error:
        raise UsageError(f"query: {_missed(views, error) or said_by(error)}") from None


def zones_differ(views: Sequence[View], sql: str) -> str | None:
    """A sentence saying that moments are shown in UTC, if the named views have several zones."""
    named = [view for view in views if _names(view, sql)]
    if len(zones := _zones(named)) <= 1:
        return None
    told = (", ".join(v.name for v in named if v.zone == zone) + f" in {zone}" for zone in zones)
    return f"moments are shown in UTC, since the zones differ: {'; '.join(told)}"


def _zones(views: Sequence[View]) -> list[str]:
    return sorted({view.zone for view in views if view.zone is not None})


def said_by(error: Exception) -> str:
    """The text of an error of DuckDB; of one that a view raises, only our own words."""
    text = str(error)
    return text[ours.end() :] if (ours := _OURS.search(text)) else text


def _missed(views: Iterable[View], error: Exception) -> str | None:
    """A sentence for a missing table that is a dataset without partitions and schema; else None."""
    missed = re.search(r"^Catalog Error: Table with name (\S+) does not exist", str(error))
    for view in views:
        if missed and not view.is_shown and missed[1].lower() == view.name.lower():
            return (
                f"{view.name} has no partition yet and declares no schema, so there is nothing "
                "to ask; `partflow materialize` makes it"
            )
    return None


def _answered(
    connection: duckdb.DuckDBPyConnection, root: Path, views: Sequence[View], sql: str
) -> duckdb.DuckDBPyRelation:
    """The result of a query; if parts of a dataset clash, in the types of those that it reads.

    Only DuckDB knows which parts a query reads. If it raises an error, that names a partition which
    is read and clashes with the view's types. Then the view is made anew with that partition's
    types, until no error is left, or the same partition clashes a second time.
    """
    import duckdb

    touched: dict[str, list[str]] = {view.name: [] for view in views if view.turned}
    for view in views:
        _create(connection, view, root, sql)
    first: Exception | None = None
    while True:
        relation = connection.sql(sql)
        if not touched:
            return relation
        try:
            relation.limit(1).fetchall()
        except duckdb.Error as error:
            first = first or error
            turned = _turned(views, touched, said_by(error)) if _OURS.search(str(error)) else None
            if turned is None:
                raise first from None
            _create(connection, turned, root, sql)
        else:
            return relation


def _turned(views: Sequence[View], touched: dict[str, list[str]], message: str) -> View | None:
    """The view with the types of the partition that an error names; None if it had them."""
    for view in views:
        key = clashing(view, message) if view.turned else None
        if view.turned and key is not None and key not in touched[view.name]:
            touched[view.name].append(key)
            return view.turned(touched[view.name])
    return None


def _create(connection: duckdb.DuckDBPyConnection, view: View, root: Path, sql: str) -> None:
    """Make a view; if it cannot be made, DuckDB's error is raised if the query names it."""
    import duckdb

    try:
        connection.execute(view_sql(view, root))
    except duckdb.Error:
        if _names(view, sql):
            raise


def _names(view: View, sql: str) -> bool:
    """Whether a query has the name of a view in it."""
    return re.search(rf"\b{view.name}\b", sql, re.IGNORECASE) is not None


def _stored(path: Path) -> dict[str, str] | None:
    """The statements in a catalog by name; None if it is absent or cannot be read.

    It cannot be read while a DuckDB shell has it open.
    """
    import duckdb

    if not path.is_file():  # DuckDB would wait for a pipe.
        return None
    try:
        with closing(opened(path, read_only=True)) as connection:
            return dict(connection.execute("select name, sql from partflow.views").fetchall())
    except duckdb.Error:
        return None


def _make(path: Path, root: Path, statements: Mapping[str, str]) -> dict[str, str]:
    import duckdb

    problems = {}
    # DuckDB opens the files when it makes a view. In its search path a comma is a separator, and in
    # the path of a database `?` and `\` are special. So it gets a link to the root whose path has
    # none of these, and makes its file beside that.
    with tempfile.TemporaryDirectory(prefix="partflow-") as folder:
        link, database = Path(folder) / "root", Path(folder) / path.name
        link.symlink_to(root.resolve(), target_is_directory=True)
        with closing(opened(database, settings=_SETTINGS)) as connection:
            connection.execute(f"set file_search_path = {quoted(os.fspath(link))}")
            connection.execute("create schema partflow")
            connection.execute("create table partflow.views (name varchar, sql varchar)")
            for name, sql in statements.items():
                try:
                    connection.execute(sql)
                except duckdb.Error as error:
                    problems[name] = str(error)
                else:
                    connection.execute("insert into partflow.views values (?, ?)", [name, sql])
        shutil.copyfile(database, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # After a power cut there must be no part of it under its name.
    return problems


def _lock(connection: duckdb.DuckDBPyConnection, root: Path, access: Access, zone: str) -> None:
    """Set the zone, and then restrict the connection to what it may read.

    partflow's own folder is never readable.
    """
    if connection.execute("select current_setting('lock_configuration')").fetchall() == [(True,)]:
        return  # It is restricted already, by an earlier query.
    state_zone(connection, zone)
    folders = {os.path.normpath(root / folder) for folder in access.folders}
    files = {os.path.normpath(root / file) for file in access.files}
    # DuckDB compares texts, so a path with characters of patterns is listed with its escaped form.
    for option, paths in (("allowed_directories", folders), ("allowed_paths", files)):
        texts = sorted(paths | {literal(path) for path in paths})
        connection.execute(f"set {option} = [{', '.join(map(quoted, texts))}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise UsageError for all but a single SELECT that only reads.

    The statement's type is not enough: a SELECT can have an INSERT or a COPY in its WITH. So every
    node of the parsed statement has to be one that reads.
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
    """The kinds of the nodes in a parsed statement, such as SELECT_NODE."""
    kinds: set[str] = set()
    if isinstance(tree, dict):
        kind = tree.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE"):
            kinds.add(kind)
        tree = list(tree.values())
    if isinstance(tree, list):
        kinds.update(*map(_nodes, tree))
    return kinds
