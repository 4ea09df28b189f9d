"""Who leads: one `serve` of a warehouse does, others stand by and take over when it is gone.

The lead is a lease, which ends with its process, however that ends. One that is stopped keeps it,
so a thread of the leader renews a heartbeat in a file; a standby of the same host and user that
sees none for a while kills it. That saves work only: two leaders would do no harm, since what they
make is claimed and fenced. Knows nothing of what a leader does.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from partflow.metastore.leases import Leases
from partflow.metastore.runlog import host, user
from partflow.process.identity import kill, started
from partflow.report.serving import ServerReport, ServingReport, serving_report
from partflow.store.opening import NotAFileError, at_once

STALE = 15.0
"""A leader without a heartbeat for so many seconds is taken for stopped."""
BEAT = 2.0
"""Seconds between two heartbeats."""
LOOKS = 0.25
"""Seconds between two looks of a standby."""

_SIZE = 1024
"""A note has so many bytes from the beginning, so that a full disk takes no later one."""
_LEADER = "leader"
_STANDBY = "standby-"


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, or stands by, as its file says; `beat` is by the monotonic clock of its host.

    `start` is when its process began. `looked_at_all` is when it last looked at everything, in
    epoch seconds; 0 if it has not.
    """

    pid: int
    start: str
    host: str
    user: str
    beat: float = 0.0
    looked_at_all: float = 0.0

    @property
    def words(self) -> str:
        """Who it is, as `runs` says it."""
        return f"{self.user}@{self.host}, process {self.pid}"

    @property
    def is_near(self) -> bool:
        """Whether it is of this host and user."""
        return (self.host, self.user) == (host(), user())


def here() -> Leader:
    """This process."""
    pid = os.getpid()
    return Leader(pid, started(pid) or "", host(), user(), time.monotonic())


@dataclass(slots=True)
class Lead:
    """The lead, as long as it is held: heartbeats go on in a thread.

    `leads` says whether it still is: somebody may have removed the file of the lease.
    """

    leads: Callable[[], bool]
    file: BinaryIO
    _note: Leader = field(default_factory=here)
    _over: threading.Event = field(default_factory=threading.Event)

    def looked_at_all(self, at: float) -> None:
        """Have the file say when everything was last looked at."""
        self._note = replace(self._note, looked_at_all=at)

    def renew(self) -> None:
        """Write a heartbeat; one that the disk does not take is left out."""
        self._note = replace(self._note, beat=time.monotonic())
        with suppress(OSError):
            os.pwrite(self.file.fileno(), _text(self._note), 0)

    def beat(self) -> None:
        """Renew the heartbeat until the lead is given up."""
        while not self._over.wait(BEAT):
            self.renew()

    def give_up(self) -> None:
        """End the heartbeats."""
        self._over.set()


@contextmanager
def lead(leases: Leases, folder: Path) -> Iterator[Lead | None]:
    """Hold the lead in the block, if nobody has it; else None. OSError if the disk refuses."""
    with leases.lead() as leads:
        if leads is None:
            yield None
            return
        with _renewed(folder, leads) as held:
            yield held


@contextmanager
def _renewed(folder: Path, leads: Callable[[], bool]) -> Iterator[Lead]:
    """Say in the file of the leader who leads, and renew the heartbeat, in the block."""
    path = folder / _LEADER
    with ExitStack() as stack:
        file = stack.enter_context(_locked(path))
        while file is None:  # Somebody looks at it; or a former leader has lost its lease.
            path.unlink(missing_ok=True)
            file = stack.enter_context(_locked(path))
        held = Lead(leads, file)
        held.renew()
        thread = threading.Thread(target=held.beat, daemon=True)
        thread.start()
        try:
            yield held
        finally:
            held.give_up()
            thread.join()


@contextmanager
def standing_by(folder: Path) -> Iterator[None]:
    """Be named as one who stands by, in the block; whoever dies is named no more."""
    note = here()
    path = folder / f"{_STANDBY}{note.host}-{note.pid}"
    with _locked(path) as file:
        if file is not None:
            with suppress(OSError):  # a full disk
                os.pwrite(file.fileno(), _text(note), 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def leader_of(folder: Path) -> Leader | None:
    """Who leads now; None if nobody does."""
    return _held_by(folder / _LEADER)


def standbys_of(folder: Path) -> list[Leader]:
    """Who stands by now, in order of host and process."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.startswith(_STANDBY))
    except OSError:
        return []
    notes = (_held_by(path) for path in paths)
    return [note for note in notes if note is not None]


def serving_of(folder: Path) -> ServingReport:
    """Who leads and who stands by now, as it is reported."""
    leader = leader_of(folder)
    standbys = tuple(map(_server, standbys_of(folder)))
    if leader is None:
        return serving_report(None, 0.0, standbys)
    return serving_report(_server(leader), leader.looked_at_all, standbys)


def _server(of: Leader) -> ServerReport:
    return ServerReport(of.pid, of.host, of.user)


@dataclass(slots=True)
class Watch:
    """Watches a leader, and kills it when it has been without a heartbeat for `STALE` seconds.

    Only time in which this process looked counts: not that of a suspended machine, or while both
    were stopped. `say` is called with a line if one is killed, or cannot be.
    """

    folder: Path
    say: Callable[[str], None]
    _last: Leader | None = None
    _silent: float = 0.0
    _looked_at: float = 0.0

    def look(self, now: float) -> None:
        """Look once; `now` is in seconds, by the monotonic clock."""
        leader = leader_of(self.folder)
        passed = min(now - self._looked_at, 4 * LOOKS)
        self._looked_at = now
        if leader is None or self._last is None or leader.beat != self._last.beat:
            self._silent, self._last = 0.0, leader
            return
        before, self._silent = self._silent, self._silent + passed
        if before < STALE <= self._silent and leader.is_near:
            self._end(leader)

    def _end(self, leader: Leader) -> None:
        silent = f"{leader.words} leads, and has been silent for {STALE:.0f} s"
        try:
            if kill(leader.pid, leader.start):
                self.say(f"{silent}: it was killed")
        except PermissionError:
            self.say(f"{silent}; this process may not kill it")


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO | None]:
    """Hold the lock of a file in the block; None if another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "r+b", opener=_made) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_held = _is_at(path, file)
        except BlockingIOError:
            is_held = False
        yield file if is_held else None


def _made(path: str, flags: int) -> int:
    return at_once(path, flags | os.O_CREAT)


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether the open file is still the one at that path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _held_by(path: Path) -> Leader | None:
    """Who holds a file's lock, by what is in it; None if nobody does, or it cannot be read."""
    with (
        suppress(FileNotFoundError, NotAFileError),
        open(path, "rb", opener=at_once) as file,
    ):
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(os.pread(file.fileno(), _SIZE, 0))
    return None


def _text(note: Leader) -> bytes:
    return json.dumps(asdict(note)).encode().ljust(_SIZE - 1)[: _SIZE - 1] + b"\n"


def _read(text: bytes) -> Leader | None:
    try:
        fields = json.loads(text)
        return Leader(
            int(fields["pid"]), str(fields["start"]), str(fields["host"]), str(fields["user"]),
            float(fields["beat"]), float(fields["looked_at_all"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
