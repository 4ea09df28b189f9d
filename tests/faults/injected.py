"""Makes a system call of a command fail, by strace: a kill there, or a disk that refuses it.

Knows nothing of what has to hold afterwards.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deaths import ALL, KILLED, Shop
from traced import STRACE, attached

CHANGES = ("rename", "link", "unlink", "rmdir", "mkdir", "openat", "fsync", "fdatasync", "write",
           "pwrite64", "utimensat", "ftruncate")  # fmt: skip
LOOKS = ("read", "pread64", "newfstatat", "stat", "lstat", "fstat", "getdents64", "readlink")
KINDS = [
    # A process that is killed at a call that changes nothing leaves what it left at the one before.
    *((name, "signal=SIGKILL") for name in CHANGES),
    *((name, "error=ENOSPC") for name in CHANGES),
    *((name, "error=EIO") for name in (*CHANGES, *LOOKS)),
    ("openat", "error=EMFILE"),
]
RUN = "20240101-000000-abcd"
"""The number of the run, which names files."""

_CALL = re.compile(r"^(\d+) +(\w+)\(")
_OF_PROCESS = re.compile(r"-\d+\.(?=new$)")
_FILE = re.compile(r"\d<([^>]*/warehouse/[^>]*)>")


@dataclass
class Tracer:
    """Runs commands under strace; knows which of their calls are about the warehouse."""

    shop: Shop
    protocol: str = ""
    _places: dict[tuple[str, ...], dict[str, list[int]]] = field(default_factory=dict)
    _written: set[str] = field(default_factory=set)

    def trace(self, root: Path, words: list[str], given: list[str]) -> tuple[int | None, list[str]]:
        """How a run of that command ended, and what strace said of its calls, each with paths."""
        nursery, log = self.shop.nursery, root / "strace.txt"
        pid = nursery.start(root, held=True, words=words, run=RUN, protocol=self.protocol)
        assert nursery.wait(pid) is None
        own = [word.replace("-PID", f"-{pid}") for word in given]
        command = [str(STRACE), "-f", "-qq", "-y", "-p", str(pid), "-o", str(log), *own]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            if not attached(process, pid):
                nursery.wake(pid)
                nursery.wait(pid)
                pytest.skip("this machine lets nobody trace a process")
            nursery.wake(pid)
            code = nursery.wait(pid)
        return code, log.read_text(errors="replace").splitlines()

    def numbers(
        self, name: str, what: str, words: list[str], begin: Callable[[], Path]
    ) -> list[int]:
        """Which of the calls of that name are about the warehouse; threads count each their own.

        Who opens a file that is there changes nothing, and needs no room.
        """
        if name == "openat" and what in {"signal=SIGKILL", "error=ENOSPC"}:
            name = "O_CREAT"
        known = (*words, begin.__qualname__, *map(str, begin.__defaults__ or ()))
        if known not in self._places:
            names = ",".join({each for each, _ in KINDS})
            root = begin()
            code, lines = self.trace(root, words, ["-e", f"trace={names}"])
            assert code == 0
            self._places[known] = _numbers(lines)
            files = {f for line in lines if " write(" in line for f in _FILE.findall(line)}
            self._written |= {_OF_PROCESS.sub("-PID.", os.path.relpath(f, root)) for f in files}
        found = self._places[known][name]
        return found if ALL else found[len(found) // 2 :][:1]

    def fail(
        self, root: Path, name: str, what: str, number: int, words: list[str]
    ) -> tuple[int | None, bool]:
        """How a run ended whose n-th call failed so, and whether that was one of the warehouse."""
        given = ["-e", f"trace={name}", "-e", f"inject={name}:{what}:when={number}"]
        if name == "write":
            # Only to files: polars' threads wake each other by writing, and wait for ever if that
            # is refused, as no disk does it.
            given += [word for path in sorted(self._written) for word in ("-P", str(root / path))]
        code, lines = self.trace(root, words, given)
        begun = {cut[1]: line for line in lines if (cut := _CALL.match(line))}
        failed = [line for line in lines if "(INJECTED)" in line]
        # Of a call that was interrupted the paths are in the line before.
        whole = [line + begun[line.split()[0]] * ("resumed>" in line) for line in failed]
        return code, code == KILLED or (bool(whole) and all("/warehouse" in w for w in whole))


def _numbers(lines: list[str]) -> dict[str, list[int]]:
    passed: Counter[tuple[str, str]] = Counter()
    found = defaultdict(set)
    for line in lines:
        if call := _CALL.match(line):
            passed[call.groups()] += 1
            if "/warehouse" in line:
                found[call[2]].add(passed[call.groups()])
                if "O_CREAT" in line:
                    found["O_CREAT"].add(passed[call.groups()])
    return defaultdict(list, {name: sorted(numbers) for name, numbers in found.items()})
