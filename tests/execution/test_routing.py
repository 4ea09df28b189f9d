"""Where an order goes: by the configuration, by what its task asks, by what else is in hand."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from partflow import Daily, Dataset, task
from partflow.declarations.graph import derive
from partflow.execution.executors.routing import place_of
from partflow.execution.executors.site import Place, Site
from partflow.execution.orders import Attempt, Lineage, Order
from partflow.project.project import load_again
from partflow.store.local import LocalStore

LINEAGE = Lineage("plain", "2024-01-01", 0, 1, "", "run", 0, ())


def site(workers: int, *, only_processes: bool = False) -> Site:
    days = Daily("2024-01-01")
    plain = task(name="plain", writes=Dataset("a", days))(lambda: None)
    waits = task(name="waits", writes=Dataset("b", days), executor="threads")(lambda: None)
    store = LocalStore(Path("/nowhere"), Path("/nowhere/warehouse"))
    load = functools.partial(load_again, store.layout.root, ())
    executor = "processes" if only_processes else "inline"
    return Site(derive([plain, waits]), store, load, workers, executor=executor)


def order(task="plain", *, attempts=1, number=1, timeout=None, is_alone=False) -> Order:
    tried = tuple(Attempt(i, i, number, (), LINEAGE) for i in range(attempts))
    return Order("run", task, tried, timeout, is_alone)


ALONE = order(is_alone=True)
TIMED = order(timeout=9.0)


@pytest.mark.parametrize(
    ("ordered", "workers", "wanted"),
    [
        (order(), 1, Place.HERE),
        (order(), 2, Place.WORKERS),
        (ALONE, 1, Place.HERE),
        (ALONE, 2, Place.HERE),
        (TIMED, 1, Place.ONE_WORKER),
        (TIMED, 2, Place.WORKERS),
        (order(timeout=9.0, is_alone=True), 2, Place.ONE_WORKER),
        (order("waits"), 1, Place.THREADS),
        (order("waits", is_alone=True), 2, Place.THREADS),
        (order("waits", timeout=9.0), 1, Place.ONE_WORKER),
        (order("waits", timeout=9.0), 2, Place.WORKERS),
        (order(number=2, is_alone=True), 1, Place.HERE),
        (order(number=2, is_alone=True), 2, Place.ONE_WORKER),
        (order(attempts=3, is_alone=True), 2, Place.ONE_WORKER),
        (order(attempts=3), 2, Place.WORKERS),
    ],
)
def test_an_order_goes_where_it_can_be_ended_and_where_the_processors_are(ordered, workers, wanted):
    assert place_of(ordered, site(workers), is_free=True) is wanted


@pytest.mark.parametrize(
    ("ordered", "wanted"),
    [
        (order(), Place.HERE),
        (order(attempts=3), Place.HERE),
        (order(number=2), Place.HERE),
        (TIMED, Place.WORKERS),
        (order("waits"), Place.THREADS),
        (order("waits", timeout=9.0), Place.WORKERS),
    ],
)
@pytest.mark.parametrize("is_free", [True, False])
def test_what_is_small_is_made_here_unless_it_has_to_be_ended(ordered, wanted, is_free):
    assert place_of(ordered, site(2), is_free=is_free and wanted is not Place.WORKERS,
                    is_small=True) is wanted  # fmt: skip


def test_what_is_small_goes_to_processes_if_the_project_wants_them():
    wanted = site(2, only_processes=True)
    assert place_of(order(), wanted, is_free=False, is_small=True) is Place.WORKERS


def test_what_has_something_beside_it_does_not_go_to_where_all_processors_are():
    assert place_of(ALONE, site(2), is_free=False) is Place.WORKERS


@pytest.mark.parametrize("workers", [1, 2])
def test_a_project_that_wants_processes_has_nothing_carried_out_here_but_threads(workers):
    wanted = site(workers, only_processes=True)
    for ordered in (order(), TIMED, ALONE, order(attempts=3), order(number=2)):
        for is_free in (True, False):
            assert place_of(ordered, wanted, is_free=is_free) in (Place.WORKERS, Place.ONE_WORKER)
    assert place_of(order("waits"), wanted, is_free=True) is Place.THREADS


def test_frames_are_kept_for_tasks_only_where_this_process_calls_them():
    here = site(1)
    assert here.at_hand is here.frames
    assert site(2).at_hand is not None, "what is small is made here"
    assert site(1, only_processes=True).at_hand is None
