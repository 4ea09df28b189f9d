"""Sends one message through each channel, to see whether it goes: `partflow notify --test`.

Knows nothing of what people are told else, and remembers nothing.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping

from partflow.report.notice import NoticeReport, trial_notice
from partflow.scheduler.channels.channel import Channel


def tried(channels: Mapping[str, Channel], project: str, now: float) -> dict[str, str | None]:
    """For each channel why a message did not go; None if it went. `now` is in epoch seconds."""
    message = trial_notice(uuid.uuid4().hex, now, project)
    said: dict[str, str | None] = dict.fromkeys(channels, "it took too long")
    threads = [
        threading.Thread(target=_try, args=(channel, message, now, said), daemon=True)
        for channel in channels.values()
    ]
    for thread in threads:
        thread.start()
    for thread, channel in zip(threads, channels.values(), strict=True):
        thread.join(channel.timeout + 1)
    return dict(said)


def _try(channel: Channel, message: NoticeReport, now: float, said: dict[str, str | None]) -> None:
    try:
        said[channel.name] = channel.send(message, now)
    except Exception as error:  # noqa: BLE001 - a channel's own; its text may hold a secret
        said[channel.name] = f"it failed in an unforeseen way ({type(error).__name__})"
