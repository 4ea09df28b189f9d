"""Protocols that are plausible and wrong are caught by the suites that exist for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from cuts import acknowledged, check_cut, laid_out, recorded
from deaths import ALL, MOST, Shop, armed, caught, said, taken_over
from traced import STRACE


def deaths(shop: Shop, protocol: str, name: str) -> Iterable[Callable[[], None]]:
    """A death at each passing of a point."""
    for number in range(1, MOST):
        root = shop.copy()
        shop.nursery.run(root, protocol=protocol, environment=armed(number, "kill", name))
        if "failpoint" not in said(root):
            return
        yield lambda root=root: shop.check_death(root)


def sleeps(shop: Shop, protocol: str, name: str) -> Iterable[Callable[[], None]]:
    """A run that stops at a passing of a point, and goes on when another has taken over."""
    for number in (1, 2, 3):
        root, newest = taken_over(shop, number, protocol, name)
        yield lambda root=root, newest=newest: shop.check_newest(root, newest)


def cuts(shop: Shop, protocol: str) -> Iterable[Callable[[], None]]:
    """A power cut right after each commit that was acknowledged; what was not synced is lost."""
    recording = recorded(shop.nursery, shop.copy(), protocol)
    told = [number for number, op in enumerate(recording.ops, 1) if op.kind == "told"]
    for _, disk in recording.disks(told):
        root, _ = laid_out(shop, disk, "nothing", 0, trusting=False)
        yield lambda root=root, disk=disk: check_cut(shop, root, acknowledged(disk.told))


@pytest.mark.parametrize(
    ("protocol", "point"),
    [("record first", "recorded"), ("no intent", "renamed"), ("in place", "renamed")],
)
def test_a_wrong_order_of_steps_is_caught_by_deaths_at_failpoints(made: Shop, protocol, point):
    assert caught(deaths(made, protocol, point))


@pytest.mark.parametrize(("protocol", "point"), [("unlocked", "checked"), ("unfenced", "intended")])
def test_an_owner_that_is_not_fenced_off_is_caught_by_sleeps_at_failpoints(
    made: Shop, protocol, point
):
    assert caught(sleeps(made, protocol, point))


@pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
@pytest.mark.parametrize(
    "protocol", ["unsynced files", "unsynced folders", "unsynced record", "whole disk too early"]
)
def test_a_sync_that_is_left_out_or_comes_too_early_is_caught_by_power_cuts(made: Shop, protocol):
    assert caught(cuts(made, protocol))


@pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
def test_a_sync_of_the_whole_disk_is_as_good_as_one_of_each_file(made: Shop):
    for case in cuts(made, "whole disk"):
        case()


@pytest.mark.skipif(not ALL, reason="both runs go on at once: `make torture` has time for that")
def test_the_right_protocol_is_not_caught_where_a_wrong_one_is(made: Shop):
    for case in sleeps(made, "unswept", "checked"):
        case()
