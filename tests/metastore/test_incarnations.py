"""The contract of `Incarnation`: who may write, and what an empty one is filled with."""

from __future__ import annotations

import pytest
from recorded import claimed, content, intent, record

from partflow.errors import PublishError
from partflow.metastore.record import CodeRecord, Known, LogLines, Seen

CODE = f"{1:032x}"


def test_what_was_opened_is_current(metastore):
    assert metastore.is_current


@pytest.mark.parametrize(
    "act",
    [
        lambda m, i: m.claim("a run", [("clean", "1", 0)]),
        lambda m, i: m.intend([i]),
        lambda m, i: m.check([i]),
        lambda m, i: m.commit([i]),
        lambda m, i: m.abandon([i]),
        lambda m, i: m.observe([record()], []),
        lambda m, i: m.describe([]),
        lambda m, i: m.begin({}, {"mail": 1}),
        lambda m, i: m.log(LogLines("a run", 1.0)),
        lambda m, i: m.ask("backfill", 1, 1.0),
    ],
)
def test_who_lost_the_lease_writes_nothing(metastore, act):
    one = claimed(metastore, record())
    metastore.may_write = lambda: False
    with pytest.raises(PublishError, match="the lease of this run is gone"):
        act(metastore, one)
    metastore.may_write = lambda: True
    act(metastore, one)


def test_an_empty_one_is_filled_with_what_is_known(metastore):
    metastore.restore(
        Known(
            [record("1", 1), record("2", 2, node="raw"), record("1", 3)],
            first=40,
            codes={CODE: CodeRecord({"jobs.clean": "ab"}, 2)},
            effects={"mail": 5},
            begun=[("mail", "1", "dead")],
            seen={("clean", "1"): ("a run", (Seen("file", "rates.csv", "ab"),))},
        )
    )
    assert [(r.seq, r.content) for r in metastore.history("clean", "1")] == [
        (42, content(3)),
        (40, content(1)),
    ]
    assert metastore.seq == 42
    assert metastore.code_parts(CODE) == {"jobs.clean": "ab"}
    assert metastore.effects() == {"mail": 5}
    assert metastore.begun() == [("mail", "1", "dead")]
    (now,) = metastore.records("clean")
    assert metastore.seen(now) == [Seen("file", "rates.csv", "ab")]


def test_what_was_restored_is_claimed_and_published_like_any_other(metastore):
    metastore.restore(Known([record()], first=7))
    epochs = metastore.claim("a run", [("clean", "1", 86_400)])
    metastore.commit([intent(record(value=2), epochs["clean", "1"])])
    assert [r.seq for r in metastore.history("clean", "1")] == [8, 7]
