"""The life of a run: events in, commands out. Pure: no clock, no thread, no file.

Knows nothing of executors or stores. A step is a task at one ordinal. Its life:

    state      event            next
    ---------  ---------------  ---------------------------------------------------------
    PENDING    last input done  READY, or SKIPPED if what it was made from did not change
    READY      taken            RUNNING
    RUNNING    StepMade         MADE or UNCHANGED
    RUNNING    StepFailed       READY again while retries are left, else FAILED
    PENDING    an input failed  BLOCKED, or LEFT if it was fresh and only may have changed

PENDING and READY become CANCELLED when the run stops early, and so does what is RUNNING but waits
in the executor still. All other states are final.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.graph import outputs
from partflow.lineage import Condition, elements, lanes, range_digest
from partflow.plan import Action, Plan, Reason, TaskPlan, horizon_of, state_over

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StepState(IntEnum):
    """Where a step is in its life; ABSENT is no step."""

    ABSENT = 0
    PENDING = 1
    READY = 2
    RUNNING = 3
    MADE = 4
    UNCHANGED = 5
    SKIPPED = 6
    FAILED = 7
    BLOCKED = 8
    LEFT = 9
    CANCELLED = 10


FINAL = frozenset(s for s in StepState if s >= StepState.MADE)


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A task at one partition."""

    task: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class StepMade:
    """A step's outputs are published, with these content fingerprints by dataset (none: effect)."""

    step: Step
    contents: Mapping[str, str]
    changed: bool


@dataclass(frozen=True, slots=True)
class StepFailed:
    """An attempt of a step failed; `is_final` if trying again cannot help."""

    step: Step
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Carry a step out, not before `delay` seconds from now."""

    step: Step
    attempt: int
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadNow:
    """What a step reads of one dataset at this moment: ordinals, and their digest in 16 bytes."""

    ordinals: tuple[int, ...]
    digest: bytes


@dataclass(slots=True)
class _Live:
    """A dataset's contents as they are while the run goes on, over the ordinals from `lo` on."""

    lo: int
    starts: NDArray[np.int64]
    parts: NDArray[np.uint64]
    there: NDArray[np.bool_]


class RunState:
    """All steps of one run. `handle` is the only way to change it after `begin`.

    With `newest_first` the latest in time is taken first; `retries` stands in for what tasks say.
    """

    def __init__(
        self, plan: Plan, *, newest_first: bool = False, retries: int | None = None
    ) -> None:
        self.plan = plan
        self.retries = retries
        self._sign = -1 if newest_first else 1
        self.order = {name: i for i, name in enumerate(plan.tasks)}
        self.states: dict[str, NDArray[np.uint8]] = {}
        self.waiting: dict[str, NDArray[np.int64]] = {}
        self.attempts: dict[Step, int] = {}
        self.live = {name: _live(plan, name) for name in plan.graph.datasets}
        self._ready: list[tuple[int, int, int, Step]] = []
        self._starts = {n: _starts(t) for n, t in plan.tasks.items()}
        self._readers = {
            name: [(t.name, p) for t, p in plan.graph.readers(name)] for name in plan.graph.datasets
        }
        for name, planned in plan.tasks.items():
            steps = planned.action != Action.NONE
            self.states[name] = np.where(steps, StepState.PENDING, StepState.ABSENT).astype(
                np.uint8
            )
        for name, planned in plan.tasks.items():
            self.waiting[name] = self._waits(planned)

    # --- events ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make ready what waits for nothing."""
        for name, waiting in self.waiting.items():
            free = np.flatnonzero((self.states[name] == StepState.PENDING) & (waiting == 0))
            for i in free.tolist():
                if self.states[name][i] == StepState.PENDING:
                    self._freed(Step(name, self.plan.tasks[name].lo + i))

    def take(self) -> Start | None:
        """The next step to carry out: in order of time, upstream first; None: none is ready."""
        if not self._ready:
            return None
        _, _, _, step = heapq.heappop(self._ready)
        self._set(step, StepState.RUNNING)
        self.attempts[step] = self.attempts.get(step, 0) + 1
        return Start(step, self.attempts[step])

    def handle(self, event: StepMade | StepFailed) -> Start | None:
        """Take in what became of a running step; a `Start` if it is to be tried again."""
        step = event.step
        if self.state_of(step) is not StepState.RUNNING:
            raise AssertionError(f"BUG: {event} for a step that is {self.state_of(step).name}")
        if isinstance(event, StepMade):
            self._set(step, StepState.MADE if event.changed else StepState.UNCHANGED)
            self._contents(step, event.contents)
            self._done(step)
            return None
        options = self.plan.tasks[step.task].task.options
        retries = options.retries if self.retries is None else self.retries
        if not event.is_final and self.attempts[step] <= retries:
            delay = options.retry_delay.total_seconds() * 2 ** (self.attempts[step] - 1)
            self.attempts[step] += 1
            return Start(step, self.attempts[step], delay)
        self._set(step, StepState.FAILED)
        self._held_up(step)
        return None

    def recall(self, step: Step) -> None:
        """Take back a step that was handed out and not begun."""
        if self.state_of(step) is not StepState.RUNNING:
            raise AssertionError(f"BUG: {step} is recalled and is {self.state_of(step).name}")
        self._set(step, StepState.CANCELLED)

    def cancel(self) -> None:
        """Give up what has not begun."""
        for states in self.states.values():
            states[(states == StepState.PENDING) | (states == StepState.READY)] = (
                StepState.CANCELLED
            )
        self._ready.clear()

    # --- questions ---------------------------------------------------------------------------

    def state_of(self, step: Step) -> StepState:
        """Where a step is."""
        return StepState(int(self.states[step.task][step.ordinal - self.plan.tasks[step.task].lo]))

    def count(self, *wanted: StepState) -> int:
        """How many steps are in any of these states."""
        return sum(int(np.isin(s, wanted).sum()) for s in self.states.values())

    def is_finished(self) -> bool:
        """Whether every step is in a final state."""
        return not self.count(StepState.PENDING, StepState.READY, StepState.RUNNING)

    def reads_of(self, step: Step) -> tuple[ReadNow, ...]:
        """What a step reads now, for each of its task's reads; optional ones without the absent."""
        planned = self.plan.tasks[step.task]
        i = step.ordinal - planned.lo
        found = []
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            live = self.live[one.read.dataset.name]
            low, high = (min(max(int(x[i]) - live.lo, 0), len(live.there)) for x in (a, b))
            mask = live.there[low:high] if one.read.is_optional else slice(None)
            numbers = np.arange(low, high)[mask] + live.lo
            parts = live.parts[low:high][mask]
            found.append(ReadNow(tuple(numbers.tolist()), range_digest(parts).tobytes()))
        return tuple(found)

    def validate(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        ready = {s for *_, s in self._ready}
        for name, states in self.states.items():
            lo = self.plan.tasks[name].lo
            waiting = self.waiting[name]
            assert (waiting >= 0).all(), f"{name}: waits for a negative number of steps"
            for i in np.flatnonzero(states == StepState.READY).tolist():
                assert Step(name, lo + i) in ready, f"{name}: READY and not in the queue"
            early = (states >= StepState.READY) & (states <= StepState.SKIPPED) & (waiting > 0)
            assert not early.any(), f"{name}: began before what it reads was done"
            pending = (states == StepState.PENDING) & (waiting == 0)
            assert not pending.any(), f"{name}: PENDING and waits for nothing"
            absent = self.plan.tasks[name].action == Action.NONE
            assert ((states == StepState.ABSENT) == absent).all(), f"{name}: steps not of the plan"

    # --- inside ------------------------------------------------------------------------------

    def _set(self, step: Step, state: StepState) -> None:
        self.states[step.task][step.ordinal - self.plan.tasks[step.task].lo] = state

    def _waits(self, planned: TaskPlan) -> NDArray[np.int64]:
        """For how many planned steps each of a task's partitions waits."""
        found = np.zeros(len(planned.state), np.int64)
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            for writer in self.plan.graph.writers(one.read.dataset.name):
                other = self.plan.tasks[writer.name]
                steps = np.concatenate(([0], np.cumsum(other.action != Action.NONE)))
                low, high = (np.clip(x - other.lo, 0, len(steps) - 1) for x in (a, b))
                found += steps[np.maximum(low, high)] - steps[low]
        return found

    def _freed(self, step: Step) -> None:
        """Everything that a step reads is done: it is ready, or there is nothing to do."""
        queue = [step]
        while queue:
            one = queue.pop()
            if self._is_fresh(one):
                self._set(one, StepState.SKIPPED)
                queue += self._released(one)
                continue
            self._set(one, StepState.READY)
            i = one.ordinal - self.plan.tasks[one.task].lo
            begins = self._sign * int(self._starts[one.task][i])
            place = (begins, self.order[one.task], self._sign * one.ordinal)
            heapq.heappush(self._ready, (*place, one))

    def _done(self, step: Step) -> None:
        for freed in self._released(step):
            self._freed(freed)

    def _is_fresh(self, step: Step) -> bool:
        """Whether a step that an input might have made stale is, after all, fresh."""
        planned = self.plan.tasks[step.task]
        i = step.ordinal - planned.lo
        if planned.need[i] not in (Reason.NONE, Reason.INPUT):
            return False
        now = self._digests_now(step)
        for node in outputs(planned.task):
            state = self.plan.snapshot.states[node]
            k = step.ordinal - state.lo
            if state.reads[k] != len(now):
                return False
            if any(state.inputs[k, p].tobytes() not in found for p, found in enumerate(now)):
                return False
        return True

    def _digests_now(self, step: Step) -> list[set[bytes]]:
        """The digests of each read at which it has not changed, as the plan has them too.

        What is gone counts with the content that it had; an optional read may have been without.
        """
        planned = self.plan.tasks[step.task]
        i = step.ordinal - planned.lo
        found = []
        reads = self.reads_of(step)
        for one, (a, b), read in zip(planned.task.inputs, planned.bounds, reads, strict=True):
            live = self.live[one.read.dataset.name]
            low, high = (min(max(int(x[i]) - live.lo, 0), len(live.there)) for x in (a, b))
            found.append({read.digest, range_digest(live.parts[low:high]).tobytes()})
        return found

    def _touched(self, step: Step) -> list[tuple[str, int, int, int]]:
        """The readers of a step's outputs: task, position of the read, and span of ordinals."""
        found = []
        for dataset in self.plan.tasks[step.task].task.writes:
            for name, position in self._readers[dataset.name]:
                planned = self.plan.tasks[name]
                a, b = planned.bounds[position]
                first = int(np.searchsorted(b, step.ordinal, side="right"))
                last = int(np.searchsorted(a, step.ordinal, side="right"))
                if first < last:
                    found.append((name, position, first, last))
        return found

    def _released(self, step: Step) -> list[Step]:
        """Count a step as done for its readers; those that wait for nothing any more."""
        freed = []
        for name, _, first, last in self._touched(step):
            waiting = self.waiting[name]
            waiting[first:last] -= 1
            free = (waiting[first:last] == 0) & (self.states[name][first:last] == StepState.PENDING)
            lo = self.plan.tasks[name].lo + first
            freed += [Step(name, lo + i) for i in np.flatnonzero(free).tolist()]
        return list(dict.fromkeys(freed))

    def _held_up(self, step: Step) -> None:
        """Block all that needs a failed step; readers to whom it is optional go on without it."""
        queue = [step]
        while queue:
            one = queue.pop()
            for name, position, first, last in self._touched(one):
                planned, states = self.plan.tasks[name], self.states[name]
                if planned.task.inputs[position].read.is_optional:
                    continue
                for i in np.flatnonzero(states[first:last] == StepState.PENDING).tolist():
                    run = planned.action[first + i] == Action.RUN
                    states[first + i] = StepState.BLOCKED if run else StepState.LEFT
                    queue.append(Step(name, planned.lo + first + i))
            for freed in self._released(one):
                self._freed(freed)

    def _contents(self, step: Step, contents: Mapping[str, str]) -> None:
        for name, content in contents.items():
            live = self.live[name]
            i = step.ordinal - live.lo
            numbers = np.array([lanes(content)], np.uint64)
            live.parts[i] = elements(live.starts[i : i + 1], numbers)[0]
            live.there[i] = True


def _live(plan: Plan, name: str) -> _Live:
    lo = plan.graph.dataset_extents[name].lo
    state = state_over(
        plan.snapshot.states[name], lo, horizon_of(plan.graph, name, plan.snapshot.now)
    )
    starts = plan.graph.datasets[name].grain.edges(state.lo, state.hi)[:-1]
    there = (state.condition == Condition.GOOD) | (state.condition == Condition.CHANGED)
    return _Live(lo, starts, elements(starts, state.content), there)


def _starts(planned: TaskPlan) -> NDArray[np.int64]:
    return planned.task.grain.edges(planned.lo, planned.hi)[:-1]
