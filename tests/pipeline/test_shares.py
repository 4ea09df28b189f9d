"""Who has the processors: workers share them, what has nothing beside it has them all."""

import os

import polars as pl
import pytest

from partflow.execution.controls import Controls
from partflow.process.machine import processors

JOBS = """
    import os, duckdb
    from pathlib import Path
    out = Dataset("out", Daily("2024-01-01", end="2024-01-0LAST"))
    SETTING

    def told():
        return pl.DataFrame({
            "pid": [os.getpid()],
            "omp": [os.environ.get("OMP_NUM_THREADS")],
            "blas": [os.environ.get("OPENBLAS_NUM_THREADS")],
            "polars": [pl.thread_pool_size()],
            "duckdb": duckdb.sql("select current_setting('threads')").fetchall()[0],
        })

    @task(writes=out, OPTIONS)
    def make(partition: Partition) -> pl.DataFrame:
        BODY
        return told().with_columns(date=pl.lit(partition.start.date()))
    """
SHARE = max(1, processors() // 2)


@pytest.fixture(autouse=True)
def nobody_has_set_any(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.delenv(name, raising=False)


def rows(world, last, options="retries=0", *, body="pass", setting="", config=""):
    text = JOBS.replace("LAST", str(last)).replace("OPTIONS", options).replace("BODY", body)
    world.jobs(text.replace("SETTING", setting))
    if config:
        world.write("partflow.toml", f'jobs = ["{world.package}"]\n{config}\n')
    assert world.run(controls=Controls(workers=2)).failed == 0
    return world.read("out").rows(named=True)


def test_workers_side_by_side_have_their_part_of_the_processors_each(world):
    found = rows(world, 7, config='executor = "processes"')  # else this process makes what is small
    assert {(r["omp"], r["blas"]) for r in found} == {(str(SHARE), str(SHARE))}
    assert {(r["polars"], r["duckdb"]) for r in found} == {(SHARE, SHARE)}
    assert os.getpid() not in {r["pid"] for r in found}


def test_what_somebody_has_set_stands_in_workers(world, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("POLARS_MAX_THREADS", "3")
    found = rows(world, 5, setting='duckdb.execute("set threads = 7")')
    assert {(r["omp"], r["blas"], r["polars"]) for r in found} == {("5", None, 3)}
    assert {r["duckdb"] for r in found} == {7}


def test_the_coordinators_own_environment_stays_as_it_is(world):
    before = dict(os.environ)
    rows(world, 5)
    assert dict(os.environ) == before


def test_what_has_nothing_beside_it_is_made_by_the_coordinator_itself(world):
    (found,) = rows(world, 2)
    assert (found["pid"], found["omp"]) == (os.getpid(), None)
    assert found["polars"] == pl.thread_pool_size()


PROCESSES = {
    "a time limit": (2, 'timeout="1m"', "pass", ""),
    "a batch, which is made one by one if it ends its process": (4, "batch=True", "pass", ""),
    "a failure before": (
        2,
        'retries=1, retry_delay="1ms"',
        "Path('tried').exists() or (Path('tried').touch(), 1 / 0)",
        "",
    ),
    "a project that wants processes": (2, "retries=0", "pass", 'executor = "processes"'),
}


@pytest.mark.parametrize("why", PROCESSES)
def test_with_nothing_beside_it_a_worker_has_all_processors_too(world, why):
    last, options, body, config = PROCESSES[why]
    found = rows(world, last, options, body=body, config=config)
    assert {(r["omp"], r["polars"]) for r in found} == {(None, processors())}
    assert os.getpid() not in {r["pid"] for r in found}


def test_steps_one_after_the_other_are_all_made_by_the_coordinator(world):
    world.jobs("""
    import os
    DAYS = Daily("2024-01-01", end="2024-01-05")
    out = Dataset("out", DAYS, schema={"pid": pl.Int64})

    @task(reads=[out.previous()], writes=out)
    def make(before: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"pid": [os.getpid()]})
    """)
    assert world.run(controls=Controls(workers=2)).ran == 4
    assert world.read("out")["pid"].to_list() == [os.getpid()] * 4
