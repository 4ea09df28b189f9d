"""Shows what was run: the runs in a row each, and the steps of one.

Knows nothing of where they are recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partflow.cli.columns import aligned, moment, painted, printable
from partflow.runlog import RunRow, StepLog

_COLOURS = {
    "done": "green",
    "made": "green",
    "failed": "red",
    "running": "cyan",
    "interrupted": "yellow",
}
_HEADS = ("run", "began", "seconds", "state", "ran", "unchanged", "skipped", "failed", "blocked")


def runs_lines(rows: Sequence[RunRow]) -> list[str]:
    """The runs, each on a line, the command last."""
    if not rows:
        return ["nothing was run yet"]
    texts = [(*_HEADS, "command"), *(_row(row) for row in rows)]
    return aligned(texts, right=(2, 4, 5, 6, 7, 8))


def run_lines(row: RunRow, steps: Sequence[StepLog]) -> list[str]:
    """One run with every attempt of its steps, the messages of those that failed below."""
    head = runs_lines([row])
    if not steps:
        return [*head, "no step of it came to an end"]
    table = aligned(
        [
            ("task", "partition", "attempt", "state", "reason", "seconds"),
            *(
                (s.task, s.key, str(s.attempt), s.state, s.reason, f"{s.seconds:.3f}")
                for s in steps
            ),
        ],
        right=(2, 5),
    )
    lines = [*head, "", table[0]]
    for line, step in zip(table[1:], steps, strict=True):
        lines.append(painted(line, _COLOURS.get(step.state) if step.message else None))
        lines += [f"    {said}" for said in (step.message or "").splitlines()]
    return lines


def run_document(row: RunRow) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run": row.id,
        "command": row.command,
        "started_at": moment(row.started_at),
        "finished_at": None if row.finished_at is None else moment(row.finished_at),
        "seconds": _seconds(row),
        "state": row.state,
        "ran": row.ran,
        "unchanged": row.unchanged,
        "skipped": row.skipped,
        "failed": row.failed,
        "blocked": row.blocked,
        "host": row.host,
        "owner": row.owner,
    }


def step_document(step: StepLog) -> dict[str, Any]:
    """An attempt as JSON."""
    return {
        "task": step.task,
        "key": step.key,
        "attempt": step.attempt,
        "state": step.state,
        "reason": step.reason,
        "seconds": round(step.seconds, 6),
        "message": step.message,
    }


def _row(row: RunRow) -> tuple[str, ...]:
    seconds = _seconds(row)
    counts = (row.ran, row.unchanged, row.skipped, row.failed, row.blocked)
    return (
        row.id,
        moment(row.started_at),
        "-" if seconds is None else f"{seconds:.1f}",
        row.state,
        *(f"{n:,}" for n in counts),
        printable(row.command),
    )


def _seconds(row: RunRow) -> float | None:
    return None if row.finished_at is None else round(row.finished_at - row.started_at, 3)
