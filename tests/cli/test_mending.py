"""`rollback`, `gc` and `state rebuild`: what they print, what they ask, and their exit codes."""

from __future__ import annotations

import pytest

DAY = "2024-01-05"


@pytest.fixture
def twice(shop):
    """One day was made from one more row than before."""
    shop.made()
    shop.land(DAY, "harbour,bread,3,2.50")
    return shop.made()


def metastore(shop):
    return shop.root / "warehouse/.partflow/metastore.sqlite"


def test_rollback_lists_puts_back_and_releases(twice):
    rows = twice.rows("clean_sales")
    listed = twice.run("rollback", "clean_sales", "-p", DAY, "--list")
    assert (listed.code, listed.last) == (0, "1 kept")
    document = twice.run(
        "rollback", "clean_sales", "-p", DAY, "--list", "--output", "json"
    ).document
    (kept,) = document
    assert not kept["present"]
    assert listed.lines[0].split()[0] == str(kept["number"])
    done = twice.run("rollback", "clean_sales", "-p", DAY, "--yes")
    assert done.code == 0
    assert done.last == (
        f"put back and pinned 1 file (clean_sales@{DAY}); to release: "
        f"partflow rollback clean_sales -p {DAY} --release"
    )
    assert twice.rows("clean_sales") == rows - 1
    assert "put back as the run" in twice.run("why", "clean_sales", "-p", DAY).out
    released = twice.run("rollback", "clean_sales", "-p", DAY, "--release")
    assert released.last == f"released 1 file (clean_sales@{DAY})"
    twice.made()
    assert twice.rows("clean_sales") == rows


def test_without_a_terminal_what_puts_back_or_sweeps_needs_yes(twice):
    before = twice.rows("clean_sales")
    said = twice.run("rollback", "clean_sales", "-p", DAY)
    assert (said.code, twice.rows("clean_sales")) == (2, before)
    assert "give --yes" in said.err
    staged = twice.root / "warehouse/.partflow/staging/20200101-000000-abcd/1.tmp"
    staged.parent.mkdir(parents=True)
    staged.write_text("left")
    assert twice.run("gc").code == 2
    assert twice.run("gc", "--dry-run").last == "1 file of 4 B, 0 runs would be swept"
    assert staged.exists()
    assert twice.run("gc", "--yes").last == "swept 1 file of 4 B, 0 runs"
    assert twice.run("gc").last == "nothing to sweep"
    assert twice.run("gc", "--output", "json").document["sentence"] == "nothing to sweep"


def test_a_lost_metastore_is_named_with_what_to_do_and_is_made_anew(shop):
    shop.made()
    metastore(shop).unlink()
    for command in ("materialize", "plan", "status"):
        said = shop.run(command)
        assert (said.code, said.out) == (2, "")
        assert "`partflow state rebuild`" in said.err
        assert "Traceback" not in said.err
    assert shop.run("state", "rebuild").last.startswith("made anew: 29 partitions of tasks, ")
    assert shop.run("materialize").last == "nothing to do: 29 fresh"


def test_a_metastore_that_is_damaged_in_its_middle_shows_no_traceback(shop):
    shop.made()
    data = bytearray(metastore(shop).read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    metastore(shop).write_bytes(data)
    said = shop.run("runs")
    assert said.code == 2
    assert "state rebuild" in said.err
    assert "Traceback" not in said.err
    rebuilt = shop.run("state", "rebuild", "--output", "json").document
    assert rebuilt["aside"].endswith("metastore.replaced1")
    assert shop.run("materialize").last == "nothing to do: 29 fresh"


def test_a_metastore_that_can_be_read_is_replaced_only_on_request(shop):
    shop.made()
    before = metastore(shop).read_bytes()
    assert shop.run("state", "rebuild").code == 2
    assert metastore(shop).read_bytes() == before
    assert shop.run("state", "rebuild", "--yes").code == 0
    assert shop.run("runs").code == 0
    assert shop.run("materialize").last == "nothing to do: 29 fresh"


def test_options_of_rollback_that_exclude_one_another_are_refused(shop):
    said = shop.run("rollback", "clean_sales", "-p", DAY, "--list", "--release")
    assert said.code == 2
    assert "give one" in said.err


@pytest.fixture
def narrowed(shop):
    """A shop whose days end two days earlier than those that were made."""
    shop.made()
    shop.edit('"2024-01-15"', '"2024-01-13"')
    return shop


SAID = "not shown: clean_sales, 2 partitions (2024-01-13 .. 2024-01-14, "


def test_status_and_a_dry_run_of_gc_say_what_is_not_shown(narrowed):
    for words in (("status",), ("gc", "--dry-run")):
        said = narrowed.run(*words)
        assert SAID in said.out
        assert "stays until partflow gc --undeclared clean_sales trailing_week moves it" in said.out
    for words in (("status",), ("gc", "--dry-run")):
        document = narrowed.run(*words, "--output", "json").document
        assert document["undeclared"][0] == {
            "dataset": "clean_sales",
            "why": "range",
            "keys": ["2024-01-13", "2024-01-14"],
            "bytes": document["undeclared"][0]["bytes"],
        }


def test_gc_moves_what_is_not_shown_into_the_history(narrowed):
    assert narrowed.run("gc", "--undeclared", "clean_sales").code == 2
    assert SAID in narrowed.run("gc", "--undeclared", "clean_sales", "--dry-run").out
    done = narrowed.run("gc", "--undeclared", "clean_sales", "--yes")
    assert (done.code, done.last.partition(" of ")[0]) == (0, "moved 2 files")
    assert SAID not in narrowed.run("status").out
    assert narrowed.run("gc", "--undeclared", "clean_sales", "--yes").code == 2


def test_gc_is_told_of_which_datasets_or_that_it_is_to_move(narrowed):
    for words in (("gc", "--undeclared", "--yes"), ("gc", "clean_sales", "--yes")):
        assert narrowed.run(*words).code == 2
