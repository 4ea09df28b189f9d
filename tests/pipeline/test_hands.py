"""What others do to files is noticed, and never lost silently."""

import polars as pl
import pytest

from partflow.planning.planner import Reason, State
from partflow.planning.selection import Asked

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


def by_hand(world, key=DAYS[1]):
    file = world.file("clean", key)
    pl.DataFrame({"store": ["s9"], "qty": [99]}).write_parquet(file)
    return file


def test_somebodys_hand_is_noticed_and_not_overwritten(sales):
    sales.run()
    file = by_hand(sales)
    sales.sales(DAYS[1], 7, 7)
    found = sales.run()
    planned = sales.project.plan().tasks["clean_sales"]
    assert planned.state[1] == State.BLOCKED
    assert planned.reason[1] == Reason.CHANGED_OUTSIDE
    assert pl.read_parquet(file)["qty"].to_list() == [99]
    assert found.ran == 0


def test_a_backfill_makes_it_again_and_keeps_the_bytes_in_the_history(sales):
    sales.run()
    file = by_hand(sales)
    theirs = file.read_bytes()
    sales.project.backfill(asked=Asked(("clean",), keys=(DAYS[1],)))
    assert sales.read("clean").filter(pl.col("date") == pl.date(2024, 1, 31))["qty"].to_list() == [
        2,
        10,
    ]
    kept = list((sales.root / "warehouse/.partflow/history/clean" / DAYS[1]).iterdir())
    assert [k.read_bytes() for k in kept] == [theirs]


def test_the_same_values_written_by_another_hand_are_taken_as_they_are(sales):
    sales.run()
    file = sales.file("clean", DAYS[1])
    pl.read_parquet(file, hive_partitioning=False).reverse().write_parquet(
        file, compression="snappy"
    )
    assert sales.run().ran == 0
    assert sales.project.plan().steps == 0


def test_an_earlier_version_of_a_partition_is_adopted_with_its_own_past(sales):
    sales.run()
    file = sales.file("clean", DAYS[1])
    first = file.read_bytes()
    sales.sales(DAYS[1], 7, 7)
    sales.run()
    file.write_bytes(first)
    assert sales.planned()["clean_sales"] == [DAYS[1]]
    sales.run()
    assert sales.made() == [("clean_sales", DAYS[1])]
    assert sales.run().ran == 0


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense", None])
def test_a_file_that_cannot_be_read_is_made_again(sales, damage):
    sales.run()
    file = sales.file("clean", DAYS[2])
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    planned = sales.project.plan().tasks["clean_sales"]
    assert planned.reason[2] == Reason.DAMAGED
    sales.run()
    assert sales.made() == [("clean_sales", DAYS[2])]
    assert pl.read_parquet(file)["qty"].to_list() == [3, 10]


def test_a_foreign_file_in_a_partitions_place_is_not_overwritten(sales):
    file = sales.file("clean", DAYS[0])
    file.parent.mkdir(parents=True)
    pl.DataFrame({"x": [1]}).write_parquet(file)
    sales.run()
    assert pl.read_parquet(file, hive_partitioning=False).columns == ["x"]


def test_a_source_that_cannot_be_read_blocks_what_must_be_made_of_it(sales):
    sales.run()
    sales.write(f"landing/{DAYS[3]}.csv", "store,qty\ns0,1,2,3,4\n")
    assert sales.run().ran == 0
    sales.file("clean", DAYS[3]).unlink()
    planned = sales.project.plan().tasks["clean_sales"]
    assert planned.state[3] == State.BLOCKED
    assert planned.reason[3] == Reason.BEHIND


MEANWHILE = """
landing = Source("landing", Daily("2024-01-30", end="2024-02-01"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-01"))

@task(reads=[landing], writes=clean, retries=1, retry_delay="1s")
def clean_sales(raw: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    if Path("edits").exists():  # stands for somebody who is at it just now
        theirs = pl.DataFrame({"store": ["s9"], "qty": [99]})
        theirs.write_parquet(f"warehouse/clean/date={partition.key}/data.parquet")
    return raw
"""


def test_what_somebody_writes_while_it_is_made_stays(world):
    world.jobs(f"from pathlib import Path\n{MEANWHILE}")
    world.sales(DAYS[0], 1, 2)
    assert world.run().failed == 0
    world.sales(DAYS[0], 7, 7)
    world.write("edits", "")
    found = world.run()
    assert found.failed == 1
    assert "somebody wrote its file since it was claimed" in found.failures[0].failure.message
    assert pl.read_parquet(world.file("clean", DAYS[0]))["qty"].to_list() == [99]
    assert world.metastore().intents() == []
