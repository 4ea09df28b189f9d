"""The one loop that carries a plan out: orders go to the executor, what comes back is published.

Knows nothing of how steps are carried out, why they are planned, or how they are published.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from partflow.execution.executors import Executor
from partflow.execution.perform import Failure, InputRead, Lineage, Order, Outcome
from partflow.execution.publisher import Publisher
from partflow.execution.state import FINAL, RunState, Start, Step, StepFailed, StepMade, StepState
from partflow.execution.summary import Failed, Observer, StopSignal, Summary
from partflow.graph import outputs
from partflow.plan import Plan, Reason
from partflow.runlog import RunLog, StepLog


@dataclass(slots=True)
class Runner:
    """Carries a plan out under one run's name; the lease is held by whoever makes it.

    `now` gives epoch seconds, `pause` sleeps. With `fail_fast` the first failure stops the run as
    a stop that was asked for does; `newest_first` and `retries` are those of `RunState`.
    """

    run: str
    publisher: Publisher
    log: RunLog
    executor: Executor
    codes: Mapping[str, str]
    now: Callable[[], float]
    observer: Observer
    stop: StopSignal
    fail_fast: bool = False
    newest_first: bool = False
    retries: int | None = None
    pause: Callable[[float], None] = time.sleep
    _serial: int = 0
    _read_seq: int = 0
    _in_hand: dict[int, Order] = field(default_factory=dict)
    _later: list[tuple[float, int, Start]] = field(default_factory=list)
    _failures: list[Failed] = field(default_factory=list)

    def carry_out(self, plan: Plan) -> Summary:
        """Run every step that turns out to be needed; what fails holds up only its own."""
        began = time.monotonic()
        state = RunState(plan, newest_first=self.newest_first, retries=self.retries)
        self.publisher.claim()
        state.begin()
        self.observer.begun(plan.steps)
        while not state.is_finished():
            if self.stop.asked or (self.fail_fast and self._failures):
                self._give_up(state)
            self._hand_out(state)
            if self._in_hand:
                self._take_in(state, self.executor.collect())
            elif self._later:
                self.pause(min(0.2, max(0.0, self._later[0][0] - time.monotonic())))
            self.observer.moved(state.count(*FINAL), state.count(StepState.FAILED))
        return self._summary(state, time.monotonic() - began)

    def _give_up(self, state: RunState) -> None:
        """Begin nothing more; what waits for another try counts as failed."""
        for _, _, start in self._later:
            state.handle(StepFailed(start.step, is_final=True))
        self._later.clear()
        for order in self.executor.recall():
            del self._in_hand[order.serial]
            state.recall(Step(order.task, order.ordinal))
        state.cancel()

    def _hand_out(self, state: RunState) -> None:
        """Fill the executor's slots with what is ready, and with retries whose time has come."""
        self._read_seq = self.publisher.metastore.seq
        while len(self._in_hand) < self.executor.slots:
            due = self._later and self._later[0][0] <= time.monotonic()
            start = heapq.heappop(self._later)[2] if due else state.take()
            if start is None:
                return
            order = self._ordered(state, start)
            self._in_hand[order.serial] = order
            self.executor.submit(order)

    def _ordered(self, state: RunState, start: Start) -> Order:
        step = start.step
        task = state.plan.tasks[step.task].task
        reads = state.reads_of(step)
        self._serial += 1
        interval = task.grain.interval(step.ordinal)
        lineage = Lineage(
            task=task.name,
            key=task.grain.key(step.ordinal),
            start=interval.start,
            end=interval.end,
            code=self.codes[task.name],
            run=self.run,
            read_seq=self._read_seq,
            inputs=tuple(
                InputRead(i.read.dataset.name, r.digest.hex(), len(r.ordinals))
                for i, r in zip(task.inputs, reads, strict=True)
            ),
        )
        present = tuple(
            d.name for d in task.writes if self.publisher.is_there(d.name, step.ordinal)
        )
        ordinals = tuple(r.ordinals for r in reads)
        return Order(
            self.run,
            self._serial,
            step.task,
            step.ordinal,
            start.attempt,
            ordinals,
            lineage,
            present,
        )

    def _take_in(self, state: RunState, outcomes: Sequence[Outcome]) -> None:
        """Publish what was made, all together; then tell the state what became of each."""
        for outcome in outcomes:
            del self._in_hand[outcome.order.serial]
        published, refused = self.publisher.publish([o for o in outcomes if o.failure is None])
        logs, failures = [], []
        for outcome in outcomes:
            order = outcome.order
            step = Step(order.task, order.ordinal)
            failure = outcome.failure or refused.get(order.serial)
            logs.append(_logged(state, outcome, failure))
            if failure is None:
                found = published[order.serial]
                state.handle(StepMade(step, found.contents, found.changed))
            else:
                failures += self._failed(state, order, failure)
        if failures:
            self.publisher.metastore.fail(failures)
        self.log.steps_ended(self.run, self.now(), logs)

    def _failed(
        self, state: RunState, order: Order, failure: Failure
    ) -> list[tuple[str, str, str]]:
        """Try again later, or give it up; what is to be recorded then, by (node, key, message)."""
        step = Step(order.task, order.ordinal)
        again = state.handle(StepFailed(step, failure.is_final or self.stop.asked))
        if again is not None:
            at = time.monotonic() + again.delay
            heapq.heappush(self._later, (at, order.serial, again))
            return []
        task = state.plan.tasks[step.task].task
        key = task.grain.key(step.ordinal)
        self._failures.append(Failed(task.name, outputs(task)[0], key, failure))
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
        )


def _logged(state: RunState, outcome: Outcome, failure: Failure | None) -> StepLog:
    planned = state.plan.tasks[outcome.order.task]
    reason = Reason(int(planned.reason[outcome.order.ordinal - planned.lo]))
    return StepLog(
        outcome.order.task,
        planned.task.grain.key(outcome.order.ordinal),
        outcome.order.attempt,
        "made" if failure is None else "failed",
        reason.name.lower(),
        outcome.seconds,
        None if failure is None else failure.message,
    )
