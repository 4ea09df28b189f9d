"""What this process shares with the user's code in it: signals, forks, the working directory.

Knows nothing of tasks or runs. A process that the user's code forks belongs to that code: it gets
none of what partflow has set up here, and it does not go on with partflow's work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the first line of every process waits for what is imported here
    from pathlib import Path

Reaction = Callable[[int, FrameType | None], object] | int | signal.Handlers | None
"""What Python does on a signal, as `signal.signal` takes and gives it."""

_BEFORE: Final[dict[int, Reaction]] = {}
"""The signals that this process handles, each with the reaction that children get."""
_OURS: Final[list[Reaction]] = []
"""The reactions that were set here and stand, each as often as it was set."""
_WAKEUP: Final[list[int]] = []
"""The pipe that signals are written to: both of its ends, while there is one."""
_HERE: Final = threading.local()
"""The signals that a thread blocked before it forked, as `mask`."""


def react(reactions: Mapping[int, Reaction]) -> dict[int, Reaction]:
    """Set reactions to signals, but not for forked children; returns the reactions of before.

    If a hang-up is ignored, as under `nohup`, it stays ignored.
    """
    before: dict[int, Reaction] = {}
    hang_up = getattr(signal, "SIGHUP", None)
    for number, reaction in reactions.items():
        if number == hang_up and signal.getsignal(number) is signal.SIG_IGN:
            continue
        _OURS.append(reaction)
        before[number] = signal.signal(number, reaction)
        _BEFORE.setdefault(number, before[number])
    return before


@contextmanager
def handled(reactions: Mapping[int, Reaction]) -> Iterator[None]:
    """React so to signals in the block, but not in children that are forked there."""
    before = react(reactions)
    try:
        yield
    finally:
        for number, reaction in before.items():
            signal.signal(number, reaction)
            _OURS.remove(reactions[number])
            if reaction not in _OURS:
                _BEFORE.pop(number, None)


@contextmanager
def woken() -> Iterator[tuple[int, int]]:
    """The ends (reading, writing) of a pipe to which the number of each signal is written.

    Children that Python forks do not have it. One that was forked otherwise may hold it open, so do
    not wait for the pipe's end: write something into it that tells the reader to stop.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _WAKEUP[:] = [reading, writing]
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading, writing
    finally:
        signal.set_wakeup_fd(before)
        _WAKEUP.clear()
        os.close(writing)
        os.close(reading)


@contextmanager
def own_process_only() -> Iterator[None]:
    """Run the user's code; a process that this code forks and that comes back from it ends here.

    It ends as a program of that code alone would: with 0, with the code of a SystemExit, or with a
    traceback and 1.
    """
    own = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != own:
            _end(error)
        raise
    if os.getpid() != own:
        _end(None)


@contextmanager
def put_back() -> Iterator[None]:
    """Run the user's code, and put back what it changed for the whole process.

    That is the recursion limit and the working directory. The latter is put back in the main thread
    only: while tasks run in other threads, some may be at work in it.
    """
    depth, folder = sys.getrecursionlimit(), _folder()
    try:
        yield
    finally:
        if sys.getrecursionlimit() != depth:
            sys.setrecursionlimit(depth)
        if folder is not None and _folder() != folder:
            with suppress(OSError):
                os.chdir(folder)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in this folder in the block; then in the one before, if that is still there."""
    before = _cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        if before is not None:
            with suppress(OSError):
                os.chdir(before)


def _folder() -> str | None:
    """The working directory; None in other threads than the main one, or if it is gone."""
    return _cwd() if threading.current_thread() is threading.main_thread() else None


def _cwd() -> str | None:
    """The working directory; None if it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - around each call, so as fast as can be
    except FileNotFoundError:
        return None


def _end(error: BaseException | None) -> None:
    """End this process as Python would for that error, or with 0."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)


def _hold_off() -> None:
    """Before a fork: block signals, for the child to get none until it has its own reactions."""
    _HERE.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [*_BEFORE, signal.SIGTERM])


def _let_through() -> None:
    """After a fork: let signals through as before it."""
    signal.pthread_sigmask(signal.SIG_SETMASK, _HERE.mask)


def _give_back() -> None:
    """In a forked child: give signals the reactions from before ours, and close our pipe."""
    for number, reaction in _BEFORE.items():
        if signal.getsignal(number) in _OURS:
            signal.signal(number, reaction)
    if _WAKEUP:
        woken_by = signal.set_wakeup_fd(-1)
        if woken_by not in _WAKEUP:
            signal.set_wakeup_fd(woken_by)
        for descriptor in _WAKEUP:
            os.close(descriptor)
    _BEFORE.clear()
    _OURS.clear()
    _WAKEUP.clear()
    _let_through()


os.register_at_fork(before=_hold_off, after_in_parent=_let_through, after_in_child=_give_back)
