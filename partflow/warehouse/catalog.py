"""Shows the warehouse to DuckDB: every dataset as a view by its name, for one query or in a file.

Knows nothing of tasks or of what is fresh; it is told which datasets there are and reads only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.errors import PublishError, UsageError, advice_of
from partflow.formats.connections import Settings, opened, state_zone
from partflow.warehouse.sqltypes import quoted
from partflow.warehouse.viewsql import MARK, View, clashing, literal, view_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import duckdb

WRITTEN_IN = "catalog-"
"""How the names of the folders begin in which catalogs are written; below partflow's own."""

_OURS = re.compile(f"(?<!'){MARK}")
"""The mark where it begins what is said, and not in SQL that DuckDB quotes."""
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
    """Makes the file `path` hold these views; a file that holds them already is left alone.

    Returns, by name, why a view could not be made: a source's files may not be readable as a table.
    A new file replaces the old one by rename, since a reader may have that open. The paths in it
    are relative: it is to be opened from the project's root.

    Raises:
        PublishError: the file could not be written.
    """
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
            made = folder / path.name
            problems = _make(made, root, wanted)
            made.replace(path)
    except (OSError, duckdb.Error) as error:
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.strerror}; {advice_of(error)}, and run again"
        raise PublishError(f"{path} could not be written: {said}") from None
    return refused | problems


def digest_kept(path: Path, views: Sequence[View]) -> str:
    """A digest of these views and of the stat of the catalog that holds them; "" without a file.

    Whoever noted it after a catalog was written knows without opening the file that it holds them
    still.
    """
    try:
        stat = path.stat()
    except OSError:
        return ""
    kept = (stat.st_ino, stat.st_size, stat.st_mtime_ns, sorted(_statements(views).items()))
    return hashlib.sha256(repr(kept).encode()).hexdigest()[:16]


def _statements(views: Iterable[View]) -> dict[str, str]:
    """By name, the statement that makes each view that can be made."""
    return {v.name: view_sql(v) for v in views if v.is_shown and (v.problem is None or v.is_unread)}


@contextmanager
def _own_folder(private: Path) -> Iterator[Path]:
    """A new folder for a catalog that is being written, with the rights that the umask gives."""
    folder = private / f"{WRITTEN_IN}{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect() -> duckdb.DuckDBPyConnection:
    """A connection for one query."""
    return opened(settings=_SETTINGS)


def query(
    root: Path,
    views: Sequence[View],
    sql: str,
    access: Access,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT over the views, read lazily; the working directory plays no part.

    Moments are shown, cut and cast by the clock of one zone: that of the views it names, or UTC if
    these have several (`zones_differ` says so). `connection` comes from `connect`; whoever wants to
    interrupt the query hands one in. Nothing is read but what `access` has. What is wrong with a
    row is an error of DuckDB, raised while the result is read.

    Raises:
        UsageError: it is no query, or names what is not there.
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
    """That a query's moments are shown in UTC because what it names has several zones; else None.

    A sentence for people.
    """
    named = [view for view in views if _names(view, sql)]
    if len(zones := _zones(named)) <= 1:
        return None
    told = (", ".join(v.name for v in named if v.zone == zone) + f" in {zone}" for zone in zones)
    return f"moments are shown in UTC, since the zones differ: {'; '.join(told)}"


def _zones(views: Sequence[View]) -> list[str]:
    return sorted({view.zone for view in views if view.zone is not None})


def said_by(error: Exception) -> str:
    """What an error of DuckDB says; where a view raised it, in our own words."""
    text = str(error)
    return text[ours.end() :] if (ours := _OURS.search(text)) else text


def _missed(views: Iterable[View], error: Exception) -> str | None:
    """That a table which DuckDB misses is a dataset of which nothing is known yet; None if not."""
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
    """The result of a query; where parts of a dataset clash, by the types of those that it reads.

    Which those are DuckDB alone knows. An error names a partition that is read and clashes with
    what is shown, so the view is turned to its types, until what is read agrees, or a partition
    clashes for the second time.
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


def _turned(views: Sequence[View], touched: dict[str, list[str]], said: str) -> View | None:
    """The view turned to the partition that an error names; None if it was already, or none is."""
    for view in views:
        key = clashing(view, said) if view.turned else None
        if view.turned and key is not None and key not in touched[view.name]:
            touched[view.name].append(key)
            return view.turned(touched[view.name])
    return None


def _create(connection: duckdb.DuckDBPyConnection, view: View, root: Path, sql: str) -> None:
    """Make a view; what cannot be one is told of where it is asked for."""
    import duckdb

    try:
        connection.execute(view_sql(view, root))
    except duckdb.Error:
        if _names(view, sql):
            raise


def _names(view: View, sql: str) -> bool:
    """Whether a query could mean a view."""
    return re.search(rf"\b{view.name}\b", sql, re.IGNORECASE) is not None


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
        shutil.copyfile(made, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # a power cut must not leave a part of it under its name
    return problems


def _lock(connection: duckdb.DuckDBPyConnection, root: Path, access: Access, zone: str) -> None:
    """States the zone, and leaves the connection what it may read, never partflow's own folder."""
    if connection.execute("select current_setting('lock_configuration')").fetchall() == [(True,)]:
        return  # by an earlier query of the same call
    state_zone(connection, zone)
    folders = {os.path.normpath(root / folder) for folder in access.folders}
    files = {os.path.normpath(root / file) for file in access.files}
    # DuckDB compares patterns as they are written, so what must be escaped is there twice.
    for option, paths in (("allowed_directories", folders), ("allowed_paths", files)):
        texts = sorted(paths | {literal(path) for path in paths})
        connection.execute(f"set {option} = [{', '.join(map(quoted, texts))}]")
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
