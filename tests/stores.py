"""The stores that the contract is held against, one of them only here: as a bucket might be."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.partitions.calendar import Daily
from partflow.store.identity import FileIdentity
from partflow.store.local import LocalStore
from partflow.store.memory import MemoryStore
from partflow.store.protocol import Answer, Replacement, Store

DAYS = Dataset("clean", Daily("2024-01-01"))
KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")


class EtagStore(MemoryStore):
    """Its identities are etags, a new one for each write; it loses as many answers as it is told.

    An etag says nothing of the bytes: the same ones written twice have two.
    """

    def __init__(self, folder: Path, *, history: int = 2) -> None:
        super().__init__(folder, history=history)
        self.loses = 0
        self._etags: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._next = count(1)

    def _etag(self, place: tuple[str, str]) -> int:
        content = self._files[place]
        held = self._etags.get(place)
        if held is None or held[0] is not content:
            held = self._etags[place] = content, next(self._next)
        return held[1]

    def identities(self, dataset: Dataset, keys: Sequence[str]):
        rows = np.full((len(keys), 4), -1, np.int64)
        for row, key in zip(rows, keys, strict=True):
            content = self._files.get((dataset.name, key))
            if content is not None:
                row[:] = len(content), self._etag((dataset.name, key)), 0, 0
        return rows

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        is_as_seen = by.seen is None or by.seen == seen(self, key, dataset)
        present = self.holds(dataset.name, key)
        if is_as_seen or present is None:
            by = Replacement(by.staged, by.sha256, None, by.number)
        answer = super().replace(dataset, key, by)
        if self.loses:
            self.loses -= 1
            raise OSError(errno.ETIMEDOUT, "the answer was lost", key)
        return answer


@dataclass(frozen=True, slots=True)
class Kit:
    """A store, and how somebody else writes into it."""

    store: Store
    put: Callable[..., None]
    """Of a key, its new bytes or None, and the dataset, if it is not `DAYS`."""
    journaled: Callable[[], list[str]]


def local(folder: Path) -> Kit:
    store = LocalStore(folder, folder / "warehouse")
    store.layout.private.mkdir(parents=True)  # whoever opens the metastore does that

    def put(key: str, content: bytes | None, dataset: Dataset = DAYS) -> None:
        path = store.layout.path(dataset, key)
        if content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name("beside")
        beside.write_bytes(content)
        beside.replace(path)

    return Kit(store, put, lambda: store.layout.journal.read_text().splitlines())


def memory(folder: Path, kind: type[MemoryStore] = MemoryStore) -> Kit:
    store = kind(folder)

    def put(key: str, content: bytes | None, dataset: Dataset = DAYS) -> None:
        store.put(dataset.name, key, content)

    return Kit(store, put, lambda: store.lines)


STORES: dict[str, Callable[[Path], Kit]] = {
    "local": local,
    "memory": memory,
    "etag": lambda folder: memory(folder, EtagStore),
}


def seen(store: Store, key: str, dataset: Dataset = DAYS) -> FileIdentity:
    """The identity of what a partition holds."""
    return FileIdentity(*store.identities(dataset, [key])[0].tolist())
