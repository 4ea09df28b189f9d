"""How runs take turns in a pool: with a clock and a line of their own, without files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from partflow.execution.turns import Turns
from partflow.metastore.pools import Boundless


@dataclass
class Hall:
    """The pools of all runs: who has places, and who is next in line."""

    places: int
    held: Counter[str] = field(default_factory=Counter)
    first: str = ""


@dataclass
class Seats:
    """The places of one run; see `Pools`."""

    hall: Hall
    run: str

    def take(self, pool: str) -> bool:
        self.hall.first = self.hall.first or self.run
        if self.hall.first != self.run or self.hall.held.total() >= self.hall.places:
            return False
        self.hall.held[self.run] += 1
        self.give_up(pool)
        return True

    def give_back(self, pool: str, places: int) -> None:
        self.hall.held[self.run] -= places
        assert self.hall.held[self.run] >= 0

    def give_up(self, pool: str) -> None:
        if self.hall.first == self.run:
            self.hall.first = ""

    def close(self) -> None:
        self.give_up("api")
        self.hall.held[self.run] = 0


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Run:
    """A run whose calls are all in one pool; it is at one call at a time, of `takes` seconds."""

    turns: Turns
    clock: Clock
    takes: float
    calls: int = 0
    ends_at: float | None = None
    served_at: list[float] = field(default_factory=list)

    def under_way(self, _: str) -> int:
        return int(self.ends_at is not None)

    def wake(self) -> None:
        if self.ends_at is not None and self.clock() >= self.ends_at:
            self.calls += 1
            self.ends_at = None
        is_round = self.turns.begin(self.under_way)
        may_try = is_round or not self.turns.is_waiting
        if self.ends_at is None and may_try and self.turns.has_place("api", 1):
            self.ends_at = self.clock() + self.takes
            self.served_at.append(self.clock())
        self.turns.end(self.under_way, is_round=is_round)


def hall_of(runs: int, takes: float, places: int, seed: int) -> tuple[Hall, Clock, list[Run]]:
    chance, clock, hall = Random(seed), Clock(), Hall(places)
    turns = [Turns(Seats(hall, str(n)), now=clock, chance=chance.random) for n in range(runs)]
    return hall, clock, [Run(t, clock, takes) for t in turns]


def pass_by(hall: Hall, clock: Clock, runs: list[Run], seconds: float) -> None:
    until = clock.at + seconds
    while clock.at < until:
        for run in runs:
            run.wake()
        assert hall.held.total() <= hall.places
        clock.at += 0.05


def test_a_run_by_itself_keeps_its_place_and_never_waits():
    hall, clock, (run,) = hall_of(1, 0.05, 1, seed=0)
    pass_by(hall, clock, [run], 30.0)
    assert run.calls == pytest.approx(30.0 / 0.05, rel=0.1)
    assert not run.turns.is_waiting


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("runs", [2, 4])
@pytest.mark.parametrize("takes", [0.05, 1.0, 7.0])
def test_no_run_starves(seed: int, runs: int, takes: float) -> None:
    hall, clock, all_runs = hall_of(runs, takes, 1, seed)
    pass_by(hall, clock, all_runs, 300.0)
    for run in all_runs:
        gaps = [b - a for a, b in zip([100.0, *run.served_at], run.served_at, strict=False)]
        assert run.served_at
        assert max(gaps) < 20 * (5.0 + takes)


@pytest.mark.parametrize("seed", range(3))
def test_short_calls_do_not_wait_in_line_for_each(seed: int) -> None:
    hall, clock, runs = hall_of(2, 0.05, 1, seed)
    pass_by(hall, clock, runs, 200.0)
    assert sum(run.calls for run in runs) > 0.85 * 200.0 / 0.05
    assert min(run.calls for run in runs) > 0.25 * sum(run.calls for run in runs)


def test_a_run_that_wants_nothing_more_leaves_the_line_and_its_places():
    hall, clock, (first, second) = hall_of(2, 1.0, 1, seed=0)
    first.wake()
    second.wake()
    assert hall.first == "1"
    clock.at += 0.3
    second.turns.end(second.under_way, is_round=second.turns.begin(second.under_way))
    assert hall.first == ""
    assert not second.turns.is_waiting
    clock.at += 1.0
    first.ends_at = None
    first.turns.end(first.under_way, is_round=first.turns.begin(first.under_way))
    assert hall.held.total() == 0


def test_a_run_that_waited_is_not_served_twice_in_one_round():
    hall, clock, (first, second) = hall_of(2, 1.0, 2, seed=0)
    hall.held["somebody"] = 2
    assert not second.turns.has_place("api", 1)
    hall.held["somebody"] = 0
    clock.at += 0.3
    assert second.turns.begin(lambda _: 0)
    assert second.turns.has_place("api", 1)
    assert not second.turns.has_place("api", 2)
    second.turns.end(lambda _: 1, is_round=True)
    assert first.turns.has_place("api", 1)


def test_full_pools_are_told_once_each():
    told: list[str] = []
    hall = Hall(0)
    turns = Turns(Seats(hall, "0"), told.append)
    turns.tell()
    assert not turns.has_place("api", 1)
    turns.tell()
    turns.tell()
    assert told == ["a place in the pool 'api': other runs have all of them"]


def test_without_pools_over_all_runs_there_is_always_a_place():
    turns = Turns(Boundless())
    assert all(turns.has_place("api", n) for n in range(1, 10))
    assert not turns.begin(lambda _: 3)
    turns.end(lambda _: 0, is_round=False)
    assert not turns.is_waiting
