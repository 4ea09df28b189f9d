"""Says of a run's failures which steps they were, with which inputs and code, as is remembered.

Pure. Knows nothing of how it is kept, or of when a step is tried again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from partflow.execution.controls import Failed, Result
from partflow.planning.plan import Action
from partflow.scheduler.outlook import FailedSteps, Steps

_OF_MACHINE: Final = re.compile(
    r"^MemoryError\b|\[Errno (5|12|23|24|28|30|122)\]|No space left on device|\(signal 9: "
)
"""What the messages of failures have in common that are the machine's: the disk, memory, a kill."""


def failing_tasks(result: Result) -> frozenset[str]:
    """The tasks of which a step failed for good in a run."""
    return frozenset(f.task for f in result.summary.failures) if result.summary else frozenset()


def failed_steps(result: Result, steps: Mapping[str, Steps]) -> list[FailedSteps]:
    """The steps that failed in a run, or that it left since others had failed alike.

    `steps` are those that could be made after the run, with the digests of then: what is no longer
    among them has not failed with these. `said` is of the failure that came last.
    """
    summary, failures = result.summary, list[FailedSteps]()
    left = {each.task for each in summary.left} if summary else set[str]()
    for name in sorted(failing_tasks(result) & steps.keys()):
        mine = [f for f in summary.failures if f.task == name] if summary else []
        for of_machine in (False, True):
            alike = [f for f in mine if is_of_machine(f.failure.message) is of_machine]
            if alike:
                with_left = name in left and alike[-1] is mine[-1]
                failures += _failed(result, steps[name], alike, with_left=with_left)
    return failures


def is_of_machine(message: str) -> bool:
    """Whether a failure is the machine's and not the task's, by its message."""
    return _OF_MACHINE.search(message) is not None


def _failed(
    result: Result, steps: Steps, failed: list[Failed], *, with_left: bool
) -> list[FailedSteps]:
    planned = result.plan.tasks[steps.task]
    grain = planned.task.grain
    ordinals = np.array(sorted({grain.ordinal(f.key) for f in failed}), np.int64)
    if with_left:
        ordinals = np.flatnonzero(planned.action != Action.NONE).astype(np.int64) + planned.lo
    still = np.isin(steps.ordinals, ordinals)
    if not still.any():
        return []
    message = failed[-1].failure.message
    of_machine, said = is_of_machine(message), message.split("\n")[0]
    return [FailedSteps(steps.task, steps.ordinals[still], steps.digests[still], said, of_machine)]
