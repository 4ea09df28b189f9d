"""Tells the service manager how `serve` is, over its socket; nothing if there is none.

Knows nothing of what `serve` does. The protocol is that of `sd_notify(3)`: a datagram with lines.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_PING_FOR = 3


class Supervisor:
    """The service manager that the environment names, if any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        watchdog = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog = int(watchdog) / 1e6 if watchdog.isdecimal() and is_ours else 0.0

    @property
    def patience(self) -> float:
        """The longest that `serve` may sleep without a word, in seconds."""
        return self._watchdog / _PING_FOR if self._address and self._watchdog else float("inf")

    def ready(self) -> None:
        """Say that it has begun."""
        self._send("READY=1")

    def well(self, status: str = "") -> None:
        """Say that it goes on, and with what."""
        lines = ["WATCHDOG=1"] if self._watchdog else []
        self._send("\n".join([*lines, f"STATUS={status}"] if status else lines))

    def stopping(self) -> None:
        """Say that it ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if self._address and text:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
                speaking.sendto(text.encode(), self._address)
