"""What is configured of `partflow serve`, with its defaults.

Knows nothing of how a file says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Scheduling:
    """The table `[tool.partflow.scheduler]`.

    Sources that may still change are looked at every `look_every`, everything every
    `look_all_every`. A run has at most `run_at_most` steps and `jobs` workers, and `runs_at_once`
    go on side by side. What is stale by its code alone is made only where the selection
    `recompute` names it. `alive` is an address that is called after good ticks. When it has to
    stop, what runs has `stop_within` to end. A process that takes longer than `look_within` to load
    the project, or to look, is ended.
    """

    look_every: timedelta = timedelta(minutes=1)
    look_all_every: timedelta = timedelta(hours=1)
    run_at_most: int = 500
    jobs: int = 1
    runs_at_once: int = 2
    recompute: tuple[str, ...] = ()
    alive: str = ""
    stop_within: timedelta = timedelta(seconds=60)
    look_within: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CommandChannel:
    """People are told by a command; `words` are the program and its arguments."""

    name: str
    words: tuple[str, ...]
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """People are told by a POST to `url`, or to what the environment's variable `url_env` holds.

    It is signed if `secret_env` names a variable.
    """

    name: str
    url: str = ""
    url_env: str = ""
    secret_env: str = ""
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class MailChannel:
    """People are told by mail; `security` is `starttls`, `ssl` or `none`."""

    name: str
    host: str
    sender: str
    to: tuple[str, ...]
    port: int
    security: str = "starttls"
    user: str = ""
    password_env: str = ""
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """People are told by apprise, at the address in the environment's variable `url_env`."""

    name: str
    url_env: str
    timeout: timedelta = timedelta(seconds=30)


AnyChannel = CommandChannel | WebhookChannel | MailChannel | AppriseChannel


@dataclass(frozen=True, slots=True)
class Emitting:
    """The table `[tool.partflow.lineage]`: OpenLineage events go to an address, or into a file.

    The environment's variables `url_env` and `api_key_env` hold the address and the key. `file` is
    a path below the root. `namespace` is that of the tasks and datasets, the root's name if "".
    """

    url: str = ""
    url_env: str = ""
    api_key_env: str = ""
    file: str = ""
    namespace: str = ""
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Notifying:
    """The table `[tool.partflow.notify]`.

    An episode is told after `tell_after`, and as over when it has been well for `heals_after`.
    """

    tell_after: timedelta = timedelta(0)
    heals_after: timedelta = timedelta(minutes=30)
    channels: tuple[AnyChannel, ...] = ()
