"""Which lines of a journal are needed: the others are replaced, and say nothing any more."""

from __future__ import annotations

from itertools import compress

import profiles  # noqa: F401 - the number of examples
from hypothesis import given
from hypothesis import strategies as st
from recorded import record

from partflow.metastore.journal import Journal, begun_lines, ended_lines, seen_lines
from partflow.metastore.lastinglines import LastingLines
from partflow.metastore.record import Record, Seen, mark_of

KEYS = st.sampled_from("12")
RUNS = st.sampled_from(["run a", "run b"])
RECORDS = st.builds(
    record, KEYS, st.integers(1, 4), how=st.sampled_from(["kept", "done"]), run=RUNS
)
LINES = st.one_of(
    RECORDS.map(Record.to_json),
    st.builds(lambda key, run: begun_lines(run, [("clean", key)])[0], KEYS, RUNS),
    st.builds(lambda key: ended_lines([("clean", key)])[0], KEYS),
    st.builds(
        lambda key, run, what: seen_lines(run, [("clean", key, [Seen("file", what, None)])])[0],
        KEYS, RUNS, st.sampled_from(["x", "y"]),
    ),
    st.builds('{{"noted": "paused", "name": "{}", "text": {}}}'.format, KEYS,
              st.sampled_from(['"a"', '"b"', "null"])),
    st.builds('{{"digest": "{}", "code_parts": {{}}, "rules": {}}}'.format, KEYS,
              st.integers(1, 3)),
    st.builds('{{"effect": "{}", "since": {}}}'.format, KEYS, st.integers(0, 3)),
    st.sampled_from(['{"no": "line of ours"}', "{", "", '{"effect": "1", "since": "x"}']),
)  # fmt: skip


def journal(lines: list[str]) -> Journal:
    said = Journal()
    for line in lines:
        said.add(line)
    return said


def thinned(lines: list[str], marks=frozenset(), gone=frozenset()) -> list[str]:
    return list(compress(lines, LastingLines(marks, gone)(iter(lines))))


@given(st.lists(LINES), st.sets(RECORDS, max_size=5))
def test_what_a_journal_says_is_what_the_lines_that_are_needed_say(lines, needed) -> None:
    marks = {mark_of(each) for each in needed}
    whole, rest = journal(lines), journal(thinned(lines, marks))
    for table in ("codes", "effects", "begun", "seen", "noted", "unread"):
        assert getattr(rest, table) == getattr(whole, table), table
    wanted = [r for r in whole.records if mark_of(r) in marks or r is whole.records[-1]]
    assert rest.records == wanted


@given(st.lists(LINES))
def test_of_what_is_needed_all_is(lines) -> None:
    rest = thinned(lines)
    assert thinned(rest) == rest


@given(st.lists(LINES))
def test_all_else_that_stays_is_a_line_for_each_thing(lines) -> None:
    rest = journal(thinned(lines))
    readable = len(thinned(lines)) - rest.unread
    tables = (rest.codes, rest.effects, rest.begun, rest.seen, rest.noted)
    assert readable == sum(map(len, tables)) + len(rest.records)
    assert len(rest.records) <= 1


def test_what_is_gone_is_needed_no_more():
    lines = [
        '{"noted": "paused", "name": "old", "text": "a"}',
        '{"noted": "paused", "name": "new", "text": "b"}',
        '{"effect": "old", "since": 1}',
        '{"digest": "new", "code_parts": {}, "rules": 1}',
    ]
    gone = {("noted", ("paused", "old")), ("effects", "old")}
    assert thinned(lines, gone=gone) == [lines[1], lines[3]]
