"""A lost metastore loses nothing that matters: made anew, it gives the same plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import profiles  # noqa: F401 - the number of examples
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from worlds import Disk, moment

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.task import Task, effect, task
from partflow.execution.controls import Controls
from partflow.partitions.calendar import Daily, Whole
from partflow.planning.planner import Plan
from partflow.planning.selection import Asked

FIRST = date(2024, 1, 1)
DAYS = [str(FIRST + timedelta(days=n)) for n in range(5)]
EXAMPLES = settings().max_examples // 10
GRAIN = Daily(DAYS[0], "2024-01-06")


def declared(version: str) -> list[Task]:
    """Two outputs of one step, a total over itself, a model, the whole, and an effect."""
    factor = int(version)
    landing = Source("landing", GRAIN, path="landing/{key}.csv", schema={"n": pl.Int64})
    low = Dataset("low", GRAIN, schema={"n": pl.Int64})
    high = Dataset("high", GRAIN, schema={"n": pl.Int64})
    running = Dataset("running", GRAIN, schema={"n": pl.Int64})
    model = Dataset("model", GRAIN, format="skops")
    total = Dataset("total", Whole(), schema={"n": pl.Int64})

    def part(raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        n = pl.col("n")
        rows = raw.select("n")
        return rows.filter(n <= 1), rows.filter(n > 1).select(n * (1 if factor == 2 else factor))

    def add(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(pl.col("n").sum())

    def run_on(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        return add(pl.concat([now.select("n"), before.select("n")]))

    def fit(frame: pl.DataFrame) -> dict[str, int]:
        return {"sum": int(frame["n"].sum())}

    def tell(frame: pl.DataFrame) -> None:
        """Only its record is of interest here."""

    return [
        task(name="part", reads=[landing], writes=(low, high), version=version)(part),
        task(name="run_on", reads=[high, running.previous()], writes=running)(run_on),
        task(name="fit", reads=[low], writes=model, version=version)(fit),
        task(name="sum", reads=[high], writes=total)(add),
        effect(name="tell", reads=[running])(tell),
    ]


days = st.sampled_from(DAYS)
edits = st.one_of(
    st.tuples(st.just("write"), days, st.lists(st.integers(0, 3), max_size=2)),
    st.tuples(st.just("lose"), days, st.none()),
    st.tuples(st.just("recode"), st.sampled_from("123"), st.none()),
    st.tuples(st.just("advance"), st.integers(1, 2), st.none()),
)
acts = st.one_of(
    edits,
    st.tuples(st.just("run"), st.none(), st.none()),
    st.tuples(st.just("backfill"), days, st.none()),
    st.tuples(st.just("accept"), st.none(), st.none()),
    st.tuples(st.just("pin"), days, st.integers(5, 9)),
    st.tuples(st.just("effects"), st.none(), st.none()),
)


def write(root: Path, day: str, values: list[int]) -> None:
    file = root / "landing" / f"{day}.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in ["n", *values]))


def apply(disk: Disk, act: tuple[str, Any, Any]) -> None:
    """Do one thing that people, code or time do."""
    what, one, other = act
    file = disk.root / "warehouse" / "low" / f"date={one}" / "data.parquet"
    match what:
        case "write":
            write(disk.root, str(one), other)
        case "lose":
            (disk.root / "landing" / f"{one}.csv").unlink(missing_ok=True)
        case "recode":
            disk.version = str(one)
        case "advance":
            later = date.fromisoformat(disk.now) + timedelta(days=one)
            disk.now = str(min(later, date(2024, 1, 8)))
        case "run":
            disk.project.materialize()
        case "effects":
            disk.project.materialize(with_effects=True)
        case "backfill":
            disk.project.backfill(asked=Asked(("high",), keys=(str(one),)))
        case "accept":
            disk.project.accept("*")
        case "pin" if file.exists():
            pl.DataFrame({"n": [other]}).write_parquet(file)
            disk.project.accept("low")
        case _:
            assert what == "pin", what


def said(plan: Plan) -> dict[str, list[list[int]]]:
    """What a plan says of every partition of every task."""
    names = ("state", "need", "reason", "cause", "action")
    return {
        n: [[t.lo], *(getattr(t, name).tolist() for name in names)] for n, t in plan.tasks.items()
    }


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return (tmp_path_factory.mktemp(f"root{n}") for n in count())


def lose(metastore: Path, how: str) -> None:
    match how:
        case "missing":
            metastore.unlink()
        case "empty":
            metastore.write_bytes(b"")
        case "truncated":
            metastore.write_bytes(metastore.read_bytes()[:5000])
        case "garbage":
            metastore.write_bytes(b"no database at all" * 500)


@settings(max_examples=EXAMPLES, phases=[Phase.generate])
@given(st.data())
def test_a_plan_after_a_rebuild_says_what_it_said_before(roots, data) -> None:
    disk = Disk(next(roots), declared, now=data.draw(st.sampled_from(["2024-01-04", "2024-01-07"])))
    for day in DAYS[: data.draw(st.integers(2, 5))]:
        write(disk.root, day, [1, 2])
    disk.project.materialize()
    for act in data.draw(st.lists(acts, max_size=6), label="script"):
        apply(disk, act)
    disk.project.materialize()
    for act in data.draw(st.lists(edits, max_size=2), label="since"):
        apply(disk, act)
    before = said(disk.project.plan())
    how = data.draw(st.sampled_from(["missing", "empty", "truncated", "garbage"]))
    lose(disk.project.history.metastore.path, how)
    found = disk.project.upkeep.rebuild(Controls())
    assert found.unknown == ()
    assert said(disk.project.plan()) == before
    again = disk.project.upkeep.rebuild(Controls())
    assert again == replace(found, aside=again.aside)
    assert said(disk.project.plan()) == before
    assert moment(disk.now) > 0
