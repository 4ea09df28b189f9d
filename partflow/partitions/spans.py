"""Spans of time as users write them: elapsed ones ("5m"), and those of the calendar ("-7d").

Knows nothing of tasks or datasets.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from partflow.errors import DeclarationError
from partflow.partitions.calendar import Daily
from partflow.partitions.zone import same_clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

Duration = str | timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\Z")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"([+-]?\d+)\s*(months|month|w|d|h|m)\Z")
_ELAPSED = {"h": 3600, "m": 60}


def duration(text: Duration | None, what: str) -> timedelta | None:
    """A span of elapsed time from "10s", "5m", "3d"; None stays None."""
    if text is None or isinstance(text, timedelta):
        return text
    given: object = text
    found = _DURATION.match(given.strip()) if isinstance(given, str) else None
    try:
        if found:
            return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise DeclarationError(f"{what}={text!r} is too long a span of time") from None
    raise DeclarationError(f"{what}={text!r} is not a span of time; write '10s', '5m' or '3d'")


def is_span(text: str) -> bool:
    """Whether a text is a span of the calendar: -7d, 2w, -1 months, 6h, 30m."""
    return _SPAN.match(text.strip()) is not None


def moved(moments: NDArray[np.int64], text: str, tz: str) -> NDArray[np.int64]:
    """Moments in epoch seconds and in their order, moved by a span; their order stays.

    h and m are elapsed time; d, w and months go by the calendar of the zone `tz`. A day's beginning
    goes to a day's beginning, any other moment keeps what its clock shows. A day that the other
    month lacks goes to where that month ends: to put its last day there would turn back time for
    moments within a day. Where the clock is turned back, what it shows the second time goes no
    further back than what it showed before. Requires: `is_span(text)`.
    """
    found = _SPAN.match(text.strip())
    assert found is not None, f"BUG: {text!r} is no span"
    count, unit = int(found[1]), found[2]
    if unit in _ELAPSED:
        return moments + count * _ELAPSED[unit]
    if not count:
        return moments  # also those that the clock shows twice
    line = Daily("1970-01-01", tz=tz)
    own = line.ordinals_at(moments)
    lacking = np.zeros(len(own), np.bool_)
    if "month" in unit:
        days, lacking = _months_on(own, count)
    else:
        days = own + count * (7 if unit == "w" else 1)
    low = int(min(own.min(), days.min()))
    edges = line.edges(low, int(max(own.max(), days.max())) + 1)
    target = edges[days - low]
    for i in np.flatnonzero((moments != edges[own - low]) & ~lacking).tolist():
        target[i] = same_clock(int(moments[i]), int(days[i]), tz)
    return np.maximum.accumulate(target)


def _months_on(days: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The same day of the month, `count` months on; and where that month ends before that day."""
    months = days.astype("M8[D]").astype("M8[M]")
    day_of_month = days - months.astype("M8[D]").astype(np.int64)
    first = (months + count).astype("M8[D]").astype(np.int64)
    after = (months + count + 1).astype("M8[D]").astype(np.int64)
    return np.minimum(first + day_of_month, after), first + day_of_month >= after
