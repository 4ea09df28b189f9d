"""What was accepted, what was left and why, and what came of checks: as text and as JSON.

Knows nothing of how any of it is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from partflow.declarations.graph import outputs
from partflow.operations.acceptable import Acceptance, Group, Kind
from partflow.operations.check import Reading, Trial, Verdict
from partflow.partitions.keytexts import shown_key
from partflow.report import sentences
from partflow.report.text import aligned, count, painted, printable

if TYPE_CHECKING:
    from partflow.operations.accept import Accepted
    from partflow.planning.selection import Asked

_COLOURS = {Kind.CODE: "green", Kind.HAND: "cyan", Kind.LEFT: "yellow"}


def acceptance_lines(accepted: Accepted, *, is_done: bool) -> list[str]:
    """What was accepted, or would be, and what was left and why; the sentence last."""
    # What the sample refused is not listed as if it had been accepted.
    found = accepted.acceptance
    groups = [g for g in found.groups if g.kind is Kind.LEFT or not accepted.refusal]
    rows = aligned([_row(g) for g in groups]) if groups else []
    lines = [painted(r, _COLOURS[g.kind]) for r, g in zip(rows, groups, strict=True)]
    wrong = sorted((c for c in accepted.compared if c.problem), key=lambda c: (c.node, c.key))
    lines += [
        painted(f"differs {c.node}@{shown_key(c.key)}: {printable(c.problem or '')}", "red")
        for c in wrong
    ]
    return [*lines, _sentence(accepted, is_done=is_done)]


def bad_trials(trials: Sequence[Trial], asked: Asked) -> list[Trial]:
    """The faults; and the partitions that were named by their keys and could not be made."""
    return [
        t
        for t in trials
        if t.verdict.is_bad or (asked.keys and t.key and t.verdict is Verdict.LEFT)
    ]


def check_lines(
    trials: Sequence[Trial] | None, reading: Reading | None, bad: Sequence[Trial]
) -> list[str]:
    """What came of the checks, the `bad` trials in red; a sentence after each kind of them."""
    lines = [] if reading is None else _reading_lines(reading)
    return lines if trials is None else [*lines, *_trial_lines(trials, bad)]


def _sentence(accepted: Accepted, *, is_done: bool) -> str:
    found = accepted.acceptance
    if accepted.refusal:
        return f"nothing accepted: {accepted.refusal}"
    code, hand, left = (found.count(k) for k in (Kind.CODE, Kind.HAND, Kind.LEFT))
    more = f", {left:,} left as they are" if left else ""
    if not code and not hand:
        return f"nothing to accept{more}"
    keys = {(c.task, c.key) for c in accepted.compared}
    more = (
        f" after {count(len(keys), 'partition')} made aside came out equal{more}" if keys else more
    )
    if is_done:
        return f"accepted {code:,}, pinned {hand:,}{more}"
    return f"{count(code, 'partition')} would be accepted, {hand:,} pinned{more}"


def _row(group: Group) -> tuple[str, ...]:
    return (
        ", ".join(outputs(group.task)),
        group.kind.value,
        count(len(group.at), "partition"),
        sentences.ranged(group.ranges),
        group.text,
    )


def acceptance_document(accepted: Accepted, *, is_done: bool) -> dict[str, Any]:
    """The same as JSON."""
    found: Acceptance = accepted.acceptance
    refused = accepted.refusal is not None
    return {
        "run": accepted.run or None,
        "accepted": 0 if refused else found.count(Kind.CODE),
        "pinned": 0 if refused else found.count(Kind.HAND),
        "left": found.count(Kind.LEFT),
        "refusal": accepted.refusal,
        "groups": [
            {
                "task": g.task.name,
                "datasets": list(outputs(g.task)),
                "action": g.kind.value,
                "text": g.text,
                "count": len(g.at),
                "ranges": [list(r) for r in g.ranges],
            }
            for g in found.groups
        ],
        "sample": [
            {"dataset": c.node, "key": c.key, "problem": c.problem} for c in accepted.compared
        ],
        "sentence": _sentence(accepted, is_done=is_done),
    }


def _reading_lines(reading: Reading) -> list[str]:
    rows = [(f.node, shown_key(f.key), f.text) for f in reading.faults]
    lines = [painted(line, "red") for line in aligned(rows)] if rows else []
    return [*lines, _reading_sentence(reading)]


def _reading_sentence(reading: Reading) -> str:
    wrong = f"{len(reading.faults):,} not as recorded" if reading.faults else "all as recorded"
    return f"read {count(reading.files, 'file')}: {wrong}"


def _trial_lines(trials: Sequence[Trial], bad: Sequence[Trial]) -> list[str]:
    rows = [(t.node, shown_key(t.key) or "-", t.verdict.value, t.text) for t in trials]
    lines = aligned(rows) if rows else []
    shown = [
        painted(line, "red" if t in bad else None) for line, t in zip(lines, trials, strict=True)
    ]
    return [*shown, _trial_sentence(trials)]


def _trial_sentence(trials: Sequence[Trial]) -> str:
    made = {(t.task, t.key) for t in trials if t.verdict is not Verdict.LEFT}
    failed = sorted({t.task for t in trials if t.verdict is Verdict.FAILED})
    other = sorted({t.task for t in trials if t.verdict.is_bad and t.verdict is not Verdict.FAILED})
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not the same: {', '.join(other)}"] if other else []
    said = "; ".join(parts) or "all the same"
    return f"made {count(len(made), 'partition')} twice: {said}" if made else "made nothing twice"


def check_document(trials: Sequence[Trial] | None, reading: Reading | None) -> dict[str, Any]:
    """What came of the checks as JSON."""
    found: dict[str, Any] = {}
    if reading is not None:
        faults = [{"dataset": f.node, "key": f.key, "text": f.text} for f in reading.faults]
        found |= {
            "files": reading.files, "faults": faults, "read": _reading_sentence(reading),
        }  # fmt: skip
    if trials is not None:
        found["trials"] = [
            {
                "task": t.task,
                "dataset": t.node,
                "key": t.key or None,
                "verdict": t.verdict.name.lower(),
                "text": t.text or None,
            }
            for t in trials
        ]
        found["made_twice"] = _trial_sentence(trials)
    return found
