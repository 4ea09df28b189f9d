"""What people are sent says what is wrong, how much, since when, and what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from partflow.report.document import document
from partflow.report.notice import EpisodeReport, notice, trial_notice, wrong_words

AT = 1_700_000_000


def episode(**other):
    values = {
        "id": "failed/clean/1", "turn": "opened", "kind": "failed", "name": "clean",
        "since": "2024-03-01T00:00:00Z", "until": None, "said": "ValueError: no rows",
        "advice": "partflow backfill clean --only failed", "partitions": 40,
        "first": "2024-01-01", "last": "2024-02-09", "blocked": 120, "times": 1,
    }  # fmt: skip
    return EpisodeReport(**values | other)


def sent(*episodes):
    return notice("id", AT, "shop on mill", episodes)


def well(**other):
    return episode(turn="recovered", until="2024-03-02T00:00:00Z", said="", advice="", **other)


def test_one_failure_and_all_that_waits_behind_it_is_one_short_message():
    message = sent(episode())
    head = "clean failed: 40 partitions, 2024-01-01 .. 2024-02-09; 120 others wait behind them"
    assert message.subject == f"shop on mill: {head}"
    assert message.text.splitlines() == [
        head,
        "  ValueError: no rows",
        "  since 2024-03-01T00:00:00Z",
        "  partflow backfill clean --only failed",
        "",
        "shop on mill, 2023-11-14T22:13:20Z; `partflow status` says all",
    ]


def test_the_page_of_being_told_shows_a_message_as_it_is():
    page = (Path(__file__).parents[2] / "docs/how-to/be-told.md").read_text("utf-8")
    shown = episode(
        name="clean_sales", since="2024-03-01T02:00:00Z", said="ValueError: no column 'qty'",
        advice="`partflow materialize clean_sales` tries it at once, "
        "`partflow why clean_sales -p 2024-02-09` says more",
    )  # fmt: skip
    at = datetime(2024, 3, 1, 2, 0, 12, tzinfo=UTC).timestamp()
    assert f"```text\n{notice('id', at, 'shop on mill', [shown]).text}\n```" in page


def test_what_is_new_and_large_comes_before_what_grew_and_what_is_well():
    message = sent(
        well(name="prices"),
        episode(name="daily", turn="grew", partitions=900),
        episode(name="small", partitions=1),
        episode(name="large", partitions=70),
    )
    assert message.subject.startswith("shop on mill: large failed")
    assert message.subject.endswith("and 2 more; prices is well again")
    names = [line.split()[0] for line in message.text.splitlines() if " " not in line[:1] and line]
    assert names == ["large", "small", "daily", "prices", "shop"]


def test_an_end_says_since_when_it_is_well_and_when_it_began():
    message = sent(well(), well(name="daily", partitions=1))
    assert message.subject == "shop on mill: 2 are well again"
    assert message.text.splitlines()[:2] == [
        "clean is well again since 2024-03-02T00:00:00Z",
        "  the trouble of 40 partitions began 2024-03-01T00:00:00Z",
    ]


def test_what_comes_back_says_that_it_comes_and_goes():
    text = sent(episode(turn="came back", times=3, partitions=0, blocked=0)).text
    assert "clean failed again\n" in text
    assert "comes and goes, 3 times by now" in text


def test_a_text_is_bounded_and_the_document_has_all():
    message = sent(*(episode(name=f"t{i}", said="x" * 5000) for i in range(300)))
    assert "280 more are wrong" in message.text
    assert len(message.text) < 50_000
    assert len(message.subject) <= 160
    assert len(document(message)["episodes"]) == 300


def test_the_document_holds_subject_text_and_what_they_say():
    said = json.loads(json.dumps(document(sent(episode()))))
    assert said["version"] == 1
    assert said["text"] == sent(episode()).text
    assert said["episodes"][0]["blocked"] == 120


def test_what_a_terminal_would_obey_is_escaped():
    message = sent(episode(name="a\x1b[31m", said="line\x07", first="\n", last="\n", advice="\r"))
    assert message.subject.isprintable()
    assert "".join(message.text.split("\n")).isprintable()


@pytest.mark.parametrize("kind", ["failed", "project", "machine", "something new"])
def test_every_kind_of_cause_has_words(kind):
    assert wrong_words(kind, "clean")


def test_a_name_with_braces_is_said_as_it_is():
    assert wrong_words("failed", "{x}") == "{x} failed"
    assert wrong_words("{odd}", "{x}") == "{x}: {odd}"


def test_a_machine_that_fails_says_at_which_task_if_it_was_at_one():
    assert wrong_words("machine", "") == "the machine fails"
    assert wrong_words("machine", "clean") == "the machine fails at clean"


def test_a_test_says_that_it_is_one():
    assert "this is a test" in trial_notice("id", AT, "shop").subject
