"""The data of a plan: states, reasons, actions, requests, and a task's partitions as arrays.

Knows nothing of how it is decided; everything that shows a plan or carries it out reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.partitions.sets import PartitionSet
from partflow.planning.snapshot import Snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.footprint import Footprint

    Bounds = tuple[NDArray[np.int64], NDArray[np.int64]]
    Mask = NDArray[np.bool_]
    Codes = NDArray[np.uint8]


CLOCK_SLACK = 300
"""By how many seconds the clocks of two machines may differ; beyond that, one of them is wrong."""


class State(IntEnum):
    """The state of a partition, as `status` counts it."""

    FRESH = 0
    STALE = 1
    MISSING = 2
    WAITING = 3
    BLOCKED = 4


class Reason(IntEnum):
    """Why a partition must be made, may have to be, or cannot be."""

    NONE = 0
    NEVER = 1
    """It was never made."""
    GONE = 2
    """It was made, and its file is gone."""
    DAMAGED = 3
    """Its file cannot be read."""
    REFRESH = 4
    """The outside world still corrects it."""
    CODE = 5
    """It was made by other code."""
    INPUT = 6
    """An input differs from the one that it was made from."""
    ASKED = 7
    """It is fresh, and a backfill asks for it."""
    UPSTREAM = 8
    """An input is being made again; whether it changes is not known yet."""
    CHANGED_OUTSIDE = 9
    """Somebody changed its file."""
    NOT_DUE = 10
    """Something that it must read is not due."""
    NOT_ARRIVED = 11
    """Something that it must read waits, or a source has not brought it."""
    BEHIND = 12
    """Something that it must read is blocked, or cannot be read."""
    KEPT = 13
    """It was made by other code, and its task says to keep such partitions."""
    PINNED = 14
    """It is somebody's file, which was accepted and stays until a backfill."""
    RECKONED = 15
    """It was made by this code, under older rules of what counts of it."""
    LAST_GOOD = 16
    """A source's file that it is made from cannot be read; what was made before stays."""
    AWAY = 17
    """A source's file that it must read was there, and is gone."""
    MOVED = 18
    """An input differs from the one that it was made from, and its task says to keep such
    partitions."""
    PERHAPS_DONE = 19
    """An effect that a run began before it was cut off; somebody has to say whether it was done."""
    NOT_ASKED = 20
    """It was due before its task was first seen, which says `catchup=False`."""
    PAUSED = 21
    """Somebody paused it, and the plan is of what runs by itself."""
    HELD = 22
    """It failed with these inputs and this code, and is not to be tried yet."""
    BUSY = 23
    """A run under way makes it, or makes what it reads, or reads it."""


KEPT = (Reason.KEPT, Reason.MOVED)
"""The reasons of what stays fresh although its code or an input has changed."""


class Action(IntEnum):
    """What a run will do with a partition."""

    NONE = 0
    RUN = 1
    MAYBE = 2


class Only(Enum):
    """Which partitions of its range a backfill makes again."""

    ALL = "all"
    MISSING = "missing"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Force:
    """A backfill: make those of the wanted partitions again that `only` says.

    With `ALL`, partitions whose materialization is numbered `since` or later are left as they are:
    so a request that was cut off can go on.
    """

    only: Only = Only.ALL
    since: int = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Automatic:
    """That nobody asks by hand: what the plan of what runs by itself leaves as it is.

    What is stale by code alone is kept, unless its task is named in `recompute`. What is paused is
    left. `held` has by task what failed with the present inputs and code, and is not to be tried
    yet; `busy` what runs under way touch.
    """

    recompute: frozenset[str] = frozenset()
    held: Mapping[str, PartitionSet] = field(default_factory=dict)
    busy: tuple[Footprint, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: for each node its partitions; None for all partitions of all nodes.

    `names_partitions` says that somebody named these partitions, and not only their nodes.
    `automatic` is None for what is asked for by hand.
    """

    wanted: Mapping[str, PartitionSet] | None = None
    force: Force | None = None
    with_effects: bool = False
    names_partitions: bool = False
    automatic: Automatic | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What somebody has to put right outside of partflow: what it is, why, and what to do.

    `dataset`, `key` and `file` name a source's partition that cannot be read; all three are empty
    for the clock.
    """

    dataset: str
    key: str
    file: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task's partitions `[lo, hi)`: arrays with one entry for each.

    `need` is the reason to make it, or NONE; `reason` is why it is in its `state`; `cause` is the
    position of the read that the reason comes from, or -1. `bounds` holds for each read the ranges
    `[a, b)` of upstream ordinals. `moved` is how many of its reads differ from what it was made
    from, for a partition that stays all the same; 0 for all others.
    """

    task: Task
    lo: int
    state: Codes
    need: Codes
    reason: Codes
    cause: NDArray[np.int16]
    action: Codes
    bounds: tuple[Bounds, ...]
    moved: NDArray[np.int16]

    @property
    def hi(self) -> int:
        """One past the last ordinal."""
        return self.lo + len(self.state)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a request, with reasons; `tasks` is in the graph's order.

    `sources` holds the states of each source's partitions. `faults` are those of what the request
    names and of all that this is made from.
    """

    graph: Graph
    snapshot: Snapshot
    request: Request
    tasks: Mapping[str, TaskPlan]
    sources: Mapping[str, Codes]
    faults: tuple[Fault, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps will or may run."""
        return sum(int(np.count_nonzero(t.action)) for t in self.tasks.values())

    def count(self, state: State) -> int:
        """How many partitions of tasks are in a state, within the request."""
        return sum(
            int(np.count_nonzero(t.state[wanted_mask(self.request, t)] == state))
            for t in self.tasks.values()
        )

    @property
    def kept(self) -> int:
        """How many partitions within the request stay fresh though code or inputs changed."""
        return sum(
            int(np.count_nonzero(np.isin(t.reason[wanted_mask(self.request, t)], KEPT)))
            for t in self.tasks.values()
        )


@dataclass(frozen=True, slots=True)
class PerhapsDone:
    """An effect that a run began and whose end is not recorded, since the run was cut off.

    `action` is what the plan does with it. `is_over` says that no plan will do it: a later
    partition took its place, or it is done. `is_undecided` says that no plan does it before
    somebody says whether it was done. `is_past` says that only a request with effects plans it.
    """

    effect: str
    ordinal: int
    key: str
    run: str
    action: Action
    is_over: bool
    is_undecided: bool
    is_past: bool


def perhaps_done(plan: Plan) -> list[PerhapsDone]:
    """The effects within the request in which a run was cut off; each one's in order of time."""
    effects = []
    for name, ordinals in plan.snapshot.perhaps_done.items():
        planned, wanted = plan.tasks[name], plan.request.wanted
        for ordinal, run in sorted(ordinals.items()):
            effect = _perhaps_done(planned, ordinal, run)
            is_done_again = effect.action is not Action.NONE
            if is_done_again or wanted is None or ordinal in wanted.get(name, ()):
                effects.append(effect)
    return effects


def _perhaps_done(planned: TaskPlan, ordinal: int, run: str) -> PerhapsDone:
    options, i = planned.task.options, ordinal - planned.lo
    is_past, action, is_fresh = not 0 <= i < len(planned.state), Action.NONE, False
    if not is_past:
        action = Action(int(planned.action[i]))
        is_fresh = action is Action.NONE and planned.state[i] == State.FRESH
    repeats = options.idempotent or (is_past and options.only == "latest")
    return PerhapsDone(
        planned.task.name,
        ordinal,
        planned.task.grain.key(ordinal),
        run,
        action,
        is_over=is_fresh or (is_past and repeats),
        is_undecided=not repeats and not is_fresh and action is Action.NONE,
        is_past=is_past,
    )


def wanted_mask(request: Request, planned: TaskPlan) -> Mask:
    """Which partitions of a task a request names itself."""
    if request.wanted is None:
        return np.ones(len(planned.state), np.bool_)
    mask = np.zeros(len(planned.state), np.bool_)
    for node in outputs(planned.task):
        if node in request.wanted:
            mask |= request.wanted[node].mask(planned.lo, planned.hi)
    return mask
