"""What stays though its inputs changed, where another reason to stay, or to be made, holds too."""

from __future__ import annotations

import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import derive
from partflow.declarations.task import task
from partflow.partitions.calendar import Daily
from partflow.planning.digests import lanes
from partflow.planning.plan import Action, Reason, Request, State, TaskPlan
from partflow.planning.planner import plan
from partflow.planning.snapshot import Condition, Snapshot, empty_state

FIRST = 19723  # 2024-01-01
NOW = 1_704_153_600  # 2024-01-02
PRESENT, OLDER, OTHER = "1" * 32, "2" * 32, "3" * 32


def issued(
    code: str, condition: Condition = Condition.GOOD, *, is_pinned: bool = False, **options: str
) -> TaskPlan:
    """The plan of one day that was made by a code, from another content than there is now."""
    landing = Source("landing", Daily("2024-01-01"), path="landing/{key}.csv")
    declare = task(
        name="issue", reads=[landing], writes=Dataset("issued", Daily("2024-01-01")),
        on_input_change="keep", **options,
    )  # fmt: skip
    graph = derive([declare(lambda raw: raw)], [landing])
    states = {"landing": empty_state(FIRST, 1), "issued": empty_state(FIRST, 1, 1)}
    states["landing"].condition[0] = Condition.GOOD
    states["landing"].content[0] = lanes("a" * 32)
    made = states["issued"]
    made.condition[0], made.pinned[0], made.reads[0], made.seq[0] = condition, is_pinned, 1, 5
    made.code[0], made.inputs[0, 0] = lanes(code), (1, 2)
    snapshot = Snapshot(NOW, states, {"issue": PRESENT}, {}, version=7, older={"issue": (OLDER,)})
    return plan(graph, snapshot, Request()).tasks["issue"]


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [(PRESENT, Reason.MOVED, 0), (OLDER, Reason.MOVED, 0), (OTHER, Reason.KEPT, -1)],
)
def test_an_input_that_moved_says_more_than_code_that_is_reckoned_anew_and_less_than_other_code(
    code, reason, cause
):
    planned = issued(code, on_code_change="keep")
    assert (planned.state[0], planned.action[0]) == (State.FRESH, Action.NONE)
    assert (planned.reason[0], planned.cause[0], planned.moved[0]) == (reason, cause, 1)


@pytest.mark.parametrize(("code", "need"), [(OLDER, Reason.RECKONED), (OTHER, Reason.CODE)])
def test_code_that_is_not_kept_makes_it_again_and_then_no_input_has_moved(code, need):
    planned = issued(code)
    assert (planned.need[0], planned.action[0], planned.moved[0]) == (need, Action.RUN, 0)


def test_a_pinned_file_is_shown_as_pinned_and_counts_no_input():
    planned = issued(OTHER, is_pinned=True)
    assert (planned.reason[0], planned.cause[0], planned.moved[0]) == (Reason.PINNED, -1, 0)


def test_a_file_that_somebody_changed_is_theirs_to_settle_first():
    planned = issued(PRESENT, Condition.CHANGED)
    assert (planned.state[0], planned.reason[0]) == (State.BLOCKED, Reason.CHANGED_OUTSIDE)
    assert (planned.cause[0], planned.moved[0]) == (-1, 0)
