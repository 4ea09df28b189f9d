"""What a worker process does: it takes orders from its channel, one by one, and answers.

Knows nothing of how orders are shared out. It never publishes.
"""

from __future__ import annotations

import faulthandler
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
from partflow.execution.executors.workplace import Codes, Load, Workplace, log_paths
from partflow.execution.orders import Outcome
from partflow.formats.connections import state_default
from partflow.process.garbage import begin_loading, end_loading
from partflow.process.spool import Spool
from partflow.warehouse.handover import HandOver

_GROWN = 2


def with_log(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The same outcomes, with `has_log` set."""
    return tuple(replace(o, has_log=True) for o in outcomes)


@dataclass(frozen=True, slots=True)
class Shares:
    """What a worker may use of the machine; None is no limit.

    A worker that has more than `memory` bytes of resident memory after an order ends, and a new one
    replaces it, so that leaks do not add up. `threads` is the number for each numeric library.
    """

    memory: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """What a new worker process gets."""

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
class Reply:
    """The outcomes of an order; after one that `is_last` the worker ends."""

    outcomes: tuple[Outcome, ...]
    is_last: bool


Message = Ready | Unable | Reply


def work(channel: Connection, duty: Duty) -> None:
    """Be a worker: load the project once, then answer orders until the channel is closed."""
    begin_loading()
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
    end_loading()
    with suppress(EOFError, BrokenPipeError):
        channel.send(Ready())
        while True:
            order = channel.recv()
            outcomes = place.carry_out(order)
            _flush()
            if duty.spool.move(log_paths(store, order)):
                outcomes = with_log(outcomes)
            is_last = _has_grown(outcomes[0].cost.memory, at_first, duty.shares.memory)
            # Faster than send(), which can also pickle connections.
            channel.send_bytes(pickle.dumps(Reply(outcomes, is_last), pickle.HIGHEST_PROTOCOL))
            if is_last:
                return


def _settle(spool: Spool) -> None:
    """Set this process up as a worker: its signals, its process group, and its output.

    With a process group of its own, Ctrl-C on the terminal reaches neither the worker nor what its
    task has started, and all of them can be ended together.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.register_at_fork(after_in_child=_be_nobodys)
    os.setpgid(0, 0)
    spool.take_over()
    faulthandler.enable()
    # On SIGTERM it writes its stack trace, and then ends.
    faulthandler.register(signal.SIGTERM, all_threads=False, chain=True)
    threading.Thread(target=_end_with_coordinator, daemon=True).start()


def _be_nobodys() -> None:
    """In a process that a task forked, restore how a program reacts to signals."""
    faulthandler.unregister(signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_with_coordinator() -> None:
    """Kill this worker and its children when the run's process has died.

    The sentinel's pipe is not enough to tell: a process that a task forked there may hold it open.
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
    """Whether this process has more than `limit` bytes, and twice what it had `at_first`.

    `most` is the most that it ever had; 0 if it is not known. While that is below the limit, the
    present number need not be looked up.
    """
    if limit is None or at_first is None or 0 < most <= limit:
        return False
    present = resident()
    return present is not None and present > max(limit, _GROWN * at_first)


def resident() -> int | None:
    """The resident memory of this process in bytes; None if the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - after each order
            pages = file.read().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
