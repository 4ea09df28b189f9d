"""What a look at files found, as SQLite keeps it: sources' contents, identities, schemas.

Knows nothing of how files are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partflow.metastore.record import Record
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.rows import SchemaNumbers, count_changes, put
from partflow.metastore.sqlite.statements import Statements

_SQL = Statements("observations")


class SqliteObservations(Database):
    """See `Observations`."""

    def observe(self, records: Sequence[Record], touched: Sequence[Record]) -> None:
        """Record the new contents of sources, and of touched files the new stat and schema."""
        with self._transaction() as c:
            count_changes(c, (r.node for r in records))
            count_changes(c, (r.node for r in touched), restated=True)
            schemas = SchemaNumbers(c)
            for record in records:
                put(c, record, schemas, epoch=None)
            for record in touched:
                identity = record.identity
                assert identity is not None
                values = {
                    "node": record.node, "key": record.key, "sha256": record.sha256,
                    "rules": record.rules, "size": identity.size, "mtime_ns": identity.mtime_ns,
                    "ctime_ns": identity.ctime_ns, "inode": identity.inode,
                    "schema": schemas.of(record.schema) if record.schema else None,
                }  # fmt: skip
                c.execute(_SQL["touch"], values)

    def describe(self, looked: Iterable[tuple[str, str, str | None, str]]) -> None:
        """Record schemas that were looked up, each (node, key, content, schema); "" if it has none.

        A schema is recorded only if the partition still has that content.
        """
        rows = list(looked)
        with self._transaction() as c:
            count_changes(c, (node for node, _, _, _ in rows), restated=True)
            schemas = SchemaNumbers(c)
            for node, key, content, text in rows:
                number = schemas.of(text) if text else 0
                c.execute(_SQL["describe"], (number, node, key, content))

    def schemas(self, node: str) -> dict[int | None, str]:
        """The schemas that a node's partitions have, by number; "" for None and 0.

        None stands for those that nobody has looked up, 0 for those that have none.
        """
        texts: dict[int | None, str] = {}
        if self._ask(_SQL["any_unlooked"], (node,)):
            texts[None] = ""
        last = -1
        while rows := self._ask(_SQL["next_schema"], (node, last)):
            last = int(str(rows[0][0]))
            texts[last] = str(rows[0][1] or "")
        return texts

    def unlooked(self, node: str, at_most: int = -1) -> list[str]:
        """The keys of at most so many partitions of unknown schema; of all if `at_most` is -1."""
        return [str(key) for (key,) in self._ask(_SQL["unlooked"], (node, at_most))]

    def key_range(self, node: str) -> tuple[str, str]:
        """The first and the last key of a node that was ever claimed or observed; "" if none."""
        first, last = self._ask(_SQL["key_range"], (node,))[0]
        return str(first or ""), str(last or "")

    def shapes(self, node: str) -> dict[str, tuple[str, tuple[int, int, int, int]]]:
        """For each key of a node the text of its schema, "" if unknown, and its file's stat.

        The stat is size, time of modification, time of change (both in ns) and inode.
        """
        texts = {int(str(number)): str(text) for number, text in self._ask(_SQL["schemas"])}
        rows = self._connection.execute(_SQL["shapes"], (node,))
        return {r[0]: (texts.get(r[1], ""), r[2:]) for r in rows}
