"""Reads for which a part is enough: the newest within a bound, and so many of a window."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from worlds import moment

from partflow.execution.controls import Controls
from partflow.operations.explain import Why
from partflow.planning.plan import Reason, State
from partflow.planning.selection import Asked

JOBS = """
days = Daily("2024-01-01", end="2024-02-01")
landing = Source("landing", days, path="landing/{key}.csv")
clean = Dataset("clean", days)
told = Dataset("told", days)

@task(reads=[landing], writes=clean)
def cleans(rows: pl.DataFrame) -> pl.DataFrame:
    if (rows["n"] < 0).any():
        raise ValueError("below zero")
    return rows

@task(reads=[READ], writes=told, OPTIONS)
def tells(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col("n").sum())
"""
LATER = "2024-02-10T00:00"


@pytest.fixture
def shop(world):
    """`declare` says what `told` reads, `deliver` lands days, `run` makes what is to be made."""

    def declare(read: str, options: str = "", source: str = "") -> None:
        text = JOBS.replace('{key}.csv"', '{key}.csv"' + source)
        world.jobs(text.replace("READ", read).replace("OPTIONS", options))

    def deliver(*days: int, n: int = 1) -> None:
        for day in days:
            world.write(f"landing/2024-01-{day:02}.csv", f"n\n{n}\n")

    def at(text: str):
        project = world.project
        project.clock = lambda: moment(text)
        return project

    def run(text: str = LATER, **selection: object):
        return at(text).materialize(asked=Asked(**selection), controls=Controls())

    def why(day: int, text: str = LATER) -> Why:
        return at(text).why("told", f"2024-01-{day:02}")

    def told(day: int) -> int | None:
        keys = [f"2024-01-{each:02}" for each in (day, day + 1)]
        rows = world.project.read("told", *keys).collect()
        return rows["n"].item() if rows.height else None

    return SimpleNamespace(
        declare=declare, deliver=deliver, at=at, run=run, why=why, told=told, world=world
    )


def test_the_newest_that_is_there_is_read_and_a_later_one_makes_it_stale(shop):
    shop.declare('landing.within("5d")')
    shop.deliver(3, n=3)
    shop.run()
    assert shop.told(6) == 3
    assert [r.first for r in shop.why(6).lineage] == ["2024-01-03"]
    shop.deliver(4, n=4)
    why = shop.why(6)
    assert (why.state, why.reason) == (State.STALE, Reason.INPUT)
    assert [link.key for link in why.links] == ["2024-01-04"]
    shop.run()
    assert shop.told(6) == 4
    shop.deliver(2, n=2)
    assert shop.why(6).state is State.FRESH


def test_what_is_older_than_the_bound_is_not_read_and_without_any_it_waits(shop):
    shop.declare('landing.within("5d")')
    shop.deliver(3)
    shop.run()
    # The interval of the 3rd ended with the 4th, which is five days before the 9th.
    assert shop.why(9).state is State.FRESH
    why = shop.why(10)
    assert (why.state, why.reason) == (State.WAITING, Reason.NOT_ARRIVED)
    assert shop.why(3).state is State.WAITING


def test_it_waits_for_a_newer_one_that_is_made_in_the_same_run(shop):
    shop.declare('clean.within("5d")')
    shop.deliver(3, n=3)
    shop.run()
    shop.deliver(5, n=5)
    assert shop.why(6).may_become_stale
    shop.run(select=("told",), keys=("2024-01-06",))
    assert shop.told(6) == 5


def test_it_goes_on_with_an_older_one_if_the_newer_cannot_be_made(shop):
    shop.declare('clean.within("5d")')
    shop.deliver(3, n=3)
    shop.deliver(5, n=-5)
    shop.run()
    assert shop.told(6) == 3
    shop.deliver(5, n=5)
    shop.run()
    assert shop.told(6) == 5


def test_a_newer_file_that_cannot_be_read_is_a_fault_and_the_older_one_is_read(shop):
    shop.declare('landing.within("5d")')
    shop.deliver(3, n=3)
    shop.world.write("landing/2024-01-05.csv", 'n\n"')
    result = shop.run()
    assert [f.key for f in result.plan.faults] in ([], ["2024-01-05"])
    assert shop.told(6) == 3
    assert shop.why(6).state is State.FRESH


def test_what_was_read_and_is_gone_stays_read_and_is_waited_for(shop):
    shop.declare('landing.within("5d")')
    shop.deliver(3, 4)
    shop.run()
    (shop.world.root / "landing/2024-01-04.csv").unlink()
    assert shop.why(6).state is State.FRESH
    shop.declare('landing.within("5d")', "version=2")
    why = shop.why(6)
    assert (why.state, why.reason) == (State.WAITING, Reason.AWAY)


def test_a_saved_plan_is_refused_once_another_partition_would_be_read(shop, tmp_path):
    from partflow.errors import UsageError

    shop.declare('landing.within("5d")')
    shop.deliver(3)
    project = shop.at(LATER)
    project.save_plan(project.plan("told"), tmp_path / "plan.json")
    shop.deliver(5)
    with pytest.raises(UsageError, match="landing"):
        shop.at(LATER).materialize(saved=tmp_path / "plan.json")


def test_with_enough_and_no_wait_it_is_made_at_once_and_again_with_the_rest(shop):
    shop.declare("landing.window(-6, 0).at_least(5)")
    shop.deliver(4, 5, 6, 7)
    shop.run()
    assert shop.why(10).state is State.WAITING
    shop.deliver(8)
    shop.run()
    why = shop.why(10)
    assert (why.state, why.is_provisional, shop.told(10)) == (State.FRESH, True, 5)
    assert [(r.count, r.there) for r in why.lineage] == [(7, 5)]
    shop.deliver(9, 10)
    assert shop.why(10).reason is Reason.INPUT
    shop.run()
    why = shop.why(10)
    assert (why.is_provisional, shop.told(10)) == (False, 7)


def test_the_rest_is_waited_for_until_a_span_after_it_was_due(shop):
    shop.declare('landing.window(-6, 0).at_least(5, wait="6h")', 'lag="1h"')
    shop.deliver(*range(1, 9))
    shop.run("2024-01-09T02:00")
    assert shop.told(8) == 7  # all of them are there
    shop.run("2024-01-10T06:59")
    why = shop.why(9, "2024-01-10T06:59")
    assert (why.state, why.reason) == (State.WAITING, Reason.NOT_ARRIVED)
    assert [r.waits_until for r in why.lineage] == [moment("2024-01-10T07:00") // 10**9]
    shop.run("2024-01-10T07:00")
    assert shop.told(9) == 6


def test_at_the_beginning_all_is_enough(shop):
    shop.declare("landing.window(-6, 0).at_least(5)")
    shop.deliver(1, 2)
    shop.run()
    assert (shop.told(1), shop.told(2)) == (1, 2)
    assert shop.why(3).state is State.WAITING


def test_steps_that_fail_count_as_not_there(shop):
    shop.declare("clean.window(-2, 0).at_least(2)")
    shop.deliver(1, 2)
    shop.deliver(3, 4, n=-1)
    shop.run()
    assert shop.told(3) == 2
    assert shop.why(4).state is State.MISSING
    assert shop.why(3).is_provisional


def test_status_counts_what_is_provisional(shop):
    shop.declare("landing.window(-2, 0).at_least(2)")
    shop.deliver(1, 2)
    shop.run()
    counts = {s.node: s.provisional for s in shop.at(LATER).status()}
    assert counts == {"landing": 0, "clean": 0, "told": 1}


def test_for_how_long_it_waits_is_no_part_of_the_code(shop):
    shop.declare("landing.window(-2, 0).at_least(2)")
    shop.deliver(1, 2)
    shop.run()
    shop.declare('landing.window(-2, 0).at_least(2, wait="6h")')
    assert shop.why(2).state is State.FRESH
    shop.declare("landing.window(-2, 0).at_least(1)")
    assert shop.why(2).reason is Reason.CODE


@pytest.mark.parametrize(
    ("read", "says"),
    [
        ('landing.within("-5d")', "without a sign"),
        ('landing.within("0d")', "longer than nothing"),
        ("landing.within(5)", "give a span"),
        ('landing.within("5d").optional()', r"leave .optional\(\) out"),
        ("landing.window(-6, 0).at_least(0)", "whole number from 1"),
        ("landing.asof().at_least(2)", "several partitions"),
        ("landing.window(-6, 0).optional().at_least(2)", "several partitions"),
        ('landing.window(-6, 0).at_least(2, wait="soon")', "not a span of time"),
        ("told.window(-3, -1).at_least(1)", "which it writes itself"),
        ('Source("w", Whole(), path="w.csv").within("5d")', "Whole dataset"),
    ],
)
def test_a_read_that_cannot_be_right_is_refused_at_load(shop, read, says):
    from partflow.errors import PartflowError

    shop.declare(read)
    with pytest.raises(PartflowError, match=says):
        shop.at(LATER)


def test_a_whole_task_cannot_count_from_a_moment(world):
    from partflow.errors import PartflowError

    world.jobs(
        'landing = Source("landing", Daily("2024-01-01"), path="landing/{key}.csv")\n'
        'all_of_it = Dataset("all_of_it", Whole())\n\n'
        '@task(reads=[landing.within("5d")], writes=all_of_it)\n'
        "def gathers(rows: pl.DataFrame) -> pl.DataFrame:\n    return rows\n"
    )
    with pytest.raises(PartflowError, match="no moment to count from"):
        _ = world.project


def test_what_was_given_up_is_not_waited_for_and_passed_over(shop):
    gives_up = ', gives_up_after="6h", schema={"n": pl.Int64}'
    shop.declare("landing.window(-2, 0).at_least(2)", source=gives_up)
    shop.deliver(1)
    shop.run("2024-01-03T05:59")
    assert shop.why(2, "2024-01-03T05:59").state is State.WAITING
    shop.run("2024-01-03T06:00")
    why = shop.why(2, "2024-01-03T06:00")
    assert (why.state, why.is_provisional, shop.told(2)) == (State.FRESH, False, 1)
    shop.declare('landing.within("1d")', source=gives_up)
    shop.run("2024-01-04T00:00")
    assert [r.first for r in shop.why(3, "2024-01-04T00:00").lineage] == ["2024-01-01"]
