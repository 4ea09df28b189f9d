"""The theorem: whatever happened in between, the end is what a run from scratch makes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import profiles  # noqa: F401 - the number of examples
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from worlds import Disk

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.task import Task, task
from partflow.partitions.calendar import Daily, Weekly, Whole
from partflow.partitions.sets import Partition
from partflow.planning.selection import Asked

FIRST = date(2024, 1, 1)
DAYS = [str(FIRST + timedelta(days=n)) for n in range(6)]
EXAMPLES = settings().max_examples // 4
GRAIN = Daily(DAYS[0], "2024-01-07")


def declared(version: str) -> list[Task]:
    """A source, a filter, a window, a running total, a week, and the whole; v2 counts double."""
    factor = int(version)
    landing = Source("landing", GRAIN, path="landing/{key}.csv", schema={"n": pl.Int64})
    numbers = {"n": pl.Int64}
    clean = Dataset("clean", GRAIN, schema=numbers)
    trailing = Dataset("trailing", GRAIN, schema=numbers)
    running = Dataset("running", GRAIN, schema=numbers)
    week = Dataset("week", Weekly(DAYS[0], "2024-01-07"), schema=numbers)
    total = Dataset("total", Whole(), schema=numbers)

    def keep(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.filter(pl.col("n") > 1).select(pl.col("n") * factor)

    def add(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(pl.col("n").sum())

    def run_on(now: pl.DataFrame, before: pl.DataFrame, partition: Partition) -> pl.DataFrame:
        assert before.is_empty() == (partition.key == DAYS[0])
        return add(pl.concat([now.select("n"), before.select("n")]))

    return [
        task(name="keep", reads=[landing], writes=clean, version=version)(keep),
        task(name="trail", reads=[clean.window(-2, 0)], writes=trailing)(add),
        task(name="run_on", reads=[clean, running.previous()], writes=running)(run_on),
        task(name="weekly", reads=[trailing], writes=week)(add),
        task(name="sum", reads=[clean], writes=total)(add),
    ]


days = st.sampled_from(DAYS)
made = st.sampled_from(["clean", "trailing", "running"])
edits = st.one_of(
    st.tuples(st.just("write"), days, st.lists(st.integers(0, 3), max_size=2)),
    st.tuples(st.just("write"), days, st.lists(st.integers(0, 3), max_size=2)),
    st.tuples(st.just("delete"), made, days),
    st.tuples(st.just("corrupt"), made, days),
    st.tuples(st.just("recode"), st.sampled_from("12"), days),
    st.tuples(st.just("backfill"), made, days),
    st.tuples(st.just("advance"), st.integers(1, 3), days),
    st.tuples(st.just("run"), made, days),
    st.tuples(st.just("run"), st.none(), days),
)


def write(root: Path, day: str, values: list[int]) -> None:
    file = root / "landing" / f"{day}.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in ["n", *values]))


def apply(disk: Disk, edit: tuple[str, Any, Any]) -> None:
    """Do one thing that people, disks or time do."""
    what, one, other = edit
    file = disk.root / "warehouse" / str(one) / f"date={other}" / "data.parquet"
    match what:
        case "write":
            write(disk.root, str(one), other)
        case "delete":
            file.unlink(missing_ok=True)
        case "corrupt" if file.exists():
            file.write_bytes(b"PAR1 this is no Parquet")
        case "recode":
            disk.version = str(one)
        case "backfill":
            disk.project.backfill(str(one), asked=Asked((str(one),), keys=(str(other),)))
        case "advance":
            disk.now = str(
                min(date.fromisoformat(disk.now) + timedelta(days=one), date(2024, 1, 9))
            )
        case "run":
            disk.project.materialize(*([] if one is None else [str(one)]))
        case _:
            assert what == "corrupt", what


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return (tmp_path_factory.mktemp(f"root{n}") for n in count())


@settings(max_examples=EXAMPLES, phases=[Phase.generate])
@given(st.data())
def test_any_script_of_edits_and_runs_ends_in_what_a_run_from_scratch_makes(roots, data) -> None:
    disk = Disk(next(roots), declared, now=data.draw(st.sampled_from(["2024-01-04", "2024-01-08"])))
    for day in DAYS[: data.draw(st.integers(2, 6))]:
        write(disk.root, day, [1, 2])
    disk.project.materialize()
    for edit in data.draw(st.lists(edits, max_size=5), label="script"):
        apply(disk, edit)
    disk.project.materialize()
    scratch = disk.afresh(next(roots))
    scratch.project.materialize()
    # What waits for a day that has not come keeps its last good version; from scratch it has none.
    # So has what was whole before that day was due, and is still what it was made from.
    stays = disk.last_good() | scratch.last_good()
    assert {p: c for p, c in disk.contents().items() if p not in stays} == scratch.contents()


def test_a_second_run_makes_nothing_and_changes_no_data(roots) -> None:
    disk = Disk(next(roots), declared, now="2024-01-08")
    for day in DAYS:
        write(disk.root, day, [2, 3])
    assert disk.project.materialize().summary is not None
    before = times(disk.root)
    assert disk.project.materialize().summary is None
    assert times(disk.root) == before
    assert len(disk.contents()) == 3 * len(DAYS) + 2


def times(root: Path) -> dict[Path, int]:
    """When each file of data was written; the record may say that a file was looked at."""
    files = (f for f in root.rglob("*") if f.is_file() and ".partflow" not in f.parts)
    return {f: f.stat().st_mtime_ns for f in files}
