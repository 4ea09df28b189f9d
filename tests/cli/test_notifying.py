"""`notify --test` says for each channel whether it delivers; `status` says which one does not."""

from __future__ import annotations

import pytest

from partflow.metastore.journal import note
from partflow.project.history import History
from partflow.scheduler.outbox import with_failure
from partflow.scheduler.toldnotes import TOLD, Told, changed_notes

SECRET = "hunter2-very-secret"
CHANNELS = """
[notify.good]
kind = "command"
command = ["sh", "-c", "cat > told.json"]
[notify.bad]
kind = "webhook"
url_env = "BAD_URL"
"""


@pytest.fixture
def told(shop, monkeypatch):
    path = shop.root / "partflow.toml"
    path.write_text(path.read_text() + CHANNELS)
    monkeypatch.setenv("BAD_URL", f"http://127.0.0.1:1/{SECRET}")
    return shop


def test_a_message_goes_through_each_channel_and_what_did_not_go_is_said(told):
    said = told.run("notify", "--test")
    assert said.code == 1
    assert said.lines == [
        "good: sent",
        "bad: failed: the address cannot be reached: Connection refused",
        "sent 1 message, failed 1",
    ]
    assert "this is a test" in (told.root / "told.json").read_text()
    assert SECRET not in said.out + said.err


def test_all_went_ends_with_0(told):
    told.edit('url_env = "BAD_URL"', 'url_env = "BAD_URL"\n', "partflow.toml")
    path = told.root / "partflow.toml"
    path.write_text(path.read_text().partition("[notify.bad]")[0])
    said = told.run("notify", "--test", "--output", "json")
    assert said.code == 0
    assert said.document == {
        "channels": [{"channel": "good", "went": True, "said": None}],
        "sentence": "sent 1 message, failed 0",
    }


def test_the_projects_modules_are_not_needed_to_test_the_channels(told):
    (told.root / "jobs/sales.py").write_text("this is no Python")
    assert told.run("notify", "--test").lines[0] == "good: sent"


def test_without_a_channel_it_is_said_how_to_configure_one(shop):
    said = shop.run("notify", "--test")
    assert (said.code, "[tool.partflow.notify.NAME]" in said.err) == (2, True)


def test_notify_has_to_be_told_to_test(told):
    assert told.run("notify").code == 2


def fail(shop, since):
    history = History.load(shop.root)
    said = "the address answered 500"
    failing = with_failure(Told(), "bad", "", said, since)
    with history.metastore.opened() as metastore:
        note(metastore, history.store, TOLD, changed_notes({}, failing))


def test_status_says_which_channel_does_not_deliver_until_it_is_configured_no_more(told):
    told.made()
    fail(told, 1_700_000_000)
    line = "channel bad does not deliver since 2023-11-14T22:13:20Z: the address answered 500"
    assert line in told.run("status").lines
    assert told.run("status", "--output", "json").document["channels"] == [
        {"channel": "bad", "since": "2023-11-14T22:13:20Z", "said": "the address answered 500"}
    ]
    assert told.run("status", "--check").code == 1
    told.edit("[notify.bad]", "[notify.other]", "partflow.toml")
    assert "does not deliver" not in told.run("status").out
    assert told.run("status", "--check").code == 0


def test_a_channel_that_passes_the_test_is_said_to_deliver_again(told):
    told.made()
    told.edit('kind = "webhook"\nurl_env = "BAD_URL"', 'kind = "command"\ncommand = ["true"]',
              "partflow.toml")  # fmt: skip
    fail(told, 1_700_000_000)
    assert told.run("notify", "--test").code == 0
    assert "does not deliver" not in told.run("status").out
