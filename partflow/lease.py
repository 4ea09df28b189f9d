"""The lease of a warehouse: a `flock` that is held for a run's life, and freed if it dies.

Knows nothing of runs but who holds it. Correctness rests on epochs; a lease only saves work.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from partflow.errors import BusyError


@contextmanager
def held(path: Path, owner: str, *, wait: bool, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lease at `path`; wait for it, after saying for whom, or raise BusyError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = path.read_text("utf-8").strip() or "another run"
            if not wait:
                raise BusyError(
                    f"another run has this warehouse: {other}; wait for it, or leave --no-wait out"
                ) from None
            waiting(other)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(owner)
        file.flush()
        yield


def holder(path: Path) -> str | None:
    """Who holds the lease at `path`; None if nobody does.

    Asks by taking a lease that is free for a moment, so it is not asked without need.
    """
    try:
        file = path.open("r", encoding="utf-8")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another run"
    return None
