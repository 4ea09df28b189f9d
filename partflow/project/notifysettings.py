"""Reads the table `[notify]` of the configuration: when people are told, and how.

Knows nothing of how a message is sent. What is secret stands in no table: only the name of the
variable of the environment that holds it. No error says a value that may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from partflow.errors import ConfigurationError, guess
from partflow.project.settings import (
    AnyChannel,
    AppriseChannel,
    CommandChannel,
    MailChannel,
    Notifying,
    WebhookChannel,
)
from partflow.project.settingvalues import (
    lines,
    one_line,
    span_of_time,
    time_limit,
    variable,
    web_address,
)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SECRET = ("url", "secret", "password")
"""What stands in no table, or not in each: its name and `_env` is the key of a variable's name."""
_HERE = ("localhost", "127.0.0.1", "::1")
_PORTS = {"starttls": 587, "ssl": 465, "none": 25}
_TIMES = ("tell_after", "heals_after")
_LAST_PORT = 65_535


def notifying_of(where: str, value: object) -> Notifying:
    """What a table says; ConfigurationError if a key is unknown or a value is wrong."""
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{where} is no table; write [notify], and [notify.NAME] for each channel, in the file"
        )
    times = {key: span_of_time(f"{where}.{key}", value[key]) for key in _TIMES if key in value}
    channels = []
    for name, table in value.items():
        if name in _TIMES:
            continue
        if not isinstance(table, dict):
            known = f"there are {' and '.join(_TIMES)}, and tables [notify.NAME] for channels"
            raise ConfigurationError(
                f"{where}: {name!r} is no setting; {guess(name, _TIMES, known)}"
            )
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{where}: {name!r} is no name of a channel: that is a lower-case letter, then "
                "letters, digits, _ and -, at most 63"
            )
        channels.append(_channel(f"{where}.{name}", name, table))
    return Notifying(**times, channels=tuple(channels))


def variables_of(notifying: Notifying) -> frozenset[str]:
    """The variables of the environment that hold what is secret of channels."""
    return frozenset(
        name
        for channel in notifying.channels
        for key in _SECRET
        if (name := getattr(channel, f"{key}_env", ""))
    )


def _channel(where: str, name: str, table: Mapping[str, Any]) -> AnyChannel:
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        said = f"is {kind!r}" if "kind" in table else "is missing"
        raise ConfigurationError(f"{where}.kind {said}; choose {', '.join(sorted(_KINDS))}")
    read, keys, needed = _KINDS[kind]
    for key in table:
        if key not in keys and key != "kind":
            raise _unknown(where, key, keys)
    for key in needed:
        if key not in table:
            raise ConfigurationError(f"{where}: {key} is missing, which a {kind} has to have")
    values = {
        key: _VALUES[key](f"{where}.{key}", value) for key, value in table.items() if key != "kind"
    }
    return read(where, name, values)


def _unknown(where: str, key: str, keys: tuple[str, ...]) -> ConfigurationError:
    named = f"{key}_env"
    if key in _SECRET and named in keys:
        return ConfigurationError(
            f"{where}.{key} would be a secret in a file; put it into a variable of the "
            f"environment, and name that with {named}"
        )
    hint = guess(key, keys, f"there are {', '.join(keys)}")
    return ConfigurationError(f"{where}: {key!r} is no setting of such a channel; {hint}")


def _command(where: str, name: str, values: dict[str, Any]) -> AnyChannel:  # noqa: ARG001 - as all
    return CommandChannel(name, values.pop("command"), **values)


def _webhook(where: str, name: str, values: dict[str, Any]) -> AnyChannel:
    if ("url" in values) == ("url_env" in values):
        raise ConfigurationError(f"{where}: give either url or url_env")
    return WebhookChannel(name, **values)


def _mail(where: str, name: str, values: dict[str, Any]) -> AnyChannel:
    security = values.get("security", "starttls")
    if ("user" in values) != ("password_env" in values):
        raise ConfigurationError(f"{where}: give both user and password_env, or neither")
    if "user" in values and security == "none" and values["host"] not in _HERE:
        raise ConfigurationError(
            f"{where}: the password would be sent in the clear; let security be starttls or ssl"
        )
    values.setdefault("port", _PORTS[security])
    return MailChannel(name, sender=values.pop("from"), **values)


def _apprise(where: str, name: str, values: dict[str, Any]) -> AnyChannel:  # noqa: ARG001 - as all
    return AppriseChannel(name, **values)


def _address(where: str, value: object) -> str:
    """The address of a mailbox."""
    text = one_line(where, value)
    if "@" not in text.strip("@") or any(c in text for c in " ,<>"):
        raise ConfigurationError(f"{where} is {text!r}; write an address such as me@example.org")
    return text


def _addresses(where: str, value: object) -> tuple[str, ...]:
    return tuple(_address(where, each) for each in lines(where, value))


def _port(where: str, value: object) -> int:
    if type(value) is not int or not 0 < value <= _LAST_PORT:
        raise ConfigurationError(f"{where} is {value!r}; give a number from 1 to {_LAST_PORT}")
    return value


def _security(where: str, value: object) -> str:
    if not isinstance(value, str) or value not in _PORTS:
        raise ConfigurationError(f"{where} is {value!r}; choose {', '.join(_PORTS)}")
    return value


_Read = Callable[[str, str, dict[str, Any]], AnyChannel]
_KINDS: Mapping[str, tuple[_Read, tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "command": (_command, ("command", "timeout"), ("command",)),
        "webhook": (_webhook, ("url", "url_env", "secret_env", "timeout"), ()),
        "smtp": (
            _mail,
            ("host", "port", "security", "user", "password_env", "from", "to", "timeout"),
            ("host", "from", "to"),
        ),
        "apprise": (_apprise, ("url_env", "timeout"), ("url_env",)),
    }
)
"""What makes a channel of each kind, the keys that it may have, and those that it must have."""

_VALUES: Mapping[str, Callable[[str, object], object]] = MappingProxyType(
    {
        "command": lines,
        "timeout": time_limit,
        "url": web_address,
        "url_env": variable,
        "secret_env": variable,
        "host": one_line,
        "port": _port,
        "security": _security,
        "user": one_line,
        "password_env": variable,
        "from": _address,
        "to": _addresses,
    }
)
"""What makes the value of each key."""
