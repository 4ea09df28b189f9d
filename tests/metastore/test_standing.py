"""The contract of `Standing`: how far the record has come."""

from __future__ import annotations

from recorded import claimed, content, published, record

from partflow.metastore.record import RESTATED, LogLines


def test_the_number_is_that_of_the_last_materialization(opened):
    assert opened().seq == 0
    published(opened(), record("1"), record("2"))
    claimed(opened(), record("3"))
    assert opened().seq == 2


def test_every_change_of_a_node_changes_its_version_and_no_other_s(opened):
    published(opened(), record(), record(node="other"))
    incarnation, before = opened().versions()
    published(opened(), record(value=2))
    same, after = opened().versions()
    assert (same, after["other"]) == (incarnation, before["other"])
    assert 0 < after["clean"] - before["clean"] < RESTATED


def test_what_keeps_its_number_and_is_changed_is_told_by_the_version(metastore):
    metastore.observe([record()], [])

    def restated(act) -> bool:
        before = metastore.versions()[1]["clean"]
        act()
        return metastore.versions()[1]["clean"] // RESTATED == before // RESTATED + 1

    assert restated(lambda: metastore.observe([], [record()]))
    assert restated(lambda: metastore.describe([("clean", "1", content(1), "[a]")]))
    assert restated(lambda: metastore.log(LogLines("a run", 1.0), [("clean", "1", "it broke")]))


def test_the_clock_is_told_by_what_was_made_last_and_not_by_what_was_brought_back(metastore):
    assert metastore.newest_at() == 0
    metastore.observe([record("1", made_at=50), record("2", made_at=40)], [])
    assert metastore.newest_at() == 40
    metastore.observe([record("3", made_at=10, how="accepted")], [])
    assert metastore.newest_at() == 40


def test_a_clock_that_is_trusted_is_told_nothing_of_what_was_before(metastore):
    metastore.observe([record(made_at=50)], [])
    metastore.trust_clock()
    assert metastore.newest_at() == 0
    metastore.observe([record(made_at=20)], [])
    assert metastore.newest_at() == 20


def test_for_what_the_catalog_was_written_last_is_noted(opened):
    assert opened().shown == ""
    opened().note_shown("ab")
    opened().note_shown("cd")
    assert opened().shown == "cd"


def test_what_is_noted_of_a_kind_comes_back_until_it_is_taken_away(metastore):
    metastore.note("paused", {"clean": "a", "daily": "b"})
    metastore.note("paused_too", {"clean": "c"})
    metastore.note("paused", {"clean": "d", "daily": None})
    assert metastore.noted("paused") == {"clean": "d"}
    assert metastore.noted("paused_too") == {"clean": "c"}
    assert metastore.noted("never") == {}
