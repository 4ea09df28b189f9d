"""Makes the channels that the configuration names.

Knows nothing of what is sent. No channel is tried, and nothing is imported, until it sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from partflow.project.notifysettings import variables_of
from partflow.project.settings import (
    AnyChannel,
    AppriseChannel,
    CommandChannel,
    MailChannel,
    Notifying,
    WebhookChannel,
)
from partflow.scheduler.channels.byapprise import ByApprise
from partflow.scheduler.channels.channel import Channel, Hiding
from partflow.scheduler.channels.command import ByCommand
from partflow.scheduler.channels.mail import ByMail
from partflow.scheduler.channels.webhook import ByWebhook


def channels_of(
    notifying: Notifying, root: Path, environment: Mapping[str, str]
) -> dict[str, Channel]:
    """The channels by name; commands are called in the folder `root`."""
    every = Hiding.of(environment, *sorted(variables_of(notifying)))
    return {each.name: _channel(each, root, environment, every) for each in notifying.channels}


def _channel(
    settings: AnyChannel, root: Path, environment: Mapping[str, str], every: Hiding
) -> Channel:
    seconds = settings.timeout.total_seconds()
    match settings:
        case CommandChannel(name, words):
            return ByCommand(name, words, root, environment, every, seconds)
        case WebhookChannel(name, url, url_env, secret_env):
            hiding = Hiding.of(environment, url_env, secret_env)
            return ByWebhook(name, url, url_env, secret_env, hiding, seconds)
        case MailChannel(password_env=password_env):
            return ByMail(settings, Hiding.of(environment, password_env))
        case AppriseChannel(name, url_env):
            return ByApprise(name, url_env, Hiding.of(environment, url_env), seconds)
        case _:
            assert_never(settings)
