"""The contract of `MetastorePlace`: opened, looked at, found damaged, and made anew."""

from __future__ import annotations

import pytest

from partflow.errors import MetastoreError
from partflow.metastore.protocol import MetastorePlace
from partflow.metastore.record import Known, Record
from partflow.metastore.sqlite.place import SIDES, SqlitePlace
from partflow.store.local import LocalStore

KNOWN = Known([Record("a", "2024-01-01", 1704067200, run="1", seq=1)], first=7)


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path, tmp_path / "warehouse", durable=False)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept" / "metastore.sqlite"


@pytest.fixture
def place(path, store) -> MetastorePlace:
    return SqlitePlace(path, store)


def keys(place: MetastorePlace) -> list[str]:
    with place.looked_at() as metastore:
        return [record.key for record in metastore.records("a")]


def test_a_look_at_nothing_finds_nothing_and_makes_nothing(place):
    assert keys(place) == []
    assert place.is_empty
    assert place.damage() == "there is none"


def test_what_is_opened_is_there_from_then_on(place):
    with place.opened() as metastore:
        metastore.restore(KNOWN)
    assert not place.is_empty
    assert place.damage() is None
    assert keys(place) == ["2024-01-01"]


def test_one_that_is_made_anew_takes_the_place_of_the_old_one(place):
    with place.opened() as before:
        aside = place.made_anew(KNOWN)
        assert not before.is_current
    assert aside is not None
    assert keys(place) == ["2024-01-01"]
    assert list(place.leftovers()) == []


def test_where_there_was_none_nothing_is_kept_aside(place):
    assert place.made_anew(KNOWN) is None
    assert keys(place) == ["2024-01-01"]


def test_each_that_is_replaced_is_kept(place):
    assert len({place.made_anew(KNOWN) for _ in range(3)}) == 3


def test_what_a_making_left_that_was_cut_off_is_in_the_way_of_none(place, path):
    for side in SIDES:
        path.with_name(f"metastore.new{side}").write_text("of a making that was cut off")
    assert [left.name for left in place.leftovers()] == [f"metastore.new{s}" for s in SIDES]
    place.made_anew(KNOWN)
    assert list(place.leftovers()) == []


def test_what_must_not_be_moved_stays(place, path):
    path.mkdir()
    with pytest.raises(MetastoreError, match="is a folder, and no metastore"):
        place.made_anew(KNOWN)
    assert path.is_dir()


def test_what_cannot_be_opened_can_be_taken_for_nothing_by_who_only_looks(place, path):
    path.write_text("no metastore")
    with pytest.raises(MetastoreError, match="cannot be opened as a metastore"):
        place.looked_at()
    with place.looked_at(or_nothing=True) as metastore:
        assert metastore.seq == 0
    assert path.read_text() == "no metastore"


def test_damage_that_shows_long_after_it_was_opened_is_said_in_words(place, path):
    with place.opened() as metastore:
        metastore.restore(Known([Record("a", f"{n:04}", n) for n in range(5000)]))
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(len(whole) - half))
    with place.looked_at() as metastore, pytest.raises(Exception, match="malformed") as met:
        metastore.records("a")
    assert f"{path} is damaged" in str(place.problem_of(met.value))
    assert place.damage() is not None
    assert place.problem_of(ValueError("a bug")) is None


def test_a_place_in_the_project_is_named_from_its_folder(place, tmp_path):
    assert place.place == "kept/metastore.sqlite"
    elsewhere = LocalStore(tmp_path / "warehouse", tmp_path / "warehouse", durable=False)
    assert SqlitePlace(tmp_path / "m.sqlite", elsewhere).place == f"{tmp_path}/m.sqlite"
