"""The life of a worker process: it gets one order after the other through its channel, and answers.

Knows nothing of how orders are shared out; it never publishes.
"""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import pickle  # over pipes to its own processes, never from a file  # nosec B403
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from partflow.errors import PartflowError
from partflow.execution.executors.capture import log_to_stderr
from partflow.execution.executors.spool import Spool
from partflow.execution.executors.workplace import Codes, Load, Workplace, log_paths
from partflow.execution.orders import Outcome
from partflow.formats.connections import state_default
from partflow.warehouse.handover import HandOver

_GROWN = 2
_NEW_OBJECTS = 10_000


def with_log(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The same outcomes, of attempts that have written something."""
    return tuple(replace(o, has_log=True) for o in outcomes)


@dataclass(frozen=True, slots=True)
class Shares:
    """What a worker may have of the machine; None is no limit.

    Above `memory` bytes of resident memory after an order it ends, and another takes its place:
    what leaks does not add up. `threads` are those that each numeric library begins.
    """

    memory: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """What a new worker process is given."""

    load: Load
    number: int
    spool: Spool
    shares: Shares = Shares()


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded the project."""


@dataclass(frozen=True, slots=True)
class Unable:
    """The worker could not load the project."""

    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order; after the last one the worker ends."""

    outcomes: tuple[Outcome, ...]
    is_last: bool


Message = Ready | Unable | Answer


def work(channel: Connection, duty: Duty) -> None:
    """Be a worker: load the project once, then answer order after order until the channel ends."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])  # as in the process of the run
    _settle(duty.spool)
    try:
        graph, store, code_of = duty.load()
    except BaseException as error:  # noqa: BLE001 - the user's modules may raise anything
        known = isinstance(error, PartflowError)
        channel.send(Unable(str(error) if known else f"{type(error).__name__}: {error}"))
        return
    log_to_stderr()
    state_default(duty.shares.threads)
    place = Workplace(graph, store, HandOver(), duty.number, Codes(graph, code_of))
    at_first = resident()
    duty.spool.clear()
    with suppress(EOFError, BrokenPipeError):
        channel.send(Ready())
        while True:
            order = channel.recv()
            outcomes = place.carry_out(order)
            _flush()
            if duty.spool.move(log_paths(store, order)):
                outcomes = with_log(outcomes)
            is_last = _has_grown(outcomes[0].cost.memory, at_first, duty.shares.memory)
            # As send() would, but without looking up how to pickle pipes and the like.
            channel.send_bytes(pickle.dumps(Answer(outcomes, is_last), pickle.HIGHEST_PROTOCOL))
            if is_last:
                return


def _settle(spool: Spool) -> None:
    """Take the place of a worker: a group of processes by itself, and a log for its last words.

    Its own group, so that Ctrl-C on the terminal reaches neither it nor what its task has started,
    and so that both can be ended together.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.register_at_fork(after_in_child=_be_nobodys)
    os.setpgid(0, 0)
    spool.take_over()
    faulthandler.enable()
    # Asked to end, it says where it was.
    faulthandler.register(signal.SIGTERM, all_threads=False, chain=True)
    threading.Thread(target=_end_with_coordinator, daemon=True).start()


def _be_nobodys() -> None:
    """In a process that a task forked: react to signals as a program does, and not as a worker."""
    faulthandler.unregister(signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_with_coordinator() -> None:
    """End this worker and all that it started when the coordinator has died.

    The end of its pipe does not tell alone: what a task has forked there may hold it open.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    ends: list[int] = [parent.sentinel]
    with suppress(AttributeError, OSError):
        ends.append(os.pidfd_open(parent.pid))
    if os.getppid() == parent.pid:
        wait(ends)
    os.killpg(0, signal.SIGKILL)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _has_grown(most: int, at_first: int | None, limit: int | None) -> bool:
    """Whether it holds more than the limit, and not only because of what loading has brought.

    `most` is what it ever held, or 0: while that is below the limit there is nothing to look up.
    """
    if limit is None or at_first is None or 0 < most <= limit:
        return False
    now = resident()
    return now is not None and now > max(limit, _GROWN * at_first)


def resident() -> int | None:
    """The resident memory of this process in bytes; None where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - after each order
            pages = file.read().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
