"""Mappings between any two grains, in both directions, against a look at each pair of intervals."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from partflow.declarations.dataset import Dataset, Read
from partflow.declarations.mapping import Extent, Form
from partflow.partitions.calendar import Cron, Daily, Every, Grain, Hourly, Monthly, Weekly, Whole

DAY, HOUR = 86400, 3600
# The clock moves by an hour, by half an hour, at midnight, by a day, or never.
ERAS = {
    "UTC": "2024-02-28",
    "Europe/Berlin": "2024-10-26",
    "America/Sao_Paulo": "2018-11-03",
    "Australia/Lord_Howe": "2024-04-06",
    "Pacific/Apia": "2011-12-29",
    "Asia/Beirut": "2022-03-26",
    "Asia/Kolkata": "2024-02-28",
}
FORMS = [
    Read.optional,
    lambda read: Read(read.dataset, Form.OVERLAPPING),
    lambda read: Read(read.dataset, Form.PREVIOUS),
    lambda read: Read(read.dataset, Form.HISTORY),
    lambda read: Read(read.dataset, Form.ASOF),
    lambda read: read.window(-6, 0),
    lambda read: read.window(-1, 2),
    lambda read: read.window("-7d", "0d"),
    lambda read: read.window("-1 months", "-1d"),
    lambda read: read.window("-90m", "6h"),
]


def text(moment: int) -> str:
    return f"{np.datetime64(moment, 's')}Z"


@st.composite
def grains(draw: st.DrawFn, tz: str, around: int) -> Grain:
    """A grain with a range of up to two weeks near a moment, or with an open end."""
    begin = around + draw(st.integers(-9 * 24 * 4, 2 * 24 * 4)) * 900
    length = draw(st.none() | st.integers(3 * DAY // 900, 14 * DAY // 900).map(lambda n: n * 900))
    end = None if length is None else begin + length
    start, until = text(begin), None if end is None else text(end)
    # Hours begin with an hour, and what is made of days with a day.
    hours = [None if moment is None else text(moment // HOUR * HOUR) for moment in (begin, end)]
    days = [None if moment is None else text(moment)[:10] for moment in (begin, end)]
    return draw(
        st.sampled_from(
            [
                Hourly(*hours, tz),
                Daily(*days, tz),
                Weekly(*days, tz),
                Weekly(*days, tz, "sunday"),
                Monthly(*days, tz),
                *(Every(step, start, until, tz) for step in ("1d", "3d", "6h", "90m", "36h")),
                *(
                    Cron(expression, start, until, tz)
                    for expression in ("0 6 * * 1-5", "30 2 * * *", "30 */4 * * *", "0 0 1 * *")
                ),
                Whole(),
            ]
        )
    )


@st.composite
def mappings(draw: st.DrawFn) -> tuple[Grain, Read]:
    """A reader's grain and what it reads, in one zone or in two, around one change of a clock."""
    tz = draw(st.sampled_from(sorted(ERAS)))
    around = int(np.datetime64(ERAS[tz], "s").astype(int))
    zones = st.sampled_from([tz, tz, "UTC", "Europe/Berlin"])
    reader = draw(grains(draw(zones), around))
    dataset = Dataset("d", draw(grains(draw(zones), around)))
    read = draw(st.sampled_from(FORMS))(Read(dataset))
    # What is whole has no newest before a moment, nor a moment to go back from.
    timeless = isinstance(dataset.grain, Whole) and (
        read.form is Form.ASOF or isinstance(reader, Whole)
    )
    return reader, Read(dataset) if timeless else read


def extent_of(grain: Grain) -> Extent:
    return Extent(grain.lo, grain.hi)


def ends_of(reader: Grain) -> tuple[int, int]:
    return reader.lo, reader.lo + 40 if reader.hi is None else min(reader.hi, reader.lo + 400)


def bounds_of(reader: Grain, read: Read) -> tuple[np.ndarray, np.ndarray]:
    lo, hi = ends_of(reader)
    return read.bounds(reader, lo, hi, extent_of(read.dataset.grain), read.dataset.grain.lo + 50)


def touching(reader: Grain, read: Read, ordinal: int) -> list[int]:
    """The ordinals of what is read whose interval touches that of the reader, one by one.

    Of the same grain and zone it is the same one, also for a day that the zone skipped.
    """
    line, here = read.dataset.grain, reader.interval(ordinal)
    if isinstance(reader, Whole) and not isinstance(line, Whole):
        return list(range(line.lo, line.lo + 50 if line.hi is None else min(line.hi, line.lo + 50)))
    near = range(1)
    if not isinstance(line, Whole):
        near = range(line.ordinal_at(here.start) - 2, line.ordinal_at(here.end) + 3)
    spans = ((o, line.interval(o)) for o in near)
    found = [o for o, span in spans if span.start < here.end and span.end > here.start]
    found = [ordinal] if line.same_line(reader) else found
    stop = max(found, default=0) + 1 if line.hi is None else line.hi
    return [o for o in found if line.lo <= o < stop]


laws = settings(max_examples=300, deadline=None)


@laws
@given(mappings())
def test_who_reads_a_partition_is_who_finds_it_among_what_it_reads(mapping) -> None:
    reader, read = mapping
    a, b = bounds_of(reader, read)
    lo = reader.lo
    for p in range(int(a.min()), int(b.max())):
        first = lo + int(np.searchsorted(b, p, side="right"))
        last = lo + int(np.searchsorted(a, p, side="right"))
        readers = set(range(first, last))
        assert readers == {lo + i for i in range(len(a)) if a[i] <= p < b[i]}


@laws
@given(mappings())
def test_what_is_read_never_goes_back_and_stays_in_the_declared_range(mapping) -> None:
    reader, read = mapping
    a, b = bounds_of(reader, read)
    grain = read.dataset.grain
    assert (a <= b).all()
    assert (np.diff(a) >= 0).all()
    assert (np.diff(b) >= 0).all()
    assert (a >= grain.lo).all()
    assert grain.hi is None or (b <= grain.hi).all()


@laws
@given(mappings())
def test_what_overlaps_is_what_touches(mapping) -> None:
    reader, read = mapping
    read = Read(read.dataset, Form.OVERLAPPING)
    a, b = bounds_of(reader, read)
    for i, ordinal in enumerate(range(*ends_of(reader))):
        assert list(range(a[i], b[i])) == touching(reader, read, ordinal), ordinal


@laws
@given(mappings())
def test_two_grains_overlap_in_both_directions_alike(mapping) -> None:
    reader, read = mapping
    other = read.dataset.grain
    if isinstance(reader, Whole) or isinstance(other, Whole):
        return
    there = pairs_of(reader, other)
    back = pairs_of(other, reader)
    # What a zone skipped overlaps nothing, though a longer interval is read around it.
    assert {(q, p) for q, p in there if is_long(other, p) and is_long(reader, q)} == {
        (q, p) for p, q in back if is_long(other, p) and is_long(reader, q)
    }


def pairs_of(reader: Grain, line: Grain) -> set[tuple[int, int]]:
    """Who reads what, among the first of both."""
    lo, hi = ends_of(reader)
    read = Read(Dataset("d", line), Form.OVERLAPPING)
    a, b = read.bounds(reader, lo, hi, Extent(*ends_of(line)), 0)
    return {(lo + i, p) for i in range(hi - lo) for p in range(a[i], b[i])}


def is_long(grain: Grain, ordinal: int) -> bool:
    interval = grain.interval(ordinal)
    return interval.start < interval.end


@laws
@given(mappings(), st.integers(0, 100))
def test_what_a_partition_reads_does_not_depend_on_what_is_due(mapping, horizon) -> None:
    reader, read = mapping
    if isinstance(reader, Whole):
        return
    lo, hi = ends_of(reader)
    grain = read.dataset.grain
    later = read.bounds(reader, lo, hi, extent_of(grain), grain.lo + horizon)
    for one, other in zip(bounds_of(reader, read), later, strict=True):
        assert np.array_equal(one, other)


def test_a_month_reads_all_of_its_days_also_those_to_come() -> None:
    months, days = Monthly("2024-01"), Daily("2024-01-10")
    a, b = Read(Dataset("d", days)).bounds(months, months.lo, months.lo + 3, extent_of(days), 0)
    read = [(days.key(first), days.key(last - 1)) for first, last in zip(a, b, strict=True)]
    assert read == [
        ("2024-01-10", "2024-01-31"),
        ("2024-02-01", "2024-02-29"),
        ("2024-03-01", "2024-03-31"),
    ]


def test_a_range_extended_either_way_leaves_what_the_others_read() -> None:
    for short, long in [
        (Daily("2024-02-01", "2024-03-01"), Daily("2024-01-01", "2024-04-01")),
        (Every("3d", "2024-01-31", "2024-03-01"), Every("3d", "2024-01-01", "2024-04-01")),
        (Cron("0 6 * * *", "2024-02-01"), Cron("0 6 * * *", "2023-02-01")),
    ]:
        weeks = Weekly("2024-02-12", "2024-02-26")
        reads = [Read(Dataset("d", grain), Form.OVERLAPPING) for grain in (short, long)]
        found = [r.bounds(weeks, weeks.lo, weeks.hi, extent_of(r.dataset.grain), 0) for r in reads]
        assert np.array_equal(found[0], found[1])
        assert short.signature == long.signature
