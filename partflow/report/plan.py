"""Shows a plan: its steps by dataset, range and reason, then what waits or is blocked.

Knows nothing of how it is decided; `reasons` groups it and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from partflow.partitions.keytexts import shown_key
from partflow.planning import reasons
from partflow.planning.planner import Action, Plan, Reason, State, perhaps_done
from partflow.planning.selection import Scope, scopes
from partflow.report import sentences
from partflow.report.text import aligned, count, painted

Calls = Callable[..., str]
"""Words to a command line."""

_SHOWN = 5
_VERBS = {Action.RUN: "run", Action.MAYBE: "may run"}
_COLOURS = {"run": "green", "may run": "cyan", "waiting": "yellow", "blocked": "red"}


def plan_lines(plan: Plan) -> list[str]:
    """The plan as text, the sentence last."""
    rows = [_row(group, _VERBS[group.action]) for group in reasons.steps(plan)]
    rows += [_row(group, group.state.name.lower()) for group in reasons.held(plan)]
    lines = aligned(rows) if rows else []
    lines = [painted(line, _COLOURS[row[1]]) for line, row in zip(lines, rows, strict=True)]
    return [*lines, *sentences.code_changed(plan), sentences.planned(plan)]


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON: every group with all of its ranges, counts, and the sentence."""
    run, maybe = sentences.actions(plan)
    found = sentences.tally(plan)
    return {
        "selection": [_scope(s) for s in scopes(plan.graph, plan.request, plan.snapshot.now)],
        "steps": [_group(group) for group in reasons.steps(plan)],
        "held": [_group(group) for group in reasons.held(plan)],
        "counts": {
            "run": run,
            "maybe": maybe,
            "fresh": found.fresh,
            "stale": found.stale,
            "missing": found.missing,
            "waiting": sum(found.waiting.values()),
            "blocked": found.blocked,
        },
        "waiting_for": found.waiting,
        "perhaps_done": [
            {"effect": p.effect, "key": p.key, "run": p.run} for p in perhaps_done(plan)
        ],
        "faults": sentences.fault_documents(plan.faults),
        "sentence": sentences.planned(plan),
    }


def blocked_lines(plan: Plan, calls: Calls) -> list[str]:
    """What is blocked, a line for each reason; how to make again or keep what somebody changed.

    And what waits for a file that was there: whoever took it away is to hear of it. `calls` words
    a command line for this project.
    """
    held = reasons.held(plan)
    groups = [g for g in held if g.state is State.BLOCKED or g.reason is Reason.AWAY]
    rows = aligned([_row(g, g.state.name.lower()) for g in groups]) if groups else []
    lines = []
    for group, line in zip(groups, rows, strict=True):
        lines.append(painted(line, _COLOURS[group.state.name.lower()]))
        if group.reason is Reason.CHANGED_OUTSIDE:
            for first, last in group.ranges[:_SHOWN]:
                lines.append(f"  again: {_command('backfill', group, (first, last), calls)}")
                lines.append(f"  keep: {_command('accept', group, (first, last), calls)}")
    return lines


def _command(word: str, group: reasons.Group, keys: tuple[str, str], calls: Calls) -> str:
    """A command for a range that somebody changed; it is kept as it is until then."""
    first, last = map(shown_key, keys)
    named = ("-p", first) if first == last else ("--partitions", f"{first}..{last}")
    return calls(word, group.nodes[0], *named)


def _row(group: reasons.Group, verb: str) -> tuple[str, ...]:
    return (
        ", ".join(group.nodes),
        verb,
        count(group.count, "partition"),
        sentences.ranged(group.ranges),
        group.text,
    )


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "dataset": scope.node,
        "partitions": scope.count,
        "first": scope.first,
        "last": scope.last,
    }


def _group(group: reasons.Group) -> dict[str, Any]:
    return {
        "task": group.task,
        "datasets": list(group.nodes),
        "action": group.action.name.lower(),
        "state": group.state.name.lower(),
        "reason": group.reason.name.lower(),
        "cause": group.cause or None,
        "text": group.text,
        "count": group.count,
        "ranges": [list(r) for r in group.ranges],
    }
