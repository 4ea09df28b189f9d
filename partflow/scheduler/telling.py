"""Tells people what is wrong: the one thing that the loop of `serve` calls for that.

Knows nothing of how anything is found. In each tick it is given all that is wrong; it remembers,
in notes of the metastore, what was told, writes down what is to be told, and has threads of its own
send that. So nothing is sent in a transaction, and no tick waits for a channel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from partflow.metastore.journal import note
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import host
from partflow.project.settings import Notifying
from partflow.scheduler.channels.channel import Channel
from partflow.scheduler.channels.opening import channels_of
from partflow.scheduler.outbox import (
    channel_troubles,
    may_be_tried,
    next_letter,
    next_moment,
    notice_through,
    with_delivered,
    with_failure,
    with_news,
)
from partflow.scheduler.outlook import Trouble
from partflow.scheduler.toldnotes import (
    TOLD,
    Letter,
    Told,
    changed_notes,
    noted_told,
    together,
)
from partflow.store.protocol import Journaling

_GRACE = 5.0
"""A channel may take so many seconds more than its limit before nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class AfterTelling:
    """What a tick of `Telling` came to.

    `failing` is a trouble for each channel that does not deliver. `next_at` is when there is next
    something to do if nothing changes, in epoch seconds; None if there never is. `unrecorded` says
    why what was told could not be recorded; "" if it was.
    """

    failing: tuple[Trouble, ...] = ()
    next_at: float | None = None
    unrecorded: str = ""


def named_project(root: Path) -> str:
    """What messages call the project in the folder `root`: its name, and that of the machine."""
    return f"{root.name} on {host()}"


@dataclass(frozen=True, slots=True)
class _Flight:
    """A letter that a thread is sending; `ends_at` is by the monotonic clock."""

    number: int
    letter: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class _Landing:
    """How a letter fared; `said` is None if it went."""

    channel: str
    number: int
    said: str | None


@dataclass(slots=True)
class Telling:
    """Remembers what people were told, and tells them what is new.

    Call `tick` whenever there is something new to see, at `AfterTelling.next_at`, and whenever
    `wake` was called: it is, in a thread, when a channel is done. All other methods are called by
    one thread. `project` names the project and its machine in every message.

    A message is recorded, then sent, then marked as sent. After a kill in between it is sent once
    more, with the same id; else never twice. If the record refuses to be opened or written (the
    disk is full), it is told all the same, and recorded as soon as that goes: only a kill before
    that has it sent once more.
    """

    notifying: Notifying
    channels: Mapping[str, Channel]
    project: str
    wake: Callable[[], object] = lambda: None
    _flights: dict[str, _Flight] = field(default_factory=dict, init=False)
    _landed: SimpleQueue[_Landing] = field(default_factory=SimpleQueue, init=False)
    _number: int = field(default=0, init=False)
    _held: Told | None = field(default=None, init=False)
    _last: Told = field(default_factory=Told, init=False)
    _has_read: bool = field(default=False, init=False)

    @classmethod
    def of(
        cls,
        notifying: Notifying,
        root: Path,
        environment: Mapping[str, str],
        wake: Callable[[], object] = lambda: None,
    ) -> Telling:
        """The telling of the project in the folder `root`, by the channels that it configures."""
        channels = channels_of(notifying, root, environment)
        return cls(notifying, channels, named_project(root), wake)

    def tick(
        self,
        troubles: Iterable[Trouble],
        metastore: Metastore | None,
        store: Journaling,
        now: float,
        *,
        is_whole: bool = True,
    ) -> AfterTelling:
        """Tell what is new of `troubles`, of which there are none but these if they are `is_whole`.

        What is left out counts as well then. Whoever has not looked anew gives those that were seen
        last; whoever has not looked at all yet says that they are not whole. A trouble of a channel
        is added here, and need not be given. The metastore is None where it cannot be opened. `now`
        is in epoch seconds. Nothing is written if nothing is new. Raises what `metastore.noted`
        raises.
        """
        if not self.channels:
            return AfterTelling()
        noted = None if metastore is None else metastore.noted(TOLD)
        told = self._marked(self._remembered(noted), now)
        told = with_news(told, troubles, now, self.notifying, self.channels, is_whole=is_whole)
        return self._recorded(noted, told, metastore, store, now)

    def finish(
        self,
        metastore: Metastore | None,
        store: Journaling,
        clock: Callable[[], float],
        within: float,
    ) -> AfterTelling:
        """Wait at most `within` seconds until all that can be sent now is sent and marked.

        `clock` gives epoch seconds. What is left stays recorded, and is sent by whoever is next.
        """
        ends_at = time.monotonic() + within
        while True:
            noted = None if metastore is None else metastore.noted(TOLD)
            told = self._marked(self._remembered(noted), clock())
            after = self._recorded(noted, told, metastore, store, clock())
            left = ends_at - time.monotonic()
            if not self._flights or left <= 0:
                return after
            soonest = min(flight.ends_at for flight in self._flights.values())
            self._await_one(min(left, max(soonest - time.monotonic(), 0.01)))

    def _remembered(self, noted: Mapping[str, str] | None) -> Told:
        """What was told: as notes say, or as is known here where they could not be written."""
        if noted is None:
            return self._held or self._last
        told = noted_told(noted)
        if self._held is not None:
            told = self._held if self._has_read else together(told, self._held)
        self._has_read = True
        return told

    def _recorded(
        self,
        noted: Mapping[str, str] | None,
        told: Told,
        metastore: Metastore | None,
        store: Journaling,
        now: float,
    ) -> AfterTelling:
        """Write down what is to be remembered, and then send what waits."""
        unrecorded = "the metastore cannot be opened" if metastore is None else ""
        if metastore is not None and noted is not None:
            try:
                note(metastore, store, TOLD, changed_notes(noted, told))
            except Exception as error:  # noqa: BLE001 - whatever a disk may refuse with
                unrecorded = str(error) or type(error).__name__
        self._last, self._held = told, told if unrecorded else None
        self._send(told, now)
        next_at = next_moment(told, now, self.notifying)
        if self._flights:
            next_at = now + 1 if next_at is None else min(next_at, now + 1)
        return AfterTelling(channel_troubles(told), next_at, unrecorded)

    def _marked(self, told: Told, now: float) -> Told:
        """The account with what the threads have come to since."""
        for landing in self._landings():
            flight = self._flights.get(landing.channel)
            if flight is None or flight.number != landing.number:
                continue  # nobody waited for it any more
            del self._flights[landing.channel]
            if landing.said is None:
                told = with_delivered(told, landing.channel, flight.letter)
            else:
                told = with_failure(told, landing.channel, flight.letter, landing.said, now)
        for name, flight in list(self._flights.items()):
            if time.monotonic() >= flight.ends_at:
                del self._flights[name]
                told = with_failure(told, name, flight.letter, "it took too long", now)
        return told

    def _landings(self) -> Iterable[_Landing]:
        while True:
            try:
                yield self._landed.get_nowait()
            except Empty:
                return

    def _await_one(self, seconds: float) -> None:
        """Wait until a thread is done, and leave what it came to where it is."""
        try:
            landing = self._landed.get(timeout=seconds)
        except Empty:
            return
        self._landed.put(landing)

    def _send(self, told: Told, now: float) -> None:
        """Have a thread send what is next through each channel that is free and not in a pause."""
        for name, channel in self.channels.items():
            letter = next_letter(told, name)
            if name in self._flights or letter is None or not may_be_tried(told, name, now):
                continue
            self._number += 1
            ends_at = time.monotonic() + channel.timeout + _GRACE
            self._flights[name] = _Flight(self._number, letter.id, ends_at)
            threading.Thread(
                target=self._deliver,
                args=(channel, letter, self._number, now),
                name=f"tell-{name}",
                daemon=True,
            ).start()

    def _deliver(self, channel: Channel, letter: Letter, number: int, now: float) -> None:
        """Send a letter, in a thread; nothing is raised."""
        try:
            said = channel.send(notice_through(channel.name, letter, self.project), now)
        except Exception as error:  # noqa: BLE001 - a channel's own; its text may hold a secret
            said = f"it failed in an unforeseen way ({type(error).__name__})"
        self._landed.put(_Landing(channel.name, number, said))
        self.wake()
