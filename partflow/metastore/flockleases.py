"""Leases as locked files: each run holds one that says what it touches, for the run's life.

Knows nothing of plans. A `flock` goes with its process, so what a dead run had is free at once.
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
from partflow.store.opening import NotAFileError, alone_with, at_once

_SUFFIX = ".lease"
_NEW = ".new"
_MOMENT = 0.05
"""Seconds; polars has Ctrl-C restart what waits for a lock: it is heard only between two waits."""


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
        """Hold a lease on what a run touches, unless one that goes on meets it.

        Before that, whatever is to be done to what dead runs left is done, given who is alive:
        nobody else takes a lease meanwhile.
        """
        with ExitStack() as stack:
            with self._gate():
                living = self._living()
                before(living)
                found: Taken | Met | None = first_met(living, run, footprint)
                if found is None:
                    is_held = stack.enter_context(self._held(run, owner, footprint))
                    found = Taken(tuple(living.values()), is_held)
            yield found

    def await_end(self, met: Met) -> None:
        """Wait until a run that was met has ended."""
        try:
            with open(self._path(met.lease.run), "rb", opener=at_once) as file:
                while _is_locked(file):
                    time.sleep(_MOMENT)
        except FileNotFoundError:
            pass

    def owner(self, run: str) -> str | None:
        """Who holds the lease of a run, in words; None if nobody does: it does not go on."""
        lease = _lease_in(self._path(run))
        return None if lease is None else lease.owner

    def is_held(self, run: str) -> bool:
        """Whether a run goes on."""
        return self.owner(run) is not None

    @contextmanager
    def lead(self) -> Iterator[Callable[[], bool] | None]:
        """Lead all that ask to, until the end of the block; None if another leads.

        Else what tells whether this one still does: somebody may have removed the file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "leader"
        with path.open("ab") as file, _not_in_children(file.fileno()):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield functools.partial(_is_at, path, os.fstat(file.fileno()).st_ino)

    def _path(self, run: str) -> Path:
        return self.folder / f"{run}{_SUFFIX}"

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Let one process at a time take leases; it is held for moments only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with alone_with(self.folder / "gate"):
            yield

    def _living(self) -> dict[str, Lease]:
        """The leases that are held; files of the dead go. Requires: the gate."""
        found = {}
        with os.scandir(self.folder) as entries:
            names = sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
        for path in (self.folder / name for name in names if name.endswith((_SUFFIX, _NEW))):
            lease = _lease_in(path) if path.suffix == _SUFFIX else None
            if lease is None:
                path.unlink(missing_ok=True)
            else:
                found[lease.run] = lease
        return found

    @contextmanager
    def _held(self, run: str, owner: str, footprint: Footprint) -> Iterator[Callable[[], bool]]:
        """Hold the file of a new lease: it is whole and locked before it has its name."""
        path = self._path(run)
        new = path.with_suffix(_NEW)
        with new.open("wb", buffering=0) as file, _not_in_children(file.fileno()):
            fcntl.flock(file, fcntl.LOCK_EX)
            said = {"run": run, "owner": owner, "touches": footprint.to_json()}
            with naming(new):
                file.write(json.dumps(said).encode())
            new.rename(path)
            own = os.fstat(file.fileno()).st_ino
            is_held = functools.partial(_is_at, path, own)
            try:
                yield is_held
            finally:
                if is_held():
                    path.unlink(missing_ok=True)


@contextmanager
def _not_in_children(descriptor: int) -> Iterator[None]:
    """Keep a descriptor from processes that are forked: they may outlive this one and its lock."""
    held = _held_here()
    held.add(descriptor)
    try:
        yield
    finally:
        held.discard(descriptor)


@functools.cache
def _held_here() -> set[int]:
    """The descriptors of the locks that this process holds; those that it forks let go of them."""
    descriptors: set[int] = set()
    os.register_at_fork(after_in_child=functools.partial(_let_go, descriptors))
    return descriptors


def _let_go(descriptors: set[int]) -> None:
    """In a process that a task forked: have none of the locked files of its parent open."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def _is_at(path: Path, inode: int) -> bool:
    """Whether the file at a path is the one with that inode."""
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def _lease_in(path: Path) -> Lease | None:
    """The lease in a file; None if nobody holds it.

    Asks by taking it for a moment, shared, which is in nobody's way.
    """
    with (
        suppress(FileNotFoundError, NotAFileError),
        open(path, "rb", opener=at_once) as file,
    ):
        if _is_locked(file):
            return _read(path.stem, file.read())
    return None


def _is_locked(file: BinaryIO) -> bool:
    """Whether another holds a file; if nobody does, this one does from now on, shared."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _read(run: str, text: bytes) -> Lease:
    """A lease that is held; one that cannot be read is taken to touch everything."""
    try:
        found = json.loads(text)
        return Lease(run, str(found["owner"]), Footprint.from_json(found["touches"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Lease(run, f"run {run}", EVERYTHING)
