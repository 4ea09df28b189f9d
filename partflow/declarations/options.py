"""Parses and checks what a declaration says beside reads and writes.

Knows nothing of what a task reads and writes, or of what acts on its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from partflow.errors import DeclarationError
from partflow.partitions.spans import duration


@dataclass(frozen=True, slots=True)
class Options:
    """What a declaration says beside reads and writes; see the arguments of `task`."""

    during: tuple[str, str | None] | None = None
    batch: int | bool | None = None
    retries: int = 0
    retry_delay: timedelta = timedelta(seconds=10)
    timeout: timedelta | None = None
    pool: str | None = None
    executor: Literal["threads"] | None = None
    priority: int = 0
    lag: timedelta = timedelta(0)
    settles_after: timedelta | None = None
    refresh_every: timedelta | None = None
    only: Literal["latest"] | None = None
    version: str | None = None
    on_code_change: Literal["stale", "keep"] = "stale"
    on_input_change: Literal["stale", "keep"] = "stale"
    idempotent: bool = False
    catchup: bool = True
    tags: tuple[str, ...] = ()


def options_of(what: str, given: Mapping[str, Any]) -> Options:
    """The options from the arguments of a declaration, with texts of time as timedeltas.

    DeclarationError, which names the declaration as `what`, if an argument cannot be right.
    """
    spans = ("retry_delay", "timeout", "lag", "settles_after", "refresh_every")
    values = dict(given)
    for key in spans:
        if key in values:
            values[key] = duration(values[key], f"{what}: {key}")
    values["lag"] = values.get("lag") or timedelta(0)
    values["tags"] = (values["tags"],) if isinstance(values["tags"], str) else tuple(values["tags"])
    if values.get("version") is not None:
        values["version"] = str(values["version"])
    _check_options(what, values)
    return Options(**values)


def _check_options(what: str, values: Mapping[str, Any]) -> None:
    _check_batch(what, values.get("batch"))
    for name in ("retries", "priority"):
        number = values[name]
        if (
            not isinstance(number, int)
            or isinstance(number, bool)
            or (name == "retries" and number < 0)
        ):
            least = ", zero or more" if name == "retries" else ""
            raise DeclarationError(f"{what}: {name}={number!r}; give a whole number{least}")
    if values["executor"] not in (None, "threads"):
        raise DeclarationError(
            f"{what}: executor={values['executor']!r}; the one choice is executor='threads'"
        )
    if values["executor"] == "threads" and values["timeout"] is not None:
        raise DeclarationError(
            f"{what}: timeout needs a process that can be stopped, and a thread cannot be; leave "
            "out one of timeout and executor='threads'"
        )
    if values["only"] not in (None, "latest"):
        raise DeclarationError(f"{what}: only={values['only']!r}; the one choice is only='latest'")
    _check_changes(what, values)
    for name, meaning in (
        ("idempotent", "True if doing it twice does no harm"),
        ("catchup", "False if what was due before is made only when it is asked for"),
    ):
        if not isinstance(values.get(name, False), bool):
            raise DeclarationError(f"{what}: {name}={values[name]!r}; say {meaning}")
    _check_during(what, values.get("during"))


def _check_changes(what: str, values: Mapping[str, Any]) -> None:
    """Raise DeclarationError if what follows a change of code or inputs cannot be right."""
    for name in ("on_code_change", "on_input_change"):
        if values.get(name, "stale") not in ("stale", "keep"):
            raise DeclarationError(f"{what}: {name}={values[name]!r}; choose 'stale' or 'keep'")
    if values["on_input_change"] == "keep" and values.get("settles_after") is not None:
        raise DeclarationError(
            f"{what}: settles_after makes partitions again, and on_input_change='keep' makes them "
            "once; leave out one of the two"
        )


def _check_during(what: str, during: object) -> None:
    match during:
        case None | (str(), str() | None):
            return
        case (None, _):
            advice = "name the start, too: that of the dataset, if it is to be from the beginning"
        case _:
            advice = (
                "give (start, end), such as during=('2011-01-01', '2012-01-01'); None as the end "
                "leaves it open"
            )
    raise DeclarationError(f"{what}: during={during!r}; {advice}")


def _check_batch(what: str, batch: object) -> None:
    if batch is None or isinstance(batch, bool):
        return
    if not isinstance(batch, int) or batch < 1:
        raise DeclarationError(f"{what}: batch={batch!r}; give a whole number from 1, or True")
