"""Shows the states of datasets: a row each, with a bar over time.

Knows nothing of how states are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.partitions.keytexts import shown_keys_in
from partflow.planning.planner import State
from partflow.planning.status import Status
from partflow.report.text import aligned, count, painted, room, size, span, width

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 24
_MARKS = {
    State.FRESH: ("█", "green"),
    State.STALE: ("▓", "yellow"),
    State.WAITING: ("░", "blue"),
    State.MISSING: ("·", None),
    State.BLOCKED: ("!", "red"),
}
_WORST_LAST = (State.FRESH, State.WAITING, State.STALE, State.MISSING, State.BLOCKED)
_HEADS = ("dataset", "grain", "range", "fresh", "stale", "missing", "waiting", "blocked", "rows")
_NUMBERS = range(3, 10)
_GAP = "  "


def status_lines(found: Sequence[Status]) -> list[str]:
    """A row for each, the bar beside it, or below it where the terminal is too narrow."""
    if not found:
        return ["no dataset is selected"]
    rows = aligned([(*_HEADS, "size"), *(_row(s) for s in found)], right=_NUMBERS)
    widest = max(map(width, rows))
    space = room()
    beside = space is None or widest + len(_GAP) + CELLS <= space
    lines = [rows[0]]
    for row, one in zip(rows[1:], found, strict=True):
        bar = _painted_bar(one)
        spaces = " " * (widest - width(row))
        lines += [row + spaces + _GAP + bar] if beside else [row, _GAP + bar]
    return [*lines, *_notes(found), _legend()]


def status_document(found: Sequence[Status]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "datasets": [
            {
                "dataset": s.node,
                "kind": s.kind,
                "grain": s.grain,
                "first": s.first or None,
                "last": s.last or None,
                "partitions": s.partitions,
                **{state.name.lower(): s.counts[state] for state in State},
                "may_become_stale": s.maybe,
                "kept": s.kept,
                "pinned": s.pinned,
                "last_good": s.last_good,
                "rows": s.rows,
                "bytes": s.nbytes,
                "heat": "".join(_MARKS[state][0] for state in heat(s.states)),
            }
            for s in found
        ]
    }


def heat(states: NDArray[np.uint8], cells: int = CELLS) -> list[State]:
    """The worst state of each of `cells` equal parts; fewer cells if there are fewer partitions."""
    n = len(states)
    if not n:
        return []
    # The rank of each state by its number.
    order = np.argsort(np.array(_WORST_LAST, np.int64))
    cells = min(cells, n)
    begins = np.arange(cells) * n // cells
    worst = np.maximum.reduceat(order[states], begins)
    return [_WORST_LAST[rank] for rank in worst.tolist()]


def _row(one: Status) -> tuple[str, ...]:
    kind = "" if one.kind == "dataset" else f" ({one.kind})"
    counts = (f"{one.counts[s]:,}" if one.counts[s] else "-" for s in State)
    stored = one.kind != "effect"
    return (
        one.node + kind,
        shown_keys_in(one.grain),
        span(one.first, one.last) if one.first else "none yet",
        *counts,
        f"{one.rows:,}" if stored and one.kind != "source" else "-",
        size(one.nbytes) if stored else "-",
    )


def _painted_bar(one: Status) -> str:
    runs = ((state, len(list(cells))) for state, cells in groupby(heat(one.states)))
    return "".join(painted(_MARKS[s][0] * n, _MARKS[s][1]) for s, n in runs)


def _notes(found: Sequence[Status]) -> list[str]:
    """What the states alone do not say."""
    maybe = [f"{s.node} {s.maybe:,}" for s in found if s.maybe]
    kept = [f"{s.node} {s.kept:,}" for s in found if s.kept]
    lines = []
    if maybe:
        total = count(sum(s.maybe for s in found), "fresh partition")
        lines.append(f"{total} may become stale: {', '.join(maybe)}")
    if kept:
        total = count(sum(s.kept for s in found), "partition")
        lines.append(f"{total} of other code kept: {', '.join(kept)}")
    pinned = [f"{s.node} {s.pinned:,}" for s in found if s.pinned]
    if pinned:
        total = count(sum(s.pinned for s in found), "partition")
        lines.append(f"{total} pinned, by somebody's choice: {', '.join(pinned)}")
    last_good = [f"{s.node} {s.last_good:,}" for s in found if s.last_good]
    if last_good:
        total = count(sum(s.last_good for s in found), "blocked partition")
        lines.append(f"{total} as made of the last good content: {', '.join(last_good)}")
    return lines


def _legend() -> str:
    return _GAP.join(
        f"{painted(mark, colour)} {state.name.lower()}" for state, (mark, colour) in _MARKS.items()
    )
