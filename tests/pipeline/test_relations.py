"""DuckDB relations in tasks: a connection for each call, wherever it is carried out."""

import os
import shutil
import subprocess
import sys

import duckdb
import polars as pl
import pytest

from partflow.execution.controls import Controls

JOBS = """
    import duckdb
    DAYS = Daily("2024-01-01", "2024-02-10")
    sales = Dataset("sales", DAYS)
    totals = Dataset("totals", DAYS)

    @task(writes=sales)
    def land(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"n": [partition.start.toordinal()] * 1000})

    @task(reads=[sales], writes=totals, OPTIONS)
    def total(sales: duckdb.DuckDBPyRelation):
        return RESULT
    """
LOW_AND_HIGH = 'sales.aggregate("min(n) as low, max(n) as high, count(*) as rows")'
RESULTS = {
    "a relation": LOW_AND_HIGH,
    "a lazy frame over a relation": f"{LOW_AND_HIGH}.pl(lazy=True)",
    "an Arrow reader of a relation": f"{LOW_AND_HIGH}.to_arrow_reader()",
    "a relation of a query": (
        'sales.query("s", "select min(n) as low, max(n) as high, count(*) as rows from s")'
    ),
    "a relation of a cursor": (
        'duckdb.sql("select min(n) as low, max(n) as high, count(*) as rows from sales",'
        " connection=duckdb.cursor())"
    ),
}


def totals_of(world):
    return world.read("totals").with_columns(day=pl_ordinal("date")).rows(named=True)


def pl_ordinal(column):
    return pl.col(column).cast(pl.Int64) + 719163  # days since year 1, as toordinal() counts


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("options", ['executor="threads"', "retries=0"])
def test_every_call_gets_its_own_rows_however_it_returns_them(world, options, result):
    world.jobs(JOBS.replace("OPTIONS", options).replace("RESULT", RESULTS[result]))
    assert world.run().failed == 0
    found = totals_of(world)
    assert len(found) == 40
    assert all(row["low"] == row["high"] == row["day"] for row in found)


def test_worker_processes_get_a_connection_for_each_call_too(world):
    world.jobs(JOBS.replace("OPTIONS", "retries=0").replace("RESULT", LOW_AND_HIGH))
    assert world.run(controls=Controls(workers=2)).failed == 0
    assert all(row["low"] == row["high"] == row["day"] for row in totals_of(world))


def test_what_duckdb_is_asked_in_a_task_can_name_the_relations_of_the_call(world):
    result = 'duckdb.sql("select min(n) as low, max(n) as high from sales")'
    world.jobs(JOBS.replace("OPTIONS", "retries=0").replace("RESULT", result))
    before = duckdb.default_connection()
    assert world.run().failed == 0
    assert all(row["low"] == row["high"] == row["day"] for row in totals_of(world))
    assert duckdb.default_connection() is before


def test_a_batch_that_returns_a_relation_is_split_before_its_connection_is_closed(world):
    world.jobs(JOBS.replace("OPTIONS", "batch=7").replace("RESULT", "sales"))
    assert world.run().failed == 0
    assert world.read("totals").height == 40_000


MOMENTS = """
    import duckdb
    from datetime import datetime, UTC
    DAYS = Daily("2024-01-01", "2024-01-03", tz="America/New_York")
    events = Dataset("events", DAYS)
    by_day = Dataset("by_day", DAYS)
    joined = Dataset("joined", DAYS)
    seen = Dataset("seen", DAYS)

    @task(writes=events)
    def land() -> pl.DataFrame:
        return pl.DataFrame({"ts": [datetime(2024, 1, 1, h, 30, tzinfo=UTC) for h in (3, 12, 20)]})

    @task(reads=[events], writes=by_day)
    def count(events: duckdb.DuckDBPyRelation):
        return events.aggregate("ts::date as day, max(ts) as last, count(*) as n").order("day")

    @task(reads=[events.window(-1, 0), by_day.window(-1, 0)], writes=joined)
    def join(events: duckdb.DuckDBPyRelation, days: duckdb.DuckDBPyRelation):
        return duckdb.sql("select ts, day, n from events join days on ts::date = day order by all")

    @task(reads=[events], writes=seen)
    def ask(events: pl.DataFrame):
        import duckdb
        return duckdb.sql("select ts, ts::date as day from events order by all").pl()
    """


def test_two_machines_in_two_zones_make_the_same_partitions(world):
    world.jobs(MOMENTS)
    made = {}
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        command = [sys.executable, "-m", "partflow", "materialize"]
        environment = {**os.environ, "TZ": zone}
        subprocess.run(command, cwd=world.root, env=environment, check=True)
        files = sorted((world.root / "warehouse").glob("*/*/data.parquet"))
        frames = [pl.read_parquet(file, hive_partitioning=False) for file in files]
        made[zone] = [(frame.schema, frame.rows()) for frame in frames]
        shutil.rmtree(world.root / "warehouse")
    assert made["UTC"] == made["Asia/Tokyo"] == made["America/New_York"]
    schema, rows = made["UTC"][0]
    assert schema["last"] == pl.Datetime("us", "America/New_York")
    assert [str(day) for day, _, _ in rows] == ["2023-12-31", "2024-01-01"]


ASKED = """
    from PACKAGE.asking import ask
    out = Dataset("out", Daily("2024-01-01", "2024-01-05"))

    @task(writes=out)
    def make(partition: Partition):
        moment = "timestamptz '2024-01-01 20:00+00'"
        return ask(f"select current_setting('TimeZone') as z, {moment}::date as d")
    """
ASK = """
    import importlib
    def ask(query):
        return importlib.import_module("duckdb").sql(query).pl()
    """


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_first_call_of_a_process_has_utc_whoever_imports_duckdb(world, jobs):
    world.jobs(ASKED)
    world.write(f"{world.package}/asking.py", ASK)
    command = [sys.executable, "-m", "partflow", "materialize", "-j", jobs]
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    subprocess.run(command, cwd=world.root, env=environment, check=True)
    assert set(world.read("out").select("z", pl.col("d").cast(pl.String)).rows()) == {
        ("UTC", "2024-01-01")
    }
