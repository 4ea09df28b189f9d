"""What is remembered of steps that failed, and when each may be tried again.

A pure account by task and partition. A step is remembered with the digest of its inputs and code:
once that is another one, it is tried at once. Knows nothing of how it is kept, or of why it failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.zone import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.scheduler.outlook import FailedSteps, Steps

OF_MACHINE_AT_MOST = 600
"""So many seconds at most lie between two tries of a step with which the machine failed."""
_DOUBLINGS = 40
"""More of them would come to more than a day, whatever the delay is."""


@dataclass(frozen=True, slots=True)
class Tries:
    """The steps of one task that failed, in order of `ordinals`; each array has an entry for each.

    `digests` are those of the inputs and code with which it failed, `counts` how often it has with
    these, `at` when it last did, in epoch seconds. `of_machine` is how often in a row, up to then,
    it was the machine that failed and not the task. `said` is the line to read first of the
    failure that was remembered last.
    """

    ordinals: NDArray[np.int64]
    digests: NDArray[np.uint64]
    counts: NDArray[np.int64]
    at: NDArray[np.float64]
    of_machine: NDArray[np.int64]
    said: str = ""

    def __len__(self) -> int:
        return len(self.ordinals)

    def taken(self, places: NDArray[np.bool_] | NDArray[np.int64]) -> Tries:
        """Those for which a mask is true, or those at these places."""
        return Tries(
            self.ordinals[places], self.digests[places], self.counts[places], self.at[places],
            self.of_machine[places], self.said,
        )  # fmt: skip

    def tried_again_at(self, retry_delay: float) -> NDArray[np.float64]:
        """When each is tried again: after `retry_delay` seconds, twice that, and so on.

        At most a day lies between two tries, and at most `OF_MACHINE_AT_MOST` where it was the
        machine that failed, for which nothing counts but how often in a row it did.
        """
        by_machine = self.of_machine > 0
        times = np.where(by_machine, self.of_machine, self.counts)
        doubled = retry_delay * np.exp2(np.clip(times - 1, 0, _DOUBLINGS))
        most = np.where(by_machine, OF_MACHINE_AT_MOST, DAY)
        return np.asarray(self.at + np.minimum(doubled, most))


NO_TRIES = Tries(
    np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0),
    np.zeros(0, np.int64),
)  # fmt: skip

Memory = Mapping[str, Tries]
"""What is remembered of each task of which a step failed."""


def failed_alike(tries: Tries, steps: Steps) -> NDArray[np.bool_]:
    """Which remembered steps could begin now and would be tried with the same once more."""
    at = np.searchsorted(steps.ordinals, tries.ordinals)
    at = np.minimum(at, max(len(steps.ordinals) - 1, 0))
    if not len(steps.ordinals):
        return np.zeros(len(tries), np.bool_)
    same: NDArray[np.bool_] = (steps.ordinals[at] == tries.ordinals) & (
        steps.digests[at] == tries.digests
    )
    return same


def held(tries: Tries, steps: Steps, now: float) -> Tries:
    """The remembered steps that are not to be begun yet.

    One that failed later than now, since the clock was put back, is held no longer than its delay.
    """
    until = tries.tried_again_at(steps.retry_delay)
    waits = failed_alike(tries, steps) & (now < until) & (tries.at <= now)
    return tries.taken(waits)


def with_failures(memory: Memory, failures: Iterable[FailedSteps], now: float) -> Memory:
    """The memory in which these steps have failed now, once more if with the same as before.

    A failure of the machine counts for no step: how often the task itself failed stays.
    """
    merged = dict(memory)
    for failed in failures:
        merged[failed.task] = _merged(merged.get(failed.task, NO_TRIES), failed, now)
    return merged


def without_what_is_over(memory: Memory, steps: Mapping[str, Steps]) -> Memory:
    """The memory without steps that are no longer to be made, or would be tried with another."""
    kept = {}
    for task, tries in memory.items():
        if task in steps and (same := failed_alike(tries, steps[task])).any():
            kept[task] = tries if same.all() else tries.taken(same)
    return kept


def next_try(memory: Memory, steps: Mapping[str, Steps], now: float) -> float | None:
    """The first moment after `now` at which a remembered step is tried again; None if none is."""
    moments = [
        held(tries, steps[task], now).tried_again_at(steps[task].retry_delay)
        for task, tries in memory.items()
        if task in steps
    ]
    return min((float(each.min()) for each in moments if len(each)), default=None)


def _merged(tries: Tries, failed: FailedSteps, now: float) -> Tries:
    """The tries of a task with those that failed now in place of what was remembered of them."""
    order = np.argsort(failed.ordinals, kind="stable")
    n, ordinals, digests = len(order), failed.ordinals[order], failed.digests[order]
    counts, of_machine = np.zeros((2, n), np.int64)
    if len(tries):
        places = np.minimum(np.searchsorted(tries.ordinals, ordinals), len(tries) - 1)
        again = (tries.ordinals[places] == ordinals) & (tries.digests[places] == digests)
        counts[again] = tries.counts[places[again]]
        of_machine[again] = tries.of_machine[places[again]]
    counts, of_machine = (
        (counts, of_machine + 1) if failed.of_machine else (counts + 1, np.zeros(n, np.int64))
    )
    stays = tries.taken(~np.isin(tries.ordinals, ordinals))
    together = Tries(
        np.concatenate([stays.ordinals, ordinals]),
        np.concatenate([stays.digests, digests]),
        np.concatenate([stays.counts, counts]),
        np.concatenate([stays.at, np.full(n, now)]),
        np.concatenate([stays.of_machine, of_machine]),
        failed.said,
    )
    return together.taken(np.argsort(together.ordinals, kind="stable"))
