"""A small project in a folder of its own, and the command line called on it in this process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from imports import put_aside, taken_out

import partflow
from partflow.cli import main

TEMPLATE = Path(partflow.__file__).parent / "template"


@dataclass(frozen=True)
class Said:
    """What one command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def last(self) -> str:
        return self.lines[-1]

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shop:
    """A copy of the template; `jobs/sales.py` is read anew by every command line."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Said:
        forget_jobs()
        self.capsys.readouterr()
        code = main(words)
        return Said(code, *self.capsys.readouterr())

    def made(self) -> Shop:
        assert self.run("materialize").code == 0
        return self

    def edit(self, old: str, new: str, file: str = "jobs/sales.py") -> None:
        path = self.root / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def land(self, day: str, row: str) -> None:
        with (self.root / f"landing/sales/{day}.csv").open("a") as file:
            file.write(f"{row}\n")

    def data(self, dataset: str, part: str) -> Path:
        return self.root / f"warehouse/{dataset}/{part}/data.parquet"

    def rows(self, dataset: str) -> int:
        pattern = str(self.root / f"warehouse/{dataset}/**/*.parquet")
        return pl.read_parquet(pattern, hive_partitioning=True).height

    def files(self, below: str = ".") -> dict[str, tuple[int, int, int]]:
        """What the stat of every file says; without the locks and SQLite's own side files."""
        return {
            str(p.relative_to(self.root)): (p.stat().st_size, p.stat().st_mtime_ns, p.stat().st_ino)
            for p in (self.root / below).rglob("*")
            if p.is_file() and p.suffix not in {".lock", ".sqlite-shm", ".sqlite-wal"}
        }


def forget_jobs() -> None:
    taken_out("jobs")


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Iterator[Path]:
    """A working directory; what a command imports from it is forgotten."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Two edits in one second leave the time of a file's bytecode as it was.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    with put_aside("jobs"):
        yield tmp_path


@pytest.fixture
def shop(empty, capsys) -> Shop:
    """The template's project, nothing of it made yet."""
    shutil.copytree(
        TEMPLATE, empty, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    return Shop(empty, capsys)
