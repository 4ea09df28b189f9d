"""A world for the loop of `serve` without processes, files or a clock: all of it is played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from partflow.scheduler.news import News
from partflow.scheduler.outlook import Outlook, Steps

NOW = 1_700_000_000.0


def outlook(
    at: float, *, steps: int = 0, changes_at: float | None = None, all_at: float | None = None
) -> Outlook:
    """What a look saw at `at`, with so many steps of one task to begin."""
    ordinals = np.arange(steps)
    of_task = Steps("clean", ordinals, ordinals.astype(np.uint64), ordinals)
    found = {"clean": of_task} if steps else {}
    all_at = at if all_at is None else all_at
    return Outlook(at, found, {}, changes_at=changes_at, looked_at_all=all_at, graph="g")


@dataclass
class Played:
    """An `Outside` whose news are what `happens` returns for what was asked; time only passes here.

    `asked` is what the loop has asked for, in order, each with its moment.
    """

    clock: float = NOW
    all_at: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)
    answers: list[News] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    on_look: Callable[[Played], None] = lambda played: None
    on_begin: Callable[[Played, int], None] = lambda played, number: None

    def now(self) -> float:
        return self.clock

    def look(self, *, at_all: bool) -> None:
        self.asked.append((self.clock, "look at all" if at_all else "look"))
        self.all_at = self.clock if at_all else self.all_at
        self.on_look(self)

    def begin(self, number: int, outlook: Outlook, *, is_apart: bool) -> None:
        self.asked.append((self.clock, f"begin {number}" + (" apart" if is_apart else "")))
        self.on_begin(self, number)

    def halt(self, *, now: bool) -> None:
        self.asked.append((self.clock, "halt now" if now else "halt"))

    def news(self, until: float) -> Sequence[News]:
        if self.answers:
            answers, self.answers = self.answers, []
            return answers
        self.slept.append(until - self.clock)
        self.clock = max(self.clock, until)
        return []

    @property
    def words(self) -> list[str]:
        return [text for _, text in self.asked]
