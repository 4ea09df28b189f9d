"""Asks the functions of sources without files what is there, and keeps what they answer.

Knows nothing of plans. The functions are called in a process of their own, so that one that hangs
or crashes costs its own answer, and no run.
"""

from __future__ import annotations

import json
import subprocess  # only its types  # nosec B404
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from partflow.declarations.dataset import Source
from partflow.planning.asking import Tried, noted, to_ask
from partflow.process.beside import MOMENT, begun, end
from partflow.process.endings import ended, last_place
from partflow.process.spool import Spool
from partflow.warehouse.answers import book_of, keep_answers, keep_book

if TYPE_CHECKING:
    from partflow.project.answering import Question
    from partflow.project.project import Project

_MAIN = "partflow.project.answering"
WITHIN = 60.0
"""Seconds that a function has for its answer, and a process to load the project."""
_LOADING = -1
"""Stands for the loading of the project among the numbers of questions."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered to one question: a text, or None for not there yet; or why nothing was."""

    text: str | None = None
    failure: str = ""


def ask_about(
    project: Project,
    names: Collection[str] | None,
    within: float = WITHIN,
    at_most: float = float("inf"),
) -> None:
    """Ask all sources without files, or those of these names, about what is to be asked now.

    What raises, takes longer than `within` seconds, or says what is no text keeps its last answer;
    the source's book has why. What is not answered when `at_most` seconds have passed is left, as
    if nobody had asked. OSError if the disk refuses what is to be kept.
    """
    stops_at = time.monotonic() + at_most
    layout, now = project.store.layout, project.clock() // 10**9
    sources = [
        source
        for name, source in project.graph.datasets.items()
        if isinstance(source, Source) and source.is_asked and (names is None or name in names)
    ]
    books = {source.name: book_of(layout, source) for source in sources}
    questions = [(s.name, o) for s in sources for o in to_ask(s, books[s.name], now)]
    if not questions:
        return
    layout.answers.mkdir(parents=True, exist_ok=True)
    said = dict(_said(project, questions, within, stops_at))
    for source in sources:
        mine = {o: answer for (name, o), answer in said.items() if name == source.name}
        if mine:
            key, good = source.grain.key, {o: a for o, a in mine.items() if not a.failure}
            keep_answers(layout, source, {key(o): answer.text for o, answer in good.items()})
            tried = {ordinal: Tried(now, answer.failure) for ordinal, answer in mine.items()}
            keep_book(layout, source, noted(source, books[source.name], tried))


def _said(
    project: Project, questions: Sequence[Question], within: float, stops_at: float
) -> Iterator[tuple[Question, Said]]:
    """What was answered to each question; a process that is lost is replaced for the rest."""
    left = list(questions)
    while left and time.monotonic() < stops_at:
        asking = _Asking(project, left, within, stops_at)
        try:
            yield from asking.answers()
        finally:
            asking.end()
        left = asking.left


@dataclass(slots=True)
class _Asking:
    """A process that asks some questions; `left` are those that it has not come to.

    At `stops_at`, by the monotonic clock, it asks no more. `_ends` has by when each of those that
    are under way has to be answered.
    """

    project: Project
    questions: Sequence[Question]
    within: float
    stops_at: float
    left: list[Question] = field(default_factory=list)
    _ends: dict[int, float] = field(default_factory=dict)
    _done: set[int] = field(default_factory=set)
    _channel: Connection = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _spool: Spool = field(init=False)

    def __post_init__(self) -> None:
        """Begin the process."""
        root = self.project.root
        self._spool = Spool.made(self.project.store.layout.answers)
        words = [str(root), json.dumps(dict(self.project.overrides))]
        self._process, self._channel = begun(_MAIN, words, root, self._spool)
        self._ends[_LOADING] = time.monotonic() + max(WITHIN, self.within)

    def answers(self) -> Iterator[tuple[Question, Said]]:
        """What it answers, until it has answered all, is lost, or takes too long over one."""
        while len(self._done) < len(self.questions) and time.monotonic() < self.stops_at:
            until = min(self._ends.values(), default=time.monotonic() + self.within)
            patience = max(0.0, min(until, self.stops_at) - time.monotonic())
            if not wait([self._channel], patience):
                if until <= self.stops_at:
                    yield from self._given_up(until)
                return
            try:
                message = self._channel.recv()
            except (EOFError, OSError):
                yield from self._lost()
                return
            yield from self._heard(*message)

    def end(self) -> None:
        """End the process, with all that it has begun."""
        end(self._process)
        self._channel.close()
        self._spool.close()

    def _heard(self, kind: str, number: int, *what: Any) -> Iterator[tuple[Question, Said]]:
        match kind:
            case "loaded":
                del self._ends[_LOADING]
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._channel.send(list(self.questions))
            case "begun":
                self._ends[number] = time.monotonic() + self.within
            case "unable":
                yield from self._failed(range(len(self.questions)), what[0])
            case "said":
                yield self._answered(number, Said(what[0]))
            case _:
                yield self._answered(number, Said(failure=what[0]))

    def _answered(self, number: int, said: Said) -> tuple[Question, Said]:
        self._ends.pop(number, None)
        self._done.add(number)
        return self.questions[number], said

    def _given_up(self, until: float) -> Iterator[tuple[Question, Said]]:
        """Give up what was to end by a moment; the rest is asked anew, by another process."""
        late = [number for number, end in self._ends.items() if end <= until]
        why = f"it gave no answer within {self.within:g} s"
        if not late or _LOADING in late:
            late = list(range(len(self.questions)))
            why = "the process that was to ask it did not begin"
        yield from self._failed(late, why)
        self._leave_the_rest()

    def _lost(self) -> Iterator[tuple[Question, Said]]:
        """Give up what was under way when the process died."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(MOMENT)
        code = self._process.poll()
        place, _ = last_place(self._spool.tail(), self.project.root)
        where = f" ({place})" if place else ""
        why = f"its process ended: {'unknown how' if code is None else ended(code)}{where}"
        under_way = [number for number in self._ends if number != _LOADING]
        begun = under_way or range(len(self.questions))
        yield from self._failed(begun, why)
        self._leave_the_rest()

    def _failed(self, numbers: Collection[int], why: str) -> Iterator[tuple[Question, Said]]:
        for number in [n for n in numbers if n not in self._done]:
            yield self._answered(number, Said(failure=why))

    def _leave_the_rest(self) -> None:
        rest = (q for n, q in enumerate(self.questions) if n not in self._done)
        self.left = list(rest)
