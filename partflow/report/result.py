"""Reports how a run ended: counts, failures with the user's own lines, faults, a sentence.

Knows nothing of how the run was carried out, nor of exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from partflow.execution.alike import likeness
from partflow.execution.controls import LeftAlone, Summary
from partflow.partitions.keytexts import shown_key
from partflow.report.document import INLINE, TEXT_ONLY
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
from partflow.report.text import bounded, count, painted, printable, span

if TYPE_CHECKING:
    from partflow.execution.controls import Failed, Result
    from partflow.metastore.record import RunRow
    from partflow.planning.selection import Asked

_NAMED = 5
_NO_RUN = Summary("", ran=0, unchanged=0, skipped=0, failed=0, blocked=0, cancelled=0, seconds=0.0)


@dataclass(frozen=True, slots=True)
class FailureReport:
    """A partition that failed: the message, the user's own line, and the command to try again.

    `alike` is equal for failures that are the same one.
    """

    task: str
    dataset: str
    key: str
    message: str
    place: str
    trace: str
    again: str
    alike: tuple[str, str, str] = field(metadata=TEXT_ONLY)


@dataclass(frozen=True, slots=True)
class ResultReport:
    """How a run ended; `run` is None if there was nothing to do.

    `catalog` says why the catalog could not be written; None if it was. `left` are tasks of which
    no more was begun, since they failed too often in a row in the same way.
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
    left: tuple[LeftAlone, ...]


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
        remarks=remarks_of(result.plan.graph, result.plan.snapshot),
        plan=plan,
        sentence=nothing if result.summary is None else _ran(summary, held),
        refusals=refusals_of(result.plan, asked),
        left=summary.left,
    )


def first_lines(failed: Failed, calls: Calls) -> list[str]:
    """Lines for the first failure of a task, to be told at once: what failed, where, and why."""
    return _told(_failure(failed, calls))


def failure_lines(report: ResultReport, calls: Calls) -> list[str]:
    """Lines for what failed, after the first failure of each task was told by `first_lines`.

    Of failures that are the same one the first is told, the others are counted. The last lines say
    which tasks were left.
    """
    groups: dict[tuple[str, str, str], list[FailureReport]] = {}
    for failure in report.failures:
        groups.setdefault(failure.alike, []).append(failure)
    lines, told = [], set[str]()
    for group in groups.values():
        lines += [] if group[0].task not in told else _told(group[0])
        told.add(group[0].task)
        lines += _others(group, calls)
    return [*lines, *map(_left, report.left)]


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
        calls("materialize", failed.node, "-p", failed.key), likeness(failed),
    )  # fmt: skip


def _told(failure: FailureReport) -> list[str]:
    message = "\n    ".join(bounded(failure.message))
    lines = [painted(f"failed {failure.dataset}@{shown_key(failure.key)}: {message}", "red")]
    lines += [f"  at {failure.place}"] if failure.place else []
    return lines + [f"  {line}" for line in bounded(failure.trace.rstrip())]


def _others(group: Sequence[FailureReport], calls: Calls) -> list[str]:
    """How many failed as the first of a group did, and the command that tries all of them again."""
    dataset, keys = group[0].dataset, sorted(failure.key for failure in group[1:])
    lines = []
    if keys:
        others = f"{len(keys):,} more of {dataset}, {span(keys[0], keys[-1])}"
        lines.append(painted(f"failed in the same way: {others}", "red"))
    named = [word for f in group for word in ("-p", shown_key(f.key))]
    few = named if len(group) <= _NAMED else []
    return [*lines, f"  again: {calls('materialize', dataset, *few)}"]


def _left(left: LeftAlone) -> str:
    return (
        f"left {count(left.steps, 'more partition')} of {left.task} for this run: "
        f"it failed {left.failures:,} times in a row in the same way"
    )
