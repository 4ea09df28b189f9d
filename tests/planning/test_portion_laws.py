"""What holds for every portion of a plan: it is closed, as full as it may be, and newest first."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Case, cases, cases_by_themselves
from worlds import carried_out

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import task
from partflow.partitions.calendar import Daily, Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.plan import Action, Plan, Request
from partflow.planning.planner import plan
from partflow.planning.portion import portion, request_for
from partflow.planning.snapshot import Snapshot, empty_state

DAY = 86400
FIRST, DAYS = 19723, 400  # from 2024-01-01 on


def steps_of(made: Plan) -> dict[str, PartitionSet]:
    """The steps of a plan by task."""
    found = {n: PartitionSet.where(t.action != Action.NONE, t.lo) for n, t in made.tasks.items()}
    return {name: steps for name, steps in found.items() if steps}


@given(cases_by_themselves(), st.integers(1, 60))
def test_a_request_for_a_portion_plans_the_same_steps_and_no_others(
    case: Case, at_most: int
) -> None:
    whole = plan(case.graph, case.snapshot, replace(case.request, wanted=None))
    chosen = portion(whole, at_most)
    assert steps_of(plan(case.graph, case.snapshot, request_for(whole, chosen))) == chosen


@given(cases(), st.integers(1, 60))
def test_a_portion_is_as_full_as_it_may_be(case: Case, at_most: int) -> None:
    whole = plan(case.graph, case.snapshot, Request())
    steps = sum(len(each) for each in portion(whole, at_most).values())
    assert steps == min(at_most, whole.steps)


@given(cases(), st.integers(20, 200), st.randoms(use_true_random=False))
def test_portion_after_portion_makes_all_that_the_plan_makes(
    case: Case, at_most: int, chance: Random
) -> None:
    options = [t.options for t in case.graph.tasks]
    # What is still corrected outside, and with no pause declared, is never up to date.
    assume(not any(o.settles_after and not o.refresh_every for o in options))
    snapshot, request = case.snapshot, Request()
    rounds = 0
    while (whole := plan(case.graph, snapshot, request)).steps:
        part = plan(case.graph, snapshot, request_for(whole, portion(whole, at_most)))
        snapshot = carried_out(part, chance)
        rounds += 1
        assert rounds < 1000
    assert steps_of(plan(case.graph, snapshot, request)) == {}


def many(*, sums: bool = False) -> Graph:
    """`a` of nothing, `b` of `a`, `all_of_it` of all of `a`; perhaps `sum` of `a` and itself."""
    days = Daily("2024-01-01")
    a, b, c = Dataset("a", days), Dataset("b", days), Dataset("all_of_it", Whole())
    total = Dataset("sum", days, schema={"n": pl.Int64})
    tasks = [
        task(name="a", writes=a)(lambda: None),
        task(name="b", reads=[a], writes=b)(lambda a: a),
        task(name="all_of_it", reads=[a], writes=c)(lambda a: a),
    ]
    if sums:
        tasks.append(task(name="sum", reads=[a, total.previous()], writes=total)(lambda a, b: a))
    return derive(tasks, [])


def first_fill(graph: Graph) -> Plan:
    """The plan of a graph where nothing was made yet."""
    states = {n: empty_state(FIRST, DAYS, 2) for n in graph.datasets}
    states["all_of_it"] = empty_state(0, 1, 1)
    codes = {t.name: "1" * 32 for t in graph.tasks}
    now = (FIRST + DAYS) * DAY
    return plan(graph, Snapshot(now, states, codes, {}), Request())


def test_the_newest_are_taken_first_with_what_they_need() -> None:
    chosen = portion(first_fill(many()), 20)
    newest = PartitionSet.of([(FIRST + DAYS - 10, FIRST + DAYS)])
    assert chosen == {"a": newest, "b": newest}


def test_needs_that_do_not_fit_are_taken_from_the_oldest_on_after_what_fits() -> None:
    chosen = portion(first_fill(many(sums=True)), 20)
    today = FIRST + DAYS - 1
    assert today in chosen["a"]
    assert today in chosen["b"]
    assert chosen["a"].ranges[0] == (FIRST, FIRST + 18)
    assert "sum" not in chosen


def test_of_what_reads_itself_the_oldest_come_first() -> None:
    graph = many(sums=True)
    made = first_fill(graph)
    states = dict(made.snapshot.states)
    good = np.ones(DAYS, np.uint8)
    for name in ("a", "b"):
        content = np.ones((DAYS, 2), np.uint64)
        states[name] = replace(states[name], condition=good, content=content)
    whole = plan(graph, replace(made.snapshot, states=states), Request())
    steps = {"a": np.zeros(DAYS, np.uint8), "b": np.zeros(DAYS, np.uint8)}
    tasks = {n: replace(t, action=steps.get(n, t.action)) for n, t in whole.tasks.items()}
    chosen = portion(replace(whole, tasks=tasks), 20)
    assert chosen["sum"].ranges[0][0] == FIRST
