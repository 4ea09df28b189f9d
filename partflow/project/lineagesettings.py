"""Reads the table `[lineage]` of the configuration: where OpenLineage events are sent.

Knows nothing of events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from partflow.errors import ConfigurationError, guess
from partflow.project.settings import Emitting
from partflow.project.settingvalues import one_line, time_limit, variable, web_address

_PLACES = ("url", "url_env", "file")
_VALUES: Mapping[str, Callable[[str, object], Any]] = MappingProxyType(
    {
        "url": web_address,
        "url_env": variable,
        "api_key_env": variable,
        "file": one_line,
        "namespace": one_line,
        "timeout": time_limit,
    }
)
"""What makes the value of each key."""


def emitting_of(where: str, value: object) -> Emitting:
    """What a table says; ConfigurationError if a key is unknown or a value is wrong."""
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} is no table; write [lineage] in the file")
    for key in value:
        if key == "api_key":
            raise ConfigurationError(
                f"{where}.{key} would be a secret in a file; put it into a variable of the "
                "environment, and name that with api_key_env"
            )
        if key not in _VALUES:
            hint = guess(key, _VALUES, f"there are {', '.join(_VALUES)}")
            raise ConfigurationError(f"{where}: {key!r} is no setting; {hint}")
    if len([key for key in _PLACES if key in value]) != 1:
        raise ConfigurationError(f"{where}: give one of url, url_env and file")
    return Emitting(**{key: _VALUES[key](f"{where}.{key}", each) for key, each in value.items()})
