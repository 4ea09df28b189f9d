"""The power fails during a run: what it did, the disks that may be left, and what must hold.

A run is recorded with every byte that it writes and every sync. Then disks are laid out that have
lost, of what was not synced by some moment, whatever they like: see `power.py`.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import duckdb
from deaths import Nursery, Shop, said
from power import Disk
from small_shop import found_by_readers
from traced import Op, Reading, found_below, traced

METASTORE = "warehouse/.partflow/metastore.sqlite"
NOTHING_NEW = {"begin", "begin all", "told"}
"""After these the disk is as it was."""


class Watched:
    """What runs do to the files of one project: every byte and every sync, in order."""

    def __init__(self, nursery: Nursery, root: Path) -> None:
        self.nursery, self.root = nursery, root
        self.reading = Reading(root, found_below(root))

    @property
    def ops(self) -> list[Op]:
        """What they did so far."""
        return self.reading.ops

    def run(self, **request: Any) -> int | None:
        """Carry a run out under strace; and see that what that says is what the run has left."""
        pid = self.nursery.start(self.root, held=True, tells=True, **request)
        assert self.nursery.wait(pid) is None

        def go_on() -> int | None:
            self.nursery.wake(pid)
            return self.nursery.wait(pid)

        log = self.root.parent / f"{self.root.name}.strace"
        ended = traced(pid, log, go_on)
        with log.open() as lines:
            self.reading.take(lines)
        log.unlink()
        last, apart = Disk.of(self.reading.before), {"said.txt", f"{METASTORE}-shm"}
        for op in self.ops:
            last.take(op)
        found = {p: data for p, data in found_below(self.root).items() if p not in apart}
        assert {p: data for p, data in last.now().items() if p not in apart} == found
        return ended

    def cuts(self, after: int = 0) -> list[int]:
        """The numbers of operations after which the power may fail, with something to lose."""
        return [
            n
            for n, op in enumerate(self.ops, 1)
            if n > after and op.kind not in NOTHING_NEW and op.path != f"{METASTORE}-shm"
        ]

    def disks(self, cuts: Iterable[int]) -> Iterator[tuple[int, Disk]]:
        """The disk after each of some numbers of operations."""
        disk, wanted = Disk.of(self.reading.before), set(cuts)
        for number, op in enumerate(self.ops, 1):
            disk.take(op)
            if number in wanted:
                yield number, disk


def recorded(nursery: Nursery, root: Path, protocol: str = "") -> Watched:
    """A run that ended well."""
    watched = Watched(nursery, root)
    assert watched.run(protocol=protocol) == 0, said(root)
    return watched


def acknowledged(text: str) -> dict[str, list]:
    """The records of which a commit that returned has said, in `text`, that they are current."""
    found: dict[str, list] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "acknowledged":
            found |= json.loads(rest)
    return found


def laid_out(
    shop: Shop, disk: Disk, way: str, seed: int, *, trusting: bool
) -> tuple[Path, dict[Path, bytes]]:
    """A warehouse as the power cut leaves it, `trusting` as in `trust_stats`."""
    root = next(shop.places)
    laid = disk.lay_out(root, way, random.Random(seed))
    if trusting and (root / METASTORE).exists():
        trust_stats(root, laid)
    return root, laid


def trust_stats(root: Path, laid: dict[Path, bytes]) -> None:
    """Let files have the recorded stat, whose bytes would be the recorded ones if none were lost.

    A disk may keep a file's size and times and lose its bytes: then no stat tells.
    """
    shutil.rmtree((root / METASTORE).parent / "columns", ignore_errors=True)  # it is never synced
    with closing(apsw.Connection(str(root / METASTORE))) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
            return
        rows = connection.execute("SELECT node, key, sha256, size FROM partitions").fetchall()
        for node, key, digest, size in rows:
            path = root / f"warehouse/{node}/date={key}/data.parquet"
            if path in laid and sha256(laid[path]).hexdigest() == digest:
                stat = path.stat()
                if stat.st_size == size:
                    connection.execute(
                        "UPDATE partitions SET mtime_ns = ?, ctime_ns = ?, inode = ? "
                        "WHERE node = ? AND key = ?",
                        (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, node, key),
                    )


def check_cut(shop: Shop, root: Path, known: dict[str, list], deaths: int = 1) -> None:
    """What was acknowledged is there, what readers see is whole, and the same command ends it.

    `deaths` are the runs that did not end well: each may have sent what it did not come to record.
    """
    shop.check_readers(root)
    check_catalog(root)
    if known or (root / METASTORE).exists():
        found = shop.nursery.look(root)
        # What the record says is there, or an intent tells that it is under way.
        assert set(found["unlike"]) <= set(found["intended"]), said(root)
        lost = {k for k, record in known.items()
                if found["records"].get(k) not in (record, shop.record[k])}  # fmt: skip
        assert not lost
    shop.check_ended(root)
    sent = {line for line in shop.sent if f"send@{line.split()[0]}" in known}
    shop.check_sent(root, frozenset(sent), deaths)


def check_catalog(root: Path) -> None:
    """The catalog is an old or a new one, whole, or there is none."""
    path = root / "warehouse/catalog.duckdb"
    if path.exists():
        with closing(duckdb.connect(path, read_only=True)) as connection:
            assert connection.execute("SELECT count(*) FROM partflow.views").fetchone() != (0,)


def check_nothing_lost(shop: Shop, root: Path) -> None:
    """After a command that ended well, whatever was not synced did not matter."""
    found = shop.nursery.look(root)
    assert (found["unlike"], found["intended"], found["steps"]) == ([], [], 0), said(root)
    for how, content in found_by_readers(root):
        assert content == shop.after, how
