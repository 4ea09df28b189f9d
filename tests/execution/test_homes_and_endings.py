"""Homes of partitions, and words for how a worker ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from partflow import Daily, Dataset, task
from partflow.declarations.graph import derive
from partflow.execution.executors.processes import Homes
from partflow.execution.orders import Attempt, Lineage, Order
from partflow.process.endings import ended, last_place


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGKILL, "signal 9: killed; out of memory?"),
        (-signal.SIGTERM, "signal 15: terminated"),
        (-200, "signal 200"),
    ],
)
def test_an_exit_code_in_words(code, said):
    assert ended(code) == said


STACK = """\
said before
Fatal Python error: Aborted

Thread 0x00007f (most recent call first):
  File "/project/jobs/other.py", line 1 in waits

Current thread 0x00007e (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/project/.venv/lib/python3.11/site-packages/lib.py", line 7 in call
  File "/project/jobs/sales.py", line 12 in clean
  File "OWN/execution/perform.py", line 99 in _called

Extension modules: numpy
"""


def test_the_last_place_is_the_users_own_line_nearest_to_the_end():
    own = str(Path(ended.__code__.co_filename).parents[1])
    place, trace = last_place(STACK.replace("OWN", own), Path("/project"))
    assert place == "jobs/sales.py:12"
    assert trace.splitlines()[0].startswith("Current thread")
    assert trace.splitlines()[-1].endswith("line 12 in clean")


def test_a_text_without_a_stack_of_the_user_has_no_last_place():
    assert last_place("killed", Path("/project")) == ("", "")
    assert last_place(STACK, Path("/elsewhere")) == ("", "")


def graph():
    raw, out = (Dataset(n, Daily("2024-01-01")) for n in ("raw", "out"))

    @task(writes=raw)
    def brings(): ...

    @task(reads=[raw.window(-1, 0)], writes=out)
    def makes(frame): ...

    return derive([brings, makes], [])


def order(name: str, *ordinals: int, reads: tuple[int, ...] | None = None) -> Order:
    lineage = Lineage(name, "", 0, 0, "", "run", 0, ())
    found = () if reads is None else (reads,)
    return Order("run", name, tuple(Attempt(o, o, 1, found, lineage) for o in ordinals))


def test_an_order_is_at_home_where_its_newest_input_was_made_or_else_its_neighbour():
    homes = Homes(graph())
    assert homes.of(order("brings", 5)) is None
    homes.settle(order("brings", 5, 6), 2)
    homes.settle(order("brings", 8), 1)
    assert homes.of(order("brings", 7)) == 2
    assert homes.of(order("brings", 4)) == 2
    assert homes.of(order("brings", 9)) == 1
    assert homes.of(order("makes", 6, reads=(5, 6))) == 2
    assert homes.of(order("makes", 8, reads=(7, 8))) == 1
    assert homes.of(order("makes", 20, reads=(19, 20))) is None


def test_what_was_read_last_is_at_home_where_it_was_read():
    homes = Homes(graph())
    homes.settle(order("brings", 6), 1)
    homes.settle(order("makes", 6, reads=(5, 6)), 2)
    assert homes.of(order("makes", 6, reads=(5, 6))) == 2
