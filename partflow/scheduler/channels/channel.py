"""What a channel is, and how it keeps what is secret.

Knows nothing of which channels there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from partflow.report.notice import NoticeReport
from partflow.report.text import bounded

_HIDDEN = "***"
_TELLING = 6
"""A part of an address of fewer letters tells nothing."""


class Channel(Protocol):
    """A way to tell people, with a name and a limit of `timeout` seconds for each message."""

    @property
    def name(self) -> str:
        """What it is called in the configuration."""
        ...

    @property
    def timeout(self) -> float:
        """How many seconds a message may take; whoever waits counts, too."""
        ...

    def send(self, notice: NoticeReport, now: float) -> str | None:
        """Why a message did not go, without secrets; None if it went.

        `now` is in epoch seconds. The same message has the same id if it is sent once more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hiding:
    """What is secret of a channel: the values of some variables of the environment, by name."""

    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str], *names: str) -> Hiding:
        """The values of these variables; "" is no name."""
        return cls({name: environment.get(name, "") for name in names if name})

    def missing(self) -> str | None:
        """What is said if a variable is not set, or is empty; None if all are set."""
        unset = [name for name, value in self.values.items() if not value]
        return f"the environment's {unset[0]} is not set" if unset else None

    def without(self, text: str) -> str:
        """The text, on one line and of bounded length, with nothing of what is secret."""
        secrets = {part for value in self.values.values() for part in _parts(value)}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return " ".join(bounded(text))


def _parts(value: str) -> Iterable[str]:
    """A secret, and if it is an address what may be secret by itself in it."""
    if not value:
        return
    yield value
    yield value.strip()
    if "://" not in value:
        return
    try:
        parts = urlsplit(value)
        pieces = [parts.username or "", parts.password or "", *parts.path.split("/")]
        pieces += [parts.query, *(pair.partition("=")[2] for pair in parts.query.split("&"))]
    except ValueError:
        return
    for piece in pieces:
        if len(piece) >= _TELLING:
            yield piece
            yield unquote(piece)
