"""Worker processes: one that dies, or is killed, costs only the order that it was at.

Of what orders make it knows only which partitions they read and write: an order goes to the worker
that probably has its inputs in memory.
"""

from __future__ import annotations

import pickle  # over pipes to its own processes, never from a file  # nosec B403
import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from partflow.declarations.graph import Graph
from partflow.errors import ConfigurationError
from partflow.execution.executors.worker import BYTES_AHEAD, Sent, Worker
from partflow.execution.executors.workermain import Ready, Reply, Shares
from partflow.execution.executors.workplace import Load, log_paths
from partflow.execution.orders import Cost, Failure, Order, Outcome
from partflow.process.endings import ended, last_place
from partflow.store.layout import staged_as
from partflow.store.protocol import Store

AHEAD = 0.05
"""Seconds of work that a worker is sent ahead, so that it need not wait for publishing."""

_MOST_AHEAD = 32
_MOST_HOMES = 2**15
_AT_ONCE = 64
_FAILED_LOADS = 3
_LAST_LINES = 20
_Packed = tuple[Order, bytes]


class ProcessExecutor:
    """Up to `workers` spawned processes, each started when there is work for it.

    A worker has the order that it is at, and further ones that together are expected to take
    `AHEAD` seconds; other orders wait here. A worker that dies, or exceeds an order's time limit,
    is replaced, and that order comes back as failed.
    """

    def __init__(
        self,
        load: Load,
        graph: Graph,
        store: Store,
        workers: int,
        shares: Shares | None = None,
    ) -> None:
        self.slots = workers * 2
        self.workers = workers
        self._most = workers
        self._load = load
        self._shares = shares or Shares()
        self._graph = graph
        self._store = store
        self._workers: dict[int, Worker | None] = dict.fromkeys(range(1, workers + 1))
        self._waiting: dict[int, deque[_Packed]] = {n: deque() for n in self._workers}
        self._homes = Homes(graph)
        self._takes: dict[str, float] = {}
        self._mean = AHEAD
        self._failed_loads = 0
        self._done: list[Outcome] = []
        self._selector = selectors.DefaultSelector()

    @property
    def has_begun(self) -> bool:
        """Whether there is any worker by now."""
        return any(self._alive())

    def begin_up_to(self, most: int) -> None:
        """Begin no more than so many workers, and one at least; those that there are stay."""
        self._most = min(self.workers, max(1, most))
        self._share_out()

    def under_way(self) -> Iterator[tuple[Order, float]]:
        """The orders that workers are on, each with the seconds since that was begun."""
        now = time.monotonic()
        for worker in self._alive():
            if worker.sent and worker.sent[0].since:
                yield worker.sent[0].order, now - worker.sent[0].since

    @property
    def is_busy(self) -> bool:
        """Whether any order has no outcome yet."""
        return bool(self._done) or any(
            self._waiting[n] or (w is not None and w.sent) for n, w in self._workers.items()
        )

    def submit(self, order: Order) -> None:
        """Queue an order for the worker that has its inputs in memory, or the least loaded one."""
        home = self._homes.of(order) or min(self._begun(), key=self._load_of)
        self._homes.settle(order, home)
        self._waiting[home].append((order, pickle.dumps(order, pickle.HIGHEST_PROTOCOL)))
        self._share_out()

    def collect(self, patience: float) -> list[Outcome]:
        """The outcomes that workers have given, and failures for orders whose worker has died.

        ConfigurationError if three workers in a row could not load the project.
        """
        until = time.monotonic() + patience
        while not self._done and self.is_busy:
            now = time.monotonic()
            alarm = min((w.overdue for w in self._alive() if w.overdue is not None), default=until)
            self._listen(max(0.0, min(alarm, until) - now))
            if not self._done and time.monotonic() >= until:
                break
        self._listen(0.0)
        outcomes, self._done = self._done, []
        return outcomes

    def recall(self) -> list[Order]:
        """Take back the orders that no worker was sent."""
        orders = [order for queue in self._waiting.values() for order, _ in queue]
        for queue in self._waiting.values():
            queue.clear()
        return orders

    def close(self) -> None:
        """End the workers, whatever they are at; after two seconds they are killed."""
        workers = list(self._alive())
        for worker in workers:
            worker.stop()
        until = time.monotonic() + 2.0
        for worker in workers:
            if not worker.has_ended(until - time.monotonic()):
                worker.stop()
            self._bury(worker)
            self._workers[worker.number] = None
            on = worker.sent[0].order if worker.is_ready and worker.sent else None
            worker.forget(() if on is None else log_paths(self._store, on))
        self.recall()
        self._selector.close()

    def _alive(self) -> Iterator[Worker]:
        return (w for w in self._workers.values() if w is not None)

    def _load_of(self, number: int) -> int:
        worker = self._workers[number]
        return len(self._waiting[number]) + (len(worker.sent) if worker else 0)

    # --- sharing out -------------------------------------------------------------------------

    def _share_out(self) -> None:
        """Send waiting orders to idle workers; then some to workers that will soon be idle."""
        for number in self._idle():
            if self._waiting[number]:
                self._send(number, *self._waiting[number].popleft())
        for number in self._idle():
            longest = max(self._waiting.values(), key=len)
            if not longest:
                return
            self._send(number, *longest.pop())  # The last one, so that neighbours stay together.
        for worker in self._alive():
            queue = self._waiting[worker.number]
            while queue and self._is_soon_done(worker, len(queue[0][1])):
                self._send(worker.number, *queue.popleft())

    def _begun(self) -> list[int]:
        """The numbers of the workers that there are, and of those that may be begun."""
        alive = [worker.number for worker in self._alive()]
        free = [number for number, worker in self._workers.items() if worker is None]
        return sorted(alive + free[: max(0, self._most - len(alive))])

    def _idle(self) -> list[int]:
        workers = [(number, self._workers[number]) for number in self._begun()]
        return [n for n, w in workers if w is None or (w.takes_more and not w.sent)]

    def _is_soon_done(self, worker: Worker, nbytes: int) -> bool:
        """Whether a busy worker may be sent one more order, of so many bytes."""
        return (
            worker.seconds_ahead < AHEAD
            and worker.bytes_ahead + nbytes <= BYTES_AHEAD
            and len(worker.sent) <= _MOST_AHEAD
            and worker.is_ready
            and worker.takes_more
        )

    def _send(self, number: int, order: Order, payload: bytes) -> None:
        worker = self._workers[number]
        if worker is None:
            folder = self._store.layout.logs
            worker = Worker(self._load, number, folder, self._shares)
            self._workers[number] = worker
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)
            self._selector.register(worker.ending, selectors.EVENT_READ, worker)
        self._homes.settle(order, number)
        seconds = self._takes.get(order.task, AHEAD) * len(order.attempts)
        worker.send(Sent(order, payload, seconds))

    # --- listening ---------------------------------------------------------------------------

    def _listen(self, seconds: float) -> None:
        """Wait at most so many seconds for any worker; then take all that has come."""
        wait = seconds
        while len(self._done) < _AT_ONCE:
            ready = self._selector.select(wait)
            for key, _ in ready:
                worker: Worker = key.data
                if self._workers[worker.number] is not worker:
                    continue  # It was ended in this very turn.
                if key.fileobj is worker.channel:
                    self._hear(worker)
                else:
                    self._end(worker)
            for worker in list(self._alive()):
                if worker.overdue is not None and worker.overdue <= time.monotonic():
                    worker.stop()
            self._share_out()
            if not ready:
                return
            wait = 0.0

    def _hear(self, worker: Worker) -> bool:
        """Take one message of a worker; False if there will be no more."""
        message = worker.hear()
        if message is None:
            with suppress(KeyError):
                self._selector.unregister(worker.channel)
            return False
        if isinstance(message, Ready):
            self._failed_loads = 0
        elif isinstance(message, Reply) and not worker.is_stopped:
            self._learn(worker.answered().order, message.outcomes)
            self._done += message.outcomes
        return True

    def _learn(self, order: Order, outcomes: Sequence[Outcome]) -> None:
        """Learn how long such orders take, and from that how many slots are useful."""
        seconds = sum(o.cost.seconds for o in outcomes)
        each = seconds / len(outcomes)
        before = self._takes.get(order.task, each)
        self._takes[order.task] = before + (each - before) / 4
        self._mean += (seconds - self._mean) / 8
        ahead = min(_MOST_AHEAD, max(1, int(AHEAD / max(self._mean, 1e-6))))
        self.slots = self.workers * (1 + ahead)

    # --- endings -----------------------------------------------------------------------------

    def _end(self, worker: Worker) -> None:
        """Bury a worker that has ended: the order that it was at has failed, others wait again.

        ConfigurationError if it is the third in a row that could not load the project.
        """
        while worker.channel.poll() and self._hear(worker):
            pass
        self._workers[worker.number] = None
        code = self._bury(worker)
        if not worker.is_ready:
            self._failed_loads += 1
            worker.forget()
            if self._failed_loads >= _FAILED_LOADS:
                raise _not_loaded(worker, code, self._store.layout.root)
        elif worker.sent and not worker.is_last:
            self._done += self._given_up(worker, code)
        else:
            worker.forget()
        for sent in reversed(worker.sent):
            self._sweep(sent.order)
            self._waiting[worker.number].appendleft((sent.order, sent.payload))

    def _given_up(self, worker: Worker, code: int) -> list[Outcome]:
        """The failures of the order that a worker was at when it ended."""
        sent = worker.sent.popleft()
        order = sent.order
        place, trace = last_place(worker.words, self._store.layout.root)
        failure = Failure(
            _why(worker, order, code), place or self._graph.task(order.task).place, trace,
            is_shared=len(order.attempts) > 1, is_cut_off=True,
        )  # fmt: skip
        has_log = worker.forget(log_paths(self._store, order))
        self._sweep(order)
        seconds = (time.monotonic() - sent.since) / len(order.attempts)
        cost = Cost(sent.at, seconds, worker=worker.number)
        return [Outcome(a.serial, (), failure, cost, has_log) for a in order.attempts]

    def _bury(self, worker: Worker) -> int:
        for source in (worker.channel, worker.ending):
            with suppress(KeyError):
                self._selector.unregister(source)
        return worker.buried()

    def _sweep(self, order: Order) -> None:
        """Remove what a worker that has ended has staged for an order."""
        outputs = range(len(self._graph.task(order.task).writes))
        self._store.discard(
            staged_as(order.run, attempt.serial, position)
            for attempt in order.attempts
            for position in outputs
        )


def _why(worker: Worker, order: Order, code: int) -> str:
    if not worker.is_stopped:
        return f"a worker process died while it was made ({ended(code)})"
    late = f"took longer than its timeout of {_spoken(order.timeout or 0.0)}"
    return (
        f"{late}; it did not end when it was asked to, and was killed" if worker.is_killed else late
    )


def _spoken(seconds: float) -> str:
    """Seconds in the form of declarations: 500ms, 90s, 5m."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


def _not_loaded(worker: Worker, code: int, root: Path) -> ConfigurationError:
    if worker.unable is not None:
        return ConfigurationError(f"a worker process can't load the project: {worker.unable}")
    _, stack = last_place(worker.words, root)
    words = stack or "\n".join(worker.words.splitlines()[-_LAST_LINES:])
    return ConfigurationError(
        f"{_FAILED_LOADS} worker processes in a row died while they loaded the project "
        f'({ended(code)}); in a script, keep its own work under `if __name__ == "__main__":`'
        + (f"\n{words.strip()}" if words else "")
    )


class Homes:
    """Guesses which worker has a partition in memory: the one that made it, or read it last.

    It remembers the last 32,768 partitions. A wrong guess only costs another reading.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._homes: dict[tuple[str, int], int] = {}

    def of(self, order: Order) -> int | None:
        """The worker that has what an order reads, or that made its neighbours; None if unknown."""
        task, attempt = self._graph.task(order.task), order.attempts[0]
        for task_input, ordinals in zip(task.inputs, attempt.reads, strict=True):
            if ordinals:
                home = self._homes.get((task_input.read.dataset.name, ordinals[-1]))
                if home is not None:
                    return home
        before, after = attempt.ordinal - 1, order.attempts[-1].ordinal + 1
        for dataset in task.writes:
            for near in (before, after):
                home = self._homes.get((dataset.name, near))
                if home is not None:
                    return home
        return None

    def settle(self, order: Order, number: int) -> None:
        """Remember that an order goes to that worker."""
        task = self._graph.task(order.task)
        for attempt in order.attempts:
            for dataset in task.writes:
                self._homes[dataset.name, attempt.ordinal] = number
        for task_input, ordinals in zip(task.inputs, order.attempts[-1].reads, strict=True):
            if ordinals:
                self._homes[task_input.read.dataset.name, ordinals[-1]] = number
        while len(self._homes) > _MOST_HOMES:
            del self._homes[next(iter(self._homes))]
