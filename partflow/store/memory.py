"""A store that holds partitions in memory, for partflow's tests and those of users.

Knows nothing of what files hold. Staged files, and copies to be read, are in a folder, because
polars and other engines read and write files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import compress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset, Source
from partflow.store.identity import FileIdentity
from partflow.store.layout import Layout
from partflow.store.localpast import KEPT
from partflow.store.protocol import Answer, Fetched, Replacement, StoredFile
from partflow.store.setfiles import SetFile
from partflow.store.staging import LocalStaging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ABSENT = FileIdentity(-1, -1, -1, -1)


class MemoryStore(LocalStaging):
    """Partitions' bytes in a dictionary; `folder` is for whatever has to be a file.

    An identity is the size and 24 bytes of the SHA-256. Other processes do not see what it holds,
    so it can be used only with executors in this process. It also holds sources: `put` them.
    """

    is_shared = False

    def __init__(self, folder: str | Path, *, history: int = KEPT) -> None:
        root = Path(folder).absolute()
        super().__init__(Layout(root, root / "warehouse"), durable=False)
        self.history = history
        self.lines: list[str] = []
        self._files: dict[tuple[str, str], bytes] = {}
        self._past: dict[tuple[str, str], dict[int, bytes]] = {}
        self._lock = RLock()

    def put(self, name: str, key: str, content: bytes | None) -> None:
        """Set a partition's bytes, or remove them if None, as somebody outside would."""
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

        contents = (self._files.get((dataset.name, key)) for key in keys)
        rows = [astuple(identity_of(content)) for content in contents]
        return np.array(rows, np.int64).reshape(len(keys), 4)

    def set_of(self, source: Source, key: str) -> tuple[SetFile, ...]:
        """The bytes under that key, as one file."""
        content = self._files.get((source.name, key))
        if content is None:
            return ()
        path = self._written_down(source, key)
        return (SetFile(path.name, str(path), identity_of(content)),)

    @contextmanager
    def look(self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]) -> Iterator[_Looked]:
        """The identities of all lots."""
        identities = {
            n: self.identities(d, [k.decode() for k in keys]) for n, (d, keys) in lots.items()
        }
        yield _Looked(identities)

    def is_proof(self, present: FileIdentity, now_ns: int) -> bool:  # noqa: ARG002 - of the protocol
        """True: the identity is a digest of the bytes."""
        return True

    def changed_within(
        self,
        present: NDArray[np.int64],
        span_ns: int,  # noqa: ARG002 - of the protocol
        now_ns: int,  # noqa: ARG002 - of the protocol
    ) -> NDArray[np.bool_]:
        """False for all: bytes are put there at once."""
        import numpy as np

        return np.zeros(len(present), np.bool_)

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """The path of a copy of each partition's bytes; there is no file if it has none."""
        if expected is not None:
            is_other = (self.identities(dataset, keys) != expected).any(axis=1)
            if is_other.any():
                return Fetched((), tuple(keys[i] for i in is_other.nonzero()[0].tolist()))
        if isinstance(dataset, Source) and dataset.has_several_files:
            sets = [self.set_of(dataset, key) for key in keys]
            places = tuple(file.path for files in sets for file in files)
            return Fetched(places, counts=tuple(map(len, sets)))
        return Fetched(tuple(str(self._written_down(dataset, key)) for key in keys))

    def pattern(self, dataset: Dataset) -> None:  # noqa: ARG002 - of the protocol
        """None: other programs see only copies that `read` has written."""
        return

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Take in a sealed file's bytes, if the present ones are those that were seen."""
        place = dataset.name, key
        with self._lock:
            present = self._files.get(place)
            if by.seen is not None and present is not None and identity_of(present) != by.seen:
                is_mine = hashlib.sha256(present).hexdigest() == by.sha256
                return Answer.MINE if is_mine else Answer.MOVED
            new = self.layout.staged(by.staged).read_bytes()
            if present is not None:
                self._keep(place, present, by.number)
                self.forget(*place, self.past_bound(*place))
            self._files[place] = new
        self.discard([by.staged])
        return Answer.DONE

    def settle(
        self,
        places: Iterable[tuple[Dataset, str]],  # noqa: ARG002 - of the protocol
        above: Collection[str] = (),  # noqa: ARG002
    ) -> dict[tuple[str, str], OSError]:
        """Do nothing, and refuse nothing."""
        return {}

    @contextmanager
    def locked(
        self,
        partitions: Iterable[tuple[str, str]],  # noqa: ARG002 - of the protocol
    ) -> Iterator[None]:
        """Hold the one lock of all partitions."""
        with self._lock:
            yield

    def has_any(self, dataset: Dataset) -> bool:
        """Whether any partition of a dataset has bytes."""
        return any(name == dataset.name for name, _ in self._files)

    def keys(self, dataset: Dataset, but: Iterable[bytes] = ()) -> set[str]:
        """The keys under which a dataset has bytes."""
        there = {key for name, key in self._files if name == dataset.name}
        return there.difference(key.decode() for key in but)

    def names(self) -> list[str]:
        """The names of the datasets that have bytes."""
        return sorted({name for name, _ in self._files})

    def beside(
        self,
        name: str,
        files: Collection[str],  # noqa: ARG002 - of the protocol
        own: tuple[Dataset, Sequence[str]] | None,
        sources: Collection[Source],
    ) -> Iterator[StoredFile]:
        """The bytes under a name that are under none of its own keys."""
        if any(source.name == name for source in sources):
            return
        keys = frozenset(() if own is None else own[1])
        for dataset_name, key in sorted(self._files):
            if dataset_name == name and key not in keys:
                yield StoredFile(name, key, None, None, len(self._files[name, key]))

    def refusal(self, source: Source) -> str | None:  # noqa: ARG002 - of the protocol
        """None: there are no folders."""
        return None

    def put_away(self, files: Sequence[tuple[StoredFile, int]]) -> None:
        """Move these bytes into the history."""
        with self._lock:
            for file, number in files:
                self._keep((file.name, file.key), self._files.pop((file.name, file.key)), number)

    def kept(self, name: str, key: str) -> dict[int, Path]:
        """Paths of copies of a partition's kept bytes, by number, the oldest first."""
        past = self._past.get((name, key), {})
        return {number: self._kept_at(name, key, number) for number in sorted(past)}

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Keep a file's bytes under `number`, or the next that is free."""
        return self._kept_at(name, key, self._keep((name, key), file.read_bytes(), number))

    def past_bound(self, name: str, key: str) -> dict[int, Path]:
        """The oldest kept bytes of a partition: those in excess of `history`."""
        return dict(list(self.kept(name, key).items())[: -self.history])

    def forget(self, name: str, key: str, numbers: Iterable[int]) -> None:
        """Remove kept bytes of a partition, by their numbers."""
        past = self._past.get((name, key), {})
        for number in set(numbers) & past.keys():
            del past[number]
        if not past:
            self._past.pop((name, key), None)

    def histories(self) -> list[tuple[str, str]]:
        """The partitions that have kept bytes."""
        return sorted(self._past)

    def journal(self, lines: Sequence[str]) -> None:
        """Append to `lines`."""
        self.lines += lines

    def journaled(self, last: int | None = None) -> Iterator[str] | None:  # noqa: ARG002 - of the protocol
        """All lines; None if there are none."""
        return iter(tuple(self.lines)) if self.lines else None

    def shorten(self, lasting: Callable[[Iterator[str]], Sequence[bool]]) -> None:
        """Keep those of `lines` that last."""
        self.lines = list(compress(self.lines, lasting(iter(self.lines))))

    def _keep(self, place: tuple[str, str], content: bytes, number: int) -> int:
        """Keep bytes; returns their number."""
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
        """A copy at a path of its own for each content, so that open older copies stay."""
        content = self._files.get((dataset.name, key))
        place = self.layout.near(self.layout.path(dataset, key))
        inner = [part for part in place.parts if part not in {"..", place.anchor}]
        folder = self.layout.fetched_of(dataset.name)
        if content is None:
            return folder.joinpath("absent", *inner)
        path = folder.joinpath(hashlib.sha256(content).hexdigest()[:16], *inner)
        if not path.exists():
            _write(path, content)
        return path


@dataclass(frozen=True, slots=True)
class _Looked:
    """The identities of partitions, by the name of each lot."""

    identities: Mapping[str, NDArray[np.int64]]

    def of(self, name: str) -> NDArray[np.int64]:
        """The identities of one lot."""
        return self.identities[name]


def identity_of(content: bytes | None) -> FileIdentity:
    """The size of some bytes, and 24 bytes of their SHA-256; all -1 if there are none."""
    if content is None:
        return _ABSENT
    words = memoryview(hashlib.sha256(content).digest()[:24]).cast("q")
    return FileIdentity(len(content), *words.tolist())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
