"""The contract of `Leases`: who may run what, who waits for whom, and who leads."""

from __future__ import annotations

import threading

import pytest
from memoryleases import MemoryLeases

from partflow.errors import BusyError
from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.leases import Met, Taken
from partflow.metastore.protocol import Leases
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import EVERYTHING, Footprint


@pytest.fixture(params=["locked files", "memory"])
def leases(request, tmp_path) -> Leases:
    return MemoryLeases() if request.param == "memory" else FlockLeases(tmp_path / "leases")


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
            leases.kept("2", "run 2", other, wait=False, waiting=print),
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
    with leases.kept("2", "run 2", EVERYTHING, wait=True, waiting=waiting) as taken:
        assert taken.others == ()
        assert leases.owner("1") is None
    thread.join()
    assert said == ["run 1"]


def test_who_waits_for_a_run_that_has_ended_goes_on_at_once(leases):
    with leases.taken("1", "run 1", EVERYTHING), leases.taken("2", "run 2", EVERYTHING) as met:
        assert isinstance(met, Met)
    leases.await_end(met, "run 1", wait=True, waiting=lambda _: None)


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
