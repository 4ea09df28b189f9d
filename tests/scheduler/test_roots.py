"""Troubles: one for each root cause, however many partitions lie behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from landings import DAYS, FIRST, NOW, made_of, tries
from strategies import Case, cases_by_themselves

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import derive, outputs
from partflow.partitions.calendar import Daily
from partflow.planning.asking import Tried, empty_book, noted
from partflow.planning.plan import Plan, Reason, Request, State, TaskPlan
from partflow.planning.planner import plan
from partflow.planning.snapshot import Condition, Snapshot, empty_state
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.roots import troubles_of
from partflow.scheduler.tries import Memory


def by_root(troubles: Iterable[Trouble]) -> dict[Root, Trouble]:
    found = {trouble.root: trouble for trouble in troubles}
    assert len(found) == len(list(troubles))
    return found


# --- against one partition after the other -----------------------------------------------------


def _root(made: Plan, planned: TaskPlan, i: int) -> Root | None:
    """The root that a blocked partition is behind, found by following one cause after another."""
    own = {
        Reason.HELD: Root("failed", planned.task.name),
        Reason.CHANGED_OUTSIDE: Root("changed outside", outputs(planned.task)[0]),
    }
    reason = Reason(int(planned.reason[i]))
    if reason in own:
        return own[reason]
    if reason not in {Reason.BEHIND, Reason.LAST_GOOD}:
        return None
    position = int(planned.cause[i])
    name = planned.task.inputs[position].read.dataset.name
    a, b = (int(ends[i]) for ends in planned.bounds[position])
    for ordinal in range(a, b):
        if name in made.sources:
            state = made.snapshot.states[name]
            at = ordinal - state.lo
            if 0 <= at < len(state.condition) and state.condition[at] == Condition.DAMAGED:
                return Root("unreadable", name)
            continue
        for writer in made.graph.writers(name):
            other = made.tasks[writer.name]
            at = ordinal - other.lo
            if 0 <= at < len(other.state) and other.state[at] == State.BLOCKED:
                root = _root(made, other, at)
                if root is not None:
                    return root
    return None


@given(cases_by_themselves())
def test_what_is_blocked_counts_for_the_root_that_its_causes_lead_to(case: Case) -> None:
    request = replace(case.request, wanted=None)
    made = plan(case.graph, case.snapshot, request)
    begins, behind, failing = Counter[Root](), Counter[Root](), {}
    for name, planned in made.tasks.items():
        held = np.flatnonzero(planned.reason == Reason.HELD) + planned.lo
        if len(held):
            failing[name] = tries(held.tolist())
        for i in np.flatnonzero(planned.state == State.BLOCKED).tolist():
            root = _root(made, planned, i)
            is_own = planned.cause[i] < 0
            if root is not None:
                (begins if is_own else behind)[root] += 1
    found = by_root(troubles_of(made, failing))
    for root, trouble in found.items():
        if root.kind in {"failed", "changed outside"}:
            assert trouble.count == begins[root]
        if root.kind in {"failed", "changed outside", "unreadable"}:
            assert trouble.blocked == behind[root]
    assert not behind.keys() - found.keys()


# --- by example ----------------------------------------------------------------------------------


def test_forty_failed_days_and_all_that_is_blocked_behind_them_are_one_trouble() -> None:
    held = range(DAYS)
    troubles = troubles_of(made_of(held=held), {"clean": tries(FIRST + day for day in held)})
    (failed,) = troubles
    assert failed.root == Root("failed", "clean")
    assert (failed.count, failed.first, failed.last) == (40, "2024-01-01", "2024-02-09")
    assert failed.blocked == 3 * 40
    assert failed.said == "ValueError: no till"
    assert failed.since == NOW - 3600
    assert "partflow materialize clean" in failed.advice


def test_what_the_machine_failed_at_is_a_trouble_of_the_machine() -> None:
    memory: Memory = {"clean": tries([FIRST], of_machine=True)}
    kinds = {trouble.root.kind for trouble in troubles_of(made_of(held=[0]), memory)}
    assert "machine" in kinds


def test_what_reads_itself_is_behind_the_one_failure_at_its_beginning() -> None:
    found = by_root(troubles_of(made_of(held=[0]), {"clean": tries([FIRST])}))
    failed = found[Root("failed", "clean")]
    # Seven windows hold the first day; every total is of the one before; and one effect.
    assert failed.blocked == 7 + 40 + 1


def test_what_a_late_source_holds_up_is_late_for_that_reason() -> None:
    found = by_root(troubles_of(made_of(range(DAYS - 3)), {}))
    late = found[Root("late", "landing")]
    # The last day's file is late an hour after its end, which has not passed.
    assert (late.count, late.first, late.last) == (2, "2024-02-07", "2024-02-08")
    assert late.since == (FIRST + DAYS - 2) * 86400 + 3600
    # What is to be made of all others, and is not yet, is late for no other reason.
    assert found[Root("late", "clean")].count == DAYS - 3
    assert late.blocked >= 3 * 2


def test_what_is_late_behind_what_is_late_is_one_trouble() -> None:
    made = made_of()
    expected = {**made.snapshot.expected_since}
    graph = replace(
        made.graph,
        datasets={
            name: Dataset(name, made.graph.datasets[name].grain, expect_by="2h")
            if name in {"clean", "week"}
            else dataset
            for name, dataset in made.graph.datasets.items()
        },
    )
    snapshot = replace(made.snapshot, expected_since={**expected, "week": 0})
    found = by_root(troubles_of(replace(made, graph=graph, snapshot=snapshot), {}))
    assert Root("late", "week") not in found
    late = found[Root("late", "clean")]
    assert (late.count, late.blocked) == (DAYS - 1, DAYS - 1)


def test_a_file_that_cannot_be_read_is_one_trouble_with_its_advice() -> None:
    found = by_root(troubles_of(made_of(torn=[0]), {}))
    torn = found[Root("unreadable", "landing")]
    assert (torn.count, torn.blocked) == (1, 1 + 7 + 40 + 1)
    assert torn.said == "landing/2024-01-01.csv: it is torn"
    assert torn.advice == "mend it"


def test_what_is_too_old_behind_another_root_is_no_trouble_of_its_own() -> None:
    alone = by_root(troubles_of(made_of(), {}))
    held = by_root(troubles_of(made_of(held=range(DAYS)), {"clean": tries([FIRST])}))
    assert Root("too old", "clean") not in held
    assert Root("late", "clean") in alone


def test_an_effect_that_is_perhaps_done_says_how_it_is_decided() -> None:
    found = by_root(troubles_of(made_of(perhaps=[0, 1]), {}))
    doubt = found[Root("perhaps done", "tell")]
    assert (doubt.count, doubt.first, doubt.last) == (2, "2024-01-01", "2024-01-02")
    assert "partflow accept tell -p 2024-01-01" in doubt.advice


def test_a_clock_that_is_behind_is_a_trouble() -> None:
    found = by_root(troubles_of(made_of(newest_at=NOW + 86400), {}))
    assert "behind the last record" in found[Root("clock", "")].said


@pytest.mark.parametrize("days", [range(0), range(DAYS)])
def test_where_nothing_is_expected_or_at_fault_there_is_no_trouble(days: range) -> None:
    made = made_of(days)
    quiet = replace(made, snapshot=replace(made.snapshot, expected_since={}))
    assert troubles_of(quiet, {}) == ()


def test_a_source_that_cannot_be_asked_is_a_trouble_of_its_own() -> None:
    days = Daily("2024-01-01", "2024-01-07")
    api = Source("api", days, fingerprint=lambda partition: None, settles_after="3d")
    ordinals = {
        FIRST + 1: Tried(NOW - 60, "ValueError: no network"),
        FIRST: Tried(NOW, "a timeout"),
    }
    book = noted(api, empty_book(api), {**ordinals, FIRST + 2: Tried(NOW)})
    snapshot = Snapshot(NOW, {"api": empty_state(FIRST, 6)}, {}, {}, asked={"api": book})
    (trouble,) = troubles_of(plan(derive([], [api]), snapshot, Request()), {})
    assert (trouble.root, trouble.since) == (Root("source", "api"), float(NOW - 60))
    assert (trouble.count, trouble.first, trouble.last) == (2, "2024-01-01", "2024-01-02")
    assert trouble.said == "it could not be asked: a timeout"
