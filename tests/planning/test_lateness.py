"""Late is what was expected, and was never made; a naive count of it is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference import Judge
from strategies import Case, cases

from partflow.declarations.dataset import Dataset
from partflow.partitions.calendar import Whole
from partflow.planning.lateness import Lateness, expected_at, lateness, since_of, unnoted
from partflow.planning.pauses import Pause
from partflow.planning.plan import Automatic, Plan, Reason, Request, State, TaskPlan
from partflow.planning.planner import plan

DAY = 86400


def declared(case: Case, draw: st.DataObject) -> Plan:
    """The plan of a case of whose datasets something is expected since some time."""
    since = {}
    for name, dataset in case.graph.datasets.items():
        whole = isinstance(dataset.grain, Whole)
        spans = (
            [None] if whole else [None, "0s", "1d", *([] if dataset.grain.is_timed else ["08:00"])]
        )
        object.__setattr__(dataset, "expect_by", draw.draw(st.sampled_from(spans)))
        object.__setattr__(dataset, "max_age", draw.draw(st.sampled_from([None, "0s", "3d"])))
        if draw.draw(st.integers(0, 3)):
            since[name] = case.snapshot.now - draw.draw(st.integers(0, 40)) * DAY
    snapshot = replace(case.snapshot, expected_since=since)
    return plan(case.graph, snapshot, Request())


def naive(made: Plan, dataset: Dataset) -> set[int]:
    """The late partitions: those that can be, are expected by now, and have no record."""
    now, since = made.snapshot.now, made.snapshot.expected_since.get(dataset.name)
    state, expected = made.snapshot.states[dataset.name], dataset.expected
    if since is None or expected is None or not expected.has_moments:
        return set()
    extents = (
        [(made.graph.dataset_extents[dataset.name].lo, made.graph.dataset_extents[dataset.name])]
        if dataset.is_source
        else [
            (made.tasks[t.name].lo, made.graph.task_extents[t.name])
            for t in made.graph.writers(dataset.name)
        ]
    )
    late = set()
    for lo, extent in extents:
        hi = extent.until(dataset.grain.due(now))
        if lo >= hi:
            continue
        for ordinal, moment in enumerate(expected.moments(dataset.grain, lo, hi).tolist(), lo):
            i = ordinal - state.lo
            was_made = 0 <= i < len(state.seq) and state.seq[i] > 0
            if since <= moment < now and not was_made and not unasked(made, dataset, ordinal):
                late.add(ordinal)
    return late


def unasked(made: Plan, dataset: Dataset, ordinal: int) -> bool:
    """Whether a partition is one that nobody has asked for."""
    plans = [made.tasks[t.name] for t in made.graph.writers(dataset.name)]
    return any(
        p.lo <= ordinal < p.hi and p.reason[ordinal - p.lo] == Reason.NOT_ASKED for p in plans
    )


@given(cases(), st.data())
def test_late_is_what_a_naive_count_finds(case: Case, draw: st.DataObject) -> None:
    made = declared(case, draw)
    for name, late in lateness(made).items():
        dataset = made.graph.datasets[name]
        assert set(late.at) == naive(made, dataset)
        if late.at:
            moments = [expected_at(made, name, ordinal) for ordinal in late.at]
            assert late.since == min(moments) < made.snapshot.now


def of_code_alone(made: Plan, planned: TaskPlan) -> list[bool]:
    """Where nothing but other code is a reason to make it: none would be, if that were kept."""
    judge = Judge(made.graph, made.snapshot, Request(automatic=Automatic()))
    return [
        bool(need in (Reason.CODE, Reason.RECKONED))
        and judge.verdict(planned.task, planned.lo + i).need is Reason.NONE
        for i, need in enumerate(planned.need)
    ]


@given(cases(), st.data())
def test_too_old_is_what_has_no_fresh_partition_that_is_young_enough(
    case: Case, draw: st.DataObject
) -> None:
    made = declared(case, draw)
    for name, late in lateness(made).items():
        dataset, since = made.graph.datasets[name], made.snapshot.expected_since.get(name)
        if since is None or dataset.expected.max_age is None or isinstance(dataset.grain, Whole):
            continue
        rows = [(made.snapshot.states[name].lo, made.sources.get(name, []))] + [
            (p.lo, np.where(of_code_alone(made, p), State.FRESH, p.state))
            for p in (made.tasks[t.name] for t in made.graph.writers(name))
        ]
        ends = [
            dataset.grain.interval(lo + i).end
            for lo, row in rows
            for i, state in enumerate(row)
            if state == State.FRESH
        ]
        at = max([since, *ends]) + dataset.expected.max_age
        assert late.too_old_since == (at if at < made.snapshot.now else None)


@given(cases(), st.data())
def test_what_is_paused_or_was_not_seen_before_is_not_late(case: Case, draw: st.DataObject) -> None:
    made = declared(case, draw)
    pauses = dict.fromkeys(made.graph.datasets, Pause(0, "ann@laptop"))
    paused = replace(made, snapshot=replace(made.snapshot, paused=pauses))
    unseen = replace(made, snapshot=replace(made.snapshot, expected_since={}))
    for late in (*lateness(paused).values(), *lateness(unseen).values()):
        assert late == Lateness(late.node, late.at, 0, None)
        assert not late.is_late


@given(cases(), st.data())
def test_what_is_noted_of_a_declaration_counts_until_it_is_another(
    case: Case, draw: st.DataObject
) -> None:
    made = declared(case, draw)
    fresh = replace(made, snapshot=replace(made.snapshot, expected_since={}))
    noted = unnoted(fresh)
    since = since_of(made.graph, noted)
    assert since == dict.fromkeys(noted, made.snapshot.now)
    assert unnoted(replace(made, snapshot=replace(made.snapshot, expected_since=since))) == {}
    others = {name: text.replace('["', '["other') for name, text in noted.items()}
    assert since_of(made.graph, {**others, "nothing": "[]", "clean": "no"}) == {}
