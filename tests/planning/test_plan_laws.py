"""What holds for every plan: it is what the naive reference says, step by step."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import Judge, Verdict
from strategies import Case, cases
from worlds import carried_out

from partflow.declarations.graph import derive, outputs
from partflow.planning.planner import Action, Only, Plan, Reason, State, plan, wanted_mask
from partflow.planning.selection import made_from
from partflow.planning.snapshot import Condition, state_over


def verdicts_of(made: Plan) -> dict[tuple[str, int], Verdict]:
    """A plan's arrays, one partition at a time."""
    return {
        (name, planned.lo + i): Verdict(
            State(int(planned.state[i])),
            Reason(int(planned.need[i])),
            Reason(int(planned.reason[i])),
            int(planned.cause[i]),
            Action(int(planned.action[i])),
            int(planned.moved[i]),
        )
        for name, planned in made.tasks.items()
        for i in range(len(planned.state))
    }


@given(cases())
def test_the_plan_is_what_the_reference_planner_says(case: Case) -> None:
    found = verdicts_of(plan(case.graph, case.snapshot, case.request))
    expected = Judge(case.graph, case.snapshot, case.request).verdicts()
    assert found == expected


@given(cases())
def test_nothing_fresh_is_sure_to_run_and_every_step_has_a_reason(case: Case) -> None:
    for verdict in verdicts_of(plan(case.graph, case.snapshot, case.request)).values():
        assert verdict.action is not Action.RUN or verdict.need is not Reason.NONE
        assert verdict.action is Action.NONE or verdict.reason is not Reason.NONE
        assert verdict.state is State.FRESH or verdict.reason is not Reason.NONE


@given(cases())
def test_what_is_made_once_stays_but_for_its_file_its_code_or_a_backfill(case: Case) -> None:
    found = plan(case.graph, case.snapshot, case.request)
    own = {
        Reason.NEVER, Reason.GONE, Reason.DAMAGED, Reason.CODE, Reason.RECKONED, Reason.ASKED
    }  # fmt: skip
    for task in case.graph.tasks:
        planned = found.tasks[task.name]
        if task.options.on_input_change == "keep":
            assert {Reason(r) for r in planned.need} <= own | {Reason.NONE}
            assert not planned.action[planned.need == Reason.NONE].any()


@given(cases(), st.randoms(use_true_random=False))
def test_a_run_leaves_what_was_made_once_as_it_was(case: Case, chance: Random) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    after = carried_out(made, chance)
    for task in case.graph.tasks:
        planned = made.tasks[task.name]
        if task.options.on_input_change == "stale":
            continue
        for node in outputs(task):
            was, now = (
                state_over(s.states[node], planned.lo, planned.hi) for s in (case.snapshot, after)
            )
            stays = planned.need == Reason.NONE
            assert was.content[stays].tolist() == now.content[stays].tolist()
            assert was.made_at[stays].tolist() == now.made_at[stays].tolist()


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_declarations_changes_nothing(case: Case, chance: Random) -> None:
    tasks = list(case.graph.tasks)
    chance.shuffle(tasks)
    again = derive(tasks, case.graph.datasets.values())
    assert verdicts_of(plan(again, case.snapshot, case.request)) == verdicts_of(
        plan(case.graph, case.snapshot, case.request)
    )


@given(cases(), st.randoms(use_true_random=False))
def test_what_a_request_is_not_made_from_decides_nothing_of_it(case: Case, chance: Random) -> None:
    assume(case.request.wanted is not None)
    needed = made_from(case.graph, case.request.wanted or ())
    states = dict(case.snapshot.states)
    for name in case.graph.datasets.keys() - needed:
        conditions = [chance.choice(list(Condition)) for _ in states[name].condition]
        content = states[name].content ^ np.uint64(chance.getrandbits(64))
        condition = np.array(conditions, np.uint8)
        states[name] = replace(states[name], condition=condition, content=content)
    found = plan(case.graph, replace(case.snapshot, states=states), case.request)
    right = plan(case.graph, case.snapshot, case.request)
    for name, planned in right.tasks.items():
        other, wanted = found.tasks[name], wanted_mask(case.request, planned)
        assert planned.action.tolist() == other.action.tolist()
        some = wanted | (planned.action != Action.NONE)
        for what in ("state", "need", "reason", "cause"):
            assert getattr(planned, what)[some].tolist() == getattr(other, what)[some].tolist()


@given(cases(), st.randoms(use_true_random=False))
def test_a_plan_carried_out_leaves_nothing_to_do(case: Case, chance: Random) -> None:
    options = [t.options for t in case.graph.tasks]
    # What is still corrected outside, and with no pause declared, is never up to date.
    assume(not any(o.settles_after and not o.refresh_every for o in options))
    # A backfill of only what is missing or stale leaves what its own steps made stale.
    assume(case.request.force is None or case.request.force.only is Only.ALL)
    after = carried_out(plan(case.graph, case.snapshot, case.request), chance)
    request = replace(case.request, force=None)
    # What was held up is looked past, and comes into view when something else it reads changed:
    # then a selection, or a backfill that was held up, takes another run for each task at most.
    narrow = case.request.wanted is not None or case.request.force is not None
    for _ in case.graph.tasks if narrow else ():
        after = carried_out(plan(case.graph, after, request), chance)
    left = verdicts_of(plan(case.graph, after, request))
    assert {k: v for k, v in left.items() if v.action is not Action.NONE} == {}
