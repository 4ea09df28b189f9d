"""Leases as locked files: while a run lives, it holds one that says what it touches.

Knows nothing of plans. A `flock` ends with its process, so what a dead run held is free at once.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from partflow.errors import naming
from partflow.metastore.leases import Lease, Living, Met, Taken, first_met
from partflow.planning.footprint import EVERYTHING, Footprint
from partflow.store.opening import NotAFileError, alone_with, at_once, not_in_children

_SUFFIX = ".lease"
_NEW = ".new"
_MOMENT = 0.05
"""Seconds between two looks at a lock. Ctrl-C is heard then; it would not end a wait for the lock,
since polars has the system restart what a signal interrupts."""


class FlockLeases:
    """The leases of one warehouse; `folder` holds their files. See `Leases`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def taken(
        self,
        run: str,
        owner: str,
        footprint: Footprint,
        before: Callable[[Living], None] = lambda _: None,
    ) -> Iterator[Taken | Met]:
        """Hold a lease on what a run touches, unless it meets a run that goes on.

        First `before` is called with the leases that are held, to clean up after dead runs. Nobody
        else takes a lease meanwhile.
        """
        with ExitStack() as stack:
            with self._gate():
                living = self._living()
                before(living)
                outcome: Taken | Met | None = first_met(living, run, footprint)
                if outcome is None:
                    is_held = stack.enter_context(self._held(run, owner, footprint))
                    outcome = Taken(tuple(living.values()), is_held)
            yield outcome

    def await_end(self, met: Met) -> None:
        """Wait until a run that was met has ended."""
        try:
            with open(self._path(met.lease.run), "rb", opener=at_once) as file:
                while _is_locked(file):
                    time.sleep(_MOMENT)
        except FileNotFoundError:
            pass

    def owner(self, run: str) -> str | None:
        """Who holds the lease of a run, in words; None if nobody does, as it does not go on."""
        lease = _lease_in(self._path(run))
        return None if lease is None else lease.owner

    def is_held(self, run: str) -> bool:
        """Whether a run goes on."""
        return self.owner(run) is not None

    def living(self) -> dict[str, Lease]:
        """The leases that are held now; nothing is removed, and nobody waits."""
        try:
            paths = sorted(p for p in self.folder.iterdir() if p.suffix == _SUFFIX)
        except FileNotFoundError:
            return {}
        leases = (_lease_in(path) for path in paths)
        return {lease.run: lease for lease in leases if lease is not None}

    @contextmanager
    def lead(self) -> Iterator[Callable[[], bool] | None]:
        """Be the leader until the end of the block; None if another is.

        Else it gives a function that says whether this is still the leader: somebody may have
        removed the file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "leader"
        with path.open("ab") as file, not_in_children(file.fileno()):
            leads = None  # what the block raises has nothing to do with the lock
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leads = functools.partial(_is_at, path, os.fstat(file.fileno()).st_ino)
            yield leads

    def _path(self, run: str) -> Path:
        return self.folder / f"{run}{_SUFFIX}"

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Let one process at a time take a lease. It is only held for moments."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone_with(self.folder / "gate"):
            yield

    def _living(self) -> dict[str, Lease]:
        """The leases that are held, by run; removes the files of dead runs. Requires: the gate."""
        living = {}
        with os.scandir(self.folder) as entries:
            names = sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
        for path in (self.folder / name for name in names if name.endswith((_SUFFIX, _NEW))):
            lease = _lease_in(path) if path.suffix == _SUFFIX else None
            if lease is None:
                path.unlink(missing_ok=True)
            else:
                living[lease.run] = lease
        return living

    @contextmanager
    def _held(self, run: str, owner: str, footprint: Footprint) -> Iterator[Callable[[], bool]]:
        """Hold the file of a new lease, which is complete and locked before it has its name."""
        path = self._path(run)
        new = path.with_suffix(_NEW)
        with new.open("wb", buffering=0) as file, not_in_children(file.fileno()):
            fcntl.flock(file, fcntl.LOCK_EX)
            content = {"run": run, "owner": owner, "touches": footprint.to_json()}
            with naming(new):
                file.write(json.dumps(content).encode())
            new.rename(path)
            own = os.fstat(file.fileno()).st_ino
            is_held = functools.partial(_is_at, path, own)
            try:
                yield is_held
            finally:
                if is_held():
                    path.unlink(missing_ok=True)


def _is_at(path: Path, inode: int) -> bool:
    """Whether the file at a path is the one with that inode."""
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def _lease_in(path: Path) -> Lease | None:
    """The lease in a file; None if nobody holds it.

    It finds out by locking the file for a moment, shared, which hinders nobody.
    """
    with (
        suppress(FileNotFoundError, NotAFileError),
        open(path, "rb", opener=at_once) as file,
    ):
        if _is_locked(file):
            return _read(path.stem, file.read())
    return None


def _is_locked(file: BinaryIO) -> bool:
    """Whether another holds a lock on a file; if nobody does, this process does now, shared."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _read(run: str, text: bytes) -> Lease:
    """A lease that is held; if it cannot be read, it counts as one on everything."""
    try:
        content = json.loads(text)
        return Lease(run, str(content["owner"]), Footprint.from_json(content["touches"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Lease(run, f"run {run}", EVERYTHING)
