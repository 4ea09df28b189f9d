"""What holds of a run, in whatever order its steps are taken, made and fail."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import record_of
from strategies import Case, cases

from partflow.declarations.mapping import Form
from partflow.execution.readyqueue import Step
from partflow.execution.state import (
    Later,
    RunState,
    Start,
    StepFailed,
    StepMade,
    StepState,
    Tuning,
)
from partflow.planning.partial import enough
from partflow.planning.planner import Action, Plan, plan
from partflow.planning.snapshot import Condition

chances = st.randoms(use_true_random=False)


def event(
    run: RunState, step: Step, chance: Random, failures: float, *, shared: bool = False
) -> StepMade | StepFailed:
    """What might become of a running step."""
    if shared or chance.random() < failures:
        return StepFailed(step, is_final=chance.random() < 0.3, is_shared=shared)
    writes = run.plan.tasks[step.task].task.writes
    contents = {d.name: f"{chance.randrange(1, 2**60):032x}" for d in writes}
    return StepMade(step, contents, changed=chance.random() < 0.7)


def events(
    run: RunState, start: Start, chance: Random, failures: float
) -> list[StepMade | StepFailed]:
    """What might become of a call: of each of its steps, or of a batch as a whole."""
    shared = len(start.steps) > 1 and chance.random() < failures
    return [event(run, step, chance, failures, shared=shared) for step in start.steps]


def carry_on(
    run: RunState, chance: Random, failures: float, cancel: float = 0.0, leave: float = 0.0
) -> list[Start]:
    """Take and finish steps in a random order until nothing is left; all that was started."""
    run.begin()
    run.validate()
    started: list[Start] = []
    running: list[Start] = []
    delayed: list[Step] = []
    while True:
        if chance.random() < cancel:
            run.cancel()
        if chance.random() < leave:
            run.leave(chance.choice(list(run.plan.tasks)))
        if delayed and chance.random() < 0.5:
            run.resume(delayed.pop(chance.randrange(len(delayed))))
        busy = bool(running) and chance.random() < 0.5
        start = run.take(is_busy=busy) if not running or chance.random() < 0.5 else None
        if start is not None:
            started.append(start)
            running.append(start)
        elif not running and not delayed:
            return started
        elif running:
            done = running.pop(chance.randrange(len(running)))
            for one in events(run, done, chance, failures):
                again = run.handle(one)
                delayed += [again.step] if again is not None else []
        run.validate()


def steps_of(made: Plan) -> list[Step]:
    return [
        Step(name, planned.lo + i)
        for name, planned in made.tasks.items()
        for i in range(len(planned.state))
        if planned.action[i] != Action.NONE
    ]


def is_lost(made: Plan, dataset: str, ordinal: int) -> bool:
    """Whether a partition was made once, and its file is gone or cannot be read."""
    state = made.snapshot.states[dataset]
    k = ordinal - state.lo
    if not 0 <= k < len(state.condition) or not state.content[k].any():
        return False
    return state.condition[k] in {Condition.GONE, Condition.DAMAGED}


def must_read(made: Plan, step: Step) -> set[Step]:
    """The planned steps whose outputs a step cannot do without.

    An optional read goes on without what never was, and not without what was there and is lost.
    """
    planned = made.tasks[step.task]
    i = step.ordinal - planned.lo
    every = set(steps_of(made))
    return {
        Step(writer.name, o)
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True)
        for writer in made.graph.writers(one.read.dataset.name)
        for o in range(a[i], b[i])
        if Step(writer.name, o) in every
        if not one.read.does_without or is_lost(made, one.read.dataset.name, o)
    }


def has_enough(made: Plan, step: Step, failed: set[Step]) -> bool:
    """Whether enough of each read is there, or was made, once these steps have failed."""
    planned = made.tasks[step.task]
    i = step.ordinal - planned.lo
    for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
        state = made.snapshot.states[one.read.dataset.name]
        there = {
            o
            for o in range(a[i], b[i])
            if record_of(state, o).condition in {Condition.GOOD, Condition.CHANGED}
        }
        for writer in made.graph.writers(one.read.dataset.name):
            steps = {s for s in steps_of(made) if s.task == writer.name}
            there |= {s.ordinal for s in steps - failed if a[i] <= s.ordinal < b[i]}
        if one.read.is_partial:
            bounds = (a[i : i + 1], b[i : i + 1])
            now = made.snapshot.now
            needed = enough(one.read, planned.task, step.ordinal, bounds, now)
            if len(there) < needed[0]:
                return False
    return True


@given(cases(), chances, st.sampled_from([0.0, 0.1, 0.6]))
def test_a_run_ends_with_every_step_in_a_final_state(
    case: Case, chance: Random, failures: float
) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request))
    carry_on(run, chance, failures)
    assert run.is_finished()
    assert run.count(*StepState) - run.count(StepState.ABSENT) == run.plan.steps


@given(cases(), chances)
def test_a_failure_holds_up_just_what_cannot_do_without_it(case: Case, chance: Random) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    carry_on(run, chance, 0.3)
    lost: set[Step] = {s for s in steps_of(made) if run.state_of(s) is StepState.FAILED}
    for _ in made.tasks:
        for step in steps_of(made):
            is_held = must_read(made, step) & lost or not has_enough(made, step, lost)
            if step not in lost and is_held:
                lost.add(step)
    held = {StepState.BLOCKED, StepState.LEFT, StepState.FAILED}
    assert {s for s in steps_of(made) if run.state_of(s) in held} == lost


@given(cases(), chances)
def test_of_a_task_that_is_left_nothing_more_begins_and_all_steps_come_to_an_end(
    case: Case, chance: Random
) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request))
    carry_on(run, chance, 0.1, leave=0.2)
    assert run.is_finished()
    again = RunState(run.plan)
    again.begin()
    for name in run.plan.tasks:
        blocked = again.leave(name)
        again.validate()
        assert blocked <= again.count(StepState.BLOCKED)
    assert again.take() is None


@given(cases(), chances)
def test_what_is_held_up_is_blocked_if_it_had_to_run_and_else_left_as_it_is(
    case: Case, chance: Random
) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    carry_on(run, chance, 0.3)
    for step in steps_of(made):
        planned = made.tasks[step.task]
        action = planned.action[step.ordinal - planned.lo]
        assert run.state_of(step) is not StepState.BLOCKED or action == Action.RUN
        assert run.state_of(step) is not StepState.LEFT or action == Action.MAYBE


@given(cases(), chances)
def test_a_step_starts_only_after_all_that_it_reads_is_done(case: Case, chance: Random) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    run.begin()
    while (start := run.take()) is not None:
        before = {run.state_of(s) for one in start.steps for s in must_read(made, one)}
        assert before <= {StepState.MADE, StepState.UNCHANGED, StepState.SKIPPED}
        run.handle(event(run, start.steps[0], chance, 0.0))
    assert run.is_finished()


@given(cases(), chances)
def test_a_failing_step_is_tried_as_often_as_its_task_says_with_doubled_pauses(
    case: Case, chance: Random
) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request))
    run.begin()
    while (start := run.take()) is not None:
        (step,) = start.steps
        options = run.plan.tasks[step.task].task.options
        pauses: list[float] = []
        while (later := run.handle(StepFailed(step))) is not None:
            pauses.append(later.delay)
            run.resume(step)
            until_taken(run, step)
            assert run.attempts[step] == len(pauses) + 1
        pause = options.retry_delay.total_seconds()
        assert pauses == [pause * 2**n for n in range(options.retries)]
        assert run.state_of(step) is StepState.FAILED
    assert run.is_finished()


def until_taken(run: RunState, step: Step) -> None:
    """Take what is ready until this one is running; the others are made."""
    while run.state_of(step) is not StepState.RUNNING:
        start = run.take()
        assert start is not None
        for one in start.steps:
            if one != step:
                run.handle(StepFailed(one, is_final=True))


@given(cases(), chances)
def test_a_final_failure_is_not_tried_again(case: Case, chance: Random) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request))
    run.begin()
    while (start := run.take()) is not None:
        assert run.handle(StepFailed(start.steps[0], is_final=True)) is None
        assert run.state_of(start.steps[0]) is StepState.FAILED


@given(cases(), chances)
def test_after_a_cancel_nothing_new_begins_and_the_run_ends(case: Case, chance: Random) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request))
    run.begin()
    running = [s for s in (run.take(), run.take()) if s is not None]
    run.cancel()
    for start in running:
        run.handle(event(run, start.steps[0], chance, 0.0))
        run.validate()
    assert run.take() is None
    assert run.is_finished()


@given(cases(), chances)
def test_when_nothing_changes_what_may_run_is_skipped(case: Case, chance: Random) -> None:
    """Early cutoff: a fresh partition, all of whose inputs stay as they are, does not run."""
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    run.begin()
    while (start := run.take()) is not None:
        contents = {}
        (step,) = start.steps
        for dataset in made.tasks[step.task].task.writes:
            state = made.snapshot.states[dataset.name]
            i = step.ordinal - state.lo
            lanes = state.content[i] if 0 <= i < len(state.content) else (0, 0)
            contents[dataset.name] = "".join(f"{int(lane):016x}" for lane in lanes)
        run.handle(StepMade(step, contents, changed=False))
    for step in steps_of(made):
        planned = made.tasks[step.task]
        may = planned.action[step.ordinal - planned.lo] == Action.MAYBE
        # What an optional read lost is left out now, and was not when the step was made. One up to
        # a bound reads another partition once there is a newer one.
        is_other = any(
            i.read.is_optional or i.read.form is Form.WITHIN for i in planned.task.inputs
        )
        if may and not is_other:
            assert run.state_of(step) is StepState.SKIPPED


def test_an_event_for_a_step_that_does_not_run_is_a_bug_that_says_so() -> None:
    from partflow.declarations.dataset import Dataset
    from partflow.declarations.graph import derive
    from partflow.declarations.task import task
    from partflow.partitions.calendar import Whole
    from partflow.planning.planner import Request
    from partflow.planning.snapshot import Snapshot, empty_state

    graph = derive([task(writes=Dataset("one", Whole()), name="make")(lambda: None)])
    snapshot = Snapshot(0, {"one": empty_state(0, 1)}, {"make": "1" * 32}, {})
    run = RunState(plan(graph, snapshot, Request()))
    run.begin()
    with pytest.raises(AssertionError, match=r"BUG: .* for a step that is READY"):
        run.handle(StepMade(Step("make", 0), {"one": "2" * 32}, changed=True))


@given(cases(), chances)
def test_the_order_of_time_can_be_turned_round(case: Case, chance: Random) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    for newest_first in (False, True):
        run = RunState(made, Tuning(newest_first=newest_first))
        run.begin()
        while run.count(StepState.READY):
            ready = [s for s in steps_of(made) if run.state_of(s) is StepState.READY]
            begins = [begin_of(made, s) for s in ready]
            start = run.take()
            assert start is not None
            assert begin_of(made, start.steps[0]) == (max if newest_first else min)(begins)
            run.handle(event(run, start.steps[0], chance, 0.0))
        assert run.is_finished()


def begin_of(made: Plan, step: Step) -> int:
    return int(made.tasks[step.task].task.grain.edges(step.ordinal, step.ordinal + 1)[0])


@given(cases(), st.integers(0, 3))
def test_retries_of_a_run_stand_in_for_those_of_its_tasks(case: Case, retries: int) -> None:
    run = RunState(plan(case.graph, case.snapshot, case.request), Tuning(retries=retries))
    run.begin()
    while (start := run.take()) is not None:
        (step,) = start.steps
        attempts = 1
        while isinstance(run.handle(StepFailed(step)), Later):
            attempts += 1
            run.resume(step)
            until_taken(run, step)
        assert attempts == retries + 1
    assert run.is_finished()


def steered(case: Case, chance: Random) -> Case:
    """The case with tasks that make batches, share pools and have priorities."""
    for one in case.graph.tasks:
        cannot = one.is_effect or one.reads_itself or one.grain.kind == "whole"
        one.options = replace(
            one.options,
            batch=None if cannot else chance.choice([None, True, 2, 5]),
            pool=chance.choice([None, "api", "disk"]),
            priority=chance.choice([0, 0, 1]),
        )
    return case


tunings = st.builds(
    Tuning,
    newest_first=st.booleans(),
    pools=st.sampled_from([{}, {"api": 1}, {"api": 2, "disk": 1}]),
    batch_size=st.sampled_from([None, 1, 3]),
    batch_bytes=st.sampled_from([2**40, 500]),
)


@given(cases(), chances, tunings, st.sampled_from([0.0, 0.2, 0.6]), st.sampled_from([0.0, 0.05]))
def test_a_steered_run_ends_with_every_step_in_a_final_state(
    case: Case, chance: Random, tuning: Tuning, failures: float, cancel: float
) -> None:
    case = steered(case, chance)
    run = RunState(plan(case.graph, case.snapshot, case.request), tuning)
    carry_on(run, chance, failures, cancel)
    assert run.is_finished()


@given(cases(), chances, tunings)
def test_a_call_is_of_neighbours_of_one_task_within_the_limits(
    case: Case, chance: Random, tuning: Tuning
) -> None:
    case = steered(case, chance)
    run = RunState(plan(case.graph, case.snapshot, case.request), tuning)
    for start in carry_on(run, chance, 0.2):
        names = {one.task for one in start.steps}
        ordinals = [one.ordinal for one in start.steps]
        options = run.plan.tasks[start.steps[0].task].task.options
        assert len(names) == 1
        assert ordinals == list(range(ordinals[0], ordinals[0] + len(ordinals)))
        if options.batch is None or tuning.batch_size == 1:
            assert len(ordinals) == 1
        elif options.batch is not True:
            assert len(ordinals) <= options.batch


@given(cases(), chances, tunings)
def test_no_more_calls_of_a_pool_run_at_once_than_it_allows(
    case: Case, chance: Random, tuning: Tuning
) -> None:
    case = steered(case, chance)
    run = RunState(plan(case.graph, case.snapshot, case.request), tuning)
    run.begin()
    running: list[Start] = []
    while not run.is_finished():
        start = run.take()
        if start is not None:
            running.append(start)
        pools = [run.plan.tasks[s.steps[0].task].task.options.pool for s in running]
        assert all(pools.count(name) <= limit for name, limit in tuning.pools.items())
        if start is None:
            done = running.pop(chance.randrange(len(running)))
            for step in done.steps:
                run.handle(event(run, step, chance, 0.1))
                if run.state_of(step) is StepState.DELAYED:
                    run.resume(step)


@given(cases(), chances, tunings)
def test_what_is_put_back_is_taken_again_once_its_pool_may_have_places(
    case: Case, chance: Random, tuning: Tuning
) -> None:
    """Other runs have all places of a pool but one, or all of them, for a while."""
    tuning = replace(tuning, pools={"api": 2, "disk": 1})
    case = steered(case, chance)
    run = RunState(plan(case.graph, case.snapshot, case.request), tuning)
    run.begin()
    running: list[Start] = []
    places = dict(tuning.pools)
    while not run.is_finished():
        if chance.random() < 0.3:
            places = {name: chance.randint(0, limit) for name, limit in tuning.pools.items()}
        start = run.take()
        pool = start and run.plan.tasks[start.steps[0].task].task.options.pool
        if start is not None and pool is not None and run.under_way(pool) > places[pool]:
            run.put_back(start)
            assert all(run.state_of(step) is StepState.READY for step in start.steps)
        elif start is not None:
            assert {run.attempts[step] for step in start.steps} == {1}
            running.append(start)
        elif running:
            for step in running.pop(chance.randrange(len(running))).steps:
                run.handle(event(run, step, chance, 0.0))
        else:
            places = dict(tuning.pools)
            run.unbound()
        run.validate()
        assert pool is None or run.under_way(pool) <= tuning.pools[pool]
    assert not run.count(StepState.FAILED, StepState.CANCELLED)


@given(cases(), chances)
def test_what_has_the_higher_priority_is_taken_first(case: Case, chance: Random) -> None:
    case = steered(case, chance)
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    run.begin()
    while (start := run.take()) is not None:
        ready = {s.task for s in steps_of(made) if run.state_of(s) is StepState.READY}
        taken = start.steps[0].task
        assert all(urgency(made, name) <= urgency(made, taken) for name in ready)
        for step in start.steps:
            run.handle(event(run, step, chance, 0.0))


def urgency(made: Plan, name: str) -> int:
    """A task's priority, or the highest of all that waits for what it writes."""
    found, queue, seen = [], [name], {name}
    while queue:
        one = made.tasks[queue.pop()].task
        found.append(one.options.priority)
        for dataset in one.writes:
            after = {t.name for t, _ in made.graph.readers(dataset.name)} - seen
            seen |= after
            queue += after
    return max(found)


@given(cases(), chances)
def test_the_steps_of_a_batch_that_failed_as_a_whole_are_each_made_by_itself(
    case: Case, chance: Random
) -> None:
    case = steered(case, chance)
    run = RunState(plan(case.graph, case.snapshot, case.request))
    run.begin()
    parted: set[Step] = set()
    while (start := run.take()) is not None:
        assert len(start.steps) == 1 or not parted & set(start.steps)
        for step in start.steps:
            if len(start.steps) > 1:
                assert run.handle(StepFailed(step, is_shared=True)) is None
                assert run.state_of(step) is StepState.READY
                parted.add(step)
            else:
                assert step not in parted or run.attempts[step] == 1
                run.handle(event(run, step, chance, 0.0))
    assert all(run.state_of(s) in {StepState.MADE, StepState.UNCHANGED} for s in parted)
