"""Which process this is, or another: the number alone is given to another one some day.

Knows nothing of what processes do.
"""

from __future__ import annotations

import os
import signal
import subprocess  # `ps`, where there is no /proc  # nosec B404
from contextlib import suppress
from pathlib import Path


def started(pid: int) -> str | None:
    """When a process began, as a text that no later one of that number has; None if it is gone."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            stat = (proc / str(pid) / "stat").read_text("utf-8", errors="replace")
        except OSError:
            return None
        return stat.rpartition(")")[2].split()[19]
    answer = subprocess.run(  # noqa: S603 - a number and no text  # nosec B603 B607
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - where it is differs
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer.stdout.strip() or None


def kill(pid: int, start: str) -> bool:
    """Kill the process of that number that began then; whether it was there to be killed.

    Where the system has descriptors of processes, no other one that has got the number meanwhile is
    ever hit. PermissionError if it is another user's.
    """
    try:
        held = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except ProcessLookupError:
        return False
    try:
        if started(pid) != start:
            return False
        with suppress(ProcessLookupError):
            if held is None:
                os.kill(pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(held, signal.SIGKILL)
            return True
    finally:
        if held is not None:
            os.close(held)
    return False
