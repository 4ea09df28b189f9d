"""`runs` and `logs`: what was run, what it cost, with which graph, and what it wrote."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from partflow.metastore.record import StepLog
from partflow.metastore.runlog import RunLog, begun
from partflow.metastore.sqlite.metastore import SqliteMetastore

MANY = '\n    for i in range(70_000):\n        print("line", i)\n    raise ValueError("no")'
PRINTS = '\n    print("three\\nlines of", partition.key)\n    return raw.filter'


def newest(shop) -> dict:
    return shop.run("runs", "--limit", "1", "--output", "json").document["runs"][0]


def with_partition(shop, body: str) -> None:
    shop.edit(
        "def clean_sales(raw: pl.LazyFrame)",
        "def clean_sales(raw: pl.LazyFrame, partition: Partition)",
    )
    shop.edit("Monthly, Source", "Monthly, Partition, Source")
    shop.edit("\n    return raw.filter", body)


# --- runs ----------------------------------------------------------------------------------------


def test_runs_lists_who_ran_what_when_and_what_came_of_it(shop):
    assert shop.run("runs").out == "nothing was run yet\n"
    shop.made()
    head, line = shop.run("runs").lines
    assert head.split() == [
        "run", "began", "seconds", "state", "ran", "unchanged", "skipped", "failed", "blocked",
        "cancelled", "by", "command",
    ]  # fmt: skip
    row = newest(shop)
    assert line.split()[:2] == [row["run"], row["started_at"]]
    assert line.split()[3:10] == ["done", "29", "0", "0", "0", "0", "0"]
    assert line.endswith(f"{row['owner']}@{row['host']}  partflow materialize")


def test_a_run_is_named_by_its_id_its_beginning_or_as_the_last_one(shop):
    shop.made()
    run = newest(shop)["run"]
    named = [shop.run("runs", word).lines[0] for word in (run, run[:-1], "last")]
    assert named == [f"run {run}: done"] * 3


def test_a_run_that_is_not_there_is_refused_and_a_like_one_offered(shop):
    assert "nothing was run yet" in shop.run("runs", "last").err
    shop.made()
    run = newest(shop)["run"]
    wrong = run[:-1] + ("0" if run[-1] != "0" else "1")
    said = shop.run("runs", wrong)
    assert (said.code, said.err) == (
        2, f"error: there is no run {wrong!r}; did you mean {run!r}?\n",
    )  # fmt: skip
    assert "`partflow runs` lists them" in shop.run("runs", "nope").err
    assert shop.run("backfill", "monthly_sales", "--yes").code == 0
    assert "is the beginning of" in shop.run("runs", run[:2]).err


def test_a_run_of_few_steps_is_shown_step_by_step_with_their_times(shop):
    shop.edit(
        "\n    return raw.filter", '\n    raise ValueError("no\\nnever")\n    return raw.filter'
    )
    shop.edit("writes=clean)", 'writes=clean, retries=1, retry_delay="1ms")')
    assert shop.run("materialize", "clean_sales", "-p", "2024-01-03").code == 1
    said = shop.run("runs", "last")
    run = newest(shop)
    assert said.lines[:4] == [
        f"run {run['run']}: failed",
        "  command    partflow materialize clean_sales -p 2024-01-03",
        "  asked for  clean_sales 2024-01-03",
        f"  by         {run['owner']}@{run['host']}, process {run['pid']}",
    ]
    assert "ran 0, unchanged 0, skipped 0, failed 1, blocked 0, cancelled 0" in said.lines[5]
    head, first, second = said.lines[7:10]
    assert head.startswith("task         partition   attempt  state   reason  seconds  0 s")
    for number, line in enumerate((first, second), 1):
        assert line.split()[:5] == ["clean_sales", "2024-01-03", str(number), "failed", "never"]
        assert "█" in line
    assert said.lines[10:] == [
        "",
        "failed clean_sales@2024-01-03 (2 attempts):",
        "  ValueError: no",
        "  never",
    ]


def test_a_run_of_many_steps_is_shown_by_task_on_one_screen(shop):
    with SqliteMetastore.open(shop.root / "warehouse/.partflow/metastore.sqlite") as metastore:
        log = RunLog(metastore)
        log.begin(begun("20260301-000000-aaaa", "partflow materialize", 1000.0), "{}")
        steps = [
            StepLog(
                f"task_{i % 3}", f"{i // 3:06}", 1, "failed" if i % 5000 == 7 else "made", "never",
                0.001, f"ValueError: {i}" if i % 5000 == 7 else None, i, 1000 + i / 1000,
            )
            for i in range(30_000)
        ]  # fmt: skip
        log.steps_ended("20260301-000000-aaaa", 1030.0, steps)
    lines = shop.run("runs", "last").lines
    assert len(lines) < 30
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if line.startswith("task_1 ") and "10,000" in line]
    assert row.split()[:7] == ["task_1", "10,000", "10,000", "2", "000000", "..", "009999"]
    pictures = [line for line in lines if line.startswith("task_") and "▃" in line]
    assert len(pictures) == 3
    assert "and 1 more messages; --task NAME shows all of a task" in lines


def test_single_attempts_are_shown_by_task_and_partition_with_what_they_cost(shop):
    shop.made()
    said = shop.run("runs", "last", "--task", "clean_sales", "-p", "2024-01-03", "-p", "2024-01-04")
    assert [line.split()[:5] for line in said.lines[1:]] == [
        ["clean_sales", key, "1", "made", "never"] for key in ("2024-01-03", "2024-01-04")
    ]
    said = shop.run("runs", "last", "--task", "clean_sale")
    assert said.code == 2
    assert "attempted nothing of task 'clean_sale'; did you mean 'clean_sales'?" in said.err
    assert "nothing of partition '2023-01-01'" in shop.run("runs", "last", "-p", "2023-01-01").err
    assert shop.run("runs", "--task", "clean_sales").code == 2


def test_json_gives_every_attempt_the_profile_and_the_graph(shop):
    shop.made()
    found = shop.run("runs", "last", "--output", "json").document
    assert (found["state"], found["ran"], found["request"]) == ("done", 29, "everything")
    assert len(found["steps"]) == 29
    assert len({s["serial"] for s in found["steps"]}) == 29
    assert {s["attempt"] for s in found["steps"]} == {1}
    assert all(s["began_at"] and s["seconds"] > 0 and s["memory"] for s in found["steps"])
    assert [t["name"] for t in found["graph"]["tasks"]] == [
        "clean_sales", "monthly_sales", "trailing_week",
    ]  # fmt: skip
    assert {p["task"]: p["steps"] for p in found["profile"]} == {
        "clean_sales": 14, "monthly_sales": 1, "trailing_week": 14,
    }  # fmt: skip


def test_a_profile_sums_up_what_each_task_cost_the_longest_first(shop):
    shop.made()
    steps = shop.run("runs", "last", "--output", "json").document["steps"]
    lines = shop.run("runs", "last", "--profile").lines
    rows = {line.split()[0]: line.split() for line in lines[1:5]}
    walls = [float(row[3]) for row in list(rows.values())[:3]]
    assert walls == sorted(walls, reverse=True)
    assert rows["all"][1:3] == ["29", "29"]
    assert rows["all"][4] == "100%"
    own = [s for s in steps if s["task"] == "trailing_week"]
    assert rows["trailing_week"][3] == f"{sum(s['seconds'] for s in own):,.3f}"
    assert rows["trailing_week"][6] == f"{sum(s['rows_in'] for s in own):,}"
    landed = sum(len(f.read_text().splitlines()) - 1 for f in shop.root.glob("landing/sales/*"))
    assert rows["clean_sales"][6] == f"{landed:,}"
    assert rows["trailing_week"][9] == f"{shop.rows('trailing_week'):,}"
    assert lines[-1].startswith("29 attempts on 1 worker: ")


def test_a_run_keeps_the_graph_that_it_had(shop):
    shop.made()
    before = shop.run("runs", "last", "--graph").lines
    assert "    reads sales: clean_sales.window(-6, 0)" in before
    assert before[-1] == "3 tasks and effects"
    shop.edit('pl.col("qty") > 0', 'pl.col("qty") > 1')
    shop.edit("def trailing_week", "def last_week")
    after = shop.run("runs", "last", "--graph").lines
    assert "trailing_week  (daily), declared at jobs/sales.py:27" in after
    code = before[before.index("    writes clean_sales by date") + 1]
    assert any(line.startswith(f"{code}, now ") for line in after)
    assert sum(line.endswith(", gone since") for line in after) == 1
    assert after[-1] == "3 tasks and effects; since then new: last_week"


def test_what_was_run_is_shown_while_the_users_modules_are_broken(shop):
    shop.made().edit("import polars", "import no_such_module, polars")
    assert shop.run("materialize").code == 2
    assert shop.run("runs").lines[1].split()[3] == "done"
    said = shop.run("runs", "last", "--graph")
    assert (said.code, said.lines[-1]) == (0, "3 tasks and effects")
    assert "not compared with the graph of now" in said.err
    assert shop.run("logs", "clean_sales", "-p", "2024-01-03").code == 0


# --- logs ----------------------------------------------------------------------------------------


def test_logs_show_what_an_attempt_wrote_under_whose_it_is(shop):
    with_partition(shop, PRINTS)
    assert shop.run("materialize", "clean_sales").code == 0
    run = newest(shop)["run"]
    said = shop.run("logs", "clean_sales", "-p", "2024-01-03")
    head, *text = said.lines
    assert head.startswith(f"--- clean_sales@2024-01-03, attempt 1: made, run {run}, began 20")
    assert text == ["three", "lines of 2024-01-03"]
    assert shop.run("logs", "last", "-p", "2024-01-03").out == said.out
    whole = shop.run("logs", run).lines
    assert [line for line in whole if line.startswith("lines of")] == [
        f"lines of 2024-01-{day:02}" for day in range(1, 15)
    ]


def test_logs_can_be_cut_to_their_last_lines_and_to_an_attempt(shop):
    shop.edit("\n    return raw.filter", f"{MANY}\n    return raw.filter")
    shop.edit("writes=clean)", 'writes=clean, retries=1, retry_delay="1ms")')
    assert shop.run("materialize", "clean_sales", "-p", "2024-01-03").code == 1
    last = ["line 69998", "line 69999"]
    words = ("logs", "clean_sales", "-p", "2024-01-03")
    first, *text = shop.run(*words, "--tail", "2", "--attempt", "2").lines
    assert (first.split()[3], text) == ("2:", last)
    both = shop.run(*words, "--tail", "2", "--output", "json").document["logs"]
    assert [(one["attempt"], one["text"].splitlines()) for one in both] == [(1, last), (2, last)]
    assert len(shop.run(*words).lines) == 2 * 70_001
    assert "there was no attempt 3" in shop.run(*words, "--attempt", "3").err


def test_what_a_batch_wrote_is_shown_once(shop):
    with_partition(shop, '\n    print("one call")\n    return raw.filter')
    shop.edit("writes=clean)", "writes=clean, batch=True)")
    assert shop.run("materialize", "clean_sales").code == 0
    head, text = shop.run("logs", "last").lines
    assert head.startswith("--- clean_sales@2024-01-01 .. 2024-01-14, attempt 1: made, run ")
    assert text == "one call"
    assert shop.run("logs", "clean_sales", "-p", "2024-01-09").lines[1:] == ["one call"]
    (row,) = shop.run("runs", "last", "--output", "json").document["profile"]
    assert (row["calls"], row["steps"]) == (1, 14)


def test_logs_say_clearly_when_there_is_nothing(shop):
    shop.made()
    run = newest(shop)["run"]
    assert shop.run("logs", "clean_sales", "-p", "2024-01-03").out == (
        f"clean_sales@2024-01-03 wrote nothing in run {run}: made\n"
    )
    assert shop.run("logs", "last").out == "last: none of its attempts wrote anything\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nope",), "there is no run 'nope'; `partflow runs` lists them"),
        (("clean_sale", "-p", "2024-01-03"), "did you mean 'clean_sales'?"),
        (("clean_sales",), "which partition? name it, for example with -p 2024-01-01"),
        (
            ("clean_sales", "-p", "2025-01-03"),
            "what was attempted of it is 2024-01-01 .. 2024-01-14",
        ),
        (("last", "-p", "2025-01-03"), "attempted nothing of partition '2025-01-03'"),
    ],
)
def test_logs_of_what_is_not_there_are_refused_in_full(shop, words, said):
    shop.made()
    found = shop.run("logs", *words)
    assert found.code == 2
    assert said in found.err


# --- what a terminal would obey ------------------------------------------------------------------

OBEYED = "\\x1b]0;title\\x07\\u202e"
RAW = ("\x1b", "\x07", "\u202e")


@pytest.fixture
def hostile(shop):
    """A description, a message and a log in which stands what a terminal would obey."""
    shop.edit('trailing_week", DAYS, description="', f'trailing_week", DAYS, description="{OBEYED}')
    shop.edit("    return raw.filter", f'    print("{OBEYED}")\n    return raw.filter')
    shop.run("materialize", "clean_sales", "-p", "2024-01-03")
    shop.edit("    return raw.filter", f'    raise ValueError("{OBEYED}")\n    return raw.filter')
    shop.run("materialize", "clean_sales", "-p", "2024-01-03")
    return shop


def test_descriptions_and_messages_are_shown_with_what_a_terminal_would_obey_written_out(hostile):
    for words in (("ls",), ("runs", "last"), ("runs", "last", "-p", "2024-01-03")):
        for form in ("text", "json"):
            out = hostile.run(*words, "--output", form).out
            assert "u202e" in out, words
            assert not [c for c in RAW if c in out], words
    why = hostile.run("why", "clean_sales", "-p", "2024-01-03").out
    assert not [c for c in RAW if c in why]


def test_a_log_is_written_out_for_a_terminal_and_left_as_it_is_for_a_file(hostile):
    run = hostile.run("runs", "--output", "json").document["runs"][1]["run"]
    words = ("logs", run)
    assert "\x1b]0;title\x07\u202e\n" in hostile.run(*words).out
    document = hostile.run(*words, "--output", "json").out
    assert not [c for c in RAW if c in document]
    command = [sys.executable, "-m", "partflow", *words]
    master, slave = pty.openpty()
    subprocess.run(command, cwd=hostile.root, stdout=slave, check=True)
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    assert r"\x1b]0;title\x07\u202e" in shown
    assert not [c for c in RAW if c in shown]
