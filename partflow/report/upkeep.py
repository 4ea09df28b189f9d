"""Reports what is kept, and what was put back, swept, moved or made anew.

Knows nothing of how any of it is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from partflow.partitions.keytexts import shown_key
from partflow.report.document import INLINE, TEXT_ONLY
from partflow.report.strays import StrayReport, stray_lines, stray_reports
from partflow.report.text import aligned, count, moment, size

if TYPE_CHECKING:
    from partflow.operations.rebuild import Rebuilt
    from partflow.operations.rollback import Kept, PutBack
    from partflow.operations.sweep import Sweep
    from partflow.operations.undeclared import Lying

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A file in the history of a partition; values that are not recorded are None."""

    number: int
    made_at: str | None
    run: str | None
    rows: int | None
    bytes: int
    content: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class PutBackFile:
    """A partition that was put back or released."""

    dataset: str
    key: str
    rows: int


@dataclass(frozen=True, slots=True)
class PutBackReport:
    """The partitions that a run put back or released."""

    run: str
    files: tuple[PutBackFile, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SweptKind:
    """How many files of one kind were swept, or would be; `what` names the kind."""

    files: int
    bytes: int
    what: str = field(metadata=TEXT_ONLY)


@dataclass(frozen=True, slots=True)
class NotShown:
    """Files in the warehouse that are not shown."""

    undeclared: tuple[StrayReport, ...]


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was swept, or would be; `not_shown` is None once it is done."""

    kinds: Mapping[str, SweptKind] = field(metadata=INLINE)
    runs: int
    records: int
    journal_lines: int
    notes: int
    not_shown: NotShown | None = field(metadata=INLINE)
    sentence: str


@dataclass(frozen=True, slots=True)
class MoveReport:
    """Undeclared files that were moved into the history, or would be."""

    undeclared: tuple[StrayReport, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class UnknownReport:
    """A file of which a rebuild found no record."""

    dataset: str
    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild of the metastore has recorded; `aside` is where the old one lies now."""

    partitions: int
    sources: int
    effects: int
    unknown: tuple[UnknownReport, ...]
    unread_lines: int
    journal: bool
    aside: str | None
    sentence: str


def kept_reports(kept: Sequence[Kept]) -> tuple[KeptReport, ...]:
    """The reports of the files in a partition's history."""
    return tuple(
        KeptReport(
            each.number,
            None if each.record is None else moment(each.record.made_at),
            None if each.record is None else each.record.run,
            None if each.record is None else each.record.rows,
            each.nbytes,
            None if each.record is None else each.record.content,
            each.is_present,
        )
        for each in kept
    )


def kept_lines(kept: Sequence[KeptReport]) -> list[str]:
    """A line for each file, then their number."""
    rows = [
        (f"{k.number}", "-", "-", "-", size(k.bytes), "nothing recorded")
        if k.made_at is None
        else (
            f"{k.number}",
            k.made_at,
            k.run or "-",
            count(k.rows or 0, "row"),
            size(k.bytes),
            "the present content" if k.present else "",
        )
        for k in kept
    ]
    return [*(aligned(rows, {0}) if rows else []), f"{len(kept)} kept"]


def put_back_report(done: PutBack, again: str | None) -> PutBackReport:
    """The report of what was put back and pinned, or released.

    `again` is the command that releases it; None if it was released.
    """
    names = ", ".join(f"{r.node}@{shown_key(r.key)}" for r in done.records)
    files = f"{count(len(done.records), 'file')} ({names})"
    sentence = f"released {files}"
    if again is not None:
        sentence = f"put back and pinned {files}; to release: {again}"
    return PutBackReport(
        done.run, tuple(PutBackFile(r.node, r.key, r.rows) for r in done.records), sentence
    )


def sweep_report(sweep: Sweep, lying: Sequence[Lying] = (), *, is_done: bool) -> SweepReport:
    """The report of a sweep that is done or would be; `lying` are files that are not shown."""
    files, nbytes = sum(sweep.files.values()), sum(sweep.nbytes.values())
    amount = f"{count(files, 'file')} of {size(nbytes)}, {count(sweep.runs, 'run')}"
    if sweep.records or sweep.lines:
        amount += f", {count(sweep.records, 'record')}, {count(sweep.lines, 'journal line')}"
    sentence = f"swept {amount}" if is_done else f"{amount} would be swept"
    return SweepReport(
        {
            kind.name.lower(): SweptKind(sweep.files[kind], sweep.nbytes[kind], kind.value)
            for kind in sweep.files
        },
        sweep.runs,
        sweep.records,
        sweep.lines,
        sweep.notes,
        None if is_done else NotShown(stray_reports(lying)),
        "nothing to sweep" if sweep.is_empty else sentence,
    )


def swept_lines(report: SweepReport) -> list[str]:
    """A line for each kind that has files, and for each part of the record that has grown old."""
    rows = [
        (kind.what, count(kind.files, "file"), size(kind.bytes))
        for kind in report.kinds.values()
        if kind.files
    ]
    of_record = (
        ("old runs", report.runs, "run"),
        ("records of what was replaced", report.records, "record"),
        ("lines of the journal that later ones replace", report.journal_lines, "line"),
        ("notes of code and declarations that are gone", report.notes, "note"),
    )
    rows += [(what, count(number, unit), "") for what, number, unit in of_record if number]
    return aligned(rows) if rows else []


def sweep_lines(report: SweepReport) -> list[str]:
    """The report as text; only the sentence, once it is done."""
    if report.not_shown is None:
        return [report.sentence]
    return [*swept_lines(report), *stray_lines(report.not_shown.undeclared), report.sentence]


def move_report(lying: Sequence[Lying], *, is_done: bool) -> MoveReport:
    """The report of files that were moved into the history, or would be."""
    files, nbytes = sum(len(each.strays) for each in lying), sum(each.nbytes for each in lying)
    amount = f"{count(files, 'file')} of {size(nbytes)}"
    sentence = f"moved {amount} into the history" if is_done else f"{amount} would be moved"
    return MoveReport(stray_reports(lying), sentence)


def rebuild_report(rebuilt: Rebuilt) -> RebuildReport:
    """The report of a rebuild."""
    return RebuildReport(
        rebuilt.files,
        rebuilt.sources,
        rebuilt.effects,
        tuple(UnknownReport(u.node, u.key, u.problem) for u in rebuilt.unknown),
        rebuilt.unread,
        rebuilt.has_journal,
        rebuilt.aside,
        f"made anew: {count(rebuilt.files, 'partition')} of tasks, {rebuilt.sources:,} of sources, "
        f"{rebuilt.effects:,} of effects",
    )


def caution_lines(report: RebuildReport) -> list[str]:
    """Lines to read before going on with a metastore that was made anew."""
    lines = [
        f"unknown  {u.dataset}@{shown_key(u.key)}: {u.problem}" for u in report.unknown[:_SHOWN]
    ]
    if len(report.unknown) > _SHOWN:
        lines.append(f"unknown  and {len(report.unknown) - _SHOWN:,} more")
    if report.unread_lines:
        lines.append(f"{count(report.unread_lines, 'line')} of the journal could not be read")
    if not report.journal:
        lines.append(
            "there is no journal: effects are taken to be done for all that is due, and pins, "
            "acceptances and what was seen of sources that are gone are not known"
        )
    if report.aside is not None:
        lines.append(f"the one that was there is now {report.aside}")
    return lines
