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

from partflow.errors import naming, understood
from partflow.metastore.sqlite.metastore import Metastore
from partflow.metastore.sqlite.rows import RESTATED
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST = 16
_MARK = "partflow columns 5"
_ENDING = ".columns"
_HEADER = 192
"""The bytes before the first column, which begins where a number may begin."""

_SELECT = (
    "SELECT key, start, seq, content, code, inputs, reads, made_at, rows, nbytes, size, mtime_ns, "
    "ctime_ns, inode, failure IS NOT NULL, pinned, rules FROM partitions "
    "WHERE node = ? AND seq > ? ORDER BY start"
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
    rules: NDArray[np.int16]
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
        self._names: list[str] | None = None

    def load(self, node: str, *, identities: bool = True) -> Columns:
        """A node's columns: from the cache, and what it does not hold yet from the metastore.

        The arrays are the caller's own. Without `identities` they are not read from the cache.
        """
        version = self._versions.get(node, 0)
        found = _cached(self._path(node, version), identities=identities)
        if found is not None:
            return found
        # Unless records were restated, all that is not in an older one has a higher number.
        older = [
            v for v in self._held(node) if v < version and v // RESTATED == version // RESTATED
        ]
        found = _cached(self._path(node, max(older)), identities=identities) if older else None
        last = 0 if found is None else int(found.seq.max(initial=0))
        rows = self._metastore.connection.execute(_SELECT, (node, last)).fetchall()
        with understood(f"the records of {node}"):
            return _from_rows(rows) if found is None else _merged(found, _from_rows(rows))

    def refresh(self, nodes: Iterable[str]) -> None:
        """Write the cache of nodes that have none of the present version; older ones go.

        Other runs may do so at the same time.
        """
        self._incarnation, self._versions = self._metastore.versions()
        self._names = None
        for node in nodes:
            version = self._versions.get(node)
            if version is None or _is_whole(self._path(node, version)):
                continue
            columns = self.load(node)
            self._folder.mkdir(parents=True, exist_ok=True)
            newer = {self._path(node, v).name for v in self._held(node) if v > version}
            for name in self._listed():
                if name.startswith(f"{node}-") and name.endswith(_ENDING) and name not in newer:
                    (self._folder / name).unlink(missing_ok=True)
            path = self._path(node, version)
            temporary = path.with_name(f"{path.stem}-{os.getpid()}.new")
            with naming(temporary), temporary.open("wb") as file:
                _write(file, columns)
            temporary.replace(path)

    def _path(self, node: str, version: int) -> Path:
        return self._folder / f"{node}-{self._incarnation}-{version}{_ENDING}"

    def _held(self, node: str) -> list[int]:
        """The versions of a node that the cache has."""
        start = f"{node}-{self._incarnation}-"
        numbers = [
            name.removeprefix(start).removesuffix(_ENDING)
            for name in self._listed()
            if name.startswith(start) and name.endswith(_ENDING)
        ]
        return [int(number) for number in numbers if number.isdecimal()]

    def _listed(self) -> list[str]:
        """The names of the files in the folder, which is looked at once."""
        if self._names is None:
            with suppress(FileNotFoundError):
                self._names = [path.name for path in self._folder.iterdir()]
        return self._names or []


_UNREADABLE = OSError, ValueError, KeyError, TypeError


def _is_whole(path: Path) -> bool:
    """Whether a file is a cache that can be read."""
    with suppress(*_UNREADABLE), open(path, "rb", opener=at_once) as file:
        return bool(_begun(file))
    return False


def _cached(path: Path, *, identities: bool) -> Columns | None:
    """The columns in a file; None if it is not there, or holds something else."""
    with suppress(*_UNREADABLE), open(path, "rb", opener=at_once) as file:
        return _read(file, identities=identities)
    return None


def _merged(old: Columns, new: Columns) -> Columns:
    """The old records, the new ones in the place of those with their keys."""
    if not len(new):
        return old
    old = old.taken(~np.isin(old.key, new.key))
    order = np.argsort(np.concatenate([old.start, new.start]), kind="stable")
    found = {
        name: np.concatenate([getattr(old, name), getattr(new, name)])[order] for name in _PLAIN
    }
    reads = max(int(found["reads"].max(initial=0)), 0)
    inputs = [one.digests(reads).transpose(1, 0, 2) for one in (old, new)]
    identity = old.identity
    if len(old.identity) == len(old):
        identity = np.concatenate([old.identity, new.identity])[order]
    return Columns(**found, inputs=np.concatenate(inputs, axis=1)[:, order], identity=identity)


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
        "rules": (np.dtype("<i2"), (n,)),
        "failed": (np.dtype("?"), (n,)),
        "pinned": (np.dtype("?"), (n,)),
        "key": (np.dtype(f"S{width}"), (n,)),
    }


def _write(file: IO[bytes], columns: Columns) -> None:
    """A header, the identities, then the other columns, one after the other.

    It is not synced: the sums in the header tell a file of which a power cut left a part.
    """
    n, reads, width = len(columns), len(columns.inputs), columns.key.dtype.itemsize
    file.seek(_HEADER)
    identity = columns.identity.astype("<i8")
    file.write(identity.tobytes())
    rest = 0
    for name, (kind, _) in _layout(n, reads, width).items():
        column = getattr(columns, name).astype(kind).tobytes()
        rest += _sum(np.frombuffer(column, np.uint8))
        file.write(column)
    sums = [_sum(identity.reshape(-1).view(np.uint8)), rest]
    header = json.dumps({"mark": _MARK, "n": n, "reads": reads, "width": width, "sums": sums})
    file.seek(0)
    file.write(header.ljust(_HEADER).encode())


def _begun(file: IO[bytes]) -> dict[str, Any]:
    """The header; ValueError, KeyError or TypeError for what `_write` did not write."""
    header: dict[str, Any] = json.loads(file.read(_HEADER))
    if header["mark"] != _MARK:
        raise ValueError("written by another partflow")
    n, reads, width = header["n"], header["reads"], header["width"]
    if file.seek(0, 2) != _HEADER + 32 * n + _nbytes(n, reads, width):
        raise ValueError("cut short")
    return header


def _nbytes(n: int, reads: int, width: int) -> int:
    """The bytes of all columns but the identities."""
    shapes = _layout(n, reads, width).values()
    return sum(kind.itemsize * int(np.prod(shape)) for kind, shape in shapes)


def _read(file: IO[bytes], *, identities: bool) -> Columns:
    """What `_write` wrote; ValueError, KeyError or TypeError if it did not."""
    header = _begun(file)
    n, reads, width = header["n"], header["reads"], header["width"]
    file.seek(_HEADER if identities else _HEADER + 32 * n)
    identity = np.zeros((n if identities else 0, 4), "<i8")
    rest = np.empty(_nbytes(n, reads, width), np.uint8)
    file.readinto(identity.data)  # type: ignore[attr-defined]
    file.readinto(rest.data)  # type: ignore[attr-defined]
    sums = [_sum(identity.reshape(-1).view(np.uint8)), 0]
    found, at = {}, 0
    for name, (kind, shape) in _layout(n, reads, width).items():
        end = at + kind.itemsize * int(np.prod(shape))
        sums[1] += _sum(rest[at:end])
        found[name] = rest[at:end].view(kind).reshape(shape)
        at = end
    if sums[1] != header["sums"][1] or (identities and sums[0] != header["sums"][0]):
        raise ValueError("not written to its end")
    return Columns(**found, identity=identity)


def _sum(data: NDArray[np.uint8]) -> int:
    """The sum of bytes, as numbers of eight of them: at the speed of memory."""
    whole = len(data) // 8 * 8
    return (int(data[:whole].view("<u8").sum()) + int(data[whole:].sum())) % 2**62


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
    "rules": 16,
}


def _lanes(texts: list[str | None]) -> NDArray[np.uint64]:
    """The lanes of many fingerprints at once, shape (n, 2); None is zero."""
    digits = "".join("0" * 32 if t is None else t[-32:] for t in texts)
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 2)
