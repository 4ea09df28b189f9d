"""`--reverse`, `--retries`, and what `runs` says of runs that died."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FAILS = '\n    raise ValueError("no")\n    return raw.filter'


def first_failure(shop, *words: str) -> str:
    said = shop.run("materialize", "-x", "--output", "json", *words)
    assert said.code == 1
    return said.document["failures"][0]["key"]


def test_the_oldest_partition_is_made_first_and_in_reverse_the_newest(shop):
    shop.edit("\n    return raw.filter", FAILS)
    assert first_failure(shop) == "2024-01-01"
    assert first_failure(shop, "--reverse") == "2024-01-14"
    said = shop.run("backfill", "clean_sales", "-x", "--reverse", "--output", "json")
    assert said.document["failures"][0]["key"] == "2024-01-14"


def test_in_reverse_the_same_is_made(shop):
    assert shop.run("materialize", "--reverse").last.startswith("ran 29, ")
    assert shop.run("materialize").out == "nothing to do: 29 fresh\n"


def attempts(shop, *words: str) -> int:
    assert shop.run("materialize", "clean_sales", "-p", "2024-01-03", *words).code == 1
    run = shop.run("runs", "--output", "json").document["runs"][0]["run"]
    return len(shop.run("runs", run, "--output", "json").document["steps"])


def test_retries_stand_in_for_what_a_task_says(shop):
    shop.edit("\n    return raw.filter", FAILS)
    shop.edit("writes=clean)", 'writes=clean, retries=1, retry_delay="1ms")')
    assert attempts(shop) == 2
    assert attempts(shop, "--retries", "3") == 4
    assert attempts(shop, "--retries", "0") == 1
    assert shop.run("materialize", "--retries", "-1").code == 2


@contextmanager
def stuck(shop) -> Iterator[subprocess.Popen[bytes]]:
    """A run that waits inside its first step for somebody to open the gate."""
    shop.edit("\n    return raw.filter", '\n    open("gate").read()\n    return raw.filter')
    os.mkfifo(shop.root / "gate")
    command = [sys.executable, "-m", "partflow", "materialize", "clean_sales", "-p", "2024-01-01"]
    with (
        subprocess.Popen(command, cwd=shop.root, stderr=subprocess.DEVNULL) as process,
        # This blocks until the task opens it to read: the run is under way then.
        (shop.root / "gate").open("w"),
    ):
        yield process
        process.kill()
        process.wait()


def test_a_run_is_running_while_it_holds_the_lease_and_interrupted_when_it_died(shop):
    with stuck(shop):
        (row,) = shop.run("runs", "--output", "json").document["runs"]
        assert row["state"] == "running"
        run = row["run"]
    (row,) = shop.run("runs", "--output", "json").document["runs"]
    assert (row["run"], row["state"], row["finished_at"]) == (run, "interrupted", None)
    assert shop.run("runs", run).lines[0] == f"run {run}: interrupted"
