"""Makes values of settings from what a file holds, each with its words for what is wrong.

Knows nothing of which settings there are. No error says a value that may be secret.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from partflow.errors import ConfigurationError, DeclarationError
from partflow.partitions.spans import duration

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = timedelta(minutes=10)


def span_of_time(where: str, value: object, example: str = "30m") -> timedelta:
    """A span of elapsed time; ConfigurationError, as of all here, if the value says none."""
    try:
        span = duration(value, where) if isinstance(value, str) else None
    except DeclarationError:
        span = None
    if span is None:
        raise ConfigurationError(f"{where} is {value!r}; write a span of time such as {example!r}")
    return span


def time_limit(where: str, value: object) -> timedelta:
    """A span of more than nothing and at most ten minutes."""
    span = span_of_time(where, value)
    if not timedelta(0) < span <= _LONGEST:
        raise ConfigurationError(f"{where} is {value!r}; it is more than 0 and at most 10m")
    return span


def one_line(where: str, value: object) -> str:
    """A text that is not empty, without what a terminal would obey."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConfigurationError(f"{where} must be a text, on one line")
    return value


def lines(where: str, value: object) -> tuple[str, ...]:
    """One or more such texts."""
    if not isinstance(value, list) or not value:
        raise ConfigurationError(f"{where} must be a list of texts, as in ['one', 'two']")
    return tuple(one_line(where, each) for each in value)


def variable(where: str, value: object) -> str:
    """The name of a variable; if it is none, it may be a secret and is not said."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ConfigurationError(
            f"{where} must be the name of a variable of the environment, such as OPS_SECRET, and "
            "not the secret itself"
        )
    return value


def web_address(where: str, value: object) -> str:
    """An http address; it may hold a secret, and is not said."""
    text = one_line(where, value)
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigurationError(f"{where} is no address; write https://...") from None
    if not is_address:
        raise ConfigurationError(f"{where} is no address that begins with https:// or http://")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"{where} holds a password; put the address into a variable of the environment, and "
            "name that with url_env"
        )
    return text
