"""A plan counted: each partition is in one state, and each node has its own."""

from __future__ import annotations

from hypothesis import given
from reference import Judge
from small import planned
from strategies import Case, cases

from partflow.planning.plan import Automatic, Reason, Request, State
from partflow.planning.planner import plan
from partflow.planning.snapshot import Condition
from partflow.planning.status import states_of, statuses

PLAN = planned({0: Condition.GOOD, 1: Condition.DAMAGED, 2: Condition.GOOD})


def test_every_partition_is_counted_once():
    for status in statuses(PLAN):
        assert sum(status.counts.values()) == status.partitions == len(status.states)


def test_sources_come_first_and_then_the_graph():
    assert [s.node for s in statuses(PLAN)] == ["landing", "days", "months", "tell"]
    assert [s.kind for s in statuses(PLAN)] == ["source", "dataset", "dataset", "effect"]


def test_a_range_is_that_of_what_is_due_so_far():
    days = next(s for s in statuses(PLAN) if s.node == "days")
    assert (days.first, days.last, days.partitions) == ("2024-01-01", "2024-01-06", 6)
    months = next(s for s in statuses(PLAN) if s.node == "months")
    assert (months.first, months.last, months.partitions) == ("", "", 0)


def test_the_states_of_a_node_are_those_that_some_partition_is_in():
    named = states_of(PLAN)
    assert named["days"] == {"missing", "waiting", "blocked"}
    assert named["months"] == frozenset()
    counted = {s.node: {state for state, n in s.counts.items() if n} for s in statuses(PLAN)}
    assert counted["landing"] == {State.FRESH, State.WAITING, State.BLOCKED}


@given(cases())
def test_what_is_by_older_code_is_what_would_stay_if_other_code_were_no_reason(case: Case) -> None:
    made = plan(case.graph, case.snapshot, Request())
    judge = Judge(case.graph, case.snapshot, Request(automatic=Automatic()))
    for status in statuses(made):
        older = [
            ordinal
            for task in case.graph.writers(status.node)
            for ordinal, need in enumerate(made.tasks[task.name].need, made.tasks[task.name].lo)
            if need == Reason.CODE and judge.verdict(task, ordinal).need is Reason.NONE
        ]
        assert status.older_code == len(older)
