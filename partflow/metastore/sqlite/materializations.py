"""What is current of partitions, and what was before, as SQLite keeps it.

Knows nothing of how it came to be recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from partflow.errors import understood
from partflow.metastore.columns import Columns, columns_of
from partflow.metastore.record import Record, Seen
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.rows import record_of
from partflow.metastore.sqlite.statements import Statements

_SQL = Statements("materializations")
_WIDTH = 22
"""How many columns `record_of` takes."""


class SqliteMaterializations(Database):
    """See `Materializations`."""

    def records(self, node: str, key: str | None = None) -> list[Record]:
        """What is current of a node, or of one partition of it, even if that was only claimed."""
        if key is None:
            return [record_of(row) for row in self._ask(_SQL["records"], (node,))]
        return [record_of(row) for row in self._ask(_SQL["record"], (node, key))]

    def current(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """What is current of each of these (node, key), if there is anything."""
        rows = (row for pair in wanted for row in self._ask(_SQL["record"], pair))
        return {(r.node, r.key): r for r in map(record_of, rows)}

    def history(self, node: str, key: str) -> list[Record]:
        """Every materialization of a partition, the newest first."""
        return [
            replace(record_of(row[:_WIDTH]), how=row[_WIDTH], note=row[_WIDTH + 1])
            for row in self._ask(_SQL["history"], (node, key))
        ]

    def failures(self) -> list[tuple[str, str]]:
        """The (node, key) of all partitions whose last attempt failed."""
        return [(str(node), str(key)) for node, key in self._ask(_SQL["failures"])]

    def changes(self, node: str, after: int) -> list[str]:
        """The keys of a node's partitions whose content changed last after that number."""
        return [str(key) for (key,) in self._ask(_SQL["changes"], (node, after))]

    def newer(self, node: str, after: int) -> Columns:
        """What is current of a node and has a higher number than `after`, as columns."""
        rows = self._ask(_SQL["newer"], (node, after))
        with understood(f"the records of {node}"):
            return columns_of(rows)

    def seen(self, record: Record) -> list[Seen]:
        """What was seen while a record's partition was made; nothing if it was made again since."""
        rows = self._ask(_SQL["seen"], (record.node, record.key, record.run))
        with understood(f"what was seen of {record.node}@{record.key}"):
            return [
                Seen(str(kind), str(what), sha256 and str(sha256)) for kind, what, sha256 in rows
            ]
