"""What this process may have of the machine: its processors and its memory.

Knows nothing of who asks. A container or a service manager gives a group of processes less than the
machine has: on Linux each group says so in files, and a group is bound by those above it, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")
_FOR_ALL = "OMP_NUM_THREADS"
_FOLLOWING = (
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"
)  # fmt: skip
_OWN = ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def processors(root: Path = _ROOT) -> int:
    """How many this process may use at once, at least 1; a part of one counts as one.

    `root` is the folder below which the system's own files lie.
    """
    try:
        found = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        found = os.cpu_count() or 1
    for folder in _groups(root, "cpu"):
        found = min([found, *_quota(folder)])
    return max(1, found)


def thread_settings(threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which numeric libraries begin so many threads; `given` is the present one.

    A variable that somebody has set stands. OpenBLAS and the like follow OMP_NUM_THREADS unless
    they have one of their own, so whoever has set that has set all of these.
    """
    names = _OWN if given.get(_FOR_ALL) else (_FOR_ALL, *_FOLLOWING, *_OWN)
    return {name: str(threads) for name in names if not given.get(name)}


def memory(root: Path = _ROOT) -> int | None:
    """The memory that this process may use with its workers, in bytes; None if nobody tells."""
    found: list[int] = []
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for folder in _groups(root, "memory"):
        found += _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
    return min(found, default=None)


def free_memory(root: Path = _ROOT) -> int | None:
    """How much of it is not in use now, in bytes; None if nobody tells.

    What the system keeps of files only because nobody needs the memory counts as free.
    """
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
        said = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(said.split()[1]) * 1024)
    for folder in _groups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if limit and used:
            found.append(max(0, limit[0] - used[0] + _files_kept(folder)))
    return min(found, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the groups of processes that this one is in, as far as they can be seen."""
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
    """The processors that a group may use, rounded up; [] if it is not bound."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text("ascii").split()
        return [-(-int(quota) // int(period))]
    quotas = _number(folder / "cpu.cfs_quota_us")
    periods = _number(folder / "cpu.cfs_period_us")
    if quotas and periods and quotas[0] > 0:
        return [-(-quotas[0] // periods[0])]
    return []


def _number(path: Path) -> list[int]:
    """The number in a file; [] if there is none, as where it says `max`."""
    with suppress(OSError, ValueError):
        return [int(path.read_text("ascii"))]
    return []


def _files_kept(folder: Path) -> int:
    """What a group holds of files and would give up."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text("ascii").splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(number)
    return 0
