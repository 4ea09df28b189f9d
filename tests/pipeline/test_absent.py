"""What never comes is given up, or said to be absent; its readers go on as with an empty one."""

from __future__ import annotations

import os
import time

import polars as pl
import pytest

from partflow.errors import DeclarationError, GraphError, UsageError
from partflow.execution.controls import Controls
from partflow.planning.selection import Asked
from partflow.planning.snapshot import Condition
from partflow.warehouse.verify import Verify

JOBS = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="landing/{key}.csv", schema={"n": pl.Int64}, MORE)
total = Dataset("total", DAYS)
both = Dataset("both", DAYS)

@task(reads=raw, writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())

@task(reads=raw.window(-1, 0), writes=both)
def add(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
FIRST, SECOND, THIRD = KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")
GIVES_UP = 'gives_up_after="6h"'


def declare(world, more: str = GIVES_UP) -> None:
    world.jobs(JOBS.replace("MORE", more))


def deliver(world, key: str, n: int = 1) -> None:
    world.write(f"landing/{key}.csv", f"n\n{n}\n")


def ns(text: str) -> int:
    return int(time.mktime(time.strptime(f"{text} UTC", "%Y-%m-%dT%H:%M %Z"))) * 10**9 - (
        time.timezone * 10**9
    )


def at(world, text: str):
    """The project at a moment in UTC, by its clock."""
    project = world.project
    project.clock = lambda: ns(text)
    return project


def absent(project) -> list[str]:
    state = project.plan().snapshot.states["raw"]
    mask = state.condition == Condition.GIVEN_UP
    return [project.graph.datasets["raw"].grain.key(state.lo + int(i)) for i in mask.nonzero()[0]]


def said(project) -> dict[str, int]:
    return {s.node: s.absent for s in project.status()}


def test_what_has_not_come_in_time_is_given_up_and_read_as_empty(world):
    declare(world)
    deliver(world, FIRST, 1)
    deliver(world, THIRD, 4)
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [1, 0, 4]
    assert world.read("both")["n"].to_list() == [1, 1, 4]
    project = world.project
    assert said(project)["raw"] == 1
    assert project.why("raw", SECOND).text.startswith("is absent, and read as if it were empty")
    assert world.planned() == {}
    assert project.selected(["status:absent"], ()) == ("raw",)
    assert project.absent() == {"raw": 1}
    (read,) = project.why("both", THIRD).lineage
    assert (read.count, read.absent) == (2, (SECOND,))


def test_it_is_given_up_so_long_after_it_was_due_and_no_sooner(world):
    declare(world)
    deliver(world, FIRST)
    assert absent(at(world, "2024-01-03T05:59")) == []
    assert absent(at(world, "2024-01-03T06:00")) == [SECOND]


def test_what_comes_after_all_is_a_change(world):
    declare(world)
    deliver(world, FIRST, 1)
    deliver(world, THIRD, 4)
    world.project.materialize()
    deliver(world, SECOND, 10)
    for verify in Verify:
        assert world.project.plan(verify=verify).tasks["count"].action.tolist() == [0, 1, 0]
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [1, 10, 4]
    assert world.read("both")["n"].to_list() == [1, 11, 14]
    assert said(world.project)["raw"] == 0


def test_what_was_given_up_is_so_after_a_rebuild(world):
    declare(world)
    deliver(world, FIRST, 1)
    deliver(world, THIRD, 4)
    world.project.materialize()
    world.project.upkeep.rebuild(Controls())
    assert said(world.project)["raw"] == 1
    assert world.planned() == {}


def test_a_look_that_may_not_give_up_gives_nothing_up(world):
    declare(world)
    deliver(world, FIRST)
    project = world.project
    project.may_give_up = False
    assert absent(project) == []
    project.may_give_up = True
    assert absent(project) == [SECOND, THIRD]


def test_a_folder_that_is_unmounted_for_a_day_is_a_fault_and_nothing_is_given_up(world):
    declare(world)
    deliver(world, FIRST, 1)
    at(world, "2024-01-02T01:00").materialize()
    landing = world.root / "landing"
    landing.rename(world.root / "elsewhere")
    project = at(world, "2024-01-03T07:00")
    assert absent(project) == []
    (fault,) = project.plan().faults
    assert (fault.dataset, fault.key, fault.file) == ("raw", SECOND, "landing")
    assert fault.reason == "the folder is not there, so that nobody knows what has come"
    landing.mkdir()  # An empty folder, as where nothing is mounted.
    project = at(world, "2024-01-03T07:00")
    assert absent(project) == []
    (fault,) = project.plan().faults
    assert fault.reason.startswith("of 1 partitions that were there none is left")
    landing.rmdir()
    (world.root / "elsewhere").rename(landing)
    deliver(world, SECOND, 10)
    project = at(world, "2024-01-03T08:00")
    assert not project.plan().faults
    project.materialize()
    assert world.read("total")["n"].to_list() == [1, 10]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_may_not_be_listed_is_a_fault(world):
    declare(world)
    deliver(world, FIRST)
    world.project.materialize()
    (world.root / "landing").chmod(0)
    try:
        assert "cannot be listed" in world.project.plan().faults[0].reason
    finally:
        (world.root / "landing").chmod(0o755)


def test_what_is_there_and_not_whole_yet_is_not_given_up(world):
    declare(world, f'{GIVES_UP}, complete="{{key}}.ok"')
    deliver(world, FIRST)
    (world.root / f"landing/{FIRST}.ok").touch()
    deliver(world, SECOND)
    assert absent(world.project) == [THIRD]


def test_somebody_may_say_that_it_does_not_come(world):
    declare(world, "")
    deliver(world, FIRST, 1)
    world.project.materialize()
    asked = Asked(("raw",), keys=(SECOND,))
    accepted = world.project.accept(asked=asked, absent=True)
    assert [(g.kind.value, g.ranges) for g in accepted.acceptance.of_sources] == [
        ("absent", ((SECOND, SECOND),))
    ]
    assert said(world.project)["raw"] == 1
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [1, 0]


def test_what_is_gone_may_be_said_to_be_absent_and_that_is_a_change(world):
    declare(world, "")
    for key in KEYS:
        deliver(world, key)
    world.project.materialize()
    (world.root / f"landing/{SECOND}.csv").unlink()
    assert world.planned() == {}
    world.project.accept(asked=Asked(("raw",), keys=(SECOND,)), absent=True)
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [1, 0, 1]


def test_what_is_there_is_left_and_named(world):
    declare(world, "")
    deliver(world, FIRST)
    acceptance = world.project.acceptable(asked=Asked(("raw",), keys=(FIRST,)), absent=True)
    assert [(g.kind.value, g.text) for g in acceptance.of_sources] == [("leave", "is there")]


def test_only_sources_can_be_absent(world):
    declare(world, "")
    with pytest.raises(UsageError, match="--absent is for sources"):
        world.project.accept(asked=Asked(("total",), keys=(FIRST,)), absent=True)


def test_without_a_schema_readers_would_not_know_the_columns(world):
    without = JOBS.replace('schema={"n": pl.Int64}, ', "")
    world.jobs(without.replace("MORE", GIVES_UP))
    with pytest.raises(GraphError, match="has gives_up_after and no schema"):
        _ = world.project
    world.jobs(without.replace("MORE", ""))
    with pytest.raises(UsageError, match="declares no schema"):
        world.project.accept(asked=Asked(("raw",), keys=(FIRST,)), absent=True)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('Source("a", Daily("2024-01-01"), path="{key}.csv", gives_up_after="0h")', "longer than"),
        ('Source("a", Whole(), path="a.csv", gives_up_after="6h")', "a Whole has none"),
    ],
)
def test_a_span_that_means_nothing_is_refused(world, declared, message):
    world.jobs(f"a = {declared}\n")
    with pytest.raises(DeclarationError, match=message):
        _ = world.project


def test_files_that_are_left_are_taken_for_all_of_them(world):
    world.jobs(JOBS.replace("MORE", "").replace("landing/{key}.csv", "landing/{key}/*.csv"))
    world.write(f"landing/{FIRST}/a.csv", "n\n1\n")
    world.write(f"landing/{FIRST}/b.csv", "n\n2\n")
    world.project.materialize()
    (world.root / f"landing/{FIRST}/b.csv").unlink()
    assert world.planned() == {}
    accepted = world.project.accept("raw")
    assert [g.kind.value for g in accepted.acceptance.of_sources] == ["take"]
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [1]
    assert not world.project.acceptable("raw").of_sources
    world.write(f"landing/{FIRST}/b.csv", "n\n2\n")
    world.project.materialize()
    assert world.read("total")["n"].to_list() == [3]


def test_queries_show_no_rows_of_what_is_absent(world):
    declare(world)
    deliver(world, FIRST, 1)
    world.project.materialize()
    assert world.project.read("raw").collect().height == 1
    assert world.project.sql("select count(*) from raw").fetchall() == [(1,)]
    assert world.project.read("total").select(pl.len()).collect().item() == 3


def test_what_is_absent_is_not_late_and_makes_nothing_younger(world):
    declare(world, f'{GIVES_UP}, expect_by="1h", max_age="30h"')
    deliver(world, FIRST, 1)
    at(world, "2024-01-02T00:30").materialize()
    project = at(world, "2024-01-03T07:00")
    assert absent(project) == [SECOND]
    late = project.late()["raw"]
    assert not late.at
    assert late.too_old_since == ns("2024-01-03T06:30") // 10**9
