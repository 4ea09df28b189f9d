"""A store that holds partitions in memory: for tests, also for those of users.

Knows nothing of what files hold. What it stages, and what it writes down to be read, lies in a
folder: engines read and write files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset
from partflow.store.identity import FileIdentity
from partflow.store.layout import Layout
from partflow.store.protocol import Answer, Fetched, Replacement
from partflow.store.staging import LocalStaging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 2
_ABSENT = FileIdentity(-1, -1, -1, -1)


class MemoryStore(LocalStaging):
    """Partitions' bytes in a dictionary; `folder` is for what has to be a file meanwhile.

    An identity is the size and 24 bytes of the SHA-256. Other processes do not see what it holds,
    so it goes with the executors of one process alone. Sources lie there as well: `put` them.
    """

    def __init__(self, folder: str | Path, *, history: int = KEPT) -> None:
        root = Path(folder).absolute()
        super().__init__(Layout(root, root / "warehouse"), durable=False)
        self.history = history
        self.lines: list[str] = []
        self._files: dict[tuple[str, str], bytes] = {}
        self._past: dict[tuple[str, str], dict[int, bytes]] = {}
        self._lock = RLock()

    def put(self, name: str, key: str, content: bytes | None) -> None:
        """Have a partition hold these bytes, or none, as somebody else would write them."""
        if content is None:
            self._files.pop((name, key), None)
        else:
            self._files[name, key] = content

    def holds(self, name: str, key: str) -> bytes | None:
        """The bytes of a partition; None if it has none."""
        return self._files.get((name, key))

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """The identity of each partition's bytes, shape (n, 4)."""
        import numpy as np

        found = [identity_of(self._files.get((dataset.name, key))) for key in keys]
        rows = [(i.size, i.mtime_ns, i.ctime_ns, i.inode) for i in found]
        return np.array(rows, np.int64).reshape(len(keys), 4)

    @contextmanager
    def look(self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]) -> Iterator[_Looked]:
        """The identities of all lots."""
        found = {n: self.identities(d, [k.decode() for k in keys]) for n, (d, keys) in lots.items()}
        yield _Looked(found)

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """Each partition's bytes, written down; nothing lies at the path of one that has none."""
        if expected is not None:
            other = (self.identities(dataset, keys) != expected).any(axis=1)
            if other.any():
                return Fetched((), tuple(keys[i] for i in other.nonzero()[0].tolist()))
        return Fetched(tuple(self._written_down(dataset, key) for key in keys))

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Take a sealed file's bytes in, if what is there is what was seen."""
        place = dataset.name, key
        with self._lock:
            present = self._files.get(place)
            if by.seen is not None and present is not None and identity_of(present) != by.seen:
                is_mine = hashlib.sha256(present).hexdigest() == by.sha256
                return Answer.MINE if is_mine else Answer.MOVED
            new = self.layout.staged(by.staged).read_bytes()
            if present is not None:
                self._keep(place, present, by.number)
                for number in sorted(self._past[place])[: -self.history]:
                    del self._past[place][number]
            self._files[place] = new
        self.discard([by.staged])
        return Answer.DONE

    def settle(
        self,
        places: Iterable[tuple[Dataset, str]],  # noqa: ARG002 - of the protocol
        above: Collection[str] = (),  # noqa: ARG002
    ) -> dict[tuple[str, str], OSError]:
        """Refuse nothing: memory is as durable as it gets."""
        return {}

    @contextmanager
    def locked(
        self,
        partitions: Iterable[tuple[str, str]],  # noqa: ARG002 - of the protocol
    ) -> Iterator[None]:
        """Hold the one lock of all partitions."""
        with self._lock:
            yield

    def kept(self, name: str, key: str) -> dict[int, Path]:
        """What is kept of a partition, written down, by number, the oldest first."""
        past = self._past.get((name, key), {})
        return {number: self._kept_at(name, key, number) for number in sorted(past)}

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Keep a file's bytes, under the next number that no others have."""
        return self._kept_at(name, key, self._keep((name, key), file.read_bytes(), number))

    def past_bound(self, name: str, key: str) -> list[Path]:
        """The oldest of what is kept: what goes beyond as many as are to be kept."""
        return list(self.kept(name, key).values())[: -self.history]

    def journal(self, lines: Sequence[str]) -> None:
        """Append to `lines`."""
        self.lines += lines

    def _keep(self, place: tuple[str, str], content: bytes, number: int) -> int:
        """Keep bytes; their number."""
        past = self._past.setdefault(place, {})
        while past.get(number, content) != content:
            number += 1
        past[number] = content
        return number

    def _kept_at(self, name: str, key: str, number: int) -> Path:
        path = self.layout.history_of(name, key) / f"{number:012d}.kept"
        _write(path, self._past[name, key][number])
        return path

    def _written_down(self, dataset: Dataset, key: str) -> Path:
        """A copy under the name of its content: who has an older one open keeps it."""
        content = self._files.get((dataset.name, key))
        place = self.layout.path(dataset, key)
        if content is None:
            return place.with_name("absent") / place.name
        path = place.with_name(hashlib.sha256(content).hexdigest()[:16]) / place.name
        if not path.exists():
            _write(path, content)
        return path


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look has found, by lot."""

    found: Mapping[str, NDArray[np.int64]]

    def of(self, name: str) -> NDArray[np.int64]:
        """The identities of one lot."""
        return self.found[name]


def identity_of(content: bytes | None) -> FileIdentity:
    """The size of some bytes, and 24 bytes of their SHA-256; all -1 if there are none.

    Whoever takes the others for times finds them long past: an identity by content is settled.
    """
    if content is None:
        return _ABSENT
    words = memoryview(hashlib.sha256(content).digest()[:24]).cast("q")
    return FileIdentity(len(content), *(word | -(2**63) for word in words.tolist()))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
