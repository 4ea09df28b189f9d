"""What a task does to the process that it runs in, and how much it says, costs nobody else."""

from __future__ import annotations

import pytest

from partflow.execution.controls import Controls

JOBS = """
    import os, sys, tempfile
    from pathlib import Path

    out = Dataset("out", Daily("2024-01-01", end="2024-01-03"))

    @task(writes=out)
    def disturbs(partition: Partition) -> pl.DataFrame:
        made = pl.DataFrame({"x": [1]})
        BODY
        return made
"""


def disturbed(world, body: str, workers: int = 1):
    world.jobs(JOBS.replace("BODY", body.replace("\n", "\n        ")))
    return world.run(controls=Controls(workers=workers))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "body",
    [
        "sys.setrecursionlimit(len(__import__('inspect').stack()) + 20)",
        "with tempfile.TemporaryDirectory() as gone: os.chdir(gone)",
    ],
    ids=["recursion", "folder"],
)
def test_what_a_task_changes_for_the_whole_process_is_put_back(world, body, workers):
    assert disturbed(world, body, workers).ran == 2


def test_an_exception_of_fifty_megabytes_is_cut(world):
    (first, _) = disturbed(world, "raise ValueError('x' * 50_000_000 + 'end')").failures
    assert first.failure.message.startswith("ValueError: xxx")
    assert first.failure.message.endswith("xxxend")
    assert len(first.failure.message) + len(first.failure.trace) <= 20_000


def test_an_exception_without_a_text_is_named(world):
    body = "class Bad(Exception):\n    def __str__(self): raise KeyError\nraise Bad"
    (first, _) = disturbed(world, body).failures
    assert first.failure.message == "Bad: (it has no text: KeyError in its __str__)"
