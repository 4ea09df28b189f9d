"""What a run hands over in memory makes the same as reading the files."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from partflow.planning.selection import Asked
from partflow.warehouse.handover import HandOver

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


def test_partitions_made_from_memory_are_unchanged_when_made_from_files(sales):
    assert sales.run().ran == 12
    project = sales.project
    project.frames = HandOver(0)
    found = project.backfill("clean", "trailing", "monthly").summary
    assert found is not None
    assert (found.ran, found.unchanged) == (12, 12)


def test_a_source_that_changes_after_it_was_looked_at_is_read_as_it_is_then(sales):
    project = sales.project
    project.plan()
    sales.sales(DAYS[0], 99)
    project.materialize()
    assert sales.read("clean").filter(pl.col("qty") == 99).height == 1


def test_what_another_hand_puts_in_place_of_an_input_is_what_the_next_run_reads(sales):
    project = sales.project
    project.materialize()
    path = sales.file("clean", DAYS[0])
    frame = pl.DataFrame(
        {"store": ["s9"], "qty": [1000]}, schema={"store": pl.String, "qty": pl.Int64}
    )
    frame.write_parquet(path)
    project.accept("clean")
    project.materialize()
    made = pl.read_parquet(sales.file("trailing", DAYS[0]), hive_partitioning=False)
    assert_frame_equal(made, frame)


TWO = """
    DAYS = Daily("2024-01-01", "2024-01-03")
    one = Source("one", DAYS, FIRST)
    two = Source("two", DAYS, SECOND)
    a, b = Dataset("a", DAYS), Dataset("b", DAYS)

    @task(reads=[one], writes=a)
    def make_a(rows: KIND):
        return rows

    @task(reads=[two], writes=b)
    def make_b(rows: KIND):
        return rows
    """
CSV = 'path="landing/{key}.csv"'
TWO_WAYS = {
    "two schemas": (f'{CSV}, schema={{"zip": pl.String}}', f'{CSV}, schema={{"zip": pl.Int64}}'),
    "one with a schema": (f'{CSV}, schema={{"zip": pl.String}}', CSV),
    "two widths": (
        f'{CSV}, schema={{"zip": pl.Int16, "qty": pl.Int8}}',
        f'{CSV}, schema={{"zip": pl.Int64}}',
    ),
    "two partition columns": (
        f'{CSV}, partition_column="qty", schema={{"zip": pl.String, "qty": pl.Int64}}',
        f'{CSV}, partition_column="day", schema={{"zip": pl.String, "qty": pl.Int64}}',
    ),
    "a partition column that one takes from the file and one from the path": (
        f'{CSV}, partition_column="qty", schema={{"zip": pl.String, "qty": pl.Int64}}',
        f'{CSV}, partition_column="qty", schema={{"zip": pl.String}}',
    ),
    "two formats": (f'{CSV}, schema={{"zip": pl.String}}', f'{CSV}, format="ndjson"'),
}


@pytest.mark.parametrize("kind", ["pl.LazyFrame", "pl.DataFrame"])
@pytest.mark.parametrize("ways", TWO_WAYS)
def test_each_of_two_sources_on_one_file_is_read_as_it_declares(world, ways, kind):
    first, second = TWO_WAYS[ways]
    for day in (1, 2):
        text = f"zip,qty\n0{day},5\n" if ways != "two formats" else f'{{"zip": {day}}}\n'
        world.write(f"landing/2024-01-0{day}.csv", text)
    text = TWO.replace("FIRST", first).replace("SECOND", second).replace("KIND", kind)
    if ways == "two formats":  # a line of JSON is a header without rows to a reader of CSV
        text = text.replace('schema={"zip": pl.String}', 'schema={"{\\"zip\\": 1}": pl.String}')
    world.jobs(text)
    project = world.project
    project.materialize()
    found = {name: stored(world, name) for name in ("a", "b")}
    project.frames = HandOver(0)
    again = project.backfill("a", "b").summary
    assert {name: stored(world, name) for name in ("a", "b")} == found
    assert again.unchanged == again.ran
    assert found["a"] != found["b"]


def stored(world, name):
    """The schema and rows of each file of a dataset."""
    paths = sorted(world.root.glob(f"warehouse/{name}/*/data.parquet"))
    frames = [pl.read_parquet(path, hive_partitioning=False) for path in paths]
    return [(frame.schema, frame.rows()) for frame in frames]


def test_a_source_on_a_datasets_files_is_read_as_it_declares_in_a_project_that_lives_on(world):
    world.jobs("""
    DAYS = Daily("2024-01-01", "2024-01-03")
    made = Dataset("made", DAYS, schema={"n": pl.Int32})
    read = Dataset("read", DAYS)
    again = Source(
        "again", DAYS, path="warehouse/made/date={key}/data.parquet", partition_column="day",
        schema={"n": pl.Int64},
    )
    out = Dataset("out", DAYS)

    @task(writes=made)
    def make(partition: Partition):
        return pl.DataFrame({"n": [partition.date.day]}, schema={"n": pl.Int32})

    @task(reads=[made], writes=read)
    def look(rows: pl.DataFrame):
        return rows

    @task(reads=[again], writes=out)
    def take(rows: pl.DataFrame):
        return rows
    """)
    project = world.project
    project.materialize(asked=Asked(("made", "read")))
    project.materialize()
    assert [schema for schema, _ in stored(world, "out")] == [{"n": pl.Int64, "day": pl.Date}] * 2
    assert [schema for schema, _ in stored(world, "read")] == [{"n": pl.Int32}] * 2
