"""What the process that leads hears from outside, as data: from its children, and beside them.

Knows nothing of where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

from partflow.scheduler.messages import (
    Ended,
    Leased,
    LookDone,
    LookFailed,
    NotLoaded,
    Progressed,
    StepLost,
)

RunNews = Leased | Progressed | StepLost | Ended
"""What a run says."""


@dataclass(frozen=True, slots=True)
class OfRun:
    """What the run of that number says."""

    number: int
    said: RunNews


@dataclass(frozen=True, slots=True)
class Died:
    """A child has died, or was ended because it did not come to an end.

    `doing` is what it was at: `load`, `look` or `run`, of which `number` says which. `said` is how
    it ended, `place` the user's line that it was at; "" if that is not known.
    """

    doing: str
    said: str
    place: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Files of the project have changed; they are loaded when they have been so for a moment."""


@dataclass(frozen=True, slots=True)
class Stirred:
    """Something has happened in the folder of a source: a hint that a look is worth it."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Something that was being sent was, or was refused."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asks `serve` to end."""


News = LookDone | LookFailed | NotLoaded | OfRun | Died | Changed | Stirred | Delivered | Stopped
