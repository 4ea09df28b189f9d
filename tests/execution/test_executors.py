"""What every executor promises, whatever it is: all are held to the same.

Whoever adds an executor adds it to `EXECUTORS`.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import re
import sys
import threading
import time

import polars as pl
import pytest

from partflow.execution.executors.capture import Capture
from partflow.execution.executors.inline import InlineExecutor
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.routing import executor_for
from partflow.execution.executors.site import Site
from partflow.execution.executors.threads import ThreadExecutor
from partflow.execution.executors.workplace import Workplace
from partflow.execution.orders import Attempt, Lineage, Order
from partflow.execution.pace import Forecast
from partflow.project.project import load_again

JOBS = """
    import sys, threading
    DAYS, GO_ON = Daily("2024-01-01"), threading.Event()
    made, more = Dataset("made", DAYS), Dataset("more", DAYS)
    one, two, three, four = (Dataset(name, DAYS) for name in ("one", "two", "three", "four"))

    class Panicking(pl.DataFrame):
        def estimated_size(self, unit="b"):
            raise pl.exceptions.PanicException("index out of bounds")

    @task(writes=(made, more), batch=True)
    def makes(partition: Partition):
        days = pl.date_range(
            partition.start.date(), partition.end.date(), closed="left", eager=True
        )
        frame = pl.DataFrame({"date": days, "day": days.dt.ordinal_day()})
        return frame, pl.concat([frame, frame])

    @task(writes=one)
    def raises(partition: Partition) -> pl.DataFrame:
        print(f"about to, on {partition.key}")
        raise ValueError(f"there is no {partition.key}")

    @task(writes=two)
    def leaves(partition: Partition) -> pl.DataFrame:
        sys.exit(7)

    @task(writes=three)
    def panics(partition: Partition) -> pl.DataFrame:
        return Panicking({"day": [1]})

    @task(writes=four)
    def hangs(partition: Partition) -> pl.DataFrame:
        GO_ON.wait(60)
        return pl.DataFrame({"day": [1]})

    landed = Source("landed", DAYS, path="landed/{key}.csv", schema={"day": pl.Int64})

    @task(reads=[made, landed], writes=Dataset("five", DAYS))
    def reads(own: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
        print("called")
        return own.select("day").vstack(theirs.select("day"))
    """
FIRST = 19_723  # 2024-01-01


def site(project, workers: int = 1, **seconds: float) -> Site:
    """The project with so many workers; of some tasks it is known how many seconds a step takes."""
    load = functools.partial(load_again, project.root, ())
    forecast = Forecast(dict.fromkeys(seconds, 100), {}, seconds)
    return Site(project.graph, project.store, load, workers, project.frames, forecast=forecast)


def here(project) -> Workplace:
    return Workplace(project.graph, project.store, project.frames)


EXECUTORS = {
    "this process": lambda project: InlineExecutor(here(project), Capture()),
    "threads": lambda project: ThreadExecutor(here(project), Capture(), threads=3),
    "processes": lambda project: ProcessExecutor(
        site(project).load, project.graph, project.store, 2
    ),
    "routed, with one worker": lambda project: executor_for(site(project)),
    "routed, with two workers": lambda project: executor_for(site(project, 2)),
    "routed, with two workers for small steps": lambda project: executor_for(
        site(project, 2, makes=0.001)
    ),
    "routed, with two workers for large steps": lambda project: executor_for(
        site(project, 2, makes=9.0)
    ),
}
BESIDE = [name for name in EXECUTORS if name not in ("this process", "routed, with one worker")]


@pytest.fixture
def project(world):
    world.jobs(JOBS)
    return world.project


@pytest.fixture(params=EXECUTORS)
def executor(project, request):
    with contextlib.closing(EXECUTORS[request.param](project)) as made:
        yield made


@pytest.fixture
def order(project):
    def ordered(task: str, serial: int, attempts: int = 1) -> Order:
        grain = project.graph.task(task).grain
        return Order(
            "run",
            task,
            tuple(
                Attempt(
                    n, FIRST + n, 1, (), Lineage(task, grain.key(FIRST + n), 0, 1, "", "run", 0, ())
                )
                for n in range(serial, serial + attempts)
            ),
        )

    return ordered


def collected(executor, count: int) -> list:
    """The outcomes of so many attempts, by serial; none comes after them."""
    outcomes, deadline = [], time.monotonic() + 60
    while len(outcomes) < count:
        assert time.monotonic() < deadline
        outcomes += executor.collect(1.0)
    return sorted([*outcomes, *executor.collect(0.0)], key=lambda outcome: outcome.serial)


def test_every_attempt_of_every_order_comes_back_once_however_many_there_are(executor, order):
    orders = [order("makes", serial) for serial in range(40)]
    orders += [order("makes", serial, attempts=3) for serial in range(40, 100, 3)]
    for each in orders:
        executor.submit(each)
    outcomes = collected(executor, 100)
    assert [outcome.serial for outcome in outcomes] == list(range(100))
    assert {outcome.failure for outcome in outcomes} == {None}
    assert all(outcome.cost.seconds > 0 for outcome in outcomes)


def test_what_is_made_lies_staged_and_is_not_published(project, executor, order):
    for each in (order("makes", 5), order("makes", 6, attempts=2)):
        executor.submit(each)
    for outcome in collected(executor, 3):
        outputs = outcome.outputs
        assert [(o.dataset, o.rows, len(o.content)) for o in outputs] == [
            ("made", 1, len(outputs[0].content)),
            ("more", 2, len(outputs[0].content)),
        ]
        for output in outputs:
            assert (
                pl.read_parquet(project.store.layout.staged(output.staged))["day"].to_list()
                == [outcome.serial + 1] * output.rows
            )
    assert [path.name for path in project.store.layout.warehouse.iterdir()] == [".partflow"]


def test_what_goes_wrong_is_told_of_its_attempt_and_costs_no_other(project, executor, order):
    tasks = ["makes", "raises", "leaves", "panics", "makes"]
    for serial, task in enumerate(tasks):
        executor.submit(order(task, serial))
    outcomes = collected(executor, len(tasks))
    said = [outcome.failure and outcome.failure.message for outcome in outcomes]
    assert said == [
        None,
        "ValueError: there is no 2024-01-02",
        "SystemExit: 7",
        "PanicException: index out of bounds",
        None,
    ]
    raised = outcomes[1]
    assert re.fullmatch(r"jobs\d+/tasks\.py:24", raised.failure.place)
    assert 'raise ValueError(f"there is no {partition.key}")' in raised.failure.trace
    assert not raised.failure.is_cut_off
    staged = [path.name for path in (project.store.layout.staging / "run").iterdir()]
    assert sorted(staged) == ["0-0.tmp", "0-1.tmp", "4-0.tmp", "4-1.tmp"]


def test_what_an_attempt_writes_is_in_its_own_log(project, executor, order):
    for serial, task in enumerate(["raises", "makes", "raises"]):
        executor.submit(order(task, serial))
    assert [outcome.has_log for outcome in collected(executor, 3)] == [True, False, True]
    logs = {
        path.name: path.read_text() for path in project.store.layout.logs_of("run").glob("*.log")
    }
    assert logs == {
        "0.log": "about to, on 2024-01-01\n",
        "2.log": "about to, on 2024-01-03\n",
    }


def test_orders_and_outcomes_are_plain_data_that_means_the_same_elsewhere(project, executor, order):
    orders = [order(task, serial) for serial, task in enumerate(["makes", "raises", "panics"])]
    for each in orders:
        executor.submit(each)
    outcomes = collected(executor, 3)
    sent = pickle.dumps((orders, outcomes))
    assert pickle.loads(sent) == (orders, outcomes)
    assert str(project.root).encode() not in sent


def test_an_input_that_is_not_the_expected_one_is_not_read(world, project, executor):
    store = project.store
    datasets = [project.graph.datasets[name] for name in ("made", "landed")]
    own, theirs = (store.layout.path(dataset, "2024-01-01") for dataset in datasets)
    own.parent.mkdir(parents=True)
    pl.DataFrame({"day": [1]}).write_parquet(own)
    world.write("landed/2024-01-01.csv", "day\n1\n")

    def as_now() -> tuple[bytes, ...]:
        return tuple(store.identities(dataset, ["2024-01-01"]).tobytes() for dataset in datasets)

    as_expected = reading(executor, as_now(), 1)
    assert (as_expected.failure, as_expected.has_log) == (None, True)
    for serial, path in enumerate((own, theirs), 2):
        expected, beside = as_now(), path.with_name("beside")
        beside.write_bytes(path.read_bytes())
        beside.replace(path)
        outcome = reading(executor, expected, serial)
        assert outcome.failure.message == (
            f"{datasets[serial - 2].name} 2024-01-01: a file was changed since this run looked at "
            "it; run again: nothing was made of it"
        )
        assert (outcome.failure.is_final, outcome.outputs, outcome.has_log) == (True, (), False)


def reading(executor, expected: tuple[bytes, ...], serial: int):
    """The outcome of an attempt that reads both inputs of the first day, as they are expected."""
    lineage = Lineage("reads", "2024-01-01", 0, 1, "", "run", 0, ())
    reads = ((FIRST,), (FIRST,))
    attempt = Attempt(serial, FIRST, 1, reads, lineage, nbytes=9, expected=expected)
    executor.submit(Order("run", "reads", (attempt,)))
    return collected(executor, 1)[0]


def test_what_is_recalled_was_not_begun_and_does_not_come_back(executor, order):
    orders = [order("makes", serial) for serial in range(60)]
    for each in orders:
        executor.submit(each)
    recalled = executor.recall()
    assert all(each in orders for each in recalled)
    outcomes = collected(executor, 60 - len(recalled))
    serials = [outcome.serial for outcome in outcomes]
    assert sorted([*serials, *(each.serial for each in recalled)]) == list(range(60))
    assert executor.recall() == []


def test_with_nothing_in_hand_there_is_nothing_to_wait_for(executor, order):
    began = time.monotonic()
    assert executor.collect(60.0) == []
    executor.submit(order("makes", 1))
    collected(executor, 1)
    assert executor.collect(60.0) == []
    assert time.monotonic() - began < 50


def test_it_takes_at_least_as_many_orders_as_it_carries_out_at_a_time(executor):
    assert executor.slots >= executor.workers >= 1


@pytest.mark.parametrize("executor", BESIDE, indirect=True)
def test_patience_ends_and_what_hangs_is_not_waited_for_at_the_end(world, executor, order):
    executor.submit(order("hangs", 1))
    assert executor.collect(0.05) == []
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 30
    # What a thread of this process writes goes to its log until it ends.
    sys.modules[f"{world.package}.tasks"].GO_ON.set()
    for thread in threading.enumerate():
        if thread.name == "partflow thread":
            thread.join(30)
