"""Opens DuckDB's connections, all of them, with the settings that could change what they answer.

Knows nothing of datasets and tasks, or of what is asked of a connection.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from partflow.process.machine import processors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

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

The zone and the calendar are such too, and can only be set once a connection is open. Of all of
them only the zone is the machine's where nobody states it.
"""


def opened(
    path: Path | str = ":memory:",
    *,
    zone: str = "UTC",
    read_only: bool = False,
    settings: Mapping[str, str | bool | int | float | list[str]] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Opens a connection of partflow's own; `settings` stand beside those that are stated.

    This is the one place that opens a database of DuckDB. Raises DuckDB's error for a file that is
    none.
    """
    import duckdb

    config: Settings = {**STATED, **(settings or {})}
    connection = duckdb.connect(path, read_only=read_only, config=config)
    connection.execute("set Calendar = 'gregorian'")
    state_zone(connection, zone)
    return connection


def state_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    """Says by which zone's clock moments are shown, cut and cast; DuckDB would ask the machine."""
    quoted = zone.replace("'", "''")
    connection.execute(f"set session TimeZone = '{quoted}'")


def connection_for_call(zone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """Opens the connection that one call of a task gets, in a fraction of a millisecond.

    It is a connection of its own to the database of DuckDB's default connection. So tables and
    functions that the user's modules made there are seen, and `duckdb.sql` can read its relations;
    what belongs to one connection alone (settings of the session, temporary tables, what was
    registered) is not shared. What the modules set for the whole database holds here too.
    """
    import duckdb

    connection = duckdb.default_connection().cursor()
    state_zone(connection, zone)
    _share(connection)
    return connection


def share_processors(threads: int) -> None:
    """From now on DuckDB's default database has so many threads in this process.

    Unless the user's modules have set another number than DuckDB takes by itself.
    """
    global _threads  # noqa: PLW0603 - of the process, as the database is
    _threads = threads
    if "duckdb" in sys.modules:  # the tasks may ask it, whether they are handed relations or not
        import duckdb

        _share(duckdb.default_connection())


_threads: int | None = None


def _share(connection: duckdb.DuckDBPyConnection) -> None:
    global _threads  # noqa: PLW0603 - once a process
    if _threads is None:
        return
    now = connection.execute("select current_setting('threads')").fetchall()[0][0]
    if int(now) in (processors(), os.cpu_count()):
        connection.execute(f"set threads = {_threads}")
    _threads = None


def state_default() -> None:
    """Gives the database of DuckDB's default connection UTC, once.

    It is the user's; but a task that says `duckdb.sql`, or opens a cursor, speaks to it, and the
    machine's zone is nobody's choice. A zone that was set on one of its connections stays.
    """
    global _stated  # noqa: PLW0603 - of the process, as the default connection is
    import duckdb

    with _stating:
        connection = duckdb.default_connection()
        if connection is _stated:
            return
        _stated = connection
        with suppress(duckdb.Error):  # as of one in a transaction that failed
            connection.execute("set global TimeZone = 'UTC'")


_stated: duckdb.DuckDBPyConnection | None = None
_stating = threading.Lock()


class Relations:
    """The relations that one call of a task gets: all of one connection, so they can be joined.

    The connection is opened with the first relation. As a context it lasts until what the call
    returned has been computed, since a relation is lazy; then it is closed. In the main thread it
    is DuckDB's default connection meanwhile: `duckdb.sql("... from sales")` runs on it, and what
    `duckdb.read_csv` gives can be joined with what was handed over. Other threads share the
    default connection, so theirs is left as it is. Moments are shown and cut by the clock of
    `zone`. `is_asked` says that the call may speak to DuckDB without a relation.
    """

    def __init__(self, zone: str = "UTC", *, is_asked: bool = False) -> None:
        self._zone = zone
        self._is_asked = is_asked
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
        if self._is_asked or "duckdb" in sys.modules:
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
