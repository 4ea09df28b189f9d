"""A path with a partition's start in it and the partition's key are made from each other."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

import duckdb
import profiles  # noqa: F401 - the number of examples
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from partflow.declarations.keyedpath import KeyedPath, keyed_path, spread
from partflow.partitions.calendar import Daily, Every, Hourly, Monthly, Weekly, Whole

CONNECTION = duckdb.connect(config={"threads": 1})
GRAINS = [
    (Daily("2024-01-01"), "date", "Ymd"),
    (Daily("2024-01-01", tz="Europe/Berlin"), "start", "Ymd"),
    (Every("3d", "2024-01-01"), "date", "Ymd"),
    (Monthly("2024-01-01"), "date", "Ym"),
    (Weekly("2024-01-01"), "date", "GV"),
    (Weekly("2024-01-07", first_day="sunday"), "date", "Ymd"),
    (Hourly("2024-01-01"), "start", "YmdH"),
    (Hourly("2024-01-01", tz="Europe/Berlin"), "utc", "YmdH"),
    (Every("15m", "2024-01-01"), "utc", "YmdHM"),
]
TEXTS = ("", "/", "-", "a", "x.y/", "it's", "(", "[1]", "\\d", "1", "Ω", "  ")


@st.composite
def declared(draw: st.DrawFn):
    """A grain, a path that tells its partitions apart, and some of its keys."""
    grain, clock, names = draw(st.sampled_from(GRAINS))
    order = draw(st.permutations(names))
    more = draw(st.lists(st.sampled_from([*names, "key"]), max_size=2))
    path = draw(st.sampled_from(["", "landing/", "a1/"]))
    for name in [*order, *more]:
        path += "{key}" if name == "key" else f"{{{clock}:%{name}}}"
        path += draw(st.sampled_from(TEXTS))
    ordinals = draw(st.lists(st.integers(0, 40_000), min_size=1, max_size=5, unique=True))
    return grain, path, [grain.key(grain.lo + ordinal) for ordinal in ordinals]


def parsed(path: str, grain) -> KeyedPath:
    place = keyed_path(path, grain)
    assert isinstance(place, KeyedPath), place
    return place


@given(declared())
def test_the_key_is_told_by_the_path_and_by_no_other(case):
    grain, path, keys = case
    place = parsed(path, grain)
    paths = [place.of(key) for key in keys]
    assert len(set(paths)) == len(keys)
    assert [place.key_of(each) for each in paths] == keys


@given(declared(), st.booleans())
def test_many_paths_are_written_as_each_by_itself(case, is_odd):
    grain, path, keys = case
    place = parsed(path, grain)
    keys = [*keys, "9" * 30] if is_odd else keys
    skip = len(place.texts[0]) // 2
    written = place.written([key.encode() for key in keys], skip)
    assert written == [os.fsencode(place.of(key)[skip:]) for key in keys]
    assert place.written([]) == []


@given(declared())
def test_a_pattern_matches_all_paths_and_they_lie_in_the_folder(case):
    grain, path, keys = case
    place = parsed(path, grain)
    pattern = place.pattern("[0-9]", lambda text: re.sub(r"([\[*?])", r"[\1]", text))
    for key in keys:
        assert fnmatchcase(place.of(key), pattern)
        assert place.of(key).startswith(place.folder)


@given(declared())
def test_duckdb_tells_the_key_as_we_do(case):
    grain, path, keys = case
    place = parsed(path, grain)
    assume("\0" not in path)
    for key in keys:
        got = CONNECTION.execute(
            "select regexp_replace(regexp_extract($path, $like), $like, $key)",
            {"path": f"/srv/{place.of(key)}", "like": place.regexp, "key": place.rewrite},
        ).fetchall()
        assert got == [(key,)]


@given(declared())
def test_the_slashes_of_a_date_part_folders(case):
    grain, path, keys = case
    place, other = parsed(path, grain), parsed(spread(path), grain)
    assert [place.of(key) for key in keys] == [other.of(key) for key in keys]


@pytest.mark.parametrize(
    ("grain", "path", "key", "expected"),
    [
        (Daily("2024-01-01"), "in/{date:%Y/%m/%d}/a.csv", "2024-02-05", "in/2024/02/05/a.csv"),
        (Daily("2024-01-01"), "in/{date:%Y}/{key}.csv", "2024-02-05", "in/2024/2024-02-05.csv"),
        (Daily("2024-01-01"), "{start:%d.%m.%Y}.csv", "2024-02-05", "05.02.2024.csv"),
        (Hourly("2024-01-01"), "{date:%Y%m%d}/{start:%H}", "2024-02-05T23", "20240205/23"),
        (Monthly("2024-01-01"), "{date:%Y-%m}.csv", "2024-02", "2024-02.csv"),
        (Weekly("2024-01-01"), "{date:%G/week%V}", "2024-W09", "2024/week09"),
        (Whole(), "in/all.csv", "all", "in/all.csv"),
    ],
)
def test_a_path_is_written_as_it_says(grain, path, key, expected):
    assert parsed(path, grain).of(key) == expected


def test_a_name_at_the_beginning_is_a_folder_and_a_key_is_not():
    grain = Daily("2024-01-01")
    outside, inside = parsed("{landing}/{key}.csv", grain), parsed("{key}/a.csv", grain)
    assert (outside.outside, outside.of("2024-01-05")) == ("landing", "2024-01-05.csv")
    assert outside.below("/srv/in").of("2024-01-05") == "/srv/in/2024-01-05.csv"
    assert (inside.outside, inside.of("2024-01-05")) == ("", "2024-01-05/a.csv")


@pytest.mark.parametrize(
    ("grain", "path", "said"),
    [
        (Daily("2024-01-01"), "in/{date:%m/%d}.csv", "because %Y is not in it"),
        (Daily("2024-01-01"), "in/{date:%Y}.csv", "because %m, %d is not in it"),
        (Hourly("2024-01-01"), "in/{date:%Y/%m/%d}.csv", "because %H is not in it"),
        (Daily("2024-01-01"), "in/all.csv", "must have {key} in it, or a date"),
        (Daily("2024-01-01"), "in/{date:%Y/%m/%d}/{start:%H}.csv", "has %H in {start:%H}, which"),
        (Hourly("2024-01-01"), "in/{date:%Y/%m/%d/%H}.csv", "has %H in {date:%Y/%m/%d/%H}"),
        (Daily("2024-01-01"), "in/{date:%y%j}.csv", "has %y in {date:%y%j}, which its partit"),
        (Daily("2024-01-01"), "in/{date}.csv", "has {date}; there are {key}, {date:"),
        (Daily("2024-01-01"), "in/{day:%d}.csv", "has {day:%d}; there are {key}"),
        (Daily("2024-01-01"), "in/{key.csv", "has a { alone"),
        (Daily("2024-01-01"), "in/key}.csv", "has a } alone"),
        (Daily("2024-01-01"), "in/{date:%Y-%m-%}.csv", "has % in"),
        (
            Weekly("2024-01-01"),
            "in/{date:%Y/%m/%d}.csv",
            "which its partitions do not tell; use %G",
        ),
        (Whole(), "in/{date:%Y}.csv", "but the source is Whole"),
        (Daily("2024-01-01"), "in/{landing}/{key}.csv", "has {landing}; there are {key}"),
        (Daily("2024-01-01"), "{landing}/all.csv", "must have {key} in it"),
        (Hourly("2024-01-01", tz="Europe/Berlin"), "{start:%Y%m%d%H}", "shows an hour twice"),
        (Hourly("2024-01-01", tz="Europe/Berlin"), "{date:%Y%m%d}{utc:%H}", "shows an hour twice"),
        (Daily("2024-01-01", tz="Europe/Berlin"), "{utc:%Y%m%d}", "write {date:...}"),
    ],
)
def test_a_path_that_is_that_of_no_partition_or_of_several_is_refused(grain, path, said):
    problem = keyed_path(path, grain)
    assert isinstance(problem, str)
    assert said in problem
