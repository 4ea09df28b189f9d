"""What a child saw of the warehouse, as data: all that the leading process decides from.

Knows nothing of the user's code, of plans, or of files: it passes between processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from partflow.scheduler.tries import Memory


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one task that could begin now, or after others of the same outlook.

    `ordinals`, `digests` and `due` have one entry for each step. A digest is of the step's inputs
    and code: while it stays, whatever failed would be tried with the same again. `due` is since
    when it could be made, in epoch seconds: its interval's end and its task's lag. `retry_delay`
    is the task's, in seconds.
    """

    task: str
    ordinals: NDArray[np.int64]
    digests: NDArray[np.uint64]
    due: NDArray[np.int64]
    retry_delay: float = 10.0


@dataclass(frozen=True, slots=True)
class FailedSteps:
    """Steps of one task that failed in a run, or that it left because others had failed alike.

    `ordinals` and `digests` are as in `Steps`. `said` is the line to read first. `of_machine` says
    that the machine failed and not the task: a full disk, no memory, a worker that was killed.
    """

    task: str
    ordinals: NDArray[np.int64]
    digests: NDArray[np.uint64]
    said: str
    of_machine: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Root:
    """What a trouble comes from: a task, source, dataset or channel (`name`), and what it does.

    `kind` is one of `failed`, `unreadable`, `late`, `too old`, `perhaps done`, `changed outside`,
    `clock`, `source`, `project`, `child`, `channel`, `machine`.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one root now, and how far it reaches.

    `count` partitions have it, from the key `first` to `last`, and `blocked` others wait behind
    them; 0 and "" if it is of no partition. `since` is in epoch seconds. `said` is the line to
    read first, the user's own if there is one; `advice` is what goes on, a command if there is one.
    """

    root: Root
    since: float
    said: str
    advice: str
    count: int = 0
    first: str = ""
    last: str = ""
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was seen at `at`, in epoch seconds: what could be made, what is wrong, what comes next.

    `steps` are those that could begin now, by task in the graph's order; `failing` is what of the
    remembered tries still stands, whether the steps are held or among `steps` once more.
    `changes_at` is the next moment, in epoch seconds, at which time alone changes any of it; None
    if it never does. `looked_at_all` is when everything was last looked at, not only sources that
    may still change. `graph` is the digest of the graph and code that was loaded.
    """

    at: float
    steps: Mapping[str, Steps]
    failing: Memory
    troubles: tuple[Trouble, ...] = ()
    changes_at: float | None = None
    looked_at_all: float = 0.0
    graph: str = ""
