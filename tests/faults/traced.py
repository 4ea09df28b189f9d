"""What a run does to the files below a folder, in order and with every byte, as strace saw it.

Knows nothing of partflow, or of what a disk keeps. Refuses what it can't tell: a file that is
written through a mapping, or by a call that it does not know.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
_TOLD = 2
"""The descriptor on which a process says what was acknowledged to it."""

_CALLS = (
    "open,openat,openat2,creat,close,dup,dup2,dup3,fcntl,chdir,fchdir,read,readv,lseek,write,writev,"
    "pwrite64,pwritev,pwritev2,truncate,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,fsync,fdatasync,syncfs,sync_file_range,mmap,"
    "copy_file_range,sendfile,splice,io_uring_setup,clone,clone3,fork,vfork"
)
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?: .*)?$", re.DOTALL)
_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*?)\s*<unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_PIECE = re.compile(r'"((?:\\x[0-9a-f]{2})*)"|([^,"\[\]{}]+)')


@dataclass(frozen=True, slots=True)
class Op:
    """One change of the files, or a word on them.

    `kind` is create, mkdir, link, rename (to `other`), unlink, write, truncate, begin and end (of a
    sync), begin all and end all (of a sync of the whole file system), or told. `path` is below the
    folder that is watched. `file` numbers what was made there, a file or a folder, so that it is
    known under whatever name it has then.
    """

    kind: str
    path: str = ""
    file: int = 0
    at: int = 0
    data: bytes = b""
    other: str = ""


@dataclass(slots=True)
class _Opened:
    file: int
    path: str
    at: int = 0
    appends: bool = False
    is_folder: bool = False


@dataclass(slots=True)
class Reading:
    """Turns what strace says of one process after the other into operations below `top`."""

    top: Path
    before: Mapping[str, bytes | None]
    ops: list[Op] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    _open: dict[int, _Opened] = field(default_factory=dict)
    _cwd: str = ""
    _count: int = 0

    def __post_init__(self) -> None:
        """Number what is there before."""
        for path, data in self.before.items():
            self._number(os.path.normpath(self.top / path), len(data or b""))

    def take(self, lines: Iterable[str]) -> None:
        """Take in what strace has written of one process."""
        self._open = {}
        for is_begin, name, given, result in _calls(lines):
            if is_begin:
                self.begun(name, _pieces(given))
            elif result >= 0:
                self.call(name, _pieces(given), result)

    def _number(self, path: str, size: int = 0) -> int:
        self._count += 1
        self.names[path], self.sizes[self._count] = self._count, size
        return self._count

    def _add(self, kind: str, path: str = "", file: int = 0, **more: object) -> None:
        self.ops.append(Op(kind, self._below(path) if path else "", file, **more))  # type: ignore[arg-type]

    def _below(self, path: str) -> str:
        return os.path.relpath(path, self.top)

    def _is_ours(self, path: str) -> bool:
        return path.startswith(f"{self.top}/") or path == str(self.top)

    def _path(self, folder: str, name: bytes) -> str:
        """The path that a call means by a descriptor of a folder and a name."""
        given = name.decode()
        if given.startswith("/"):
            return os.path.normpath(given)
        at = self._cwd if folder.startswith("AT_FDCWD") else self._open_path(int(folder))
        return os.path.normpath(f"{at}/{given}")

    def _open_path(self, number: int) -> str:
        found = self._open.get(number)
        return found.path if found else "/elsewhere"

    # --- calls: `given` are their arguments, texts or bytes; `result` is not negative --------

    def call(self, name: str, given: list[str | bytes], result: int) -> None:
        """Take in one call that was carried out."""
        how = getattr(self, f"_call_{name}", None)
        if how is not None:
            how(given, result)
        elif name not in {"fcntl", "readv"}:
            assert not any(self._is_watched(g) for g in given), (name, given)

    def begun(self, name: str, given: list[str | bytes]) -> None:
        """Take in that a call begins: a sync holds for what was written before it began."""
        if name == "close":
            self._open.pop(int(given[0]), None)
        if name == "syncfs":
            self._add("begin all")
        if name in {"fsync", "fdatasync"} and (found := self._open.get(int(given[0]))):
            self._add("begin", found.path, found.file)

    def _is_watched(self, given: str | bytes) -> bool:
        if isinstance(given, bytes):
            return self._is_ours(given.decode("utf-8", "replace"))
        return given.isdecimal() and int(given) in self._open

    def _call_chdir(self, given: list, _: int) -> None:
        self._cwd = self._path("AT_FDCWD", given[0])

    def _call_fchdir(self, given: list, _: int) -> None:
        self._cwd = self._open_path(int(given[0]))

    def _call_open(self, given: list, result: int) -> None:
        self._call_openat(["AT_FDCWD", *given], result)

    def _call_openat(self, given: list, result: int) -> None:
        path, flags = self._path(given[0], given[1]), str(given[2])
        self._open.pop(result, None)
        if not self._is_ours(path):
            if "O_DIRECTORY" in flags:
                self._open[result] = _Opened(0, path, is_folder=True)
            return
        if path not in self.names:
            assert "O_CREAT" in flags, path
            self._add("create", path, self._number(path))
        file = self.names[path]
        if "O_TRUNC" in flags and self.sizes[file]:
            self.sizes[file] = 0
            self._add("truncate", path, file, at=0)
        self._open[result] = _Opened(file, path, appends="O_APPEND" in flags)

    def _call_dup(self, given: list, result: int) -> None:
        if found := self._open.get(int(given[0])):
            self._open[result] = found

    def _call_fcntl(self, given: list, result: int) -> None:
        if str(given[1]).strip().startswith("F_DUPFD"):
            self._call_dup(given, result)

    def _call_close(self, given: list, _: int) -> None:
        pass

    def _call_lseek(self, given: list, result: int) -> None:
        if found := self._open.get(int(given[0])):
            found.at = result

    def _call_read(self, given: list, result: int) -> None:
        if found := self._open.get(int(given[0])):
            found.at += result

    def _call_write(self, given: list, result: int) -> None:
        number, data = int(given[0]), given[1]
        if number == _TOLD:
            self.ops.append(Op("told", data=data))
        elif found := self._open.get(number):
            found.at = self.sizes[found.file] if found.appends else found.at
            self._written(found, found.at, data[:result])
            found.at += result

    def _call_writev(self, given: list, result: int) -> None:
        self._call_write([given[0], b"".join(g for g in given if isinstance(g, bytes))], result)

    def _call_pwrite64(self, given: list, result: int) -> None:
        if found := self._open.get(int(given[0])):
            self._written(found, int(given[3]), given[1][:result])

    def _written(self, found: _Opened, at: int, data: bytes) -> None:
        self.sizes[found.file] = max(self.sizes[found.file], at + len(data))
        self._add("write", found.path, found.file, at=at, data=data)

    def _call_ftruncate(self, given: list, _: int) -> None:
        if found := self._open.get(int(given[0])):
            self.sizes[found.file] = int(given[1])
            self._add("truncate", found.path, found.file, at=int(given[1]))

    def _call_mmap(self, given: list, _: int) -> None:
        found = self._open.get(int(given[4])) if given[4] != "-1" else None
        if found and "PROT_WRITE" in given[2] and "MAP_SHARED" in given[3]:
            # SQLite makes its index of the log anew when nobody has it open.
            assert found.path.endswith("-shm"), found.path

    def _call_mkdir(self, given: list, _: int) -> None:
        self._call_mkdirat(["AT_FDCWD", *given], 0)

    def _call_mkdirat(self, given: list, _: int) -> None:
        path = self._path(given[0], given[1])
        if self._is_ours(path):
            self._add("mkdir", path, self._number(path))

    def _call_unlink(self, given: list, _: int) -> None:
        self._removed(self._path("AT_FDCWD", given[0]))

    _call_rmdir = _call_unlink

    def _call_unlinkat(self, given: list, _: int) -> None:
        self._removed(self._path(given[0], given[1]))

    def _removed(self, path: str) -> None:
        if self._is_ours(path):
            self._add("unlink", path, self.names.pop(path))

    def _call_link(self, given: list, _: int) -> None:
        self._linked(self._path("AT_FDCWD", given[0]), self._path("AT_FDCWD", given[1]))

    def _call_linkat(self, given: list, _: int) -> None:
        self._linked(self._path(given[0], given[1]), self._path(given[2], given[3]))

    def _linked(self, old: str, new: str) -> None:
        if self._is_ours(new):
            self.names[new] = self.names[old]
            self._add("link", new, self.names[old])

    def _call_symlink(self, given: list, _: int) -> None:
        assert not self._is_ours(given[1].decode()), given

    def _call_rename(self, given: list, _: int) -> None:
        old, new = (self._path("AT_FDCWD", g) for g in given)
        if self._is_ours(old) or self._is_ours(new):
            file = self.names.pop(old)
            self.names[new] = file
            self._add("rename", old, file, other=self._below(new))

    def _call_fsync(self, given: list, _: int) -> None:
        if found := self._open.get(int(given[0])):
            self._add("end", found.path, found.file)

    _call_fdatasync = _call_fsync

    def _call_syncfs(self, given: list, _: int) -> None:
        self._add("end all")

    def _call_clone(self, given: list, _: int) -> None:
        assert "CLONE_THREAD" in str(given), "the run started another process"

    _call_clone3 = _call_clone


def found_below(top: Path) -> dict[str, bytes | None]:
    """The files below a folder, and the folders (None), from the top down."""
    found: dict[str, bytes | None] = {}
    for folder, _, files in os.walk(top):
        below = Path(folder).relative_to(top)
        found[str(below)] = None
        found |= {str(below / name): (top / below / name).read_bytes() for name in files}
    return found


def _calls(lines: Iterable[str]) -> Iterator[tuple[bool, str, str, int]]:
    """Each call twice, when it begins and when it has ended: (begins, name, arguments, result)."""
    halves: dict[str, tuple[str, str]] = {}
    for line in lines:
        text = line.rstrip("\n")
        if cut := _UNFINISHED.match(text):
            halves[cut[1]] = cut[2], cut[3]
            yield True, cut[2], cut[3], 0
            continue
        begins = True
        if rest := _RESUMED.match(text):
            name, first = halves.pop(rest[1])
            text, begins = f"{name}({first}{rest[3]}", False
        found = _LINE.match(text)
        if found and found[3] != "?":
            if begins:
                yield True, found[1], found[2], 0
            yield False, found[1], found[2], int(found[3], 0)


def _pieces(given: str) -> list[str | bytes]:
    """The arguments of a call: what stands in quotes as bytes."""
    found: list[str | bytes] = []
    for piece in _PIECE.finditer(given):
        if piece[1] is not None:
            found.append(bytes.fromhex(piece[1].replace("\\x", "")))
        elif text := piece[2].strip():
            found.append(text)
    return found


def traced(pid: int, log: Path, until_ended: Callable[[], int | None]) -> int | None:
    """Trace the process that stopped itself, let it go on by `until_ended`, and wait for it."""
    command = [str(STRACE), "-f", "-qq", "-xx", "-s", str(2**24), "-e", f"trace={_CALLS}"]
    with subprocess.Popen(
        [*command, "-p", str(pid), "-o", str(log)], stderr=subprocess.PIPE, text=True
    ) as process:
        if not attached(process, pid):
            until_ended()
            pytest.skip("this machine lets nobody trace a process")
        return until_ended()


def attached(process: subprocess.Popen[str], pid: int) -> bool:
    """Whether strace has got hold of the process; as soon as either is known."""
    while process.poll() is None:
        with Path(f"/proc/{pid}/status").open() as status:
            if any(x.startswith("TracerPid") and int(x.split()[1]) for x in status):
                return True
    return False
