"""Shows what was accepted, what was left and why, and what came of checks.

Knows nothing of how any of it is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from partflow.cli import sentences
from partflow.cli.columns import aligned, count, painted, print_json, printable
from partflow.cli.session import DONE, FAILED
from partflow.declarations.graph import outputs
from partflow.operations.acceptable import Acceptance, Group, Kind
from partflow.operations.check import Reading, Trial, Verdict
from partflow.partitions.keytexts import shown_key

if TYPE_CHECKING:
    from partflow.operations.accept import Accepted
    from partflow.planning.selection import Asked

_COLOURS = {Kind.CODE: "green", Kind.HAND: "cyan", Kind.LEFT: "yellow"}


def show_acceptance(accepted: Accepted, asked: Asked, output: str, *, is_done: bool) -> int:
    """Print what was accepted, or would be; 1 if the sample refused it, or a named one is left."""
    found = accepted.acceptance
    sentence = _sentence(accepted, is_done=is_done)
    if output == "json":
        print_json(_document(accepted, sentence))
    else:
        # What the sample refused is not listed as if it had been accepted.
        groups = [g for g in found.groups if g.kind is Kind.LEFT or not accepted.refusal]
        rows = aligned([_row(g) for g in groups]) if groups else []
        lines = [painted(r, _COLOURS[g.kind]) for r, g in zip(rows, groups, strict=True)]
        wrong = sorted((c for c in accepted.compared if c.problem), key=lambda c: (c.node, c.key))
        lines += [
            painted(f"differs {c.node}@{shown_key(c.key)}: {printable(c.problem or '')}", "red")
            for c in wrong
        ]
        click.echo("\n".join([*lines, sentence]))
    named = bool(asked.keys) and found.count(Kind.LEFT)
    return FAILED if accepted.refusal or named else DONE


def show_checks(
    trials: Sequence[Trial] | None, reading: Reading | None, asked: Asked, output: str
) -> bool:
    """Print what came of the checks; whether anything is at fault."""
    bad = [t for t in trials or () if _is_bad(t, asked)]
    if output == "json":
        print_json(_checks(trials, reading))
    else:
        lines = [] if reading is None else _reading_lines(reading)
        lines += [] if trials is None else _trial_lines(trials, bad)
        click.echo("\n".join(lines))
    return bool(bad or (reading is not None and reading.faults))


def _is_bad(trial: Trial, asked: Asked) -> bool:
    """A fault; or a partition that was named by its key and could not be made."""
    return trial.verdict.is_bad or bool(asked.keys and trial.key and trial.verdict is Verdict.LEFT)


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


def _document(accepted: Accepted, sentence: str) -> dict[str, Any]:
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
        "sentence": sentence,
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


def _checks(trials: Sequence[Trial] | None, reading: Reading | None) -> dict[str, Any]:
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
