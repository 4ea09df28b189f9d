"""The one loop that carries a plan out: orders go to the executor, what comes back is published.

Knows nothing of how steps are carried out, why they are planned, or how they are published.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from partflow.declarations.dataset import Read
from partflow.declarations.graph import outputs
from partflow.execution.alike import Row
from partflow.execution.controls import Failed, LeftAlone, Observer, StopSignal, Summary
from partflow.execution.executors.protocol import Executor
from partflow.execution.knownfiles import KnownFiles
from partflow.execution.livecontents import ReadNow, Size
from partflow.execution.orders import Attempt, Failure, InputRead, Lineage, Order, Outcome
from partflow.execution.publisher import Done, Publisher, StepNews
from partflow.execution.readyqueue import Step
from partflow.execution.state import FINAL, RunState, Start, StepFailed, StepMade, StepState, Tuning
from partflow.execution.turns import Turns
from partflow.metastore.pools import Boundless
from partflow.metastore.record import StepLog
from partflow.metastore.runlog import RunLog
from partflow.planning.planner import Plan, Reason

_PATIENCE = 0.5
"""How many seconds the runner waits for outcomes before it looks at the stop signal again."""


@dataclass(frozen=True, slots=True)
class _InHand:
    """An attempt that the executor has: its step, and the size of what it reads."""

    step: Step
    attempt: Attempt
    size: Size


@dataclass(slots=True)
class Runner:
    """Carries a plan out as the run `run`; whoever makes the runner holds the run's lease.

    `codes` gives the code fingerprint of each task. `now` gives epoch seconds, `pause` sleeps so
    many seconds, `chance` gives numbers in [0, 1). With `fail_fast` the first failure stops the run
    in the same way as `stop.asked` does. A task that failed `alike` times in a row in the same way
    is left for the rest of the run. If it `gives_back`, a step that met a worker with other code is
    cancelled and stops the run. `turns` says when there is a place for a call in its pool.
    """

    run: str
    publisher: Publisher
    log: RunLog
    executor: Executor
    codes: Mapping[str, str]
    now: Callable[[], float]
    observer: Observer
    stop: StopSignal
    files: KnownFiles
    tuning: Tuning = field(default_factory=Tuning)
    fail_fast: bool = False
    alike: int = 20
    gives_back: bool = False
    turns: Turns = field(default_factory=lambda: Turns(Boundless()))
    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    _serial: int = 0
    _read_seq: int = 0
    _in_hand: dict[int, _InHand] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)
    _later: list[tuple[float, int, Step, Failure]] = field(default_factory=list)
    _failures: list[Failed] = field(default_factory=list)
    _left: list[LeftAlone] = field(default_factory=list)
    _row: Row = field(init=False)

    def __post_init__(self) -> None:
        """Count failures from the beginning."""
        self._row = Row(self.alike)

    def carry_out(self, plan: Plan) -> Summary:
        """Make every step that turns out to be needed; a failure holds up only what depends on it.

        PublishError if the run's lease or metastore was taken from it, or another owner has claimed
        what it made; what it published before stays.
        """
        began = time.monotonic()
        state = RunState(plan, self.tuning)
        state.begin()
        self.observer.begun(plan.steps)
        while not state.is_finished():
            if self.stop.asked or (self.fail_fast and self._failures):
                self._give_up(state)
            if self.stop.now:
                self._abandon(state)
            else:
                self._hand_out(state)
            if self._in_hand:
                self._take_in(state, self.executor.collect(self._patience()))
            elif self._later or self.turns.is_waiting:
                self._pause()
            self.observer.moved(state.count(*FINAL), state.count(StepState.FAILED))
        return self._summary(state, time.monotonic() - began)

    def _patience(self) -> float:
        """For how many seconds to wait for outcomes."""
        return min(_PATIENCE, self.turns.seconds_left()) if self.turns.is_waiting else _PATIENCE

    def _pause(self) -> None:
        """Wait until a retry is due, or full pools are to be looked at again."""
        left = [0.2]
        if self._later:
            left.append(max(0.0, self._later[0][0] - time.monotonic()))
        if self.turns.is_waiting:
            self.turns.tell()
            left.append(self.turns.seconds_left())
        self.pause(min(left))

    def _give_up(self, state: RunState) -> None:
        """Cancel all that has not begun; steps that wait for another attempt count as failed."""
        failures = []
        for _, _, step, failure in self._later:
            state.handle(StepFailed(step, is_final=True))
            failures += self._lost(state, step, failure)
        self._later.clear()
        ended = []
        for order in self.executor.recall():
            self._open.discard(order.serial)
            for attempt in order.attempts:
                state.recall(self._in_hand.pop(attempt.serial).step)
                if _is_effect(state, order.task):
                    ended.append((order.task, attempt.lineage.key))
        if failures or ended:
            self.publisher.fail(failures, (), ended)
        state.cancel()

    def _abandon(self, state: RunState) -> None:
        """Cancel what workers are at; the workers are ended when the executor is closed."""
        for in_hand in self._in_hand.values():
            state.recall(in_hand.step)
        self._in_hand.clear()
        self._open.clear()

    def _hand_out(self, state: RunState) -> None:
        """Give the executor steps that are ready, and retries that are due, while it has slots."""
        while self._later and self._later[0][0] <= time.monotonic():
            state.resume(heapq.heappop(self._later)[2])
        if is_round := self.turns.begin(state.under_way):
            state.unbound()
        starts = self._starts(state)
        self.turns.end(state.under_way, is_round=is_round)
        if not starts:
            return
        self._read_seq = self.publisher.metastore.seq
        # Nothing else is under way, and nothing else can begin beside a single start.
        is_alone = len(starts) == 1 and not (self._in_hand or self._later or self.turns.is_waiting)
        orders = [self._ordered(state, start, is_alone=is_alone) for start in starts]
        self.publisher.claim([(o.task, a) for o in orders for a in o.attempts])
        for order in orders:
            self.executor.submit(order)

    def _starts(self, state: RunState) -> list[Start]:
        """Take the steps to hand out next; those with no place in their pool are put back."""
        starts: list[Start] = []
        effects = sum(_is_effect(state, in_hand.step.task) for in_hand in self._in_hand.values())
        # An effect counts as begun when it is handed out, so it has to wait for an idle worker.
        while len(self._open) + len(starts) < self.executor.slots and (
            effects < self.executor.workers
        ):
            busy = len(self._open) + len(starts) >= self.executor.workers
            start = state.take(is_busy=busy)
            if start is None:
                break
            task = state.plan.tasks[start.steps[0].task].task
            pool = task.options.pool
            if pool is not None and not self.turns.has_place(pool, state.under_way(pool)):
                state.put_back(start)
                continue
            starts.append(start)
            effects += task.is_effect
        return starts

    def _ordered(self, state: RunState, start: Start, *, is_alone: bool) -> Order:
        task = state.plan.tasks[start.steps[0].task].task
        attempts = tuple(self._attempt(state, step) for step in start.steps)
        timeout = task.options.timeout
        self._open.add(attempts[0].serial)
        seconds = None if timeout is None else timeout.total_seconds()
        return Order(self.run, task.name, attempts, seconds, is_alone)

    def _attempt(self, state: RunState, step: Step) -> Attempt:
        task = state.plan.tasks[step.task].task
        reads = state.live.reads(step)
        self._serial += 1
        present = tuple(
            d.name for d in task.writes if self.publisher.is_there(d.name, step.ordinal)
        )
        ordinals = tuple(r.ordinals for r in reads)
        number = state.attempts[step]
        lineage = self._lineage(state, step, reads)
        size = Size(sum(r.size.rows for r in reads), sum(r.size.nbytes for r in reads))
        expected = tuple(
            self.files.of(task_input.read.dataset, read)
            for task_input, read in zip(task.inputs, ordinals, strict=True)
        )
        attempt = Attempt(
            self._serial, step.ordinal, number, ordinals, lineage, present, size.nbytes, expected
        )
        self._in_hand[self._serial] = _InHand(step, attempt, size)
        return attempt

    def _lineage(self, state: RunState, step: Step, reads: Sequence[ReadNow]) -> Lineage:
        task = state.plan.tasks[step.task].task
        interval, settles = task.grain.interval(step.ordinal), task.options.settles_after
        return Lineage(
            task=task.name,
            key=task.grain.key(step.ordinal),
            start=interval.start,
            end=interval.end,
            code=self.codes[task.name],
            run=self.run,
            read_seq=self._read_seq,
            inputs=tuple(_input_read(i.read, r) for i, r in zip(task.inputs, reads, strict=True)),
            made_at=int(self.now()),
            settles_at=None if settles is None else interval.end + int(settles.total_seconds()),
        )

    def _take_in(self, state: RunState, outcomes: Sequence[Outcome]) -> None:
        """Publish all that succeeded together; then tell the state how each attempt ended."""
        begun = [self._in_hand.pop(outcome.serial) for outcome in outcomes]
        pairs = list(zip(begun, outcomes, strict=True))
        done = [
            Done(in_hand.step.task, in_hand.attempt, outcome, _logged(state, in_hand, outcome))
            for in_hand, outcome in pairs
            if not outcome.failure
        ]
        published, refused = self.publisher.publish(done)
        failures: list[tuple[str, str, str]] = []
        logs, ended = [], []
        for in_hand, outcome in pairs:
            failure = outcome.failure or refused.get(outcome.serial)
            if failure is not None and failure.is_of_other_code and self.gives_back:
                ended += self._given_back(state, in_hand)
            elif failure is None:
                news = published[outcome.serial]
                for name, identity in news.files.items():
                    self.files.put(name, in_hand.step.ordinal, identity)
                state.handle(_event(in_hand, outcome, news))
                self._row.succeeded(in_hand.step.task)
            else:
                logs.append(_logged(state, in_hand, outcome, failure))
                if _is_effect(state, in_hand.step.task) and not failure.is_cut_off:
                    ended.append((in_hand.step.task, in_hand.attempt.lineage.key))
                failures += self._failed(state, in_hand, failure)
        if logs or ended:
            self.publisher.fail(failures, logs, ended)
        self._open -= {outcome.serial for outcome in outcomes}

    def _given_back(self, state: RunState, in_hand: _InHand) -> list[tuple[str, str]]:
        """Cancel a step that a worker would not make; the (task, key) of one that is an effect."""
        state.recall(in_hand.step)
        self.stop.asked = True
        key = in_hand.attempt.lineage.key
        return [(in_hand.step.task, key)] if _is_effect(state, in_hand.step.task) else []

    def _failed(
        self, state: RunState, in_hand: _InHand, failure: Failure
    ) -> list[tuple[str, str, str]]:
        """Tell the state of a failed attempt, and enter a retry if there is to be one.

        Returns (node, key, message) of each output to be recorded as failed: none while there are
        retries left.
        """
        options = state.plan.tasks[in_hand.step.task].task.options
        is_doubtful = failure.is_cut_off and _is_effect(state, in_hand.step.task)
        is_last = failure.is_final or self.stop.asked or (is_doubtful and not options.idempotent)
        retry = state.handle(StepFailed(in_hand.step, is_last, failure.is_shared))
        if retry is not None:
            delay = retry.delay * (0.75 + self.chance() / 2)
            entry = (time.monotonic() + delay, in_hand.attempt.serial, in_hand.step, failure)
            heapq.heappush(self._later, entry)
        if state.state_of(in_hand.step) is not StepState.FAILED:
            return []
        return self._lost(state, in_hand.step, failure)

    def _lost(self, state: RunState, step: Step, failure: Failure) -> list[tuple[str, str, str]]:
        task = state.plan.tasks[step.task].task
        key = task.grain.key(step.ordinal)
        failed = Failed(task.name, outputs(task)[0], key, failure)
        if not any(before.task == task.name for before in self._failures):
            self.observer.failed(failed)
        self._failures.append(failed)
        if self._row.failed(failed) and (steps := state.leave(task.name)):
            self._left.append(LeftAlone(task.name, steps, self.alike))
        return [(n, key, failure.message) for n in outputs(task)]

    def _summary(self, state: RunState, seconds: float) -> Summary:
        made, unchanged = state.count(StepState.MADE), state.count(StepState.UNCHANGED)
        return Summary(
            self.run,
            made + unchanged,
            unchanged,
            state.count(StepState.SKIPPED),
            state.count(StepState.FAILED),
            state.count(StepState.BLOCKED),
            state.count(StepState.CANCELLED),
            seconds,
            tuple(self._failures),
            tuple(self._left),
        )


def _is_effect(state: RunState, task: str) -> bool:
    return state.plan.tasks[task].task.is_effect


def _event(in_hand: _InHand, outcome: Outcome, news: StepNews) -> StepMade:
    sizes = {o.dataset: Size(o.rows, o.nbytes, o.memory) for o in outcome.outputs}
    return StepMade(in_hand.step, news.contents, news.changed, sizes)


def _logged(
    state: RunState, in_hand: _InHand, outcome: Outcome, failure: Failure | None = None
) -> StepLog:
    planned, cost = state.plan.tasks[in_hand.step.task], outcome.cost
    reason = Reason(int(planned.reason[in_hand.step.ordinal - planned.lo]))
    return StepLog(
        task=in_hand.step.task,
        key=in_hand.attempt.lineage.key,
        attempt=in_hand.attempt.number,
        state="made" if failure is None else "failed",
        reason=reason.name.lower(),
        seconds=cost.seconds,
        message=None if failure is None else failure.message,
        serial=outcome.serial,
        began_at=cost.began_at,
        cpu=cost.cpu,
        memory=cost.memory,
        rows_in=in_hand.size.rows,
        bytes_in=in_hand.size.nbytes,
        rows_out=sum(o.rows for o in outcome.outputs),
        bytes_out=sum(o.nbytes for o in outcome.outputs),
        worker=cost.worker,
        has_log=outcome.has_log,
    )


def _input_read(read: Read, now: ReadNow) -> InputRead:
    """A read as the footer has it; where a part of its range is enough, with which part that is."""
    name, digest, number = read.dataset.name, now.digest.hex(), len(now.ordinals)
    if not read.is_partial or not number:
        return InputRead(name, digest, number)
    of = None if read.least is None else now.of
    return InputRead(name, digest, number, of, read.dataset.grain.key(now.ordinals[-1]))
