"""Accepting vouches for what is stored: new code that makes the same, and somebody's own file."""

import contextlib
import json
import re
import sqlite3
from importlib import resources

import polars as pl
import pytest
from projects import SALES

from partflow.errors import UsageError
from partflow.execution.controls import Sample
from partflow.operations.acceptable import Treatment
from partflow.planning.planner import Reason, State
from partflow.planning.selection import Asked

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")

EQUAL = 'raw.filter(pl.col("qty").gt(0))'
OTHER = 'raw.filter(pl.col("qty") > 1)'


def recode(world, body):
    path = world.root / world.package / "tasks.py"
    text = path.read_text()
    old = 'raw.filter(pl.col("qty") > 0)'
    assert old in text
    path.write_text(text.replace(old, body))


def by_hand(world, key=DAYS[1], **columns):
    file = world.file("clean", key)
    pl.DataFrame(columns or {"store": ["s9"], "qty": [99]}).write_parquet(file)
    return file


def history(world, key=DAYS[1], node="clean"):
    return world.project.why(node, key).history


def test_new_code_that_is_accepted_leaves_nothing_to_do_and_no_file_changed(sales):
    sales.run()
    before = {n: f for n, f in sales.data_files().items() if n.endswith(".parquet")}
    recode(sales, EQUAL)
    assert sales.planned() == {"clean_sales": list(DAYS)}
    accepted = sales.project.accept("clean")
    assert accepted.acceptance.count(Treatment.CODE) == 5
    assert sales.project.plan().steps == 0
    assert {n: f for n, f in sales.data_files().items() if n.endswith(".parquet")} == before


def test_the_lineage_says_that_it_was_accepted_and_by_which_run(sales):
    sales.run()
    recode(sales, EQUAL)
    accepted = sales.project.accept("clean", sample=Sample(2, 7))
    newest, made = history(sales)
    assert (newest.how, made.how) == ("accepted", "made")
    assert newest.note == (
        "accepted for the code of clean_sales, a sample of 2 was made and was equal"
    )
    assert newest.run == accepted.run
    assert newest.made_at == made.made_at
    assert (newest.content, newest.inputs) == (made.content, made.inputs)
    assert sales.project.runs(1)[0].id == accepted.run


def test_a_task_of_which_nothing_was_sampled_is_not_said_to_have_been(sales):
    sales.run()
    recode(sales, EQUAL)
    path = sales.root / sales.package / "tasks.py"
    path.write_text(path.read_text().replace('pl.col("qty").sum())\n', 'pl.sum("qty"))\n'))
    assert set(sales.planned()) == {"clean_sales", "by_month"}
    accepted = sales.project.accept("clean", "monthly", sample=Sample(1, 1))
    (sampled,) = accepted.compared
    other = {"clean": ("monthly", "2024-01"), "monthly": ("clean", DAYS[0])}[sampled.node]
    newest = sales.project.why(*other).history[0]
    assert newest.note.endswith("with no sample of its own")


def test_what_no_footer_holds_stands_in_the_journal(sales):
    sales.run()
    recode(sales, EQUAL)
    by_hand(sales)
    sales.project.accept("clean")
    lines = (sales.root / "warehouse/.partflow/journal.jsonl").read_text().splitlines()
    found = [r for r in map(json.loads, lines) if r.get("how") == "accepted"]
    assert sorted(r["key"] for r in found) == list(DAYS)
    assert [r["key"] for r in found if r["pinned"]] == [DAYS[1]]


def test_partitions_whose_inputs_changed_too_are_left_and_named(sales):
    sales.run()
    recode(sales, EQUAL)
    sales.sales(DAYS[2], 7, 7)
    found = sales.project.accept("clean").acceptance
    left = [g for g in found.groups if g.kind is Treatment.LEFT]
    assert [(g.ranges, g.text) for g in left] == [
        (((DAYS[2], DAYS[2]),), "the code of clean_sales changed, and landing changed")
    ]
    assert sales.planned() == {"clean_sales": [DAYS[2]]}


def test_partitions_that_were_made_from_other_reads_are_left(sales):
    sales.run()
    path = sales.root / sales.package / "tasks.py"
    path.write_text(
        path.read_text()
        .replace("reads=[clean.window(-1, 0)]", "reads=[clean.window(-1, 0), landing]")
        .replace("def two_days(sales: pl.DataFrame,", "def two_days(sales: pl.DataFrame, raw,")
    )
    found = sales.project.acceptable("trailing")
    assert found.count(Treatment.CODE) == 0
    assert found.count(Treatment.LEFT) == 5


def test_only_what_is_selected_is_accepted(sales):
    sales.run()
    recode(sales, EQUAL)
    sales.project.accept(asked=Asked(("clean",), keys=(DAYS[0], DAYS[3])))
    assert sales.planned() == {"clean_sales": [DAYS[1], DAYS[2], DAYS[4]]}
    with pytest.raises(UsageError, match="told what"):
        sales.project.accept()


def test_one_difference_in_the_sample_refuses_all(sales):
    sales.run()
    recode(sales, OTHER)
    accepted = sales.project.accept("clean", sample=Sample(5, 1))
    # Only the first day has a row with the quantity 1.
    assert accepted.refusal == f"clean@{DAYS[0]} is not the same: 1 rows and 2 rows"
    assert sales.planned() == {"clean_sales": list(DAYS)}
    assert [r.how for r in history(sales)] == ["made"]
    assert not list((sales.root / "warehouse/.partflow/staging").iterdir())


def test_a_task_that_raises_refuses_all(sales):
    sales.run()
    recode(sales, "1 / 0")
    refusal = sales.project.accept("clean", sample=Sample(1, 1)).refusal
    assert "it cannot be made: ZeroDivisionError" in refusal


ONCE = """
@task(reads=[clean], writes=Dataset("once", Daily("2024-01-30", end="2024-02-04")),
      on_input_change="keep")
def made_once(sales: pl.LazyFrame) -> pl.LazyFrame:
    return sales
"""


def test_what_is_kept_though_its_input_changed_is_accepted_and_never_sampled(sales):
    """Made again it would be something else, by any code."""
    sales.jobs(SALES + ONCE)
    sales.run()
    sales.sales(DAYS[0], 50)
    sales.run()
    sales.jobs(SALES + ONCE.replace("return sales", "return sales.filter(True)"))
    accepted = sales.project.accept("once", sample=Sample(5, 1))
    assert sorted(c.key for c in accepted.compared) == list(DAYS[1:])
    assert accepted.refusal is None
    newest = sales.project.why("once", DAYS[0]).history[0]
    assert newest.note.endswith("with no sample of its own")
    sales.jobs(SALES + ONCE.replace("return sales", "return sales.filter(True).filter(True)"))
    asked = Asked(("once",), keys=(DAYS[0],))
    refusal = sales.project.accept(asked=asked, sample=Sample(5, 1)).refusal
    assert refusal == (
        "no sample can be made: what they were made from has changed, and they are kept"
    )


def test_the_same_seed_picks_the_same_sample(sales):
    sales.run()
    recode(sales, "raw.head(1)")
    picks = [
        [c.key for c in sales.project.accept("clean", sample=Sample(3, seed)).compared]
        for seed in (5, 5, 6, 7, 8)
    ]
    assert picks[0] == picks[1]
    assert len(picks[0]) == 3
    assert len({tuple(p) for p in picks}) > 1


def test_a_sample_is_picked_among_what_can_be_made_and_none_refuses(sales):
    sales.run()
    recode(sales, EQUAL)
    for key in DAYS[1:]:
        (sales.root / f"landing/{key}.csv").unlink()
    accepted = sales.project.accept("clean", sample=Sample(3, 1))
    assert [c.key for c in accepted.compared] == [DAYS[0]]
    assert sales.project.plan().steps == 0
    recode_again = sales.root / sales.package / "tasks.py"
    recode_again.write_text(recode_again.read_text().replace(".gt(0)", ".gt(0.0)"))
    (sales.root / f"landing/{DAYS[0]}.csv").unlink()
    refusal = sales.project.accept("clean", sample=Sample(3, 1)).refusal
    assert refusal.startswith("no sample can be made: landing@")


def test_a_difference_within_the_tolerance_is_no_difference(world):
    text = """
    landing = Source("landing", Daily("2024-01-30", end="2024-02-01"), path="landing/{key}.csv")
    mean = Dataset("mean", Daily("2024-01-30", end="2024-02-01"), float_tolerance=1e-9)

    @task(reads=[landing], writes=mean)
    def means(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select(qty=pl.col("qty").mean() + BIT)
    """
    world.sales(DAYS[0], 1, 2)
    world.sales(DAYS[1], 3, 4)
    for bit, refusal in (("0.0", None), ("1e-12", None), ("1e-3", "other values in qty")):
        world.jobs(text.replace("BIT", bit))
        found = world.project.accept("mean", sample=Sample(2, 1)).refusal
        assert (refusal is None and found is None) or refusal in found
        world.run()


def test_somebodys_file_is_kept_pinned_and_its_readers_become_stale(sales):
    sales.run()
    file = by_hand(sales)
    bytes_then = file.read_bytes()
    accepted = sales.project.accept("clean")
    assert accepted.acceptance.count(Treatment.HAND) == 1
    planned = sales.project.plan().tasks["clean_sales"]
    assert (planned.state[1], planned.reason[1]) == (State.FRESH, Reason.PINNED)
    assert sales.planned() == {"two_days": [DAYS[1], DAYS[2]], "by_month": ["2024-01"]}
    sales.run()
    assert file.read_bytes() == bytes_then
    assert sales.read("monthly")["qty"].to_list()[0] == 1 + 10 + 99


def test_a_pinned_partition_is_not_made_again_by_code_or_inputs(sales):
    sales.run()
    file = by_hand(sales)
    sales.project.accept("clean")
    sales.run()
    sales.sales(DAYS[1], 5, 5)
    recode(sales, OTHER)
    assert DAYS[1] not in sales.planned()["clean_sales"]
    sales.run()
    assert pl.read_parquet(file, hive_partitioning=False)["qty"].to_list() == [99]
    assert [s.pinned for s in sales.project.status()] == [0, 1, 0, 0]


def test_a_backfill_releases_the_pin(sales):
    sales.run()
    file = by_hand(sales)
    sales.project.accept("clean")
    sales.project.backfill(asked=Asked(("clean",), keys=(DAYS[1],)))
    assert pl.read_parquet(file)["qty"].to_list() == [2, 10]
    assert [r.pinned for r in history(sales)] == [False, True, False]
    recode(sales, OTHER)
    assert DAYS[1] in sales.planned()["clean_sales"]


def test_a_pinned_file_that_is_deleted_or_changed_again_is_pinned_no_more(sales):
    sales.run()
    file = by_hand(sales)
    sales.project.accept("clean")
    by_hand(sales, store=["s8"], qty=[88])
    assert sales.project.plan().tasks["clean_sales"].reason[1] == Reason.CHANGED_OUTSIDE
    file.unlink()
    sales.run()
    assert pl.read_parquet(file)["qty"].to_list() == [2, 10]


def test_a_pinned_file_that_is_put_back_is_pinned_again(sales):
    sales.run()
    file = by_hand(sales)
    theirs = file.read_bytes()
    sales.project.accept("clean")
    sales.project.backfill(asked=Asked(("clean",), keys=(DAYS[1],)))
    file.write_bytes(theirs)
    assert sales.project.plan().tasks["clean_sales"].reason[1] == Reason.PINNED


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"store": ["s9"]}, "qty"),
        ({"store": ["s9"], "qty": ["many"]}, "Int64"),
        ({"store": ["s9"], "qty": [1], "date": ["2024-01-31"]}, "stands in the path"),
    ],
)
def test_a_file_that_is_not_what_the_dataset_holds_is_not_accepted(sales, columns, said):
    sales.run()
    by_hand(sales, **columns)
    (group,) = sales.project.accept("clean").acceptance.groups
    assert group.kind is Treatment.LEFT
    assert said in group.text
    assert sales.project.plan().tasks["clean_sales"].reason[1] == Reason.CHANGED_OUTSIDE


def test_a_file_that_was_never_recorded_can_be_accepted(sales):
    file = sales.file("clean", DAYS[1])
    file.parent.mkdir(parents=True)
    by_hand(sales)
    sales.project.accept("clean")
    sales.run()
    assert pl.read_parquet(file, hive_partitioning=False)["qty"].to_list() == [99]
    assert sales.project.plan().steps == 0


def test_a_pinned_output_stays_while_its_sibling_is_made_again(world):
    world.jobs("""
    one = Dataset("one", Daily("2024-01-30", end="2024-01-31"))
    two = Dataset("two", Daily("2024-01-30", end="2024-01-31"))

    @task(writes=[one, two])
    def both():
        return pl.DataFrame({"n": [1]}), pl.DataFrame({"n": [2]})
    """)
    world.run()
    pl.DataFrame({"n": [9]}).write_parquet(world.file("one", DAYS[0]))
    world.project.accept("one")
    world.file("two", DAYS[0]).unlink()
    world.run()
    assert [world.read(n)["n"].to_list() for n in ("one", "two")] == [[9], [2]]
    assert world.project.plan().steps == 0
    world.project.backfill("one")
    assert world.read("one")["n"].to_list() == [1]


def test_a_metastore_from_before_pins_is_brought_up_to_date(sales):
    sales.run()
    path = sales.root / "warehouse/.partflow/metastore.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        migrations = resources.files("partflow.metastore.sqlite") / "migrations.sql"
        since = migrations.read_text("utf-8")
        for index in re.findall(r"CREATE INDEX (\w+)", since):
            old.execute(f"DROP INDEX {index}")
        for table, column in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", since):
            old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        for table in re.findall(r"CREATE TABLE (\w+)", since):
            old.execute(f"DROP TABLE {table}")
        old.execute("UPDATE meta SET value = '1' WHERE name = 'schema'")
    old.close()
    assert sales.run().ran == 0
    by_hand(sales)
    sales.project.accept("clean")
    assert sales.project.plan().tasks["clean_sales"].reason[1] == Reason.PINNED
