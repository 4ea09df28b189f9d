"""Reports how a run ended: counts, failures with the user's own lines, faults, a sentence.

Knows nothing of how the run was carried out, nor of exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from partflow.execution.controls import Summary
from partflow.partitions.keytexts import shown_key
from partflow.report.document import INLINE
from partflow.report.faults import FaultReport, fault_reports
from partflow.report.plan import (
    Calls,
    PlanReport,
    Refusals,
    nothing_to_do,
    plan_report,
    refusals_of,
)
from partflow.report.remarks import Remarks, remarks_of
from partflow.report.text import bounded, painted, printable, span

if TYPE_CHECKING:
    from partflow.execution.controls import Failed, Result
    from partflow.metastore.record import RunRow
    from partflow.planning.selection import Asked

_SHOWN = 5
_NO_RUN = Summary("", ran=0, unchanged=0, skipped=0, failed=0, blocked=0, cancelled=0, seconds=0.0)


@dataclass(frozen=True, slots=True)
class FailureReport:
    """A partition that failed: the message, the user's own line, and the command to try again."""

    task: str
    dataset: str
    key: str
    message: str
    place: str
    trace: str
    again: str


@dataclass(frozen=True, slots=True)
class ResultReport:
    """How a run ended; `run` is None if there was nothing to do.

    `catalog` says why the catalog could not be written; None if it was.
    """

    run: str | None
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    cancelled: int
    seconds: float
    failures: tuple[FailureReport, ...]
    catalog: str | None
    faults: tuple[FaultReport, ...]
    remarks: Remarks = field(metadata=INLINE)
    plan: PlanReport
    sentence: str
    refusals: Refusals = field(metadata=INLINE)


def result_report(result: Result, asked: Asked, calls: Calls) -> ResultReport:
    """The report of a run; `calls` gives a command line for this project."""
    plan = plan_report(result.plan)
    held = plan.counts.blocked
    summary = result.summary or _NO_RUN
    nothing = nothing_to_do(plan.counts, plan.waiting_for)
    return ResultReport(
        run=summary.run or None,
        ran=summary.ran,
        unchanged=summary.unchanged,
        skipped=summary.skipped,
        failed=summary.failed,
        blocked=summary.blocked + held,
        cancelled=summary.cancelled,
        seconds=round(summary.seconds, 3),
        failures=tuple(_failure(f, calls) for f in summary.failures),
        catalog=result.catalog,
        faults=fault_reports(result.plan.faults),
        remarks=remarks_of(result.plan.snapshot),
        plan=plan,
        sentence=nothing if result.summary is None else _ran(summary, held),
        refusals=refusals_of(result.plan, asked),
    )


def failure_lines(failures: Sequence[FailureReport], calls: Calls) -> list[str]:
    """Lines for what failed; failures of one task with one message and place are put together."""
    groups: dict[tuple[str, str, str], list[FailureReport]] = {}
    for failure in failures:
        same = (failure.task, failure.message, failure.place)
        groups.setdefault(same, []).append(failure)
    return [line for group in groups.values() for line in _group_lines(group, calls)]


def cut_off(row: RunRow) -> str:
    """The sentence for a run that was broken off; it counts only what was published."""
    return (
        f"{printable(row.note or row.state)}: ran {row.ran:,}, unchanged {row.unchanged:,}, "
        f"failed {row.failed:,} in {(row.finished_at or row.started_at) - row.started_at:.1f} s; "
        "the same command makes the rest"
    )


def _ran(summary: Summary, held: int) -> str:
    """The sentence for a run; `held` partitions were blocked before it began."""
    blocked = summary.blocked + held
    more = f", blocked {blocked:,}" if blocked else ""
    more += f", cancelled {summary.cancelled:,}" if summary.cancelled else ""
    return (
        f"ran {summary.ran:,}, unchanged {summary.unchanged:,}, skipped {summary.skipped:,}, "
        f"failed {summary.failed:,}{more} in {summary.seconds:.1f} s"
    )


def _failure(failed: Failed, calls: Calls) -> FailureReport:
    failure = failed.failure
    return FailureReport(
        failed.task, failed.node, failed.key, failure.message, failure.place, failure.trace,
        calls("materialize", failed.node, "-p", failed.key),
    )  # fmt: skip


def _group_lines(group: Sequence[FailureReport], calls: Calls) -> list[str]:
    first, rest = group[0], group[_SHOWN:]
    message_lines = bounded(first.message) or [""]
    message, whole = message_lines[0], "\n    ".join(message_lines)
    lines = [
        painted(f"failed {f.dataset}@{shown_key(f.key)}: {message if i else whole}", "red")
        for i, f in enumerate(group[:_SHOWN])
    ]
    if rest:
        keys = sorted(f.key for f in rest)
        lines.append(f"and {len(rest):,} more with this message, {span(keys[0], keys[-1])}")
    if first.place:
        lines.append(f"  at {first.place}")
    lines += [f"  {line}" for line in bounded(first.trace.rstrip())]
    named = [] if rest else [word for f in group for word in ("-p", shown_key(f.key))]
    return [*lines, f"  again: {calls('materialize', first.dataset, *named)}"]
