"""Tells how much of the machine this process may use: processors and memory.

Knows nothing of who asks. A container or a service manager may limit a group of processes to less
than the machine has. On Linux the limits of such a control group stand in files, and those of the
groups above it bind it, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_FOR_ALL = "OMP_NUM_THREADS"
"""The variable that many libraries follow where one of their own is not set."""
_FOLLOWING = (
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"
)  # fmt: skip
"""The variables of those libraries."""
_OWN = ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""The variables of libraries that follow no other."""


def processors(root: Path = _ROOT) -> int:
    """How many processors this process may use at once, at least 1; a part of one counts as one.

    `root` is the folder below which the system's own files lie.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        count = os.cpu_count() or 1
    for folder in _groups(root, "cpu"):
        count = min([count, *_quota(folder)])
    return max(1, count)


def thread_settings(threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to those given, so that numeric libraries begin so many threads.

    A variable that is set is left out, so that it stays. If OMP_NUM_THREADS is set, so are those
    of the libraries that follow it.
    """
    names = _OWN if given.get(_FOR_ALL) else (_FOR_ALL, *_FOLLOWING, *_OWN)
    return {name: str(threads) for name in names if not given.get(name)}


def memory(root: Path = _ROOT) -> int | None:
    """The memory that this process and its workers may use, in bytes; None if it is not known."""
    limits: list[int] = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for folder in _groups(root, "memory"):
        limits += _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
    return min(limits, default=None)


def free_memory(root: Path = _ROOT) -> int | None:
    """How much of that memory is free now, in bytes; None if it is not known.

    Memory in which the system only caches files counts as free.
    """
    free: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free.append(int(available.split()[1]) * 1024)
    for folder in _groups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if limit and used:
            free.append(max(0, limit[0] - used[0] + _files_kept(folder)))
    return min(free, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, as far as they can be seen."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mounted = root / "sys/fs/cgroup" / (controller if controllers else "")
        group = mounted / name.strip("/")
        yield from (group, *(each for each in group.parents if each.is_relative_to(mounted)))


def _quota(folder: Path) -> list[int]:
    """The processors that a group may use, rounded up; [] if it has no limit."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text("ascii").split()
        return [-(-int(quota) // int(period))]
    quotas = _number(folder / "cpu.cfs_quota_us")
    periods = _number(folder / "cpu.cfs_period_us")
    if quotas and periods and quotas[0] > 0:
        return [-(-quotas[0] // periods[0])]
    return []


def _number(path: Path) -> list[int]:
    """The number in a file; [] if there is none, as in one that says `max`."""
    with suppress(OSError, ValueError):
        return [int(path.read_text("ascii"))]
    return []


def _files_kept(folder: Path) -> int:
    """How many bytes of cached files a group would give up."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text("ascii").splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(number)
    return 0
