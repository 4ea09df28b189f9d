"""The commands that look: what they print, in every form, and how they end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from partflow.cli import main

COMMANDS = [
    "init",
    "ls",
    "graph",
    "plan",
    "materialize",
    "backfill",
    "status",
    "why",
    "query",
    "runs",
    "logs",
    "cancel",
]

CLASHING = """
from partflow import Partition

@task(writes=Dataset("clashing", Daily("2024-01-01", "2024-01-03")))
def clashing(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"n": [0.5 if partition.key == "2024-01-01" else 2**53 + 1]})
"""

ASK_FOREVER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from partflow.cli import main
query = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"
raise SystemExit(main(["query", query]))
"""


def test_init_writes_a_project_that_runs_at_once(empty, capsys):
    assert main(["init", "shop"]) == 0
    assert "  cd shop" in capsys.readouterr().out
    assert (empty / "shop/README.md").read_text("utf-8").startswith("# shop\n")
    assert not list(empty.rglob("__pycache__"))
    assert main(["--project", "shop", "materialize"]) == 0
    assert capsys.readouterr().out.startswith("ran 29, ")


@pytest.mark.parametrize("name", ["../shop", "a/b", "", "-x", "a\nb", ".hidden"])
def test_init_refuses_what_is_no_plain_name(empty, capsys, name):
    assert main(["init", "--", name]) == 2
    assert "no plain name" in capsys.readouterr().err
    assert list(empty.iterdir()) == []


def test_init_leaves_a_folder_that_holds_something(shop):
    before = shop.files()
    said = shop.run("init", ".")
    assert said.code == 2
    assert "not empty" in said.err
    assert shop.files() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Example:\n    partflow " in said


def test_help_imports_nothing_that_is_heavy():
    code = (
        "import sys; from partflow.cli import main; main(['--help'])\n"
        "heavy = {'polars', 'duckdb', 'pyarrow', 'rich', 'pendulum', 'apsw'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_what_is_misspelt_is_guessed(shop):
    for words, guess in (
        (("plann",), "plan"),
        (("status", "--outputt", "json"), "--output"),
        (("plan", "clean_sale"), "clean_sales"),
        (("why", "clean_sale", "-p", "2024-01-01"), "clean_sales"),
    ):
        said = shop.run(*words)
        assert (said.code, said.out) == (2, "")
        assert f"id you mean '{guess}'?" in said.err
        assert "Traceback" not in said.err


def test_outside_of_a_project_is_said_so(empty, capsys):
    assert main(["status"]) == 2
    assert "is in no partflow project" in capsys.readouterr().err


def test_a_broken_jobs_module_shows_the_users_line_and_none_of_partflow(shop):
    shop.edit("import polars as pl", "import polars as pl\n1 / 0")
    said = shop.run("plan")
    assert said.code == 2
    assert "ZeroDivisionError" in said.err
    assert 'jobs/sales.py", line 4' in said.err
    assert "partflow/project/loading.py" not in said.err


def test_ls_lists_what_is_declared(shop):
    said = shop.run("ls")
    assert said.lines[2].split()[:3] == ["clean_sales", "dataset", "daily"]
    assert "jobs/sales.py:21" in said.lines[2]
    found = shop.run("ls", "monthly_sales", "--output", "json").document["datasets"]
    assert [d["name"] for d in found] == ["monthly_sales"]
    assert "jobs.sales.monthly_sales" in " ".join(found[0]["written_by"][0]["parts"])
    assert found[0]["written_by"][0]["not_followed"] == []


def test_graph_says_who_writes_and_reads_what(shop):
    said = shop.run("graph")
    assert "trailing_week  (daily, 2024-01-01 .. 2024-01-14)" in said.lines
    assert "    written by trailing_week at jobs/sales.py:27" in said.lines
    assert "    reads clean_sales.window(-6, 0)" in said.lines


def test_graph_as_mermaid_is_a_flowchart(shop):
    with (shop.root / "jobs/sales.py").open("a") as file:
        file.write("\n\n@effect(reads=[monthly])\ndef end(sales: pl.DataFrame) -> None: ...\n")
    shop.edit("Source, task", "Source, effect, task")
    assert shop.run("graph", "--output", "mermaid").lines == [
        "flowchart LR",
        '  landing_sales[("landing_sales<br/>daily")]',
        '  clean_sales["clean_sales<br/>daily"]',
        '  monthly_sales["monthly_sales<br/>monthly"]',
        '  trailing_week["trailing_week<br/>daily"]',
        '  end_>"end<br/>monthly"]',
        "  landing_sales --> clean_sales",
        "  clean_sales --> monthly_sales",
        '  clean_sales -->|"window(-6, 0)"| trailing_week',
        "  monthly_sales --> end_",
    ]


def test_status_counts_states_rows_and_bytes_and_draws_them_over_time(shop):
    shop.made().data("clean_sales", "date=2024-01-03").unlink()
    said = shop.run("status")
    row = next(line for line in said.lines if line.startswith("clean_sales"))
    assert row.split()[5:7] == ["13", "-"]
    assert row.endswith("██·███████████")
    assert "█ fresh" in said.last
    assert any(line.startswith("8 fresh partitions may become stale") for line in said.lines)
    found = shop.run("status", "clean_sales", "--output", "json").document["datasets"]
    assert len(found) == 1
    assert (found[0]["fresh"], found[0]["missing"]) == (13, 1)
    assert found[0]["rows"] > 0
    assert found[0]["bytes"] > 0


def test_status_selects_by_state(shop):
    shop.made().data("clean_sales", "date=2024-01-03").unlink()
    found = shop.run("status", "status:missing", "--output", "json").document["datasets"]
    assert [d["dataset"] for d in found] == ["clean_sales"]


def test_why_goes_down_to_the_file_that_changed(shop):
    shop.made().land("2024-01-05", "north,tea,3,4.50")
    said = shop.run("why", "clean_sales", "-p", "2024-01-05")
    assert said.lines[:2] == [
        "clean_sales@2024-01-05 is stale: landing_sales changed",
        "  because landing_sales@2024-01-05  changed since: its file holds other values",
    ]
    said = shop.run("why", "monthly_sales", "-p", "2024-01")
    assert said.lines[0] == (
        "monthly_sales@2024-01 is fresh, and may become stale if clean_sales changes"
    )
    assert "landing_sales@2024-01-05" in said.lines[2]
    assert "  clean_sales  2024-01-01 .. 2024-01-14  14 partitions" in said.lines


def test_why_names_the_function_that_changed_and_the_run_that_made_it(shop):
    shop.made().edit('pl.col("qty") > 0', 'pl.col("qty") > 1')
    run = shop.run("runs", "--output", "json").document["runs"][0]["run"]
    said = shop.run("why", "clean_sales", "-p", "2024-01-05")
    assert said.lines[0].endswith("is stale: the code of clean_sales changed")
    assert "  changed  jobs.sales.clean_sales" in said.lines
    assert f"by run {run}" in said.out
    found = shop.run("why", "clean_sales", "-p", "2024-01-05", "--output", "json").document
    assert found["code_changes"] == [{"name": "jobs.sales.clean_sales", "how": "changed"}]
    assert found["made"]["run"] == run


def test_why_of_a_source_says_where_its_file_is(shop):
    said = shop.run("why", "landing_sales", "-p", "2024-01-05")
    assert "is there: landing/sales/2024-01-05.csv" in said.lines[0]
    shop.made()
    (shop.root / "landing/sales/2024-01-05.csv").unlink()
    assert "is gone" in shop.run("why", "landing_sales", "-p", "2024-01-05").lines[0]


def test_why_needs_a_partition_that_is_there(shop):
    said = shop.run("why", "clean_sales")
    assert (said.code, "-p 2024-01-01" in said.err) == (2, True)
    said = shop.run("why", "clean_sales", "-p", "2025-01-01")
    assert (said.code, "has no partition 2025-01-01" in said.err) == (2, True)


def test_runs_lists_them_and_the_steps_of_one(shop):
    assert shop.run("runs").out == "nothing was run yet\n"
    shop.made()
    rows = shop.run("runs", "--output", "json").document["runs"]
    assert (rows[0]["state"], rows[0]["ran"]) == ("done", 29)
    assert rows[0]["command"] == "partflow materialize"
    said = shop.run("runs", rows[0]["run"])
    assert said.lines[0] == f"run {rows[0]['run']}: done"
    assert sum(line.startswith("clean_sales ") for line in said.lines) == 14
    steps = shop.run("runs", rows[0]["run"], "--output", "json").document["steps"]
    assert len(steps) == 29
    assert shop.run("runs", "nope").code == 2


# --- query ---------------------------------------------------------------------------------------

MONTH = "select store, month from monthly_sales order by store"


def test_a_query_prints_a_table(shop):
    said = shop.made().run("query", MONTH)
    assert said.lines[1] == "│ store   │ month      │"
    assert said.lines[3] == "│ harbour │ 2024-01-01 │"
    assert said.last == "3 rows"
    said = shop.run("query", "select * from clean_sales", "--rows", "5")
    assert said.last == "… 83 more rows, --output csv gives all"


def test_a_query_gives_csv_json_and_parquet(shop):
    said = shop.made().run("query", MONTH, "--output", "csv")
    assert said.lines[:2] == ["store,month", "harbour,2024-01-01"]
    said = shop.run("query", MONTH, "--output", "json")
    assert said.document[0] == {"store": "harbour", "month": "2024-01-01"}
    assert shop.run("query", MONTH, "--to", "month.parquet").code == 0
    assert pl.read_parquet(shop.root / "month.parquet").height == 3
    assert shop.run("query", MONTH, "--to", "month.csv").code == 0
    assert (shop.root / "month.csv").read_text().startswith("store,month\n")


def test_a_query_is_read_from_stdin_with_a_dash(shop, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("select 1 as a"))
    assert shop.run("query", "-", "--output", "csv").out == "a\n1\n"


def test_values_that_would_move_the_terminal_are_written_out(shop):
    said = shop.run("query", "select chr(27) || '[2J' as a, null as b, '' as c")
    assert "\\x1b[2J" in said.out
    assert "\x1b" not in said.out
    said = shop.run("query", "select '' as a, null as b, 'x,\"y\"' as c", "--output", "csv")
    assert said.lines[1] == '"",,"x,""y"""'


@pytest.mark.parametrize(
    "sql",
    [
        "drop table clean_sales",
        "select * from nothing_like_it",
        "select cast('x' as int)",
        "select 1; select 2",
        "copy (select 1) to 'stolen.csv'",
        "select * from read_csv('/etc/passwd')",
        "",
    ],
)
def test_a_query_that_cannot_be_ends_with_2_and_leaves_no_file(shop, sql):
    before = shop.files()
    said = shop.run("query", sql, "--to", "answer.csv")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: query")
    assert shop.files() == before


def test_a_row_that_cannot_be_had_ends_a_query_in_plain_words(shop):
    with (shop.root / "jobs/sales.py").open("a") as file:
        file.write(CLASHING)
    shop.run("materialize", "clashing")
    said = shop.run("query", "select n from clashing")
    assert said.code == 2
    assert said.err.startswith("error: query: column 'n' of clashing@2024-01-02 has digits that")


def test_ctrl_c_ends_a_query_that_takes_too_long(shop):
    """Once it is at work, which only the time that it has cost the processor tells."""
    command = [sys.executable, "-c", ASK_FOREVER]
    with subprocess.Popen(command, cwd=shop.root, stderr=subprocess.PIPE, text=True) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        at_work = 3 * os.sysconf("SC_CLK_TCK")
        while int(stat.read_text().rpartition(")")[2].split()[11]) < at_work:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert process.stderr.read().strip() == "interrupted"
    assert process.returncode == 130


def test_a_query_of_what_is_not_made_yet_says_so(shop):
    said = shop.run("query", "select * from monthly_sales")
    assert said.code == 2
    assert "monthly_sales has no partition yet" in said.err


def test_a_file_that_cannot_be_written_is_an_error_without_a_traceback(shop):
    said = shop.run("query", "select 1", "--to", "no/such/folder/a.csv")
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err


def test_a_task_that_nobody_holds_is_warned_of_by_every_command(shop):
    """On the standard error: what is to be read by a program stays as it is."""
    shop.edit(
        "@task(reads=[clean], ",
        "task(writes=clean, name='lost')(lambda: None)\n\n@task(reads=[clean], ",
    )
    for words in (["ls"], ["status", "--output", "json"]):
        said = shop.run(*words)
        assert said.code == 0
        assert said.err.startswith("warning: jobs/sales.py:")
        assert "task 'lost' is left out: no module holds it any more" in said.err
        assert "left out" not in said.out


def test_errors_of_declarations_are_shown_together(shop):
    shop.edit('"2024-01-15")', '"2024-01-15", tz="Nowhere")')
    shop.edit('"2024-02-01")', '"2024-02-01", tz="Nowhere")')
    said = shop.run("status")
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("error: 2 things are wrong:\n- jobs/sales.py:8: Daily(tz='Nowhere')")
