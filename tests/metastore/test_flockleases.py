"""Leases as locked files: what lies in their folder, and what somebody else does there."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.leases import Met, Taken
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import EVERYTHING, Footprint
from partflow.store.opening import alone_with


@pytest.fixture
def leases(tmp_path) -> FlockLeases:
    return FlockLeases(tmp_path / "leases")


def at(node: str, lo: int, hi: int) -> dict[str, PartitionSet]:
    return {node: PartitionSet.of([(lo, hi)])}


def test_the_file_of_a_run_that_died_is_gone_once_another_has_begun(leases):
    told: list[set[str]] = []
    (leases.folder).mkdir()
    (leases.folder / "0.lease").write_text("of a run that died")
    with (
        leases.taken("1", "run 1", Footprint()),
        leases.taken("2", "run 2", Footprint(), lambda living: told.append(set(living))),
    ):
        assert told == [{"1"}]
    assert [p.name for p in leases.folder.iterdir()] == ["gate"]


def test_who_holds_a_lease_knows_whether_it_was_taken_away(leases):
    with leases.taken("1", "run 1", EVERYTHING) as found:
        (leases.folder / "1.lease").unlink()
        assert not found.is_held()
        with leases.taken("1", "run 1 once more", EVERYTHING) as other:
            assert (found.is_held(), other.is_held()) == (False, True)
    assert [p.name for p in leases.folder.iterdir()] == ["gate"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", "[" * 100_000])
def test_a_held_lease_that_cannot_be_read_is_one_on_everything(leases, text):
    with leases.taken("1", "run 1", Footprint()):
        (leases.folder / "1.lease").write_text(text)
        with leases.taken("2", "run 2", Footprint(at("a", 0, 1))) as found:
            assert isinstance(found, Met)


def test_what_is_no_file_of_a_lease_is_in_nobody_s_way(leases):
    leases.folder.mkdir()
    os.mkfifo(leases.folder / "1.lease")
    (leases.folder / "2.lease").mkdir()
    (leases.folder / "3.lease").symlink_to("nowhere")
    with leases.taken("4", "run 4", EVERYTHING) as found:
        assert isinstance(found, Taken)
    assert not any(leases.is_held(run) for run in "1234")
    assert sorted(p.name for p in leases.folder.iterdir()) == [f"{n}.lease" for n in "123"] + [
        "gate"
    ]


def test_who_leads_knows_whether_the_file_was_taken_away(leases):
    with leases.lead() as leads:
        assert leads()
        (leases.folder / "leader").unlink()
        assert not leads()
        with leases.lead() as other:
            assert (leads(), other()) == (False, True)


def test_the_file_of_a_lease_is_gone_when_it_is(leases):
    with leases.taken("1", "run 1", Footprint()):
        assert sorted(p.name for p in Path(leases.folder).iterdir()) == ["1.lease", "gate"]
    assert [p.name for p in Path(leases.folder).iterdir()] == ["gate"]


def test_a_lock_is_given_back_though_a_forked_process_has_its_file_open_too(tmp_path):
    path = tmp_path / "gate"
    with alone_with(path):
        (own,) = (n for n in Path("/proc/self/fd").iterdir() if n.resolve() == path)
        inherited = os.dup(int(own.name))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(inherited)
