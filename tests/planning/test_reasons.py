"""A plan in words: partitions of one task with one reason are one group, with its ranges."""

from __future__ import annotations

import pytest
from small import FIRST, planned

from partflow.declarations.dataset import Dataset, Source
from partflow.partitions.calendar import Daily
from partflow.planning.plan import Action, Reason, State
from partflow.planning.reasons import describe, held, steps
from partflow.planning.snapshot import Condition

GOOD = Condition.GOOD


def test_neighbours_with_one_reason_are_one_group_and_others_are_ranges_of_it():
    plan = planned(dict.fromkeys([0, 1, 3], GOOD))
    (clean,) = [group for group in steps(plan) if group.task == "clean"]
    assert (clean.count, clean.text, clean.action) == (3, "never made", Action.RUN)
    assert clean.ranges == (("2024-01-01", "2024-01-02"), ("2024-01-04", "2024-01-04"))


def test_what_waits_says_for_what():
    plan = planned({0: GOOD})
    waiting = [(g.task, g.count, g.text) for g in held(plan) if g.state is State.WAITING]
    assert ("clean", 5, "waits for landing, which has not arrived") in waiting
    assert ("tell", 5, "waits for days, which waits itself") in waiting


def test_what_is_blocked_says_behind_what():
    plan = planned({0: Condition.DAMAGED})
    blocked = {g.task: g.text for g in held(plan) if g.state is State.BLOCKED}
    assert blocked["clean"] == "behind landing, which cannot be read"
    assert blocked["tell"] == "behind days, which is blocked"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words_that_a_sentence_can_end_with(reason):
    plan = planned({0: GOOD})
    days = Daily("2024-01-01")
    for cause in (Source("s", days, path="{key}.csv"), Dataset("d", days), None):
        said = describe(plan.tasks["clean"], reason, cause)
        assert said.strip() == said != ""
        assert not said.endswith(".")


def test_groups_of_one_task_are_in_the_order_of_time():
    plan = planned({0: Condition.DAMAGED, 1: GOOD, 2: Condition.DAMAGED})
    starts = [g.ranges[0][0] for g in held(plan) if g.task == "clean"]
    assert starts == sorted(starts)
    assert plan.tasks["clean"].lo == FIRST
