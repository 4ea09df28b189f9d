"""Looks and runs of what runs by itself, on a small project in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from projects import SALES, World

from partflow.errors import UsageError
from partflow.execution.controls import Controls
from partflow.scheduler.failures import is_of_machine
from partflow.scheduler.lookout import Lookout, recomputed
from partflow.scheduler.outlook import Outlook


def lookout(world: World) -> Lookout:
    return Lookout.of(world.project, "g")


def steps(outlook: Outlook) -> dict[str, int]:
    return {name: len(each.ordinals) for name, each in outlook.steps.items()}


def at_rest(world: World) -> Lookout:
    """What has made all that there was to be made."""
    found = lookout(world)
    found.make(500, Controls())
    assert steps(found.look(at_all=True)) == {}
    return found


def test_a_look_says_what_could_be_made_and_a_run_makes_it(sales: World) -> None:
    found = lookout(sales)
    assert steps(found.look(at_all=True)) == {"clean_sales": 5, "two_days": 5, "by_month": 2}

    result = found.make(500, Controls())

    assert result.summary is not None
    assert result.summary.ran == 12
    assert steps(found.look(at_all=False)) == {}


def test_a_run_takes_its_portion_only_and_the_newest_first(sales: World) -> None:
    found = lookout(sales)
    found.make(3, Controls())

    assert len(sales.made()) == 3
    assert ("clean_sales", "2024-02-03") in sales.made()
    assert sum(steps(found.look(at_all=False)).values()) == 9


def test_a_look_that_finds_all_as_it_was_gives_the_last_outlook(sales: World) -> None:
    found = at_rest(sales)
    first = found.look(at_all=False)
    second = found.look(at_all=False)

    assert second.steps is first.steps
    assert second.at > first.at
    assert second.looked_at_all == first.looked_at_all


@pytest.mark.parametrize("edit", [
    lambda world: world.sales("2024-02-03", 1, 2, 3, 4, 5),
    lambda world: world.sales("2024-01-30", 9),
])  # fmt: skip
def test_a_look_sees_what_has_come_or_was_corrected(
    sales: World, edit: Callable[[World], None]
) -> None:
    found = at_rest(sales)
    found.look(at_all=False)
    edit(sales)

    assert steps(found.look(at_all=False))["clean_sales"] == 1


def test_what_has_settled_is_looked_at_by_full_looks_only(sales: World) -> None:
    sales.jobs(
        SALES.replace('path="landing/{key}.csv"', 'path="landing/{key}.csv", settles_after="1d"')
    )
    found = at_rest(sales)
    found.look(at_all=False)
    sales.sales("2024-02-03", 1, 2, 3, 4, 5)

    assert steps(found.look(at_all=False)) == {}
    assert steps(found.look(at_all=True))["clean_sales"] == 1


def test_an_edit_of_a_made_file_is_seen_by_a_full_look_and_then_kept_in_mind(
    sales: World,
) -> None:
    found = at_rest(sales)
    sales.file("clean", "2024-02-01").unlink()

    assert steps(found.look(at_all=False)) == {}
    assert steps(found.look(at_all=True))["clean_sales"] == 1
    assert steps(found.look(at_all=False))["clean_sales"] == 1
    sales.run()
    assert steps(found.look(at_all=False)) == {}


def test_what_is_paused_and_resumed_is_seen_at_once(sales: World) -> None:
    found = at_rest(sales)
    sales.sales("2024-02-03", 9)
    project = sales.project
    project.upkeep.pause(("clean",), None, "")

    assert "clean_sales" not in steps(found.look(at_all=False))


def test_what_failed_with_these_inputs_is_held_and_tried_with_others(sales: World) -> None:
    body = "assert raw.collect().height != 2, 'no'\n    return raw.filter"
    sales.jobs(SALES.replace("return raw.filter", body))
    sales.sales("2024-02-03", 1, 2)
    found = lookout(sales)
    found.remember(found.make(500, Controls()))

    seen = found.look(at_all=False)
    assert "clean_sales" not in steps(seen)
    assert seen.failing["clean_sales"].counts.tolist() == [1]
    assert seen.changes_at is not None
    sales.sales("2024-02-03", 1, 2, 3)
    assert steps(found.look(at_all=False))["clean_sales"] == 1
    found.remember(found.make(500, Controls()))

    assert found.look(at_all=False).failing == {}


def test_what_another_run_touches_is_left_out(sales: World) -> None:
    from partflow.planning.footprint import EVERYTHING

    found = lookout(sales)
    with sales.project.history.leases.taken("1", "run 1 of somebody", EVERYTHING):
        assert steps(found.look(at_all=True)) == {}
    assert steps(found.look(at_all=False))["clean_sales"] == 5


def test_what_is_to_be_recomputed_is_a_selection_of_tasks(sales: World) -> None:
    graph = sales.project.graph

    assert recomputed(graph, ()) == frozenset()
    assert recomputed(graph, ("*",)) == {"clean_sales", "two_days", "by_month"}
    assert recomputed(graph, ("trailing",)) == {"two_days"}
    with pytest.raises(UsageError):
        recomputed(graph, ("nothing",))


@pytest.mark.parametrize(("message", "is_machine"), [
    ("OSError: [Errno 28] No space left on device: 'x'", True),
    ("MemoryError", True),
    ("a worker process died while it was made (signal 9: killed; out of memory?)", True),
    ("a worker process died while it was made (exit code 3)", False),
    ("ValueError: MemoryError", False),
])  # fmt: skip
def test_a_failure_of_the_machine_is_known_by_its_message(message: str, is_machine: bool) -> None:
    assert is_of_machine(message) is is_machine


GIVES_UP = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="in/{key}.csv", schema={"n": pl.Int64}, gives_up_after="6h")
total = Dataset("total", DAYS)

@task(reads=raw, writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
MINUTE = 60 * 10**9


def test_the_first_look_gives_nothing_up_nor_does_one_after_a_jump(world: World) -> None:
    world.jobs(GIVES_UP)
    world.write("in/2024-01-01.csv", "n\n1\n")
    found = lookout(world)
    now = found.project.clock()

    def looked(later: int) -> dict[str, int]:
        found.project.clock = lambda: now + later
        return steps(found.look(at_all=False))

    assert looked(0) == {"count": 1}
    assert looked(MINUTE) == {"count": 3}
    assert looked(8 * 24 * 60 * MINUTE) == {"count": 1}
    assert looked(8 * 24 * 60 * MINUTE + MINUTE) == {"count": 3}
    assert looked(2 * MINUTE) == {"count": 1}


def test_what_is_given_up_is_so_at_its_moment(world: World) -> None:
    world.jobs(GIVES_UP)
    world.write("in/2024-01-01.csv", "n\n1\n")
    found = lookout(world)
    moment = 1704261600  # 2024-01-03T06:00Z, six hours after the second day

    def looked(second: int) -> Outlook:
        found.project.clock = lambda: second * 10**9
        return found.look(at_all=False)

    assert looked(moment - 60).changes_at == moment
    assert steps(looked(moment - 30)) == {"count": 1}
    assert steps(looked(moment)) == {"count": 2}
