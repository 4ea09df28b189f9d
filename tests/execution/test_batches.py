"""Batches: one call makes neighbouring partitions, and each is published by itself."""

import polars as pl
import pytest

from partflow.execution.controls import Controls
from partflow.execution.sizing import BATCH

WEEK = [f"2024-01-{day:02}" for day in range(1, 8)]

JOBS = """
landing = Source("landing", Daily("2024-01-01", end="2024-01-08"), path="landing/{key}.csv",
    schema={"store": pl.String, "qty": pl.Int64})
SCHEMA = {"store": pl.String, "qty": TYPE}
clean = Dataset("clean", Daily("2024-01-01", end="2024-01-08"), schema=SCHEMA)
trailing = Dataset("trailing", Daily("2024-01-01", end="2024-01-08"))

def called(name, partition):
    with open("calls", "a") as calls:
        calls.write(f"{name} {partition.key}\\n")

@task(reads=[landing], writes=clean, batch=BATCH)
def clean_sales(raw: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    called("clean", partition)
    BODY
    return raw.filter(pl.col("qty") > 0)

@task(reads=[clean.window(-2, 0)], writes=trailing, batch=BATCH)
def three_days(sales: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
    called("trailing", partition)
    days = sales.select(pl.col("date").unique()).collect()["date"].sort()
    wanted = [d for d in days if partition.start.date() <= d < partition.end.date()]
    return pl.concat([
        sales.filter(pl.col("date").is_between(pl.lit(d) - pl.duration(days=2), pl.lit(d)))
        .group_by("store").agg(pl.col("qty").sum()).with_columns(date=pl.lit(d))
        for d in wanted
    ])
"""


@pytest.fixture
def week(world):
    for i, key in enumerate(WEEK):
        world.sales(key, i + 1, 10 * i, 0)
    return world


def jobs(world, batch="4", body="pass", kind="pl.Int64"):
    world.jobs(JOBS.replace("BATCH", batch).replace("BODY", body).replace("TYPE", kind))


def calls(world):
    path = world.root / "calls"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def contents(world):
    with world.metastore() as metastore:
        return {
            (node, r.key): r.content
            for node in ("clean", "trailing")
            for r in metastore.records(node)
        }


def test_neighbours_are_made_in_one_call_that_spans_them(week):
    jobs(week)
    assert week.run().ran == 14
    made = calls(week)
    assert sorted(made) == [
        "clean 2024-01-01..2024-01-04",
        "clean 2024-01-05..2024-01-07",
        "trailing 2024-01-01..2024-01-04",
        "trailing 2024-01-05..2024-01-07",
    ]
    assert week.file("clean", WEEK[0]).exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_makes_the_same_contents_as_one_by_one(week, workers):
    jobs(week, batch="True")
    week.run(controls=Controls(workers=workers))
    together = contents(week)
    assert len(calls(week)) < 14
    jobs(week, batch="None")
    assert week.run().ran == 0, "how many are made at a time is no part of the code"
    week.project.backfill("clean", "trailing")
    assert len(calls(week)) == 14
    assert contents(week) == together


def test_a_partition_without_rows_is_published_empty(week):
    week.sales(WEEK[2], 0, 0)
    jobs(week)
    week.run("clean")
    assert pl.read_parquet(week.file("clean", WEEK[2]), hive_partitioning=False).shape == (0, 2)
    assert week.run("clean").ran == 0


def test_the_batch_size_that_is_asked_for_bounds_what_a_task_allows(week):
    jobs(week, batch="True")
    week.run("clean", controls=Controls(batch_size=2))
    assert calls(week) == [
        "clean 2024-01-01..2024-01-02",
        "clean 2024-01-03..2024-01-04",
        "clean 2024-01-05..2024-01-06",
        "clean 2024-01-07",
    ]


def test_one_partition_that_raises_does_not_take_its_neighbours_down(week):
    jobs(week, batch="True", body='if 3 in raw["qty"]: raise ValueError("three")')
    found = week.run("clean")
    assert (found.ran, found.failed) == (6, 1)
    (failed,) = found.failures
    assert (failed.key, failed.failure.message) == (WEEK[2], "ValueError: three")


def test_one_partition_whose_rows_do_not_fit_the_schema_does_not_take_its_neighbours_down(week):
    week.sales(WEEK[3], 100_000)
    body = 'raw = raw.with_columns(pl.col("qty").cast(pl.Decimal(20, 0)))'
    jobs(week, batch="True", kind="pl.Int16", body=body)
    found = week.run("clean")
    assert (found.ran, found.failed) == (6, 1)
    assert found.failures[0].key == WEEK[3]
    assert calls(week) == [f"clean {WEEK[0]}..{WEEK[-1]}"]


def test_rows_outside_of_the_asked_partitions_are_an_error_that_names_them(week):
    body = 'return raw.with_columns(date=pl.col("date") + pl.duration(days=5))'
    jobs(week, batch="True", body=body)
    found = week.run("clean")
    assert found.ran == 0
    message = found.failures[0].failure.message
    assert "holds 2024-01-" in message
    assert "not of these partitions" in message


def test_a_batch_without_the_partition_column_says_by_what_it_is_split(week):
    jobs(week, batch="True", body='return raw.drop("date")')
    message = week.run("clean").failures[0].failure.message
    assert "lacks the column 'date', by which a batch is split" in message


def test_trying_twice_tells_what_a_batch_makes_otherwise(week):
    jobs(week, batch="True", body='raw = raw.with_columns(pl.col("qty") + raw.height)')
    week.run("clean", controls=Controls(batch_size=1))
    (trial,) = week.project.check_twice("clean")
    assert trial.verdict.is_bad
    assert trial.text.startswith("in a batch of 7: ")


def test_a_failing_batch_costs_its_partitions_no_attempt(week):
    body = 'if raw["date"].n_unique() > 1: raise ValueError("only one")'
    jobs(week, batch="True", body=body)
    found = week.run("clean")
    assert (found.ran, found.failed) == (7, 0)


def test_a_batch_that_kills_its_worker_is_made_one_by_one(week):
    body = 'import os; os.kill(os.getpid(), 9) if raw["date"].n_unique() > 1 else None'
    jobs(week, batch="True", body=body)
    found = week.run("clean", controls=Controls(workers=2))
    assert (found.ran, found.failed) == (7, 0)


def test_what_only_one_partition_of_a_batch_does_wrong_costs_that_one_its_retries(week):
    body = 'if 3 in raw["qty"]: raise ValueError("three")'
    jobs(week, batch="True, retries=1, retry_delay='1ms'", body=body)
    found = week.run("clean")
    assert (found.ran, found.failed) == (6, 1)
    steps = week.project.steps(week.project.runs(1)[0].id)
    assert [s.attempt for s in steps if s.key == WEEK[2]] == [1, 2]
    assert {s.attempt for s in steps if s.key != WEEK[2]} == {1}


WIDE = """
    import numpy as np
    DAYS = Daily("2024-01-01", "2024-01-21")
    landing = Source("landing", DAYS, path="landing/{key}.parquet")
    clean, totals = Dataset("clean", DAYS), Dataset("totals", DAYS)

    @task(reads=[landing], writes=clean, batch=True)
    def make(rows: pl.DataFrame, partition: Partition):
        with open("calls", "a") as file:
            file.write(f"clean {rows['date'].n_unique()}\\n")
        return rows

    @task(reads=[clean], writes=totals, batch=True)
    def add_up(rows: pl.DataFrame):
        with open("calls", "a") as file:
            file.write(f"totals {rows['date'].n_unique()}\\n")
        return rows.group_by("date", maintain_order=True).agg(pl.col("x").sum())
    """


def sizes_of_calls(world, rows, jobs=WIDE):
    """How many partitions the calls of each task made, with so many rows in each file."""
    (world.root / "landing").mkdir()
    for day in range(1, 21):
        frame = pl.select(x=pl.repeat(day, rows, dtype=pl.Int64))  # a file of a few hundred bytes
        frame.write_parquet(world.root / f"landing/2024-01-{day:02}.parquet")
    world.jobs(jobs)
    assert world.run().failed == 0
    lines = [line.split() for line in (world.root / "calls").read_text().splitlines()]
    return {name: [int(n) for task, n in lines if task == name] for name in ("clean", "totals")}


def test_a_batch_ends_where_its_frames_are_large_in_memory_however_small_their_files(world):
    found = sizes_of_calls(world, 400_000)  # 6.4 MB each with the dates
    assert found == {"clean": [1] * 20, "totals": [1] * 20}


def test_what_is_small_in_memory_goes_in_one_batch(world):
    assert sizes_of_calls(world, 10_000) == {"clean": [20], "totals": [20]}


def test_a_batch_has_as_many_frames_as_come_to_its_memory(world):
    found = sizes_of_calls(world, 250_000)  # 4 MB each with the dates, and 64 MiB are 67
    assert found["clean"] == [16, 4]


def test_steps_that_would_read_the_same_again_go_together_however_large_it_is(world):
    jobs = WIDE.replace("reads=[landing]", "reads=[landing.window(-2, 0)]").replace(
        "return rows\n", "return rows.filter(pl.col('date') >= partition.date)\n"
    )
    assert sizes_of_calls(world, 400_000, jobs)["clean"] == [10, 10, 4]


TEXTS = """
texts = Dataset("texts", Daily("2024-01-01", end="2024-01-25"))
sizes = Dataset("sizes", Daily("2024-01-01", end="2024-01-25"))

@task(writes=texts)
def write(partition: Partition):
    day = partition.start.day
    return pl.DataFrame({"text": [f"{day} {i} " + "x" * 48_000 for i in range(100)]})

@task(reads=[texts], writes=sizes, batch=True)
def measure(texts: pl.DataFrame, partition: Partition):
    size = pl.lit(texts.estimated_size()).alias("nbytes")
    return texts.group_by("date").len().with_columns(size)
"""


def test_a_batch_of_few_rows_that_are_wide_is_bounded_too(world):
    world.jobs(TEXTS)
    world.run("write")
    assert world.run().ran == 24
    sizes = world.read("sizes")["nbytes"]
    assert sizes.max() <= BATCH
    assert sizes.sum() > BATCH  # all in one call would be more
