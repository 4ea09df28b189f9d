"""Reads the table `[scheduler]` of the configuration: how `partflow serve` works.

Knows nothing of what the values are used for. In the environment each setting is a variable of its
own, as `PARTFLOW_SCHEDULER_LOOK_EVERY`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from partflow.errors import ConfigurationError, guess
from partflow.project.settings import Scheduling
from partflow.project.settingvalues import span_of_time, web_address

VARIABLES = "scheduler_"
"""How the variables of these settings begin, after that of all and in lower case."""

_SHORTEST = timedelta(seconds=1)
_DIGITS = 10


def scheduling_of(where: str, value: object) -> Scheduling:
    """What a table says; ConfigurationError if a key is unknown or a value is wrong."""
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} is no table; write [scheduler] in the file")
    return _with(Scheduling(), {key: (f"{where}.{key}", value[key]) for key in value}, where)


def with_variables(scheduling: Scheduling, variables: Mapping[str, str]) -> Scheduling:
    """The settings with those of the environment; `variables` are by their whole name.

    ConfigurationError if one is none of these settings, or has a wrong value.
    """
    given = {name.lower().partition(VARIABLES)[2]: (name, text) for name, text in variables.items()}
    return _with(scheduling, given, "the environment's PARTFLOW_SCHEDULER_")


def _with(
    scheduling: Scheduling, given: Mapping[str, tuple[str, object]], where: str
) -> Scheduling:
    known = [field.name for field in fields(Scheduling)]
    for key in given:
        if key not in known:
            hint = guess(key, known, f"there are {', '.join(known)}")
            raise ConfigurationError(f"{where}: {key!r} is no setting of serve; {hint}")
    return replace(scheduling, **{k: _VALUES[k](*said) for k, said in given.items()})


def _span(where: str, value: object) -> timedelta:
    span = span_of_time(where, value, example="1m")
    if span < _SHORTEST:
        raise ConfigurationError(f"{where} is {value!r}; it is at least 1s")
    return span


def _number(where: str, value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < _DIGITS:
        value = int(value)
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{where} is {value!r}; give a number, one or more")
    return value


def _selection(where: str, value: object) -> tuple[str, ...]:
    """The words of a selection; a text of the environment has spaces between them."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise ConfigurationError(
            f"{where} is {value!r}; write a list of selections, as ['tag:cheap', 'features+']"
        )
    return tuple(words)


def _address(where: str, value: object) -> str:
    return "" if value == "" else web_address(where, value)


_VALUES: Mapping[str, Callable[[str, object], Any]] = MappingProxyType(
    {
        "look_every": _span,
        "look_all_every": _span,
        "look_within": _span,
        "stop_within": span_of_time,
        "run_at_most": _number,
        "jobs": _number,
        "runs_at_once": _number,
        "recompute": _selection,
        "alive": _address,
    }
)
"""What makes the value of each key."""
