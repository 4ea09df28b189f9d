"""What holds of saved plans, whatever is declared, recorded and asked."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Case, cases
from worlds import carried_out

from partflow.declarations.graph import outputs
from partflow.partitions.keytexts import shown_key
from partflow.planning.basis import bases_of
from partflow.planning.planner import Action, Plan, plan
from partflow.planning.savedplan import SavedPlan, document_of, moved, parsed, restored, text_of
from partflow.planning.snapshot import Condition, DatasetState

chances = st.randoms(use_true_random=False)


def saved(made: Plan) -> SavedPlan:
    return parsed(text_of(document_of(made, {})), "plan.json")


def arrays_of(made: Plan) -> dict[str, list[tuple[object, ...]]]:
    """Every array of a plan with its type, its shape and its values."""
    found = {}
    for name, planned in made.tasks.items():
        columns = [planned.state, planned.need, planned.reason, planned.cause, planned.action]
        columns += [x for pair in planned.bounds for x in pair]
        found[name] = [(planned.lo,), *((c.dtype, c.shape, *c.tolist()) for c in columns)]
    for name, states in made.sources.items():
        found[f"source {name}"] = [(states.dtype, *states.tolist())]
    return found


@given(cases())
def test_a_plan_that_is_saved_and_read_has_equal_arrays(case: Case) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    again = restored(saved(made), case.graph, case.snapshot)
    assert arrays_of(again) == arrays_of(made)
    assert again.request == made.request
    assert list(again.tasks) == list(made.tasks)


@given(cases())
def test_nothing_moved_as_long_as_nothing_moves(case: Case) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    assert moved(saved(made), case.graph, case.snapshot) == ()


@given(cases(), st.integers(1, 400))
def test_time_alone_moves_no_plan(case: Case, hours: int) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    later = replace(case.snapshot, now=case.snapshot.now + hours * 3600)
    found = saved(made)
    assert moved(found, case.graph, later) == ()
    assert restored(found, case.graph, later).steps == made.steps


@given(cases(), chances)
def test_a_plan_that_was_carried_out_is_refused(case: Case, chance: Random) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    assume(made.steps)
    after = carried_out(made, chance, same=0.0)
    # What was made in the very second of the plan, of what it had been made of, is as it was.
    after = replace(after, states={n: aged(s, made) for n, s in after.states.items()})
    assert moved(saved(made), case.graph, after)


def aged(state: DatasetState, made: Plan) -> DatasetState:
    now = state.made_at == made.snapshot.now
    return replace(state, made_at=np.where(now, state.made_at + 1, state.made_at))


@given(cases(), chances)
def test_another_content_of_anything_that_is_read_is_named_and_of_nothing_else(
    case: Case, chance: Random
) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    name = chance.choice(sorted(case.graph.datasets))
    state = case.snapshot.states[name]
    assume(len(state.condition))
    i = chance.randrange(len(state.condition))
    content, condition = state.content.copy(), state.condition.copy()
    content[i] = (chance.randrange(2**63), chance.randrange(2**63))
    condition[i] = Condition.GOOD
    assume(condition[i] != state.condition[i] or (content[i] != state.content[i]).any())
    other = replace(state, content=content, condition=condition)
    now = replace(case.snapshot, states={**case.snapshot.states, name: other})
    grain = case.graph.datasets[name].grain
    concerned = any(b.node == name and state.lo + i in b.ranges for b in bases_of(made))
    said = moved(saved(made), case.graph, now)
    assert bool(said) == concerned
    if concerned:
        assert len(said) == 1
        assert said[0].startswith(f"{name}: ")
        assert said[0].endswith(f": {shown_key(grain.key(state.lo + i))}")


@given(cases())
def test_other_code_is_refused_where_there_are_steps_and_nowhere_else(case: Case) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    found = saved(made)
    for task in case.graph.tasks:
        codes = {**case.snapshot.codes, task.name: "e" * 32}
        said = moved(found, case.graph, replace(case.snapshot, codes=codes))
        busy = bool((made.tasks[task.name].action != Action.NONE).any())
        assert bool(said) == busy
        assert all(line.startswith(f"the code of {task.name} changed") for line in said)


@given(cases())
def test_a_plan_rests_on_all_that_its_steps_make_and_read(case: Case) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    held = {(b.node, b.task, o) for b in bases_of(made) for o in b.ranges}
    needed = set()
    for name, planned in made.tasks.items():
        for i in np.flatnonzero(planned.action != Action.NONE).tolist():
            needed |= {(n, name, planned.lo + i) for n in outputs(planned.task)}
            for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
                read = one.read.dataset.name
                needed |= {(read, None, o) for o in range(int(a[i]), int(b[i]))}
    assert held == needed
