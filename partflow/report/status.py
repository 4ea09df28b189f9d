"""Reports the states of datasets: a row for each, with a bar over time.

Knows nothing of how states are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.keytexts import shown_keys_in
from partflow.planning.lateness import Lateness, lateness
from partflow.planning.planner import State, perhaps_done
from partflow.planning.status import Status, failed_now
from partflow.report.channels import FailingChannelReport, failing_channel_lines
from partflow.report.document import INLINE
from partflow.report.faults import (
    FaultReport,
    PerhapsDoneReport,
    fault_reports,
    perhaps_done_reports,
)
from partflow.report.lateness import LateReport, late_lines, late_report
from partflow.report.pauses import PausedReport, paused_lines, paused_report
from partflow.report.remarks import Remarks, remarks_of
from partflow.report.serving import ServingReport, serving_lines
from partflow.report.strays import StrayReport, stray_lines, stray_reports
from partflow.report.text import count, painted, size, span, tabled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.operations.undeclared import Lying
    from partflow.planning.plan import Plan

CELLS = 24
_NOBODY = ServingReport()
_MARKS = {
    State.FRESH: ("█", "green"),
    State.STALE: ("▓", "yellow"),
    State.WAITING: ("░", "blue"),
    State.MISSING: ("·", None),
    State.BLOCKED: ("!", "red"),
}
_WORST_LAST = (State.FRESH, State.WAITING, State.STALE, State.MISSING, State.BLOCKED)
_HEADS = (
    "dataset", "grain", "range", "fresh", "stale", "missing", "waiting", "blocked", "rows", "size",
    "",
)  # fmt: skip
_NUMBERS = range(3, 10)
_GAP = "  "


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One dataset, source or effect: its range so far, and how many partitions have each state.

    `paused` and `late` are None if it is not. `failed` counts the partitions that are not fresh and
    whose last attempt failed, `older_code` those that only other code makes stale: `serve` keeps
    them.

    `heat` has one mark for each part of the range, for the worst state in it.
    """

    dataset: str
    kind: str
    grain: str
    first: str | None
    last: str | None
    partitions: int
    fresh: int
    stale: int
    missing: int
    waiting: int
    blocked: int
    may_become_stale: int
    kept: int
    moved: int
    pinned: int
    last_good: int
    rows: int
    bytes: int
    heat: str
    paused: PausedReport | None
    late: LateReport | None
    failed: int
    unasked: int
    provisional: int
    older_code: int
    absent: int


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The status of all selected nodes, with what is wrong, remarks, and files not shown.

    `channels` are those by which people should be told and that do not deliver. `serve` says who
    keeps the warehouse fresh.
    """

    datasets: tuple[DatasetStatus, ...]
    faults: tuple[FaultReport, ...]
    remarks: Remarks = field(metadata=INLINE)
    undeclared: tuple[StrayReport, ...]
    perhaps_done: tuple[PerhapsDoneReport, ...]
    channels: tuple[FailingChannelReport, ...]
    serve: ServingReport


def status_report(
    plan: Plan,
    statuses: Sequence[Status],
    lying: Sequence[Lying] = (),
    failures: Sequence[tuple[str, str]] = (),
    channels: Sequence[FailingChannelReport] = (),
    serve: ServingReport = _NOBODY,
) -> StatusReport:
    """The report of some nodes' status, of a plan's faults, and of files that are not shown.

    `failures` are the (node, key) of all whose last attempt failed, `channels` those that do not
    deliver, `serve` who keeps the warehouse fresh.
    """
    failed = failed_now(plan, failures)
    late = lateness(plan)
    return StatusReport(
        tuple(
            _of_node(plan, each, late.get(each.node), failed.get(each.node, 0)) for each in statuses
        ),
        fault_reports(plan.faults),
        remarks_of(plan.graph, plan.snapshot),
        stray_reports(lying),
        perhaps_done_reports(perhaps_done(plan)),
        tuple(channels),
        serve,
    )


def status_lines(report: StatusReport) -> list[str]:
    """A row for each node, with its bar."""
    after = [
        *stray_lines(report.undeclared), *failing_channel_lines(report.channels),
        *serving_lines(report.serve),
    ]  # fmt: skip
    if not report.datasets:
        return ["no dataset is selected", *after]
    rows = [(*_row(each), _painted_bar(each.heat)) for each in report.datasets]
    lines = tabled([_HEADS, *rows], right=_NUMBERS)
    return [*lines, *_notes(report.datasets), _legend(), *after]


def heat(states: NDArray[np.uint8], cells: int = CELLS) -> list[State]:
    """The worst state in each of `cells` equal parts, or of each partition if there are fewer."""
    n = len(states)
    if not n:
        return []
    # Maps the number of a state to its rank in _WORST_LAST.
    order = np.argsort(np.array(_WORST_LAST, np.int64))
    cells = min(cells, n)
    begins = np.arange(cells) * n // cells
    worst = np.maximum.reduceat(order[states], begins)
    return [_WORST_LAST[rank] for rank in worst.tolist()]


def _of_node(plan: Plan, status: Status, late: Lateness | None, failed: int) -> DatasetStatus:
    return DatasetStatus(
        status.node,
        status.kind,
        status.grain,
        status.first or None,
        status.last or None,
        status.partitions,
        **{state.name.lower(): status.counts[state] for state in State},
        may_become_stale=status.maybe,
        kept=status.kept,
        moved=status.moved,
        pinned=status.pinned,
        last_good=status.last_good,
        rows=status.rows,
        bytes=status.nbytes,
        heat="".join(_MARKS[state][0] for state in heat(status.states)),
        paused=paused_report(plan.snapshot.paused.get(status.node)),
        late=late_report(late),
        failed=failed,
        unasked=status.unasked,
        provisional=status.provisional,
        older_code=status.older_code,
        absent=status.absent,
    )


def _row(status: DatasetStatus) -> tuple[str, ...]:
    kind = "" if status.kind == "dataset" else f" ({status.kind})"
    counts = (status.fresh, status.stale, status.missing, status.waiting, status.blocked)
    stored = status.kind != "effect"
    return (
        status.dataset + kind,
        shown_keys_in(status.grain),
        span(status.first, status.last or "") if status.first else "none yet",
        *(f"{number:,}" if number else "-" for number in counts),
        f"{status.rows:,}" if stored and status.kind != "source" else "-",
        size(status.bytes) if stored else "-",
    )


def _painted_bar(bar: str) -> str:
    colours = dict(_MARKS.values())
    return "".join(painted(mark * len(list(same)), colours[mark]) for mark, same in groupby(bar))


def _notes(statuses: Sequence[DatasetStatus]) -> list[str]:
    """Lines for what the states alone do not say."""
    lines = []
    for name, singular, words in (
        ("may_become_stale", "fresh partition", "may become stale"),
        ("kept", "partition", "kept, though code or inputs changed"),
        ("pinned", "partition", "pinned, by somebody's choice"),
        ("last_good", "blocked partition", "as made of the last good content"),
        ("failed", "partition", "failed when last tried"),
        ("unasked", "waiting partition", "not asked for"),
        ("provisional", "fresh partition", "provisional"),
        ("older_code", "partition", "by older code"),
        ("absent", "partition", "absent, given up"),
    ):
        numbers = {s.dataset: getattr(s, name) for s in statuses if getattr(s, name)}
        if numbers:
            named = ", ".join(f"{dataset} {number:,}" for dataset, number in numbers.items())
            lines.append(f"{count(sum(numbers.values()), singular)} {words}: {named}")
    lines += late_lines({s.dataset: s.late for s in statuses})
    return [*lines, *paused_lines({s.dataset: s.paused for s in statuses})]


def is_well(report: StatusReport) -> bool:
    """Whether nothing is late or wrong: no fault, nothing blocked, failed or perhaps done.

    And whether people can be told, and all sources could be asked.
    """
    late = any(s.late for s in report.datasets)
    wrong = any(s.blocked or s.failed for s in report.datasets) or report.faults or report.channels
    unheard = wrong or report.remarks.unanswered
    return not (late or unheard or any(e.is_undecided for e in report.perhaps_done))


def _legend() -> str:
    return _GAP.join(
        f"{painted(mark, colour)} {state.name.lower()}" for state, (mark, colour) in _MARKS.items()
    )
