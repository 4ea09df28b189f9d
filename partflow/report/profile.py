"""Reports what the attempts of a run cost, summed by task.

Knows nothing of where they are recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from partflow.metastore.record import RunRow, StepLog
from partflow.report.text import aligned, count, size

_HEADS = (
    "task", "calls", "steps", "wall", "share", "cpu", "rows in", "bytes in", "rows out",
    "bytes out", "rows/s", "memory",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskSum:
    """The attempts of one run at one task, at least one, in the order in which they ended."""

    task: str
    attempts: tuple[StepLog, ...]

    @property
    def steps(self) -> int:
        """How many partitions were attempted."""
        return len({a.key for a in self.attempts})

    @property
    def calls(self) -> int:
        """How often the function was called: a batch is one call for many partitions."""
        known = {(a.worker, a.began_at) for a in self.attempts if a.began_at}
        return len(known) + sum(not a.began_at for a in self.attempts)

    @property
    def states(self) -> Counter[str]:
        """How many partitions ended in each state; the state is that of their last attempt."""
        last: dict[str, StepLog] = {}
        for a in self.attempts:
            if a.key not in last or last[a.key].attempt <= a.attempt:
                last[a.key] = a
        return Counter(a.state for a in last.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons for its steps, the most frequent first."""
        return tuple(reason for reason, _ in Counter(a.reason for a in self.attempts).most_common())

    @property
    def first(self) -> str:
        """The first key; keys of one grain sort by time."""
        return min(a.key for a in self.attempts)

    @property
    def last(self) -> str:
        """The last key."""
        return max(a.key for a in self.attempts)

    def total(self, name: str) -> float:
        """The sum over the attempts of a field: `seconds`, `cpu`, `rows_in` and so on."""
        return float(sum(getattr(a, name) for a in self.attempts))

    @property
    def memory(self) -> int:
        """The most memory that a worker had taken, in bytes; 0 if it is not known."""
        return max(a.memory for a in self.attempts)

    @property
    def rate(self) -> float | None:
        """Rows read (or written, if none were read) per second of wall time; None for no time."""
        rows, seconds = self.total("rows_in") or self.total("rows_out"), self.total("seconds")
        return rows / seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What a task cost in one run: seconds of wall and processor time, rows, bytes.

    `share` is its part of all tasks' wall time; `memory` is in bytes.
    """

    task: str
    calls: int
    steps: int
    attempts: int
    seconds: float
    share: float | None
    cpu: float
    rows_in: int
    bytes_in: int
    rows_out: int
    bytes_out: int
    rows_per_second: float | None
    memory: int


def sums_of(steps: Sequence[StepLog]) -> list[TaskSum]:
    """The attempts by task, in the order in which the tasks' first attempts ended."""
    by_task: dict[str, list[StepLog]] = {}
    for step in steps:
        by_task.setdefault(step.task, []).append(step)
    return [TaskSum(task, tuple(attempts)) for task, attempts in by_task.items()]


def profile_lines(row: RunRow, steps: Sequence[StepLog]) -> list[str]:
    """A table of what each task of a run cost, the longest first; a sentence below."""
    sums = _by_wall(steps)
    if not sums:
        return [f"run {row.id}: no step of it came to an end"]
    whole = sum(s.total("seconds") for s in sums)
    rows = [_row(s, whole) for s in sums]
    everything = _row(TaskSum("all", tuple(steps)), whole)
    lines = aligned([_HEADS, *rows, everything], right=range(1, len(_HEADS)))
    return [*lines, _sentence(row, steps, whole)]


def profile_of(steps: Sequence[StepLog]) -> tuple[TaskCost, ...]:
    """What each task of a run cost, the one that took longest first."""
    sums = _by_wall(steps)
    whole = sum(s.total("seconds") for s in sums)
    return tuple(_cost(s, whole) for s in sums)


def _cost(task_sum: TaskSum, whole: float) -> TaskCost:
    seconds = task_sum.total("seconds")
    return TaskCost(
        task=task_sum.task,
        calls=task_sum.calls,
        steps=task_sum.steps,
        attempts=len(task_sum.attempts),
        seconds=round(seconds, 6),
        share=round(seconds / whole, 6) if whole else None,
        cpu=round(task_sum.total("cpu"), 6),
        rows_in=int(task_sum.total("rows_in")),
        bytes_in=int(task_sum.total("bytes_in")),
        rows_out=int(task_sum.total("rows_out")),
        bytes_out=int(task_sum.total("bytes_out")),
        rows_per_second=None if task_sum.rate is None else round(task_sum.rate, 3),
        memory=task_sum.memory,
    )


def _by_wall(steps: Sequence[StepLog]) -> list[TaskSum]:
    return sorted(sums_of(steps), key=lambda s: (-s.total("seconds"), s.task))


def _row(task_sum: TaskSum, whole: float) -> tuple[str, ...]:
    seconds = task_sum.total("seconds")
    return (
        task_sum.task,
        f"{task_sum.calls:,}",
        f"{len({(a.task, a.key) for a in task_sum.attempts}):,}",
        f"{seconds:,.3f}",
        f"{100 * seconds / whole:.0f}%" if whole else "-",
        f"{task_sum.total('cpu'):,.3f}",
        f"{int(task_sum.total('rows_in')):,}",
        size(int(task_sum.total("bytes_in"))),
        f"{int(task_sum.total('rows_out')):,}",
        size(int(task_sum.total("bytes_out"))),
        "-" if task_sum.rate is None else f"{task_sum.rate:,.0f}",
        size(task_sum.memory) if task_sum.memory else "-",
    )


def _sentence(row: RunRow, steps: Sequence[StepLog], whole: float) -> str:
    """The sentence on how long the steps took, and how long the run."""
    workers = len({s.worker for s in steps})
    text = f"{count(len(steps), 'attempt')} on {count(workers, 'worker')}: {whole:,.1f} s of steps"
    if row.finished_at is None:
        return text
    return f"{text} in a run of {row.finished_at - row.started_at:,.1f} s"
