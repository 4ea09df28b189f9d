"""Turns records into rows of the metastore's tables, and back.

Knows nothing of transactions: what writes here does so within one of its caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from partflow.errors import understood
from partflow.metastore.record import (
    LARGEST,
    RESTATED,
    Intent,
    LogLines,
    Record,
    RunRow,
    Seen,
    StepLog,
    require_moment,
)
from partflow.metastore.sqlite.statements import Statements
from partflow.store.identity import FileIdentity

if TYPE_CHECKING:
    import apsw

_SQL = Statements("rows")
_STEP = tuple(field.name for field in fields(StepLog))


def record_of(row: Sequence[Any]) -> Record:
    """The record in a row, whose columns are in this order; MetastoreError if it can be none."""
    size, mtime_ns, ctime_ns, inode = row[11:15]
    record = Record(
        node=row[0], key=row[1], start=row[2], content=row[3], code=row[4], inputs=row[5] or b"",
        reads=row[6], read_seq=row[7], rows=row[8], nbytes=row[9], sha256=row[10],
        identity=None if size is None else FileIdentity(size, mtime_ns, ctime_ns, inode),
        made_at=row[15], run=row[16], seq=row[17], content_seq=row[18], failure=row[19],
        pinned=bool(row[20]), rules=row[21],
    )  # fmt: skip
    with understood(f"{record.node}@{record.key}"):
        return record.checked()


def intent_of(row: Sequence[Any]) -> Intent:
    """The intent in a row of its table, without its number; MetastoreError if it can be none."""
    step, node, key, epoch, staged, old, new, record = row
    with understood(f"what is intended of {node}@{key}"):
        intended = Record.from_json(record)
        if (intended.node, intended.key) != (node, key):
            raise ValueError(f"its record is of {intended.node}@{intended.key}")
    return Intent(step, node, key, epoch, staged, old, new, intended)


def version_of(node: str, number: object) -> int:
    """How often a node was changed, as its row says; MetastoreError if that can't be."""
    with understood(f"the changes of {node}"):
        count = int(str(number))
        if not 0 <= count <= LARGEST:
            raise ValueError(f"they are {count}")
    return count


def run_of(row: Sequence[Any]) -> RunRow:
    """The run in a row, whose columns are in the order of the fields; MetastoreError if none."""
    run = RunRow(*row)
    with understood(f"the run {run.id}"):
        require_moment("started_at", run.started_at)
        require_moment("finished_at", run.finished_at or 0.0)
    return run


def step_of(row: Sequence[Any]) -> StepLog:
    """The attempt in a row, its columns in the order of the fields; MetastoreError if none."""
    step = StepLog(*(*row[:-1], bool(row[-1])))
    with understood(f"the log of {step.task}@{step.key}"):
        require_moment("began_at", step.began_at)
        require_moment("seconds", step.seconds)
        require_moment("cpu", step.cpu)
    return step


def count_changes(c: apsw.Connection, nodes: Iterable[str], *, restated: bool = False) -> None:
    """Count a change of each of the nodes; `restated` if records changed that keep their numbers.

    Any other change is a record with a higher number than all before it.
    """
    added = RESTATED if restated else 1
    c.executemany(_SQL["count_change"], [(node, added) for node in sorted(set(nodes))])


def put(
    c: apsw.Connection,
    r: Record,
    schemas: SchemaNumbers,
    *,
    epoch: int | None,
    seq: int | None = None,
) -> None:
    """Make a record current and append it to the history, under that number or else the next."""
    identity = r.identity or FileIdentity(0, 0, 0, 0)
    was = c.execute(_SQL["present"], (r.node, r.key)).fetchall()
    history = {
        "node": r.node, "key": r.key, "start": r.start, "content": r.content, "code": r.code,
        "inputs": r.inputs, "reads": r.reads, "read_seq": r.read_seq, "rows": r.rows,
        "nbytes": r.nbytes, "sha256": r.sha256, "made_at": r.made_at, "run": r.run,
        "pinned": int(r.pinned), "rules": r.rules,
    }  # fmt: skip
    c.execute(_SQL["append"], {**history, "seq": seq, "how": r.how, "note": r.note})
    seq = c.last_insert_rowid()
    same = bool(was) and was[0][0] == r.content and r.content is not None
    # Equal contents have the same schema.
    kept = was[0][2] if same else None
    current = {
        **history, "epoch": epoch or 0, "seq": seq, "content_seq": was[0][1] if same else seq,
        "size": identity.size, "mtime_ns": identity.mtime_ns, "ctime_ns": identity.ctime_ns,
        "inode": identity.inode, "schema": kept if r.schema is None else schemas.of(r.schema),
    }  # fmt: skip
    c.execute(_SQL["replace"], current)


class SchemaNumbers:
    """The numbers of schemas, within one transaction."""

    def __init__(self, c: apsw.Connection) -> None:
        self._connection = c
        self._known: dict[str, int] = {}

    def of(self, text: str) -> int:
        """The number of a schema, which gets one if it has none."""
        if text not in self._known:
            self._connection.execute(_SQL["add_schema"], (text,))
            rows = self._connection.execute(_SQL["schema_id"], (text,)).fetchall()
            self._known[text] = int(str(rows[0][0]))
        return self._known[text]


def begin_effects(c: apsw.Connection, begun: Iterable[tuple[str, str, str]]) -> None:
    """Record each (effect, key, run) as begun."""
    c.executemany(_SQL["begin_effect"], begun)


def end_effects(c: apsw.Connection, ended: Iterable[tuple[str, str, str]]) -> None:
    """Record that it is known how each (effect, key, run) ended.

    What another run has begun since stays begun.
    """
    c.executemany(_SQL["end_effect"], ended)


def write_log(c: apsw.Connection, lines: LogLines) -> None:
    """Add lines to the log of a run."""
    steps = (
        {name: getattr(step, name) for name in _STEP} | {"run": lines.run, "finished_at": lines.at}
        for step in lines.steps
    )
    c.executemany(_SQL["add_step"], steps)
    end_effects(c, ((node, key, lines.run) for node, key in lines.ended))
    if lines.seen:
        write_seen(c, lines.run, lines.seen)


def write_seen(
    c: apsw.Connection, run: str, materialized: Sequence[tuple[str, str, Sequence[Seen]]]
) -> None:
    """Replace what was seen of each (node, key) by what was seen while this run made it."""
    if c.execute(_SQL["any_seen"]).fetchall():
        c.executemany(_SQL["forget_seen"], [(node, key) for node, key, _ in materialized])
    c.executemany(
        _SQL["add_seen"],
        [
            (node, key, run, s.kind, s.what, s.sha256)
            for node, key, seen in materialized
            for s in seen
        ],
    )
