"""Says by when the partitions of a dataset are expected, and how old the newest one may become.

Knows nothing of what exists, or of the present time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.errors import DeclarationError
from partflow.partitions.calendar import Whole
from partflow.partitions.spans import Duration, duration
from partflow.partitions.zone import DAY, clock_moments

if TYPE_CHECKING:
    from partflow.partitions.calendar import Grain
    from partflow.partitions.zone import Seconds

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\Z")


@dataclass(frozen=True, slots=True)
class Expected:
    """When a partition is expected: at a time of its zone's clock, or a span after its end.

    `clock` is that time in seconds of the day, `after` that span in seconds; at most one is given.
    `max_age` is in seconds: so old may the newest fresh partition become, counted from its end.
    `text` is equal for equal declarations.
    """

    text: str
    clock: int | None = None
    after: int | None = None
    max_age: int | None = None

    @property
    def has_moments(self) -> bool:
        """Whether each partition has a moment by which it is expected."""
        return self.clock is not None or self.after is not None

    def moments(self, grain: Grain, lo: int, hi: int) -> Seconds:
        """The moment in epoch seconds by which each of the partitions `[lo, hi)` is expected.

        For a time of the clock it is the first one at or after the interval's end; where the clock
        skips it, when the clock goes on. Requires: `has_moments`.
        """
        ends = grain.edges(lo, hi)[1:]
        if self.clock is None:
            return np.asarray(ends + (self.after or 0))
        if not len(ends):
            return ends
        shown = clock_moments(grain.tz, self.clock, int(ends[0]), int(ends[-1]) + 2 * DAY)
        return np.asarray(shown[np.searchsorted(shown, ends)])


def expected_of(
    expect_by: Duration | None, max_age: Duration | None, grain: Grain
) -> Expected | None:
    """What is expected of a dataset of that grain; None if nothing is.

    DeclarationError if one of them says no time, or none that means anything for the grain.
    """
    if expect_by is None and max_age is None:
        return None
    age, clock, after = duration(max_age, "max_age"), None, None
    match = _CLOCK.match(expect_by) if isinstance(expect_by, str) else None
    if expect_by is not None and isinstance(grain, Whole):
        raise DeclarationError(
            f"expect_by={expect_by!r}: a Whole dataset has no end to count from; give max_age"
        )
    if match and grain.is_timed:
        raise DeclarationError(
            f"expect_by={expect_by!r}: intervals shorter than a day are expected a span after "
            "their end; write one such as '2h'"
        )
    if match:
        clock = int(match[1]) * 3600 + int(match[2]) * 60
    elif expect_by is not None:
        after = _span(expect_by)
    seconds = None if age is None else int(age.total_seconds())
    return Expected(f"{expect_by} {seconds}", clock, after, seconds)


def _span(expect_by: Duration) -> int:
    try:
        span = duration(expect_by, "expect_by")
    except DeclarationError:
        raise DeclarationError(
            f"expect_by={expect_by!r} is neither a time of day such as '08:00' nor a span after "
            "the interval's end such as '2h'"
        ) from None
    assert span is not None
    return int(span.total_seconds())
