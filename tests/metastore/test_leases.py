"""The contract of `Leases`: who may run what, who waits for whom, and who leads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from memoryleases import MemoryLeases

from partflow.errors import BusyError
from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.leases import Leases, Met, Patience, Taken, kept
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import EVERYTHING, Footprint


@pytest.fixture(params=["locked files", "memory"])
def leases(request, tmp_path) -> Leases:
    return MemoryLeases() if request.param == "memory" else FlockLeases(tmp_path / "leases")


HOLDS = """
import os
import sys
from pathlib import Path
from partflow.metastore.flockleases import FlockLeases
from partflow.planning.footprint import EVERYTHING
leases, how = FlockLeases(Path(sys.argv[1])), sys.argv[2]
with leases.taken("1", "run 1 of somebody", EVERYTHING) if how == "runs" else leases.lead() as held:
    if how == "leads with a child":
        runs, says = os.pipe()
        if os.fork() == 0:
            os.write(says, b"by now it has given up what it got of the lease")
            sys.stdin.read()
            os._exit(0)
        os.read(runs, 1)
    print("held" if held else "not held", flush=True)
    sys.stdin.read()
"""

Elsewhere = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(params=["locked files"])
def shared(request, tmp_path) -> Iterator[tuple[Leases, Elsewhere]]:
    """Leases that processes share, and what begins one that holds some until it is ended."""
    begun: list[subprocess.Popen[str]] = []

    def elsewhere(how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(tmp_path / "leases"), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield FlockLeases(tmp_path / "leases"), elsewhere
    for process in begun:
        process.kill()
        process.communicate()


def at(node: str, lo: int, hi: int) -> dict[str, PartitionSet]:
    return {node: PartitionSet.of([(lo, hi)])}


def test_a_lease_is_held_as_long_as_it_is_held(leases):
    assert leases.owner("7") is None
    with leases.taken("7", "run 7", Footprint()) as found:
        assert isinstance(found, Taken)
        assert (found.others, found.is_held()) == ((), True)
        assert leases.owner("7") == "run 7"
    assert not leases.is_held("7")


def test_runs_that_touch_other_things_go_on_side_by_side(leases):
    with (
        leases.taken("1", "run 1", Footprint(at("a", 0, 10), at("source", 0, 99))),
        leases.taken("2", "run 2", Footprint(at("a", 10, 20), at("source", 0, 99))) as found,
    ):
        assert isinstance(found, Taken)
        assert [lease.run for lease in found.others] == ["1"]
        assert found.others[0].footprint == Footprint(at("a", 0, 10), at("source", 0, 99))


@pytest.mark.parametrize(
    "other",
    [
        Footprint(at("a", 5, 6)),
        Footprint({}, at("a", 9, 30)),
        Footprint(at("b", 3, 4)),
        EVERYTHING,
    ],
)
def test_a_run_that_meets_another_gets_no_lease(leases, other):
    with leases.taken("1", "run 1", Footprint(at("a", 0, 10), at("b", 0, 10))):
        with leases.taken("2", "run 2", other) as found:
            assert isinstance(found, Met)
            assert found.lease.owner == "run 1"
            assert not leases.is_held("2")
        with (
            pytest.raises(BusyError, match="run 1"),
            kept(leases, "2", "run 2", other, patience=Patience(wait=False, waiting=print)),
        ):
            pass


def test_no_two_runs_have_one_number(leases):
    with leases.taken("1", "run 1", Footprint()), leases.taken("1", "run 1", Footprint()) as found:
        assert isinstance(found, Met)


def test_what_fails_before_the_lease_leaves_none(leases):
    def fails(_):
        raise OSError("no")

    with pytest.raises(OSError, match="no"), leases.taken("1", "run 1", Footprint(), fails):
        pass
    with leases.taken("2", "run 2", EVERYTHING) as found:
        assert isinstance(found, Taken)


def test_what_is_to_be_put_right_first_is_told_who_is_alive(leases):
    told: list[set[str]] = []
    with (
        leases.taken("1", "run 1", Footprint()),
        leases.taken("2", "run 2", Footprint(), lambda living: told.append(set(living))),
    ):
        assert told == [{"1"}]


def test_who_waits_goes_on_when_the_other_has_ended(leases):
    holds, waits, said = threading.Event(), threading.Event(), []

    def other() -> None:
        with leases.taken("1", "run 1", EVERYTHING):
            holds.set()
            waits.wait()

    def waiting(owner: str) -> None:
        said.append(owner)
        waits.set()

    thread = threading.Thread(target=other)
    thread.start()
    holds.wait()
    patience = Patience(wait=True, waiting=waiting)
    with kept(leases, "2", "run 2", EVERYTHING, patience=patience) as taken:
        assert taken.others == ()
        assert leases.owner("1") is None
    thread.join()
    assert said == ["run 1"]


def test_who_waits_for_a_run_that_has_ended_goes_on_at_once(leases):
    with leases.taken("1", "run 1", EVERYTHING), leases.taken("2", "run 2", EVERYTHING) as met:
        assert isinstance(met, Met)
    leases.await_end(met)


def test_of_those_that_ask_to_lead_one_does(leases):
    with leases.lead() as first, leases.lead() as second:
        assert first is not None
        assert first()
        assert second is None
    with leases.lead() as third:
        assert third is not None


def test_who_leads_is_in_no_run_s_way(leases):
    with leases.lead(), leases.taken("1", "run 1", EVERYTHING) as taken:
        assert isinstance(taken, Taken)
        assert taken.others == ()


def test_the_lease_of_a_process_that_was_killed_is_free(shared):
    leases, elsewhere = shared
    process = elsewhere("runs")
    assert leases.owner("1") == "run 1 of somebody"
    process.kill()
    process.wait()
    assert leases.owner("1") is None
    with leases.taken("2", "run 2", EVERYTHING) as found:
        assert isinstance(found, Taken)


@pytest.mark.parametrize("dies", [True, False])
def test_who_waits_goes_on_when_the_process_that_holds_has_ended(shared, dies):
    leases, elsewhere = shared
    process, waits, said = elsewhere("runs"), threading.Event(), []

    def waiting(owner: str) -> None:
        said.append(owner)
        waits.set()

    def ends() -> None:
        waits.wait()
        process.kill() if dies else process.communicate("")

    thread = threading.Thread(target=ends)
    thread.start()
    patience = Patience(wait=True, waiting=waiting)
    with kept(leases, "2", "run 2", EVERYTHING, patience=patience) as found:
        assert isinstance(found, Taken)
    thread.join()
    process.wait()
    assert said == ["run 1 of somebody"]


@pytest.mark.parametrize("how", ["leads", "leads with a child"])
def test_who_is_killed_leads_no_more_and_another_does_at_once(shared, how):
    leases, elsewhere = shared
    process = elsewhere(how)
    with leases.lead() as leads:
        assert leads is None
    process.kill()
    process.wait()
    with leases.lead() as leads:
        assert leads is not None
        assert leads()


def test_who_is_stopped_leads_on(shared):
    leases, elsewhere = shared
    process = elsewhere("leads")
    os.kill(process.pid, signal.SIGSTOP)
    with leases.lead() as leads:
        assert leads is None


def test_of_processes_that_ask_to_lead_when_the_leader_died_one_does(shared):
    leases, elsewhere = shared
    process = elsewhere("leads")
    process.kill()
    process.wait()
    with led_by_one_of(leases, 8) as answers:
        assert sorted(answers) == [False] * 7 + [True]


@contextmanager
def led_by_one_of(leases: Leases, threads: int) -> Iterator[list[bool]]:
    """So many threads that asked to lead at once, and have not ended: whether each does."""
    asked, ends = threading.Barrier(threads + 1), threading.Event()
    answers: list[bool] = []

    def ask() -> None:
        with leases.lead() as leads:
            answers.append(leads is not None)
            asked.wait()
            ends.wait()

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for each in running:
        each.start()
    asked.wait()
    try:
        yield answers
    finally:
        ends.set()
        for each in running:
            each.join()
