"""Sends each order to its place: this process, its threads, or worker processes.

Knows nothing of plans or states. `place_of` decides by the configuration and the task's options.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import assert_never

from partflow.declarations.task import Task
from partflow.errors import ConfigurationError
from partflow.execution.executors.capture import Capture
from partflow.execution.executors.inline import InlineExecutor
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.protocol import Executor
from partflow.execution.executors.site import Place, Site
from partflow.execution.executors.threads import ThreadExecutor
from partflow.execution.executors.workermain import Shares
from partflow.execution.executors.workplace import Workplace
from partflow.execution.orders import Order, Outcome
from partflow.execution.pace import Pace
from partflow.process.machine import memory, processors

_TURN = 0.01
_MEMORY_SHARE = 0.5


def place_of(order: Order, site: Site, *, is_free: bool, is_small: bool = False) -> Place:
    """Where an order is carried out, by the configuration and the task's options.

    A task with a time limit always goes to a worker process, because only that can be stopped. If
    workers share the processors, an order that is alone goes to a place that has all of them: this
    process, or one worker if it may have to be ended. `is_free` says that no order is in hand.
    `is_small` says that the order is known to take too little for a worker.
    """
    options = site.graph.task(order.task).options
    has_all = is_free and order.is_alone and site.workers > 1
    if options.executor == "threads" and order.timeout is None:
        return Place.THREADS
    if is_small and order.timeout is None and not site.only_processes:
        return Place.HERE
    if not has_all and (order.timeout is None or site.main is Place.WORKERS):
        return site.main
    must_end = order.timeout is not None or site.only_processes or _may_end_its_process(order)
    return Place.ONE_WORKER if must_end else Place.HERE


def _may_end_its_process(order: Order) -> bool:
    """Whether an order may end its process: it is a batch, or an attempt failed before.

    An attempt may have failed because its worker died. If a batch ends a worker, its partitions are
    made one by one after that.
    """
    return len(order.attempts) > 1 or any(each.number > 1 for each in order.attempts)


class RoutedExecutor:
    """Sends each order to the executor of its place, which is made for its first order."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._capture = Capture()
        self._place = Workplace(site.graph, site.store, site.frames)
        self._pace = Pace(site.forecast)
        self._deadly: set[str] = set()
        self._is_small_here = False
        self._workers = _processes(site, site.workers) if site.main is Place.WORKERS else None
        self._executors: dict[Place, Executor] = {
            site.main: self._workers or self._begun(site.main)
        }
        self._in_hand: dict[Place, dict[int, str]] = {place: {} for place in Place}

    @property
    def slots(self) -> int:
        """The slots of all executors that work side by side.

        And those of this process while it makes what is small: to publish some at a time.
        """
        own = self._executors[Place.HERE].slots if self._is_small_here else 0
        return own + sum(each.slots for each in self._sharing())

    @property
    def workers(self) -> int:
        """The workers of all executors that work side by side."""
        return sum(each.workers for each in self._sharing())

    def submit(self, order: Order) -> None:
        """Give an order to the executor of its place."""
        is_free, is_small = not any(self._in_hand.values()), self._is_small(order)
        place = place_of(order, self._site, is_free=is_free, is_small=is_small)
        self._is_small_here = is_small and place is Place.HERE
        if place not in self._executors:
            self._executors[place] = self._begun(place)
        self._in_hand[place].update((each.serial, order.task) for each in order.attempts)
        self._executors[place].submit(order)
        self._begin_workers()

    def collect(self, patience: float) -> list[Outcome]:
        """The outcomes that any executor has; those with orders in hand are asked in turn."""
        until = time.monotonic() + patience
        while True:
            busy = [place for place in Place if self._in_hand[place]]
            wait = max(0.0, until - time.monotonic())
            if len(busy) > 1:
                wait = 0.0 if Place.HERE in busy else min(wait, _TURN)
            outcomes = [each for place in busy for each in self._collected(place, wait)]
            self._begin_workers()
            if outcomes or not busy or time.monotonic() >= until:
                return outcomes

    def _collected(self, place: Place, wait: float) -> list[Outcome]:
        outcomes = self._executors[place].collect(wait)
        for outcome in outcomes:
            task = self._in_hand[place].pop(outcome.serial)
            self._pace.ended(task, 1, outcome.cost.seconds)
            if outcome.failure is not None and outcome.failure.is_cut_off:
                self._deadly.add(task)
        return outcomes

    def recall(self) -> list[Order]:
        """Take back the orders that no executor has begun."""
        orders = []
        for place, executor in self._executors.items():
            recalled = executor.recall()
            for each in (attempt for order in recalled for attempt in order.attempts):
                del self._in_hand[place][each.serial]
            orders += recalled
        return orders

    def close(self) -> None:
        """Close all executors."""
        for place in sorted(self._executors, key=lambda place: place.value):
            self._executors[place].close()

    def _is_small(self, order: Order) -> bool:
        """Whether it is known that this process does better to make it than to send it away.

        An effect goes to a worker, where none waits for another; and so does what has ended a
        worker before.
        """
        is_effect = self._site.graph.task(order.task).is_effect
        if self._workers is None or is_effect or order.task in self._deadly:
            return False
        if self._pace.is_small(order.task, len(order.attempts)):
            return True
        is_worth_none = self._pace.workers() < 1 and not self._workers.has_begun
        return is_worth_none and self._pace.is_known(order.task)

    def _begin_workers(self) -> None:
        """Let as many workers be begun as what is left is worth."""
        if self._workers is not None:
            for order, seconds in self._workers.under_way():
                self._pace.lasts(order.task, len(order.attempts), seconds)
            self._workers.begin_up_to(int(self._pace.workers()))

    def _sharing(self) -> list[Executor]:
        """The executors that work side by side: not those for orders that are alone."""
        alone = {Place.HERE, Place.ONE_WORKER} if self._site.workers > 1 else set()
        return [each for place, each in self._executors.items() if place not in alone]

    def _begun(self, place: Place) -> Executor:
        match place:
            case Place.HERE:
                return InlineExecutor(self._place, self._capture)
            case Place.THREADS:
                return ThreadExecutor(self._place, self._capture, self._site.threads)
            case Place.WORKERS | Place.ONE_WORKER:
                return _processes(self._site, 1)
            case _:
                assert_never(place)


def _processes(site: Site, workers: int) -> ProcessExecutor:
    """An executor of so many worker processes, each with its share of the machine."""
    limit = memory()
    shares = Shares(
        None if limit is None else int(limit * _MEMORY_SHARE / workers),
        None if workers == 1 else max(1, processors() // workers),
    )
    return ProcessExecutor(site.load, site.graph, site.store, workers, shares)


def executor_for(site: Site, tasks: Iterable[Task] = ()) -> Executor:
    """The executor of a run of `tasks`; processes and threads are started when they are needed.

    Raises:
        ConfigurationError: a task would go to another process, which does not see the store.
    """
    if not site.store.is_shared:
        for task in tasks:
            _require_here(site, task)
    return RoutedExecutor(site)


def _require_here(site: Site, task: Task) -> None:
    """Raise ConfigurationError if a task would go to another process, which sees no inputs."""
    if site.main is Place.WORKERS and (task.options.executor != "threads"):
        raise ConfigurationError(
            "the partitions lie in this process, where worker processes do not see them: run with "
            'one worker, and without executor = "processes"'
        )
    if task.options.timeout is not None:
        raise ConfigurationError(
            f"{task.name} has a timeout, so it goes to a process of its own, and that does not see "
            "the partitions, which lie in this one: declare it without, or use a warehouse of files"
        )
