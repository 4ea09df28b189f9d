"""What calls were seen to do beside reading their inputs, as the metastore keeps it.

Knows nothing of how it is seen. Only what is current is kept: the next making replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from partflow.errors import understood
from partflow.metastore.record import Record, Seen
from partflow.metastore.sqlite.metastore import Metastore

if TYPE_CHECKING:
    import apsw

Sighting = tuple[str, str, str, Seen]
"""A node, a key, the run that made it, and one thing that was seen meanwhile."""


def write_sightings(
    c: apsw.Connection, made: Iterable[tuple[str, str]], found: Sequence[Sighting]
) -> None:
    """Replace what is known of each (node, key) that was made, in the caller's transaction."""
    if c.execute("SELECT 1 FROM seen LIMIT 1").fetchall():
        c.executemany("DELETE FROM seen WHERE node = ? AND key = ?", made)
    c.executemany(
        "INSERT OR REPLACE INTO seen (node, key, run, kind, what, sha256) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(node, key, run, one.kind, one.what, one.sha256) for node, key, run, one in found],
    )


def sightings_of(metastore: Metastore, record: Record) -> list[Seen]:
    """What was seen while a partition was made, if that record is of this making."""
    rows = metastore.connection.execute(
        "SELECT kind, what, sha256 FROM seen WHERE node = ? AND key = ? AND run = ? "
        "ORDER BY kind = 'address', kind = 'program', what",
        (record.node, record.key, record.run),
    )
    with understood(f"what was seen of {record.node}@{record.key}"):
        return [Seen(str(kind), str(what), sha256 and str(sha256)) for kind, what, sha256 in rows]
