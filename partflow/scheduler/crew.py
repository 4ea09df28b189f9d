"""The children of the process that leads: who does what, who is replaced, who has died.

Knows nothing of what is to be done when. A child is only asked for something while its code is that
of the project's files; one that is idle is kept, so that it need not load the project again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import assert_never

from partflow.scheduler.child import Child, Death
from partflow.scheduler.editions import Edition, Editions
from partflow.scheduler.messages import (
    AskLook,
    Begin,
    Ended,
    FromChild,
    Leased,
    Loaded,
    LookDone,
    LookFailed,
    NotLoaded,
    Progressed,
    StepLost,
)
from partflow.scheduler.news import Changed, Died, News, OfRun

_GROWN = 2
_LEAST = 512 * 2**20
"""A child is replaced if it has this many bytes, and twice what it had at first."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a child is to be asked; a run by its number, and only of the graph that it is for."""

    message: AskLook | Begin
    number: int = 0
    graph: str = ""


class Crew:
    """The children of one project.

    A load or a look that takes longer than `limit` seconds is given up. `logs` is a folder for what
    children write. `folders` are those in which sources' files come.
    """

    def __init__(self, root: Path, logs: Path, editions: Editions, limit: float) -> None:
        self.limit = limit
        self.folders: frozenset[str] = frozenset()
        self._root, self._logs, self._editions = root, logs, editions
        self._children: list[Child] = []
        self._numbers: dict[Child, int] = {}
        self._wanted: deque[_Wanted] = deque()
        self._is_halting = False

    @property
    def channels(self) -> list[Connection]:
        """The channels of all children."""
        return [child.channel for child in self._children]

    @property
    def is_busy(self) -> bool:
        """Whether anything is wanted of a child that it has not done."""
        return bool(self._wanted) or not all(child.is_idle for child in self._children)

    def look(self, *, at_all: bool, at: float | None = None) -> None:
        """Have a child look; `LookDone`, `LookFailed`, `NotLoaded` or `Died` will be the answer.

        `at` is as in `AskLook`.
        """
        self._wanted.append(_Wanted(AskLook(at_all, at)))

    def begin(self, number: int, begin: Begin, graph: str) -> None:
        """Have a child carry a run out, if it has loaded that graph."""
        self._wanted.append(_Wanted(begin, number, graph))

    def halt(self, *, now: bool) -> None:
        """Let runs begin nothing more, or give up what is under way, too; no other begins."""
        self._is_halting = True
        for child in self._numbers:
            child.halt(now=now)

    def alarm(self) -> float:
        """In how many seconds `tend` has something to do although nobody speaks."""
        timed = (c for c in self._children if not c.is_idle and c not in self._numbers)
        waits = [max(0.0, self.limit - child.busy_for) for child in timed]
        if self._wanted:
            waits.append(self._editions.settles_in(time.monotonic()) or self.limit)
        return min(waits, default=float("inf"))

    def hear(self, ready: Iterable[object]) -> list[News]:
        """Take one message of each child whose channel is ready."""
        news: list[News] = []
        for child in [c for c in self._children if c.channel in ready]:
            message = child.heard()
            if message is None:
                news += self._gone(child, child.bury(is_gone=True))
            else:
                news += self._answered(child, message)
        return news

    def tend(self) -> list[News]:
        """End who takes too long, has grown or is outdated, and hand out what is wanted."""
        news = self._called_off("serve is to stop") if self._is_halting else []
        now = time.monotonic()
        before = self._editions.settles_in(now)
        edition = self._editions.present(now)
        is_settled = not self._editions.settles_in(now)
        if not is_settled and not before:
            news.append(Changed())
        for child in tuple(self._children):
            is_old = child.edition != edition
            if (child.is_idle and (is_old or _has_grown(child))) or (is_old and not child.loaded):
                self._end(child)  # What it was to do is wanted still.
            elif not child.is_idle and child not in self._numbers and child.busy_for > self.limit:
                news += self._gone(child, self._overdue(child))
        if is_settled:
            news += self._hand_out(edition)
        return news

    def close(self) -> None:
        """End all children, whatever they are at, and forget what is wanted of them."""
        self._wanted.clear()
        self._is_halting = False
        for child in tuple(self._children):
            self._end(child)

    # --- handing out -------------------------------------------------------------------------

    def _hand_out(self, edition: Edition) -> list[News]:
        news: list[News] = []
        while self._wanted:
            child = next((c for c in self._children if c.is_idle), None)
            if child is None:
                return [*news, *self._one_more(edition)]
            wanted = self._wanted.popleft()
            if isinstance(wanted.message, Begin) and not _is_of(child, wanted.graph):
                said = "the project's code has changed"
                news.append(OfRun(wanted.number, Ended(said=said, is_met=True)))
                continue
            if wanted.number:
                self._numbers[child] = wanted.number
            child.ask(wanted.message)
        return news

    def _one_more(self, edition: Edition) -> list[News]:
        """Begin a child for what is wanted; if that cannot be, call off what is."""
        if sum(c.loaded is None for c in self._children) < len(self._wanted):
            try:
                self._children.append(Child(self._root, self._logs, edition))
            except OSError as error:  # a full disk, or no more processes
                said = f"no process can be begun: {error}"
                looks = [LookFailed(said) for wanted in self._wanted if not wanted.number]
                return [*self._called_off(said), *looks]
        return []

    # --- hearing -----------------------------------------------------------------------------

    def _answered(self, child: Child, message: FromChild) -> list[News]:
        match message:
            case Loaded():
                self._editions.includes(message.files)
                self.folders = frozenset(message.folders)
                return []
            case LookDone() | LookFailed():
                return [message]
            case NotLoaded():
                self._end(child)
                return [*self._called_off(message.said), message]
            case Leased() | Progressed() | StepLost():
                return [OfRun(self._numbers[child], message)]
            case Ended():
                return [OfRun(self._numbers.pop(child), message)]
            case _:
                assert_never(message)

    def _called_off(self, said: str) -> list[News]:
        """Answer the runs that are wanted, which do not begin; looks are answered by others."""
        numbers = [wanted.number for wanted in self._wanted if wanted.number]
        self._wanted.clear()
        return [OfRun(number, Ended(said=said, is_met=True)) for number in numbers]

    def _gone(self, child: Child, death: Death) -> list[News]:
        """What is said of a child that has died."""
        self._children.remove(child)
        number = self._numbers.pop(child, 0)
        if child.is_idle:
            return []  # Nobody waits for it.
        called_off: list[News] = []
        if child.loaded is None:  # The next one would do the same: it waits until it is asked for.
            called_off = self._called_off(f"the project cannot be loaded: {death.said}")
        return [*called_off, Died(_at(child), death.said, death.place, number)]

    def _overdue(self, child: Child) -> Death:
        """End a child that takes too long."""
        place = child.bury(is_gone=False).place
        return Death(f"it took longer than {self.limit:g} s, and was ended", place)

    def _end(self, child: Child) -> None:
        self._children.remove(child)
        self._numbers.pop(child, None)
        child.bury(is_gone=False)


def _at(child: Child) -> str:
    if child.loaded is None:
        return "load"
    return "look" if isinstance(child.doing, AskLook) else "run"


def _is_of(child: Child, graph: str) -> bool:
    return child.loaded is not None and child.loaded.graph == graph


def _has_grown(child: Child) -> bool:
    first, last = child.memory
    return last > max(_LEAST, _GROWN * first)
