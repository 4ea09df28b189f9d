"""The sentences that a command ends with, and the counts in them.

Knows nothing of how a plan came about; it only reads one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.keytexts import shown_key
from partflow.planning.plan import PerhapsDone
from partflow.planning.planner import (
    Action,
    Fault,
    Plan,
    Reason,
    State,
    TaskPlan,
    perhaps_done,
    wanted_mask,
)
from partflow.planning.selection import Asked, Scope
from partflow.report.text import count, printable, span

if TYPE_CHECKING:
    from partflow.execution.controls import Summary
    from partflow.metastore.runlog import RunRow

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """The partitions that a request names, by state; `waiting` by what they wait for in the end."""

    fresh: int
    stale: int
    missing: int
    waiting: dict[str, int]
    blocked: int


def tally(plan: Plan) -> Tally:
    """Count what is asked for."""
    waiting: Counter[str] = Counter()
    for planned in plan.tasks.values():
        held = wanted_mask(plan.request, planned) & (planned.state == State.WAITING)
        for position, number in zip(
            *np.unique(planned.cause[held], return_counts=True), strict=True
        ):
            waiting[_root(plan, planned, int(position))] += int(number)
    return Tally(
        plan.count(State.FRESH),
        plan.count(State.STALE),
        plan.count(State.MISSING),
        dict(waiting.most_common()),
        plan.count(State.BLOCKED),
    )


def nothing(plan: Plan) -> str:
    """`nothing to do`, and the states of what was asked for."""
    found = tally(plan)
    parts = [f"{found.stale:,} stale"] if found.stale else []
    parts += [f"{found.missing:,} missing"] if found.missing else []
    parts += [f"{number:,} waiting for {name}" for name, number in found.waiting.items()]
    parts += [f"{found.blocked:,} blocked"] if found.blocked else []
    if found.fresh or not parts:
        parts.insert(0, f"{found.fresh:,} fresh")
    return f"nothing to do: {', '.join(parts)}"


def planned(plan: Plan) -> str:
    """What a plan comes to."""
    run, maybe = actions(plan)
    if not run and not maybe:
        return nothing(plan)
    if not run:
        return f"{count(maybe, 'partition')} may be made"
    return f"{count(run, 'partition')} will be made, {maybe:,} may be"


def actions(plan: Plan) -> tuple[int, int]:
    """How many steps will run, and how many may."""
    found = [
        sum(int(np.count_nonzero(t.action == action)) for t in plan.tasks.values())
        for action in (Action.RUN, Action.MAYBE)
    ]
    return found[0], found[1]


def ran(summary: Summary, held: int) -> str:
    """What a run came to; `held` partitions were blocked before it began."""
    blocked = summary.blocked + held
    more = f", blocked {blocked:,}" if blocked else ""
    more += f", cancelled {summary.cancelled:,}" if summary.cancelled else ""
    return (
        f"ran {summary.ran:,}, unchanged {summary.unchanged:,}, skipped {summary.skipped:,}, "
        f"failed {summary.failed:,}{more} in {summary.seconds:.1f} s"
    )


def cut_off(row: RunRow) -> str:
    """What a run came to that was broken off; what it had not published is not counted."""
    return (
        f"{printable(row.note or row.state)}: ran {row.ran:,}, unchanged {row.unchanged:,}, "
        f"failed {row.failed:,} in {(row.finished_at or row.started_at) - row.started_at:.1f} s; "
        "the same command makes the rest"
    )


def code_changed(plan: Plan) -> list[str]:
    """How many partitions other code or other rules make stale, and of which datasets."""
    lines = []
    for reason, before, after in (
        (Reason.CODE, "changed code makes", ""),
        (Reason.RECKONED, "what counts as code now makes", "; `partflow accept` keeps them"),
    ):
        found = {
            name: int(np.count_nonzero((t.reason == reason) & (t.action == Action.RUN)))
            for name, t in plan.tasks.items()
        }
        names = ", ".join(f"{name} {number:,}" for name, number in found.items() if number)
        stale = f"{count(sum(found.values()), 'partition')} stale"
        lines += [f"{before} {stale}: {names}{after}"] if names else []
    return lines


def scope_lines(scopes: tuple[Scope, ...]) -> list[str]:
    """What a selection comes to: a line for each range, with the datasets that have it."""
    if not scopes:
        return ["0 partitions: nothing of the selection is due, or nothing of it has a task"]
    same: dict[tuple[int, str, str], list[str]] = {}
    for scope in scopes:
        same.setdefault((scope.count, scope.first, scope.last), []).append(scope.node)
    lines = []
    for (number, first, last), nodes in same.items():
        each = f" each of {len(nodes)} datasets" if len(nodes) > 1 else ""
        names = "" if len(same) == 1 else f"{_listed(nodes)}: "
        lines.append(
            f"{names}{count(number, 'partition')}{each}, {shown_key(first)} .. {shown_key(last)}"
        )
    return lines


def unmakeable(plan: Plan, asked: Asked, written: Callable[[str], str] = shown_key) -> list[str]:
    """The partitions that were named by their key and cannot be made, each with the reason."""
    if not asked.keys or plan.request.wanted is None:
        return []
    found = []
    for node, wanted in plan.request.wanted.items():
        writers = [plan.tasks[t.name] for t in plan.graph.writers(node)]
        for ordinal in wanted if writers else ():
            said = _held_up(writers, ordinal)
            if said:
                key = written(writers[0].task.grain.key(ordinal))
                found.append(f"{node}@{key} cannot be made: {said}")
    return found


def _held_up(writers: list[TaskPlan], ordinal: int) -> str | None:
    from partflow.planning.reasons import describe

    for planned in writers:
        i = ordinal - planned.lo
        if 0 <= i < len(planned.state):
            if planned.state[i] not in (State.WAITING, State.BLOCKED):
                return None
            position = int(planned.cause[i])
            cause = None if position < 0 else planned.task.inputs[position].read.dataset
            return describe(planned, Reason(int(planned.reason[i])), cause)
    task = writers[0].task
    if ordinal < max(p.hi for p in writers):
        if task.options.only == "latest":
            return f"{task.name} is for the newest partition only"
        return "an effect is for the past only with --with-effects"
    return "it is not due yet"


def _root(plan: Plan, planned: TaskPlan, position: int) -> str:
    """The dataset at the end of what a task waits for: most often a source."""
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
    """The datasets that the waiting partitions of a dataset wait for."""
    found: Counter[str] = Counter()
    for task in plan.graph.writers(name):
        one = plan.tasks[task.name]
        causes = one.cause[one.state == State.WAITING]
        for position, number in zip(*np.unique(causes, return_counts=True), strict=True):
            if position >= 0:
                found[task.inputs[int(position)].read.dataset.name] += int(number)
    return found


def _listed(nodes: list[str]) -> str:
    shown = ", ".join(nodes[:_NAMED])
    return shown if len(nodes) <= _NAMED else f"{shown} and {len(nodes) - _NAMED} more"


def perhaps(plan: Plan) -> list[str]:
    """Which effects a run began that was cut off, and whether they are done again."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in perhaps_done(plan):
        found.setdefault((one.effect, one.run, _will_be(one)), []).append(shown_key(one.key))
    return [
        f"{effect}@{', '.join(keys)} is perhaps done: run {run} began it and did not come to its "
        f"end; {will_be}"
        for (effect, run, will_be), keys in found.items()
    ]


def _will_be(one: PerhapsDone) -> str:
    if one.is_over:
        return "it is not done again by itself"
    if one.action is Action.NONE:
        return "it waits for what it reads"
    return "it is done again" + (" if what it reads changes" if one.action is Action.MAYBE else "")


def ranged(ranges: tuple[tuple[str, str], ...]) -> str:
    """Ranges of keys: the first .. the last, and how many there are if they are not one."""
    text = span(ranges[0][0], ranges[-1][1])
    return text if len(ranges) == 1 else f"{text} in {len(ranges):,} ranges"


def fault_lines(faults: Sequence[Fault]) -> list[str]:
    """What somebody has to put right: the thing, what is wrong, what to do.

    The files of a source that are at fault for one reason share a line, and a source has few lines.
    """
    groups: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.dataset, fault.reason, fault.advice), []).append(fault)
    lines, shown, left = [], Counter[str](), Counter[str]()
    for (name, reason, advice), alike in groups.items():
        if not name:
            lines.append(f"{reason}; {advice}")
        elif shown[name] == _NAMED:
            left[name] += len(alike)
        else:
            shown[name] += 1
            keys = ", ".join(shown_key(f.key) for f in alike[:_NAMED])
            more = f" and {len(alike) - _NAMED:,} more" if len(alike) > _NAMED else ""
            lines.append(f"{name}@{keys}{more} cannot be read: {alike[0].file}: {reason}; {advice}")
    return [
        *lines,
        *(
            f"{count(number, 'more file')} of {name} cannot be read, for other reasons: "
            "`partflow status --output json` names each"
            for name, number in left.items()
        ),
    ]


def fault_documents(faults: Sequence[Fault]) -> list[dict[str, str | None]]:
    """The same as JSON; the clock is no file and of no dataset."""
    return [
        {
            "dataset": f.dataset or None,
            "key": f.key or None,
            "file": f.file or None,
            "reason": f.reason,
            "advice": f.advice or None,
        }
        for f in faults
    ]
