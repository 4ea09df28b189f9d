"""What lies in the warehouse and nothing declares: not shown, said, and moved only when asked."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from partflow.errors import PartflowError, UsageError
from partflow.execution.controls import Controls
from partflow.operations.undeclared import Hidden
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import Footprint

JOBS = """
clean = Dataset("clean", Daily("2024-01-01", "2024-01-05"))
total = Dataset("total", Whole())

@task(writes=clean)
def make(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"n": [partition.start.day]})

@task(reads=[clean], writes=total)
def add(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col("n").sum())
"""
NARROW = JOBS.replace("2024-01-01", "2024-01-03")


@pytest.fixture
def days(world):
    world.jobs(JOBS)
    world.run()
    return world


def lying(world) -> list[tuple[str, Hidden, list[str]]]:
    found = world.project.upkeep.undeclared()
    return [(each.dataset, each.why, [s.key for s in each.strays]) for each in found]


def kept(world, name: str) -> list[str]:
    folder = world.root / "warehouse/.partflow/history" / name
    return sorted(p.parent.name for p in folder.rglob("*.kept"))


def sums(world) -> list[int]:
    """What each way of looking at the days adds up to."""
    sql = "select sum(n)::int from clean"
    with duckdb.connect(world.root / "warehouse/catalog.duckdb", read_only=True) as catalog:
        catalog.execute(f"set file_search_path = '{world.root}'")
        by_catalog = catalog.sql(sql).fetchall()[0][0]
    by_query = world.project.sql(sql).fetchall()[0][0]
    return [world.read("clean")["n"].sum(), world.read("total")["n"].item(), by_query, by_catalog]


def test_nothing_is_undeclared_where_all_is(days):
    assert (lying(days), sums(days)) == ([], [10] * 4)


def test_what_lies_outside_of_the_range_is_shown_nowhere_and_said(days):
    days.jobs(NARROW)
    days.run()
    assert sums(days) == [7] * 4
    assert lying(days) == [("clean", Hidden.RANGE, ["2024-01-01", "2024-01-02"])]


def test_a_start_that_is_moved_back_takes_up_what_was_there_as_fresh(days):
    days.jobs(NARROW)
    days.run()
    days.jobs(JOBS)
    assert days.planned() == {"add": ["all"]}
    assert days.run().ran == 1
    assert sums(days) == [10] * 4


def test_a_dataset_that_is_declared_again_is_fresh_as_it_was(days):
    days.jobs(
        "other = Dataset('other', Whole())\n\n@task(writes=other)\n"
        "def make_other() -> pl.DataFrame:\n    return pl.DataFrame({'a': [1]})\n"
    )
    days.run()
    assert lying(days) == [
        ("clean", Hidden.DATASET, [f"2024-01-0{day}" for day in range(1, 5)]),
        ("total", Hidden.DATASET, ["all"]),
    ]
    days.jobs(JOBS)
    assert days.project.plan().steps == 0


def test_partitions_of_another_grain_are_not_shown_and_a_plain_read_works_once_they_moved(days):
    days.jobs(
        JOBS.replace('Daily("2024-01-01", "2024-01-05")', 'Weekly("2024-01-01", "2024-01-08")')
    )
    days.run()
    assert [(name, why) for name, why, _ in lying(days)] == [("clean", Hidden.GRAIN)]
    plain = f"from read_parquet('{days.root}/warehouse/clean/**/*.parquet', hive_partitioning=true)"
    with pytest.raises(duckdb.Error, match="mismatch"):
        duckdb.sql(plain).fetchall()
    days.project.upkeep.move_undeclared(["clean"], Controls())
    assert duckdb.sql(plain).fetchall() == [(1, "2024-W01")]
    assert kept(days, "clean") == [f"2024-01-0{day}" for day in range(1, 5)]
    assert lying(days) == []


def test_days_that_a_longer_step_does_not_begin_on_are_not_shown(days):
    days.jobs(
        JOBS.replace(
            'Daily("2024-01-01", "2024-01-05")',
            'Every("2d", "2024-01-01", "2024-01-05"), partition_column="date"',
        )
    )
    days.run()
    assert lying(days) == [("clean", Hidden.GRAIN, ["2024-01-02", "2024-01-04"])]
    assert sums(days) == [4] * 4


def test_what_is_moved_is_the_file_as_it_was_and_its_folder_is_gone(days):
    file = days.file("clean", "2024-01-01")
    before = file.read_bytes()
    days.jobs(NARROW)
    days.run()
    (moved,) = days.project.upkeep.move_undeclared(["clean"], Controls())
    assert [s.key for s in moved.strays] == ["2024-01-01", "2024-01-02"]
    assert not file.parent.exists()
    (copy,) = (days.root / "warehouse/.partflow/history/clean/2024-01-01").iterdir()
    assert copy.read_bytes() == before
    assert days.project.upkeep.sweep(Controls(), dry_run=True).is_empty
    days.jobs(JOBS)
    assert days.planned()["make"] == ["2024-01-01", "2024-01-02"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_what_was_moved_is_not_swept_however_much_history_there_is(days, is_recorded):
    if not is_recorded:
        file = days.file("clean", "2023-01-01")
        file.parent.mkdir(parents=True)
        pl.DataFrame({"n": [7]}).write_parquet(file)
    key = "2024-01-01" if is_recorded else "2023-01-01"
    history = days.root / "warehouse/.partflow/history/clean" / key
    history.mkdir(parents=True)
    for number in range(1, 5):
        (history / f"{number:012d}.kept").write_bytes(bytes(number))
    before = days.file("clean", key).read_bytes()
    days.jobs(NARROW)
    days.run()
    days.project.upkeep.move_undeclared(["clean"], Controls())
    days.project.upkeep.sweep(Controls(), dry_run=False)
    assert before in [path.read_bytes() for path in history.iterdir()]
    assert len(list(history.iterdir())) == 5
    days.jobs(JOBS.replace("2024-01-01", "2022-01-01"))
    days.project.upkeep.sweep(Controls(), dry_run=False)
    assert len(list(history.iterdir())) == 2
    assert is_recorded or before in [path.read_bytes() for path in history.iterdir()]


def test_plain_sweeping_moves_nothing(days):
    days.jobs(NARROW)
    days.run()
    days.project.upkeep.sweep(Controls(), dry_run=False)
    assert len(lying(days)) == 1


def test_what_else_lies_in_the_warehouse_is_nobody_s_business(days):
    house = days.root / "warehouse"
    (house / "notes").mkdir()
    (house / "notes/readme.md").write_text("mine")
    (house / "clean/notes").mkdir()
    (house / "clean/notes/data.parquet").write_text("mine")
    (house / "Upper").mkdir()
    (house / "Upper/data.parquet").write_text("mine")
    assert lying(days) == []


def test_a_name_of_which_nothing_is_undeclared_is_an_error(days):
    days.jobs(NARROW)
    with pytest.raises(UsageError, match="nothing of total is undeclared; there is: clean"):
        days.project.upkeep.move_undeclared(["total"], Controls())


def test_nothing_is_moved_while_a_module_fails_to_load(days):
    days.jobs(NARROW)
    days.write(f"{days.package}/broken.py", "import nothing_of_that_name\n")
    with pytest.raises(PartflowError, match="nothing_of_that_name"):
        days.project.upkeep.move_undeclared(["clean"], Controls())


def test_nothing_is_moved_while_another_project_is_at_work_in_the_warehouse(days):
    days.jobs(NARROW)
    days.run()
    theirs = Footprint(makes={"their_sales": PartitionSet.of([(0, 1)])})
    upkeep = days.project.upkeep
    with (
        upkeep.history.leases.taken("20240101-000000-beef", "ann at work", theirs),
        pytest.raises(UsageError, match=r"another project is at work .*\(ann at work\)"),
    ):
        upkeep.move_undeclared(["clean"], Controls(wait=False))
    assert len(lying(days)) == 1


def test_files_of_a_source_that_lie_in_the_warehouse_are_no_dataset_s(days):
    days.jobs(
        JOBS
        + """
raw = Source("raw", Daily("2024-01-01", "2024-01-03"), path="warehouse/raw/date={key}/data.parquet")

@effect(reads=[raw])
def look(frame: pl.LazyFrame) -> None: ...
"""
    )
    path = days.root / "warehouse/raw/date=2024-01-01/data.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame({"a": [1]}).write_parquet(path)
    assert lying(days) == []
