"""The contract of `Publications`: whoever claimed last is the only one to publish."""

from __future__ import annotations

import pytest
from recorded import claimed, content, intent, published, record

from partflow.errors import PublishError
from partflow.metastore.record import LogLines, StepLog


def test_each_claim_raises_the_epoch_by_one(opened):
    at = [("clean", "1", 0), ("clean", "2", 86_400)]
    assert opened().claim("one", at) == {("clean", "1"): 1, ("clean", "2"): 1}
    assert opened().claim("two", at[:1]) == {("clean", "1"): 2}


def test_what_is_only_claimed_is_recorded_without_content(metastore):
    claimed(metastore, record())
    (only,) = metastore.records("clean", "1")
    assert (only.seq, only.content, only.identity) == (0, None, None)


def test_what_is_intended_is_known_until_it_is_recorded(opened):
    one = claimed(opened(), record())
    opened().intend([one])
    assert opened().intents() == [one]
    opened().commit([one])
    assert opened().intents() == []


def test_intents_are_told_in_the_order_in_which_they_came(metastore):
    each = [claimed(metastore, record(key)) for key in ("3", "1", "2")]
    metastore.intend(each[:1])
    metastore.intend(each[1:])
    assert metastore.intents() == each


def test_what_is_recorded_is_current(metastore):
    published(metastore, record())
    (now,) = metastore.records("clean", "1")
    assert (now.content, now.rows, now.seq, now.content_seq) == (content(1), 3, 1, 1)


@pytest.mark.parametrize("act", ["intend", "check", "commit"])
def test_an_owner_from_before_another_claim_is_refused(opened, act):
    late = claimed(opened(), record(), "late")
    claimed(opened(), record(), "newer")
    with pytest.raises(PublishError, match=r"another run \(newer\) has claimed it since"):
        getattr(opened(), act)([late])
    assert opened().intents() == []
    assert [r.seq for r in opened().records("clean")] == [0]


@pytest.mark.parametrize("act", ["intend", "commit"])
def test_of_several_one_refusal_leaves_all_unwritten(opened, act):
    good, late = claimed(opened(), record("1")), claimed(opened(), record("2"))
    claimed(opened(), record("2"), "newer")
    with pytest.raises(PublishError, match="clean@2"):
        getattr(opened(), act)([good, late])
    assert opened().intents() == []
    assert {r.seq for r in opened().records("clean")} == {0}


def test_a_refused_commit_logs_nothing(opened):
    late = claimed(opened(), record())
    claimed(opened(), record(), "newer")
    step = StepLog("clean", "1", 1, "made", "never", 0.1)
    with pytest.raises(PublishError):
        opened().commit([late], LogLines("a run", 2.0, [step]))
    assert opened().steps("a run") == []


def test_what_was_not_renamed_is_abandoned_alone(metastore):
    first, second = (claimed(metastore, record(key)) for key in "12")
    metastore.intend([first, second])
    metastore.abandon([first])
    assert metastore.intents() == [second]


def test_whoever_finishes_for_the_dead_drops_their_intents_with_the_record(opened):
    dead = claimed(opened(), record(), "dead")
    opened().intend([dead])
    ours = intent(record(), opened().claim("recovery", [("clean", "1", 86_400)])["clean", "1"])
    opened().commit([ours], dropped=[dead])
    assert opened().intents() == []
    assert [r.content for r in opened().records("clean")] == [content(1)]


def test_equal_content_made_again_keeps_the_number_since_which_it_is_there(metastore):
    published(metastore, record(value=1))
    published(metastore, record(value=1))
    published(metastore, record(value=2))
    seqs = [(r.seq, r.content) for r in metastore.history("clean", "1")]
    assert seqs == [(3, content(2)), (2, content(1)), (1, content(1))]
    assert [(r.seq, r.content_seq) for r in metastore.records("clean")] == [(3, 3)]
    published(metastore, record(value=2))
    assert [(r.seq, r.content_seq) for r in metastore.records("clean")] == [(4, 3)]


def test_an_effect_that_is_done_is_begun_no_more(metastore):
    sent = record(node="mail", content=None, how="done")
    epochs = metastore.claim("a run", [("mail", "1", 86_400)], [("mail", "1"), ("mail", "2")])
    assert metastore.begun() == [("mail", "1", "a run"), ("mail", "2", "a run")]
    metastore.commit([intent(sent, epochs["mail", "1"], staged=None)])
    assert metastore.begun() == [("mail", "2", "a run")]
