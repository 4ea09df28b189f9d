"""The contract of `Materializations`: what is current, what was, and both as arrays."""

from __future__ import annotations

from dataclasses import replace

from recorded import claimed, content, published, record

from partflow.metastore.record import LogLines, Seen

FILE, PROGRAM = Seen("file", "rates.csv", "ab"), Seen("program", "git", None)


def test_a_record_comes_back_as_it_was_given(metastore):
    given = record(pinned=True, note="by ann", rules=2, read_seq=5, how="accepted")
    published(metastore, given)
    (now,) = metastore.records("clean", "1")
    (then,) = metastore.history("clean", "1")
    numbers = {"seq": 1, "content_seq": 1}
    assert now == replace(given, **numbers, how="made", note=None)
    assert then == replace(given, seq=1, identity=None)


def test_the_records_of_a_node_are_those_of_no_other(metastore):
    published(metastore, record("1"), record("2"), record("1", node="cleaner"))
    assert {r.key for r in metastore.records("clean")} == {"1", "2"}
    assert metastore.records("cleane") == []
    assert metastore.records("clean", "3") == []


def test_what_is_asked_for_by_pairs_is_told_by_pairs(metastore):
    published(metastore, record("1"), record("2"))
    wanted = [("clean", "2"), ("clean", "9"), ("no", "2")]
    assert {at: r.key for at, r in metastore.current(wanted).items()} == {("clean", "2"): "2"}


def test_changes_are_of_contents_that_became_others(metastore):
    published(metastore, record("2", 1), record("1", 1))
    assert metastore.changes("clean", 0) == ["1", "2"]
    published(metastore, record("2", 1))
    assert metastore.changes("clean", 2) == []
    published(metastore, record("2", 5))
    assert metastore.changes("clean", 2) == ["2"]


def test_columns_are_the_records_by_their_start(metastore):
    published(metastore, record("2", 2, reads=0, inputs=b""), record("1", 1, pinned=True))
    columns = metastore.newer("clean", 0)
    assert columns.key.tolist() == [b"1", b"2"]
    assert columns.seq.tolist() == [2, 1]
    assert columns.content.tolist() == [[0, 1], [0, 2]]
    assert columns.code.tolist() == [[0, 7], [0, 7]]
    assert columns.reads.tolist() == [1, 0]
    assert columns.inputs.shape == (1, 2, 2)
    assert columns.identity.tolist() == [[30, 1, 1, 1], [30, 2, 2, 2]]
    assert columns.pinned.tolist() == [True, False]
    assert columns.failed.tolist() == [False, False]


def test_columns_are_of_what_has_a_higher_number(metastore):
    published(metastore, record("1"), record("2"))
    assert metastore.newer("clean", 1).key.tolist() == [b"2"]
    assert len(metastore.newer("clean", 2)) == 0
    published(metastore, record("1", 9))
    assert metastore.newer("clean", 2).key.tolist() == [b"1"]


def test_what_is_only_claimed_is_in_no_column(metastore):
    claimed(metastore, record())
    assert len(metastore.newer("clean", 0)) == 0


def test_many_columns_are_as_many_records(metastore):
    metastore.observe([record(str(n), n) for n in range(1, 400)], [])
    columns = metastore.newer("clean", 99)
    assert columns.seq.tolist() == list(range(100, 400))
    assert columns.content[:, 1].tolist() == list(range(100, 400))


def test_what_was_seen_is_told_of_the_making_that_saw_it(metastore):
    log = LogLines("a run", 1.0, seen=[("clean", "1", [PROGRAM, FILE])])
    published(metastore, record(), log=log)
    (now,) = metastore.records("clean")
    assert metastore.seen(now) == [FILE, PROGRAM]
    assert metastore.seen(replace(now, run="another run")) == []


def test_what_was_seen_is_forgotten_by_a_making_that_saw_nothing(metastore):
    published(metastore, record(), log=LogLines("a run", 1.0, seen=[("clean", "1", [FILE])]))
    published(metastore, record(), log=LogLines("a run", 2.0, seen=[("clean", "1", [])]))
    assert metastore.seen(record()) == []


def test_a_failure_is_told_until_the_partition_is_made(metastore):
    published(metastore, record())
    claimed(metastore, record(), "another run")
    metastore.log(LogLines("another run", 3.0), [("clean", "1", "it broke")])
    assert [(r.failure, r.content) for r in metastore.records("clean")] == [
        ("it broke", content(1))
    ]
    assert metastore.newer("clean", 0).failed.tolist() == [True]
    published(metastore, record())
    assert [r.failure for r in metastore.records("clean")] == [None]
