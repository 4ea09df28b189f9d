"""The system calls of a run: it is killed at each, and the disk refuses each, by strace."""

from __future__ import annotations

from pathlib import Path

import pytest
from deaths import ALL, KILLED, Shop, armed, said
from injected import KINDS, Tracer
from traced import STRACE

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")

SAMPLE = {("rename", "signal=SIGKILL"), ("fsync", "error=EIO"), ("link", "error=ENOSPC"),
          ("pwrite64", "error=ENOSPC"), ("read", "error=EIO")}  # fmt: skip
SAMPLE_OF_RECOVERY = {
    ("pwrite64", "signal=SIGKILL", "renamed"),
    ("fsync", "error=EIO", "journaled"),
    ("pread64", "error=EIO", "intended"),
}
HALF_DONE = ("intended", 3), ("renamed", 5), ("journaled", 4)
"""Where a run is killed whose recovery is tried: before, between and after a step's renames."""
RECOVERY = ["materialize", "clean"]
"""Recovers, and has then nothing to make: what is asked for was recorded before."""


@pytest.fixture(scope="module")
def tracer(made: Shop) -> Tracer:
    return Tracer(made)


@pytest.mark.parametrize(("name", "what"), KINDS)
def test_a_run_that_ends_at_any_system_call_is_ended_by_the_same_command(
    tracer: Tracer, name, what, cases
):
    if not ALL and (name, what) not in SAMPLE:
        pytest.skip("`make torture` tries all of them")
    for number in tracer.numbers(name, what, ["materialize"], tracer.shop.copy):
        root = tracer.shop.copy()
        code, was_hit = tracer.fail(root, name, what, number, ["materialize"])
        if was_hit:
            cases(1)
            assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
            assert "Traceback" not in said(root), (number, said(root))
            tracer.shop.check_death(root)


@pytest.mark.parametrize("what", ["signal=SIGKILL", "error=EIO", "error=ENOSPC"])
def test_a_run_whose_whole_disk_cannot_be_synced_is_ended_by_the_same_command(
    made: Shop, what, cases
):
    tracer = Tracer(made, "whole disk")
    numbers = [*tracer.numbers("syncfs", what, ["materialize"], made.copy)]
    for number in numbers if ALL else numbers[:2]:
        root = made.copy()
        code, was_hit = tracer.fail(root, "syncfs", what, number, ["materialize"])
        assert was_hit
        cases(1)
        assert code == KILLED if "KILL" in what else code == 1, said(root)
        assert "Traceback" not in said(root), (number, said(root))
        made.check_death(root)


@pytest.mark.parametrize(("point", "passing"), HALF_DONE)
@pytest.mark.parametrize(("name", "what"), KINDS)
def test_a_recovery_that_ends_at_any_system_call_is_ended_by_the_same_command(
    tracer: Tracer, name, what, point, passing, cases
):
    if not ALL and (name, what, point) not in SAMPLE_OF_RECOVERY:
        pytest.skip("`make torture` tries all of them")

    def half_done(point: str = point) -> Path:
        root = tracer.shop.copy()
        killed = tracer.shop.nursery.run(root, environment=armed(passing, "kill", point))
        assert killed == KILLED
        return root

    for number in tracer.numbers(name, what, RECOVERY, half_done):
        root = half_done()
        code, was_hit = tracer.fail(root, name, what, number, RECOVERY)
        if was_hit:
            cases(1)
            assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
            assert "Traceback" not in said(root), (number, said(root))
            tracer.shop.check_death(root, deaths=2)
