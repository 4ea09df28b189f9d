"""Follows the runs of a warehouse, and sends the events of each when it has ended.

Knows nothing of what an event says. How far it has come is a note in the metastore, so that a
restart sends each event at least once, and with the same id.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from partflow.metastore.journal import note
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import RunRow
from partflow.project.settings import Emitting
from partflow.scheduler.lineage.emitting import emitted
from partflow.scheduler.lineage.ranges import MadeRange, ranges_of, written_in
from partflow.scheduler.outbox import pause_after
from partflow.scheduler.toldnotes import Ailing, ailing_of, ailing_text
from partflow.store.protocol import Journaling

LINEAGE = "lineage"
"""The kind of these notes."""
_SENT, _AILING = "sent", "ailing"
_AT_MOST = 1000
"""So many of the newest runs are looked through."""


@dataclass(frozen=True, slots=True)
class Followed:
    """How far runs were followed: to which one, and which of those before had not ended."""

    newest: str
    open: tuple[str, ...] = ()


@dataclass(slots=True)
class Following:
    """Sends OpenLineage events of all runs that end from its first tick on.

    Call `tick` whenever something may have ended, and at the moment that it gives back; `wake` is
    called, in a thread, when there is something to note. Events are sent by a thread of its own,
    which imports what it needs. Of more than 1,000 runs between two ticks the oldest are left out.
    What cannot be noted, because the disk is full, is noted as soon as that goes.
    """

    settings: Emitting
    root: Path
    environment: Mapping[str, str] = field(repr=False)
    wake: Callable[[], object] = lambda: None
    _sending: Followed | None = field(default=None, init=False)
    _held: tuple[Followed | None, Ailing | None] | None = field(default=None, init=False)
    _came_to: SimpleQueue[str | None] = field(default_factory=SimpleQueue, init=False)

    def tick(self, metastore: Metastore, store: Journaling, now: float) -> float | None:
        """Send what has ended since; returns when to try again, None if nothing waits.

        Nothing is written if no run has ended or begun. `now` is in epoch seconds. Raises what
        reading the metastore raises.
        """
        noted = metastore.noted(LINEAGE)
        followed, ailing = self._held or (_followed(noted), failing_lineage(noted))
        if self._sending is not None:
            try:
                said = self._came_to.get_nowait()
            except Empty:
                return None
            followed, ailing = self._after(followed, ailing, said, now)
        new, ended = _since(metastore, followed)
        is_due = ailing is None or not now < ailing.next_at <= now + pause_after(ailing.tries)
        if ended and followed is not None:
            if is_due:
                self._send(new, [each for row in ended for each in _ranges(metastore, row)])
        else:
            followed = new
        texts = _texts(followed, ailing)
        changed = {name: text for name, text in texts.items() if noted.get(name) != text}
        try:
            note(metastore, store, LINEAGE, changed)
            self._held = None
        except Exception:  # noqa: BLE001 - whatever a disk or a metastore may refuse with
            self._held = followed, ailing
        return None if ailing is None or is_due else ailing.next_at

    def finish(self, within: float) -> None:
        """Wait at most so many seconds until what is being sent was; the next `tick` notes it."""
        if self._sending is not None:
            with suppress(Empty):
                self._came_to.put(self._came_to.get(timeout=within))

    def _after(
        self, followed: Followed | None, ailing: Ailing | None, said: str | None, now: float
    ) -> tuple[Followed | None, Ailing | None]:
        """How far it has come, and what fails, after the thread is done."""
        sent, self._sending = self._sending, None
        if said is None:
            return sent, None
        tries = 1 if ailing is None else ailing.tries + 1
        since = now if ailing is None else min(ailing.since, now)
        return followed, Ailing(since, tries, now + pause_after(tries), said)

    def _send(self, then: Followed, ranges: Sequence[MadeRange]) -> None:
        self._sending = then
        threading.Thread(target=self._emit, args=(ranges,), name="lineage", daemon=True).start()

    def _emit(self, ranges: Sequence[MadeRange]) -> None:
        said = emitted(self.settings, self.root, self.environment, ranges) if ranges else None
        self._came_to.put(said)
        self.wake()


def failing_lineage(noted: Mapping[str, str]) -> Ailing | None:
    """What notes say of events that are not delivered; None if they are."""
    return ailing_of(_read(noted.get(_AILING)))


def _since(metastore: Metastore, followed: Followed | None) -> tuple[Followed, list[RunRow]]:
    """How far runs have come now, and those that have ended since, the first one first."""
    newest = metastore.run_rows(1)
    name = newest[0].id if newest else ""
    if followed is not None and followed.newest == name and not followed.open:
        return followed, []
    rows = metastore.run_rows(_AT_MOST)
    running = [row.id for row in rows if row.state == "running"]
    if followed is None:
        return Followed(name, tuple(running)), []
    later = [row.id for row in _until(rows, followed.newest)]
    wanted = {*later, *followed.open}
    ended = [row for row in reversed(rows) if row.id in wanted and row.state != "running"]
    return Followed(name, tuple(id_ for id_ in running if id_ in wanted)), ended


def _until(rows: Iterable[RunRow], newest: str) -> list[RunRow]:
    """The rows before that of a run, the newest first."""
    later = []
    for row in rows:
        if row.id == newest:
            break
        later.append(row)
    return later


def _ranges(metastore: Metastore, row: RunRow) -> tuple[MadeRange, ...]:
    steps = metastore.steps(row.id)
    texts = metastore.graphs(row.id) if row.graph else []
    document = _read(texts[0]) if texts else None
    current = metastore.current(written_in(document, steps))
    return ranges_of(row, steps, document, current)


def _followed(noted: Mapping[str, str]) -> Followed | None:
    said = _read(noted.get(_SENT))
    try:
        return Followed(str(said["newest"]), tuple(str(each) for each in said["open"]))
    except (KeyError, TypeError):
        return None


def _texts(followed: Followed | None, ailing: Ailing | None) -> dict[str, str | None]:
    """The notes; None takes one away."""
    texts: dict[str, str | None] = {}
    if followed is not None:
        said = {"newest": followed.newest, "open": list(followed.open)}
        texts[_SENT] = json.dumps(said, sort_keys=True)
    texts[_AILING] = None if ailing is None else ailing_text(ailing)
    return texts


def _read(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
