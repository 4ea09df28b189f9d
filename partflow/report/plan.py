"""Reports a plan: its steps by dataset, range and reason, and what waits or is blocked.

A report is made once from a plan, and then shown. Knows nothing of how a plan is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.keytexts import shown_key
from partflow.planning import reasons
from partflow.planning.plan import perhaps_done
from partflow.planning.planner import Action, Plan, Reason, State, TaskPlan, wanted_mask
from partflow.planning.selection import Asked, Scope, scopes
from partflow.report.document import INLINE, TEXT_ONLY
from partflow.report.faults import (
    FaultReport,
    PerhapsDoneReport,
    fault_reports,
    perhaps_done_reports,
)
from partflow.report.text import aligned, count, painted, span

if TYPE_CHECKING:
    from collections.abc import Mapping

Calls = Callable[..., str]
"""Gives the text of a command line for this project, from its words."""

_SHOWN, _NAMED = 5, 3
_VERBS = {Action.RUN: "run", Action.MAYBE: "may run"}
_COLOURS = {"run": "green", "may run": "cyan", "waiting": "yellow", "blocked": "red"}
_OTHER_CODE = (
    (Reason.CODE, "changed code makes", ""),
    (Reason.RECKONED, "what counts as code now makes", "; `partflow accept` keeps them"),
)


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """The partitions that a selection has of one dataset or effect."""

    dataset: str
    partitions: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class GroupReport:
    """Partitions of one task with the same action and reason: their number and ranges of keys."""

    task: str
    datasets: tuple[str, ...]
    action: Action
    state: State
    reason: Reason
    cause: str | None
    text: str
    count: int
    ranges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many steps will or may run, and how many requested partitions have each state.

    `kept` are those among the fresh that stay though their code or an input has changed.
    """

    run: int
    maybe: int
    fresh: int
    stale: int
    missing: int
    waiting: int
    blocked: int
    kept: int


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan in words and numbers.

    `waiting_for` counts the partitions that wait, by the dataset that they wait for in the end, the
    largest number first.
    """

    selection: tuple[ScopeReport, ...]
    steps: tuple[GroupReport, ...]
    held: tuple[GroupReport, ...]
    counts: Counts
    waiting_for: Mapping[str, int]
    perhaps_done: tuple[PerhapsDoneReport, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Sentences about partitions that were named by their keys and cannot be made.

    `unmakeable` has the keys as they are recorded, `shown` as people read them.
    """

    unmakeable: tuple[str, ...]
    shown: tuple[str, ...] = field(metadata=TEXT_ONLY)


@dataclass(frozen=True, slots=True)
class DryRun:
    """A plan that is only shown, with what has to be put right."""

    plan: PlanReport = field(metadata=INLINE)
    faults: tuple[FaultReport, ...]
    refusals: Refusals = field(metadata=INLINE)


def dry_run(plan: Plan, asked: Asked) -> DryRun:
    """The report of a plan that is only shown."""
    return DryRun(plan_report(plan), fault_reports(plan.faults), refusals_of(plan, asked))


def plan_report(plan: Plan) -> PlanReport:
    """The report of a plan."""
    waiting = _waiting(plan)
    counts = Counts(
        run=_steps(plan, Action.RUN),
        maybe=_steps(plan, Action.MAYBE),
        fresh=plan.count(State.FRESH),
        stale=plan.count(State.STALE),
        missing=plan.count(State.MISSING),
        waiting=sum(waiting.values()),
        blocked=plan.count(State.BLOCKED),
        kept=plan.kept,
    )
    return PlanReport(
        scope_reports(scopes(plan.graph, plan.request, plan.snapshot.now)),
        tuple(map(_group, reasons.steps(plan))),
        tuple(map(_group, reasons.held(plan))),
        counts,
        waiting,
        perhaps_done_reports(perhaps_done(plan)),
        _sentence(counts, waiting),
    )


def scope_reports(selected: Sequence[Scope]) -> tuple[ScopeReport, ...]:
    """The reports of a selection, one for each dataset or effect."""
    return tuple(ScopeReport(s.node, s.count, s.first, s.last) for s in selected)


def refusals_of(plan: Plan, asked: Asked) -> Refusals:
    """Which partitions that were named by their keys cannot be made, and why."""
    if not asked.keys or plan.request.wanted is None:
        return Refusals((), ())
    refused = [
        (node, writers[0].task.grain.key(ordinal), why)
        for node, wanted in plan.request.wanted.items()
        if (writers := [plan.tasks[t.name] for t in plan.graph.writers(node)])
        for ordinal in wanted
        if (why := _held_up(writers, ordinal))
    ]
    return Refusals(
        *(
            tuple(f"{node}@{written(key)} cannot be made: {why}" for node, key, why in refused)
            for written in (str, shown_key)
        )
    )


# Lines


def plan_lines(report: PlanReport) -> list[str]:
    """The plan as text, the sentence last."""
    verbs = [_VERBS[g.action] for g in report.steps] + [g.state.name.lower() for g in report.held]
    groups = (*report.steps, *report.held)
    rows = [_row(group, verb) for group, verb in zip(groups, verbs, strict=True)]
    lines = [
        painted(line, _COLOURS[verb])
        for line, verb in zip(aligned(rows) if rows else [], verbs, strict=True)
    ]
    return [*lines, *other_code_lines(report), report.sentence]


def other_code_lines(report: PlanReport) -> list[str]:
    """How many partitions other code or other rules make stale, and of which tasks."""
    lines = []
    for reason, before, after in _OTHER_CODE:
        stale: Counter[str] = Counter()
        for group in report.steps:
            if group.reason is reason and group.action is Action.RUN:
                stale[group.task] += group.count
        names = ", ".join(f"{name} {number:,}" for name, number in stale.items())
        told = f"{count(stale.total(), 'partition')} stale"
        lines += [f"{before} {told}: {names}{after}"] if names else []
    return lines


def blocked_lines(report: PlanReport, calls: Calls) -> list[str]:
    """A line for each group that is blocked; for files changed by hand also what can be done.

    Groups that wait for a source's file which is gone are among them, so that somebody notices.
    `calls` gives a command line for this project.
    """
    groups = [g for g in report.held if g.state is State.BLOCKED or g.reason is Reason.AWAY]
    rows = aligned([_row(g, g.state.name.lower()) for g in groups]) if groups else []
    lines = []
    for group, line in zip(groups, rows, strict=True):
        lines.append(painted(line, _COLOURS[group.state.name.lower()]))
        if group.reason is Reason.CHANGED_OUTSIDE:
            for keys in group.ranges[:_SHOWN]:
                lines.append(f"  again: {_command('backfill', group, keys, calls)}")
                lines.append(f"  keep: {_command('accept', group, keys, calls)}")
    return lines


def scope_lines(selection: Sequence[ScopeReport]) -> list[str]:
    """A line for each range of a selection, with the datasets that have it."""
    if not selection:
        return ["0 partitions: nothing of the selection is due, or nothing of it has a task"]
    same: dict[tuple[int, str, str], list[str]] = {}
    for scope in selection:
        same.setdefault((scope.partitions, scope.first, scope.last), []).append(scope.dataset)
    lines = []
    for (number, first, last), nodes in same.items():
        each = f" each of {len(nodes)} datasets" if len(nodes) > 1 else ""
        names = "" if len(same) == 1 else f"{_listed(nodes)}: "
        lines.append(
            f"{names}{count(number, 'partition')}{each}, {shown_key(first)} .. {shown_key(last)}"
        )
    return lines


def ranged(ranges: tuple[tuple[str, str], ...]) -> str:
    """Ranges of keys as `first .. last`; with their number, if there is more than one."""
    text = span(ranges[0][0], ranges[-1][1])
    return text if len(ranges) == 1 else f"{text} in {len(ranges):,} ranges"


def nothing_to_do(counts: Counts, waiting_for: Mapping[str, int]) -> str:
    """The sentence `nothing to do`, with the states of what was asked for."""
    parts = [f"{counts.stale:,} stale"] if counts.stale else []
    parts += [f"{counts.missing:,} missing"] if counts.missing else []
    parts += [f"{number:,} waiting for {name}" for name, number in waiting_for.items()]
    parts += [f"{counts.blocked:,} blocked"] if counts.blocked else []
    if counts.fresh or not parts:
        kept = f" ({counts.kept:,} kept)" if counts.kept else ""
        parts.insert(0, f"{counts.fresh:,} fresh{kept}")
    return f"nothing to do: {', '.join(parts)}"


def _sentence(counts: Counts, waiting_for: Mapping[str, int]) -> str:
    """The sentence about a plan."""
    if not counts.run and not counts.maybe:
        return nothing_to_do(counts, waiting_for)
    if not counts.run:
        return f"{count(counts.maybe, 'partition')} may be made"
    return f"{count(counts.run, 'partition')} will be made, {counts.maybe:,} may be"


def _row(group: GroupReport, verb: str) -> tuple[str, ...]:
    return (
        ", ".join(group.datasets),
        verb,
        count(group.count, "partition"),
        ranged(group.ranges),
        group.text,
    )


def _command(word: str, group: GroupReport, keys: tuple[str, str], calls: Calls) -> str:
    """The command line with a word, such as `backfill`, for a range of keys of a group."""
    first, last = map(shown_key, keys)
    named = ("-p", first) if first == last else ("--partitions", f"{first}..{last}")
    return calls(word, group.datasets[0], *named)


def _listed(nodes: list[str]) -> str:
    shown = ", ".join(nodes[:_NAMED])
    return shown if len(nodes) <= _NAMED else f"{shown} and {len(nodes) - _NAMED} more"


# From a plan


def _group(group: reasons.Group) -> GroupReport:
    return GroupReport(
        group.task, group.nodes, group.action, group.state, group.reason, group.cause or None,
        group.text, group.count, group.ranges,
    )  # fmt: skip


def _steps(plan: Plan, action: Action) -> int:
    return sum(int(np.count_nonzero(t.action == action)) for t in plan.tasks.values())


def _waiting(plan: Plan) -> dict[str, int]:
    """How many partitions of the request wait, by what they wait for in the end, most first."""
    waiting: Counter[str] = Counter()
    for planned in plan.tasks.values():
        waits = wanted_mask(plan.request, planned) & (planned.state == State.WAITING)
        unasked = waits & (planned.reason == Reason.NOT_ASKED)
        if unasked.any():
            waiting["a backfill"] += int(np.count_nonzero(unasked))
        positions, numbers = np.unique(planned.cause[waits & ~unasked], return_counts=True)
        for position, number in zip(positions.tolist(), numbers.tolist(), strict=True):
            waiting[_root(plan, planned, position)] += number
    return dict(waiting.most_common())


def _root(plan: Plan, planned: TaskPlan, position: int) -> str:
    """The dataset for which a task waits in the end; most often a source."""
    if position < 0:
        return "what is not due"
    name = planned.task.inputs[position].read.dataset.name
    seen = {name}
    while True:
        following = [n for n, _ in _waited_for(plan, name).most_common() if n not in seen]
        if not following:
            return name
        name = following[0]
        seen.add(name)


def _waited_for(plan: Plan, name: str) -> Counter[str]:
    """How many waiting partitions of a dataset wait for each other dataset."""
    waiting: Counter[str] = Counter()
    for task in plan.graph.writers(name):
        planned = plan.tasks[task.name]
        causes = planned.cause[planned.state == State.WAITING]
        for position, number in zip(*np.unique(causes, return_counts=True), strict=True):
            if position >= 0:
                waiting[task.inputs[int(position)].read.dataset.name] += int(number)
    return waiting


def _held_up(writers: list[TaskPlan], ordinal: int) -> str | None:
    """Why no task can make a partition; None if one can, or if it is fresh."""
    for planned in writers:
        i = ordinal - planned.lo
        if 0 <= i < len(planned.state):
            if planned.state[i] not in (State.WAITING, State.BLOCKED):
                return None
            position = int(planned.cause[i])
            cause = None if position < 0 else planned.task.inputs[position].read.dataset
            return reasons.describe(planned, Reason(int(planned.reason[i])), cause)
    task = writers[0].task
    if ordinal < max(p.hi for p in writers):
        if task.options.only == "latest":
            return f"{task.name} is for the newest partition only"
        return "an effect is for the past only with --with-effects"
    return "it is not due yet"
