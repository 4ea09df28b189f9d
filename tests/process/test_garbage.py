"""When Python looks for cycles: not while modules are loaded, and never in others' processes."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from partflow.process.garbage import end_loading

OWN = """
import gc
from partflow.process.garbage import begin_loading, end_loading
begin_loading()
assert not gc.isenabled()
end_loading()
assert gc.isenabled() and gc.get_threshold()[0] == 10_000
end_loading()
"""


def test_a_process_of_its_own_looks_at_nothing_while_it_loads_and_seldom_afterwards():
    subprocess.run([sys.executable, "-c", OWN], check=True)


@pytest.mark.parametrize(("name", "is_frozen"), [("json", True), ("duckdb", False)])
def test_a_process_leaves_cycles_at_its_end_unless_something_would_call_them_leaks(name, is_frozen):
    code = f"""
import gc, {name}
from partflow.process.garbage import end_process
before = gc.get_freeze_count()  # Python 3.12 begins with some.
end_process()
assert (gc.get_freeze_count() > before) is {is_frozen}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_that_is_somebody_elses_goes_on_as_it_was():
    before = gc.get_threshold(), gc.isenabled()
    end_loading()
    assert (gc.get_threshold(), gc.isenabled()) == before
