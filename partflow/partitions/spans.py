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
    """The elapsed time that a text such as "10s", "5m" or "3d" says; None stays None.

    DeclarationError, which names `what` the text was given for, if it says none or a too long one.
    """
    if text is None or isinstance(text, timedelta):
        return text
    value: object = text
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    try:
        if match:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise DeclarationError(f"{what}={text!r} is too long a span of time") from None
    raise DeclarationError(f"{what}={text!r} is not a span of time; write '10s', '5m' or '3d'")


def is_span(text: str) -> bool:
    """Whether a text is a span of the calendar: -7d, 2w, -1 months, 6h, 30m."""
    return _SPAN.match(text.strip()) is not None


def moved(moments: NDArray[np.int64], text: str, tz: str) -> NDArray[np.int64]:
    """Sorted moments in epoch seconds, each moved by the span; the result is sorted, too.

    h and m are elapsed time; d, w and months go by the calendar of the zone `tz`. The beginning of
    a day moves to the beginning of a day, any other moment to the same time of day. A day that the
    other month lacks moves to the end of that month: if it moved to the last day, an earlier moment
    could come to lie after it. Where the clock was turned back, a moment moves no
    further back than the moment before it. Requires: `is_span(text)`.
    """
    match = _SPAN.match(text.strip())
    assert match is not None, f"BUG: {text!r} is no span"
    count, unit = int(match[1]), match[2]
    if unit in _ELAPSED:
        return moments + count * _ELAPSED[unit]
    if not count:
        return moments  # below, a time that the clock shows again would become its first showing
    line = Daily("1970-01-01", tz=tz)
    days = line.ordinals_at(moments)
    lacking = np.zeros(len(days), np.bool_)
    if "month" in unit:
        targets, lacking = _months_on(days, count)
    else:
        targets = days + count * (7 if unit == "w" else 1)
    low = int(min(days.min(), targets.min()))
    edges = line.edges(low, int(max(days.max(), targets.max())) + 1)
    result = edges[targets - low]
    for i in np.flatnonzero((moments != edges[days - low]) & ~lacking).tolist():
        result[i] = same_clock(int(moments[i]), int(targets[i]), tz)
    return np.maximum.accumulate(result)


def _months_on(days: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The same day of the month, `count` months on; and a mask of those that this month lacks.

    In place of a day that it lacks stands the first day of the month after it.
    """
    months = days.astype("M8[D]").astype("M8[M]")
    day_of_month = days - months.astype("M8[D]").astype(np.int64)
    first = (months + count).astype("M8[D]").astype(np.int64)
    end = (months + count + 1).astype("M8[D]").astype(np.int64)
    return np.minimum(first + day_of_month, end), first + day_of_month >= end
