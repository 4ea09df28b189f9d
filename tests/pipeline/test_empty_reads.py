"""What a partition at the edge of its task's range gets: whatever is read, it can be made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import polars as pl
import profiles  # noqa: F401 - no deadline
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.declarations.dataset import Dataset, Read, as_read
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import Task, task
from partflow.execution.attempt.perform import perform
from partflow.execution.orders import Attempt, Lineage, Order, Outcome
from partflow.partitions.calendar import Cron, Daily, Every, Grain, Hourly, Monthly, Weekly, Whole
from partflow.store.local import LocalStore
from partflow.warehouse.handover import HandOver

SCHEMA = {"qty": pl.Int64, "day": pl.Date, "tags": pl.List(pl.String)}
ROWS = pl.DataFrame({"qty": [1, 2], "day": None, "tags": [["a"], None]}, schema=SCHEMA)
GRAINS: dict[str, Callable[[str, str | None, str], Grain]] = {
    "hourly": lambda start, end, tz: Hourly(start, end, tz=tz),
    "daily": lambda start, end, tz: Daily(start, end, tz=tz),
    "weekly": lambda start, end, tz: Weekly(start, end, tz=tz),
    "from sunday": lambda start, end, tz: Weekly(start, end, tz=tz, first_day="sunday"),
    "monthly": lambda start, end, tz: Monthly(start, end, tz=tz),
    "every 3d": lambda start, end, tz: Every("3d", start, end, tz=tz),
    "every 6h": lambda start, end, tz: Every("6h", f"{start}T00:00Z", end, tz=tz),
    "every 15m": lambda start, end, tz: Every("15m", f"{start}T00:15Z", end, tz=tz),
    "cron": lambda start, end, tz: Cron("5 6 * * 1-5", start, end, tz=tz),
    "often": lambda start, end, tz: Cron("*/20 * * * *", start, end, tz=tz),
}
FINE = {"hourly", "every 15m", "often"}
FORMS: dict[str, Callable[[Dataset], Dataset | Read]] = {
    "plain": lambda dataset: dataset,
    "overlapping": lambda dataset: dataset.overlapping(),
    "previous": lambda dataset: dataset.previous(),
    "window": lambda dataset: dataset.window(-2, -1),
    "span": lambda dataset: dataset.window("-40d", "-35d"),
    "history": lambda dataset: dataset.history(),
    "asof": lambda dataset: dataset.asof(),
}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
KNOWN = sorted(available_timezones() - {"localtime", "Factory"})


def lazy(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.rename({table.collect_schema().names()[-1]: "of"})


def eager(table: pl.DataFrame) -> pl.DataFrame:
    return table.rename({table.columns[-1]: "of"})


def arrow(table: pa.Table) -> pa.Table:
    return table.rename_columns([*table.column_names[:-1], "of"])


def relation(table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return table.project(f'* exclude ("{table.columns[-1]}"), "{table.columns[-1]}" as "of"')


def paths(table: list[Path]) -> pl.DataFrame:
    return pl.DataFrame({"of": [path.stat().st_size for path in table]}, schema={"of": pl.Int64})


KINDS = {function.__name__: function for function in (lazy, eager, arrow, relation, paths)}


@dataclass(frozen=True)
class Shop:
    """One dataset with all its files, and a task that reads it."""

    graph: Graph
    task: Task
    store: LocalStore

    def staged(self, outcome: Outcome) -> Path:
        return self.store.layout.staged(outcome.outputs[0].staged)

    def made(self, ordinal: int, *, is_there: bool = True) -> tuple[int, Outcome]:
        """How many partitions one reads, and what becomes of making it."""
        one = self.task.inputs[0]
        extent = self.graph.dataset_extents[one.read.dataset.name]
        (a,), (b,) = one.read.bounds(self.task.grain, ordinal, ordinal + 1, extent, extent.hi or 0)
        reads = tuple(range(a, b)) if is_there else ()
        for key in [one.read.dataset.grain.key(o) for o in reads]:
            path = self.store.layout.path(one.read.dataset, key)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                ROWS.write_parquet(path)
        key = self.task.grain.key(ordinal)
        lineage = Lineage(self.task.name, key, 0, 0, "0" * 32, "run", 0, ())
        attempt = Attempt(0, ordinal, 1, (reads,), lineage)
        order = Order("run", self.task.name, (attempt,))
        (outcome,) = perform(order, self.graph, self.store, HandOver())
        return len(reads), outcome


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def shop(folder: Path, grain: Grain, own: Grain, form: str, kind: str, *, optional: bool) -> Shop:
    read = Dataset("sales", grain, schema=SCHEMA)
    told = as_read(FORMS[form](read))
    out = Dataset("report", own)
    declared = task(reads=[told.optional() if optional else told], writes=out, name="report")
    made = declared(KINDS[kind])
    root = Path(tempfile.mkdtemp(dir=folder))
    return Shop(
        derive([made, sold(read)]), made, LocalStore(root, root / "warehouse", durable=False)
    )


def sold(dataset: Dataset) -> Task:
    """Whoever writes what is read."""
    return task(writes=dataset, name="sell")(lambda: None)


def at_the_edges(graph: Graph, made: Task) -> list[int]:
    """The first, second and last partition of what a task can make."""
    extent = graph.task_extents[made.name]
    last = extent.lo + 40 if extent.hi is None else extent.hi - 1
    return sorted({o for o in (extent.lo, extent.lo + 1, last) if extent.lo <= o <= last})


zones = st.one_of(st.sampled_from(ZONES), st.sampled_from(KNOWN))


@given(st.data())
def test_the_first_the_second_and_the_last_partition_can_be_made(
    folder: Path, data: st.DataObject
) -> None:
    tz, cut = data.draw(zones), data.draw(st.sampled_from(sorted(GRAINS)))
    # The clock of most of these zones changes within; the task's range begins before what it reads.
    start, end = "2024-03-30", "2024-04-01" if cut in FINE else "2024-04-12"
    grain = GRAINS[cut](start, end, tz)
    own = GRAINS[cut](data.draw(st.sampled_from([start, "2024-02-08"])), end, tz)
    form, kind = (
        data.draw(st.sampled_from(sorted(FORMS))),
        data.draw(st.sampled_from(sorted(KINDS))),
    )
    one = shop(folder, grain, own, form, kind, optional=data.draw(st.booleans()))
    is_optional = one.task.inputs[0].read.is_optional
    for ordinal in at_the_edges(one.graph, one.task):
        is_there = not is_optional or data.draw(st.booleans())
        count, outcome = one.made(ordinal, is_there=is_there)
        assert outcome.failure is None, outcome.failure
        assert outcome.outputs[0].rows == (count if kind == "paths" else 2 * count)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("cut", sorted(GRAINS))
def test_an_empty_read_has_the_types_of_one_that_is_not(folder: Path, cut: str, kind: str) -> None:
    grain = GRAINS[cut]("2024-03-20", "2024-04-12", "America/New_York")
    one = shop(folder, grain, grain, "previous", kind, optional=True)
    last = at_the_edges(one.graph, one.task)[-1]
    schemas = []
    for is_there in (True, False):
        _, outcome = one.made(last, is_there=is_there)
        assert outcome.failure is None, outcome.failure
        schemas.append(pl.read_parquet_schema(one.staged(outcome)))
    assert schemas[0] == schemas[1]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("cut", sorted(GRAINS))
def test_the_whole_reads_what_is_not_there_yet(folder: Path, cut: str, kind: str) -> None:
    grain = GRAINS[cut]("2024-03-20", "2024-04-12", "Europe/Berlin")
    one = shop(folder, grain, Whole(), "plain", kind, optional=True)
    _, outcome = one.made(0, is_there=False)
    assert outcome.failure is None, outcome.failure


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("cut", sorted(GRAINS))
def test_every_grain_reads_a_whole_that_is_not_there(folder: Path, cut: str, kind: str) -> None:
    own = GRAINS[cut]("2024-03-20", "2024-04-12", "Europe/Berlin")
    one = shop(folder, Whole(), own, "plain", kind, optional=True)
    _, outcome = one.made(own.lo, is_there=False)
    assert outcome.failure is None, outcome.failure


def of_a_model(model: object) -> pl.DataFrame:
    return pl.DataFrame({"has_model": [model is not None]})


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("cut", sorted(GRAINS))
def test_a_model_that_is_not_there_is_none(folder: Path, cut: str, form: str) -> None:
    grain = GRAINS[cut]("2024-03-20", "2024-04-12", "Europe/Berlin")
    models = Dataset("models", grain, format="skops")
    declared = task(reads=[as_read(FORMS[form](models)).optional()], writes=Dataset("r", grain))
    made = declared(of_a_model)
    root = Path(tempfile.mkdtemp(dir=folder))
    store = LocalStore(root, root / "warehouse", durable=False)
    one = Shop(derive([made, sold(models)]), made, store)
    _, outcome = one.made(grain.lo, is_there=False)
    assert outcome.failure is None, outcome.failure
    assert pl.read_parquet(one.staged(outcome))["has_model"].to_list() == [False]


def lazily_wrong(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.select("no_such_column")


def eagerly_wrong(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("no_such_column")


def wrong_beside_paths(table: list[Path]) -> pl.DataFrame:
    return pl.DataFrame({"n": [len(table)]}).select("no_such_column")


def wrong_in_python(table: pl.LazyFrame) -> pl.LazyFrame:
    raise KeyError("no_such_column")


def wrong_in_sql(table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return table.project("no_such_column")


@pytest.mark.parametrize(
    "function", [lazily_wrong, eagerly_wrong, wrong_beside_paths, wrong_in_python, wrong_in_sql]
)
@pytest.mark.parametrize("form", ["plain", "previous", "window"])
@pytest.mark.parametrize("cut", ["daily", "hourly"])
def test_where_a_read_is_empty_the_error_is_the_user_s(
    folder: Path, cut: str, form: str, function: Callable[..., object], monkeypatch
) -> None:
    monkeypatch.setitem(KINDS, "wrong", function)
    grain = GRAINS[cut]("2024-03-20", "2024-04-12", "Europe/Berlin")
    one = shop(folder, grain, grain, form, "wrong", optional=True)
    _, outcome = one.made(at_the_edges(one.graph, one.task)[0], is_there=False)
    assert outcome.failure is not None
    assert "no_such_column" in outcome.failure.message


def test_files_that_a_task_opens_itself_are_not_blamed_for_its_error(folder: Path) -> None:
    one = shop(folder, Daily("2024-03-20"), Daily("2024-03-20"), "history", "paths", optional=False)
    lo = one.task.grain.lo
    one.made(lo + 1)
    path = one.store.layout.path(one.task.inputs[0].read.dataset, "2024-03-20")
    pl.DataFrame({"other": [1.0]}).write_parquet(path)  # it takes paths since its files vary
    read = one.task.inputs[0].read
    declared = task(reads={"table": read}, writes=Dataset("totals", one.task.grain))
    made = declared(wrong_beside_paths)
    _, outcome = Shop(derive([made, sold(read.dataset)]), made, one.store).made(lo + 1)
    assert outcome.failure is not None
    assert "no_such_column" in outcome.failure.message
