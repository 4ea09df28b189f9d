"""Reports what was accepted, what was left and why, and the results of checks.

Knows nothing of how any of it is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from partflow.declarations.graph import outputs
from partflow.operations.acceptable import Portion, SourcePortion, Treatment
from partflow.operations.check import Reading, Trial, Verdict
from partflow.partitions.keytexts import shown_key
from partflow.report.document import TEXT_ONLY
from partflow.report.plan import ranged
from partflow.report.text import aligned, count, painted, printable

if TYPE_CHECKING:
    from partflow.operations.accept import Accepted
    from partflow.planning.selection import Asked

_COLOURS = {
    Treatment.CODE: "green",
    Treatment.HAND: "cyan",
    Treatment.DONE: "green",
    Treatment.ABSENT: "cyan",
    Treatment.LESS: "cyan",
    Treatment.LEFT: "yellow",
}


@dataclass(frozen=True, slots=True)
class AcceptedGroup:
    """Partitions of one task that become the same thing: their number and ranges of keys."""

    task: str
    datasets: tuple[str, ...]
    action: str
    text: str
    count: int
    ranges: tuple[tuple[str, str], ...]
    kind: Treatment = field(metadata=TEXT_ONLY)


@dataclass(frozen=True, slots=True)
class Sampled:
    """An output that was made on trial; `problem` says how it differs, None if it is equal."""

    dataset: str
    key: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class AcceptanceReport:
    """What was accepted, or would be; `refusal` says why nothing was.

    `done` counts the effects that were cut off and count as done, `absent` the partitions of
    sources that do not come, `smaller` those of which the files that are left count as all.
    """

    run: str | None
    accepted: int
    pinned: int
    left: int
    refusal: str | None
    groups: tuple[AcceptedGroup, ...]
    sample: tuple[Sampled, ...]
    sentence: str
    done: int
    absent: int
    smaller: int


@dataclass(frozen=True, slots=True)
class ReadingFault:
    """A file that does not hold what is recorded."""

    dataset: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """The result of reading files again; `read` is the sentence."""

    files: int
    faults: tuple[ReadingFault, ...]
    read: str


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The result for one output of a partition that was made twice."""

    task: str
    dataset: str
    key: str | None
    verdict: Verdict
    text: str | None
    is_bad: bool = field(metadata=TEXT_ONLY)


@dataclass(frozen=True, slots=True)
class TrialsReport:
    """The results of making partitions twice; `made_twice` is the sentence."""

    trials: tuple[TrialReport, ...]
    made_twice: str


def acceptance_report(accepted: Accepted, *, is_done: bool) -> AcceptanceReport:
    """The report of what was accepted, or would be, and of what was left."""
    acceptance, refused = accepted.acceptance, accepted.refusal is not None
    return AcceptanceReport(
        accepted.run or None,
        0 if refused else acceptance.count(Treatment.CODE),
        0 if refused else acceptance.count(Treatment.HAND),
        acceptance.count(Treatment.LEFT),
        accepted.refusal,
        (*map(_group, acceptance.groups), *map(_source_group, acceptance.of_sources)),
        tuple(Sampled(c.node, c.key, c.problem) for c in accepted.compared),
        _sentence(accepted, is_done=is_done),
        0 if refused else acceptance.count(Treatment.DONE),
        0 if refused else acceptance.count(Treatment.ABSENT),
        0 if refused else acceptance.count(Treatment.LESS),
    )


def acceptance_lines(report: AcceptanceReport) -> list[str]:
    """The report as text, the sentence last."""
    # After a refusal only the partitions that are left are listed.
    groups = [g for g in report.groups if g.kind is Treatment.LEFT or not report.refusal]
    rows = aligned([_row(g) for g in groups]) if groups else []
    lines = [painted(r, _COLOURS[g.kind]) for r, g in zip(rows, groups, strict=True)]
    wrong = sorted((c.dataset, c.key, c.problem) for c in report.sample if c.problem)
    lines += [
        painted(f"differs {dataset}@{shown_key(key)}: {printable(problem)}", "red")
        for dataset, key, problem in wrong
    ]
    return [*lines, report.sentence]


def reading_report(reading: Reading) -> ReadingReport:
    """The report of reading files again."""
    faults = tuple(ReadingFault(f.node, f.key, f.text) for f in reading.faults)
    wrong = f"{len(faults):,} not as recorded" if faults else "all as recorded"
    return ReadingReport(reading.files, faults, f"read {count(reading.files, 'file')}: {wrong}")


def reading_lines(report: ReadingReport) -> list[str]:
    """The report as text, the sentence last."""
    rows = [(f.dataset, shown_key(f.key), f.text) for f in report.faults]
    lines = [painted(line, "red") for line in aligned(rows)] if rows else []
    return [*lines, report.read]


def trials_report(trials: Sequence[Trial], asked: Asked) -> TrialsReport:
    """The report of making partitions twice.

    A partition that was named by its key and could not be made counts as a fault, too.
    """
    reports = tuple(
        TrialReport(
            t.task, t.node, t.key or None, t.verdict, t.text or None,
            t.verdict.is_bad or bool(asked.keys and t.key and t.verdict is Verdict.LEFT),
        )
        for t in trials
    )  # fmt: skip
    return TrialsReport(reports, _trials_sentence(trials))


def trials_lines(report: TrialsReport) -> list[str]:
    """The report as text, faults in red, the sentence last."""
    rows = [
        (t.dataset, shown_key(t.key or "") or "-", t.verdict.value, t.text or "")
        for t in report.trials
    ]
    lines = aligned(rows) if rows else []
    shown = [
        painted(line, "red" if t.is_bad else None)
        for line, t in zip(lines, report.trials, strict=True)
    ]
    return [*shown, report.made_twice]


def _sentence(accepted: Accepted, *, is_done: bool) -> str:
    acceptance = accepted.acceptance
    if accepted.refusal:
        return f"nothing accepted: {accepted.refusal}"
    code, hand, left = map(acceptance.count, (Treatment.CODE, Treatment.HAND, Treatment.LEFT))
    more = f", {left:,} left as they are" if left else ""
    done = acceptance.count(Treatment.DONE)
    more = f", {count(done, 'effect')} taken for done{more}" if done else more
    absent, less = map(acceptance.count, (Treatment.ABSENT, Treatment.LESS))
    more = (
        f", {count(less, 'partition')} taken with the files that are left{more}" if less else more
    )
    if absent:
        would = "" if is_done else "would be "
        return f"{count(absent, 'partition')} {would}recorded as absent{more}"
    if not code and not hand and not done and not less:
        return f"nothing to accept{more}"
    keys = {(c.task, c.key) for c in accepted.compared}
    more = (
        f" after {count(len(keys), 'partition')} made aside came out equal{more}" if keys else more
    )
    if is_done:
        return f"accepted {code:,}, pinned {hand:,}{more}"
    return f"{count(code, 'partition')} would be accepted, {hand:,} pinned{more}"


def _group(group: Portion) -> AcceptedGroup:
    return AcceptedGroup(
        group.task.name, outputs(group.task), group.kind.value, group.text, len(group.at),
        tuple(group.ranges), group.kind,
    )  # fmt: skip


def _source_group(group: SourcePortion) -> AcceptedGroup:
    name = group.source.name
    return AcceptedGroup(
        name, (name,), group.kind.value, group.text, len(group.at), group.ranges, group.kind
    )


def _row(group: AcceptedGroup) -> tuple[str, ...]:
    return (
        ", ".join(group.datasets),
        group.action,
        count(group.count, "partition"),
        ranged(group.ranges),
        group.text,
    )


def _trials_sentence(trials: Sequence[Trial]) -> str:
    tried = {(t.task, t.key) for t in trials if t.verdict is not Verdict.LEFT}
    failed = sorted({t.task for t in trials if t.verdict is Verdict.FAILED})
    unequal = sorted(
        {t.task for t in trials if t.verdict.is_bad and t.verdict is not Verdict.FAILED}
    )
    parts = [f"failed: {', '.join(failed)}"] if failed else []
    parts += [f"not the same: {', '.join(unequal)}"] if unequal else []
    verdicts = "; ".join(parts) or "all the same"
    return (
        f"made {count(len(tried), 'partition')} twice: {verdicts}"
        if tried
        else "made nothing twice"
    )
