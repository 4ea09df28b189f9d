"""Whatever schemas its partitions have, all that shows a dataset shows the same, or refuses it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import profiles  # noqa: F401 - the number of examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from worlds import Disk

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.task import Task, task
from partflow.errors import PartflowError
from partflow.partitions.calendar import Daily, Whole
from partflow.partitions.sets import Partition
from partflow.warehouse.sqltypes import sql_type

FIRST = date(2024, 1, 1)
DAYS = [str(FIRST + timedelta(days=n)) for n in range(4)]
END = "2024-01-05"
EXAMPLES = settings().max_examples // 2

NOON = datetime(2024, 1, 5, 12, 0, 0, 5000)  # noqa: DTZ001 - DuckDB's TIMESTAMP
COLUMNS: list[tuple[Any, list[Any]]] = [
    (pl.Int8, [1, -3, None]),
    (pl.Int32, [7, 70_000]),
    (pl.Int64, [5, 2**53 + 1]),
    (pl.UInt32, [4_000_000_000]),
    (pl.UInt64, [2**63 + 1, 3]),
    (pl.Float32, [0.5, float("inf")]),
    (pl.Float64, [2.5, None, 1e300]),
    (pl.Decimal(6, 2), [Decimal("1.25")]),
    (pl.Decimal(20, 4), [Decimal("3.1234")]),
    (pl.String, ["007", "", None]),
    (pl.Categorical, ["a"]),
    (pl.Null, [None]),
    (pl.Date, [date(2024, 2, 29)]),
    (pl.Boolean, [True]),
    (pl.Duration("us"), [timedelta(days=2, microseconds=3)]),
    (pl.Duration("ms"), [timedelta(milliseconds=-5), None]),
    (pl.Datetime("ms"), [NOON]),
    (pl.Datetime("us"), [NOON + timedelta(microseconds=1), None]),
    (pl.Datetime("ns"), [NOON]),
    (pl.Struct({"a": pl.Duration("us"), "b": pl.Int8}), [{"a": timedelta(1), "b": 1}, None]),
    (pl.Struct({"a": pl.Duration("ms"), "b": pl.Int64}), [{"a": timedelta(2), "b": None}]),
    (pl.Struct({"a": pl.Null, "b": pl.Int8}), [{"a": None, "b": 7}]),
    (pl.List(pl.Struct({"a": pl.Duration("us")})), [[{"a": timedelta(1)}, {"a": None}], [], None]),
    (pl.List(pl.Int32), [[1, 2], []]),
    (pl.List(pl.Int64), [[2**60], None]),
]


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """A day's rows: some of three columns, in any order, each of a type by chance."""
    names = draw(st.lists(st.sampled_from(["a", "b", "order"]), unique=True, min_size=1))
    rows = draw(st.integers(0, 2))
    columns = {}
    for name in names:
        kind, values = draw(st.sampled_from(COLUMNS))
        chosen = draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows))
        columns[name] = pl.Series(name, chosen, dtype=kind)
    return pl.DataFrame(columns)


def declared(days: str) -> list[Task]:
    """What was brought, stored as it is, and all of it in one; of `days`, from .. to before."""
    grain = Daily(*days.split(".."))
    landing = Source("landing", grain, path="landing/{key}.parquet")
    stored = Dataset("stored", grain)
    whole = Dataset("whole", Whole())

    def store(paths: list[Path], partition: Partition) -> pl.DataFrame:
        return pl.read_parquet(paths[0], hive_partitioning=False)

    def gather(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame

    return [
        task(name="store", reads=[landing], writes=stored)(store),
        task(name="gather", reads=[stored], writes=whole)(gather),
    ]


@dataclass(frozen=True)
class Shown:
    """The columns, DuckDB's types of them, and the rows in order of their texts."""

    columns: list[str]
    types: list[str]
    rows: list[str]

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> Shown:
        types = [sql_type(t).replace('"', "").replace("NULL", '"NULL"') for t in frame.dtypes]
        return cls(frame.columns, types, _sorted(frame.rows()))

    @classmethod
    def of_relation(cls, found: duckdb.DuckDBPyRelation) -> Shown:
        return cls(found.columns, list(map(str, found.types)), _sorted(found.fetchall()))


def _sorted(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


def ways(disk: Disk, name: str) -> Iterator[tuple[str, Shown | None]]:
    """What each way of looking at a dataset shows, None if it refuses."""
    project = disk.project
    try:
        yield "read", Shown.of_frame(project.read(name).collect())
    except (PartflowError, ValueError, pl.exceptions.PolarsError):
        yield "read", None
    try:
        yield "sql", Shown.of_relation(project.sql(f"select * from {name}"))
    except (PartflowError, duckdb.Error):
        yield "sql", None
    with duckdb.connect(disk.root / "warehouse/catalog.duckdb", read_only=True) as catalog:
        try:
            yield "catalog", Shown.of_relation(catalog.sql(f"select * from {name}"))
        except duckdb.Error:
            yield "catalog", None


def same_everywhere(disk: Disk) -> Shown | None:
    """What every way of looking shows of the dataset; None if each refuses it."""
    for name in ("stored", "landing"):
        shown = dict(ways(disk, name))
        assert len({repr(each) for each in shown.values()}) == 1, (name, shown)
    seen = dict(ways(disk, "stored"))["read"]
    made = (disk.root / "warehouse/whole/data.parquet").exists()
    assert made or seen is None
    if seen is not None:
        assert Shown.of_frame(disk.project.read("whole").collect()) == seen
    return seen


NULLS = pl.DataFrame({"a": [None, None]})
UNSIGNED = pl.DataFrame(schema={"a": pl.Float32, "order": pl.Date, "b": pl.UInt64})
SIGNED = pl.DataFrame(schema={"a": pl.Int8, "b": pl.Int8})


@settings(max_examples=EXAMPLES)
@example([NULLS, UNSIGNED, SIGNED, UNSIGNED], 0, 1)
@given(st.lists(frames(), min_size=4, max_size=4), st.integers(0, 3), st.integers(1, 4))
def test_all_that_shows_a_dataset_shows_the_same_or_refuses_it(
    days: list[pl.DataFrame], first: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        root = Path(folder)
        (root / "landing").mkdir()
        for key, frame in zip(DAYS, days, strict=True):
            frame.write_parquet(root / f"landing/{key}.parquet")
        disk = Disk(root, declared, "2024-01-31T12:00")
        disk.version = f"{DAYS[0]}..{END}"
        disk.project.materialize()
        same_everywhere(disk)
        disk.version = f"{DAYS[first]}..{(*DAYS, END)[min(first + length, 4)]}"
        disk.project.materialize()
        shown = same_everywhere(disk)
        assert shown is None or len(shown.rows) == sum(map(len, days[first : first + length]))
