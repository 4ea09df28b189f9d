"""Sources whose files change while a run goes on: what was made from them is not published."""

from __future__ import annotations

import polars as pl
import pytest

from partflow.execution.controls import Controls
from partflow.formats.fingerprint import file_digest
from partflow.warehouse.verify import Verify

JOBS = """
import os
DAYS = Daily("2024-01-01", end="2024-01-03")
landing = Source("landing", DAYS, path="landing/{key}.csv", schema={"qty": pl.Int64})
clean, sums = Dataset("clean", DAYS), Dataset("sums", DAYS)

@task(reads=[landing], writes=clean, OPTIONS)
def clean_sales(raw: pl.FRAME, partition: Partition) -> pl.FRAME:
    found = raw.with_columns(pl.lit(1).alias("one"))
    if FIRST and os.path.exists("bad.csv"):
        os.rename("landing/2024-01-02.csv", "good.csv")
        os.rename("bad.csv", "landing/2024-01-02.csv")
    if SECOND and os.path.exists("good.csv"):
        pl.DataFrame(found.lazy().collect())
        os.rename("good.csv", "landing/2024-01-02.csv")
    return found

@task(reads=[clean], writes=sums)
def sum_up(sales: pl.DataFrame) -> pl.DataFrame:
    return sales.select(pl.col("qty").sum())
"""


BEFORE = {"FIRST": 'partition.key == "2024-01-01"', "SECOND": "False", "OPTIONS": ""}
"""Another file is put into the place of the second day's before that is read."""
WITHIN = {
    "FIRST": 'partition.key == "2024-01-02"',
    "SECOND": 'partition.key == "2024-01-02"',
    "OPTIONS": "",
}
"""Another file is put there while it may be read, and the first one is put back at once."""
TOGETHER = {"FIRST": "True", "SECOND": "True", "OPTIONS": "batch=2"}


def jobs(frame="DataFrame", **words):
    text = JOBS.replace("FRAME", frame)
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


@pytest.fixture(params=[("DataFrame", BEFORE), ("LazyFrame", BEFORE), ("LazyFrame", WITHIN)])
def moving(world, request):
    """A run that finds, at its second day, another file than was looked at."""
    frame, words = request.param
    world.jobs(jobs(frame, **words))
    for day in (1, 2):
        world.write(f"landing/2024-01-0{day}.csv", f"qty\n{day}\n")
    return world


def test_what_was_made_from_another_file_than_was_looked_at_is_not_published(moving):
    moving.run()
    made = file_digest(moving.file("clean", "2024-01-02"))
    moving.write("landing/2024-01-01.csv", "qty\n11\n")
    moving.write("landing/2024-01-02.csv", "qty\n12\n")
    moving.write("bad.csv", "qty\n99\n")
    found = moving.run()
    assert (found.ran, found.failed, found.blocked) == (2, 1, 0)
    assert "landing 2024-01-02: a file was changed since this run" in str(found.failures)
    assert file_digest(moving.file("clean", "2024-01-02")) == made
    good = moving.root / "good.csv"
    if good.exists():
        good.rename(moving.root / "landing/2024-01-02.csv")
    (moving.root / "bad.csv").unlink(missing_ok=True)
    assert moving.run().failed == 0
    assert moving.read("sums")["qty"].to_list() == [11, 12]


def test_a_batch_publishes_what_it_made_from_files_that_stayed(moving):
    moving.jobs(jobs(**TOGETHER))
    moving.write("bad.csv", "qty\n2\n")
    found = moving.run()
    assert (found.ran, found.failed, found.blocked) == (2, 1, 1)
    assert moving.planned() == {"clean_sales": ["2024-01-02"], "sum_up": ["2024-01-02"]}


def test_who_trusts_the_record_has_files_read_as_they_are(moving):
    moving.run()
    moving.write("landing/2024-01-01.csv", "qty\n11\n")
    moving.jobs(jobs(**BEFORE).replace("lit(1)", "lit(2)"))
    assert moving.run(controls=Controls(verify=Verify.RECORD)).failed == 0


HANDS = """
import os
DAYS = Daily("2024-01-01", end="2024-01-03")
first, after, meddler, sums = (Dataset(n, DAYS) for n in ("first", "after", "meddler", "sums"))

@task(writes=first)
def make_first(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"qty": [partition.start.day]})

@task(reads=[first], writes=after)
def follow(rows: pl.DataFrame) -> pl.DataFrame:
    return rows

@task(reads=[after], writes=meddler)
def meddle(rows: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    if os.path.exists("edited.parquet") and partition.key == "2024-01-02":
        os.rename("edited.parquet", "warehouse/first/date=2024-01-02/data.parquet")
    return rows

@task(reads=[first, meddler], writes=sums, OPTIONS)
def sum_up(rows: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col("qty").sum())
"""


@pytest.mark.parametrize(
    ("options", "workers"), [("", 1), ("executor='threads'", 1), ("", 2), ("batch=2", 1)]
)
def test_what_somebody_writes_over_an_input_that_the_run_made_is_not_read_for_it(
    world, options, workers
):
    world.jobs(HANDS.replace("OPTIONS", options))
    pl.DataFrame({"qty": [99]}).write_parquet(world.root / "edited.parquet")
    found = world.run(controls=Controls(workers=workers))
    assert (found.ran, found.failed) == (7, 1)
    assert "first 2024-01-02: a file was changed since this run" in str(found.failures)
    assert world.read("sums")["qty"].to_list() == [1]


EFFECTS = """
import os
DAY = Daily("2024-01-01", end="2024-01-02")
landing = Source("landing", DAY, path="landing/{key}.csv", schema={"qty": pl.Int64})
other = Source("other", DAY, path="other/{key}.csv", schema={"qty": pl.Int64})

@effect(reads=[landing], priority=1)
def archive(raw: pl.DataFrame) -> None:
    os.rename("landing/2024-01-01.csv", "archived.csv")
    os.rename("other/2024-01-01.csv", "bad.csv")
    os.rename("bad.csv", "other/2024-01-01.csv")

@effect(reads=[other])
def tell(raw: pl.DataFrame) -> None:
    with open("told.txt", "a") as file:
        file.write("told ")
"""


def test_an_effect_may_move_what_it_read_and_is_not_done_with_what_others_moved(world):
    world.jobs(EFFECTS)
    for name in ("landing", "other"):
        world.write(f"{name}/2024-01-01.csv", "qty\n1\n")
    found = world.run()
    assert (found.ran, found.failed) == (1, 1)
    assert not (world.root / "told.txt").exists()
    assert world.run().failed == 0
    assert (world.root / "told.txt").read_text() == "told "
