"""What attempts wrote to their logs, each under a line that says whose it is.

Knows nothing of where the logs lie.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from partflow.metastore.record import StepLog
from partflow.report.text import moment, span

Written = tuple[str, StepLog, Path]
"""A run, one of its attempts, and the file that holds what that wrote."""

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class LogReport:
    """What one attempt wrote to its log."""

    run: str
    task: str
    key: str
    attempt: int
    state: str
    began_at: str | None
    text: str


@dataclass(frozen=True, slots=True)
class LogsReport:
    """The logs of some attempts."""

    logs: tuple[LogReport, ...]


def calls(found: Sequence[Written]) -> list[list[Written]]:
    """The logs by call: attempts of one batch, which stand together, wrote one and the same."""
    return [list(group) for _, group in itertools.groupby(found, _call)]


def heading(group: Sequence[Written]) -> str:
    """The line above the log of an attempt, or of those of a batch."""
    run, step, _ = group[0]
    keys = sorted(one.key for _, one, _ in group)
    states = ", ".join(dict.fromkeys(one.state for _, one, _ in group))
    began = f", began {moment(step.began_at)}" if step.began_at else ""
    return (
        f"--- {step.task}@{span(keys[0], keys[-1])}, attempt {step.attempt}: {states}, "
        f"run {run}{began} ---"
    )


def log_text(path: Path, tail: int | None) -> Iterator[str]:
    """A log's text, in pieces; with a `tail` only so many of its last lines."""
    if tail is not None:
        yield "".join(_last_lines(path, tail))
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        while piece := file.read(_BLOCK):
            yield piece


def logs_report(written: Sequence[Written], tail: int | None) -> LogsReport:
    """The logs, with their texts; with a `tail` only so many of the last lines of each."""
    return LogsReport(
        tuple(
            LogReport(
                run,
                step.task,
                step.key,
                step.attempt,
                step.state,
                moment(step.began_at) if step.began_at else None,
                "".join(log_text(path, tail)),
            )
            for run, step, path in written
        )
    )


def _call(one: Written) -> tuple[object, ...]:
    """What the attempts of one call have in common: when, where, and what was written."""
    run, step, path = one
    if not step.began_at:
        return (run, step.serial)
    return (run, step.task, step.worker, step.began_at, path.stat().st_size)


def _last_lines(path: Path, number: int) -> Sequence[str]:
    """The last lines, read from the end of the file: a log may be large."""
    found: deque[bytes] = deque()
    with path.open("rb") as file:
        place = file.seek(0, 2)
        while place and sum(block.count(b"\n") for block in found) <= number:
            size = min(_BLOCK, place)
            place -= size
            file.seek(place)
            found.appendleft(file.read(size))
    lines = b"".join(found).decode("utf-8", errors="replace").splitlines(keepends=True)
    return lines[len(lines) - number :] if number < len(lines) else lines
