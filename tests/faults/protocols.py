"""Publishers and stores that do it wrongly, and a store and a record whose n-th call fails.

Installed in a child process in the place of the right ones. Each wrong protocol is a plausible one;
the suites must catch those that they exist for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

import partflow.metastore.sqlite.metastore
from partflow.metastore.record import Intent, LogLines, Record
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.footprint import Footprint
from partflow.store.failpoints import failpoint
from partflow.store.local import LocalStore
from partflow.store.protocol import Answer, Replacement
from partflow.store.syncing import Syncing, SyncPace
from partflow.warehouse.publishing import Publication, Published, Publishing


class RecordFirst(Publishing):
    """Records what is to be, and then puts the files into place."""

    def complete(self, publications: Sequence[Publication], noting: Any = None) -> Published:
        intents = [each.intent for each in publications]
        self.metastore.commit(intents, noting({}).log if noting else None)
        _, refused = self._put_into_place(publications)
        return Published(tuple(each.record for each in intents), refused)


class NoIntent(SqliteMetastore):
    """Never says what is about to be renamed."""

    def intend(self, intents: Sequence[Intent]) -> None:
        failpoint("intended")


class Unswept(LocalStore):
    """Leaves to a run that sleeps what it has staged: nothing wrong, but no fence either."""

    def staged_runs(self) -> list[str]:
        return []


class Unlocked(LocalStore):
    """Checks and renames without the partition's lock."""

    staged_runs = Unswept.staged_runs

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        yield


class Unfenced(SqliteMetastore):
    """Does not look at epochs before the rename; only intents and the record do."""

    def check(self, intents: Sequence[Intent]) -> None:
        failpoint("checked")


class InPlace(LocalStore):
    """Writes over the present file instead of replacing it."""

    def replace(self, dataset: Any, key: str, by: Replacement) -> Answer:
        final, staged = self.layout.path(dataset, key), self.layout.staged(by.staged)
        final.parent.mkdir(parents=True, exist_ok=True)
        whole = staged.read_bytes()
        with final.open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            failpoint("renamed")
            file.write(whole[len(whole) // 2 :])
        staged.unlink()
        return Answer.DONE


class UnsyncedFiles(LocalStore):
    """Renames files into place whose bytes are durable some day."""

    def sync(self, paths: Collection[Path | str]) -> dict[str, OSError]:
        return super().sync([path for path in paths if Path(path).is_dir()])


class UnsyncedFolders(LocalStore):
    """Records what was renamed before the folders' names are durable."""

    def sync(self, paths: Collection[Path | str]) -> dict[str, OSError]:
        return super().sync([path for path in paths if not Path(path).is_dir()])


class Always(SyncPace):
    """Never waits for anything else first."""

    def may_be_whole(self) -> bool:
        return True


class WholeDisk(LocalStore):
    """Syncs all of the file system for each group, however small: that is right."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._syncing = Syncing(self.layout.staging, at_least=1, pace=Always())


class WholeDiskTooEarly(LocalStore):
    """Syncs all of the file system once for each file: when it is staged, before it is written."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._syncing = Syncing(self.layout.staging, at_least=1, pace=Always())

    def stage(self, name: str) -> Path:
        path = super().stage(name)
        super().sync([path.parent])
        return path

    def sync(self, paths: Collection[Path | str]) -> dict[str, OSError]:
        return {}


class UnsyncedRecord(SqliteMetastore):
    """Takes a transaction for durable when it is only written."""

    @classmethod
    def open(cls, path: Path, *, durable: bool = True) -> Any:
        return super().open(path, durable=False)


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
    "unsynced files": (UnsyncedFiles,),
    "unsynced folders": (UnsyncedFolders,),
    "unsynced record": (UnsyncedRecord,),
    "whole disk": (WholeDisk,),
    "whole disk too early": (WholeDiskTooEarly,),
}


def install(name: str) -> None:
    """Put a wrong protocol into the place of the right one, in this process."""
    for kind in PROTOCOLS[name]:
        _replace(kind)


def _replace(kind: type) -> None:
    """Put a subclass where its parent stands in partflow's modules."""
    right = kind.__mro__[1]
    for module in [m for name, m in sys.modules.items() if name.startswith("partflow")]:
        for name in [name for name, found in vars(module).items() if found is right]:
            setattr(module, name, kind)


def install_telling() -> None:
    """Let the record say on standard error what it has recorded, as soon as it is.

    And let files be copied by calls that show their bytes to who traces them.
    """
    for name in ("_USE_CP_SENDFILE", "_USE_CP_COPY_FILE_RANGE"):
        if hasattr(shutil, name):
            setattr(shutil, name, False)
    right = partflow.metastore.sqlite.metastore.SqliteMetastore

    def commit(
        self: SqliteMetastore,
        intents: Sequence[Intent],
        log: LogLines | None = None,
        dropped: Sequence[Intent] = (),
    ) -> None:
        right.commit(self, intents, log, dropped)
        known = {f"{i.node}@{i.key}": _told(i.record) for i in intents}
        os.write(2, f"acknowledged {json.dumps(known)}\n".encode())

    _replace(type("Telling", (right,), {"commit": commit}))


def _told(record: Record) -> list[Any]:
    """A record as `nursery.look` answers it."""
    inputs = (record.inputs or b"").hex().upper()
    return [record.content, record.code, inputs, record.reads, record.rows]


STORE_CALLS = ("stage", "identities", "read", "seal", "sync", "replace", "settle", "keep", "locked",
               "journal", "discard", "sweep", "staged_runs")  # fmt: skip
METASTORE_CALLS = ("records", "current", "changes", "versions", "effects", "observe", "begin",
                   "claim", "intend", "check", "commit", "intents", "abandon", "log")  # fmt: skip


REFUSALS: dict[str, tuple[int, apsw.Error]] = {
    "full": (errno.ENOSPC, apsw.FullError("database or disk is full")),
    "error": (errno.EIO, apsw.IOError("disk I/O error")),
    "denied": (errno.EACCES, apsw.ReadOnlyError("attempt to write a readonly database")),
}
"""How the disk and SQLite refuse a call."""


def _sizes() -> dict[Path, int]:
    """The sizes of what a run writes itself: staged files and the journal."""
    private = Path("warehouse/.partflow")
    found = [*private.glob("staging/*/*"), private / "journal.jsonl"]
    return {path: path.stat().st_size for path in found if path.exists()}


def install_fault(number: int, kind: str, after: bool) -> None:
    """Let the n-th call of the store or the metastore fail; `after`: when it has done its work.

    `kind` is `full`, `error`, `denied`, `death` or `torn`: death too, when half of what was written
    since the call before is there. What cannot be known is left open: the call was carried out, and
    its caller hears that it was not.
    """
    passed, sizes = 0, dict[Path, int]()

    def faulty(name: str, call: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
        def counted(self: Any, *given: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            if passed != number:
                sizes.update(_sizes())
                return call(self, *given, **named)
            os.write(2, f"fault in {name}, {kind} {'after' if after else 'before'}\n".encode())
            if after:
                found = call(self, *given, **named)
                if hasattr(found, "__enter__"):
                    with contextlib.suppress(AttributeError), found:
                        pass
            if kind == "torn":
                for path, size in _sizes().items():
                    os.truncate(path, (size + min(size, sizes.get(path, 0))) // 2)
            if kind in {"death", "torn"}:
                os.kill(os.getpid(), signal.SIGKILL)
            raise error

        return counted

    number_of, of_sqlite = REFUSALS[kind if kind in REFUSALS else "error"]
    of_disk = OSError(number_of, os.strerror(number_of), "the warehouse")
    for right, calls, error in (
        (LocalStore, STORE_CALLS, of_disk),
        (SqliteMetastore, METASTORE_CALLS, of_sqlite),
    ):
        methods = {n: faulty(f"{right.__name__}.{n}", getattr(right, n), error) for n in calls}
        _replace(type(right.__name__, (right,), methods))
