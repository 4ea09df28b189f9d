"""Reports what has to be put right, and which effects are perhaps done.

Knows nothing of how either is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from partflow.partitions.keytexts import shown_key
from partflow.planning.plan import Fault, PerhapsDone
from partflow.planning.planner import Action
from partflow.report.document import TEXT_ONLY
from partflow.report.text import count

_NAMED = 3


@dataclass(frozen=True, slots=True)
class FaultReport:
    """A source's file that cannot be read; or the clock, which has no dataset, key or file."""

    dataset: str | None
    key: str | None
    file: str | None
    reason: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class PerhapsDoneReport:
    """An effect that a run began before it was cut off; `next` says what becomes of it.

    `is_undecided` says that nothing does before somebody has said whether it was done.
    """

    effect: str
    key: str
    run: str
    next: str = field(metadata=TEXT_ONLY)
    is_undecided: bool = field(metadata=TEXT_ONLY)


def fault_reports(faults: Sequence[Fault]) -> tuple[FaultReport, ...]:
    """The reports of a plan's faults."""
    return tuple(
        FaultReport(f.dataset or None, f.key or None, f.file or None, f.reason, f.advice or None)
        for f in faults
    )


def fault_lines(faults: Sequence[FaultReport]) -> list[str]:
    """Lines that say what has to be put right: the thing, what is wrong, what to do.

    A source's files with the same fault share a line. A source has at most three such lines, and
    one that counts its other files.
    """
    groups: dict[tuple[str | None, str, str | None], list[FaultReport]] = {}
    for fault in faults:
        groups.setdefault((fault.dataset, fault.reason, fault.advice), []).append(fault)
    lines, shown, left = [], Counter[str](), Counter[str]()
    for (name, reason, advice), alike in groups.items():
        if name is None:
            lines.append(f"{reason}; {advice or ''}")
        elif shown[name] == _NAMED:
            left[name] += len(alike)
        else:
            shown[name] += 1
            keys = ", ".join(shown_key(f.key or "") for f in alike[:_NAMED])
            more = f" and {len(alike) - _NAMED:,} more" if len(alike) > _NAMED else ""
            told = f"{alike[0].file or ''}: {reason}; {advice or ''}"
            lines.append(f"{name}@{keys}{more} cannot be read: {told}")
    return [
        *lines,
        *(
            f"{count(number, 'more file')} of {name} cannot be read, for other reasons: "
            "`partflow status --output json` names each"
            for name, number in left.items()
        ),
    ]


def perhaps_done_reports(effects: Sequence[PerhapsDone]) -> tuple[PerhapsDoneReport, ...]:
    """The reports of effects that are perhaps done."""
    return tuple(
        PerhapsDoneReport(e.effect, e.key, e.run, _next(e), e.is_undecided) for e in effects
    )


def perhaps_done_lines(effects: Sequence[PerhapsDoneReport]) -> list[str]:
    """Lines that say which effects are perhaps done, and what becomes of them."""
    keys: dict[tuple[str, str, str], list[str]] = {}
    for each in effects:
        keys.setdefault((each.effect, each.run, each.next), []).append(shown_key(each.key))
    return [
        f"{effect}@{', '.join(those)} is perhaps done: run {run} began it and did not come to its "
        f"end; {following}"
        for (effect, run, following), those in keys.items()
    ]


def _next(effect: PerhapsDone) -> str:
    if effect.is_undecided:
        what = f"{effect.effect} -p {shown_key(effect.key)}"
        past = " --with-effects" if effect.is_past else ""
        return (
            f"`partflow accept {what}` says that it was done, `partflow backfill {what}{past}` "
            "does it again, and until then it is left"
        )
    if effect.is_over:
        return "it is not done again by itself"
    if effect.action is Action.NONE:
        return "it waits for what it reads"
    changes = " if what it reads changes" if effect.action is Action.MAYBE else ""
    return f"it is done again{changes}"
