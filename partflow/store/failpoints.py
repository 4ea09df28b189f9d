"""Named points of publishing at which a test can kill, stop or refuse this very process.

Knows nothing of what is done there. Off unless the environment arms one: then to reach a point
costs a comparison. It is no setting: `_PARTFLOW_FAILPOINT` is for partflow's own tests.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
from dataclasses import dataclass
from enum import Enum

from partflow.errors import ConfigurationError

VARIABLE = "_PARTFLOW_FAILPOINT"
ANY = "any"
"""Stands for every point: `any:7=kill` is the seventh that is reached, whichever it is."""


class FailpointAction(Enum):
    """What becomes of the process: killed at once, an error of the disk, stopped till woken."""

    KILL = "kill"
    FULL = "full"
    ERROR = "error"
    STOP = "stop"


@dataclass(slots=True)
class _Armed:
    """The one point that is armed: its name, the passing that counts, and what happens then."""

    name: str
    number: int
    action: FailpointAction
    passed: int = 0


def failpoint(name: str) -> None:
    """Pass the point `name`; OSError, or the end of this process, if it is the one armed."""
    armed = _armed()
    if armed is None or armed.name not in (name, ANY):
        return
    armed.passed += 1
    if armed.passed != armed.number:
        return
    os.write(2, f"failpoint {name}\n".encode())
    if armed.action is FailpointAction.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif armed.action is FailpointAction.STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        number = errno.ENOSPC if armed.action is FailpointAction.FULL else errno.EIO
        raise OSError(number, os.strerror(number), f"failpoint {name}")


@functools.cache
def _armed() -> _Armed | None:
    """What the environment arms, written `name=action` or `name:number=action`."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    place, _, action = text.partition("=")
    name, _, number = place.partition(":")
    try:
        return _Armed(name, int(number or 1), FailpointAction(action))
    except ValueError:
        known = ", ".join(a.value for a in FailpointAction)
        raise ConfigurationError(
            f"the environment's {VARIABLE} is {text!r}; write name:number=action, one of {known}"
        ) from None
