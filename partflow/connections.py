"""The DuckDB connections that tasks get: one for each call, opened and closed here, nowhere else.

Knows nothing of datasets and tasks, or of what is asked of a connection.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    import duckdb
    import pyarrow as pa


def connection_for_call() -> duckdb.DuckDBPyConnection:
    """Opens the connection that one call of a task gets, in a few microseconds.

    This is the one place where such a connection is opened: settings that all of them are to have
    (a time zone) are made here, on the connection that is returned, before anything is asked of it.

    It is a connection of its own to the database of DuckDB's default connection. So tables and
    functions that the user's modules made there are seen, and `duckdb.sql` can read its relations;
    what belongs to one connection alone (settings of the session, temporary tables, what was
    registered) is not shared.
    """
    import duckdb

    return duckdb.default_connection().cursor()


class Relations:
    """The relations that one call of a task gets: all of one connection, so they can be joined.

    The connection is opened with the first relation. As a context it lasts until what the call
    returned has been computed, since a relation is lazy; then it is closed. In the main thread it
    is DuckDB's default connection meanwhile: `duckdb.sql("... from sales")` runs on it, and what
    `duckdb.read_csv` gives can be joined with what was handed over. Other threads share the
    default connection, so theirs is left as it is.
    """

    def __init__(self) -> None:
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

        opened = connection_for_call()
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
