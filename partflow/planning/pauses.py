"""What somebody paused: by whom, since when, until when and why; and how that is written down.

Knows nothing of where it is recorded. What is paused is left by what runs by itself; by hand it can
still be made, and its readers go on with what there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from partflow.errors import DeclarationError, UsageError
from partflow.partitions.grain import Grain
from partflow.partitions.spans import duration

PAUSED = "paused"
"""The kind under which pauses are noted."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A dataset, source or effect is paused `since` a moment, by somebody, for a reason or "".

    Moments are in epoch seconds; `until` is None for a pause that lasts until it is ended.
    """

    since: int
    by: str
    why: str = ""
    until: int | None = None

    def text(self) -> str:
        """The pause as a line that `pauses_of` reads."""
        return json.dumps(asdict(self), sort_keys=True)


def pauses_of(texts: Mapping[str, str], now: int) -> dict[str, Pause]:
    """The pauses by node that last at `now`, from their lines; a line that is none is left out."""
    pauses = {}
    for node, text in texts.items():
        pause = _parsed(text)
        if pause is not None and (pause.until is None or now < pause.until):
            pauses[node] = pause
    return pauses


def until_of(text: str, grain: Grain, now: int) -> int:
    """The moment that a person typed: a span of time from `now` on, or a date in the grain's zone.

    UsageError if it is neither, or lies behind.
    """
    try:
        span = duration(text, "until")
        until = now + int(span.total_seconds()) if span is not None else now
    except DeclarationError:
        until = grain.moment(text)
    if until <= now:
        raise UsageError(f"--until {text} lies behind; name a later time, or a span such as 2h")
    return until


def _parsed(text: str) -> Pause | None:
    try:
        said = json.loads(text)
        until = None if said["until"] is None else int(said["until"])
        return Pause(int(said["since"]), str(said["by"]), str(said["why"]), until)
    except (ValueError, TypeError, KeyError):
        return None
