"""`serve` as a process of its own over a small project, and what it has said so far."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from projects import World


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds; AssertionError if it does not come to that."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@dataclass
class Served:
    """A process of `partflow serve`; `err` is the file with what it prints."""

    process: subprocess.Popen[bytes]
    err: Path

    @property
    def said(self) -> str:
        return self.err.read_text()

    def says(self, text: str, times: int = 1) -> None:
        """Wait until it has said that so many times."""
        until(lambda: self.said.count(text) >= times or self.process.poll() is not None)
        assert self.said.count(text) >= times, self.said

    def ended(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(world: World, *words: str, name: str = "serve") -> Iterator[Served]:
    """`partflow serve` over a project, which is killed at the end if it is still there."""
    err = world.root / f"{name}.txt"
    with err.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "partflow", "--project", str(world.root), "serve", *words],
            stdout=file, stderr=file, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        yield Served(process, err)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def once(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    """`partflow serve --once` over a project."""
    command = ["-m", "partflow", "--project", str(world.root), "serve", "--once", *words]
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=100
    )


def told(world: World, *words: str) -> str:
    """What another command prints over a project."""
    command = [sys.executable, "-m", "partflow", "--project", str(world.root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout


def children(parent: int) -> list[int]:
    """The processes that a process has begun and that go on."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
