"""What is current of a node as columns: an array for each field, with a place for each record.

Knows nothing of where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Columns:
    """The `n` records of a node, sorted by start.

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
        """Some of the records: those of a mask, of an array of positions, or of a slice."""
        plain = {name: getattr(self, name)[which] for name in _PLAIN}
        identity = self.identity[which] if len(self.identity) else self.identity
        return Columns(**plain, inputs=self.inputs[:, which], identity=identity)

    def digests(self, reads: int) -> NDArray[np.uint64]:
        """The digests of the first `reads` reads, shape (n, reads, 2); zero for none."""
        recorded = self.inputs
        if len(recorded) != reads:
            recorded = np.zeros((reads, len(self), 2), np.uint64)
            both = min(reads, len(self.inputs))
            recorded[:both] = self.inputs[:both]
        return recorded.transpose(1, 0, 2)


_PLAIN = tuple(f.name for f in fields(Columns) if f.name not in {"inputs", "identity"})


def layout(n: int, reads: int, width: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """The columns in the order of a file, each with its type and shape; wide numbers first.

    `n` is the number of records, `reads` that of their reads, `width` how many bytes a key has.
    """
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


def merged(old: Columns, new: Columns) -> Columns:
    """The records of both; a new one takes the place of the old one with its key."""
    if not len(new):
        return old
    old = old.taken(~np.isin(old.key, new.key))
    order = np.argsort(np.concatenate([old.start, new.start]), kind="stable")
    plain = {
        name: np.concatenate([getattr(old, name), getattr(new, name)])[order] for name in _PLAIN
    }
    reads = max(int(plain["reads"].max(initial=0)), 0)
    inputs = [each.digests(reads).transpose(1, 0, 2) for each in (old, new)]
    identity = old.identity
    if len(old.identity) == len(old):
        identity = np.concatenate([old.identity, new.identity])[order]
    return Columns(**plain, inputs=np.concatenate(inputs, axis=1)[:, order], identity=identity)


def columns_of(rows: Sequence[Sequence[Any]]) -> Columns:
    """The columns of rows, which have these fields in this order.

    Key, start, seq, content, code, inputs, reads, made_at, rows, nbytes, size, mtime_ns, ctime_ns,
    inode, failed, pinned, rules. Each fingerprint and digest becomes two numbers. An error
    of Python's if a value is none of its field.
    """
    n, reads = len(rows), max((r[6] for r in rows), default=0)
    keys = np.array([r[0].encode() for r in rows], np.bytes_ if rows else "S1")
    kinds = layout(n, max(reads, 0), keys.dtype.itemsize)
    plain = {k: np.array([r[i] for r in rows], kinds[k][0]) for k, i in _POSITIONS.items()}
    inputs = np.zeros(kinds["inputs"][1], np.uint64)
    if reads > 0:
        blobs = b"".join(bytes(r[5] or b"").ljust(reads * _DIGEST, b"\0") for r in rows)
        inputs = np.frombuffer(blobs, "<u8").reshape(n, reads, 2).transpose(1, 0, 2).copy()
    return Columns(
        **plain,
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
    """The two numbers of each fingerprint, shape (n, 2); zero for None."""
    digits = "".join("0" * 32 if t is None else t[-32:] for t in texts)
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 2)
