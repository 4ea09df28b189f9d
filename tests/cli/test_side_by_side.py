"""Two runs at once in one warehouse, in processes of their own: side by side, or in turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

FIRST, THIRD, FIFTH = "2024-01-01", "2024-01-03", "2024-01-05"
HANGS = '\n    if __import__("os").environ.get("HANGS") == day.key:\n        open("gate").read()'
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from partflow.cli import main
if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
"""
FORKS = """
    if __import__("os").environ.get("HANGS") == day.key and __import__("os").fork() == 0:
        open("orphan").read()
        __import__("os")._exit(0)
"""
BACKFILL = ("backfill", "clean_sales", "-p", THIRD)


@pytest.fixture
def two(shop):
    """A warehouse that was made by tasks of which one can be told to hang at a partition."""
    shop.edit("Monthly, Source", "Monthly, Partition, Source")
    shop.edit("clean_sales(raw: pl.LazyFrame)", "clean_sales(raw: pl.LazyFrame, day: Partition)")
    shop.edit("\n    return raw.filter", HANGS + "\n    return raw.filter")
    return shop.made()


def started(shop, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=shop.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


@contextmanager
def hanging(shop) -> Iterator[tuple[subprocess.Popen[str], object]]:
    """A backfill of one partition that hangs until the gate is closed."""
    os.mkfifo(shop.root / "gate")
    with started(shop, *BACKFILL, HANGS=THIRD) as process, (shop.root / "gate").open("w") as gate:
        try:
            yield process, gate
        finally:
            process.kill()


def until_it_waits(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any(line.startswith("waiting for run ") for line in lines)


def test_what_touches_nothing_of_another_run_is_made_beside_it(two):
    with hanging(two) as (process, gate):
        assert two.run("backfill", "clean_sales", "-p", FIRST, "--no-wait").code == 0
        assert two.run("backfill", "trailing_week", "-p", FIRST, "--no-wait").code == 0
        states = [row["state"] for row in two.run("runs", "--output", "json").document["runs"]]
        assert states == ["done", "done", "running", "done"]
        gate.close()
        out, _ = process.communicate()
    assert process.returncode == 0
    assert out.startswith("ran 1, ")
    states = [row["state"] for row in two.run("runs", "--output", "json").document["runs"]]
    assert states == ["done"] * 4
    assert two.run("materialize", "--verify").out.startswith("nothing to do: 29 fresh")


@pytest.mark.parametrize("words", [BACKFILL, ("backfill", "trailing_week", "-p", FIFTH)])
def test_what_another_run_is_at_is_left_to_it_and_said(two, words):
    """To make it and to read it are the same in this."""
    with hanging(two) as (process, _):
        said = two.run(*words, "--no-wait")
        assert said.code == 4
        assert f", process {process.pid}, which is at clean_sales {THIRD};" in said.err


def test_what_is_asked_for_twice_at_once_is_made_once(two):
    with hanging(two) as (process, gate), started(two, *BACKFILL) as second:
        until_it_waits(second)
        gate.close()
        assert process.communicate()[0].startswith("ran 1, ")
        assert second.communicate()[0].startswith("nothing to do")
    assert (process.returncode, second.returncode) == (0, 0)


def test_who_waits_for_a_run_that_dies_makes_it(two):
    with hanging(two) as (process, gate), started(two, *BACKFILL) as second:
        until_it_waits(second)
        process.kill()
        assert second.communicate()[0].startswith("ran 1, ")
        gate.close()
    assert second.returncode == 0
    states = [row["state"] for row in two.run("runs", "--output", "json").document["runs"]]
    assert states == ["done", "interrupted", "done"]


def test_a_process_that_a_task_forked_does_not_hold_what_a_dead_run_had(two):
    two.edit("\n    if __import__", FORKS + "\n    if __import__")
    os.mkfifo(two.root / "orphan")
    # The second blocks until the forked process opens it, which then waits until it is closed.
    with hanging(two) as (process, _), (two.root / "orphan").open("w"):
        process.kill()
        process.wait()
        assert two.run(*BACKFILL, "--no-wait").code == 0


def test_a_run_that_was_stopped_keeps_others_from_its_work_and_from_no_other(two):
    with hanging(two) as (process, gate):
        process.send_signal(signal.SIGSTOP)
        assert two.run("backfill", "clean_sales", "-p", FIRST, "--no-wait").code == 0
        assert two.run(*BACKFILL, "--no-wait").code == 4
        process.send_signal(signal.SIGCONT)
        gate.close()
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "words",
    [BACKFILL, ("gc", "--yes"), ("state", "rebuild", "--yes"), ("check", "--twice")],
    ids=" ".join,
)
def test_ctrl_c_ends_who_waits(two, words):
    with hanging(two), started(two, *words) as second:
        until_it_waits(second)
        second.send_signal(signal.SIGINT)
        second.communicate()
    assert second.returncode == 130


def test_gc_and_a_rebuild_wait_for_every_run(two):
    with hanging(two):
        assert two.run("gc", "--yes", "--no-wait").code == 4
        assert two.run("state", "rebuild", "--yes", "--no-wait").code == 4
