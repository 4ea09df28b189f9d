"""What is wrong is recorded, sent, marked as sent; never twice, but for a kill in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from receivers import hook
from tellingproc import PLACES

from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.project.config import read_config
from partflow.project.settings import Notifying, WebhookChannel
from partflow.scheduler.channels.opening import channels_of
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.telling import Telling
from partflow.scheduler.toldnotes import TOLD, noted_told
from partflow.store.memory import MemoryStore

START = 1_700_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86_400
TROUBLE = Trouble(Root("failed", "clean"), START, "no rows", "partflow logs last", 3, "a", "c")


@pytest.fixture
def metastore():
    with SqliteMetastore.in_memory() as opened:
        yield opened


@pytest.fixture
def receiver():
    with hook() as state:
        yield state


@pytest.fixture
def loop(metastore, receiver, tmp_path):
    notifying = Notifying(channels=(WebhookChannel("hook", receiver.url),))
    return Loop(
        Telling(notifying, channels_of(notifying, tmp_path, {}), "shop"), metastore, tmp_path
    )


class Loop:
    """A loop that tells, with a clock of its own."""

    def __init__(self, telling, metastore, folder):
        self.telling, self.metastore, self.now = telling, metastore, START
        self.store = MemoryStore(folder)

    def tick(self, *troubles, passes=0.0):
        self.now += passes
        self.telling.tick(troubles, self.metastore, self.store, self.now)
        return self.telling.finish(self.metastore, self.store, lambda: self.now, 30)

    @property
    def told(self):
        return noted_told(self.metastore.noted(TOLD))


def subjects(receiver):
    return [json.loads(body)["subject"] for _, _, body in receiver.got]


def test_a_trouble_is_told_once_and_its_end_once(loop, receiver):
    loop.tick(TROUBLE)
    loop.tick(TROUBLE, passes=MINUTE)
    loop.tick(passes=MINUTE)
    loop.tick(passes=HOUR)
    loop.tick(passes=HOUR)
    assert subjects(receiver) == [
        "shop: clean failed: 3 partitions, a .. c",
        "shop: clean is well again",
    ]


def test_nothing_is_written_while_nothing_is_new(loop):
    loop.tick(TROUBLE)
    before = list(loop.store.lines), loop.metastore.noted(TOLD)
    for _ in range(5):
        loop.tick(TROUBLE, passes=HOUR)
    assert (loop.store.lines, loop.metastore.noted(TOLD)) == before
    loop.tick(passes=MINUTE)
    for passes in (HOUR, 2 * DAY):
        loop.tick(passes=passes)
    assert loop.metastore.noted(TOLD) == {}
    lines = list(loop.store.lines)
    loop.tick(passes=HOUR)
    assert loop.store.lines == lines


def test_the_next_moment_is_that_at_which_something_is_to_be_told(loop):
    assert loop.tick().next_at is None
    assert loop.tick(TROUBLE).next_at is None
    assert loop.tick(passes=MINUTE).next_at == loop.now + 30 * MINUTE


def test_a_channel_that_fails_is_a_trouble_and_delivers_later(loop, receiver):
    receiver.code = 500
    after = loop.tick(TROUBLE)
    (failing,) = after.failing
    assert failing.root == Root("channel", "hook")
    assert failing.said == "the address answered 500; 1 message waits"
    assert after.next_at == START + 10
    loop.tick(TROUBLE, passes=5)
    assert len(receiver.got) == 1
    receiver.code = 200
    assert loop.tick(TROUBLE, passes=5).failing == ()
    assert len({headers["Idempotency-Key"] for _, headers, _ in receiver.got}) == 1
    assert loop.told.letters == {}


def test_a_message_is_given_up_after_a_day(loop, receiver):
    receiver.code = 500
    loop.tick(TROUBLE)
    for _ in range(60):
        after = loop.tick(TROUBLE, passes=HOUR)
    assert "1 message was given up" in after.failing[0].said
    assert len(receiver.got) < 40
    assert loop.told.letters == {}


def test_a_slow_channel_holds_up_neither_the_loop_nor_another(metastore, receiver, tmp_path):
    receiver.held.clear()
    with hook() as quick:
        channels = (WebhookChannel("slow", receiver.url), WebhookChannel("quick", quick.url))
        notifying, woken = Notifying(channels=channels), threading.Event()
        telling = Telling(notifying, channels_of(notifying, tmp_path, {}), "shop", wake=woken.set)
        store = MemoryStore(tmp_path)
        after = telling.tick([TROUBLE], metastore, store, START)
        assert after.next_at == START + 1
        assert woken.wait(30)
        telling.tick([TROUBLE], metastore, store, START)
        (letter,) = noted_told(metastore.noted(TOLD)).letters.values()
        assert (list(letter.waits), len(quick.got)) == (["slow"], 1)
        receiver.held.set()
        telling.finish(metastore, store, lambda: START, 30)
    assert noted_told(metastore.noted(TOLD)).letters == {}
    assert len(receiver.got) == 1


def test_a_channel_that_never_comes_back_is_not_waited_for(metastore, tmp_path):
    stuck = Stuck()
    telling = Telling(Notifying(), {"stuck": stuck}, "shop")
    store = MemoryStore(tmp_path)
    telling.tick([TROUBLE], metastore, store, START)
    telling._flights["stuck"] = telling._flights["stuck"].__class__(1, stuck.got(), 0.0)
    after = telling.tick([TROUBLE], metastore, store, START)
    stuck.end.set()
    assert after.failing[0].said == "it took too long; 1 message waits"


@dataclass
class Stuck:
    """A channel that does not end before it is told."""

    name: str = "stuck"
    timeout: float = 0.01
    end: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    letters: list = field(default_factory=list)

    def send(self, notice, now):
        self.letters.append(notice.id)
        self.begun.set()
        self.end.wait(30)

    def got(self):
        assert self.begun.wait(30)
        return self.letters[0]


class Full(MemoryStore):
    """A store on a disk that can be full."""

    is_full = True

    def journal(self, lines):
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().journal(lines)


def test_a_full_disk_keeps_nobody_from_being_told_and_is_told_once(loop, receiver, tmp_path):
    loop.store = Full(tmp_path)
    after = loop.tick(TROUBLE)
    assert "No space left" in after.unrecorded
    loop.tick(TROUBLE, passes=MINUTE)
    assert len(receiver.got) == 1
    loop.store.is_full = False
    assert loop.tick(TROUBLE, passes=MINUTE).unrecorded == ""
    assert len(receiver.got) == 1
    assert [e.told for e in loop.told.episodes.values()] == [1]


def test_what_is_told_while_the_record_cannot_be_opened_is_noted_when_it_can(loop, receiver):
    loop.tick(TROUBLE)
    metastore, disk = loop.metastore, Trouble(Root("machine", ""), START, "disk full", "")
    loop.metastore = None
    assert loop.tick(TROUBLE, disk).unrecorded == "the metastore cannot be opened"
    loop.tick(TROUBLE, disk, passes=MINUTE)
    assert len(receiver.got) == 2
    loop.metastore = metastore
    loop.tick(TROUBLE, disk, passes=MINUTE)
    assert len(receiver.got) == 2
    assert {root.kind for root in loop.told.episodes} == {"failed", "machine"}


def test_who_could_not_read_the_record_at_first_loses_nothing_of_it(loop, receiver, tmp_path):
    receiver.code = 500
    loop.tick(TROUBLE)
    metastore, disk = loop.metastore, Trouble(Root("machine", ""), START, "disk full", "")
    loop.telling = Telling(loop.telling.notifying, loop.telling.channels, "shop")
    loop.metastore = None
    loop.tick(disk)
    loop.metastore, receiver.code = metastore, 200
    loop.tick(TROUBLE, disk, passes=HOUR)
    assert {root.kind for root in loop.told.episodes} == {"failed", "machine"}
    assert loop.told.letters == {}
    went = [headers["Idempotency-Key"] for _, headers, _ in receiver.got]
    assert len(set(went)) == 2


def test_without_a_channel_nothing_is_remembered(metastore, tmp_path):
    store = MemoryStore(tmp_path)
    Telling(Notifying(), {}, "shop").tick([TROUBLE], metastore, store, START)
    assert (metastore.noted(TOLD), store.lines) == ({}, [])


def tell(root: Path, place: str, now: float) -> int:
    program = Path(__file__).with_name("tellingproc.py")
    words = [sys.executable, str(program), str(root), place, str(now)]
    return subprocess.run(words, check=False).returncode


@pytest.mark.parametrize("place", PLACES)
def test_a_process_that_is_killed_tells_once_or_once_more_with_the_same_id(tmp_path, place):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/__init__.py").touch()
    (tmp_path / "partflow.toml").write_text(
        "[notify.file]\nkind = \"command\"\ncommand = ['sh', '-c', 'echo $NOTICE_ID >> told.txt']\n"
    )
    assert tell(tmp_path, place, START) == -signal.SIGKILL
    for later in (10, 20):
        assert tell(tmp_path, "", START + later) == 0
    ids = (tmp_path / "told.txt").read_text().split()
    assert len(set(ids)) == 1
    assert len(ids) == (2 if place == "sent" else 1)


SECRET = "hunter2-very-secret"
EVERY_CHANNEL = """
[notify.hook]
kind = "webhook"
url_env = "HOOK_URL"
secret_env = "HOOK_KEY"
[notify.mail]
kind = "smtp"
host = "127.0.0.1"
port = 1
security = "none"
user = "me"
password_env = "MAIL_PASSWORD"
from = "a@example.org"
to = ["b@example.org"]
[notify.pager]
kind = "command"
command = ["sh", "-c", "cat; printenv >&2; exit 3"]
[notify.chat]
kind = "apprise"
url_env = "CHAT_URL"
"""


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
def test_nothing_that_is_recorded_or_said_holds_a_secret(metastore, tmp_path, capfd):
    (tmp_path / "partflow.toml").write_text(EVERY_CHANNEL)
    notifying = read_config(tmp_path, {}, {}).notify
    environment = {
        **os.environ,
        "HOOK_URL": f"http://127.0.0.1:1/{SECRET}/in?key={SECRET}",
        "HOOK_KEY": SECRET,
        "MAIL_PASSWORD": SECRET,
        "CHAT_URL": f"json://me:{SECRET}@127.0.0.1:1/{SECRET}",
        "ZZZ": "last",
    }
    loop = Loop(Telling.of(notifying, tmp_path, environment), metastore, tmp_path)
    for _ in range(3):
        after = loop.tick(TROUBLE, passes=HOUR)
    assert {t.root.name for t in after.failing} == {"hook", "mail", "pager", "chat"}
    out, err = capfd.readouterr()
    noted = json.dumps([after.failing, metastore.noted(TOLD), loop.store.lines], default=str)
    assert SECRET not in noted + out + err + repr(loop.told) + repr(loop.telling)
