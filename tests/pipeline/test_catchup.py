"""With `catchup=False` what was due before a task was first seen waits until it is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from worlds import moment

from partflow.declarations.dataset import Dataset
from partflow.declarations.task import task
from partflow.errors import DeclarationError
from partflow.execution.controls import Controls
from partflow.partitions.calendar import Daily
from partflow.planning.selection import Asked
from partflow.planning.status import statuses

JOBS = """
days = Daily("2024-01-01", end="2024-03-01")
ask = Dataset("ask", days, expect_by="0s")
read = Dataset("read", days)

@task(writes=ask, catchup=False)
def asks(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"day": [partition.key]})

@task(reads=[ask], writes=read)
def reads(rows: pl.DataFrame) -> pl.DataFrame:
    return rows
"""


@pytest.fixture
def asked(world):
    """`run` makes what is to be made at a moment; `made` are the keys of what there is."""
    world.jobs(JOBS)

    def at(text: str):
        project = world.project
        project.clock = lambda: moment(text)
        return project

    def run(text: str, **selection: object):
        return at(text).materialize(asked=Asked(**selection), controls=Controls())

    def made() -> list[str]:
        folder = world.root / "warehouse/ask"
        return sorted(path.name.removeprefix("date=2024-01-") for path in folder.glob("date=*"))

    return SimpleNamespace(at=at, run=run, made=made)


def test_the_newest_is_made_and_what_becomes_due_later_with_its_gaps(asked):
    asked.run("2024-01-10T12:00")
    assert asked.made() == ["09"]
    asked.run("2024-01-14T12:00")
    assert asked.made() == ["09", "10", "11", "12", "13"]


def test_what_is_not_asked_for_waits_with_its_readers_and_is_no_fault_and_not_late(asked):
    result = asked.run("2024-01-10T12:00")
    assert (result.summary.ran, result.summary.blocked) == (2, 0)
    project = asked.at("2024-01-10T12:00")
    ask, read = (s for s in statuses(project.plan()) if s.node in ("ask", "read"))
    assert (ask.unasked, ask.counts[3], read.counts[3]) == (8, 8, 8)
    assert not project.late()["ask"].is_late
    assert "not asked for" in project.why("ask", "2024-01-03").text


@pytest.mark.parametrize(
    "selection",
    [
        {"keys": ("2024-01-03",)},
        {"start": "2024-01-03", "end": "2024-01-04"},
        {"span": ("2024-01-03", "2024-01-03")},
    ],
)
def test_what_is_named_is_made_and_looked_after_from_then_on(asked, world, selection):
    asked.run("2024-01-10T12:00")
    asked.run("2024-01-10T12:00", select=("ask",), **selection)
    assert asked.made() == ["03", "09"]
    world.jobs(JOBS.replace("[partition.key]", "[partition.key + '!']"))
    assert asked.run("2024-01-10T12:00").summary.ran == 4


def test_a_name_without_a_date_asks_for_nothing_old_and_a_backfill_does(asked):
    asked.run("2024-01-10T12:00", select=("ask",))
    assert asked.made() == ["09"]
    asked.at("2024-01-10T12:00").backfill("ask")
    assert asked.made() == [f"{day:02}" for day in range(1, 10)]


def test_it_counts_from_the_first_run_even_if_that_had_nothing_to_make(world, asked):
    world.jobs(
        JOBS.replace("@task(writes=ask", "@task(reads=[late], writes=ask")
        .replace("partition: Partition", "rows: pl.DataFrame, partition: Partition")
        .replace("read = ", "late = Source('late', days, path='late/{key}.csv')\n" + "read = ")
    )
    asked.run("2024-01-10T12:00")
    for day in (8, 9, 10, 11):
        world.write(f"late/2024-01-{day:02}.csv", "a\n1\n")
    asked.run("2024-01-12T12:00")
    assert asked.made() == ["09", "10", "11"]


def test_a_metastore_made_anew_knows_since_when(asked, world):
    asked.run("2024-01-10T12:00")
    for path in (world.root / "warehouse/.partflow").glob("metastore.sqlite*"):
        path.unlink()
    asked.at("2024-01-12T12:00").upkeep.rebuild(Controls())
    asked.run("2024-01-12T12:00")
    assert asked.made() == ["09", "10", "11"]


def test_a_task_that_reads_itself_has_to_catch_up():
    own = Dataset("own", Daily("2024-01-01"))
    with pytest.raises(DeclarationError, match="leave catchup=False out"):
        task(reads=[own.previous().optional()], writes=own, catchup=False)(lambda before: before)
