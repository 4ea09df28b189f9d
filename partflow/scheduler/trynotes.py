"""Writes down what is remembered of failed steps as notes, and reads it back.

A note is a text by name, as a metastore keeps it: one for each step, and one for each task with the
line to read first. Knows nothing of the metastore. What cannot be read is as if it had never been:
then a step is tried once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from partflow.scheduler.tries import NO_TRIES, Memory, Tries

TRIED = "tried"
"""The kind of these notes."""
_LONGEST = 500
"""So many characters of the line to read first are kept."""


def noted_memory(noted: Mapping[str, str]) -> Memory:
    """What notes say, by name; those that say nothing are left out."""
    rows: dict[str, list[tuple[int, int, int, float, int]]] = {}
    said: dict[str, str] = {}
    for name, text in noted.items():
        task, _, ordinal = name.partition(" ")
        if not ordinal:
            said[task] = text
            continue
        with suppress(ValueError, TypeError, OverflowError, RecursionError):
            digest, count, at, of_machine = json.loads(text)
            row = int(ordinal), int(digest, 16), int(count), float(at), int(of_machine)
            _require_possible(row)
            rows.setdefault(task, []).append(row)
    return {task: _tries(rows[task], said.get(task, "")) for task in sorted(rows)}


def changed_notes(before: Memory, after: Memory) -> dict[str, str | None]:
    """What is to be noted so that notes of `before` say `after`; None takes a note away."""
    texts: dict[str, str | None] = {}
    for task in sorted(before.keys() | after.keys()):
        old, new = before.get(task, NO_TRIES), after.get(task, NO_TRIES)
        if old is new:
            continue
        were, are = _lines(task, old), _lines(task, new)
        texts |= dict.fromkeys(were.keys() - are.keys())
        texts |= {name: text for name, text in are.items() if were.get(name) != text}
    return texts


def _require_possible(row: tuple[int, int, int, float, int]) -> None:
    """Raise ValueError if a number is none that was ever written down."""
    ordinal, digest, count, at, of_machine = row
    if not (abs(ordinal) < 2**62 and 0 <= digest < 2**64 and np.isfinite(at)):
        raise ValueError(row)
    if not (0 <= count < 2**31 and 0 <= of_machine < 2**31):
        raise ValueError(row)


def _tries(rows: list[tuple[int, int, int, float, int]], said: str) -> Tries:
    ordinals, digests, counts, at, of_machine = zip(*sorted(rows), strict=True)
    return Tries(
        np.array(ordinals, np.int64),
        np.array(digests, np.uint64),
        np.array(counts, np.int64),
        np.array(at, np.float64),
        np.array(of_machine, np.int64),
        said,
    )


def _lines(task: str, tries: Tries) -> dict[str, str]:
    """The notes of one task by name."""
    if not len(tries):
        return {}
    columns = (tries.ordinals, tries.digests, tries.counts, tries.at, tries.of_machine)
    lines = {
        f"{task} {ordinal}": json.dumps([f"{digest:x}", count, at, of_machine])
        for ordinal, digest, count, at, of_machine in zip(
            *(column.tolist() for column in columns), strict=True
        )
    }
    return {task: tries.said[:_LONGEST], **lines}
