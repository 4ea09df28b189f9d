"""Forgets what nothing that is current needs, and gives room back, as SQLite does it.

Knows nothing of the files that are kept, nor of what is declared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress

import apsw

from partflow.metastore.record import Lasting, Replaced, mark
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.statements import Statements
from partflow.store.opening import alone_with

_SQL = Statements("thinning")
_AT_ONCE = 5_000
"""So many are forgotten in one transaction: others that wait to write wait for moments."""
_WORTH = 2**20, 4
"""A file gives its free room back if that is so many bytes, and one part in so many of the file."""


class SqliteThinning(Database):
    """See `Thinning`."""

    def replaced(self, contents: int, but: Collection[str]) -> list[Replaced]:
        """The materializations that nothing current rests on; see `Thinning`."""
        last = int(str(self._ask(_SQL["seq"])[0][0] or 0))
        firsts = [last]
        for ((first,),) in (
            self._ask(_SQL["first_of_runs"], (json.dumps(sorted(but)),)),
            self._ask(_SQL["newest"]) or [(None,)],
        ):
            firsts += [] if first is None else [int(first)]
        values = {"first": min(firsts), "contents": contents}
        rows = self._connection.execute(_SQL["replaced"], values)
        return [Replaced(int(str(row[0])), str(row[1]), str(row[2]), row[3]) for row in rows]

    def lasting(self, but: Collection[int]) -> Lasting:
        """The marks and codes of all that is recorded; see `Thinning`."""
        marks: set[int] = set()
        codes: set[str] = set()
        rows = self._connection.execute(_SQL["makings"])
        for seq, node, key, content, code, inputs, made_at, run, sha256 in rows:
            if seq not in but:
                marks.add(mark(node, key, content, code, inputs or b"", made_at, run, sha256))
                codes.add(code)
        return Lasting(marks, codes)

    def other_codes(self, used: Collection[str]) -> list[str]:
        """The code fingerprints that are recorded beside these."""
        rows = self._ask(_SQL["other_codes"], (json.dumps([*used]),))
        return [str(code) for (code,) in rows]

    def forget(self, numbers: Sequence[int], codes: Sequence[str], effects: Sequence[str]) -> None:
        """Forget materializations by their numbers, codes by their digests, effects by name."""
        for first in range(0, len(numbers), _AT_ONCE):
            with self._transaction() as c:
                some = numbers[first : first + _AT_ONCE]
                c.executemany(_SQL["forget"], [(number,) for number in some])
        if codes or effects:
            with self._transaction() as c:
                c.executemany(_SQL["forget_code"], [(code,) for code in codes])
                c.executemany(_SQL["forget_effect"], [(effect,) for effect in effects])

    def give_back(self) -> None:
        """Make the file smaller if that is worth it; see `Thinning`."""
        ((pages, free, size),) = self._ask(_SQL["room"])
        least, part = _WORTH
        if self._lock is None or free * size < least or free * part < pages:
            return
        self._require_current()
        # What cannot be given back now is found again the next time.
        refused = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError)
        with alone_with(self._lock), suppress(*refused):
            self._connection.execute("VACUUM")
            self._connection.execute(_SQL["fold_in"])
