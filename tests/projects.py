"""A small project on disk, loaded as a user's is: write files, run, look."""

from __future__ import annotations

import itertools
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import apsw
import polars as pl

from partflow.execution.controls import Controls
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.planner import Action
from partflow.planning.selection import Asked
from partflow.project.project import Project

_NUMBERS = itertools.count()


def tables(metastore: Path) -> closing[apsw.Connection]:
    """The tables of a metastore's file, past the metastore: for what no partflow would write."""
    return closing(apsw.Connection(str(metastore)))


@dataclass
class World:
    """Each world has a package of its own name, so that no test sees another's modules."""

    root: Path
    package: str = field(default_factory=lambda: f"jobs{next(_NUMBERS)}")

    def __post_init__(self) -> None:
        self.write("partflow.toml", f'jobs = ["{self.package}"]\n')
        self.write(f"{self.package}/__init__.py", "")

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def jobs(self, text: str, module: str = "tasks") -> None:
        imports = """\
            import polars as pl
            from partflow import *
            """
        whole = textwrap.dedent(imports) + textwrap.dedent(text)
        self.write(f"{self.package}/{module}.py", whole.replace("PACKAGE", self.package))

    def sales(self, key: str, *quantities: int) -> None:
        rows = "\n".join(f"s{i},{q}" for i, q in enumerate(quantities))
        self.write(f"landing/{key}.csv", f"store,qty\n{rows}\n")

    @property
    def project(self) -> Project:
        """The project as its files are now."""
        for name in [n for n in sys.modules if n.split(".")[0] == self.package]:
            del sys.modules[name]
        return Project.load(self.root)

    def run(self, *select: str, controls: Controls | None = None, **asked: object) -> object:
        found = self.project.materialize(
            asked=Asked(select, **asked) if asked else Asked(select), controls=controls
        ).summary
        return found or SimpleNamespace(
            ran=0, unchanged=0, skipped=0, failed=0, blocked=0, cancelled=0, failures=()
        )

    def planned(self) -> dict[str, list[str]]:
        """What would certainly run: the keys of each task."""
        plan = self.project.plan()
        return {
            name: [t.task.grain.key(t.lo + i) for i in (t.action == Action.RUN).nonzero()[0]]
            for name, t in plan.tasks.items()
            if (t.action == Action.RUN).any()
        }

    def made(self) -> list[tuple[str, str]]:
        """The (task, key) of the last run's steps, in order of name."""
        project = self.project
        runs = project.runs(1)
        return sorted((s.task, s.key) for s in project.steps(runs[0].id)) if runs else []

    def read(self, dataset: str) -> pl.DataFrame:
        return self.project.read(dataset).collect()

    def file(self, dataset: str, key: str) -> Path:
        project = self.project
        return project.store.layout.path(project.graph.datasets[dataset], key)

    def metastore(self) -> SqliteMetastore:
        return SqliteMetastore.open(self.root / "warehouse/.partflow/metastore.sqlite")

    def tables(self) -> closing[apsw.Connection]:
        return tables(self.root / "warehouse/.partflow/metastore.sqlite")

    def data_files(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file below the warehouse, with its inode, time and bytes."""
        files = sorted(p for p in (self.root / "warehouse").rglob("*") if p.is_file())
        return {
            p.relative_to(self.root).as_posix(): (
                p.stat().st_ino,
                p.stat().st_mtime_ns,
                p.read_bytes(),
            )
            for p in files
        }


SALES = """
landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
SCHEMA = {"store": pl.String, "qty": pl.Int64}
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"), schema=SCHEMA)
trailing = Dataset("trailing", Daily("2024-01-30", end="2024-02-04"))
monthly = Dataset("monthly", Monthly("2024-01", end="2024-03"))

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.filter(pl.col("qty") > 0)

@task(reads=[clean.window(-1, 0)], writes=trailing)
def two_days(sales: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    return sales.group_by("store").agg(pl.col("qty").sum()).sort("store")

@task(reads={"sales": clean.overlapping()}, writes=monthly)
def by_month(sales: pl.LazyFrame) -> pl.LazyFrame:
    return sales.select(pl.col("qty").sum())
"""

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")
