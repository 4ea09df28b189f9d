"""Which partitions of a dataset a partition of a task reads: arithmetic on ordinals alone.

Each partition reads one range of ordinals, which neither begins nor ends before that of an earlier
partition. Knows nothing of datasets or tasks: grains come in, arrays come out.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.calendar import Grain, Whole
from partflow.partitions.spans import moved

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NONE = np.zeros(1, np.int64)


class Form(Enum):
    """How a partition of a task finds what it reads of one dataset."""

    OVERLAP = "overlap"
    OVERLAPPING = "overlapping"
    WINDOW = "window"
    SPAN = "span"
    PREVIOUS = "previous"
    HISTORY = "history"
    ASOF = "asof"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class Extent:
    """Ordinals `[lo, hi)` of a dataset or task that can ever exist; `hi` is None while open."""

    lo: int
    hi: int | None

    def clip(self, other: Extent) -> Extent:
        """What lies in both."""
        ends = [hi for hi in (self.hi, other.hi) if hi is not None]
        lo = max(self.lo, other.lo)
        return Extent(lo, max(lo, min(ends)) if ends else None)

    def until(self, horizon: int) -> int:
        """The exclusive end if nothing from `horizon` on exists yet; at least `lo`."""
        return max(self.lo, horizon if self.hi is None else min(self.hi, horizon))


@dataclass(frozen=True, slots=True)
class ReadMapping:
    """A form of reading a dataset whose grain is `line`.

    `first` and `last` are the ends of a window or a span; `first` is the bound of WITHIN, such as
    "5d". They mean nothing for other forms. Of WITHIN the range holds all that can be chosen from:
    what had ended when the task's interval began, and ended no longer than the bound before that.
    """

    line: Grain
    form: Form
    first: int | str
    last: int | str

    def reach(self, grain: Grain, extent: Extent) -> Extent:
        """The ordinals of a task's `grain` whose read is not wholly outside of the `extent`."""
        everything, line = Extent(grain.lo, grain.hi), self.line
        if isinstance(grain, Whole) or isinstance(line, Whole):
            return everything
        is_past = self.form in (Form.ASOF, Form.WITHIN)
        if not is_past and (line is grain or line.same_line(grain)):
            return everything.clip(extent)
        begin = line.interval(extent.lo)
        if is_past:
            first = grain.ordinal_at(begin.end)
            first += grain.interval(first).start < begin.end
            end = first if extent.lo == extent.hi else self._too_late(grain, first, extent)
            return everything.clip(Extent(first, end))
        if extent.hi is None:
            return everything.clip(Extent(grain.ordinal_at(begin.start), None))
        end = line.interval(extent.hi - 1).end if extent.hi > extent.lo else begin.start
        lo, hi = grain.overlapping(begin.start, end)
        return everything.clip(Extent(lo, max(lo, hi)))

    def _too_late(self, grain: Grain, first: int, extent: Extent) -> int | None:
        """The first ordinal from `first` on for which all of the extent is too old; or None.

        It is looked for in steps that double, and then between the last two.
        """
        if self.form is not Form.WITHIN or extent.hi is None:
            return None
        end = extent.hi

        def is_too_late(ordinal: int) -> bool:
            a, _ = self._shifted(grain, (ordinal, ordinal + 1), _NONE, _NONE, extent)
            return int(a[0]) >= end

        step = 1
        while not is_too_late(first + step):
            step *= 2
        return first + bisect_left(range(first, first + step), 1, key=is_too_late)

    def bounds(
        self, grain: Grain, lo: int, hi: int, extent: Extent, horizon: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The arrays `a` and `b`: each ordinal of `[lo, hi)` of `grain` reads the range `[a, b)`.

        Neither array ever decreases. They are clipped to `extent`, and not to what exists. A task
        that is Whole reads what is due, so that its range ends at `horizon`.
        """
        line = self.line
        if isinstance(grain, Whole) and not isinstance(line, Whole):
            end = extent.lo if self.form is Form.PREVIOUS else extent.until(horizon)
            return np.array([extent.lo]), np.array([end])
        first, last = self._base(grain, lo, hi)
        a, b = self._shifted(grain, (lo, hi), first, last, extent)
        top = np.iinfo(np.int64).max if extent.hi is None else extent.hi
        a = np.clip(a, extent.lo, top)
        return a, np.maximum(np.clip(b, extent.lo, top), a)

    def _base(self, grain: Grain, lo: int, hi: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ordinals that overlap each interval: the first, and one past the last."""
        line = self.line
        if isinstance(line, Whole):
            return np.zeros(hi - lo, np.int64), np.ones(hi - lo, np.int64)
        if line.same_line(grain):
            own = np.arange(lo, hi, dtype=np.int64)
            return own, own + 1
        edges = grain.edges(lo, hi)
        return line.ordinals_at(edges[:-1]), line.ordinals_at(edges[1:] - 1) + 1

    def _shifted(
        self,
        grain: Grain,
        span: tuple[int, int],
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        extent: Extent,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ranges that the form makes of those that overlap; not clipped yet."""
        if self.form is Form.WINDOW:
            return first + int(self.first), last + int(self.last)
        if self.form is Form.SPAN:
            edges, line = grain.edges(*span), self.line
            begins = moved(edges[:-1], str(self.first), line.tz)
            ends = moved(edges[1:], str(self.last), line.tz)
            return line.ordinals_at(begins), line.ordinals_at(ends - 1) + 1
        if self.form is Form.PREVIOUS:
            return first - 1, first
        if self.form is Form.HISTORY:
            return np.full(len(first), extent.lo, np.int64), last
        if self.form is Form.WITHIN:
            oldest = moved(grain.edges(*span)[:-1], f"-{self.first}", self.line.tz)
            return self.line.ordinals_at(oldest - 1), first
        if self.form is Form.ASOF:
            newest = first - 1
            if extent.hi is not None:
                newest = np.minimum(newest, extent.hi - 1)
            return newest, newest + 1
        return first, last
