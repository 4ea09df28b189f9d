"""Tells people through a service that apprise knows: Slack, Teams, Matrix, and others.

Knows nothing of these services. apprise is imported when a message is sent, and only then.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from partflow.report.notice import NoticeReport
from partflow.scheduler.channels.channel import Hiding

_INSTALL = "apprise is not installed: pip install 'partflow[notify]'"


@dataclass(frozen=True, slots=True)
class ByApprise:
    """The name of the variable that holds an address as apprise writes it."""

    name: str
    url_env: str
    hiding: Hiding
    timeout: float

    def send(self, notice: NoticeReport, now: float) -> str | None:  # noqa: ARG002 - of the protocol
        """Why a message did not go; None if apprise says that it went."""
        if missing := self.hiding.missing():
            return missing
        # What it logs may hold the address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        try:
            from apprise import Apprise
        except ImportError:
            return _INSTALL
        service = Apprise()
        if not service.add(self.hiding.values[self.url_env].strip()):
            return f"{self.url_env} holds no address that apprise knows"
        if service.notify(title=notice.subject, body=notice.text):
            return None
        return "apprise could not deliver it"
