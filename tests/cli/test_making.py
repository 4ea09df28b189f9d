"""`plan`, `materialize` and `backfill`: what they make, what they print, how they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import polars as pl
import pytest

from partflow.metastore.flockleases import FlockLeases
from partflow.planning.footprint import EVERYTHING

DAYS = 14
ALL = 2 * DAYS + 1


def test_a_first_run_makes_everything_and_says_how_much(shop):
    said = shop.run("materialize")
    assert said.code == 0
    assert re.fullmatch(r"ran 29, unchanged 0, skipped 0, failed 0 in \d+\.\d s", said.last)
    assert shop.rows("monthly_sales") == 3


def test_a_second_run_says_nothing_to_do_and_changes_no_file(shop):
    before = shop.made().files()
    said = shop.run("materialize")
    assert (said.code, said.out) == (0, "nothing to do: 29 fresh\n")
    assert shop.files() == before


def test_a_dry_run_writes_nothing_at_all(shop):
    before = shop.files()
    said = shop.run("materialize", "-n")
    assert said.last == "29 partitions will be made, 0 may be"
    assert shop.files() == before
    assert not (shop.root / "warehouse").exists()


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_deleted_partition_is_made_again_and_nothing_after_it(shop, whole_folder):
    before = shop.made().files("warehouse/trailing_week")
    path = shop.data("clean_sales", "date=2024-01-07")
    path.unlink()
    if whole_folder:
        path.parent.rmdir()
    said = shop.run("materialize")
    assert said.last.startswith("ran 1, unchanged 1, skipped 8, failed 0 in ")
    assert path.exists()
    assert shop.files("warehouse/trailing_week") == before


def test_a_file_that_cannot_be_read_is_made_again(shop):
    path = shop.made().data("clean_sales", "date=2024-01-07")
    path.write_bytes(b"PAR1 and then nothing")
    assert "its file cannot be read" in shop.run("plan").out
    assert shop.run("materialize").last.startswith("ran 1, ")
    assert pl.read_parquet(path, hive_partitioning=False).height > 0


def test_a_file_that_somebody_changed_is_kept_until_a_backfill(shop):
    path = shop.made().data("clean_sales", "date=2024-01-07")
    pl.read_parquet(path, hive_partitioning=False).head(1).write_parquet(path)
    theirs = path.read_bytes()
    said = shop.run("materialize")
    assert said.code == 1
    assert "changed outside partflow" in said.out
    assert "  again: partflow backfill clean_sales -p 2024-01-07" in said.lines
    assert "  keep: partflow accept clean_sales -p 2024-01-07" in said.lines
    assert said.last == "nothing to do: 28 fresh, 1 blocked"
    assert path.read_bytes() == theirs
    assert shop.run("backfill", "clean_sales", "-p", "2024-01-07").code == 0
    assert path.read_bytes() != theirs
    assert shop.run("materialize").out == "nothing to do: 29 fresh\n"


def test_another_content_of_a_source_makes_exactly_what_depends_on_it(shop):
    shop.made().land("2024-01-05", "north,tea,3,4.50")
    plan = shop.run("plan")
    assert [line.split()[:2] for line in plan.lines[:3]] == [
        ["clean_sales", "run"],
        ["monthly_sales", "may"],
        ["trailing_week", "may"],
    ]
    assert plan.last == "1 partition will be made, 8 may be"
    assert shop.run("materialize").last.startswith("ran 9, unchanged 0, skipped 0, failed 0 in ")


def test_a_change_of_a_source_that_makes_equal_content_goes_no_further(shop):
    shop.made().land("2024-01-05", "north,tea,0,4.50")
    assert shop.run("materialize").last.startswith("ran 1, unchanged 1, skipped 8, failed 0 in ")


def test_changed_code_makes_stale_and_a_changed_comment_does_not(shop):
    shop.made().edit("# One declaration", "# The one declaration")
    shop.edit('"""Sales without', '"""All sales without')
    assert shop.run("plan").last == "nothing to do: 29 fresh"
    shop.edit('pl.col("qty") > 0', 'pl.col("qty") > 1')
    plan = shop.run("plan")
    assert "changed code makes 14 partitions stale: clean_sales 14" in plan.lines
    assert plan.last == "14 partitions will be made, 15 may be"


def test_a_constant_that_two_tasks_use_makes_both_stale(shop):
    shop.made().edit(".round(2)", ".round(1)")
    assert (
        "changed code makes 15 partitions stale: monthly_sales 1, trailing_week 14"
        in shop.run("plan").lines
    )


def test_a_backfill_makes_its_range_again_and_appends_nothing(shop):
    rows = shop.made().rows("clean_sales")
    words = ("clean_sales", "--start", "2024-01-03", "--end", "2024-01-06")
    said = shop.run("backfill", *words)
    assert said.err == "3 partitions, 2024-01-03 .. 2024-01-05\n"
    assert said.last.startswith("ran 3, unchanged 3, skipped 0, failed 0 in ")
    assert shop.rows("clean_sales") == rows


def test_a_backfill_of_what_is_missing_leaves_the_rest(shop):
    shop.made().data("clean_sales", "date=2024-01-04").unlink()
    said = shop.run("backfill", "clean_sales", "--only", "missing")
    assert said.last.startswith("ran 1, ")


def test_a_backfill_has_to_be_told_what(shop):
    said = shop.run("backfill")
    assert said.code == 2
    assert "a dataset, or a selection" in said.err


FAILING = """
    if raw.filter(pl.col("store") == "harbour").collect().height == 3:
        raise ValueError("three of the harbour")
    return raw.filter"""


def test_a_failing_task_leaves_the_rest_and_says_where_and_how_to_run_it_again(shop):
    shop.made()
    before = shop.files("warehouse/clean_sales")
    shop.edit("\n    return raw.filter", FAILING)
    said = shop.run("materialize")
    assert said.code == 1
    failed = re.findall(r"^failed clean_sales@(\S+): ValueError: three of", said.err, re.MULTILINE)
    assert failed
    assert "  at jobs/sales.py:25" in said.err.splitlines()
    assert '      raise ValueError("three of the harbour")' in said.err.splitlines()
    assert "/partflow/execution/" not in said.err
    assert "\n  again: partflow materialize clean_sales" in said.err
    number = re.search(r"failed (\d+),? ", said.last)
    assert number
    assert int(number[1]) >= len(failed)
    assert shop.files("warehouse/clean_sales").keys() == before.keys()


def test_what_failed_is_the_only_thing_that_is_left_when_it_is_mended(shop):
    shop.edit("\n    return raw.filter", FAILING)
    first = shop.run("materialize", "--output", "json").document
    assert first["failed"] > 0
    assert first["ran"] > 0
    names = {f["dataset"] for f in first["failures"]}
    assert names == {"clean_sales"}
    shop.edit(FAILING, "\n    return raw.filter")
    again = shop.run("materialize", "--output", "json").document
    assert again["failed"] == 0
    assert again["plan"]["sentence"].endswith("0 may be")
    assert shop.run("materialize").out == "nothing to do: 29 fresh\n"


def test_a_tasks_first_failure_is_told_and_equal_ones_are_counted(shop):
    shop.edit(
        "\n    return raw.filter", '\n    raise ValueError("no\\nway")\n    return raw.filter'
    )
    said = shop.run("materialize")
    assert said.err.count("failed clean_sales@") == 1
    assert "    way" in said.err.splitlines()
    others = "failed in the same way: 13 more of clean_sales, 2024-01-02 .. 2024-01-14"
    assert others in said.err.splitlines()
    assert "  again: partflow materialize clean_sales" in said.err.splitlines()
    assert re.fullmatch(
        r"ran 0, unchanged 0, skipped 0, failed 14, blocked 15 in \d+\.\d s", said.last
    )


def test_a_task_that_fails_again_and_again_in_the_same_way_is_left_for_this_run(shop):
    (shop.root / "jobs/many.py").write_text(
        "import polars as pl\n"
        "from partflow import Daily, Dataset, task\n"
        'many = Dataset("many", Daily("2023-01-01", end="2024-01-01"))\n'
        "@task(writes=many)\n"
        "def make_many() -> pl.DataFrame:\n"
        '    raise ValueError("no")\n'
    )
    document = shop.run("materialize", "many", "--output", "json").document
    (left,) = document["left"]
    assert (left["task"], left["failures"]) == ("make_many", 20)
    assert left["steps"] == document["blocked"] == 365 - document["failed"] > 200
    said = shop.run("materialize", "many")
    more = f"left {left['steps']} more partitions of make_many for this run: it failed 20 times"
    assert f"{more} in a row in the same way" in said.err.splitlines()


def test_a_failure_is_told_while_the_run_goes_on_and_once_only(shop):
    shop.edit(
        "\n    return raw.filter",
        '\n    print("called", file=__import__("sys").__stderr__, flush=True)'
        '\n    raise ValueError("no")\n    return raw.filter',
    )
    said = shop.run("materialize", "clean_sales", "-p", "2024-01-01", "-p", "2024-01-02")
    assert said.err.count("ValueError: no") == 2  # in the line, and in its traceback
    assert said.err.count("failed in the same way: 1 more of clean_sales, 2024-01-02") == 1


def test_fail_fast_begins_nothing_more(shop):
    shop.edit("\n    return raw.filter", '\n    raise ValueError("no")\n    return raw.filter')
    said = shop.run("materialize", "-x", "--output", "json")
    assert said.code == 1
    assert said.document["cancelled"] > 0


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_has_a_line_for_each_group_and_none_for_each_partition(shop):
    said = shop.run("plan")
    assert [re.split(r"\s{2,}", line) for line in said.lines[:-1]] == [
        ["clean_sales", "run", "14 partitions", "2024-01-01 .. 2024-01-14", "never made"],
        ["monthly_sales", "run", "1 partition", "2024-01", "never made"],
        ["trailing_week", "run", "14 partitions", "2024-01-01 .. 2024-01-14", "never made"],
    ]


def test_a_plan_as_json_has_every_range_and_the_counts(shop):
    shop.made()
    for day in ("2024-01-03", "2024-01-04", "2024-01-09"):
        shop.data("clean_sales", f"date={day}").unlink()
    plan = shop.run("plan", "--output", "json").document
    assert plan["steps"][0] == {
        "task": "clean_sales",
        "datasets": ["clean_sales"],
        "action": "run",
        "state": "missing",
        "reason": "gone",
        "cause": None,
        "text": "its file is gone",
        "count": 3,
        "ranges": [["2024-01-03", "2024-01-04"], ["2024-01-09", "2024-01-09"]],
    }
    assert plan["counts"]["run"] == 3
    assert plan["counts"]["maybe"] == 13
    assert plan["selection"][0]["partitions"] == DAYS


def test_ranges_that_do_not_touch_are_counted(shop):
    shop.made()
    for day in ("2024-01-03", "2024-01-05", "2024-01-09"):
        shop.data("clean_sales", f"date={day}").unlink()
    assert "2024-01-03 .. 2024-01-09 in 3 ranges" in shop.run("plan").lines[0]


def test_a_selection_is_said_on_stderr_with_its_range(shop):
    assert shop.run("plan", "clean_sales").err == "14 partitions, 2024-01-01 .. 2024-01-14\n"
    said = shop.run("plan", "+monthly_sales", "--partitions", "2024-01-02..2024-01-03")
    assert said.err == "2 partitions, 2024-01-02 .. 2024-01-03\n"
    said = shop.run("plan", "--start", "2024-01-09")
    assert said.err.splitlines() == [
        "clean_sales, trailing_week: 6 partitions each of 2 datasets, 2024-01-09 .. 2024-01-14",
        "monthly_sales: 1 partition, 2024-01 .. 2024-01",
    ]
    assert shop.run("plan").err == ""


def test_what_is_excluded_is_not_made(shop):
    said = shop.run("materialize", "--exclude", "trailing_week")
    assert said.last.startswith("ran 15, ")


def test_what_waits_is_counted_by_what_it_waits_for_in_the_end(shop):
    (shop.root / "landing/sales/2024-01-03.csv").unlink()
    shop.run("materialize")
    said = shop.run("materialize")
    assert (said.code, said.last) == (0, "nothing to do: 20 fresh, 9 waiting for landing_sales")
    held_groups = shop.run("plan", "--output", "json").document["held"]
    assert {g["state"] for g in held_groups} == {"waiting"}


@pytest.mark.parametrize("command", ["plan", "materialize"])
def test_a_partition_that_is_named_and_cannot_be_made_ends_with_1(shop, command):
    (shop.root / "landing/sales/2024-01-03.csv").unlink()
    said = shop.run(command, "clean_sales", "-p", "2024-01-03")
    assert said.code == 1
    assert "clean_sales@2024-01-03 cannot be made: waits for landing_sales" in said.err


def test_a_partition_that_is_named_and_not_due_ends_with_1(shop):
    shop.edit('"2024-01-01", "2024-01-15"', '"2024-01-01"')
    said = shop.run("materialize", "clean_sales", "-p", "2099-01-01")
    assert said.code == 1
    assert "clean_sales@2099-01-01 cannot be made: it is not due yet" in said.err


# --- exit codes ----------------------------------------------------------------------------------


def test_pending_work_ends_with_3_if_that_is_asked_for(shop):
    assert shop.run("plan").code == 0
    assert shop.run("plan", "--detailed-exitcode").code == 3
    assert shop.run("materialize", "-n", "--detailed-exitcode").code == 3
    assert shop.run("backfill", "clean_sales", "-n", "--detailed-exitcode").code == 3
    assert shop.run("materialize", "--detailed-exitcode").code == 0
    assert shop.run("plan", "--detailed-exitcode").code == 0


def test_waiting_is_not_pending(shop):
    (shop.root / "landing/sales/2024-01-03.csv").unlink()
    shop.run("materialize")
    assert shop.run("plan", "--detailed-exitcode").code == 0


def test_no_wait_ends_with_4_while_another_run_is_at_it(shop):
    leases = FlockLeases(shop.root / "warehouse/.partflow/leases")
    with leases.taken("7", "run 7 of somebody", EVERYTHING):
        said = shop.run("materialize", "--no-wait")
    assert said.code == 4
    assert "run 7 of somebody" in said.err


def test_ctrl_c_lets_what_is_running_end_and_ends_with_130(shop):
    shop.edit(
        "import polars as pl", "import polars as pl\n\n\ndef wait():\n    open('gate').read()"
    )
    shop.edit("    return raw.filter", "    wait()\n    return raw.filter")
    gate = shop.root / "gate"
    os.mkfifo(gate)
    command = [sys.executable, "-m", "partflow", "materialize", "trailing_week", "-p", "2024-01-01"]
    with subprocess.Popen(
        command, cwd=shop.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stdout
        assert process.stderr.readline() == "1 partition, 2024-01-01 .. 2024-01-01\n"
        # This blocks until the task opens the gate to read, and the task until it is closed.
        with gate.open("w"):
            process.send_signal(signal.SIGINT)
            assert "Ctrl-C again stops now" in process.stderr.readline()
        out = process.stdout.read()
    assert process.returncode == 130
    assert out.startswith("ran 1, unchanged 0, skipped 0, failed 0, cancelled 1 in ")


def test_workers_make_the_same(shop):
    command = [sys.executable, "-m", "partflow", "materialize", "-j", "2"]
    done = subprocess.run(command, cwd=shop.root, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("ran 29, unchanged 0, skipped 0, failed 0 in ")
    assert shop.run("materialize").out == "nothing to do: 29 fresh\n"


def test_a_source_that_can_no_longer_be_read_is_said_even_if_nothing_is_to_do(shop):
    shop.made()
    (shop.root / "landing/sales/2024-01-03.csv").write_bytes(b"\xff\xfe\x00garbage\x00")
    for words, code in ((("materialize",), 1), (("plan",), 0), (("status",), 0)):
        said = shop.run(*words)
        assert said.code == code
        assert said.err.count("cannot be read") == 1
        assert said.err.splitlines()[-1].startswith(
            "error: landing_sales@2024-01-03 cannot be read: landing/sales/2024-01-03.csv: "
        )
    assert "cannot be read" in shop.run("why", "landing_sales", "-p", "2024-01-03").out
