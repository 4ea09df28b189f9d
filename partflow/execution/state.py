"""The life of a run: events in, commands out. Pure: no clock, no thread, no file.

Knows nothing of executors or stores. A step is a task at one ordinal. Its life:

    state      event            next
    ---------  ---------------  ---------------------------------------------------------
    PENDING    last input done  READY, or SKIPPED if what it was made from did not change
    READY      taken            RUNNING, by itself or in a batch
    RUNNING    put back         READY again: other runs have the places of its pool
    RUNNING    StepMade         MADE or UNCHANGED
    RUNNING    StepFailed       DELAYED while retries are left, else FAILED;
                                READY again, to be made by itself, if its batch failed as a whole
    DELAYED    its time came    READY
    DELAYED    StepFailed       FAILED: the run ends before its time comes
    PENDING    an input failed  BLOCKED, or LEFT if it was fresh and only may have changed

When a run stops early, PENDING and READY steps become CANCELLED, and so do RUNNING ones that the
executor has not begun. The states from MADE on, in `StepState`, are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.execution.livecontents import LiveContents, Size
from partflow.execution.readyqueue import ReadyQueue, Step
from partflow.planning.partial import enough
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
    """A step's outputs are published; an effect has none.

    `contents` are their content fingerprints and `sizes` their sizes, both by dataset. `changed`
    says whether any content is another one than before.
    """

    step: Step
    contents: Mapping[str, str]
    changed: bool
    sizes: Mapping[str, Size] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepFailed:
    """An attempt of a step failed.

    `is_final` says that another attempt cannot help or will not come. `is_shared` says that the
    step's whole batch failed, so that the fault may be another step's.
    """

    step: Step
    is_final: bool = False
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Make these steps in one call: neighbouring partitions of one task, earliest first."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """Try a step again, not before `delay` seconds from now: call `resume` then."""

    step: Step
    delay: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a run is steered.

    With `newest_first` the latest in time is taken first. `retries` overrides what tasks say.
    `pools` gives each pool's number of places by its name. A batch has at most `batch_size`
    partitions, and the frames that its call reads take at most `batch_bytes` bytes of memory.
    `widths` gives the bytes of memory that a row takes, by dataset.
    """

    newest_first: bool = False
    retries: int | None = None
    pools: Mapping[str, int] = field(default_factory=dict)
    batch_size: int | None = None
    batch_bytes: int = 64 * 2**20
    widths: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Call:
    """A call under way: its task, and how many of its steps have not ended."""

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
        """Make ready the steps that wait for nothing; called once, before everything else."""
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
        """The steps to make next, which are RUNNING from now on; None if nothing can be taken.

        If `is_busy`, all workers have work: a batch that a neighbour may still join is not taken.
        """
        while (step := self._ready.take()) is not None:
            if self.state_of(step) is not StepState.READY:
                continue  # It went with a batch.
            steps = self._batch(step)
            if is_busy and self._may_grow(steps):
                self._ready.offer(step)
                return None
            call = _Call(step.task, len(steps))
            for member in steps:
                self._set(member, StepState.RUNNING)
                self.attempts[member] = self.attempts.get(member, 0) + 1
                self._calls[member] = call
            self._ready.begun(step.task)
            return Start(steps[:: self._ready.sign])
        return None

    def handle(self, event: StepMade | StepFailed) -> Later | None:
        """Take in how a step ended; returns a `Later` if the step is to be tried again.

        Requires: the step is RUNNING, or it is DELAYED and the failure is final.
        """
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

    def put_back(self, start: Start) -> None:
        """Make steps READY again that were just taken: there is no place for them in their pool.

        Until `unbound` that pool has no more calls under way than without them. Requires: nothing
        was taken since.
        """
        for step in start.steps:
            self._ended(step)
            self._set(step, StepState.READY)
            self.attempts[step] -= 1
        first = start.steps[:: self._ready.sign][0]
        pool = self.plan.tasks[first.task].task.options.pool
        if pool is not None:
            self._ready.bound(pool)
        self._ready.offer(first)  # the others of a batch were only looked at

    def unbound(self) -> None:
        """Take steps of all pools again, up to their limits: there may be places by now."""
        self._ready.unbound()

    def resume(self, step: Step) -> None:
        """Make a DELAYED step ready, because the time of its next attempt has come."""
        if self.state_of(step) is not StepState.DELAYED:
            raise AssertionError(f"BUG: {step} is resumed and is {self.state_of(step).name}")
        self._set(step, StepState.READY)
        self._alone.add(step)
        self._ready.offer(step)

    def recall(self, step: Step) -> None:
        """Cancel a RUNNING step that the executor gave back, or whose worker is ended."""
        if self.state_of(step) is not StepState.RUNNING:
            raise AssertionError(f"BUG: {step} is recalled and is {self.state_of(step).name}")
        self._ended(step)
        self._set(step, StepState.CANCELLED)

    def cancel(self) -> None:
        """Cancel all steps that are PENDING or READY."""
        for name, states in self.states.items():
            idle = (states == StepState.PENDING) | (states == StepState.READY)
            self._set_all(name, idle, StepState.CANCELLED)
        self._ready.clear()

    def leave(self, task: str) -> int:
        """Begin no more steps of a task: what has not begun is blocked, with what needs it.

        Fresh partitions that only may have changed are LEFT. Returns how many steps are blocked.
        """
        states, planned, blocked = self.states[task], self.plan.tasks[task], 0
        idle = (states == StepState.PENDING) | (states == StepState.READY)
        must_run = planned.action == Action.RUN
        self._set_all(task, idle & must_run, StepState.BLOCKED)
        self._set_all(task, idle & ~must_run, StepState.LEFT)
        for i in np.flatnonzero(idle).tolist():
            self._held_up(Step(task, planned.lo + i))
            blocked += bool(must_run[i])
        return blocked

    # --- questions ---------------------------------------------------------------------------

    def state_of(self, step: Step) -> StepState:
        """Where a step is in its life."""
        return StepState(int(self.states[step.task][step.ordinal - self.plan.tasks[step.task].lo]))

    def count(self, *wanted: StepState) -> int:
        """How many steps are in any of these states."""
        return int(sum(self._counts[s] for s in wanted))

    def under_way(self, pool: str) -> int:
        """How many calls of this run are under way in a pool that has a limit; else 0."""
        return self._ready.under_way(pool)

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
        """Take a step out of its call; when the last one leaves, the call's pools have room."""
        call = self._calls.pop(step, None)
        if call is not None:
            call.left -= 1
            if not call.left:
                self._ready.ended(call.task)

    def _batch(self, step: Step) -> tuple[Step, ...]:
        """A ready step, and its ready neighbours that can be made in the same call."""
        limit, batch = self._ready.limits[step.task], [step]
        if limit == 1 or step in self._alone:
            return (step,)
        planned, states = self.plan.tasks[step.task], self.states[step.task]
        block = self._ready.block(step)
        while len(batch) < limit:
            after = Step(step.task, batch[-1].ordinal + self._ready.sign)
            i = after.ordinal - planned.lo
            if not 0 <= i < len(states) or states[i] != StepState.READY or after in self._alone:
                break
            if self._ready.block(after) != block or not self.live.fits(
                batch, after, self.tuning.batch_bytes
            ):
                break
            batch.append(after)
        return tuple(batch)

    def _may_grow(self, steps: tuple[Step, ...]) -> bool:
        """Whether the next neighbour of a batch is still PENDING, and could join once ready."""
        last = steps[-1]
        if last in self._alone or len(steps) >= self._ready.limits[last.task]:
            return False
        planned, states = self.plan.tasks[last.task], self.states[last.task]
        i = last.ordinal + self._ready.sign - planned.lo
        if not 0 <= i < len(states) or states[i] != StepState.PENDING:
            return False
        return self._ready.block(Step(last.task, i + planned.lo)) == self._ready.block(last)

    def _parted(self, step: Step) -> None:
        """Have a step of a failed batch made in a call of its own; its attempt does not count."""
        self.attempts[step] -= 1
        self._alone.add(step)
        self._set(step, StepState.READY)
        self._ready.offer(step)

    def _waits(self, planned: TaskPlan) -> NDArray[np.int64]:
        """For how many planned steps each of a task's partitions waits, from `lo` on."""
        waits = np.zeros(len(planned.state), np.int64)
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            for writer in self.plan.graph.writers(task_input.read.dataset.name):
                upstream = self.plan.tasks[writer.name]
                steps = np.concatenate(([0], np.cumsum(upstream.action != Action.NONE)))
                low, high = (np.clip(x - upstream.lo, 0, len(steps) - 1) for x in (a, b))
                waits += steps[np.maximum(low, high)] - steps[low]
        return waits

    def _freed(self, step: Step) -> None:
        """Make a step ready, now that all it reads is done, or skip it if it is fresh after all.

        A step that is skipped is done for its readers, which follow in the same way.
        """
        queue = [step]
        while queue:
            next_step = queue.pop()
            if self.live.is_fresh(next_step):
                self._set(next_step, StepState.SKIPPED)
                queue += self._released(next_step)
                continue
            self._set(next_step, StepState.READY)
            self._ready.offer(next_step)

    def _done(self, step: Step) -> None:
        for freed in self._released(step):
            self._freed(freed)

    def _touched(self, step: Step) -> list[tuple[str, int, int, int]]:
        """Who reads a step's outputs: task, position of the read, and a range of its steps.

        The range is half-open and counts from the task's `lo`.
        """
        touched = []
        for dataset in self.plan.tasks[step.task].task.writes:
            for name, position in self._readers[dataset.name]:
                planned = self.plan.tasks[name]
                a, b = planned.bounds[position]
                first = int(np.searchsorted(b, step.ordinal, side="right"))
                last = int(np.searchsorted(a, step.ordinal, side="right"))
                if first < last:
                    touched.append((name, position, first, last))
        return touched

    def _released(self, step: Step) -> list[Step]:
        """Count a step as done for its readers; returns those that now wait for nothing."""
        freed = []
        for name, _, first, last in self._touched(step):
            waiting = self.waiting[name]
            waiting[first:last] -= 1
            free = (waiting[first:last] == 0) & (self.states[name][first:last] == StepState.PENDING)
            lo = self.plan.tasks[name].lo + first
            freed += [Step(name, lo + i) for i in np.flatnonzero(free).tolist()]
        return list(dict.fromkeys(freed))

    def _has_enough(self, task: str, position: int, i: int) -> bool:
        """Whether enough of a partial read is there, or may still be made, for one step of a task.

        What was there and is lost does not count, and has to be there all the same.
        """
        planned = self.plan.tasks[task]
        read = planned.task.inputs[position].read
        a, b = (int(ends[i]) for ends in planned.bounds[position])
        needed = enough(
            read, planned.task, planned.lo + i,
            (np.array([a]), np.array([b])), self.plan.snapshot.now,
        )  # fmt: skip
        hoped = self.live.there(read.dataset.name, (a, b))
        for writer in self.plan.graph.writers(read.dataset.name):
            states, lo = self.states[writer.name], self.plan.tasks[writer.name].lo
            at = np.flatnonzero((states >= StepState.PENDING) & (states < StepState.MADE)) + lo
            hoped[at[(at >= a) & (at < b)] - a] = True
        is_lost = any(
            self.live.is_lost(read.dataset.name, o) for o in range(a, b) if not hoped[o - a]
        )
        return not is_lost and int(np.count_nonzero(hoped)) >= int(needed[0])

    def _held_up(self, step: Step) -> None:
        """Block all steps that need a failed one; readers that can do without it go on.

        But if its file existed once and is lost, optional readers are blocked, too: they would take
        a partition that is lost for one that never was.
        """
        queue = [step]
        while queue:
            stuck = queue.pop()
            for name, position, first, last in self._touched(stuck):
                planned, states = self.plan.tasks[name], self.states[name]
                read = planned.task.inputs[position].read
                if read.is_optional and not self.live.is_lost(read.dataset.name, stuck.ordinal):
                    continue
                for i in np.flatnonzero(states[first:last] == StepState.PENDING).tolist():
                    if read.is_partial and self._has_enough(name, position, first + i):
                        continue
                    must_run = planned.action[first + i] == Action.RUN
                    held = Step(name, planned.lo + first + i)
                    self._set(held, StepState.BLOCKED if must_run else StepState.LEFT)
                    queue.append(held)
            for freed in self._released(stuck):
                self._freed(freed)
