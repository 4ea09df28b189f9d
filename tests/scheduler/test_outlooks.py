"""What is remembered holds a step while it would be tried with the same, and no longer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from landings import DAYS, FIRST, NOW, graph, made_of

from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import Footprint
from partflow.planning.plan import Automatic, Reason
from partflow.planning.snapshot import Snapshot
from partflow.scheduler.outlook import FailedSteps, Root
from partflow.scheduler.outlooks import Prospect, outlook_of, prospect, steps_of
from partflow.scheduler.tries import Memory, with_failures

LATER = NOW + 5.0
ALL = Automatic()


def failed(snapshot: Snapshot, task: str = "clean", days: slice = slice(None)) -> Memory:
    """The memory after the steps of a task failed now."""
    steps = steps_of(prospect(graph(), snapshot, ALL, {}, NOW).plan)[task]
    return with_failures(
        {}, [FailedSteps(task, steps.ordinals[days], steps.digests[days], "no till")], float(NOW)
    )


def looked(
    snapshot: Snapshot, memory: Memory, automatic: Automatic = ALL, now: float = LATER
) -> Prospect:
    return prospect(graph(), snapshot, automatic, memory, now)


def test_what_failed_is_held_until_its_delay_has_passed() -> None:
    snapshot = made_of().snapshot
    memory = failed(snapshot)
    found = looked(snapshot, memory)
    assert (found.plan.tasks["clean"].reason == Reason.HELD).all()
    assert found.plan.steps == 0
    outlook = outlook_of(found, LATER, looked_at_all=LATER, graph="g")
    assert outlook.changes_at == NOW + 10
    assert outlook.steps == {}
    assert outlook.failing["clean"].said == "no till"
    assert Root("failed", "clean") in {trouble.root for trouble in outlook.troubles}
    again = looked(snapshot, memory, now=NOW + 10.0)
    assert len(steps_of(again.plan)["clean"].ordinals) == DAYS
    assert len(again.failing["clean"]) == DAYS


def test_a_step_whose_input_moved_is_tried_at_once_and_the_others_are_not() -> None:
    snapshot = made_of().snapshot
    memory = failed(snapshot)
    landing = snapshot.states["landing"]
    content = landing.content.copy()
    content[3] += np.uint64(1)
    states = {**snapshot.states, "landing": replace(landing, content=content)}
    found = looked(replace(snapshot, states=states), memory)
    assert steps_of(found.plan)["clean"].ordinals.tolist() == [FIRST + 3]
    assert len(found.failing["clean"]) == DAYS - 1


def test_all_are_tried_at_once_when_the_code_moved() -> None:
    snapshot = made_of().snapshot
    memory = failed(snapshot)
    found = looked(replace(snapshot, codes={**snapshot.codes, "clean": "2" * 32}), memory)
    assert len(steps_of(found.plan)["clean"].ordinals) == DAYS
    assert found.failing == {}


def test_what_a_run_tries_again_is_still_remembered() -> None:
    snapshot = made_of().snapshot
    memory = failed(snapshot)
    busy = Footprint(makes={"clean": PartitionSet.of([(FIRST * 86400, NOW)])})
    found = looked(snapshot, memory, Automatic(busy=(busy,)), NOW + 3600.0)
    assert found.plan.steps == 0
    assert len(found.failing["clean"]) == DAYS


def test_what_fails_behind_what_fails_is_remembered_too() -> None:
    snapshot = made_of().snapshot
    memory = failed(snapshot) | failed(snapshot, "week", slice(0, 2))
    assert len(looked(snapshot, memory).failing["week"]) == 2


def test_steps_with_equal_inputs_and_code_have_equal_digests_and_no_others() -> None:
    snapshot = made_of().snapshot
    steps, again = (steps_of(looked(snapshot, {}).plan) for _ in range(2))
    digests = np.concatenate([each.digests for each in steps.values() if each.task != "tell"])
    assert all((steps[n].digests == again[n].digests).all() for n in steps)
    # Nothing is there yet of what `week` and `total` read, so each of them has one digest.
    assert len(np.unique(digests)) == DAYS + 2


def test_a_step_is_due_when_its_interval_has_ended() -> None:
    steps = steps_of(looked(made_of().snapshot, {}).plan)["clean"]
    assert steps.due.tolist() == [(FIRST + day + 1) * 86400 for day in range(DAYS)]
    assert steps.retry_delay == 10.0
