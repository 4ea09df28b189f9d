"""`accept` and `check` on the command line: what they print, ask, refuse, and exit with."""

import polars as pl
import pytest

EQUAL = ('pl.col("qty") > 0', 'pl.col("qty").gt(0)')
OTHER = ('pl.col("qty") > 0', 'pl.col("qty") > 5')


def by_hand(shop):
    file = shop.data("clean_sales", "date=2024-01-07")
    frame = pl.read_parquet(file, hive_partitioning=False)
    frame.with_columns(qty=pl.col("qty") + 1).write_parquet(file)


def test_accept_says_what_it_accepted_and_plan_has_nothing_left(shop):
    shop.made().edit(*EQUAL)
    said = shop.run("accept", "clean_sales", "--verify-sample", "3", "--seed", "5")
    assert said.code == 0
    assert said.err.splitlines() == [
        "14 partitions, 2024-01-01 .. 2024-01-14",
        "sample of 3, --seed 5",
    ]
    assert said.lines == [
        (
            "clean_sales  accept  14 partitions  2024-01-01 .. 2024-01-14  "
            "the code of clean_sales changed"
        ),
        "accepted 14, pinned 0 after 3 partitions made aside came out equal",
    ]
    assert shop.run("plan").last == "nothing to do: 29 fresh"
    assert shop.run("accept", "clean_sales").last == "nothing to accept"


def test_a_sample_that_differs_exits_with_1_and_names_the_partition(shop):
    shop.made().edit(*OTHER)
    said = shop.run("accept", "clean_sales", "--verify-sample", "14")
    assert said.code == 1
    assert "differs clean_sales@2024-01-" in said.out
    assert said.last.startswith("nothing accepted: clean_sales@2024-01-")
    assert "14 partitions will be made" in shop.run("plan").last


def test_a_dry_run_of_accept_records_nothing(shop):
    shop.made().edit(*EQUAL)
    before = shop.files()
    said = shop.run("accept", "clean_sales", "-n")
    assert said.code == 0
    assert said.last == "14 partitions would be accepted, 0 pinned"
    assert shop.files() == before


def test_accept_in_json_is_one_document(shop):
    shop.made().edit(*EQUAL)
    by_hand(shop)
    found = shop.run("accept", "clean_sales", "--output", "json").document
    assert (found["accepted"], found["pinned"], found["left"]) == (13, 1, 0)
    assert {g["action"] for g in found["groups"]} == {"accept", "pin"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accept",), "needs to be told what"),
        (("accept", "clean_sales", "--seed", "1"), "give --verify-sample N too"),
        (("accept", "clean_sale"), "clean_sales"),
        (("check",), "say what to check"),
    ],
)
def test_what_means_nothing_is_said_and_exits_with_2(shop, words, said):
    found = shop.run(*words)
    assert found.code == 2
    assert said in found.err


def test_status_and_why_say_that_a_partition_is_pinned(shop):
    shop.made()
    by_hand(shop)
    assert shop.run("accept", "clean_sales").last == "accepted 0, pinned 1"
    notes = shop.run("status").out
    assert "1 partition pinned, by somebody's choice: clean_sales 1" in notes
    said = shop.run("why", "clean_sales", "-p", "2024-01-07")
    assert said.lines[0] == ("clean_sales@2024-01-07 is fresh: pinned, by somebody's choice")
    assert "somebody's file, kept as it was found and pinned until a backfill, by run" in said.out
    assert shop.run("status", "--output", "json").document["datasets"][1]["pinned"] == 1


def test_why_says_that_new_code_was_accepted(shop):
    shop.made().edit(*EQUAL)
    shop.run("accept", "clean_sales", "--verify-sample", "1")
    said = shop.run("why", "clean_sales", "-p", "2024-01-07").out
    assert "accepted for the code of clean_sales, a sample of 1 was made and was equal" in said


def test_a_partition_that_was_named_and_is_left_exits_with_1(shop):
    shop.made().edit(*EQUAL)
    shop.land("2024-01-07", "north,tea,9,9.0")
    said = shop.run("accept", "clean_sales", "-p", "2024-01-07")
    assert said.code == 1
    assert said.last == "nothing to accept, 1 left as they are"


def test_check_twice_prints_a_line_for_each_task_and_a_sentence(shop):
    said = shop.made().run("check", "--twice")
    assert said.code == 0
    assert said.last == "made 3 partitions twice: all the same"
    assert [line.split()[0] for line in said.lines[:-1]] == [
        "clean_sales",
        "monthly_sales",
        "trailing_week",
    ]


def test_check_twice_names_the_task_that_does_not_make_the_same(shop):
    shop.made().edit(
        'raw.filter(pl.col("qty") > 0)',
        'raw.with_columns(qty=pl.lit(__import__("time").monotonic_ns()))',
    )
    said = shop.run("check", "--twice", "clean_sales")
    assert said.code == 1
    assert "other values in qty" in said.out
    assert said.last == "made 1 partition twice: not the same: clean_sales"
    found = shop.run("check", "--twice", "clean_sales", "--output", "json").document
    assert found["trials"][0]["verdict"] == "differs"


def test_a_partition_that_was_named_and_cannot_be_made_exits_with_1(shop):
    said = shop.run("check", "--twice", "monthly_sales", "-p", "2024-01")
    assert said.code == 1
    assert "it cannot be made: clean_sales@2024-01-01 has not arrived" in said.out
    assert said.last == "made nothing twice"


def test_check_verify_lists_what_is_not_as_recorded(shop):
    assert shop.made().run("check", "--verify").last == "read 43 files: all as recorded"
    by_hand(shop)
    shop.data("trailing_week", "date=2024-01-02").write_bytes(b"no Parquet")
    said = shop.run("check", "--verify")
    assert said.code == 1
    assert "clean_sales" in said.out
    assert "changed outside partflow" in said.out
    assert said.last == "read 43 files: 2 not as recorded"
    faults = shop.run("check", "--verify", "--output", "json").document["faults"]
    assert [f["dataset"] for f in faults] == ["clean_sales", "trailing_week"]
