"""Publishers and stores that do it wrongly, and a store and a record whose n-th call fails.

Installed in a child process in the place of the right ones. Each wrong protocol is a plausible one;
the suites must catch those that they exist for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from partflow.execution.publisher import Done, Publisher
from partflow.failpoints import failpoint
from partflow.footprint import Footprint
from partflow.metastore import Metastore
from partflow.record import FileIdentity, Intent
from partflow.runlog import write_steps
from partflow.store import Store, identity


class RecordFirst(Publisher):
    """Records what is to be, and then puts the files into place."""

    def publish(self, group: Sequence[Done]) -> Any:
        ready = {one.attempt.serial: self._published(one) for one in group}
        self.store.sync([i.staged for f in ready.values() for i in f.intents if i.staged])
        done = [i for f in ready.values() for i in f.intents]
        logs = [one.log for one in group]
        with self.store.locked((i.node, i.key) for i in done):
            self.metastore.commit(done, lambda c: write_steps(c, self.run, self.now(), logs))
            self._rename(ready, {})
        return ready, {}


class NoIntent(Metastore):
    """Never says what is about to be renamed."""

    def intend(self, intents: Sequence[Intent]) -> None:
        failpoint("intended")


class Unswept(Store):
    """Leaves to a run that sleeps what it has staged: nothing wrong, but no fence either."""

    def staged_runs(self) -> list[str]:
        return []


class Unlocked(Store):
    """Checks and renames without the partition's lock."""

    staged_runs = Unswept.staged_runs

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        yield


class Unfenced(Metastore):
    """Does not look at epochs before the rename; only intents and the record do."""

    def check(self, intents: Sequence[Intent]) -> None:
        failpoint("checked")


class InPlace(Store):
    """Writes over the present file instead of replacing it."""

    def publish(
        self,
        staged: Path,
        dataset: Any,
        key: str,
        seq: int,
        unsynced: dict[str, list[Path]] | None = None,
    ) -> FileIdentity:
        final = self.path(dataset, key)
        final.parent.mkdir(parents=True, exist_ok=True)
        whole = staged.read_bytes()
        with final.open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            failpoint("renamed")
            file.write(whole[len(whole) // 2 :])
        staged.unlink()
        if unsynced is not None:
            unsynced[str(staged)] = [final.parent]
        found = identity(final)
        assert found is not None
        return found


class Unleased(Footprint):
    """Meets nothing, so that every run goes on beside every other: work is done twice, no more."""

    def meeting(self, other: Footprint) -> None:
        return None


PROTOCOLS = {
    "unleased": (Unleased,),
    "record first": (RecordFirst,),
    "no intent": (NoIntent,),
    "unswept": (Unswept,),
    "unlocked": (Unlocked,),
    "unfenced": (Unfenced, Unswept),
    "in place": (InPlace,),
}


def install(name: str) -> None:
    """Put a wrong protocol into the place of the right one, in this process."""
    for kind in PROTOCOLS[name]:
        _replace(kind)


def _replace(kind: type) -> None:
    """Put a subclass where its parent stands in partflow's modules."""
    right = kind.__mro__[1]
    for name, module in list(sys.modules.items()):
        if name.startswith("partflow") and getattr(module, right.__name__, None) is right:
            setattr(module, right.__name__, kind)


STORE_CALLS = ("staging", "identities", "seal", "sync", "publish", "keep", "locked", "journal",
               "sweep", "staged_runs")  # fmt: skip
METASTORE_CALLS = ("records", "current", "changes", "versions", "effects", "observe", "begin",
                   "claim", "intend", "check", "commit", "intents", "abandon", "fail")  # fmt: skip


def install_fault(number: int, kind: str, after: bool) -> None:
    """Let the n-th call of the store or the metastore fail; `after`: when it has done its work.

    `kind` is `full`, `error` or `death`. What cannot be known is left open: the call was carried
    out, and its caller hears that it was not.
    """
    passed = 0

    def faulty(name: str, call: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
        def counted(self: Any, *given: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            if passed != number:
                return call(self, *given, **named)
            os.write(2, f"fault in {name}, {kind} {'after' if after else 'before'}\n".encode())
            if after:
                found = call(self, *given, **named)
                if hasattr(found, "__enter__"):
                    with contextlib.suppress(AttributeError), found:
                        pass
            if kind == "death":
                os.kill(os.getpid(), signal.SIGKILL)
            raise error

        return counted

    disk = errno.ENOSPC if kind == "full" else errno.EIO
    of_disk = OSError(disk, os.strerror(disk), "the warehouse")
    of_sqlite = (
        apsw.FullError("database or disk is full")
        if kind == "full"
        else apsw.IOError("disk I/O error")
    )
    for right, calls, error in (
        (Store, STORE_CALLS, of_disk),
        (Metastore, METASTORE_CALLS, of_sqlite),
    ):
        methods = {n: faulty(f"{right.__name__}.{n}", getattr(right, n), error) for n in calls}
        _replace(type(right.__name__, (right,), methods))
