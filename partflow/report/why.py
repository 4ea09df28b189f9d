"""Shows why one partition is in its state: reason, code, lineage, when and by which run.

Knows nothing of how the reason is found.
"""

from __future__ import annotations

from typing import Any

from partflow.metastore.record import Record
from partflow.operations.explain import LineageRead, Why
from partflow.partitions.keytexts import shown_key
from partflow.planning.planner import State
from partflow.report.text import aligned, bounded, count, moment, painted, printable, size, span

_COLOURS = {
    State.FRESH: "green",
    State.STALE: "yellow",
    State.MISSING: "yellow",
    State.WAITING: "blue",
    State.BLOCKED: "red",
}
_HOW = {
    "made": "made",
    "kept": "made again with equal content, so its file stayed,",
    "observed": "seen",
    "adopted": "found as it had been before, and adopted,",
    "accepted": "made",
    "done": "done",
    "rolled_back": "made, and put back later,",
    "released": "made, put back later and released,",
}
_KEYS = 5
_DIGITS = 12


def why_lines(why: Why) -> list[str]:
    """All of it as text, each part under its own head."""
    lines = [_headline(why)]
    lines += [
        f"  {_arrow(i)}{one.node}@{shown_key(one.key)}  {one.text}"
        for i, one in enumerate(why.links)
    ]
    lines += _part("code", aligned([(c.how, c.name) for c in why.code_changes] or [()]))
    lines += _part("reads", aligned([_read(r) for r in why.lineage] or [()]))
    lines += _part("made", _made(why))
    lines += _part("settles", _settling(why))
    lines += _part(
        "seen while it was made, and not counted: only what is declared makes it stale",
        aligned(
            [(x.kind, printable(f"{x.what} {since}".strip())) for x, since in why.seen] or [()]
        ),
    )
    if why.perhaps_done_by:
        lines += _part("perhaps done", [f"run {why.perhaps_done_by} began it and was cut off"])
    if why.failure and why.state is not State.FRESH:
        lines += _part("last attempt failed", bounded(why.failure))
    return lines + _part(
        "not followed: what the fingerprint of the code cannot see",
        aligned(
            [(printable(str(place)), printable(what)) for place, what in why.not_followed] or [()]
        ),
    )


def why_document(why: Why) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "dataset": why.node,
        "key": why.key,
        "state": why.state.name.lower(),
        "may_become_stale": why.may_become_stale,
        "reason": why.reason.name.lower(),
        "text": why.text,
        "task": why.task or None,
        "links": [{"dataset": x.node, "key": x.key, "text": x.text} for x in why.links],
        "code_changes": [{"name": c.name, "how": c.how} for c in why.code_changes],
        "lineage": [
            {
                "dataset": r.dataset,
                "first": r.first or None,
                "last": r.last or None,
                "count": r.count,
                "changed": list(r.changed),
            }
            for r in why.lineage
        ],
        "made": None if why.record is None else _record(why.record),
        "history": [_record(r) for r in why.history],
        "not_followed": [{"place": str(p), "what": w} for p, w in why.not_followed],
        "failure": why.failure,
        "perhaps_done_by": why.perhaps_done_by,
        "seen": [
            {"kind": x.kind, "what": x.what, "sha256": x.sha256, "since": since or None}
            for x, since in why.seen
        ],
        "settling": None
        if why.settling is None
        else {"again_at": moment(why.settling.again_at), "until": moment(why.settling.until)},
    }


def _headline(why: Why) -> str:
    state = painted(why.state.name.lower(), _COLOURS[why.state])
    said = f"{why.node}@{shown_key(why.key)} is {state}"
    if why.may_become_stale:
        return f"{said}, and may become stale {why.text}"
    return said if why.state.name.lower() == why.text else f"{said}: {why.text}"


def _part(head: str, lines: list[str]) -> list[str]:
    shown = [f"  {line}" for line in lines if line]
    return [head, *shown] if shown else []


def _arrow(depth: int) -> str:
    return "because " if depth == 0 else "        "


def _read(read: LineageRead) -> tuple[str, ...]:
    if not read.count:
        return read.dataset, "nothing", ""
    what = count(read.count, "partition")
    if read.changed:
        keys = ", ".join(map(shown_key, read.changed[:_KEYS]))
        more = f" and {len(read.changed) - _KEYS:,} more" if len(read.changed) > _KEYS else ""
        what += f", {len(read.changed):,} changed since: {keys}{more}"
    return read.dataset, span(read.first, read.last), what


def _made(why: Why) -> list[str]:
    record = why.record
    if record is None:
        return [] if why.state is State.WAITING else ["never"]
    by = f" by run {record.run}" if record.run else ""
    # An accepted record keeps the moment of its making, and has the run that accepted it.
    note = why.history[0].note if why.history else None
    lines = [f"{_verb(why)} at {moment(record.made_at)}{'' if note else by}"]
    if note:
        lines = [*([] if record.pinned else lines), f"{printable(note)}, {by.strip()}"]
    if record.content:
        # Of a source only the content is recorded, not how many rows it has.
        rows = [count(record.rows, "row")] if why.task else []
        lines.append(", ".join([*rows, size(record.nbytes), _content(record)]))
    if record.code and why.task and not record.pinned:
        lines.append(f"by the code {record.code[:_DIGITS]} of {why.task}")
    if len(why.history) > 1:
        before = moment(why.history[1].made_at)
        lines.append(f"{len(why.history):,} times in all; the time before at {before}")
    return lines


def _settling(why: Why) -> list[str]:
    if why.settling is None:
        return []
    again, until = moment(why.settling.again_at), moment(why.settling.until)
    if again == until:
        return [f"at {until}; the first run after that makes it again, for good"]
    said = f"until then it is made again, next by the first run after {again}"
    return [f"at {until}; {said}, and once more after that"]


def _verb(why: Why) -> str:
    """The record does not say how it was made, the history does."""
    how = why.history[0].how if why.history else "made"
    return _HOW.get(how, printable(how))


def _content(record: Record) -> str:
    kind, _, digest = (record.content or "").partition(":")
    return f"content {kind}:{digest[:_DIGITS]}" if digest else f"content {kind[:_DIGITS]}"


def _record(record: Record) -> dict[str, Any]:
    return {
        "at": moment(record.made_at),
        "run": record.run,
        "how": record.how,
        "pinned": record.pinned,
        "note": record.note,
        "rows": record.rows,
        "bytes": record.nbytes,
        "content": record.content,
        "code": record.code,
        "sha256": record.sha256,
        "seq": record.seq,
    }
