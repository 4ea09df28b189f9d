"""What others delivered, through a run: the same rows or the same refusal on every executor."""

from __future__ import annotations

import polars as pl
import pytest

from partflow.execution.controls import Controls

WINDOW = """
raw = Source("raw", Daily("2024-01-30", end="2024-02-01"), path="landing/{{key}}.csv"{schema})
both = Dataset("both", Daily("2024-01-30", end="2024-02-01"))

@task(reads=[raw.window(-1, 0)], writes=both)
def two_days(rows: {kind}) -> pl.DataFrame:
    frame = FRAMES["{kind}"](rows)
    return frame.drop("date").select(pl.len(), pl.col("n").sum())
"""
FRAMES = """
import duckdb
import pyarrow as pa

FRAMES = {
    "pl.DataFrame": lambda rows: rows,
    "pl.LazyFrame": lambda rows: rows.collect(),
    "pa.Table": pl.DataFrame,
    "duckdb.DuckDBPyRelation": lambda rows: rows.pl(),
}
"""
KINDS = ("pl.DataFrame", "pl.LazyFrame", "pa.Table", "duckdb.DuckDBPyRelation")
WAYS = [("pl.LazyFrame", 2), *((kind, 1) for kind in KINDS)]
CLOCKS = ("2024-01-30T05:00", "2024-01-31T05:00Z")


def last_day(world, jobs: int) -> str:
    """How the last day fared: made, or why it failed."""
    summary = world.run(controls=Controls(workers=jobs))
    said = [str(f) for f in summary.failures if f.key == "2024-01-31"]
    return said[0] if said else "made"


def declare(world, kind: str, schema: str = "", form: str = "csv") -> None:
    world.jobs(FRAMES + WINDOW.format(kind=kind, schema=schema).replace(".csv", f".{form}"))


@pytest.mark.parametrize(("kind", "jobs"), WAYS)
def test_a_partition_column_in_some_files_only_is_an_error(world, kind, jobs):
    declare(world, kind)
    world.write("landing/2024-01-30.csv", "n,date\n1,2024-01-30\n")
    world.write("landing/2024-01-31.csv", "n\n2\n")
    assert "column 'date' is missing" in last_day(world, jobs)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("clocks", [CLOCKS, CLOCKS[::-1]])
def test_times_with_an_offset_and_without_one_are_an_error_in_either_order(world, clocks, jobs):
    declare(world, "pl.DataFrame")
    for key, clock in zip(("2024-01-30", "2024-01-31"), clocks, strict=True):
        world.write(f"landing/{key}.csv", f"at,n\n{clock},1\n")
    said = last_day(world, jobs)
    assert "column 'at' is Datetime" in said
    assert "declare a schema" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_does_not_fit_blocks_what_reads_it(world, kind):
    declare(world, kind, ', schema={"n": pl.Int8}')
    world.write("landing/2024-01-30.csv", "n\n1\n")
    world.write("landing/2024-01-31.csv", "n\n300\n")
    summary = world.run()
    assert (summary.ran, summary.failed) == (1, 0)
    assert world.read("both")["n"].to_list() == [1]


@pytest.mark.parametrize(("kind", "jobs"), WAYS)
def test_parquet_of_two_producers_is_read_as_the_schema_says(world, kind, jobs):
    schema = ', schema={"at": pl.Datetime("us"), "shop": pl.String, "n": pl.Int64}'
    declare(world, kind, schema, "parquet")
    old = pl.DataFrame({"shop": ["n"], "n": [1], "at": ["2024-01-30T12:00:00"]})
    old = old.with_columns(pl.col("at").str.to_datetime(time_unit="ns"))
    (world.root / "landing").mkdir()
    old.cast({"shop": pl.Categorical}).write_parquet(world.root / "landing/2024-01-30.parquet")
    new = old.select("at", "n", "shop", more=1).cast({"at": pl.Datetime("us")})
    new.write_parquet(world.root / "landing/2024-01-31.parquet")
    assert last_day(world, jobs) == "made"
    assert world.read("both")["n"].to_list() == [1, 2]


def test_parquet_with_a_value_that_does_not_fit_is_a_fault_of_that_file(world):
    declare(world, "pl.DataFrame", ', schema={"n": pl.Int8}', "parquet")
    (world.root / "landing").mkdir()
    for key, value in (("2024-01-30", 1), ("2024-01-31", 300)):
        pl.DataFrame({"n": [value]}).write_parquet(world.root / f"landing/{key}.parquet")
    assert last_day(world, 1) == "made"
    (fault,) = world.project.plan().faults
    assert (fault.key, fault.reason) == ("2024-01-31", "column 'n': '300' is no Int8")
    assert world.read("both")["n"].to_list() == [1]


BARE = """
SCHEMA = {"at": pl.Datetime, "kind": pl.Categorical, "n": pl.Decimal}
raw = Source("raw", Daily("2024-01-30", end="2024-02-01"), path="landing/{key}.FORM", schema=SCHEMA)
made = Dataset("made", Daily("2024-01-30", end="2024-02-01"), schema=SCHEMA)
again = Dataset("again", Daily("2024-01-30", end="2024-02-01"))

@task(reads=[raw.window(-1, 0)], writes=made)
def take(rows: KIND) -> pl.DataFrame:
    return pl.DataFrame(rows.lazy().collect()).drop("date")

@task(reads=[made.window(-1, 0)], writes=again)
def take_again(rows: KIND) -> pl.DataFrame:
    return rows.lazy().collect().drop("date")
"""


def deliver(frame: pl.DataFrame, path) -> None:
    path.parent.mkdir(exist_ok=True)
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path)
        case ".csv":
            frame.write_csv(path)
        case _:
            frame.cast({"at": pl.String}).write_ndjson(path)


@pytest.mark.parametrize("kind", ["pl.DataFrame", "pl.LazyFrame"])
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_schema_of_types_without_brackets_means_what_polars_means_by_them(world, form, kind):
    world.jobs(BARE.replace("FORM", form).replace("KIND", kind))
    frame = pl.DataFrame({"at": ["2024-01-30T05:00:00"], "kind": ["x"], "n": [7]})
    frame = frame.with_columns(pl.col("at").str.to_datetime(time_unit="us"))
    for key in ("2024-01-30", "2024-01-31"):
        deliver(frame, world.root / f"landing/{key}.{form}")
    summary = world.run()
    assert (summary.ran, summary.failed) == (4, 0), summary.failures
    found = world.read("again")
    types = [pl.Datetime("us"), pl.Categorical(), pl.Decimal(38, 0)]
    assert found.drop("date").dtypes == types
    assert found["at"].unique().to_list() == frame["at"].to_list()
    assert {str(n) for n in found["n"]} == {"7"}
    assert world.run().ran == 0


SORTED = """
raw = Source("raw", Daily("2024-01-30", end="2024-02-01"), path="landing/{{key}}.{form}"{sort_by})
sums = Dataset("sums", Daily("2024-01-30", end="2024-02-01"))

@task(reads=[raw], writes=sums)
def firsts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("date").head(1)
"""


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_rows_in_another_order_are_another_content_of_a_source_that_is_sorted(world, form):
    write = {"parquet": "write_parquet", "csv": "write_csv", "ndjson": "write_ndjson"}[form]
    landing = world.root / "landing"
    landing.mkdir()

    def deliver(*rows: int) -> None:
        for key in ("2024-01-30", "2024-01-31"):
            getattr(pl.DataFrame({"n": rows}), write)(landing / f"{key}.{form}")

    deliver(1, 2)
    world.jobs(SORTED.format(form=form, sort_by=""))
    world.run()
    # What was recorded while order did not count stays, as long as the file does.
    world.jobs(SORTED.format(form=form, sort_by=", sort_by='n'"))
    assert world.planned() == {}
    for rows in ((2, 1), (1, 2)):
        deliver(*rows)
        assert len(world.planned()["firsts"]) == 2
        world.run()
        assert world.planned() == {}
        assert world.read("sums")["n"].to_list() == [rows[0]] * 2
