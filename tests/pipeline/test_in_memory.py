"""A project whose partitions lie in memory: runs, corrections, edits, putting back."""

from __future__ import annotations

import polars as pl
import pytest
from projects import DAYS
from stores import EtagStore

from partflow.errors import ConfigurationError, MetastoreError, UsageError
from partflow.execution.controls import Controls
from partflow.operations.sweep import Swept
from partflow.operations.undeclared import Hidden
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


def told(project: Project) -> list[tuple]:
    """What `status` says of each dataset and effect."""
    return [(one.node, one.counts, one.rows, one.nbytes) for one in project.status()]


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


def test_what_is_past_its_bound_is_swept(sales, store):
    project(sales, store).materialize()
    for n in (1, 2, 3):
        store.put("landing", DAYS[0], f"store,qty\nnorth,{n}\n".encode())
        project(sales, store).materialize("clean")
    assert len(store.kept("clean", DAYS[0])) == 2
    store.history = 1
    swept = project(sales, store).upkeep.sweep(Controls(), dry_run=True)
    assert swept.files[Swept.KEPT] == 1
    assert project(sales, store).upkeep.sweep(Controls(), dry_run=False) == swept
    assert len(store.kept("clean", DAYS[0])) == 1
    assert project(sales, store).upkeep.sweep(Controls(), dry_run=False).is_empty


def test_what_nothing_declares_is_said_and_moved_into_the_history(sales, store):
    project(sales, store).materialize()
    assert project(sales, store).upkeep.undeclared() == ()
    store.put("clean", "2023-12-31", b"from before")
    store.put("gone", "all", b"of no dataset")
    upkeep = project(sales, store).upkeep
    found = {(each.dataset, each.why, each.strays[0].key) for each in upkeep.undeclared()}
    assert found == {
        ("clean", Hidden.RANGE, "2023-12-31"),
        ("gone", Hidden.DATASET, "all"),
    }
    upkeep.move_undeclared(["clean", "gone"], Controls())
    assert upkeep.undeclared() == ()
    (kept,) = store.kept("gone", "all").values()
    assert kept.read_bytes() == b"of no dataset"
    assert project(sales, store).materialize().summary is None


def test_a_lost_record_is_made_anew_from_the_bytes_and_the_journal(sales, store):
    project(sales, store).materialize()
    store.put("landing", DAYS[0], b"store,qty\nnorth,40\n")
    project(sales, store).materialize()
    before = told(project(sales, store))
    project(sales, store).history.metastore.path.unlink()
    with pytest.raises(MetastoreError, match="is lost"):
        project(sales, store).materialize()
    rebuilt = project(sales, store).upkeep.rebuild(Controls())
    assert (rebuilt.unknown, rebuilt.has_journal) == ((), True)
    assert project(sales, store).materialize().summary is None
    assert told(project(sales, store)) == before


def test_a_query_sees_what_a_task_reads(sales, store):
    made = project(sales, store)
    made.materialize()
    for name, dataset in made.graph.datasets.items():
        read = made.read(name).collect()
        rows = made.sql(f'select * from "{name}"').pl()
        assert rows.height == read.height > 0
        assert set(rows.columns) == set(read.columns)
        if dataset.column is not None:
            sql = f'select distinct {dataset.column} from "{name}" order by 1'
            assert made.sql(sql).pl().to_series().equals(read[dataset.column].unique().sort())
    assert not list(store.layout.warehouse.glob("*.duckdb"))


def test_a_query_sees_what_somebody_else_has_just_written(sales, store):
    project(sales, store).materialize()
    edited = sales.root / "edited"
    pl.DataFrame({"store": ["mine"], "qty": [55]}).write_parquet(edited)
    store.put("clean", DAYS[0], edited.read_bytes())
    sql = "select store, qty from clean where date = date '{}'"
    made = project(sales, store)
    assert made.sql(sql.format(DAYS[0])).fetchall() == [("mine", 55)]
    assert made.sql("select count(*) from landing").fetchall() != [(0,)]
    for day in DAYS:
        store.put("clean", day, None)
    assert made.sql("from clean").fetchall() == []


def test_a_query_reads_nothing_of_what_no_dataset_has(sales, store):
    project(sales, store).materialize()
    secret = store.layout.private / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(UsageError, match="Permission Error"):
        project(sales, store).sql(f"from read_csv('{secret}')")


@pytest.mark.parametrize("config", ["", 'executor = "processes"'])
def test_what_other_processes_would_not_see_is_refused_before_anything_is_made(
    sales, store, config
):
    sales.write("partflow.toml", f'jobs = ["{sales.package}"]\n{config}\n')
    workers = 1 if config else 2
    with pytest.raises(ConfigurationError, match="worker processes do not see them: run with one"):
        project(sales, store).materialize(controls=Controls(workers=workers))
    assert store.names() == ["landing"]
    assert project(sales, store).runs() == []


def test_a_task_that_may_have_to_be_ended_is_refused_in_memory(world):
    world.jobs("""
        from datetime import timedelta
        DAY = Daily("2024-01-01", "2024-01-02")
        quick, slow = Dataset("quick", DAY), Dataset("slow", DAY)

        @task(writes=quick)
        def makes_quick(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({"day": [1]})

        @task(writes=slow, timeout=timedelta(seconds=9))
        def makes_slow(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({"day": [1]})
    """)
    store = MemoryStore(world.root / "in_memory")
    with pytest.raises(ConfigurationError, match="makes_slow has a timeout, so it goes to a proc"):
        project(world, store).materialize()
    assert project(world, store).materialize("quick").summary.ran == 1


def test_what_goes_wrong_is_told_by_the_users_own_line(world):
    world.jobs("""
        one = Dataset("one", Daily("2024-01-01", "2024-01-02"))

        @task(writes=one)
        def raises(partition: Partition) -> pl.DataFrame:
            raise ValueError("there is nothing")
    """)
    store = MemoryStore(world.root / "in_memory")
    (failed,) = project(world, store).materialize().summary.failures
    assert failed.failure.place == f"{world.package}/tasks.py:8"
    assert 'raise ValueError("there is nothing")' in failed.failure.trace
