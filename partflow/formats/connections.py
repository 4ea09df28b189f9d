"""Opens all connections to DuckDB, sets what could change a query's result, and quotes for its SQL.

Knows nothing of datasets and tasks, or of what is asked of a connection.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Final, Self

from partflow.process.machine import processors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import ModuleType, TracebackType

    import duckdb
    import pyarrow as pa

Settings = dict[str, str | bool | int | float | list[str]]

STATED: Settings = {
    "arrow_large_buffer_size": False,
    "arrow_lossless_conversion": False,
    "arrow_output_list_view": False,
    "arrow_output_version": "1.0",
    "default_collation": "",
    "default_null_order": "nulls_last",
    "default_order": "asc",
    "dialect_compatibility_mode": "none",
    "disable_timestamptz_casts": False,
    "error_on_division_by_zero": True,
    "ieee_floating_point_ops": True,
    "integer_division": False,
    "order_by_non_integer_literal": False,
    "pandas_analyze_sample": 1000,
    "preserve_identifier_case": "preserve_case",
    "preserve_insertion_order": True,
    "regex_match_operator_semantics": "partial",
}
"""The settings of DuckDB that can change a result, as partflow's own connections have them.

The zone and the calendar can change a result, too, but can be set only once a connection is open.
If nobody sets them, only the zone depends on the machine.
"""


def opened(
    path: Path | str = ":memory:",
    *,
    zone: str = "UTC",
    read_only: bool = False,
    settings: Mapping[str, str | bool | int | float | list[str]] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a connection of partflow's own, with `settings` beside those of `STATED`.

    This is the only place that opens a database of DuckDB. DuckDB's own error if the file at `path`
    is no database of it.
    """
    import duckdb

    config: Settings = {**STATED, **(settings or {})}
    connection = duckdb.connect(path, read_only=read_only, config=config)
    connection.execute("set Calendar = 'gregorian'")
    state_zone(connection, zone)
    return connection


def state_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    """Set the zone in which moments are shown, truncated and cast; else it is the machine's."""
    quoted = zone.replace("'", "''")
    connection.execute(f"set session TimeZone = '{quoted}'")


def connection_for_call(zone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """Open the connection that one call of a task gets; it takes less than a millisecond.

    It is a new connection to the database of DuckDB's default connection. So it sees the tables and
    functions that the user's modules made there, and their global settings; and `duckdb.sql` can
    read its relations. Settings of a session, temporary tables and registered objects belong to one
    connection, and are not shared.
    """
    import duckdb

    connection = duckdb.default_connection().cursor()
    state_zone(connection, zone)
    return connection


def state_default(threads: int | None = None) -> None:
    """Set the zone of DuckDB's default database to UTC, and its number of threads, once.

    That database is the user's. But a task that calls `duckdb.sql`, or opens a cursor, uses it, and
    then results would depend on the machine's zone. A zone that the user has set on a connection is
    kept, and so is a number of threads other than DuckDB's default. `threads` is remembered for
    this process. If DuckDB is not imported yet, this is done as soon as any module imports it.
    """
    global _threads  # noqa: PLW0603 - of the process, as the database is
    _threads = threads or _threads
    if "duckdb" in sys.modules:
        import duckdb

        _state(duckdb)
    elif _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def import_for_ourselves() -> None:
    """Import DuckDB, if it is not there yet, and leave the user's default database closed.

    To open it takes 25 milliseconds. It is set up when the next call of a task begins.
    """
    is_found = _FINDER in sys.meta_path
    if is_found:
        sys.meta_path.remove(_FINDER)
    try:
        import duckdb  # noqa: F401 - for those who import it after this
    finally:
        if is_found:
            sys.meta_path.insert(0, _FINDER)


def _state(duckdb: ModuleType) -> None:
    global _stated  # noqa: PLW0603 - of the process, as the default connection is
    with _stating:
        connection = duckdb.default_connection()
        if connection is _stated:
            return
        _stated = connection
        with suppress(duckdb.Error):  # Such as a connection whose transaction has failed.
            connection.execute("set global TimeZone = 'UTC'")
            if _threads is not None and _has_all_processors(connection):
                connection.execute(f"set threads = {_threads}")


def _has_all_processors(connection: duckdb.DuckDBPyConnection) -> bool:
    threads = connection.execute("select current_setting('threads')").fetchall()[0][0]
    return int(threads) in (processors(), os.cpu_count())


class _Finder(MetaPathFinder):
    """Finds DuckDB as the other finders do, and sets up its default database once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec from the first of the other finders, with our loader; None for other modules."""
        if fullname != "duckdb":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Loads DuckDB by its own loader, and leaves no trace of itself in the module."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as its own loader does; then set up its default database."""
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _state(module)


_FINDER: Final = _Finder()
_threads: int | None = None
_stated: duckdb.DuckDBPyConnection | None = None
_stating = threading.Lock()


class Relations:
    """The relations that one call of a task gets: all on one connection, so they can be joined.

    The connection is opened with the first relation. Used as a context, it is closed at the end;
    since relations are lazy, that must be after the call's result was computed. In the main thread
    it is DuckDB's default connection until then: `duckdb.sql("... from sales")` runs on it, and
    what `duckdb.read_csv` returns can be joined with these relations. Other threads leave the
    default connection as it is, because they share it. Moments are shown and truncated in `zone`;
    in queries that the call makes on other connections, in UTC.
    """

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = zone
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._default: duckdb.DuckDBPyConnection | None = None
        self._is_entered = False

    def over(self, table: pa.Table) -> duckdb.DuckDBPyRelation:
        """A relation over a table's rows."""
        if self._connection is None:
            self._connection = self._opened()
        return self._connection.from_arrow(table)

    def __enter__(self) -> Self:
        self._is_entered = True
        state_default()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, if one was opened; the default one is what it was before."""
        self._is_entered = False
        if self._connection is None:
            return
        if self._default is not None:
            _put_back(self._default, instead_of=self._connection)
        self._connection.close()
        self._connection = self._default = None

    def _opened(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        opened = connection_for_call(self._zone)
        if self._is_entered and threading.current_thread() is threading.main_thread():
            self._default = duckdb.default_connection()
            duckdb.set_default_connection(opened)
        return opened


def _put_back(default: duckdb.DuckDBPyConnection, instead_of: duckdb.DuckDBPyConnection) -> None:
    """Make a connection the default again, unless the task has chosen another one for itself.

    One that the task closed was replaced by DuckDB with a new one, which nobody has chosen.
    """
    import duckdb

    if duckdb.default_connection() is instead_of:
        duckdb.set_default_connection(default)


def quoted_name(name: str) -> str:
    """A name quoted for SQL, which may be a keyword or have any characters."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
