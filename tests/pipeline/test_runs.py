"""Runs: failures hold up only their own, backfills overwrite, effects are not repeated."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from partflow.execution.controls import Controls
from partflow.planning.plan import Only
from partflow.planning.planner import State
from partflow.planning.selection import Asked

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


def test_a_task_that_raises_leaves_the_last_good_partition_and_the_rest_goes_on(sales):
    sales.run()
    good = sales.file("clean", DAYS[1]).read_bytes()
    tasks = sales.root / sales.package / "tasks.py"
    text = tasks.read_text()
    broken = text.replace(
        'return raw.filter(pl.col("qty") > 0)',
        'if raw.collect()["qty"][0] == 7:\n        raise ValueError("seven")\n'
        '    return raw.filter(pl.col("qty") >= 0)',
    )
    tasks.write_text(broken)
    sales.sales(DAYS[1], 7)
    found = sales.run()
    assert (found.failed, found.blocked) == (1, 0)
    (failed,) = found.failures
    assert (failed.node, failed.key) == ("clean", DAYS[1])
    assert failed.failure.message == "ValueError: seven"
    line = 1 + broken.splitlines().index('        raise ValueError("seven")')
    assert failed.failure.place == f"{sales.package}/tasks.py:{line}"
    assert "partflow/" not in failed.failure.trace
    assert sales.file("clean", DAYS[1]).read_bytes() == good
    assert ("clean_sales", DAYS[4]) in sales.made()
    tasks.write_text(broken.replace("== 7", "== -7"))
    sales.run()
    assert all(
        key in (DAYS[1], DAYS[2], "2024-01") or task == "clean_sales" for task, key in sales.made()
    )
    assert sales.run().ran == 0


def test_what_needs_a_failed_partition_is_blocked_and_made_after_it_is_mended(sales):
    sales.sales(DAYS[1], 7)
    tasks = sales.root / sales.package / "tasks.py"
    text = tasks.read_text()
    tasks.write_text(
        text.replace(
            'return raw.filter(pl.col("qty") > 0)',
            'assert raw.collect()["qty"][0] != 7\n    return raw.filter(pl.col("qty") > 0)',
        )
    )
    found = sales.run()
    assert (found.failed, found.blocked) == (1, 3)
    sales.sales(DAYS[1], 8)
    assert sales.run().ran == 4


def test_a_failing_step_is_tried_again_as_often_as_it_says(world):
    world.jobs("""
    from pathlib import Path
    out = Dataset("out", Daily("2024-01-01", end="2024-01-02"))
    COUNTER = Path("tries")

    @task(writes=out, retries=2, retry_delay="1ms")
    def unlucky(partition: Partition) -> pl.DataFrame:
        COUNTER.write_text(COUNTER.read_text() + "x" if COUNTER.exists() else "x")
        if len(COUNTER.read_text()) < 3:
            raise OSError("busy")
        return pl.DataFrame({"x": [1]})
    """)
    assert world.run().ran == 1
    assert (world.root / "tries").read_text() == "xxx"


def test_a_backfill_overwrites_and_appends_nothing(sales):
    sales.run()
    before = sales.read("clean")
    found = sales.project.backfill(asked=Asked(("clean",), start=DAYS[1], end=DAYS[3])).summary
    assert sales.made() == [("clean_sales", DAYS[1]), ("clean_sales", DAYS[2])]
    assert found.unchanged == 2
    assert sales.read("clean").equals(before)
    again = sales.project.backfill(asked=Asked(("clean",), start=DAYS[1], end=DAYS[3])).summary
    assert again.ran == 2


@pytest.mark.parametrize("was_made", [False, True])
def test_a_backfill_of_what_failed_makes_it_whether_it_was_ever_made_or_not(sales, was_made):
    if was_made:
        sales.run()
        sales.sales(DAYS[1], 9)
    tasks = sales.root / sales.package / "tasks.py"
    text = tasks.read_text()
    failing = text.replace("return raw", "assert not FAILING\n    return raw", 1)
    assert failing != text
    tasks.write_text(f"from pathlib import Path\nFAILING = True\n{failing}")
    assert sales.run().failed
    tasks.write_text(text)
    asked = Asked(("clean",))
    planned = sales.project.backfill_plan(asked, Only.FAILED)
    summary = sales.project.backfill(asked=asked, only=Only.FAILED).summary
    assert planned.steps == summary.ran == (1 if was_made else len(DAYS))


def test_a_backfill_that_was_cut_off_goes_on_with_the_rest(sales):
    sales.run()
    tasks = sales.root / sales.package / "tasks.py"
    text = tasks.read_text()
    asked = Asked(("trailing",))
    tasks.write_text(
        text.replace(
            "return sales.group_by",
            'assert partition.key != "2024-02-02"\n    return sales.group_by',
        )
    )
    assert sales.project.backfill(asked=asked).summary.failed == 1
    tasks.write_text(
        text.replace(
            "return sales.group_by",
            'assert partition.key != "2024-02-99"\n    return sales.group_by',
        )
    )
    tasks.write_text(text)
    sales.project.backfill(asked=asked)
    assert ("two_days", DAYS[3]) in sales.made()
    assert sales.project.plan().steps == 0


def test_results_that_cannot_be_stored_fail_with_what_to_do(sales):
    tasks = sales.root / sales.package / "tasks.py"
    text = tasks.read_text()
    tasks.write_text(
        text.replace('return raw.filter(pl.col("qty") > 0)', 'return raw.select("store")')
    )
    found = sales.run()
    assert found.failed == 5
    assert found.failures[0].failure.message.startswith("the frame lacks ['qty']; ")


def test_two_systems_write_one_dataset_one_after_the_other(world):
    world.jobs("""
    sales = Dataset("sales", Daily("2024-01-01", end="2024-01-05"))

    @task(writes=sales, during=("2024-01-01", "2024-01-03"))
    def old(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"system": ["old"]})

    @task(writes=sales, during=("2024-01-03", None))
    def new(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"system": ["new"]})
    """)
    assert world.run().ran == 4
    assert world.read("sales")["system"].to_list() == ["old", "old", "new", "new"]


def test_several_outputs_are_published_together_and_made_together(world):
    world.jobs("""
    ones = Dataset("ones", Daily("2024-01-01", end="2024-01-03"))
    twos = Dataset("twos", Daily("2024-01-01", end="2024-01-03"))

    @task(writes={"a": ones, "b": twos})
    def both(partition: Partition):
        return {"a": pl.DataFrame({"x": [1]}), "b": pl.DataFrame({"x": [2]})}
    """)
    assert world.run().ran == 2
    world.file("twos", "2024-01-02").unlink()
    found = world.run()
    assert (found.ran, found.unchanged) == (1, 1)
    assert world.read("twos")["x"].to_list() == [2, 2]


def test_a_task_may_read_what_it_made_before(world):
    world.jobs("""
    landing = Source("landing", Daily("2024-01-01", end="2024-01-05"), path="landing/{key}.csv")
    total = Dataset("total", Daily("2024-01-01", end="2024-01-05"), schema={"qty": pl.Int64})

    @task(reads=[landing, total.previous()], writes=total)
    def running(new: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([new.select("qty"), before.select("qty")]).sum()
    """)
    for day in range(1, 5):
        world.write(f"landing/2024-01-0{day}.csv", f"qty\n{day}\n")
    world.run()
    assert world.read("total")["qty"].to_list() == [1, 3, 6, 10]
    world.write("landing/2024-01-02.csv", "qty\n5\n")
    found = world.run()
    assert world.made() == [("running", f"2024-01-0{d}") for d in (2, 3, 4)]
    assert world.read("total")["qty"].to_list() == [1, 6, 9, 13]
    assert found.ran == 3


EFFECTS = """
from pathlib import Path
landing = Source("landing", Daily("2024-01-01", end=END), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-01", end=END))

@task(reads=[landing], writes=clean)
def copied(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw

@effect(reads=[clean])
def mail(frame: pl.DataFrame, partition: Partition) -> None:
    with Path("sent").open("a") as file:
        file.write(partition.key + "\\n")
"""


def test_an_effect_runs_for_the_newest_and_what_became_due_since_and_is_not_repeated(world):
    world.jobs(EFFECTS.replace("END", '"2024-01-03"'))
    for day in (1, 2, 3, 4):
        world.write(f"landing/2024-01-0{day}.csv", "qty\n1\n")
    world.run()
    sent = world.root / "sent"
    assert sent.read_text().split() == ["2024-01-02"]
    assert world.run().ran == 0
    world.jobs(EFFECTS.replace("END", '"2024-01-05"').replace('+ "\\n"', '+ "\\n" * 1'))
    world.run()
    assert sent.read_text().split() == ["2024-01-02", "2024-01-03", "2024-01-04"]
    world.write("landing/2024-01-03.csv", "qty\n2\n")
    world.run()
    assert sent.read_text().split()[3:] == ["2024-01-03"]
    world.write("landing/2024-01-01.csv", "qty\n2\n")
    world.run()
    assert len(sent.read_text().split()) == 4
    world.project.materialize(with_effects=True)
    assert sent.read_text().split()[4:] == ["2024-01-01"]


def test_an_empty_read_is_an_empty_frame_with_the_declared_schema(world):
    world.jobs("""
    a = Dataset("a", Daily("2024-01-01", end="2024-01-03"), schema={"x": pl.Int64})
    b = Dataset("b", Daily("2024-01-01", end="2024-01-03"))

    @task(writes=a)
    def made(partition: Partition):
        return pl.DataFrame({"x": [1]})

    @task(reads=[a.previous()], writes=b)
    def counted(before: pl.DataFrame):
        return pl.DataFrame({"rows": [len(before)], "columns": [",".join(before.columns)]})
    """)
    world.run()
    found = world.read("b")
    assert found["rows"].to_list() == [0, 1]
    assert found["columns"].to_list() == ["x,date", "x,date"]


def test_each_annotation_gets_its_kind(world):
    world.jobs("""
    from pathlib import Path
    import duckdb, pyarrow as pa
    a = Dataset("a", Daily("2024-01-01", end="2024-01-02"))
    b = Dataset("b", Daily("2024-01-01", end="2024-01-02"))

    @task(writes=a)
    def made(partition: Partition):
        return pl.DataFrame({"x": [1, 2]})

    @task(reads={"lazy": a, "eager": a, "arrow": a, "relation": a, "paths": a}, writes=b)
    def all_kinds(lazy, eager: pl.DataFrame, arrow: pa.Table, relation: duckdb.DuckDBPyRelation,
                  paths: list[Path]):
        assert isinstance(lazy, pl.LazyFrame) and isinstance(eager, pl.DataFrame)
        assert isinstance(arrow, pa.Table) and paths[0].name == "data.parquet"
        return relation.aggregate("sum(x) as total")
    """)
    assert world.run().failed == 0
    assert world.read("b")["total"].to_list() == [3]


def test_local_days_of_23_and_25_hours_read_their_hours(world):
    world.jobs("""
    hours = Dataset("hours", Hourly("2024-03-30", end="2024-11-01", tz="Europe/Berlin"))
    days = Dataset("days", Daily("2024-03-30", end="2024-11-01", tz="Europe/Berlin"))

    @task(writes=hours)
    def hour(partition: Partition):
        return pl.DataFrame({"x": [1]})

    @task(reads=[hours], writes=days)
    def day(frame: pl.DataFrame):
        return frame.select(pl.len())
    """)
    project = world.project
    project.materialize(asked=Asked(("days",), keys=("2024-03-30", "2024-03-31", "2024-10-27")))
    assert project.read("days").collect()["len"].to_list() == [24, 23, 25]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_what_one_process_makes(sales, workers):
    found = sales.run(controls=Controls(workers=workers))
    assert found.ran == 12
    assert sales.read("monthly")["qty"].to_list() == [23, 42]


def test_a_worker_that_dies_costs_its_step_and_not_the_run(world):
    world.jobs("""
    import os
    out = Dataset("out", Daily("2024-01-01", end="2024-01-05"))

    @task(writes=out, retries=1, retry_delay="1ms")
    def fragile(partition: Partition) -> pl.DataFrame:
        from pathlib import Path
        mark = Path("died")
        if partition.key == "2024-01-02" and not mark.exists():
            mark.touch()
            os._exit(9)
        return pl.DataFrame({"x": [1]})
    """)
    found = world.run(controls=Controls(workers=2))
    assert (found.ran, found.failed) == (4, 0)


SLOW = """
import time
from pathlib import Path
out = Dataset("out", Daily("2024-01-01", end="2024-01-21"))
after = Dataset("after", Daily("2024-01-01", end="2024-01-21"))

@task(writes=out)
def slow(partition: Partition) -> pl.DataFrame:
    Path("begun").touch()
    time.sleep(0.02)
    return pl.DataFrame({"day": [partition.date.day] * 100})

@task(reads=[out], writes=after)
def summed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col("day").sum())
"""
RUN = (
    "import sys; from partflow import Project; from partflow import Controls;"
    "Project.load('.').materialize(controls=Controls(workers=int(sys.argv[1]), wait=True))"
)


def started(world, workers="1", code=RUN):
    return subprocess.Popen(
        [sys.executable, "-c", code, workers],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def until(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.3])
def test_after_a_kill_the_same_command_ends_in_the_same_content(world, pause):
    world.jobs(SLOW)
    process = started(world)
    until(world.root / "begun")
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    world.run()
    assert world.read("after")["day"].to_list() == [100 * d for d in range(1, 21)]
    assert world.run().ran == 0
    assert not list((world.root / "warehouse/.partflow/staging").iterdir())
    with world.metastore() as metastore:
        assert metastore.intents() == []


def test_two_runs_at_once_do_the_work_once(world):
    world.jobs(SLOW)
    first, second = started(world), started(world)
    for process in (first, second):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    steps = [s for r in world.project.runs() for s in world.project.steps(r.id)]
    assert len(steps) == 40
    assert world.project.plan().count(State.FRESH) == 40
    assert pl.read_parquet(world.root / "warehouse/after/**/*.parquet").height == 20


def test_a_model_is_handed_out_as_its_file_says_even_if_a_task_changed_the_one_before(world):
    world.jobs("""
    from sklearn.linear_model import LinearRegression
    model = Dataset("model", Weekly("2024-01-01", end="2024-01-08"), format="skops")
    said = Dataset("said", Daily("2024-01-08", end="2024-01-11"))

    @task(writes=model)
    def train(partition: Partition):
        return LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])

    @task(reads=[model.asof()], writes=said)
    def predict(model: LinearRegression):
        found = float(model.predict([[3.0]])[0])
        model.coef_[0] = 100.0
        return pl.DataFrame({"said": [round(found, 6)]})
    """)
    assert world.run().ran == 4
    assert world.read("said")["said"].to_list() == [6.0, 6.0, 6.0]


def test_a_warehouse_outside_of_the_project_is_written_and_queried(sales, tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    sales.write("partflow.toml", f'jobs = ["{sales.package}"]\nwarehouse = "{folder}"\n')
    assert sales.run().ran == 12
    assert sales.project.sql("select count(*) from clean").fetchall() == [(10,)]
    assert sales.run().ran == 0


def test_no_message_that_is_recorded_holds_the_path_of_the_project(sales):
    tasks = sales.root / sales.package / "tasks.py"
    tasks.write_text(
        tasks.read_text().replace(
            "return raw.filter", "open(__file__ + 'x')\n    return raw.filter"
        )
    )
    found = sales.run()
    assert found.failed == 5
    assert all(str(sales.root) not in f.failure.message for f in found.failures)


def test_workers_end_when_their_coordinator_is_killed(world):
    world.jobs("""
    import os, time
    from pathlib import Path
    out = Dataset("out", Daily("2024-01-01", end="2024-01-03"))

    @task(writes=out)
    def slow(partition: Partition) -> pl.DataFrame:
        Path(f"worker-{os.getpid()}").touch()
        time.sleep(60)
        return pl.DataFrame({"x": [1]})
    """)
    process = started(world, "2")
    deadline = time.monotonic() + 60
    while not (workers := list(world.root.glob("worker-*"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for worker in workers:
        while Path(f"/proc/{worker.name.removeprefix('worker-')}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


PANIC = """
    DAYS = Daily("2024-01-01", end="2024-01-04")
    out, other = Dataset("out", DAYS), Dataset("other", DAYS)

    class Panicking(pl.DataFrame):
        def estimated_size(self, unit="b"):
            raise pl.exceptions.PanicException("index out of bounds")

    @task(writes=(out, other), OPTIONS)
    def make(partition: Partition):
        frame = pl.DataFrame({"n": [1]})
        return frame, (Panicking(frame) if partition.key == "2024-01-02" else frame)
    """


@pytest.mark.parametrize("options", ["retries=0", 'executor="threads"', 'timeout="1m"'])
def test_a_frame_over_which_polars_panics_costs_its_own_partition_only(world, options):
    world.jobs(PANIC.replace("OPTIONS", options))
    summary = world.run()
    assert (summary.ran, summary.failed) == (2, 1)
    assert summary.failures[0].failure.message == "PanicException: index out of bounds"
