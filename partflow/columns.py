"""What is current of a node as columns, from the metastore or from a file that only caches it.

Knows nothing of files of data or of plans. Reading a million records out of SQLite row by row costs
seconds; one file for each node, with one column after the other, costs a read. The cache's name
holds the metastore's incarnation and the node's version there: another one is simply not the cache.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from partflow.metastore import Metastore

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST = 16
_MARK = "partflow columns 3"
_HEADER = 128
"""The bytes before the first column, which begins where a number may begin."""

_SELECT = (
    "SELECT key, start, seq, content, code, inputs, reads, made_at, rows, nbytes, size, mtime_ns, "
    "ctime_ns, inode, failure IS NOT NULL, pinned FROM partitions WHERE node = ? AND seq > 0 "
    "ORDER BY start"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The records of a node, sorted by start, n of them.

    `start` and `made_at` are epoch seconds; `content` and `code` have two lanes, shape (n, 2);
    `inputs` holds one digest of two lanes for each read, shape (reads, n, 2), so that those of one
    read lie together; `key` is bytes; `identity` has size, mtime, ctime and inode, shape (n, 4), or
    (0, 4) if it was not asked for.
    """

    start: NDArray[np.int64]
    seq: NDArray[np.int64]
    content: NDArray[np.uint64]
    code: NDArray[np.uint64]
    inputs: NDArray[np.uint64]
    made_at: NDArray[np.int64]
    rows: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    reads: NDArray[np.int16]
    failed: NDArray[np.bool_]
    pinned: NDArray[np.bool_]
    key: NDArray[np.bytes_]
    identity: NDArray[np.int64]

    def __len__(self) -> int:
        """How many records."""
        return len(self.start)

    def taken(self, which: NDArray[Any] | slice) -> Columns:
        """Some of the records: those of a mask, of numbers, or of a slice."""
        found = {name: getattr(self, name)[which] for name in _PLAIN}
        identity = self.identity[which] if len(self.identity) else self.identity
        return Columns(**found, inputs=self.inputs[:, which], identity=identity)

    def digests(self, reads: int) -> NDArray[np.uint64]:
        """The digests of the first `reads` reads, shape (n, reads, 2); zero where none were."""
        recorded = self.inputs
        if len(recorded) != reads:
            recorded = np.zeros((reads, len(self), 2), np.uint64)
            both = min(reads, len(self.inputs))
            recorded[:both] = self.inputs[:both]
        return recorded.transpose(1, 0, 2)


_PLAIN = tuple(f.name for f in fields(Columns) if f.name not in {"inputs", "identity"})


class ColumnCache:
    """The columns of every node of one metastore; `folder` holds the cached files."""

    def __init__(self, metastore: Metastore, folder: Path) -> None:
        self._metastore = metastore
        self._folder = folder
        self._incarnation, self._versions = metastore.versions()

    def load(self, node: str, *, identities: bool = True) -> Columns:
        """A node's columns: from the cache if it is of this version, else from the metastore.

        The arrays are the caller's own. Without `identities` they are not read from the cache.
        """
        with suppress(OSError, ValueError, KeyError, TypeError), self._path(node).open("rb") as f:
            return _read(f, identities=identities)
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
            temporary = path.with_suffix(f".{os.getpid()}.new")  # another run may be at it too
            with temporary.open("wb") as file:
                _write(file, columns)
            temporary.replace(path)

    def _path(self, node: str) -> Path:
        version = self._versions.get(node, 0)
        return self._folder / f"{node}-{self._incarnation}-{version}.columns"


def _layout(n: int, reads: int, width: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """The columns of a file in their order, each with its type and shape: wide numbers first."""
    wide, lanes = np.dtype("<i8"), np.dtype("<u8")
    return {
        "start": (wide, (n,)),
        "seq": (wide, (n,)),
        "content": (lanes, (n, 2)),
        "code": (lanes, (n, 2)),
        "inputs": (lanes, (reads, n, 2)),
        "made_at": (wide, (n,)),
        "rows": (wide, (n,)),
        "nbytes": (wide, (n,)),
        "reads": (np.dtype("<i2"), (n,)),
        "failed": (np.dtype("?"), (n,)),
        "pinned": (np.dtype("?"), (n,)),
        "key": (np.dtype(f"S{width}"), (n,)),
    }


def _write(file: IO[bytes], columns: Columns) -> None:
    """A header, the identities, then the other columns, one after the other."""
    n, reads, width = len(columns), len(columns.inputs), columns.key.dtype.itemsize
    header = json.dumps({"mark": _MARK, "n": n, "reads": reads, "width": width})
    file.write(header.ljust(_HEADER).encode())
    file.write(columns.identity.astype("<i8").tobytes())
    for name, (kind, _) in _layout(n, reads, width).items():
        file.write(getattr(columns, name).astype(kind).tobytes())


def _read(file: IO[bytes], *, identities: bool) -> Columns:
    """What `_write` wrote; ValueError, KeyError or TypeError if it did not."""
    header = json.loads(file.read(_HEADER))
    if header["mark"] != _MARK:
        raise ValueError("written by another partflow")
    n, reads, width = header["n"], header["reads"], header["width"]
    layout = _layout(n, reads, width)
    nbytes = sum(kind.itemsize * int(np.prod(shape)) for kind, shape in layout.values())
    if file.seek(0, 2) != _HEADER + 32 * n + nbytes:
        raise ValueError("cut short")
    file.seek(_HEADER if identities else _HEADER + 32 * n)
    identity = np.zeros((n if identities else 0, 4), "<i8")
    rest = np.empty(nbytes, np.uint8)
    file.readinto(identity.data)  # type: ignore[attr-defined]
    file.readinto(rest.data)  # type: ignore[attr-defined]
    found, at = {}, 0
    for name, (kind, shape) in layout.items():
        end = at + kind.itemsize * int(np.prod(shape))
        found[name] = rest[at:end].view(kind).reshape(shape)
        at = end
    return Columns(**found, identity=identity)


def _from_rows(rows: list[Any]) -> Columns:
    """The columns of the metastore's rows; digests of 32 digits become two numbers."""
    n, reads = len(rows), max((r[6] for r in rows), default=0)
    keys = np.array([r[0].encode() for r in rows], np.bytes_ if rows else "S1")
    layout = _layout(n, max(reads, 0), keys.dtype.itemsize)
    found = {k: np.array([r[i] for r in rows], layout[k][0]) for k, i in _POSITIONS.items()}
    inputs = np.zeros(layout["inputs"][1], np.uint64)
    if reads > 0:
        blobs = b"".join(bytes(r[5] or b"").ljust(reads * _DIGEST, b"\0") for r in rows)
        inputs = np.frombuffer(blobs, "<u8").reshape(n, reads, 2).transpose(1, 0, 2).copy()
    return Columns(
        **found,
        key=keys,
        content=_lanes([r[3] for r in rows]),
        code=_lanes([r[4] for r in rows]),
        inputs=inputs,
        identity=np.array([r[10:14] for r in rows], np.int64).reshape(n, 4),
    )


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
