"""Reports what attempts wrote to their logs, under headings that say whose log it is.

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
"""A run's name, one of its attempts, and the file with what that attempt wrote."""

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


def calls(written: Sequence[Written]) -> list[list[Written]]:
    """The logs by call, since neighbours from one batch share what their call wrote."""
    return [list(group) for _, group in itertools.groupby(written, _call)]


def heading(group: Sequence[Written]) -> str:
    """The line above the log of an attempt, or of a batch."""
    run, step, _ = group[0]
    keys = sorted(each.key for _, each, _ in group)
    states = ", ".join(dict.fromkeys(each.state for _, each, _ in group))
    began = f", began {moment(step.began_at)}" if step.began_at else ""
    return (
        f"--- {step.task}@{span(keys[0], keys[-1])}, attempt {step.attempt}: {states}, "
        f"run {run}{began} ---"
    )


def log_text(path: Path, tail: int | None) -> Iterator[str]:
    """A log's text, in pieces; only the last `tail` lines, if that is given.

    OSError if it cannot be read.
    """
    if tail is not None:
        yield "".join(_last_lines(path, tail))
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        while piece := file.read(_BLOCK):
            yield piece


def logs_report(written: Sequence[Written], tail: int | None) -> LogsReport:
    """The report of logs with their texts; only the last `tail` lines of each, if given."""
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


def _call(written: Written) -> tuple[object, ...]:
    """What all attempts of one call have in common, and no others."""
    run, step, path = written
    if not step.began_at:
        return (run, step.serial)
    return (run, step.task, step.worker, step.began_at, path.stat().st_size)


def _last_lines(path: Path, number: int) -> Sequence[str]:
    """The last lines, read from the end of the file: a log may be large."""
    blocks: deque[bytes] = deque()
    with path.open("rb") as file:
        place = file.seek(0, 2)
        while place and sum(block.count(b"\n") for block in blocks) <= number:
            size = min(_BLOCK, place)
            place -= size
            file.seek(place)
            blocks.appendleft(file.read(size))
    lines = b"".join(blocks).decode("utf-8", errors="replace").splitlines(keepends=True)
    return lines[len(lines) - number :] if number < len(lines) else lines
