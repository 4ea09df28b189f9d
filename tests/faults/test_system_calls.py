"""The system calls of a run: it is killed at each, and the disk refuses each, by strace."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from deaths import ALL, KILLED, MOST, Shop, armed, said
from traced import STRACE, attached

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
PLACES = ("rename", "link", "unlink", "mkdir", "fsync", "fdatasync", "pwrite64", "utimensat",
          "ftruncate")  # fmt: skip
KINDS = [
    *((name, "signal=SIGKILL") for name in (*PLACES, "write", "openat", "close", "rmdir")),
    *((name, f"error={error}") for name in PLACES for error in ("ENOSPC", "EIO")),
    ("openat", "error=EMFILE"),
]
SAMPLE = {("rename", "signal=SIGKILL"), ("fsync", "error=EIO"), ("link", "error=ENOSPC"),
          ("pwrite64", "signal=SIGKILL"), ("pwrite64", "error=ENOSPC")}  # fmt: skip


SAMPLE_OF_RECOVERY = {
    ("pwrite64", "signal=SIGKILL", "renamed"),
    ("fsync", "error=EIO", "journaled"),
}
HALF_DONE = ("intended", 3), ("renamed", 5), ("journaled", 4)
"""Where a run is killed whose recovery is tried: before, between and after a step's renames."""
RECOVERY = ["materialize", "clean"]
"""Recovers, and has then nothing to make: what is asked for was recorded before."""


def traced(
    shop: Shop, root: Path, name: str, what: str, number: int, words: list[str]
) -> tuple[int | None, bool]:
    """How a run ended at whose n-th call of this name that happened, and whether it came to it."""
    pid = shop.nursery.start(root, held=True, words=words)
    assert shop.nursery.wait(pid) is None
    log = root / "strace.txt"
    command = [STRACE, "-f", "-qq", "-p", str(pid), "-o", str(log), "-e", f"trace={name}"]
    command += ["-e", f"inject={name}:{what}:when={number}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        if not attached(process, pid):
            shop.nursery.wake(pid)
            shop.nursery.wait(pid)
            pytest.skip("this machine lets nobody trace a process")
        shop.nursery.wake(pid)
        code = shop.nursery.wait(pid)
    calls = log.read_text()
    return code, "(INJECTED)" in calls or "+++ killed by SIGKILL" in calls


@pytest.mark.parametrize(("name", "what"), KINDS)
def test_a_run_that_ends_at_any_system_call_is_ended_by_the_same_command(
    made: Shop, name, what, cases
):
    if not ALL and (name, what) not in SAMPLE:
        pytest.skip("`make torture` tries all of them")
    hits = 0
    for number in range(1, MOST * 5) if ALL else (2,):
        root = made.copy()
        code, was_hit = traced(made, root, name, what, number, ["materialize"])
        if not was_hit:
            break
        hits += 1
        assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
        assert "Traceback" not in said(root), (number, said(root))
        made.check_death(root)
    cases(hits)
    assert hits


@pytest.mark.parametrize(("point", "passing"), HALF_DONE)
@pytest.mark.parametrize(("name", "what"), KINDS)
def test_a_recovery_that_ends_at_any_system_call_is_ended_by_the_same_command(
    made: Shop, name, what, point, passing, cases
):
    if not ALL and (name, what, point) not in SAMPLE_OF_RECOVERY:
        pytest.skip("`make torture` tries all of them")
    for number in range(1, MOST * 5) if ALL else (2,):
        root = made.copy()
        assert made.nursery.run(root, environment=armed(passing, "kill", point)) == KILLED
        code, was_hit = traced(made, root, name, what, number, RECOVERY)
        if not was_hit:
            assert code == 0, said(root)
            break
        assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
        assert "Traceback" not in said(root), (number, said(root))
        made.check_death(root, deaths=2)
        cases(1)
