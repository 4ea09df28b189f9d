"""When time alone changes a plan: not before the moment that is said, and then at that moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import FIRST, NOW, planned
from strategies import Case, cases, cases_by_themselves
from test_plan_laws import verdicts_of

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import task
from partflow.partitions.calendar import Daily, Whole
from partflow.planning.asking import Tried, empty_book, noted
from partflow.planning.lateness import lateness
from partflow.planning.nextchange import next_change
from partflow.planning.pauses import Pause
from partflow.planning.plan import Plan, Request, State
from partflow.planning.planner import plan
from partflow.planning.snapshot import Condition, Snapshot, empty_state

DAY = 86400


@given(cases() | cases_by_themselves(), st.integers(1, 10 * DAY))
def test_before_the_next_change_time_changes_nothing(case: Case, later: int) -> None:
    now = plan(case.graph, case.snapshot, case.request)
    at = next_change(now)
    moment = case.snapshot.now + later
    if at is not None:
        moment = min(moment, at - 1)
    after = replace(case.snapshot, now=moment)
    assert verdicts_of(plan(case.graph, after, case.request)) == verdicts_of(now)


def test_the_next_day_is_due_when_it_has_ended_and_its_lag_has_passed() -> None:
    assert next_change(planned({})) == NOW + DAY


def expecting(source: Source, now: int, **snapshot: object) -> Plan:
    """The plan of a source of which nothing has come, expected since ever."""
    states = {source.name: empty_state(FIRST, 6)}
    since = {source.name: 0}
    made = Snapshot(now, states, {}, {}, expected_since=since)
    return plan(derive([], [source]), replace(made, **snapshot), Request())


@pytest.mark.parametrize("after", [1, 3600, 7 * 3600])
def test_a_partition_becomes_late_a_second_after_it_was_expected(after: int) -> None:
    days = Daily("2024-01-01", "2024-01-07")
    source = Source("landing", days, path="{key}.csv", expect_by=f"{after}s")
    found = expecting(source, NOW)
    assert next_change(found) == NOW + after + 1
    before, then = (expecting(source, NOW + after + each) for each in (0, 1))
    assert len(lateness(before)["landing"].at) == 5
    assert len(lateness(then)["landing"].at) == 6
    assert next_change(then) is None


def test_what_is_too_old_is_so_a_second_after_its_age() -> None:
    days = Daily("2024-01-01", "2024-01-07")
    source = Source("landing", days, path="{key}.csv", max_age="30h")
    assert next_change(expecting(source, 1, expected_since={"landing": 1})) == 1 + 30 * 3600 + 1


def test_the_end_of_a_pause_changes_the_plan() -> None:
    days = Daily("2024-01-01", "2024-01-07")
    source = Source("landing", days, path="{key}.csv", expect_by="1h")
    until = NOW + 1800
    found = expecting(source, NOW, paused={"landing": Pause(0, "somebody", until=until)})
    assert next_change(found) == until


def refreshed() -> Graph:
    days = Daily("2024-01-01", "2024-01-07")
    return derive(
        [
            task(
                name="fetch",
                writes=Dataset("fetched", days),
                settles_after="3d",
                refresh_every="6h",
            )(lambda: None)
        ],
        [],
    )


def test_what_is_unsettled_is_refreshed_after_its_pause_and_once_it_has_settled() -> None:
    state = empty_state(FIRST, 6)
    made_at = np.full(6, NOW)
    state = replace(
        state,
        condition=np.full(6, Condition.GOOD, np.uint8),
        seq=np.ones(6, np.int64),
        reads=np.zeros(6, np.int16),
        made_at=made_at,
        code=np.full((6, 2), int("1" * 16, 16), np.uint64),
    )
    snapshot = Snapshot(NOW + 3600, {"fetched": state}, {"fetch": "1" * 32}, {})
    found = plan(refreshed(), snapshot, Request())
    assert not found.tasks["fetch"].state.any()
    at = next_change(found)
    assert at == NOW + 6 * 3600
    then = plan(refreshed(), replace(snapshot, now=at), Request())
    assert State.STALE in then.tasks["fetch"].state


def test_what_is_whole_and_waits_for_nobody_is_never_changed_by_time() -> None:
    graph = derive([task(name="shops", writes=Dataset("shops", Whole()))(lambda: None)], [])
    snapshot = Snapshot(NOW, {"shops": empty_state(0, 1)}, {"shops": "1" * 32}, {})
    assert next_change(plan(graph, snapshot, Request())) is None


def test_a_source_without_files_is_asked_again_after_its_pause() -> None:
    days = Daily("2024-01-01", "2024-01-07")
    api = Source(
        "api", days, fingerprint=lambda partition: None, settles_after="9d", refresh_every="6h"
    )
    tried = {FIRST: Tried(NOW - 3600), FIRST + 1: Tried(NOW)}
    found = expecting(api, NOW, asked={"api": noted(api, empty_book(api), tried)})
    assert next_change(found) == NOW + 5 * 3600
