"""Places in pools: how many runs have at once, who is next in line, and what a dead one leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from partflow.metastore.flockpools import FlockPools
from partflow.metastore.pools import Pools

HOLDS = """
import os
import sys
from pathlib import Path
from partflow.metastore.flockpools import FlockPools
pools = FlockPools(Path(sys.argv[1]), {"api": 2})
while pools.take("api"):
    pass
if "with a child" in sys.argv:
    runs, says = os.pipe()
    if os.fork() == 0:
        os.write(says, b"by now it has given up what it got of the places")
        sys.stdin.read()
        os._exit(0)
    os.read(runs, 1)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "pools"


@pytest.fixture
def run(folder):
    """Begins another run that wants places in pools, of which api has two and disk has one."""
    begun: list[FlockPools] = []

    def another() -> Pools:
        begun.append(FlockPools(folder, {"api": 2, "disk": 1}))
        return begun[-1]

    yield another
    for pools in begun:
        pools.close()


def test_all_runs_together_have_no_more_places_than_the_pool(run):
    first, second = run(), run()
    assert first.take("api")
    assert second.take("api")
    assert not first.take("api")
    assert not second.take("api")
    assert first.take("disk")
    assert not second.take("disk")


def test_a_place_that_is_given_back_can_be_taken_by_another_run(run):
    first, second = run(), run()
    assert first.take("api")
    assert first.take("api")
    assert not second.take("api")
    first.give_back("api", 1)
    assert second.take("api")
    assert not second.take("api")


def test_who_is_next_in_line_has_the_next_place(run):
    first, second, third = run(), run(), run()
    assert first.take("disk")
    assert not second.take("disk")
    assert not third.take("disk")
    first.give_back("disk", 1)
    assert not first.take("disk")
    assert not third.take("disk")
    assert second.take("disk")


def test_who_gives_up_is_next_in_line_no_more(run):
    first, second, third = run(), run(), run()
    assert first.take("disk")
    assert not second.take("disk")
    second.give_up("disk")
    assert not third.take("disk")
    first.give_back("disk", 1)
    assert not first.take("disk")
    assert third.take("disk")


def test_to_close_gives_everything_back(run):
    first, second = run(), run()
    assert first.take("api")
    assert first.take("disk")
    assert first.take("api")
    assert not first.take("api")
    first.close()
    assert second.take("api")
    assert second.take("api")
    assert second.take("disk")


@pytest.mark.parametrize("name", ["a b", "../up", "a/b", "ä" * 300, "api.0", ".", "%"])
def test_a_pool_may_have_any_name(folder, name):
    pools, others = FlockPools(folder, {name: 1}), FlockPools(folder, {name: 1, "api": 1})
    assert pools.take(name)
    assert not others.take(name)
    assert others.take("api")
    pools.close()
    assert others.take(name)
    others.close()
    assert {path.parent for path in folder.parent.rglob("*.place")} == {folder}


@pytest.mark.parametrize("how", ["alone", "with a child"])
def test_what_a_killed_run_had_is_free_at_once(folder, run, how):
    """Also if a process lives on that was forked from it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        pools = run()
        assert not pools.take("api")
        holder.kill()
        holder.wait()
        assert pools.take("api")
        assert pools.take("api")


def test_a_place_is_given_back_though_a_forked_process_has_its_file_open_too(folder, run):
    first, second = run(), run()
    assert first.take("disk")
    (own,) = (n for n in Path("/proc/self/fd").iterdir() if n.resolve() == folder / "disk.0.place")
    inherited = os.dup(int(own.name))
    first.give_back("disk", 1)
    assert second.take("disk")
    os.close(inherited)


def test_a_folder_in_the_place_of_a_file_is_an_error(folder, run):
    folder.mkdir()
    (folder / "disk.next.place").mkdir()
    with pytest.raises(IsADirectoryError):
        run().take("disk")
