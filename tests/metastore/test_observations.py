"""The contract of `Observations`: what a look at files found, and schemas."""

from __future__ import annotations

from dataclasses import replace

from recorded import claimed, content, record

from partflow.store.identity import FileIdentity


def test_what_is_observed_is_current_and_history(metastore):
    metastore.observe([record("1", 1, how="observed"), record("2", 2, how="observed")], [])
    metastore.observe([record("1", 3, how="observed")], [])
    assert {r.key: r.content for r in metastore.records("clean")} == {
        "1": content(3),
        "2": content(2),
    }
    assert [r.how for r in metastore.history("clean", "1")] == ["observed", "observed"]


def test_a_touched_file_keeps_its_number_and_gets_its_identity(metastore):
    metastore.observe([record()], [])
    touched = replace(record(), identity=FileIdentity(31, 8, 8, 8), sha256="other", rules=4)
    metastore.observe([], [touched])
    (now,) = metastore.records("clean")
    assert (now.seq, now.identity, now.sha256) == (1, FileIdentity(31, 8, 8, 8), "other")
    assert (now.rules, now.nbytes) == (4, 31)
    assert len(metastore.history("clean", "1")) == 1


def test_schemas_are_told_by_number_and_by_text(metastore):
    metastore.observe([record("1", schema="[a]"), record("2", schema="[b]"), record("3")], [])
    assert sorted(metastore.schemas("clean").values()) == ["", "[a]", "[b]"]
    assert metastore.schemas("clean")[None] == ""
    assert metastore.schemas("nothing") == {}


def test_one_schema_of_many_partitions_is_told_once(metastore):
    metastore.observe([record(str(n), schema="[a]") for n in range(1, 300)], [])
    assert list(metastore.schemas("clean").values()) == ["[a]"]


def test_what_nobody_has_looked_at_is_told_until_somebody_has(metastore):
    metastore.observe([record("1"), record("2"), record("3", schema="[a]")], [])
    claimed(metastore, record("4"))
    assert sorted(metastore.unlooked("clean")) == ["1", "2"]
    assert len(metastore.unlooked("clean", at_most=1)) == 1
    metastore.describe([("clean", "1", content(1), "[a]"), ("clean", "2", content(1), "")])
    assert metastore.unlooked("clean") == []
    texts = {key: text for key, (text, _) in metastore.shapes("clean").items()}
    assert texts == {"1": "[a]", "2": "", "3": "[a]", "4": ""}


def test_a_schema_is_not_taken_for_that_of_another_content(metastore):
    metastore.observe([record("1", 1)], [])
    metastore.describe([("clean", "1", content(2), "[a]")])
    assert metastore.unlooked("clean") == ["1"]


def test_equal_content_has_the_schema_that_was_looked_up(metastore):
    metastore.observe([record("1", 1, schema="[a]")], [])
    metastore.observe([record("1", 1)], [])
    assert list(metastore.schemas("clean").values()) == ["[a]"]
    metastore.observe([record("1", 2)], [])
    assert metastore.unlooked("clean") == ["1"]


def test_shapes_tell_the_stat_of_each_file(metastore):
    metastore.observe([record("1", 4, schema="[a]")], [])
    assert metastore.shapes("clean") == {"1": ("[a]", (30, 4, 4, 4))}


def test_the_range_of_keys_counts_what_was_claimed(metastore):
    assert metastore.key_range("clean") == ("", "")
    metastore.observe([record("5"), record("3", node="other")], [])
    claimed(metastore, record("7"))
    assert metastore.key_range("clean") == ("5", "7")
