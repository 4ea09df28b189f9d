"""The life of publications in SQLite: what is claimed, intended, recorded and abandoned.

Knows nothing of the files that are published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from partflow.errors import PublishError
from partflow.metastore.record import Intent, LogLines
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.rows import (
    SchemaNumbers,
    begin_effects,
    count_changes,
    end_effects,
    intent_of,
    put,
    write_log,
)
from partflow.metastore.sqlite.statements import Statements
from partflow.partitions.keytexts import shown_key
from partflow.store.failpoints import failpoint

if TYPE_CHECKING:
    import apsw

_SQL = Statements("publications")


class SqlitePublications(Database):
    """See `Publications`."""

    def claim(
        self,
        owner: str,
        wanted: Iterable[tuple[str, str, int]],
        begun: Iterable[tuple[str, str]] = (),
    ) -> dict[tuple[str, str], int]:
        """Raise the epoch of each (node, key, start) by one; returns the new epochs.

        `begun` are the (effect, key) of effects that the owner begins now.
        """
        epochs = {}
        with self._transaction() as c:
            begin_effects(c, ((node, key, owner) for node, key in begun))
            claim = _SQL["claim"]
            for node, key, start in wanted:
                values = {"node": node, "key": key, "start": start, "owner": owner}
                epochs[node, key] = int(str(c.execute(claim, values).fetchall()[0][0]))
        failpoint("claimed")
        return epochs

    def intend(self, intents: Sequence[Intent]) -> None:
        """Record what is about to be renamed; PublishError if an epoch is no longer the owner's."""
        with self._transaction() as c:
            _check_epochs(c, intents)
            rows = (
                (i.step, i.node, i.key, i.epoch, i.staged, i.old_sha256, i.new_sha256,
                 i.record.to_json())
                for i in intents
            )  # fmt: skip
            c.executemany(_SQL["intend"], rows)
        failpoint("intended")

    def check(self, intents: Sequence[Intent]) -> None:
        """Raise PublishError if another owner has claimed one of the partitions since.

        Or if this metastore is no longer the one in its place: its epochs say nothing then.
        """
        self._require_current()
        _check_epochs(self._connection, intents)
        failpoint("checked")

    def commit(
        self,
        intents: Sequence[Intent],
        log: LogLines | None = None,
        dropped: Sequence[Intent] = (),
    ) -> None:
        """Make the records of published intents current, and forget the intents.

        In the same transaction the lines are logged, and the `dropped` intents forgotten.
        PublishError, and nothing is written, if another owner has claimed one of the partitions
        since.
        """
        with self._transaction() as c:
            if log is not None:
                write_log(c, log)
            count_changes(c, (i.node for i in intents))
            _check_epochs(c, intents)
            schemas = SchemaNumbers(c)
            for intent in intents:
                put(c, intent.record, schemas, epoch=intent.epoch)
            end_effects(c, ((i.node, i.key, i.run) for i in intents if i.record.how == "done"))
            _drop(c, (*intents, *dropped))
        failpoint("recorded")

    def abandon(self, intents: Sequence[Intent]) -> None:
        """Forget intents whose files were not renamed."""
        with self._transaction() as c:
            _drop(c, intents)
        failpoint("abandoned")

    def intents(self) -> list[Intent]:
        """The intents that were neither committed nor abandoned, in their order."""
        return [intent_of(row) for row in self._ask(_SQL["intents"])]

    def log(self, lines: LogLines, failures: Sequence[tuple[str, str, str]] = ()) -> None:
        """Write lines of a run's log, and (node, key, message) of what failed in it.

        A failure is not recorded of what another owner has claimed since.
        """
        with self._transaction() as c:
            write_log(c, lines)
            count_changes(c, (node for node, _, _ in failures), restated=True)
            c.executemany(_SQL["fail"], [(*failure, lines.run) for failure in failures])


def _drop(c: apsw.Connection, intents: Iterable[Intent]) -> None:
    """Forget intents; the table is looked through once, and not again for each of them."""
    dropped = {(i.node, i.key, i.epoch) for i in intents}
    ids = [(row[0],) for row in c.execute(_SQL["pending"]) if row[1:] in dropped]
    c.executemany(_SQL["drop_intent"], ids)


def _check_epochs(c: apsw.Connection, intents: Sequence[Intent]) -> None:
    """Raise PublishError if the epoch of any of the partitions is not that of its intent."""
    wanted = json.dumps([(i.node, i.key) for i in intents])
    present = {(node, key): (epoch, owner) for node, key, epoch, owner in
               c.execute(_SQL["epochs"], (wanted,))}  # fmt: skip
    for intent in intents:
        epoch, other = present.get((intent.node, intent.key), (None, "?"))
        if epoch != intent.epoch:
            raise PublishError(
                f"{intent.node}@{shown_key(intent.key)} is not published: another run "
                f"({other}) has claimed it since; what it makes stands"
            )
