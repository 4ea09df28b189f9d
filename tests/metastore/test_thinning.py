"""The contract of `Thinning`: what is needed stays, and room is given back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from recorded import content, published, record
from test_recorded_runs import begun, run

from partflow.metastore.record import CodeRecord, mark_of
from partflow.metastore.sqlite.metastore import SqliteMetastore

MANY = 16


def numbers(metastore, contents: int = MANY, but: tuple[str, ...] = ()) -> list[int]:
    return [each.seq for each in metastore.replaced(contents, but)]


def published_each(metastore, *values: int, **rest) -> None:
    for value in values:
        published(metastore, record("1", value, **rest))


def test_of_an_empty_record_nothing_is_replaced(metastore):
    assert metastore.replaced(MANY, ()) == []


def test_what_is_present_is_needed_and_the_first_that_had_its_content(metastore):
    published_each(metastore, 1, 2, 2, 2, 2, 3)
    for _ in range(3):
        published(metastore, record("2", 7))
    published(metastore, record("3", 1))
    assert numbers(metastore, contents=1) == [1, 2, 3, 4, 5, 8]
    metastore.forget([1, 2, 3, 4, 5, 8], [], [])
    assert [r.seq for r in metastore.history("clean", "1")] == [6]
    assert [r.seq for r in metastore.history("clean", "2")] == [9, 7]


def test_of_each_content_the_newest_is_needed_up_to_a_number_of_contents(metastore):
    published_each(metastore, 1, 2, 1, 3, 1, 4)
    published(metastore, record("2", 1))
    assert numbers(metastore) == [1, 3]
    assert numbers(metastore, contents=3) == [1, 2, 3]
    assert numbers(metastore, contents=2) == [1, 2, 3, 4]


def test_makings_in_another_way_or_of_another_file_are_needed_beside_one_another(metastore):
    for how in ("made", "accepted", "kept"):
        published(metastore, record("1", 1, how=how))
    published(metastore, record("1", 1, how="kept", sha256="other bytes"), record("2"))
    assert numbers(metastore) == []


def test_partitions_do_not_count_for_each_other(metastore):
    published(metastore, *(record(f"{key}", 1, node=n) for key in range(3) for n in "ab"))
    assert numbers(metastore, contents=1) == []


def test_what_runs_made_that_are_in_the_log_is_needed_with_all_that_is_newer(metastore):
    begun(metastore, run("b"), run("c"))
    for name in ("a", "b", "a", "c", "a", "a"):
        published(metastore, record("1", 1, run=name))
    published(metastore, record("2"))
    assert numbers(metastore) == []
    assert numbers(metastore, but=("b",)) == [2, 3]
    published(metastore, record("1", 2))
    assert numbers(metastore) == [1]
    assert numbers(metastore, but=("b",)) == [1, 2, 3]
    assert numbers(metastore, but=("b", "c")) == [1, 2, 3, 4, 5]


def test_the_number_of_the_last_and_its_time_are_not_forgotten(metastore):
    published_each(metastore, 1, 1)
    published(metastore, record("1", 1, how="accepted", made_at=5))
    published(metastore, record("1", 1, how="accepted", made_at=6))
    seq, newest_at = metastore.seq, metastore.newest_at()
    metastore.forget(numbers(metastore, contents=1), [], [])
    assert (metastore.seq, metastore.newest_at()) == (seq, newest_at)


def test_what_lasts_is_marked_as_it_was_recorded(metastore):
    made = [record("1", value, run=None if value == 2 else "a") for value in (1, 2, 3)]
    for each in made:
        published(metastore, each)
    assert metastore.lasting([]).marks == {mark_of(each) for each in made}
    assert metastore.lasting([1, 2]).marks == {mark_of(made[2])}
    assert metastore.lasting([]).codes == {record().code}


def test_what_is_marked_is_also_what_a_later_look_found(metastore):
    made = record("1", 1)
    published(metastore, made)
    touched = replace(made, sha256="other bytes")
    metastore.observe([], [touched])
    assert metastore.lasting([]).marks == {mark_of(made), mark_of(touched)}


def test_codes_and_effects_are_forgotten_by_name(metastore):
    codes = {f"{n:032x}": CodeRecord({"f": "1"}) for n in range(3)}
    metastore.begin(codes, {"tell": 1, "warn": 2})
    one, two, three = sorted(codes)
    assert metastore.other_codes({two}) == [one, three]
    metastore.forget([], [one], ["warn"])
    assert metastore.other_codes(set()) == [two, three]
    assert metastore.effects() == {"tell": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metastore.sqlite"


def filled(path) -> SqliteMetastore:
    metastore = SqliteMetastore.open(path, durable=False)
    begun(metastore, *(run(name) for name in "bac"))
    wide = json.dumps({"f": "x" * 5000})
    many = {content(n): CodeRecord({"f": wide}) for n in range(600)}
    metastore.begin(many, {})
    return metastore


def test_room_that_was_freed_is_given_back(path):
    with filled(path) as metastore:
        metastore.fold_in()
        before, runs = path.stat().st_size, metastore.run_rows()
        metastore.forget([], metastore.other_codes(set()), [])
        metastore.give_back()
        assert path.stat().st_size < before / 10
        assert metastore.run_rows() == runs
        assert metastore.is_current


def test_what_is_not_worth_it_stays(path):
    with filled(path) as metastore:
        metastore.fold_in()
        before = path.stat().st_size
        metastore.forget([], metastore.other_codes(set())[:100], [])
        metastore.give_back()
        metastore.fold_in()
        assert path.stat().st_size == before


def test_who_looks_meanwhile_sees_what_was_there(path):
    with filled(path) as metastore, SqliteMetastore.open_existing(path) as other:
        metastore.forget([], metastore.other_codes(set()), [])
        metastore.give_back()
        assert other.other_codes(set()) == []
        assert [row.id for row in other.run_rows()] == ["c", "a", "b"]
