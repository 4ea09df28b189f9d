"""The power fails after each change of a file: what was acknowledged is there, nothing is torn."""

from __future__ import annotations

import pytest
from cuts import Watched, acknowledged, check_cut, check_nothing_lost, laid_out, recorded
from deaths import ALL, KILLED, Shop, armed
from power import WAYS
from traced import STRACE

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
PARTS = 12 if ALL else 1
"""In so many tests all cuts are made, so that several processes can share them."""
SAMPLE = 2


@pytest.fixture(scope="module", params=[("made", ""), ("empty", ""), ("made", "whole disk")])
def watched(request) -> tuple[Shop, Watched]:
    """A run that ended well, and what it did; recorded once."""
    name, protocol = request.param
    shop = request.getfixturevalue(name)
    return shop, recorded(shop.nursery, shop.copy(), protocol)


@pytest.mark.parametrize("part", range(PARTS))
def test_after_a_power_cut_at_any_moment_the_same_command_ends_it_well(watched, part, cases):
    shop, run = watched
    cuts = run.cuts()
    chosen = cuts[part::PARTS] if ALL else cuts[len(cuts) // 3 :: len(cuts) // SAMPLE]
    for number, disk in run.disks(chosen):
        turn = cuts.index(number) + (0 if ALL else 2 * chosen.index(number))
        root, _ = laid_out(shop, disk, WAYS[turn % len(WAYS)], number, trusting=turn % 4 == 0)
        check_cut(shop, root, acknowledged(disk.told))
        cases(1)


@pytest.mark.parametrize("way", WAYS if ALL else ["nothing"])
def test_a_power_cut_after_a_run_that_ended_well_loses_nothing(watched, way, cases):
    shop, run = watched
    for _, disk in run.disks([len(run.ops)]):
        for seed in range(20 if way in {"any", "torn"} else 1):
            root, _ = laid_out(shop, disk, way, seed, trusting=seed % 2 == 1)
            check_nothing_lost(shop, root)
            check_cut(shop, root, acknowledged(disk.told))
            cases(1)


@pytest.mark.skipif(not ALL, reason="`make torture` has time for that")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("point", "passing"), [("intended", 3), ("renamed", 5), ("journaled", 4)])
def test_what_a_run_that_was_killed_had_not_synced_is_not_lost_after_its_recovery(
    made: Shop, point, passing, way, cases
):
    both = Watched(made.nursery, made.copy())
    assert both.run(environment=armed(passing, "kill", point)) == KILLED
    died = len(both.ops)
    assert both.run() == 0
    for number, disk in both.disks(both.cuts(died - 1)[WAYS.index(way) :: 4]):
        root, _ = laid_out(made, disk, way, number, trusting=number % 2 == 0)
        check_cut(made, root, acknowledged(disk.told), deaths=2)
        cases(1)
