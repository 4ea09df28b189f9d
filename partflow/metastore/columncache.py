"""The columns of what is current, from the metastore or from files that only cache them.

Knows nothing of files of data or of plans. To read a million records out of SQLite row by row takes
seconds; from one file for each node, with one column after the other, it takes one read. A file's
name holds the metastore's incarnation and the node's version, so that it is never out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from partflow.errors import naming
from partflow.metastore.columns import Columns, layout, merged
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import RESTATED
from partflow.store.opening import at_once
from partflow.store.replacing import replaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MARK = "partflow columns 5"
_ENDING = ".columns"
_HEADER = 192
"""How many bytes come before the first column: a multiple of eight, as numbers are read there."""


class ColumnCache:
    """The columns of every node of one metastore; `folder` holds the cached files."""

    def __init__(self, metastore: Metastore, folder: Path) -> None:
        self._metastore = metastore
        self._folder = folder
        self._incarnation, self._versions = metastore.versions()
        self._names: list[str] | None = None

    def load(self, node: str, *, identities: bool = True) -> Columns:
        """A node's columns: from the cache, and what that lacks from the metastore.

        The arrays are the caller's own. What comes from the cache has identities only if
        `identities`. MetastoreError if a record cannot be understood.
        """
        version = self._versions.get(node, 0)
        columns = _cached(self._path(node, version), identities=identities)
        if columns is not None:
            return columns
        # Unless records were restated, all that an older cache lacks has a higher number.
        older = [
            v for v in self._held(node) if v < version and v // RESTATED == version // RESTATED
        ]
        columns = _cached(self._path(node, max(older)), identities=identities) if older else None
        last = 0 if columns is None else int(columns.seq.max(initial=0))
        newer = self._metastore.newer(node, last)
        return newer if columns is None else merged(columns, newer)

    def refresh(self, nodes: Iterable[str]) -> None:
        """Write the cache of those nodes whose present version has none, and remove older ones.

        Other runs may do so at the same time. OSError if the disk refuses; MetastoreError as of
        `load`.
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
            with replaced(self._path(node, version)) as new, naming(new), new.open("wb") as file:
                _write(file, columns)

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
    """Whether a file begins as a cache does, and has the size that it says."""
    with suppress(*_UNREADABLE), open(path, "rb", opener=at_once) as file:
        return bool(_header(file))
    return False


def _cached(path: Path, *, identities: bool) -> Columns | None:
    """The columns in a file; None if it is not there, or holds something else."""
    with suppress(*_UNREADABLE), open(path, "rb", opener=at_once) as file:
        return _read(file, identities=identities)
    return None


def _write(file: IO[bytes], columns: Columns) -> None:
    """Write a header, the identities, then the other columns, one after the other.

    It is not synced: by the sums in the header `_read` knows a file that a power cut left in part.
    """
    n, reads, width = len(columns), len(columns.inputs), columns.key.dtype.itemsize
    file.seek(_HEADER)
    identity = columns.identity.astype("<i8")
    file.write(identity.tobytes())
    rest = 0
    for name, (kind, _) in layout(n, reads, width).items():
        column = getattr(columns, name).astype(kind).tobytes()
        rest += _sum(np.frombuffer(column, np.uint8))
        file.write(column)
    sums = [_sum(identity.reshape(-1).view(np.uint8)), rest]
    header = json.dumps({"mark": _MARK, "n": n, "reads": reads, "width": width, "sums": sums})
    file.seek(0)
    file.write(header.ljust(_HEADER).encode())


def _header(file: IO[bytes]) -> dict[str, Any]:
    """The header; ValueError, KeyError or TypeError for what `_write` did not write."""
    header: dict[str, Any] = json.loads(file.read(_HEADER))
    if header["mark"] != _MARK:
        raise ValueError("written by another partflow")
    n, reads, width = header["n"], header["reads"], header["width"]
    if file.seek(0, 2) != _HEADER + 32 * n + _nbytes(n, reads, width):
        raise ValueError("cut short")
    return header


def _nbytes(n: int, reads: int, width: int) -> int:
    """How many bytes all columns but the identities have."""
    shapes = layout(n, reads, width).values()
    return sum(kind.itemsize * int(np.prod(shape)) for kind, shape in shapes)


def _read(file: IO[bytes], *, identities: bool) -> Columns:
    """The columns that `_write` wrote; ValueError, KeyError or TypeError for anything else."""
    header = _header(file)
    n, reads, width = header["n"], header["reads"], header["width"]
    file.seek(_HEADER if identities else _HEADER + 32 * n)
    identity = np.zeros((n if identities else 0, 4), "<i8")
    rest = np.empty(_nbytes(n, reads, width), np.uint8)
    file.readinto(identity.data)  # type: ignore[attr-defined]
    file.readinto(rest.data)  # type: ignore[attr-defined]
    sums = [_sum(identity.reshape(-1).view(np.uint8)), 0]
    columns, at = {}, 0
    for name, (kind, shape) in layout(n, reads, width).items():
        end = at + kind.itemsize * int(np.prod(shape))
        sums[1] += _sum(rest[at:end])
        columns[name] = rest[at:end].view(kind).reshape(shape)
        at = end
    if sums[1] != header["sums"][1] or (identities and sums[0] != header["sums"][0]):
        raise ValueError("not written to its end")
    return Columns(**columns, identity=identity)


def _sum(data: NDArray[np.uint8]) -> int:
    """A check sum at the speed of memory: the data is added up as 64-bit numbers."""
    whole = len(data) // 8 * 8
    return (int(data[:whole].view("<u8").sum()) + int(data[whole:].sum())) % 2**62
