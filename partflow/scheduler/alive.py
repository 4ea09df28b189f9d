"""Calls an address after good ticks, so that somebody else hears when they stop.

Knows nothing of ticks. A call is a GET in a thread, with a time limit; what comes of it is nobody's
matter here: whoever listens there tells of silence.
"""

from __future__ import annotations

import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException

EVERY = 60.0
"""At most one call in so many seconds."""
_TIMEOUT = 10.0


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: another address is none that was configured."""

    def redirect_request(self, *_: object) -> None:
        """Nothing is asked for instead."""
        return


@dataclass(slots=True)
class Alive:
    """The address that is called; "" for none."""

    address: str
    _called_at: float | None = None
    _thread: threading.Thread | None = field(default=None, repr=False)

    def is_well(self, now: float) -> None:
        """Call it, if that was not done lately; `now` is in seconds, by the monotonic clock."""
        is_late = self._called_at is None or now - self._called_at >= EVERY
        if not self.address or not is_late or (self._thread and self._thread.is_alive()):
            return
        self._called_at = now
        self._thread = threading.Thread(target=self._call, name="alive", daemon=True)
        self._thread.start()

    def _call(self) -> None:
        opener = urllib.request.build_opener(_Stay())
        with (
            suppress(OSError, ValueError, HTTPException),  # also of answers that are none
            opener.open(self.address, timeout=_TIMEOUT) as answer,
        ):
            answer.read(1)
