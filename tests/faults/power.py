"""A disk that keeps what was synced, and of the rest whatever it likes: the worst that may be.

Knows nothing of partflow. It is told what a run did, in order, and lays out what a power cut at one
moment may leave: of what was written to a file since its last sync any sectors, of the names that
were made, moved or removed in a folder since its last sync any, each by itself. A real file system
is kinder: it keeps more of an order, and a rename is one to it, not two.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from traced import Op

SECTOR = 512
WAYS = ("nothing", "names", "data", "torn", "any", "all")
"""What is left of what was not synced.

Nothing; the names, with empty files; the data, under no new name; the names, with files of the
right size whose last sectors are missing; any of it; all of it, as a process's death leaves it.
"""

File = int


@dataclass(slots=True)
class Contents:
    """The bytes of one file: those that are durable, and the changes since, in order."""

    durable: bytes = b""
    changes: list[Op] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """A sync has begun."""
        self.begun.append(len(self.changes))

    def end(self) -> None:
        """A sync has ended, the earliest first: what was changed before it began is durable."""
        count = self.begun.pop(0)
        self.durable = changed(self.durable, self.changes[:count])
        self.changes = self.changes[count:]
        self.begun = [max(0, n - count) for n in self.begun]

    def now(self) -> bytes:
        """What a reader sees."""
        return changed(self.durable, self.changes)

    def left(self, way: str, chance: random.Random) -> bytes:
        """What a power cut leaves."""
        if way in {"all", "data"} or not self.changes:
            return self.now()
        if way in {"nothing", "names"}:
            return self.durable
        if way == "torn":
            pieces = list(sectors(self.changes))
            kept = pieces[: chance.randrange(len(pieces))]
            return changed(self.durable, kept).ljust(len(self.now()), b"\0")
        return changed(self.durable, [c for c in sectors(self.changes) if chance.random() < 0.5])


@dataclass(slots=True)
class Folder:
    """The names in a folder: those that are durable, and what each was since, in order."""

    durable: dict[str, File] = field(default_factory=dict)
    changes: list[tuple[str, File | None]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """A sync has begun."""
        self.begun.append(len(self.changes))

    def end(self) -> None:
        """A sync has ended."""
        count = self.begun.pop(0)
        self.durable = named(self.durable, self.changes[:count])
        self.changes = self.changes[count:]
        self.begun = [max(0, n - count) for n in self.begun]

    def now(self) -> dict[str, File]:
        """What a reader sees."""
        return named(self.durable, self.changes)

    def left(self, way: str, chance: random.Random) -> dict[str, File]:
        """What a power cut leaves: each name as it was at some moment since it was synced."""
        if way in {"all", "names", "torn"}:
            return self.now()
        if way in {"nothing", "data"}:
            return self.durable
        kept: dict[str, int] = {}
        for name in {name for name, _ in self.changes}:
            kept[name] = chance.randrange(sum(n == name for n, _ in self.changes) + 1)
        found = dict(self.durable)
        for name, file in self.changes:
            if kept[name] > 0:
                kept[name] -= 1
                found = named(found, [(name, file)])
        return found


@dataclass(slots=True)
class Disk:
    """The files and folders below one folder, which is itself durable.

    What lies outside of the folder `volatile` is taken for durable at once: it is the world.
    """

    files: dict[File, Contents] = field(default_factory=dict)
    folders: dict[File, Folder] = field(default_factory=dict)
    volatile: str = "warehouse"
    told: str = ""
    _numbers: dict[str, File] = field(default_factory=dict)
    _begun: list[list[Contents | Folder]] = field(default_factory=list)

    @classmethod
    def of(cls, before: Mapping[str, bytes | None]) -> Disk:
        """A disk with these files, and folders (None), all durable, numbered as they come."""
        disk = cls()
        for number, (path, data) in enumerate(before.items(), 1):
            disk._numbers[path] = number
            if data is None:
                disk.folders[number] = Folder()
            else:
                disk.files[number] = Contents(data)
            if path != ".":
                disk._folder(path).durable[Path(path).name] = number
        return disk

    def _folder(self, name: str) -> Folder:
        return self.folders[self._numbers[str(Path(name).parent)]]

    def take(self, op: Op) -> None:
        """Carry one operation out."""
        match op.kind:
            case "told":
                self.told += op.data.decode()
            case "create" | "mkdir":
                made: dict = self.files if op.kind == "create" else self.folders
                made[op.file] = Contents() if op.kind == "create" else Folder()
                self._name(op.path, op.file)
            case "link":
                self._name(op.path, op.file)
            case "unlink":
                self._name(op.path, None)
            case "rename":
                self._name(op.other, op.file)
                self._name(op.path, None)
            case "write" | "truncate":
                self.files[op.file].changes.append(op)
                if not self._is_volatile(op.path):
                    self.files[op.file].begin()
                    self.files[op.file].end()
            case _:
                self._sync(op)

    def _sync(self, op: Op) -> None:
        """A sync of a file, of a folder, or of all that there is begins or ends."""
        match op.kind:
            case "begin all":
                self._begun.append([*self.files.values(), *self.folders.values()])
                for each in self._begun[-1]:
                    each.begin()
            case "end all":
                for each in self._begun.pop(0):
                    each.end()
            case "begin":
                self._synced(op.file).begin()
            case "end":
                self._synced(op.file).end()

    def _synced(self, file: File) -> Contents | Folder:
        return self.folders[file] if file in self.folders else self.files[file]

    def _is_volatile(self, path: str) -> bool:
        return path == self.volatile or path.startswith(f"{self.volatile}/")

    def _name(self, path: str, file: File | None) -> None:
        folder, change = self._folder(path), (Path(path).name, file)
        if self._is_volatile(path):
            folder.changes.append(change)
        else:
            folder.durable = named(folder.durable, [change])
        if file is None:
            del self._numbers[path]
        else:
            self._numbers[path] = file

    def now(self) -> dict[str, bytes | None]:
        """What a reader sees: the files, and the folders (None)."""
        return {
            path: self.files[number].now() if number in self.files else None
            for path, number in self._numbers.items()
        }

    def lay_out(self, to: Path, way: str, chance: random.Random) -> dict[Path, bytes]:
        """Write what a power cut leaves to a new folder; and for each file there what it was."""
        laid: dict[Path, bytes] = {}
        data: dict[File, bytes] = {}
        waiting = [(to, self._numbers["."])]
        while waiting:
            place, number = waiting.pop()
            place.mkdir()
            for name, file in sorted(self.folders[number].left(way, chance).items()):
                if file in self.folders:
                    waiting.append((place / name, file))
                elif not name.endswith("-shm"):  # it is in memory only
                    contents = self.files[file]
                    if file not in data:
                        data[file] = contents.left(way, chance)
                    (place / name).write_bytes(data[file])
                    laid[place / name] = contents.now()
        return laid

    def pending(self) -> int:
        """How much is not durable: changes of files and of folders."""
        return sum(len(x.changes) for x in (*self.files.values(), *self.folders.values()))


def changed(data: bytes, changes: Iterable[Op]) -> bytes:
    """The bytes of a file after some changes; what was never written is zero."""
    found = bytearray(data)
    for op in changes:
        if op.kind == "truncate":
            found = found[: op.at].ljust(op.at, b"\0")
        else:
            found = found.ljust(op.at, b"\0")
            found[op.at : op.at + len(op.data)] = op.data
    return bytes(found)


def sectors(changes: Iterable[Op]) -> Iterator[Op]:
    """The changes of a file, those that write cut at the edges of sectors."""
    for op in changes:
        if op.kind == "truncate":
            yield op
            continue
        at, end = op.at, op.at + len(op.data)
        while at < end:
            until = min(end, (at // SECTOR + 1) * SECTOR)
            yield Op("write", op.path, op.file, at, op.data[at - op.at : until - op.at])
            at = until


def named(names: dict[str, File], changes: Iterable[tuple[str, File | None]]) -> dict[str, File]:
    """The names in a folder after some changes."""
    found = dict(names)
    for name, file in changes:
        if file is None:
            found.pop(name, None)
        else:
            found[name] = file
    return found
