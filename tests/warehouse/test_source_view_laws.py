"""Whatever others deliver, all that shows it shows the same, or refuses it in partflow's words."""

from __future__ import annotations

import json
import tempfile
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import profiles  # noqa: F401 - the number of examples
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st
from worlds import Disk

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.task import Task, task
from partflow.errors import PartflowError
from partflow.partitions.calendar import Daily, Whole
from partflow.warehouse.sqltypes import sql_type
from partflow.warehouse.viewsql import MARK

DAYS = ("2024-01-01", "2024-01-02")
EXAMPLES = settings().max_examples // 2
NAMES = ("a", "b", "A", " a", "b c", "select", "_partflow_file", "filename", "key", "json", "date",
         "Date", "a.b", "a'b", "", "*", "^.*$", "#c", "problem", "asked", "{key}")  # fmt: skip
FIELDS = ("1", "-3", "007", "1.5", "x", "", " x ", "  ", '""', '"x, y"', '"two\nlines"', "true",
          "2024-01-05", "2024-01-05T10:00", "#1", "NULL", "inf", "'", "12345678901234567890", "é",
          "x,", "*n")  # fmt: skip
VALUES = ("1", "-3", "1.5", "1e3", "12345678901234567890", "true", "null", '"x"', '""', '"007"',
          '"2024-01-05"', "[]", "[1, 2]", "[1.5, null]", "{}", '{"p": 1}', '{"p": 1, "p": 2}',
          '{"p": 1, "P": 2}', '{"": 1}', '[{"p": 1}, {"p": 2}]', r'"\u00e9"', "01",
          "1e400")  # fmt: skip
SCHEMAS: list[Any] = [
    pl.String,
    pl.Int64,
    pl.Int8,
    pl.Float64,
    pl.Date,
    pl.Boolean,
    pl.Decimal(9, 2),
]
NOON = datetime(2024, 1, 5, 12, tzinfo=UTC)
ARROW: list[tuple[pa.DataType, Any]] = [
    (pa.int8(), 1), (pa.int64(), 2**53 + 1), (pa.uint64(), 2**63), (pa.float16(), None),
    (pa.float32(), float("nan")), (pa.decimal128(9, 2), Decimal("1.25")), (pa.string(), "007"),
    (pa.large_string(), ""), (pa.dictionary(pa.int8(), pa.string()), "a"), (pa.binary(), b"\xff"),
    (pa.binary(3), b"abc"), (pa.date32(), date(2024, 2, 29)), (pa.date64(), date(2024, 2, 29)),
    (pa.time32("s"), time(1, 2)), (pa.time32("ms"), time(1, 2)), (pa.time64("us"), time(1, 2)),
    (pa.timestamp("s"), NOON), (pa.timestamp("us"), NOON), (pa.timestamp("us", "UTC"), NOON),
    (pa.timestamp("us", "America/New_York"), NOON), (pa.duration("s"), timedelta(1)),
    (pa.duration("us"), timedelta(1)), (pa.null(), None), (pa.bool_(), True),
    (pa.list_(pa.time32("ms")), [time(1, 2)]), (pa.struct({"p": pa.int8()}), {"p": 1}),
    (pa.list_(pa.duration("s")), [timedelta(1)]),
]  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """Files of a source, one a day, by the ending of their names; and a schema, if any."""

    ending: str
    files: list[Any]
    schema: dict[str, Any] | None = None

    def write(self, folder: Path) -> None:
        for day, file in zip(DAYS, self.files, strict=False):
            path = folder / f"{day}.{self.ending}"
            if isinstance(file, pa.Table):
                pq.write_table(file, path)
            else:
                path.write_text(file, newline="")


@st.composite
def csv(draw: st.DrawFn, names: list[str]) -> str:
    fields = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4))
    lines = [",".join(names)]
    for _ in range(draw(st.integers(0, 4))):
        row = ",".join(draw(st.sampled_from(fields)) for _ in names)
        lines.append(draw(st.sampled_from([*[row] * 9, "", "  ", " \t", "x"])))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from([end, "", f"{end} ", f"{end}  {end}"]))


@st.composite
def ndjson(draw: st.DrawFn, names: list[str]) -> str:
    values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        within = [name for name in names if draw(st.integers(0, 9))]
        within += within[:1] if not draw(st.integers(0, 9)) else []
        pairs = (f"{json.dumps(name)}: {draw(st.sampled_from(values))}" for name in within)
        lines.append(draw(st.sampled_from([f"{{{', '.join(pairs)}}}"] * 9 + [""])))
    return "\n".join(lines) + "\n"


@st.composite
def parquet(draw: st.DrawFn, names: list[str]) -> pa.Table:
    rows, columns = draw(st.integers(0, 2)), {}
    for name in names:
        kind, value = draw(st.sampled_from(ARROW))
        columns[name] = pa.array([draw(st.sampled_from([value, None])) for _ in range(rows)], kind)
    return pa.table(columns)


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    ending, files = draw(st.sampled_from([("csv", csv), ("ndjson", ndjson), ("parquet", parquet)]))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3))
    if draw(st.booleans()):
        names = ["a", "b", "c"][: len(names)]
    whole = [draw(files(names)) for _ in range(draw(st.integers(1, 2)))]
    kinds = {name: draw(st.sampled_from(SCHEMAS)) for name in names if name}
    return Delivery(ending, whole, kinds if kinds and not draw(st.integers(0, 2)) else None)


def declared(delivery: Delivery) -> list[Task]:
    """The source, and a task that reads all of it."""
    end = ("2024-01-02", "2024-01-03")[len(delivery.files) - 1]
    raw = Source(
        "raw",
        Daily(DAYS[0], end),
        path=f"landing/{{key}}.{delivery.ending}",
        schema=delivery.schema,
    )

    def gather(frame: pl.DataFrame) -> pl.DataFrame:
        return frame

    return [task(name="gather", reads=[raw], writes=Dataset("whole", Whole()))(gather)]


def said_by(error: Exception) -> str:
    """What an error says; it must be partflow's own, and none that DuckDB or polars words."""
    said = str(error)
    own = isinstance(error, PartflowError) or f": {MARK}" in said
    assert own, said
    assert "Error: " not in said.partition(MARK)[2] if MARK in said else "Error: " not in said, said
    return said


def types_of(frame: pl.DataFrame) -> list[str]:
    return [sql_type(kind).replace('"', "") for kind in frame.dtypes]


def plain(rows: list[tuple[Any, ...]]) -> list[str]:
    """Rows as texts in order, moments in UTC whoever tells of them."""

    def told(value: Any) -> Any:
        is_zoned = isinstance(value, datetime) and value.tzinfo is not None
        return value.astimezone(UTC).isoformat() if is_zoned else value

    return sorted(repr([told(value) for value in row]) for row in rows)


def looked(ask: Any) -> tuple[list[str], list[str], list[str]] | str:
    """The columns, types and rows of a query, or what is said of it."""
    try:
        found = ask()
        rows = plain(found.fetchall())
        return found.columns, [str(kind).replace('"', "") for kind in found.types], rows
    except (PartflowError, duckdb.Error) as error:
        if "Table with name raw does not exist" in str(error):
            return "the catalog has nothing of it"
        return said_by(error)


@settings(max_examples=EXAMPLES)
@example(Delivery("ndjson", ['{"a":1,"a":2}\n']))
@example(Delivery("ndjson", ['{"a":{"p":1}}\n', "{}\n"]))
@example(Delivery("ndjson", ['{"a":{"p":1,"P":1}}\n', '{"a":{"p":1}}\n']))
@example(Delivery("csv", ["a,b\n1,2\n   \n3,4\n", "a,b\n1,2\n"]))
@example(Delivery("csv", ["\na\n\n\n", "b\n1\n"]))
@example(Delivery("csv", ["*,a\n1,2\n"]))
@example(Delivery("parquet", [pa.table({"a": pa.array([timedelta(1)], pa.duration("s"))})]))
@example(Delivery("parquet", [pa.table({"a": pa.array([time(1, 2)], pa.time32("ms"))})]))
@example(Delivery("parquet", [pa.table({"a": pa.array([date(2024, 1, 1)], pa.date64())})]))
@example(
    Delivery("parquet", [pa.table({"^.*$": [1], "b": [1]}), pa.table({"^.*$": [1.5], "b": [1]})])
)
@example(Delivery("ndjson", ["{}\n"]))
@example(Delivery("ndjson", ["{}", '{"a": {"p": 1, "p": 2}}']))
@example(Delivery("ndjson", ['{"a": 1, "a": 2}'], {"a": pl.Int64}))
@given(deliveries())
def test_all_that_shows_a_delivery_shows_what_tasks_read_or_says_why_not(
    delivery: Delivery,
) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        root = Path(folder)
        (root / "landing").mkdir()
        delivery.write(root / "landing")
        try:
            tasks = declared(delivery)
        except PartflowError:
            return
        disk = Disk(root, lambda _: tasks, "2024-01-31T12:00")
        result = disk.project.materialize()
        try:
            frame = disk.project.read("raw").collect()
        except PartflowError as error:
            frame = None
            said_by(error)
        shown = [looked(lambda: disk.project.sql("select * from raw"))]
        with duckdb.connect(root / "warehouse/catalog.duckdb", read_only=True) as catalog:
            shown.append(looked(lambda: catalog.sql("from raw")))
    assert not (frame is not None and result.faults)
    for each in shown:
        if frame is None:
            assert isinstance(each, str)
        elif not isinstance(each, str):
            assert each == (frame.columns, types_of(frame), plain(frame.rows()))
