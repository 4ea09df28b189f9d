"""A project whose partitions lie in memory: runs, corrections, edits, putting back."""

from __future__ import annotations

import polars as pl
import pytest
from projects import DAYS
from stores import EtagStore

from partflow.execution.controls import Controls
from partflow.project.project import Project
from partflow.store.memory import MemoryStore


@pytest.fixture(params=[MemoryStore, EtagStore])
def store(request, sales) -> MemoryStore:
    """A store with the files of the source."""
    store = request.param(sales.root / "in_memory")
    for day in DAYS:
        content = (sales.root / f"landing/{day}.csv").read_bytes()
        store.put("landing", day, content)
    return store


def project(sales, store) -> Project:
    return Project.load(sales.root, store=store)


def test_all_is_made_read_and_then_fresh(sales, store):
    assert project(sales, store).materialize().summary.ran == 12
    assert project(sales, store).materialize().summary is None
    assert project(sales, store).read("clean").collect().height > 0
    assert not list((sales.root / "warehouse").rglob("*.parquet"))


def test_a_correction_makes_again_what_was_made_from_it(sales, store):
    project(sales, store).materialize()
    store.put("landing", DAYS[0], b"store,qty\nnorth,40\n")
    assert project(sales, store).materialize().summary.ran > 1
    rows = project(sales, store).read("clean", DAYS[0], DAYS[1]).collect()
    assert rows["qty"].to_list() == [40]


def test_an_edit_of_somebody_else_stays(sales, store):
    project(sales, store).materialize()
    edited = sales.root / "edited"
    pl.DataFrame({"store": ["mine"], "qty": [5]}).write_parquet(edited)
    store.put("clean", DAYS[0], edited.read_bytes())
    store.put("landing", DAYS[0], b"store,qty\nnorth,40\n")
    project(sales, store).materialize()
    assert store.holds("clean", DAYS[0]) == edited.read_bytes()


def test_what_was_replaced_is_put_back(sales, store):
    project(sales, store).materialize()
    before = store.holds("clean", DAYS[0])
    store.put("landing", DAYS[0], b"store,qty\nnorth,40\n")
    project(sales, store).materialize()
    project(sales, store).upkeep.rollback("clean", DAYS[0], None, Controls())
    assert store.holds("clean", DAYS[0]) == before


def test_an_answer_that_was_lost_is_found_done_by_the_next_run(sales):
    store = EtagStore(sales.root / "in_memory")
    for day in DAYS:
        store.put("landing", day, (sales.root / f"landing/{day}.csv").read_bytes())
    store.loses = 1
    assert project(sales, store).materialize().summary.failed == 1
    assert project(sales, store).materialize().summary.failed == 0
    assert project(sales, store).materialize().summary is None
