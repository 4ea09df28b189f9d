"""The system calls of a run: it is killed at each, and the disk refuses each, by strace."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from deaths import ALL, KILLED, MOST, Shop, said

STRACE = shutil.which("strace")
PLACES = ("rename", "link", "unlink", "mkdir", "fsync", "fdatasync", "pwrite64", "utimensat",
          "ftruncate")  # fmt: skip
KINDS = [
    *((name, "signal=SIGKILL") for name in (*PLACES, "write", "openat", "close", "rmdir")),
    *((name, f"error={error}") for name in PLACES for error in ("ENOSPC", "EIO")),
    ("openat", "error=EMFILE"),
]
SAMPLE = {("rename", "signal=SIGKILL"), ("fsync", "error=EIO"), ("link", "error=ENOSPC"),
          ("pwrite64", "signal=SIGKILL"), ("pwrite64", "error=ENOSPC")}  # fmt: skip


def traced(shop: Shop, root, name: str, what: str, number: int) -> tuple[int | None, bool]:
    """How a run ended at whose n-th call of this name that happened, and whether it came to it."""
    pid = shop.nursery.start(root, held=True)
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


def attached(process: subprocess.Popen[str], pid: int) -> bool:
    """Whether strace has got hold of the process; as soon as either is known."""
    while process.poll() is None:
        with Path(f"/proc/{pid}/status").open() as status:
            if any(x.startswith("TracerPid") and int(x.split()[1]) for x in status):
                return True
    return False


@pytest.mark.skipif(STRACE is None, reason="strace is not on this machine")
@pytest.mark.parametrize(("name", "what"), KINDS)
def test_a_run_that_ends_at_any_system_call_is_ended_by_the_same_command(
    made: Shop, name, what, cases
):
    if not ALL and (name, what) not in SAMPLE:
        pytest.skip("`make torture` tries all of them")
    hits = 0
    for number in range(1, MOST * 5) if ALL else (2,):
        root = made.copy()
        code, was_hit = traced(made, root, name, what, number)
        if not was_hit:
            break
        hits += 1
        assert code == KILLED if "KILL" in what else code in {0, 1, 2}, said(root)
        assert "Traceback" not in said(root), (number, said(root))
        made.check_death(root)
    cases(hits)
    assert hits
