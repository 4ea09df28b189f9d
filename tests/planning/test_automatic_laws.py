"""What holds for every plan of what runs by itself: it is what the naive reference says."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from reference import Judge
from strategies import Case, cases, cases_by_themselves
from test_plan_laws import verdicts_of
from worlds import carried_out

from partflow.declarations.graph import outputs
from partflow.planning.footprint import footprint_of_steps
from partflow.planning.plan import Action, Automatic, Reason, Request
from partflow.planning.planner import plan
from partflow.planning.snapshot import state_over


@given(cases_by_themselves())
def test_the_automatic_plan_is_what_the_reference_planner_says(case: Case) -> None:
    found = verdicts_of(plan(case.graph, case.snapshot, case.request))
    expected = Judge(case.graph, case.snapshot, case.request).verdicts()
    assert found == expected


@given(cases())
def test_with_nothing_left_aside_it_is_the_plan_that_is_made_by_hand(case: Case) -> None:
    everything = frozenset(t.name for t in case.graph.tasks)
    by_itself = replace(case.request, automatic=Automatic(everything))
    found = verdicts_of(plan(case.graph, case.snapshot, by_itself))
    assert found == verdicts_of(plan(case.graph, case.snapshot, case.request))


@given(cases_by_themselves())
def test_a_run_by_itself_touches_nothing_that_a_run_under_way_does(case: Case) -> None:
    assert case.request.automatic is not None
    mine = footprint_of_steps(plan(case.graph, case.snapshot, case.request))
    assert not any(busy.meeting(mine) for busy in case.request.automatic.busy)


@given(cases_by_themselves())
def test_no_step_is_paused_or_held_or_of_other_code_alone(case: Case) -> None:
    automatic = case.request.automatic
    assert automatic is not None
    found = plan(case.graph, case.snapshot, case.request)
    for name, planned in found.tasks.items():
        runs = planned.action == Action.RUN
        if any(node in case.snapshot.paused for node in outputs(planned.task)):
            assert not planned.action.any()
        if name in automatic.held:
            assert not (runs & automatic.held[name].mask(planned.lo, planned.hi)).any()
        if name not in automatic.recompute:
            assert not (runs & (planned.need == Reason.CODE)).any()


@given(cases(), st.randoms(use_true_random=False))
def test_what_other_code_made_is_left_as_it_was_unless_its_inputs_move(
    case: Case, chance: Random
) -> None:
    request = Request(automatic=Automatic())
    made = plan(case.graph, case.snapshot, request)
    after = carried_out(made, chance)
    for task in case.graph.tasks:
        planned = made.tasks[task.name]
        kept = (planned.reason == Reason.KEPT) & (planned.action == Action.NONE)
        for node in outputs(task):
            was, now = (
                state_over(s.states[node], planned.lo, planned.hi) for s in (case.snapshot, after)
            )
            assert was.content[kept].tolist() == now.content[kept].tolist()
            assert was.code[kept].tolist() == now.code[kept].tolist()
