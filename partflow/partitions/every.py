"""Cuts time into steps of N days, hours or minutes from an anchor.

Knows nothing of the other grains. Anchors that lie whole steps apart give the same
intervals, with the same ordinals and the same signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from partflow.errors import DeclarationError
from partflow.partitions.grain import Grain, moments_written, written_times
from partflow.partitions.zone import clamped, days_at, days_of, starts_of_days

if TYPE_CHECKING:
    from datetime import date, datetime

    from numpy.typing import NDArray

    from partflow.partitions.zone import Moment, Ordinals, Seconds

_STEP = re.compile(r"(?a)([1-9]\d{0,6}) ?([mhdw])")
_MINUTE, _HOUR, _DAY = 60, 60, 24 * 60
_LONGEST = 3660
"""The longest step, in days: ten years."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Every(Grain):
    """Steps of whole local days ("3d", "2w"), or of elapsed time ("6h", "15m").

    `start` is the anchor: a step begins there, or, if steps are of days, on its local day. `size`
    is the length of a step, and `phase` is where the first one since 1970 begins; both are in the
    `unit`. DeclarationError, as of any `Grain`; also if `step` is no length of time or a too long
    one, or if the `start` of steps of elapsed time is no whole minute.
    """

    size: int
    unit: Literal["day", "minute"]
    phase: int

    kind: ClassVar[str] = "every"
    column: ClassVar[str | None] = None

    def __init__(
        self, step: str, start: Moment, end: Moment | None = None, tz: str = "UTC"
    ) -> None:
        try:
            size, unit = _parsed(step)
        except DeclarationError as error:
            self._refuse(error)
            size, unit = 1, "day"
        object.__setattr__(self, "tz", tz)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "unit", unit)
        begin, until = self._between(start, end)
        object.__setattr__(self, "phase", self._anchor(begin) % size)
        self._limit(begin, until)

    def __repr__(self) -> str:
        # Not super(): slots=True makes a second class, and super() would refer to the first one.
        return Grain.__repr__(self).replace("(", f"({self.step!r}, ", 1)

    @property
    def step(self) -> str:
        """The length of a step: in d if it is of days; else in h, or in m if not of whole hours."""
        if self.unit == "day":
            return f"{self.size}d"
        return f"{self.size}m" if self.size % _HOUR else f"{self.size // _HOUR}h"

    @property
    def template(self) -> str:
        """A date for steps of days; else a time of UTC, with minutes if any step needs them."""
        if self.unit == "day":
            return "0000-00-00"
        has_minutes = self.size % _HOUR or self.phase % _HOUR
        return "0000-00-00T0000" if has_minutes else "0000-00-00T00"

    @property
    def signature(self) -> tuple[str, ...]:
        """The kind, the step, where the first step since 1970 begins, and the zone."""
        unit = "M8[D]" if self.unit == "day" else "M8[m]"
        return (self.kind, self.step, str(np.array(self.phase).astype(unit)), self.tz)

    @property
    def line(self) -> tuple[str, ...]:
        """The signature; for elapsed time without the zone, since it is the same in all of them."""
        return self.signature if self.unit == "day" else self.signature[:-1]

    def describe(self) -> str:
        """The step, the first declared key and, unless it is UTC, the zone."""
        zone = "" if self.tz == "UTC" else f", {self.tz}"
        return f"every {self.step} from {self.key(self.lo)}{zone}"

    def starts(self, ordinals: Ordinals) -> Seconds:
        """The first moments of the steps' first days, or of their first minutes."""
        places = self._places(ordinals)
        return starts_of_days(self.tz, places) if self.unit == "day" else places * _MINUTE

    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The step that holds each moment."""
        inside = clamped(moments)
        is_daily = self.unit == "day"
        return self._of_places(days_at(self.tz, inside) if is_daily else inside // _MINUTE)

    def column_values(self, lo: int, hi: int) -> list[date | datetime]:
        """The steps' first days; of elapsed time their beginnings as naive datetimes in UTC."""
        if self.is_timed:
            return Grain.column_values(self, lo, hi)
        first = self._places(np.arange(lo, hi, dtype=np.int64))
        values: list[date | datetime] = first.astype("M8[D]").tolist()
        return values

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        if self.is_timed:
            return written_times(self.starts(ordinals), self.template)
        return np.datetime_as_string(self._places(ordinals).astype("M8[D]"))

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        if self.is_timed:
            return self.ordinals_at(moments_written(numbers))
        year, month, day = numbers
        return self._of_places(days_of(year, month, day))

    def _anchor(self, begin: int) -> int:
        """The day or minute that holds the declared start, counted from 1970-01-01."""
        if self.unit == "day":
            return int(days_at(self.tz, np.array([begin], dtype=np.int64))[0])
        return begin // _MINUTE

    def _checked(self, start: Moment, end: Moment | None) -> tuple[int, int | None]:
        # Not super(): slots=True makes a second class, and super() would refer to the first one.
        begin, until = Grain._checked(self, start, end)  # noqa: SLF001 - its own
        if self.unit == "minute" and begin % _MINUTE:
            raise DeclarationError(
                f"Every({self.step!r}, start={start!r}): not a whole minute of UTC, and keys go to "
                "the minute; write a start such as '2024-01-31T05:15Z'"
            )
        return begin, until

    def _places(self, ordinals: Ordinals) -> Ordinals:
        """The day or minute, counted from 1970-01-01, on which each step begins."""
        return self.phase + self.size * ordinals

    def _of_places(self, places: Ordinals) -> Ordinals:
        """The step that holds each day or minute, counted from 1970-01-01."""
        return (places - self.phase) // self.size


def _parsed(step: object) -> tuple[int, Literal["day", "minute"]]:
    """How long a step is, and in which unit; DeclarationError if the text is no such length."""
    written = _STEP.fullmatch(step) if isinstance(step, str) else None
    if written is None:
        raise DeclarationError(
            f"Every({step!r}): not a step; write a number of weeks, days, hours or minutes, "
            "as in '2w', '3d', '6h' or '15m'"
        )
    count = int(written[1])
    size = count * {"w": 7, "d": 1, "h": _HOUR, "m": 1}[written[2]]
    days = size if written[2] in "wd" else size / _DAY
    if days > _LONGEST:
        raise DeclarationError(f"Every({step!r}): a step is at most {_LONGEST} days long")
    return size, "day" if written[2] in "wd" else "minute"
