"""What is current of a node as columns, from the metastore or from a file that only caches it.

Knows nothing of files of data or of plans. Reading a million records out of SQLite row by row costs
seconds; one file of fixed-width columns for each node costs a page fault. The cache's name holds
the metastore's incarnation and the node's version there: another one is simply not the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.metastore import Metastore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST = 16
_FIXED: list[tuple[str, str, tuple[int, ...]]] = [
    ("start", "<i8", ()),
    ("seq", "<i8", ()),
    ("content", "<u8", (2,)),
    ("code", "<u8", (2,)),
    ("reads", "<i2", ()),
    ("made_at", "<i8", ()),
    ("rows", "<i8", ()),
    ("nbytes", "<i8", ()),
    ("identity", "<i8", (4,)),
    ("failed", "?", ()),
    ("pinned", "?", ()),
]
_SELECT = (
    "SELECT key, start, seq, content, code, inputs, reads, made_at, rows, nbytes, size, mtime_ns, "
    "ctime_ns, inode, failure IS NOT NULL, pinned FROM partitions WHERE node = ? AND seq > 0 "
    "ORDER BY start"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The records of a node, sorted by start: a structured array, one entry a partition.

    Fields: `key` (bytes), `start` and `made_at` (epoch seconds), `content` and `code` (two lanes),
    `inputs` (one digest of two lanes for each read), `identity` (size, mtime, ctime, inode).
    """

    table: NDArray[Any]

    def __len__(self) -> int:
        """How many records."""
        return len(self.table)

    def inputs(self, reads: int) -> NDArray[np.uint64]:
        """The digests of the first `reads` reads, shape (n, reads, 2); zero where none were."""
        found = np.zeros((len(self.table), reads, 2), np.uint64)
        recorded = self.table["inputs"]
        both = min(reads, recorded.shape[1])
        found[:, :both] = recorded[:, :both]
        return found


class ColumnCache:
    """The columns of every node of one metastore; `folder` holds the cached files."""

    def __init__(self, metastore: Metastore, folder: Path) -> None:
        self._metastore = metastore
        self._folder = folder
        self._incarnation, self._versions = metastore.versions()

    def load(self, node: str) -> Columns:
        """A node's columns: from the cache if it is of this version, else from the metastore."""
        path = self._path(node)
        with suppress(OSError, ValueError):
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            if found.dtype.names is not None and "pinned" in found.dtype.names:
                return Columns(found)
        return _from_rows(self._metastore.connection.execute(_SELECT, (node,)).fetchall())

    def refresh(self, nodes: Iterable[str]) -> None:
        """Write the cache of nodes that have none of the present version; older ones go."""
        self._incarnation, self._versions = self._metastore.versions()
        for node in nodes:
            path = self._path(node)
            if path.exists() or node not in self._versions:
                continue
            columns = self.load(node)
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob(f"{node}-*.columns"):
                old.unlink(missing_ok=True)
            temporary = path.with_suffix(".new")
            with temporary.open("wb") as file:
                np.save(file, columns.table, allow_pickle=False)
            temporary.replace(path)

    def _path(self, node: str) -> Path:
        version = self._versions.get(node, 0)
        return self._folder / f"{node}-{self._incarnation}-{version}.columns"


def _from_rows(rows: list[Any]) -> Columns:
    """The columns of the metastore's rows; digests of 32 digits become two numbers."""
    keys = np.array([r[0].encode() for r in rows], np.bytes_)
    width = max((r[6] for r in rows), default=0)
    kind = [("key", keys.dtype if len(rows) else "S1", ()), *_FIXED]
    table = np.zeros(len(rows), np.dtype([*kind, ("inputs", "<u8", (max(width, 0), 2))]))
    if not rows:
        return Columns(table)
    table["key"] = keys
    for name, i in _POSITIONS.items():
        table[name] = [r[i] for r in rows]
    table["content"] = _lanes([r[3] for r in rows])
    table["code"] = _lanes([r[4] for r in rows])
    table["identity"] = [r[10:14] for r in rows]
    if width > 0:
        blobs = b"".join(bytes(r[5] or b"").ljust(width * _DIGEST, b"\0") for r in rows)
        table["inputs"] = np.frombuffer(blobs, "<u8").reshape(len(rows), width, 2)
    return Columns(table)


_POSITIONS: Mapping[str, int] = {
    "start": 1,
    "seq": 2,
    "reads": 6,
    "made_at": 7,
    "rows": 8,
    "nbytes": 9,
    "failed": 14,
    "pinned": 15,
}


def _lanes(texts: list[str | None]) -> NDArray[np.uint64]:
    """The lanes of many fingerprints at once, shape (n, 2); None is zero."""
    digits = "".join("0" * 32 if t is None else t[-32:] for t in texts)
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 2)
