"""What holds of footprints, whatever is declared, recorded and asked."""

from __future__ import annotations

import json

import profiles  # noqa: F401 - no deadline
from hypothesis import given
from hypothesis import strategies as st
from strategies import Case, cases

from partflow.declarations.graph import outputs
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import (
    EVERYTHING,
    Footprint,
    footprint_of_request,
    footprint_of_steps,
)
from partflow.planning.planner import Action, Plan, plan, wanted_mask

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))).map(PartitionSet.of)
by_node = st.dictionaries(st.sampled_from("abc"), spans)
footprints = st.builds(Footprint, by_node, by_node) | st.just(EVERYTHING)


def one_by_one(found: Plan, chosen) -> tuple[dict[str, PartitionSet], dict[str, PartitionSet]]:
    """What is made and what is read, a partition at a time."""
    makes: dict[str, list[tuple[int, int]]] = {}
    reads: dict[str, list[tuple[int, int]]] = {}
    for planned in found.tasks.values():
        task = planned.task
        for i in range(len(planned.state)):
            if not chosen(planned, i):
                continue
            interval = task.grain.interval(planned.lo + i)
            for node in outputs(task):
                makes.setdefault(node, []).append((interval.start, interval.end))
            for one, (a, b) in zip(task.inputs, planned.bounds, strict=True):
                dataset = one.read.dataset
                for ordinal in range(a[i], b[i]) if found.graph.writers(dataset.name) else ():
                    read = dataset.grain.interval(ordinal)
                    reads.setdefault(dataset.name, []).append((read.start, read.end))
    return tuple({n: PartitionSet.of(s) for n, s in each.items()} for each in (makes, reads))


def some(found) -> dict[str, PartitionSet]:
    return {node: spans for node, spans in found.items() if spans}


@given(cases())
def test_a_run_touches_what_its_steps_make_and_read_and_no_more(case: Case) -> None:
    found = plan(case.graph, case.snapshot, case.request)
    makes, reads = one_by_one(found, lambda p, i: p.action[i] != Action.NONE)
    touched = footprint_of_steps(found)
    assert (some(touched.makes), some(touched.reads)) == (makes, reads)


@given(cases())
def test_a_request_touches_what_it_names_and_what_that_reads(case: Case) -> None:
    found = plan(case.graph, case.snapshot, case.request)
    named, reads = one_by_one(found, lambda p, i: wanted_mask(found.request, p)[i])
    touched = footprint_of_request(found, makes=True)
    assert (some(touched.makes), some(touched.reads)) == (named, reads)
    looked_at = footprint_of_request(found, makes=False)
    both = named.keys() | reads.keys()
    nothing = PartitionSet()
    assert looked_at.makes == {}
    assert some(looked_at.reads) == {n: named.get(n, nothing) | reads.get(n, nothing) for n in both}


@given(footprints, footprints)
def test_two_meet_where_one_makes_what_the_other_touches(one: Footprint, other: Footprint) -> None:
    met = one.meeting(other)
    assert (met is None) == (other.meeting(one) is None)
    if one.is_everything or other.is_everything:
        assert met is not None
        return
    places = [
        {(node, second) for node, spans in each.items() for second in spans}
        for each in (one.makes, other.makes, one.reads, other.reads)
    ]
    here, there, read_here, read_there = places
    common = (here & there) | (here & read_there) | (read_here & there)
    assert (met is None) == (not common)
    assert met is None or {(met.node, met.start), (met.node, met.end - 1)} <= common


@given(footprints, footprints)
def test_what_holds_another_meets_whatever_the_other_does(one: Footprint, other: Footprint) -> None:
    assert one.holds(one)
    if one.holds(other):
        makes = {(n, s) for n, spans in other.makes.items() for s in spans}
        assert all(one.makes_at(n, s) for n, s in makes)
        third = Footprint({n: PartitionSet.of([(s, s + 1)]) for n, s in makes})
        assert other.meeting(third) is None or one.meeting(third) is not None


@given(footprints)
def test_a_footprint_is_read_as_it_was_written(one: Footprint) -> None:
    assert Footprint.from_json(json.loads(json.dumps(one.to_json()))) == one
