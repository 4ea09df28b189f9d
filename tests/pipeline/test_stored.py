"""A warehouse that an older partflow made is as fresh as it was, and what was begun goes on.

Names of partflow's own modules stand in fingerprints of what tasks carry along, and must not change
with the modules' places.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import taken_out
from stored import lay_out

from partflow import Project
from partflow.planning.plan import Action, Reason
from partflow.planning.reasons import held, steps

CORRECTED, CHANGED = "landing/sales/2024-01-01.csv", "2024-01-01"
PINNED = {"edited": "2024-01-03", "put_back": "2024-01-02"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path)


def load(root: Path) -> Project:
    taken_out("shop_stored")
    return Project.load(root)


def restored(root: Path) -> Project:
    """The project, with the source as it was when all was made."""
    (root / CORRECTED).write_text("n\n1\n")
    return load(root)


def test_nothing_of_it_is_stale(root):
    plan = restored(root).plan()
    assert not steps(plan)
    assert not held(plan)
    reasons = {Reason(int(r)) for task in plan.tasks.values() for r in task.reason}
    assert reasons == {Reason.NONE, Reason.PINNED}


def test_a_correction_is_all_that_has_come_since(root):
    plan = load(root).plan()
    (made,) = [g for g in steps(plan) if g.action is Action.RUN]
    assert (made.task, made.text, made.ranges) == (
        "clean_sales", "sales changed", ((CHANGED, CHANGED),)
    )  # fmt: skip
    assert {g.text for g in steps(plan) if g != made} == {"if clean changes"}


def test_a_backfill_that_was_broken_off_goes_on_where_it_stopped(root):
    project = restored(root)
    assert project.backfill("brittle").plan.steps == 1
    assert project.backfill("brittle").plan.steps == 3


def test_a_saved_plan_is_carried_out(root):
    project = load(root)
    found = project.materialize(saved=root / "saved-plan.json")
    assert (found.summary.ran, found.summary.failed) == (2, 0)
    assert project.read("with_grains", "2024-01-01").collect()["n"].to_list() == [10, 20, 3]


@pytest.mark.parametrize("dataset", sorted(PINNED))
def test_what_somebody_chose_stays_pinned(root, dataset):
    why = load(root).why(dataset, PINNED[dataset])
    assert why.text == "pinned, by somebody's choice"


def test_effects_that_were_done_are_not_done_again(root):
    project = restored(root)
    assert not steps(project.plan("sent"))
    past = [(g.reason, g.ranges) for g in steps(project.plan("sent", with_effects=True))]
    assert past == [
        (Reason.NEVER, (("2024-01-01", "2024-01-01"),)),
        (Reason.INPUT, (("2024-01-02", "2024-01-02"),)),
    ]
