"""Records as rows of the metastore's tables, and back.

Knows nothing of transactions, locks or epochs but how they are written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from partflow.errors import understood
from partflow.metastore.record import LARGEST, Intent, Record
from partflow.store.identity import FileIdentity

if TYPE_CHECKING:
    import apsw

RESTATED = 1 << 32
"""What is added to a node's version where records were changed that keep their numbers."""

COLUMNS = (
    "node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, "
    "size, mtime_ns, ctime_ns, inode, made_at, run, seq, content_seq, failure, pinned, rules"
)


def record_of(row: Sequence[Any]) -> Record:
    """The record in a row of `COLUMNS`."""
    size, mtime_ns, ctime_ns, inode = row[11:15]
    found = Record(
        node=row[0], key=row[1], start=row[2], content=row[3], code=row[4], inputs=row[5] or b"",
        reads=row[6], read_seq=row[7], rows=row[8], nbytes=row[9], sha256=row[10],
        identity=None if size is None else FileIdentity(size, mtime_ns, ctime_ns, inode),
        made_at=row[15], run=row[16], seq=row[17], content_seq=row[18], failure=row[19],
        pinned=bool(row[20]), rules=row[21],
    )  # fmt: skip
    with understood(f"{found.node}@{found.key}"):
        return found.checked()


def intent_of(row: Sequence[Any]) -> Intent:
    """The intent in a row of the table of intents, without its number."""
    step, node, key, epoch, staged, old, new, record = row
    with understood(f"what is intended of {node}@{key}"):
        found = Record.from_json(record)
        if (found.node, found.key) != (node, key):
            raise ValueError(f"its record is of {found.node}@{found.key}")
    return Intent(step, node, key, epoch, staged, old, new, found)


def version_of(node: str, number: object) -> int:
    """How often a node was changed, as its row says; it has room for as many changes again."""
    with understood(f"the changes of {node}"):
        found = int(str(number))
        if not 0 <= found <= LARGEST:
            raise ValueError(f"they are {found}")
    return found


def count_changes(c: apsw.Connection, nodes: Iterable[str], *, restated: bool = False) -> None:
    """Count a change of each of the nodes; `restated` if what has its number already was changed.

    What is current with a higher number than any before is all that else can have changed.
    """
    c.executemany(
        "INSERT INTO nodes VALUES (?1, ?2) "
        "ON CONFLICT (node) DO UPDATE SET version = version + excluded.version",
        [(node, RESTATED if restated else 1) for node in sorted(set(nodes))],
    )


def put(c: apsw.Connection, r: Record, *, epoch: int | None, seq: int | None = None) -> None:
    """Make a record current and append it to the history, under that number or else the next."""
    identity = r.identity or FileIdentity(0, 0, 0, 0)
    where = "WHERE node = ? AND key = ?"
    was = c.execute(
        f"SELECT content, content_seq, schema FROM partitions {where}",  # noqa: S608 - no input
        (r.node, r.key),
    ).fetchall()
    history = {
        "node": r.node, "key": r.key, "start": r.start, "content": r.content, "code": r.code,
        "inputs": r.inputs, "reads": r.reads, "read_seq": r.read_seq, "rows": r.rows,
        "nbytes": r.nbytes, "sha256": r.sha256, "made_at": r.made_at, "run": r.run,
        "pinned": int(r.pinned), "rules": r.rules,
    }  # fmt: skip
    numbered = {} if seq is None else {"seq": seq}
    _insert(c, "materializations", {**numbered, **history, "how": r.how, "note": r.note})
    seq = c.last_insert_rowid()
    same = bool(was) and was[0][0] == r.content and r.content is not None
    # Contents that are equal have the same columns and types.
    kept = was[0][2] if same else None
    current = {
        **history, "seq": seq, "content_seq": was[0][1] if same else seq, "failure": None,
        "size": identity.size, "mtime_ns": identity.mtime_ns, "ctime_ns": identity.ctime_ns,
        "inode": identity.inode, "schema": kept if r.schema is None else schema_id(c, r.schema),
    }  # fmt: skip
    fixed = ("node", "key", "start")
    changed = ", ".join(f"{name} = excluded.{name}" for name in current if name not in fixed)
    _insert(
        c,
        "partitions",
        {**current, "epoch": epoch or 0},
        f" ON CONFLICT (node, key) DO UPDATE SET {changed}",
    )


def schema_id(c: apsw.Connection, text: str) -> int:
    """The number of a schema; it gets one if it has none."""
    c.execute("INSERT OR IGNORE INTO schemas (columns) VALUES (?)", (text,))
    return int(str(c.execute("SELECT id FROM schemas WHERE columns = ?", (text,)).fetchall()[0][0]))


def _insert(c: apsw.Connection, name: str, values: dict[str, Any], suffix: str = "") -> None:
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    c.execute(
        f"INSERT INTO {name} ({columns}) VALUES ({marks}){suffix}",  # noqa: S608 - own names only
        tuple(values.values()),
    )
