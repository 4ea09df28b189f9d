"""Runs that are ended from outside, in processes of their own: `cancel`, SIGTERM, Ctrl-C twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from partflow.metastore.runlog import RunLog
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.operations.cancel import Canceller, End
from partflow.project.history import History

GO_ON = "\n    return raw.filter"
HANGS = '\n    open("gate").read()'
# The C of these never comes back; the first lets go of the interpreter's lock meanwhile.
IN_C = (
    "\n    open('gate').close()\n    __import__('hashlib').pbkdf2_hmac('md5', b'', b'', 2**31 - 1)"
)
FOR_GOOD = "\n    open('gate').close()\n    sum(range(10**14))"
RUN = ("-m", "partflow", "materialize", "clean_sales")
LOOPS = "\n    open('gate').close()\n    while True: pass"
SCRIPT = """
import signal, sys
from partflow import Project
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
if __name__ == "__main__":
    try:
        Project.load(".").materialize("clean_sales")
    except KeyboardInterrupt:
        print("went on")
        sys.exit(7)
"""


def started(shop, *words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, *(words or RUN)]
    return subprocess.Popen(command, cwd=shop.root, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def hanging(shop, body: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A run whose step hangs, and what lets it go when it is closed; two were made before."""
    for key in ("2024-01-01", "2024-01-02"):
        assert shop.run("materialize", "clean_sales", "-p", key).code == 0
    shop.edit(GO_ON, body + GO_ON)
    os.mkfifo(shop.root / "gate")
    with (
        started(shop, *words) as process,
        # This blocks until the task opens it to read: the run is under way then.
        (shop.root / "gate").open("w") as gate,
    ):
        try:
            yield process, gate
        finally:
            process.kill()


def state(shop) -> str:
    return shop.run("runs", "--output", "json").document["runs"][0]["state"]


def is_whole(shop, body: str) -> bool:
    """Whether every file reads, and the same command makes the rest once the code is mended."""
    shop.edit(body, "")
    return (
        shop.rows("clean_sales") > 0
        and shop.run("materialize").code == 0
        and shop.run("materialize").out == "nothing to do: 29 fresh\n"
    )


def test_a_run_that_hangs_is_cancelled_from_another_terminal(shop):
    with hanging(shop, HANGS) as (process, _):
        said = shop.run("cancel", "last")
        out, err = process.communicate()
    assert said.code == 0
    assert ": it stopped; ran 0, unchanged 0, failed 0\n" in said.out
    assert process.returncode == 130
    assert out.startswith("cancelled by ")
    assert "; the same command makes the rest\n" in out
    assert "Traceback" not in err
    row = shop.run("runs", "--output", "json").document["runs"][0]
    assert (row["state"], row["note"]) == (
        "cancelled",
        f"cancelled by {row['owner']}@{row['host']}",
    )
    assert is_whole(shop, HANGS)


def test_a_run_with_workers_is_cancelled_and_its_workers_are_gone(shop):
    with hanging(shop, HANGS, *RUN, "-j", "2") as (process, _):
        said = shop.run("cancel", "last")
        out, _ = process.communicate()
    assert ": it stopped; " in said.out
    assert process.returncode == 130
    assert out.startswith("ran 0, unchanged 0, skipped 0, failed 0, cancelled 14 in ")
    assert state(shop) == "cancelled"
    assert is_whole(shop, HANGS)


def test_a_step_that_hangs_in_c_is_cancelled_too(shop):
    with hanging(shop, IN_C) as (process, _):
        assert shop.run("cancel", "last").code == 0
        out, _ = process.communicate()
    assert process.returncode == 130
    assert out.startswith("cancelled by ")
    assert state(shop) == "cancelled"
    assert is_whole(shop, IN_C)


def test_a_run_that_cannot_be_reached_at_all_is_killed_and_recorded_as_cancelled(shop):
    with hanging(shop, FOR_GOOD) as (process, _):
        history = History.load(shop.root)
        with SqliteMetastore.open(history.metastore.path) as metastore:
            owner = history.leases.owner
            canceller = Canceller(RunLog(metastore), owner, lambda: 0.0, patience=0.2)
            assert canceller.cancel(history.run("last")) is End.KILLED
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert state(shop) == "cancelled"
    assert is_whole(shop, FOR_GOOD)


def test_a_cancelled_backfill_goes_on_where_it_was_cut_off(shop):
    shop.made()
    shop.edit("Monthly, Source", "Monthly, Partition, Source")
    shop.edit("clean_sales(raw: pl.LazyFrame)", "clean_sales(raw: pl.LazyFrame, day: Partition)")
    backfill = ("backfill", "clean_sales", "--start", "2024-01-03", "--yes")
    third = (
        '\n    if day.key == "2024-01-05":\n        __import__("pathlib").Path("gate").read_text()'
    )
    with hanging(shop, third, "-m", "partflow", *backfill) as (process, _):
        assert shop.run("cancel", "last").code == 0
        out, _ = process.communicate()
    assert process.returncode == 130
    assert out.startswith("ran 2, unchanged 2, skipped 0, failed 0, cancelled 10 in ")
    (shop.root / "gate").unlink()
    (shop.root / "gate").write_text("open", "utf-8")
    assert shop.run(*backfill).last.startswith("ran 10, unchanged 10, ")
    assert shop.run(*backfill).last.startswith("ran 12, unchanged 12, ")


def test_a_gentle_cancel_lets_the_step_end_and_may_be_repeated(shop):
    # The second of its two steps reads what the first one makes.
    words = ("-m", "partflow", "materialize", "trailing_week", "-p", "2024-01-01")
    with hanging(shop, HANGS, *words) as (process, gate):
        said = shop.run("cancel", "last", "--gently")
        assert said.out.endswith(
            ": it finishes what is running; ran 0, unchanged 0, failed 0 so far\n"
        )
        assert shop.run("cancel", "last", "--gently").out == said.out
        gate.close()
        out, _ = process.communicate()
    assert process.returncode == 130
    assert out.startswith("ran 1, unchanged 1, skipped 0, failed 0, cancelled 1 in ")
    assert state(shop) == "cancelled"
    assert is_whole(shop, HANGS)


@pytest.mark.usefixtures("attended")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_service_manager_or_a_dropped_connection_ends_a_run_with_a_signal(shop, number):
    with hanging(shop, HANGS) as (process, _):
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out.startswith("interrupted: ran 0, unchanged 0, failed 0 in ")
    assert "Traceback" not in err
    assert state(shop) == "interrupted"
    assert is_whole(shop, HANGS)


def test_ctrl_c_twice_stops_what_is_running(shop):
    with hanging(shop, HANGS) as (process, _):
        assert process.stderr
        process.send_signal(signal.SIGINT)
        lines = iter(process.stderr.readline, "")
        assert any("Ctrl-C again stops now" in line for line in lines)
        process.send_signal(signal.SIGINT)
        out = process.stdout.read()
        process.wait()
    assert process.returncode == 130
    assert out.startswith("interrupted: ")


def test_a_program_that_uses_partflow_is_interrupted_and_not_killed(shop):
    (shop.root / "script.py").write_text(SCRIPT, "utf-8")
    with hanging(shop, LOOPS, "script.py") as (process, _):
        assert "only at once, without --gently" in shop.run("cancel", "last", "--gently").err
        assert shop.run("cancel", "last").code == 0
        out, _ = process.communicate()
    assert (process.returncode, out) == (7, "went on\n")
    assert state(shop) == "cancelled"


@pytest.mark.parametrize("word", ["last", "nope"])
def test_only_what_goes_on_can_be_cancelled(shop, word):
    shop.made()
    said = shop.run("cancel", word)
    assert said.code == 2
    assert (
        "does not go on: it is done" if word == "last" else "there is no run 'nope'"
    ) in said.err


def test_a_second_signal_ends_what_does_not_heed_the_first(shop):
    stubborn = HANGS.replace("open", "try: open") + (
        "\n    except KeyboardInterrupt: open('second').read()"
    )
    os.mkfifo(shop.root / "second")
    with hanging(shop, stubborn) as (process, _):
        process.terminate()
        with (shop.root / "second").open("w"):
            process.terminate()
            process.wait()
    assert process.returncode == 130


def test_a_signal_at_the_start_ends_the_command_as_ctrl_c_does(shop):
    os.mkfifo(shop.root / "gate")
    shop.edit("import polars", "open('gate').read()\nimport polars")
    with started(shop) as process, (shop.root / "gate").open("w"):
        process.terminate()
        out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")


def test_a_second_signal_at_the_start_ends_what_does_not_heed_the_first(shop):
    os.mkfifo(shop.root / "gate")
    os.mkfifo(shop.root / "second")
    stubborn = "try: open('gate').read()\nexcept BaseException: open('second').read()\n"
    shop.edit("import polars", f"{stubborn}import polars")
    with started(shop) as process, (shop.root / "gate").open("w"):
        process.terminate()
        with (shop.root / "second").open("w"):
            process.terminate()
            process.wait()
    assert process.returncode == 130


def test_a_run_that_is_to_outlive_its_terminal_does(shop):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; children inherit it
    try:
        with hanging(shop, HANGS, *RUN, "-p", "2024-01-03") as (process, gate):
            process.send_signal(signal.SIGHUP)
            gate.close()
            out, _ = process.communicate()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0
    assert out.startswith("ran 1, ")
