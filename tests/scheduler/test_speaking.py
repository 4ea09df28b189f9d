"""`serve` tells people whatever the record does: where there is none, or it cannot be opened."""

from __future__ import annotations

import os

import pytest
from receivers import hook

from partflow.errors import MetastoreError
from partflow.project.config import read_config
from partflow.project.history import History
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.speaking import Speaking
from partflow.scheduler.toldnotes import TOLD, noted_told

START = 1_700_000_000.0
BROKEN = Trouble(Root("project", ""), START, "SyntaxError", "jobs/sales.py:3")


@pytest.fixture
def receiver():
    with hook() as state:
        yield state


@pytest.fixture
def history(tmp_path, receiver):
    (tmp_path / "partflow.toml").write_text(
        f'[notify.ops]\nkind = "webhook"\nurl = "{receiver.url}"\n'
    )
    return History.load(tmp_path)


def speaking(history, tmp_path, place=None):
    config = read_config(tmp_path, {}, {})
    place = history.metastore if place is None else place
    spoken, said = Speaking.of(config, tmp_path, os.environ, place, history.store), []
    spoken.heard_by(said.append, lambda: None)
    return spoken, said


def told(history):
    with history.metastore.looked_at() as metastore:
        return noted_told(metastore.noted(TOLD))


class Shut:
    """The place of a metastore that can be shut, as it is on a full disk."""

    def __init__(self, place):
        self.place, self.is_shut, self.is_empty = place, True, False

    def opened(self):
        if self.is_shut:
            raise MetastoreError("make room")
        return self.place.opened()


def test_a_project_that_never_loaded_is_told_before_there_is_a_record(history, tmp_path, receiver):
    spoken, said = speaking(history, tmp_path)
    spoken.tick([BROKEN], START, False)
    spoken.telling.finish(None, history.store, lambda: START, 30)
    assert (len(receiver.got), said, history.metastore.is_empty) == (1, [], True)
    with history.metastore.opened():
        pass
    spoken.tick([BROKEN], START + 60, False)
    spoken.finish(30)
    assert len(receiver.got) == 1
    assert [e.told for e in told(history).episodes.values()] == [1]


def test_what_is_told_while_the_record_is_shut_is_noted_when_it_is_open(
    history, tmp_path, receiver
):
    with history.metastore.opened():
        place = Shut(history.metastore)
    spoken, said = speaking(history, tmp_path, place)
    for later in (0, 60):
        spoken.tick([BROKEN], START + later, True)
        spoken.telling.finish(None, history.store, lambda: START, 30)
    assert len(receiver.got) == 1
    assert said == ["what is told cannot be recorded: make room"]
    place.is_shut = False
    spoken.tick([BROKEN], START + 120, True)
    spoken.finish(30)
    assert len(receiver.got) == 1
    assert [e.told for e in told(history).episodes.values()] == [1]


class Full:
    """A store on a disk that takes nothing."""

    def journal(self, lines):
        raise OSError(28, "No space left on device")


def test_that_a_full_disk_takes_no_record_is_said_once(history, tmp_path):
    with history.metastore.opened():
        pass
    spoken, said = speaking(history, tmp_path)
    spoken.store = Full()
    for later in (0, 60, 120):
        spoken.tick([BROKEN], START + later, True)
    assert said == ["what is told cannot be recorded: [Errno 28] No space left on device"]
    spoken.telling.finish(None, history.store, lambda: START, 30)
