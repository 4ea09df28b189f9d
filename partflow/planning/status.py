"""Counts a plan by node and state, for `status` and for `status:` in selections.

Knows nothing of where the plan came from. It counts, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph
from partflow.errors import UsageError
from partflow.planning.oldercode import by_code_alone
from partflow.planning.plan import KEPT
from partflow.planning.planner import Action, Plan, Reason, State
from partflow.planning.provisional import provisional
from partflow.planning.selection import grain_of
from partflow.planning.snapshot import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.plan import Mask


@dataclass(frozen=True, slots=True)
class Status:
    """How many partitions of a node are in which state.

    `first` and `last` are its first and last key so far, "" if it has none yet. `counts` has every
    state. `maybe` counts those whose inputs are being made again, `kept` those that stay though
    their code or what they read has changed, `moved` how many of their reads have, `pinned` those
    with somebody's accepted file, `last_good` those that stay as they were made while a source's
    file behind them cannot be read, `unasked` those that are made only if somebody asks for them,
    `provisional` those that were made before all that they are of had come, `absent` those of a
    source that were given up. `older_code` counts those that are stale only since other code made
    them. `states` holds the state of each partition, in order.
    """

    node: str
    kind: str
    grain: str
    first: str
    last: str
    counts: Mapping[State, int]
    maybe: int
    kept: int
    moved: int
    pinned: int
    last_good: int
    unasked: int
    provisional: int
    older_code: int
    absent: int
    rows: int
    nbytes: int
    states: NDArray[np.uint8]

    @property
    def partitions(self) -> int:
        """How many partitions there are so far."""
        return len(self.states)


def statuses(plan: Plan) -> tuple[Status, ...]:
    """The status of every node, sources first, then in the graph's order."""
    sources = [_source(plan, name) for name in sorted(plan.sources)]
    older = {
        name: mask & (plan.tasks[name].need == Reason.CODE)
        for name, mask in by_code_alone(plan).items()
    }
    others = [_node(plan, node, older) for node in plan.graph.nodes if node not in plan.sources]
    return (*sources, *others)


def states_of(plan: Plan) -> dict[str, frozenset[str]]:
    """For each node the names of its partitions' states; `kept` and `absent` are beside fresh."""
    return {
        s.node: frozenset(
            [
                *(state.name.lower() for state, n in s.counts.items() if n),
                *["kept"] * bool(s.kept),
                *["absent"] * bool(s.absent),
            ]
        )
        for s in statuses(plan)
    }


def _counted(states: NDArray[np.uint8]) -> dict[State, int]:
    return {state: int(np.count_nonzero(states == state)) for state in State}


def _source(plan: Plan, name: str) -> Status:
    grain = plan.graph.datasets[name].grain
    state = plan.snapshot.states[name]
    states = plan.sources[name]
    n = len(states)
    return Status(
        name, "source", grain.describe(), grain.key(state.lo) if n else "",
        grain.key(state.hi - 1) if n else "", _counted(states), 0, 0, 0, 0, 0, 0, 0, 0,
        int(np.count_nonzero(state.condition == Condition.GIVEN_UP)),
        int(state.rows.sum()), int(state.nbytes.sum()), states,
    )  # fmt: skip


def _node(plan: Plan, node: str, older: Mapping[str, Mask]) -> Status:
    planned = [plan.tasks[t.name] for t in plan.graph.writers(node)]
    state = plan.snapshot.states.get(node)
    states = np.concatenate([p.state for p in planned]) if planned else np.zeros(0, np.uint8)
    grain = planned[0].task.grain if planned else plan.graph.datasets[node].grain
    some = [p for p in planned if len(p.state)]
    rows = nbytes = 0
    if state is not None and node in plan.graph.datasets:
        rows, nbytes = int(state.rows.sum()), int(state.nbytes.sum())
    return Status(
        node,
        "effect" if planned and planned[0].task.is_effect else "dataset",
        grain.describe(),
        grain.key(min(p.lo for p in some)) if some else "",
        grain.key(max(p.hi for p in some) - 1) if some else "",
        _counted(states),
        sum(int(np.count_nonzero(p.action == Action.MAYBE)) for p in planned),
        sum(int(np.count_nonzero(np.isin(p.reason, KEPT))) for p in planned),
        sum(int(p.moved.sum()) for p in planned),
        sum(int(np.count_nonzero(p.reason == Reason.PINNED)) for p in planned),
        sum(int(np.count_nonzero(p.reason == Reason.LAST_GOOD)) for p in planned),
        sum(int(np.count_nonzero(p.reason == Reason.NOT_ASKED)) for p in planned),
        sum(int(np.count_nonzero(provisional(plan, p))) for p in planned),
        sum(int(np.count_nonzero(older.get(p.task.name, 0))) for p in planned),
        0,
        rows,
        nbytes,
        states,
    )


def failed_ordinals(graph: Graph, failures: Iterable[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    """The (node, ordinal) of failures, each a (node, key), as far as the graph has them still."""
    known = frozenset(graph.nodes)
    for node, key in failures:
        if node not in known:
            continue
        try:
            ordinal = grain_of(graph, node).ordinal(key)
        except UsageError:  # A key of the grain that the node had before.
            continue
        yield node, ordinal


def failed_now(plan: Plan, failures: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many partitions of each node failed when they were tried last, and are not fresh now.

    `failures` are the (node, key) whose last attempt failed, whatever became of them since.
    """
    failed: dict[str, int] = {}
    for node, ordinal in failed_ordinals(plan.graph, failures):
        for task in plan.graph.writers(node):
            planned = plan.tasks[task.name]
            i = ordinal - planned.lo
            if 0 <= i < len(planned.state) and planned.state[i] != State.FRESH:
                failed[node] = failed.get(node, 0) + 1
    return failed
