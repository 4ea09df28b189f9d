"""Judges by what steps took before which of them are worth a worker process, and how many workers.

Pure: it is told how many steps are planned, and what they took. It has no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

SMALL = 0.02
"""Seconds; who makes an order that takes less is the coordinator.

To send an order, to hear its answer and to publish that by itself costs about two milliseconds of
processor, and what the coordinator makes it stores and publishes some at a time.
"""

WORTH = 1.5
"""Seconds of work that there must be for each worker; to start one costs half a second."""

WARM_UP = 0.5
"""Seconds that a task's first call in a process may take beyond what later ones do, for imports."""

_SAMPLES = 5
"""So many of the last steps of a task tell what one takes: the lower of their middle two."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run is expected to come to, by task.

    `steps` are those of the plan, `at_once` how many one call may make, and `seconds` what a step
    took in earlier runs; a task of which none is known is not in it.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    at_once: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


class Pace:
    """What steps take and how many are left, as a run goes on."""

    def __init__(self, forecast: Forecast) -> None:
        self._left = dict(forecast.steps)
        self._at_once = forecast.at_once
        self._took = {t: deque([s, s], _SAMPLES) for t, s in forecast.seconds.items()}
        self._lasting: dict[str, float] = {}

    def ended(self, task: str, steps: int, seconds: float) -> None:
        """So many steps have ended, which took so many seconds in all."""
        self._left[task] = max(0, self._left.get(task, 0) - steps)
        self._lasting.pop(task, None)
        self._took.setdefault(task, deque(maxlen=_SAMPLES)).append(seconds / steps)

    def lasts(self, task: str, steps: int, seconds: float) -> None:
        """So many steps of a task are under way for so long; more than was known, perhaps."""
        each = max(0.0, seconds - WARM_UP) / steps
        self._lasting[task] = max(each, self._lasting.get(task, 0.0))

    def is_known(self, task: str) -> bool:
        """Whether two steps of the task have ended in this run, or one in an earlier run."""
        return len(self._took.get(task, ())) > 1

    def is_small(self, task: str, steps: int) -> bool:
        """Whether an order of so many steps is known to take so little that no worker is worth it.

        Then it is known, too, that such steps end, and do not take their process with them.
        """
        return self.is_known(task) and self._step(task) * steps < SMALL

    def workers(self) -> float:
        """How many workers the rest is worth, by what is known of it."""
        return sum(self._work(task) for task in self._left) / WORTH

    def _work(self, task: str) -> float:
        """Seconds of the task's steps that are left; none if its orders are small."""
        left = self._left[task]
        if self.is_small(task, min(left, self._at_once.get(task, 1))):
            return 0.0
        return self._step(task) * left

    def _step(self, task: str) -> float:
        """Seconds that one step takes, as far as that is known; 0 where nothing is."""
        took = self._took.get(task, deque())
        usual = (
            sorted(took)[(len(took) - 1) // 2] if len(took) > 1 else max(0.0, sum(took) - WARM_UP)
        )
        return max(usual, self._lasting.get(task, 0.0))
