"""What a tick comes to, as data: what is to be run, and until when nothing is to be done.

Knows nothing of how it is decided or carried out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acts:
    """What is to be done now, and until when nothing else is.

    `begins_run` says that a run is to begin beside those that go on: of what is due by its own
    plan, and at most `run_at_most` steps. `sleep_until` is in epoch seconds. `looks_at_all` says
    that the next look is at everything, not only at sources that may still change.
    """

    begins_run: bool
    sleep_until: float
    looks_at_all: bool
