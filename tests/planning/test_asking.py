"""When a source without files is asked about a partition: due, now and then, once settled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.declarations.dataset import Source
from partflow.partitions.calendar import Daily, Whole
from partflow.planning.asking import Tried, empty_book, next_asked_at, noted, to_ask, unsettled

DAY, HOUR = 86400, 3600
FIRST = 19723  # 2024-01-01
SETTLES, EVERY = 3 * DAY, 6 * HOUR


def source(grain=None, **given) -> Source:
    given = given or {"settles_after": "3d", "refresh_every": "6h"}
    days = Daily("2024-01-01", "2024-01-11")
    return Source("api", grain or days, fingerprint=lambda partition: None, **given)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=60))
def test_each_is_asked_when_due_with_pauses_and_never_again_once_it_has_settled(ticks) -> None:
    api, now = source(), FIRST * DAY
    book, asked = empty_book(api), {}
    for hours, fails in ticks:
        now += hours * HOUR
        due = [o for o in range(FIRST, FIRST + 10) if (o + 1) * DAY <= now]
        chosen = to_ask(api, book, now)
        for o in due:
            before = asked.get(o, [])
            was_settled = any(not f and at >= (o + 1) * DAY + SETTLES for at, f in before)
            rests = bool(before) and now - before[-1][0] < EVERY
            assert (o in chosen) == (not was_settled and not rests)
        assert set(chosen) <= set(due)
        assert list(chosen) == sorted(chosen, reverse=True)
        for o in chosen:
            asked.setdefault(o, []).append((now, fails))
        book = noted(api, book, {o: Tried(now, "no network" if fails else "") for o in chosen})
        after = next_asked_at(api, book)
        assert after is None or after > now


def test_all_that_is_due_may_change_until_it_has_settled() -> None:
    api = source()
    assert unsettled(api, FIRST * DAY).ranges == ()
    assert unsettled(api, (FIRST + 5) * DAY - 1).ranges == ((FIRST + 1, FIRST + 4),)
    assert unsettled(api, (FIRST + 5) * DAY).ranges == ((FIRST + 2, FIRST + 5),)
    assert unsettled(api, (FIRST + 400) * DAY).ranges == ()
    path = Source("in", Daily("2024-01-01"), path="in/{key}.csv")
    assert unsettled(path, (FIRST + 5) * DAY).ranges == ((FIRST, FIRST + 5),)


def test_a_whole_never_settles() -> None:
    api = source(Whole(), refresh_every="6h")
    book = noted(api, empty_book(api), {0: Tried(FIRST * DAY)})
    assert to_ask(api, book, FIRST * DAY + EVERY - 1) == ()
    assert to_ask(api, book, FIRST * DAY + EVERY) == (0,)


def test_what_was_asked_by_a_clock_that_was_ahead_is_asked_again() -> None:
    api, now = source(), (FIRST + 2) * DAY
    book = noted(api, empty_book(api), {FIRST + 1: Tried(now + 400)})
    assert FIRST + 1 in to_ask(api, book, now)


@pytest.mark.parametrize("span", ["-1d", "soon", 7])
def test_a_span_that_is_none_is_refused(span) -> None:
    from partflow.errors import DeclarationError

    with pytest.raises(DeclarationError, match="span of time"):
        source(settles_after=span)
