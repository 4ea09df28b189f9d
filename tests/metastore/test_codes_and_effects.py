"""The contract of `CodesAndEffects`."""

from __future__ import annotations

from partflow.metastore.record import CodeRecord

ONE, TWO = f"{1:032x}", f"{2:032x}"


def test_a_code_s_parts_and_rules_come_back(metastore):
    metastore.begin({ONE: CodeRecord({"jobs.clean": "ab"}, 3)}, {})
    assert metastore.code_parts(ONE) == {"jobs.clean": "ab"}
    assert metastore.code_parts(TWO) == {}
    assert metastore.code_rules([ONE, TWO]) == {ONE: 3}


def test_a_code_keeps_its_parts_and_the_last_rules_by_which_it_was_one(metastore):
    for rules in (2, 5, 4):
        metastore.begin({ONE: CodeRecord({"part": str(rules)}, rules)}, {})
    assert metastore.code_rules([ONE]) == {ONE: 5}
    assert metastore.code_parts(ONE) == {"part": "2"}


def test_an_effect_runs_since_what_was_recorded_last(metastore):
    metastore.begin({}, {"mail": 4, "post": 5})
    metastore.begin({}, {"mail": 6})
    assert metastore.effects() == {"mail": 6, "post": 5}


def test_an_effect_is_begun_until_its_end_is_known(metastore):
    metastore.claim("a run", [], [("mail", "1"), ("mail", "2")])
    metastore.end_effects([("mail", "1", "a run")])
    assert metastore.begun() == [("mail", "2", "a run")]


def test_what_another_run_has_begun_since_stays_begun(metastore):
    metastore.claim("a run", [], [("mail", "1")])
    metastore.claim("another run", [], [("mail", "1")])
    metastore.end_effects([("mail", "1", "a run")])
    assert metastore.begun() == [("mail", "1", "another run")]
