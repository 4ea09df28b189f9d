"""When a run begins, and until when a tick sleeps: pure decisions, without processes or clocks."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from partflow.project.settings import Scheduling
from partflow.scheduler.decide import UnderWay, decide
from partflow.scheduler.outlook import Outlook, Steps

NOW = 1_700_000_000.0
SCHEDULING = Scheduling(
    look_every=timedelta(minutes=1), look_all_every=timedelta(hours=1), runs_at_once=2
)


def outlook(
    *, at: float = NOW, steps: int = 1, changes_at: float | None = None, all_at: float = NOW
) -> Outlook:
    """What was seen at `at`, with so many steps to begin."""
    ordinals = np.arange(steps)
    digests = ordinals.astype(np.uint64)
    found = {"clean": Steps("clean", ordinals, digests, ordinals)}
    return Outlook(at, found, {}, changes_at=changes_at, looked_at_all=all_at)


def test_a_run_begins_if_something_can_be_made_and_another_may_go_on_beside() -> None:
    assert decide(outlook(), UnderWay(), NOW, SCHEDULING).begins_run
    assert decide(outlook(), UnderWay(runs=1), NOW, SCHEDULING).begins_run
    assert not decide(outlook(), UnderWay(runs=2), NOW, SCHEDULING).begins_run
    assert not decide(outlook(steps=0), UnderWay(), NOW, SCHEDULING).begins_run


def test_what_was_seen_before_a_run_began_does_not_begin_another_but_a_new_look_at_once() -> None:
    before = UnderWay(runs=1, has_changed=True)

    acts = decide(outlook(at=NOW - 5), before, NOW, SCHEDULING)

    assert not acts.begins_run
    assert acts.sleep_until == NOW


@pytest.mark.parametrize("back", [3 * 3600, 400 * 86400])
def test_after_the_clock_was_put_back_it_looks_anew_at_once(back: int) -> None:
    acts = decide(outlook(at=NOW), UnderWay(), NOW - back, SCHEDULING)

    assert not acts.begins_run
    assert acts.sleep_until == NOW - back
    assert acts.looks_at_all


def test_it_sleeps_until_the_first_moment_at_which_anything_can_change() -> None:
    def until(**seen: float | None) -> float:
        return decide(outlook(steps=0, **seen), UnderWay(), NOW, SCHEDULING).sleep_until  # type: ignore[arg-type]

    assert until() == NOW + 60
    assert until(changes_at=NOW + 7) == NOW + 7
    assert until(changes_at=NOW + 700) == NOW + 60
    assert until(all_at=NOW - 3590) == NOW + 10
    assert until(at=NOW - 400) == NOW


def test_everything_is_looked_at_when_its_time_has_come_and_not_before() -> None:
    assert not decide(outlook(), UnderWay(), NOW, SCHEDULING).looks_at_all
    assert decide(outlook(all_at=NOW - 3600), UnderWay(), NOW, SCHEDULING).looks_at_all
    assert decide(outlook(all_at=0.0), UnderWay(), NOW, SCHEDULING).looks_at_all


def test_a_run_that_had_nothing_to_do_is_not_begun_again_at_once() -> None:
    rests = UnderWay(rests_until=NOW + 30)

    acts = decide(outlook(), rests, NOW, SCHEDULING)

    assert not acts.begins_run
    assert acts.sleep_until == NOW + 30
    assert decide(outlook(at=NOW + 30), rests, NOW + 30, SCHEDULING).begins_run


def test_a_rest_that_lies_far_ahead_since_the_clock_was_put_back_holds_nothing() -> None:
    rests = UnderWay(rests_until=NOW + 86400)

    assert decide(outlook(), rests, NOW, SCHEDULING).begins_run
