"""The life of a run: events in, commands out. Pure: no clock, no thread, no file.

Knows nothing of executors or stores. A step is a task at one ordinal. Its life:

    state      event            next
    ---------  ---------------  ---------------------------------------------------------
    PENDING    last input done  READY, or SKIPPED if what it was made from did not change
    READY      taken            RUNNING, by itself or in a batch
    RUNNING    StepMade         MADE or UNCHANGED
    RUNNING    StepFailed       DELAYED while retries are left, else FAILED;
                                READY again, to be made by itself, if its batch failed as a whole
    DELAYED    its time came    READY
    DELAYED    StepFailed       FAILED: the run ends before its time comes
    PENDING    an input failed  BLOCKED, or LEFT if it was fresh and only may have changed

PENDING and READY become CANCELLED when the run stops early, and so does what is RUNNING but waits
in the executor still. All other states are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.execution.livecontents import LiveContents, Size
from partflow.execution.readyqueue import ReadyQueue, Step
from partflow.planning.planner import Action, Plan, TaskPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StepState(IntEnum):
    """Where a step is in its life; ABSENT is no step."""

    ABSENT = 0
    PENDING = 1
    READY = 2
    DELAYED = 3
    RUNNING = 4
    MADE = 5
    UNCHANGED = 6
    SKIPPED = 7
    FAILED = 8
    BLOCKED = 9
    LEFT = 10
    CANCELLED = 11


FINAL = frozenset(s for s in StepState if s >= StepState.MADE)


@dataclass(frozen=True, slots=True)
class StepMade:
    """A step's outputs are published, with these content fingerprints by dataset (none: effect)."""

    step: Step
    contents: Mapping[str, str]
    changed: bool
    sizes: Mapping[str, Size] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepFailed:
    """An attempt of a step failed; `is_final` if trying again cannot help.

    `is_shared` if its whole batch failed, so that it may not be at fault.
    """

    step: Step
    is_final: bool = False
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Carry steps out in one call: neighbouring partitions of one task, in order of time."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """Try a step again, not before `delay` seconds from now: call `resume` then."""

    step: Step
    delay: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a run is steered.

    With `newest_first` the latest in time is taken first; `retries` stands in for what tasks say.
    `pools` are limits by name. `batch_size` bounds batches in partitions, `batch_bytes` in the
    bytes of memory of the frames that one call reads; `widths` are those of a row, by dataset.
    """

    newest_first: bool = False
    retries: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    batch_size: int | None = None
    batch_bytes: int = 64 * 2**20
    widths: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """A call under way: a task, and how many of its steps have not come to an end."""

    task: str
    left: int


class RunState:
    """All steps of one run. `handle` is the only way to change it after `begin`."""

    def __init__(self, plan: Plan, tuning: Tuning | None = None) -> None:
        self.plan = plan
        self.tuning = tuning or Tuning()
        self.states: dict[str, NDArray[np.uint8]] = {}
        self.waiting: dict[str, NDArray[np.int64]] = {}
        self.attempts: dict[Step, int] = {}
        self.live = LiveContents(plan, self.tuning.widths)
        self._counts = np.zeros(len(StepState), np.int64)
        self._calls: dict[Step, _Call] = {}
        self._alone: set[Step] = set()
        self._ready = ReadyQueue(
            plan,
            newest_first=self.tuning.newest_first,
            pools=self.tuning.pools,
            batch_size=self.tuning.batch_size,
        )
        self._readers = {
            name: [(t.name, p) for t, p in plan.graph.readers(name)] for name in plan.graph.datasets
        }
        for name, planned in plan.tasks.items():
            steps = planned.action != Action.NONE
            states = np.where(steps, StepState.PENDING, StepState.ABSENT).astype(np.uint8)
            self.states[name] = states
            self._counts += np.bincount(states, minlength=len(StepState))
        for name, planned in plan.tasks.items():
            self.waiting[name] = self._waits(planned)

    # --- events ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make ready what waits for nothing."""
        for name, waiting in self.waiting.items():
            planned, states = self.plan.tasks[name], self.states[name]
            free = (states == StepState.PENDING) & (waiting == 0)
            sure = free & (planned.action == Action.RUN)
            self._set_all(name, sure, StepState.READY)
            self._ready.offer_all(name, np.flatnonzero(sure) + planned.lo)
            for i in np.flatnonzero(free & ~sure).tolist():
                if states[i] == StepState.PENDING:
                    self._freed(Step(name, planned.lo + i))

    def take(self, *, is_busy: bool = False) -> Start | None:
        """What to carry out next: in order of time, upstream first; None: nothing is ready.

        While the workers have enough in hand, a batch that neighbours may still join is left.
        """
        while (step := self._ready.take()) is not None:
            if self.state_of(step) is not StepState.READY:
                continue  # it went with a batch
            steps = self._batch(step)
            if is_busy and self._may_grow(steps):
                self._ready.offer(step)
                return None
            call = _Call(step.task, len(steps))
            for one in steps:
                self._set(one, StepState.RUNNING)
                self.attempts[one] = self.attempts.get(one, 0) + 1
                self._calls[one] = call
            self._ready.begun(step.task)
            return Start(steps[:: self._ready.sign])
        return None

    def handle(self, event: StepMade | StepFailed) -> Later | None:
        """Take in what became of a step; a `Later` if it is to be tried again."""
        step = event.step
        was = self.state_of(step)
        given_up = was is StepState.DELAYED and isinstance(event, StepFailed) and event.is_final
        if was is not StepState.RUNNING and not given_up:
            raise AssertionError(f"BUG: {event} for a step that is {was.name}")
        self._ended(step)
        if isinstance(event, StepMade):
            self._set(step, StepState.MADE if event.changed else StepState.UNCHANGED)
            self.attempts.pop(step, None)
            self.live.put(step, event.contents, event.sizes)
            self._done(step)
            return None
        if event.is_shared and not event.is_final and step not in self._alone:
            self._parted(step)
            return None
        options = self.plan.tasks[step.task].task.options
        retries = options.retries if self.tuning.retries is None else self.tuning.retries
        if not event.is_final and self.attempts[step] <= retries:
            self._set(step, StepState.DELAYED)
            delay = options.retry_delay.total_seconds() * 2 ** (self.attempts[step] - 1)
            return Later(step, delay)
        self._set(step, StepState.FAILED)
        self.attempts.pop(step, None)
        self._held_up(step)
        return None

    def resume(self, step: Step) -> None:
        """The time of a delayed step has come."""
        if self.state_of(step) is not StepState.DELAYED:
            raise AssertionError(f"BUG: {step} is resumed and is {self.state_of(step).name}")
        self._set(step, StepState.READY)
        self._alone.add(step)
        self._ready.offer(step)

    def recall(self, step: Step) -> None:
        """Take back a step that was handed out and not begun."""
        if self.state_of(step) is not StepState.RUNNING:
            raise AssertionError(f"BUG: {step} is recalled and is {self.state_of(step).name}")
        self._ended(step)
        self._set(step, StepState.CANCELLED)

    def cancel(self) -> None:
        """Give up what has not begun."""
        for name, states in self.states.items():
            idle = (states == StepState.PENDING) | (states == StepState.READY)
            self._set_all(name, idle, StepState.CANCELLED)
        self._ready.clear()

    # --- questions ---------------------------------------------------------------------------

    def state_of(self, step: Step) -> StepState:
        """Where a step is."""
        return StepState(int(self.states[step.task][step.ordinal - self.plan.tasks[step.task].lo]))

    def count(self, *wanted: StepState) -> int:
        """How many steps are in any of these states."""
        return int(sum(self._counts[s] for s in wanted))

    def is_finished(self) -> bool:
        """Whether every step is in a final state."""
        return not self._counts[StepState.PENDING : StepState.MADE].any()

    def validate(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        counts = np.zeros(len(StepState), np.int64)
        for name, states in self.states.items():
            waiting = self.waiting[name]
            counts += np.bincount(states, minlength=len(StepState))
            assert (waiting >= 0).all(), f"{name}: waits for a negative number of steps"
            early = (states >= StepState.READY) & (states <= StepState.SKIPPED) & (waiting > 0)
            assert not early.any(), f"{name}: began before what it reads was done"
            pending = (states == StepState.PENDING) & (waiting == 0)
            assert not pending.any(), f"{name}: PENDING and waits for nothing"
            absent = self.plan.tasks[name].action == Action.NONE
            assert ((states == StepState.ABSENT) == absent).all(), f"{name}: steps not of the plan"
        assert (counts == self._counts).all(), "the counts are not those of the states"
        running = int(counts[StepState.RUNNING])
        assert len(self._calls) == running, "calls and running steps differ"

    # --- inside ------------------------------------------------------------------------------

    def _set(self, step: Step, state: StepState) -> None:
        states, i = self.states[step.task], step.ordinal - self.plan.tasks[step.task].lo
        self._counts[states[i]] -= 1
        self._counts[state] += 1
        states[i] = state

    def _set_all(self, task: str, mask: NDArray[np.bool_], state: StepState) -> None:
        states = self.states[task]
        self._counts -= np.bincount(states[mask], minlength=len(StepState))
        self._counts[state] += int(np.count_nonzero(mask))
        states[mask] = state

    def _ended(self, step: Step) -> None:
        """A step has left its call; with the last one the call's place in its pool is free."""
        call = self._calls.pop(step, None)
        if call is not None:
            call.left -= 1
            if not call.left:
                self._ready.ended(call.task)

    def _batch(self, step: Step) -> tuple[Step, ...]:
        """A ready step, and the ready ones after it that can go with it in one call."""
        limit, found = self._ready.limits[step.task], [step]
        if limit == 1 or step in self._alone:
            return (step,)
        planned, states = self.plan.tasks[step.task], self.states[step.task]
        block = self._ready.block(step)
        while len(found) < limit:
            after = Step(step.task, found[-1].ordinal + self._ready.sign)
            i = after.ordinal - planned.lo
            if not 0 <= i < len(states) or states[i] != StepState.READY or after in self._alone:
                break
            if self._ready.block(after) != block or not self.live.fits(
                found, after, self.tuning.batch_bytes
            ):
                break
            found.append(after)
        return tuple(found)

    def _may_grow(self, steps: tuple[Step, ...]) -> bool:
        """Whether the next neighbour of a batch is not ready yet, and would go with it."""
        last = steps[-1]
        if last in self._alone or len(steps) >= self._ready.limits[last.task]:
            return False
        planned, states = self.plan.tasks[last.task], self.states[last.task]
        i = last.ordinal + self._ready.sign - planned.lo
        if not 0 <= i < len(states) or states[i] != StepState.PENDING:
            return False
        return self._ready.block(Step(last.task, i + planned.lo)) == self._ready.block(last)

    def _parted(self, step: Step) -> None:
        """A batch failed as a whole: each of its steps is made by itself, at no attempt's cost."""
        self.attempts[step] -= 1
        self._alone.add(step)
        self._set(step, StepState.READY)
        self._ready.offer(step)

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
            if self.live.is_fresh(one):
                self._set(one, StepState.SKIPPED)
                queue += self._released(one)
                continue
            self._set(one, StepState.READY)
            self._ready.offer(one)

    def _done(self, step: Step) -> None:
        for freed in self._released(step):
            self._freed(freed)

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
        """Block all that needs a failed step; readers to whom it is optional go on without it.

        Unless its file was there and is lost: what is gone is not what never was.
        """
        queue = [step]
        while queue:
            one = queue.pop()
            for name, position, first, last in self._touched(one):
                planned, states = self.plan.tasks[name], self.states[name]
                read = planned.task.inputs[position].read
                if read.is_optional and not self.live.is_lost(read.dataset.name, one.ordinal):
                    continue
                for i in np.flatnonzero(states[first:last] == StepState.PENDING).tolist():
                    run = planned.action[first + i] == Action.RUN
                    held = Step(name, planned.lo + first + i)
                    self._set(held, StepState.BLOCKED if run else StepState.LEFT)
                    queue.append(held)
            for freed in self._released(one):
                self._freed(freed)
