"""What a run hands over in memory makes the same as reading the files."""

import polars as pl
from polars.testing import assert_frame_equal

from partflow.handover import HandOver

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
