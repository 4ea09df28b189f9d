"""Reports what was run: all runs, a row each; or one run with its tasks or steps.

Knows nothing of where they are recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from partflow.metastore.record import RunRow, StepLog
from partflow.partitions.keytexts import shown_key, shown_keys_in
from partflow.report.document import INLINE
from partflow.report.profile import TaskCost, TaskSum, profile_of, sums_of
from partflow.report.text import (
    aligned,
    bounded,
    count,
    moment,
    padded,
    painted,
    printable,
    room,
    size,
    span,
    tabled,
    width,
)
from partflow.report.timeline import Axis

if TYPE_CHECKING:
    from partflow.operations.cancel import End

FEW = 40
"""Up to this many attempts are shown one by one; more are shown by task."""

_COLOURS = {"done": "green", "failed": "red", "running": "cyan"}
_HEADS = (
    "run", "began", "seconds", "state", "ran", "unchanged", "skipped", "failed", "blocked",
    "cancelled", "by", "command",
)  # fmt: skip
_COUNTS = ("ran", "unchanged", "skipped", "failed", "blocked", "cancelled")
_NARROWEST, _WIDEST, _WITHOUT = 16, 60, 80
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run: when and how it ended, its counts, and who started it; moments in UTC."""

    run: str
    command: str
    request: str | None
    started_at: str
    finished_at: str | None
    seconds: float | None
    state: str
    note: str | None
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    cancelled: int
    host: str
    owner: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class StepReport:
    """An attempt at a step; numbers that older versions did not record are 0."""

    task: str
    key: str
    attempt: int
    state: str
    reason: str
    seconds: float
    message: str | None
    serial: int
    began_at: str | None
    cpu: float
    memory: int
    rows_in: int
    bytes_in: int
    rows_out: int
    bytes_out: int
    worker: int
    has_log: bool


@dataclass(frozen=True, slots=True)
class RunWithSteps:
    """One run, the cost of its tasks, the graph that it had, and its attempts."""

    run: RunReport = field(metadata=INLINE)
    profile: tuple[TaskCost, ...]
    graph: Mapping[str, Any] | None
    steps: tuple[StepReport, ...]


@dataclass(frozen=True, slots=True)
class RunsReport:
    """The last runs, the newest first."""

    runs: tuple[RunReport, ...]


@dataclass(frozen=True, slots=True)
class EndedReport:
    """A run that somebody cancelled, and how it ended."""

    run: RunReport = field(metadata=INLINE)
    end: End


@dataclass(frozen=True, slots=True)
class CutOffReport:
    """A run that was broken off, and the sentence to print at its end."""

    run: RunReport = field(metadata=INLINE)
    sentence: str


def runs_lines(rows: Sequence[RunRow]) -> list[str]:
    """The runs, one on each line."""
    if not rows:
        return ["nothing was run yet"]
    colours = [_COLOURS.get(row.state, "yellow") if row.state != "done" else None for row in rows]
    right = (2, *range(4, 4 + len(_COUNTS)))
    return tabled([_HEADS, *map(_row, rows)], right, [None, *colours])


def run_lines(row: RunRow, steps: Sequence[StepLog]) -> list[str]:
    """One run: who and when, its steps (by task if there are more than 40), and what failed."""
    lines = _head(row)
    if not steps:
        return [*lines, "", "no step of it came to an end"]
    begun = sorted(steps, key=lambda s: s.serial)
    shown = _by_step(begun) if len(steps) <= FEW else _by_task(begun)
    failures = _failure_lines(steps)
    return [*lines, "", *_timetable(row, shown), *([""] if failures else []), *failures]


def steps_lines(row: RunRow, steps: Sequence[StepLog]) -> list[str]:
    """All attempts with their costs; below each that failed its message."""
    heads = (
        "task", "partition", "attempt", "state", "reason", "began", "seconds", "cpu", "rows in",
        "rows out", "bytes out", "memory", "worker", "log",
    )  # fmt: skip
    cells = [
        (
            s.task, shown_key(s.key), str(s.attempt), s.state, s.reason, _offset(row, s),
            f"{s.seconds:.3f}",
            f"{s.cpu:.3f}", f"{s.rows_in:,}", f"{s.rows_out:,}", size(s.bytes_out),
            size(s.memory) if s.memory else "-", str(s.worker), "yes" if s.has_log else "-",
        )
        for s in steps
    ]  # fmt: skip
    table = aligned([heads, *cells], right=(2, *range(5, 13)))
    lines = [table[0]]
    for line, step in zip(table[1:], steps, strict=True):
        lines.append(painted(line, "red" if step.message else None))
        lines += [f"    {text}" for text in bounded(step.message or "")]
    return lines


def run_report(row: RunRow) -> RunReport:
    """The report of a run."""
    return RunReport(
        run=row.id,
        command=row.command,
        request=row.request or None,
        started_at=moment(row.started_at),
        finished_at=None if row.finished_at is None else moment(row.finished_at),
        seconds=_seconds(row),
        state=row.state,
        note=row.note or None,
        ran=row.ran,
        unchanged=row.unchanged,
        skipped=row.skipped,
        failed=row.failed,
        blocked=row.blocked,
        cancelled=row.cancelled,
        host=row.host,
        owner=row.owner,
        pid=row.pid or None,
    )


def step_report(step: StepLog) -> StepReport:
    """The report of an attempt."""
    values = {each.name: getattr(step, each.name) for each in fields(StepReport)}
    return StepReport(
        **values
        | {
            "seconds": round(step.seconds, 6),
            "cpu": round(step.cpu, 6),
            "began_at": moment(step.began_at) if step.began_at else None,
        }
    )


def run_with_steps(
    row: RunRow, steps: Sequence[StepLog], graph: Mapping[str, Any] | None
) -> RunWithSteps:
    """The report of one run with all its attempts; `graph` is the document that it recorded."""
    return RunWithSteps(run_report(row), profile_of(steps), graph, tuple(map(step_report, steps)))


def _row(row: RunRow) -> tuple[str, ...]:
    seconds = _seconds(row)
    return (
        row.id,
        moment(row.started_at),
        "-" if seconds is None else f"{seconds:.1f}",
        row.state,
        *(f"{getattr(row, name):,}" for name in _COUNTS),
        printable(f"{row.owner}@{row.host}"),
        printable(row.command),
    )


def _seconds(row: RunRow) -> float | None:
    return None if row.finished_at is None else round(row.finished_at - row.started_at, 3)


def _head(row: RunRow) -> list[str]:
    """Lines that say who ran what and when, and how it ended."""
    seconds = _seconds(row)
    took = "" if seconds is None else f", took {seconds:.1f} s"
    process = f", process {row.pid}" if row.pid else ""
    pairs = [
        ("command", printable(row.command)),
        ("asked for", shown_keys_in(printable(row.request))),
        ("by", printable(f"{row.owner}@{row.host}{process}")),
        ("began", f"{moment(row.started_at)}{took}"),
        ("came to", ", ".join(f"{name} {getattr(row, name):,}" for name in _COUNTS)),
        ("note", printable(row.note)),
    ]
    state = painted(row.state, _COLOURS.get(row.state, "yellow"))
    return [f"run {row.id}: {state}", *aligned([(f"  {n}", text) for n, text in pairs if text])]


@dataclass(frozen=True, slots=True)
class _Rows:
    """A table with a row for each group of attempts, and a short name for each row."""

    heads: tuple[str, ...]
    cells: Sequence[tuple[str, ...]]
    right: tuple[int, ...]
    names: Sequence[str]
    groups: Sequence[Sequence[StepLog]]


def _by_step(steps: Sequence[StepLog]) -> _Rows:
    return _Rows(
        ("task", "partition", "attempt", "state", "reason", "seconds"),
        [
            (s.task, shown_key(s.key), str(s.attempt), s.state, s.reason, f"{s.seconds:.3f}")
            for s in steps
        ],
        (2, 5),
        [f"{s.task}@{shown_key(s.key)}" for s in steps],
        [[s] for s in steps],
    )


def _by_task(steps: Sequence[StepLog]) -> _Rows:
    sums = sums_of(steps)
    return _Rows(
        ("task", "steps", "attempts", "failed", "partitions", "reason", "seconds"),
        [_task_row(task_sum) for task_sum in sums],
        (1, 2, 3, 6),
        [task_sum.task for task_sum in sums],
        [task_sum.attempts for task_sum in sums],
    )


def _task_row(task_sum: TaskSum) -> tuple[str, ...]:
    reasons = task_sum.reasons
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return (
        task_sum.task,
        f"{task_sum.steps:,}",
        f"{len(task_sum.attempts):,}",
        f"{task_sum.states['failed']:,}",
        span(task_sum.first, task_sum.last),
        f"{reasons[0]}{more}",
        f"{task_sum.total('seconds'):,.3f}",
    )


def _timetable(row: RunRow, shown: _Rows) -> list[str]:
    """The table, and for each of its rows a bar of when in the run its attempts ran.

    The bars are beside the table if there is room, else below it.
    """
    table = aligned([shown.heads, *shown.cells], right=shown.right)
    names = aligned([("",), *((name,) for name in shown.names)])
    whole = room() or _WITHOUT
    is_beside = whole - max(map(width, table)) - 2 >= _NARROWEST
    left = table if is_beside else names
    taken = max(map(width, left))
    drawn = _drawn(row, shown.groups, max(_NARROWEST, min(_WIDEST, whole - taken - 2)))
    if not drawn:
        return table
    both = [f"{padded(a, taken)}  {b}".rstrip() for a, b in zip(left, drawn, strict=True)]
    return both if is_beside else [*table, "", *both]


def _drawn(row: RunRow, groups: Sequence[Sequence[StepLog]], cells: int) -> list[str]:
    """The head of the bars, and a bar for each group; [] if no times are known."""
    spans = [[(s.began_at, s.seconds) for s in group if s.began_at] for group in groups]
    everything = [pair for group in spans for pair in group]
    if not everything:
        return []
    ends = [begin + seconds for begin, seconds in everything]
    axis = Axis(row.started_at, max([row.finished_at or 0.0, *ends]), cells)
    # In bars of tasks a cell shows how many workers were busy; in bars of steps it is full.
    most = axis.most_at_once(everything) if len(groups) < len(everything) else 0.0
    return [axis.head, *(axis.row(group, most) for group in spans)]


def _offset(row: RunRow, step: StepLog) -> str:
    return f"+{step.began_at - row.started_at:.3f}" if step.began_at else "-"


def _failure_lines(steps: Sequence[StepLog]) -> list[str]:
    """The messages of attempts that failed; those of one task with one message share a line."""
    groups: dict[tuple[str, str], list[StepLog]] = {}
    for step in steps:
        if step.state == "failed":
            groups.setdefault((step.task, step.message or ""), []).append(step)
    lines = []
    for (task, message), group in [*groups.items()][:_SHOWN]:
        keys = sorted({s.key for s in group})
        times = f" ({count(len(group), 'attempt')})" if len(group) > 1 else ""
        lines.append(painted(f"failed {task}@{span(keys[0], keys[-1])}{times}:", "red"))
        lines += [f"  {text}" for text in bounded(message)]
    if len(groups) > _SHOWN:
        lines.append(f"and {len(groups) - _SHOWN:,} more messages; --task NAME shows all of a task")
    return lines
