"""How far the record has come in SQLite, and the code and the effects that runs knew.

Knows nothing of what a code or an effect is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from partflow.errors import understood
from partflow.metastore.record import CodeRecord, Known
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.rows import (
    SchemaNumbers,
    begin_effects,
    count_changes,
    end_effects,
    put,
    version_of,
    write_seen,
)
from partflow.metastore.sqlite.statements import Statements

if TYPE_CHECKING:
    import apsw

_SQL = Statements("standing")


class SqliteStanding(Database):
    """See `Standing`, `CodesAndEffects`, `Noting` and `Incarnation`."""

    @property
    def seq(self) -> int:
        """The number of the last materialization; 0 if there is none."""
        return int(self._ask(_SQL["seq"])[0][0] or 0)

    def versions(self) -> tuple[str, dict[str, int]]:
        """The incarnation of this metastore, and how often each node was changed in it."""
        rows = self._ask(_SQL["versions"])
        return self.incarnation, {str(node): version_of(node, number) for node, number in rows}

    def newest_at(self) -> int:
        """When what was made or observed last was, in epoch seconds.

        It is 0 if nothing was recorded since `trust_clock`, or ever. What was put back or accepted
        does not count: it has the time at which it was once made.
        """
        rows = self._ask(_SQL["newest_at"])
        return int(str(rows[0][0])) if rows else 0

    def trust_clock(self) -> None:
        """Note that what was recorded up to now is no reason to doubt the clock."""
        with self._transaction() as c:
            c.execute(_SQL["note"], ("clock_trusted", str(self.seq)))

    @property
    def shown(self) -> str:
        """What was noted of the catalog that was written last; "" if nothing was."""
        rows = self._ask(_SQL["shown"])
        return str(rows[0][0]) if rows else ""

    def note_shown(self, digest: str) -> None:
        """Note what the catalog shows, in place of what was noted before."""
        with self._transaction() as c:
            c.execute(_SQL["note"], ("shown", digest))

    def noted(self, kind: str) -> dict[str, str]:
        """The texts of a kind, by name."""
        before = f"{kind} "
        rows = self._ask(_SQL["noted"], (before,))
        return {str(name).removeprefix(before): str(text) for name, text in rows}

    def note(self, kind: str, texts: Mapping[str, str | None]) -> None:
        """Note texts by name, each in place of what was noted before; None takes that away."""
        with self._transaction() as c:
            for name, text in texts.items():
                if text is None:
                    c.execute(_SQL["forget"], (f"{kind} {name}",))
                else:
                    c.execute(_SQL["note"], (f"{kind} {name}", text))

    def begin(self, codes: Mapping[str, CodeRecord], effects: Mapping[str, int]) -> None:
        """Record code fingerprints with their parts, and effects that were first seen now."""
        with self._transaction() as c:
            _begin(c, codes, effects)

    def code_parts(self, digest: str) -> dict[str, str]:
        """The named parts of a code fingerprint; empty if it was never recorded."""
        rows = self._ask(_SQL["code_parts"], (digest,))
        with understood(f"the code {digest}"):
            return dict(json.loads(str(rows[0][0]))) if rows else {}

    def code_rules(self, digests: Iterable[str]) -> dict[str, int]:
        """For each digest that was ever recorded, the last rules under which it was."""
        known: dict[str, int] = {}
        for digest in digests:
            rows = self._ask(_SQL["code_rules"], (digest,))
            with understood(f"the code {digest}"):
                known.update((digest, int(str(rules))) for (rules,) in rows)
        return known

    def effects(self) -> dict[str, int]:
        """For each effect the ordinal that was its newest due one when it was first seen."""
        return {str(name): int(str(since)) for name, since in self._ask(_SQL["effects"])}

    def begun(self) -> list[tuple[str, str, str]]:
        """The (effect, key, run) of effects that were begun and whose end is not recorded."""
        return [(str(node), str(key), str(run)) for node, key, run in self._ask(_SQL["begun"])]

    def end_effects(self, ended: Sequence[tuple[str, str, str]]) -> None:
        """Record that it is known how each begun (effect, key, run) ended."""
        with self._transaction() as c:
            end_effects(c, ended)

    def restore(self, known: Known) -> None:
        """Fill an empty metastore with what is known from elsewhere."""
        with self._transaction() as c:
            _begin(c, known.codes, known.effects)
            begin_effects(c, known.begun)
            count_changes(c, (r.node for r in known.records))
            schemas = SchemaNumbers(c)
            for seq, record in enumerate(known.records, known.first):
                put(c, record, schemas, epoch=None, seq=seq)
            for (node, key), (run, seen) in known.seen.items():
                write_seen(c, run, [(node, key, seen)])
            for (kind, name), text in known.noted.items():
                c.execute(_SQL["note"], (f"{kind} {name}", text))


def _begin(c: apsw.Connection, codes: Mapping[str, CodeRecord], effects: Mapping[str, int]) -> None:
    for digest, code in codes.items():
        c.execute(_SQL["add_code"], (digest, json.dumps(dict(code.parts)), code.rules))
    for name, since in effects.items():
        c.execute(_SQL["add_effect"], (name, since))
