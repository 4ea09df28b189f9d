"""Until the moment that is said to be next, time changes nothing of a plan."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Case, cases

from partflow.declarations.dataset import Source
from partflow.declarations.graph import derive
from partflow.partitions.calendar import Daily
from partflow.planning.asking import Tried, empty_book, noted
from partflow.planning.comingup import changes_at
from partflow.planning.planner import Request, plan
from partflow.planning.snapshot import Snapshot, empty_state

DAY, HOUR, FIRST = 86400, 3600, 19723  # 2024-01-01


@given(cases(), st.integers(1, 1000))
def test_until_the_next_moment_the_plan_stays_as_it_is(case: Case, part: int) -> None:
    # What was first seen by a clock that was ahead is a matter of minutes, not of what is due.
    case = replace(case, snapshot=replace(case.snapshot, effects_since={}))
    assume(all(t.options.catchup and not t.is_effect for t in case.graph.tasks))
    before = plan(case.graph, case.snapshot, case.request)
    moment, now = changes_at(before), case.snapshot.now
    assert moment is None or moment > now
    last = now + 400 * DAY if moment is None else moment - 1
    later = replace(case.snapshot, now=now + (last - now) * part // 1000)
    after = plan(case.graph, later, case.request)
    for name, planned in before.tasks.items():
        other = after.tasks[name]
        assert (planned.lo, planned.hi) == (other.lo, other.hi), name
        for column in ("state", "need", "reason", "cause", "action", "moved"):
            assert getattr(planned, column).tolist() == getattr(other, column).tolist(), column


def test_a_source_without_files_is_asked_again_after_its_pause() -> None:
    days = Daily("2024-01-01", "2024-01-03")
    api = Source(
        "api", days, fingerprint=lambda partition: None, settles_after="9d", refresh_every="6h"
    )
    now = (FIRST + 2) * DAY
    book = noted(api, empty_book(api), {FIRST: Tried(now - HOUR), FIRST + 1: Tried(now)})
    snapshot = Snapshot(now, {"api": empty_state(FIRST, 2)}, {}, {}, asked={"api": book})
    assert changes_at(plan(derive([], [api]), snapshot, Request())) == now + 5 * HOUR
