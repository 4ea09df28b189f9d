"""Checks what a source says of a function that tells what is there, and of how long it changes.

Knows nothing of who calls the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partflow.declarations.storedas import StoredAs
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Whole
from partflow.partitions.spans import Duration, duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from partflow.partitions.calendar import Grain

ANSWER = StoredAs("answer", "txt", is_table=False)
"""The format of the texts that such a function gave."""


def problem_of_asking(function: object, given: Mapping[str, Any]) -> str | None:
    """What is wrong with a source's `fingerprint`, beside what else it was given; None if nothing.

    `given` has the other arguments by name.
    """
    if not callable(function):
        return f"fingerprint is {function!r}; give a function that takes a Partition"
    beside = next((name for name, value in given.items() if value), None)
    if beside is not None:
        return f"{beside} says where its files are, and fingerprint that it has none; leave one out"
    return None


def problem_of_settling(
    grain: Grain, settles_after: Duration | None, refresh_every: Duration | None, *, is_asked: bool
) -> str | None:
    """What is wrong with until when a source's partitions may change; None if nothing is."""
    try:
        after = span_of("settles_after", settles_after)
        span_of("refresh_every", refresh_every)
    except DeclarationError as error:
        return str(error)
    if isinstance(grain, Whole) and after is not None:
        return "settles_after counts from a partition's end, and a Whole source has none"
    if is_asked and after is None and not isinstance(grain, Whole):
        return (
            "with a fingerprint it needs settles_after, such as '3d': until so long after its end "
            "a partition is asked about"
        )
    return None


def span_of(name: str, given: Duration | None) -> timedelta | None:
    """The span that an argument says; DeclarationError if it says none, or one below zero."""
    span = duration(given, name)
    if span is not None and span.total_seconds() < 0:
        raise DeclarationError(f"{name} is {given!r}; it must not be below nothing")
    return span
