"""How the runs of a warehouse take turns in a pool: when a run takes a place and gives it back.

Knows nothing of steps but that calls of them are under way in pools, nor how a place is held. A run
keeps a place for its next call for a while, so that many short calls do not wait in line for each.
Then it gives the place back, and whoever is next in line has it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from partflow.metastore.pools import Pools

_TURN = 5.0
"""Seconds after which a place is not kept for the next call."""
_SOONEST, _SPREAD = 0.1, 0.2
"""Seconds until full pools are looked at again, and how much later that may be by chance: two runs
that looked in step would always come in the same order."""


@dataclass(slots=True)
class Turns:
    """The turns of one run. `now` gives seconds, and `chance` gives numbers in [0, 1).

    `waiting` is called with a text that says for what the run waits, once for each pool.
    """

    pools: Pools
    waiting: Callable[[str], None] = lambda _: None
    now: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _since: dict[str, list[float]] = field(default_factory=dict)
    _full: set[str] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)
    _served: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _again_at: float = 0.0

    def has_place(self, pool: str, under_way: int) -> bool:
        """Whether there is a place for each call under way in a pool, one of them a new one.

        If the run waited for its last place, it is not served twice in one round.
        """
        since = self._since.setdefault(pool, [])
        if len(since) >= under_way:
            return True
        if pool in self._served or not self.pools.take(pool):
            if not self._full:
                self._put_off()
            self._full.add(pool)
            self._refused.add(pool)
            return False
        since.append(self.now())
        if pool in self._full:
            self._served.add(pool)
        return True

    def begin(self, under_way: Callable[[str], int]) -> bool:
        """Give back what was kept long enough; whether full pools are to be looked at again."""
        now = self.now()
        for pool, since in self._since.items():
            over = sum(now - at >= _TURN for at in since)
            self._give_back(pool, min(over, len(since) - under_way(pool)))
        if self.is_waiting and now >= self._again_at:
            self._put_off()
            self._refused.clear()
            self._served.clear()
            return True
        return False

    def end(self, under_way: Callable[[str], int], *, is_round: bool) -> None:
        """Give back the places for which there is no call.

        After a round, the run waits only for pools of which a step could have begun in it.
        """
        for pool, since in self._since.items():
            self._give_back(pool, len(since) - under_way(pool))
        if is_round:
            for pool in self._full - self._refused:
                self.pools.give_up(pool)
            self._full &= self._refused

    @property
    def is_waiting(self) -> bool:
        """Whether the run wants a place in a pool that had none."""
        return bool(self._full)

    def seconds_left(self) -> float:
        """The seconds until full pools are looked at again; 0 if that is over."""
        return max(0.0, self._again_at - self.now())

    def tell(self) -> None:
        """Say that the run has nothing else to do than to wait for pools."""
        for pool in sorted(self._full - self._told):
            self.waiting(f"a place in the pool {pool!r}: other runs have all of them")
        self._told |= self._full

    def _put_off(self) -> None:
        self._again_at = self.now() + _SOONEST + _SPREAD * self.chance()

    def _give_back(self, pool: str, places: int) -> None:
        """Give back so many places of a pool, those first that are held longest."""
        if places > 0:
            del self._since[pool][:places]
            self.pools.give_back(pool, places)
