"""What somebody has to put right is said once in each output, and heard by an exit code."""

from __future__ import annotations

import json
import os

import pytest
from projects import tables

from partflow.planning.planner import Fault
from partflow.report.faults import fault_lines, fault_reports

BAD = "store,item\nn,tea\n"
FILE = "landing/sales/2024-01-03.csv"


@pytest.fixture
def broken(shop):
    """The shop with all made, and then a correction that cannot be read."""
    shop.made()
    (shop.root / FILE).write_text(BAD)
    return shop


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("materialize",), 1),
        (("materialize", "clean_sales", "-p", "2024-01-03"), 1),
        (("materialize", "clean_sales", "-p", "2024-01-04"), 0),
        (("materialize", "monthly_sales"), 1),
        (("materialize", "--dry-run"), 0),
        (("backfill", "clean_sales", "--yes"), 1),
        (("plan",), 0),
        (("plan", "--detailed-exitcode"), 1),
        (("plan", "clean_sales", "-p", "2024-01-04", "--detailed-exitcode"), 0),
        (("status",), 0),
    ],
)
def test_a_fault_is_said_once_where_it_matters_and_heard_where_something_was_to_be_made(
    broken, words, code
):
    said = broken.run(*words)
    assert said.code == code
    times = 0 if "2024-01-04" in words else 1
    assert (said.out + said.err).count(FILE) == times
    document = json.loads(broken.run(*words, "--output", "json").out)
    assert [(f["dataset"], f["key"], f["file"]) for f in document["faults"]] == (
        [("landing_sales", "2024-01-03", FILE)] * times
    )
    assert all(f["reason"] and f["advice"] for f in document["faults"])
    assert json.dumps(document).count(FILE) == times


def test_what_was_made_of_its_last_good_content_stays_and_is_shown_as_that(broken):
    document = broken.run("status", "--output", "json").document
    counts = {d["dataset"]: (d["fresh"], d["blocked"]) for d in document["datasets"]}
    assert counts["landing_sales"] == (13, 1)
    assert counts["clean_sales"] == (13, 1)
    assert counts["trailing_week"] == (7, 7)
    assert counts["monthly_sales"] == (0, 1)
    assert [d["last_good"] for d in document["datasets"]] == [0, 1, 1, 7]
    note = "9 blocked partitions as made of the last good content: clean_sales 1, "
    assert note in broken.run("status").out
    why = broken.run("why", "monthly_sales", "-p", "2024-01").out
    assert why.count("cannot be read: landing/sales/2024-01-03.csv: ") == 1
    assert "what was made before stays" in why


def test_many_files_that_are_at_fault_for_one_reason_share_a_line(broken):
    for day in range(1, 15):
        (broken.root / f"landing/sales/2024-01-{day:02}.csv").write_text(BAD)
    said = broken.run("plan").err
    assert said.count("cannot be read") == 1
    assert "landing_sales@2024-01-01, 2024-01-02, 2024-01-03 and 11 more cannot be read" in said


def test_a_first_run_with_one_file_that_cannot_be_read_tells_what_it_came_to(shop):
    (shop.root / "landing/sales/2024-01-01.csv").write_text(BAD)
    said = shop.run("materialize")
    assert said.code == 1
    assert said.last.startswith("ran 20, unchanged 0, skipped 0, failed 0, blocked 9 in ")


@pytest.mark.parametrize("words", [("status",), ("plan",), ("materialize",), ("ls",)])
def test_jobs_that_cannot_be_imported_are_an_error_in_json_too(shop, words):
    (shop.root / "jobs/bad.py").write_text("x(\n")
    said = shop.run(*words, "--output", "json")
    assert said.code == 2
    assert "jobs.bad" in said.document["error"]
    assert said.document["exit_code"] == 2
    assert "jobs.bad" in said.err


def test_words_that_mean_nothing_are_an_error_in_json_too(shop):
    said = shop.run("plan", "nothing_such", "--output=json")
    assert said.code == 2
    assert "nothing_such" in said.document["error"]
    assert shop.run("plan", "--nothing-such", "--output", "json").document["exit_code"] == 2


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_catalog_that_cannot_be_written_takes_nothing_from_what_the_run_tells(shop, output):
    (shop.root / "warehouse/catalog.duckdb").mkdir(parents=True)
    said = shop.run("materialize", "--output", output)
    assert said.code == 1
    told = said.document["catalog"] if output == "json" else said.err
    assert "catalog.duckdb could not be written: " in told
    assert "ran 29, unchanged 0" in said.out
    again = shop.run("materialize", "--output", output)
    assert "nothing to do: 29 fresh" in again.out


def test_an_error_of_very_many_lines_is_shown_by_its_beginning_and_its_end(shop):
    shop.edit(
        'return raw.filter(pl.col("qty") > 0)',
        'raise ValueError("\\n".join(["first", *["x"] * 9771, "last"]))',
    )
    said = shop.run("materialize", "clean_sales", "-p", "2024-01-03")
    assert len(said.err.splitlines()) < 60
    assert "ValueError: first" in said.err
    assert "lines are left out here" in said.err
    assert "last" in said.err


def test_a_clock_that_is_behind_is_said_before_anything_is_made(shop):
    shop.made()
    with tables(shop.root / "warehouse/.partflow/metastore.sqlite") as c:
        c.execute("UPDATE materializations SET made_at = made_at + 300000")
    said = shop.run("backfill", "clean_sales", "--yes")
    assert said.code == 1
    assert "error: the clock is 3 days behind the last record, of " in said.err
    assert said.out == ""
    assert shop.run("plan", "--detailed-exitcode").code == 1
    (fault,) = shop.run("status", "--output", "json").document["faults"]
    assert (fault["dataset"], fault["file"]) == (None, None)
    assert shop.run("backfill", "clean_sales", "--yes", "--trust-clock").code == 0
    assert shop.run("materialize").code == 0


def test_files_of_sources_that_changed_in_silence_are_listed_by_a_check(broken):
    file = broken.root / "landing/sales/2024-01-05.csv"
    before = file.stat()
    file.write_text(file.read_text().replace("1", "2"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = broken.run("check", "--verify")
    assert said.code == 1
    assert [line.split()[:2] for line in said.lines[:2]] == [
        ["landing_sales", "2024-01-03"],
        ["landing_sales", "2024-01-05"],
    ]
    assert said.last == "read 43 files: 2 not as recorded"


def test_files_at_fault_for_very_many_reasons_take_few_lines():
    faults = [
        Fault("s", f"2024-01-0{n}", f"{n}.csv", f"reason {n}", "mend it") for n in range(1, 8)
    ]
    lines = fault_lines(fault_reports(faults))
    assert lines[0] == "s@2024-01-01 cannot be read: 1.csv: reason 1; mend it"
    assert len(lines) == 4
    assert lines[-1].startswith("4 more files of s cannot be read, for other reasons")


def test_what_waits_for_a_file_that_was_there_is_told_by_the_run(shop):
    shop.made()
    (shop.root / FILE).unlink()
    assert shop.run("materialize").lines == ["nothing to do: 29 fresh"]
    shop.edit('pl.col("qty") > 0', 'pl.col("qty") >= 1')
    assert (
        "waits for landing_sales, whose file was there and is gone" in shop.run("materialize").out
    )


@pytest.mark.parametrize("words", [("runs", "last"), ("why", "clean_sales", "-p", "2024-01-03")])
def test_what_was_said_of_such_an_error_is_as_short_later(shop, words):
    shop.made()
    shop.edit(
        'return raw.filter(pl.col("qty") > 0)',
        'raise ValueError("\\n".join(["first", *["x"] * 3000, "last"]))',
    )
    shop.run("materialize", "clean_sales", "-p", "2024-01-03")
    said = shop.run(*words)
    assert len(said.lines) < 60
    assert "lines are left out here" in said.out
