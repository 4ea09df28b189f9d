"""Named points of publishing at which a test can kill or stop this process, or raise an error.

Knows nothing of what is done there. All are off unless the environment's `_PARTFLOW_FAILPOINT` arms
one. That is for partflow's own tests, and is no setting.
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
"""Stands for every point: `any:7=kill` kills at the seventh point that is reached."""


class FailpointAction(Enum):
    """What happens: SIGKILL, an error of a full or broken disk, or SIGSTOP."""

    KILL = "kill"
    FULL = "full"
    ERROR = "error"
    STOP = "stop"


@dataclass(slots=True)
class _Armed:
    """The armed point: its name, at which passing it acts, and how."""

    name: str
    number: int
    action: FailpointAction
    passed: int = 0


def failpoint(name: str) -> None:
    """Pass the point `name`; if it is armed, OSError, or this process is killed or stopped.

    ConfigurationError if the environment arms a point in a wrong form.
    """
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
    """The point that the environment arms, as `name=action` or `name:number=action`.

    ConfigurationError if it is written otherwise.
    """
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
