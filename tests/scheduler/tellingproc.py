"""A process that tells of one trouble, and is killed at a place that it is told.

Called as `tellingproc.py ROOT PLACE NOW`. A command of the project writes down what it was sent.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from partflow.project.project import Project
from partflow.scheduler.channels.channel import Channel
from partflow.scheduler.channels.opening import channels_of
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.telling import Telling

PLACES = ["decided", "journaled", "recorded", "sent", "marked"]
"""After what the process is killed, in the order in which these come."""


def killed_at(place: str, wanted: str) -> None:
    if place == wanted:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Beside:
    """The journal of a store, or the notes of a metastore, with a place before and after."""

    whole: object
    wanted: str
    before: str
    after: str

    def journal(self, lines):
        killed_at(self.before, self.wanted)
        self.whole.journal(lines)
        killed_at(self.after, self.wanted)


@dataclass
class Dying:
    """A channel in a process that is killed before or after it sends."""

    channel: Channel
    wanted: str

    @property
    def name(self):
        return self.channel.name

    @property
    def timeout(self):
        return self.channel.timeout

    def send(self, notice, now):
        killed_at("recorded", self.wanted)
        said = self.channel.send(notice, now)
        killed_at("sent", self.wanted)
        return said


def main(root: Path, wanted: str, now: float) -> None:
    project = Project.load(root)
    notifying = project.config.notify
    channels = {
        name: Dying(channel, wanted)
        for name, channel in channels_of(notifying, root, os.environ).items()
    }
    store = Beside(project.store, wanted, "decided", "journaled")
    telling = Telling(notifying, channels, "shop")
    trouble = Trouble(Root("failed", "clean"), now, "no rows", "partflow logs last", 3, "a", "c")
    with project.history.metastore.opened() as metastore:
        telling.tick([trouble], metastore, store, now)
        telling.finish(metastore, store, lambda: now, 30)
        killed_at("marked", wanted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
