"""Reports why one partition is in its state: the reason, code, lineage, and its making.

Knows nothing of how the reason is found.
"""

from __future__ import annotations

from dataclasses import dataclass

from partflow.code.reach import NotFollowed
from partflow.metastore.record import Record
from partflow.operations.explain import CodeChange, Moved, Why
from partflow.partitions.keytexts import shown_key
from partflow.planning.plan import Reason, State
from partflow.report.pauses import PausedReport, paused_report, paused_words
from partflow.report.text import aligned, bounded, count, moment, painted, printable, size, span

_COLOURS = {
    State.FRESH: "green",
    State.STALE: "yellow",
    State.MISSING: "yellow",
    State.WAITING: "blue",
    State.BLOCKED: "red",
}
_HOW = {
    "made": "made",
    "kept": "made again with equal content, so its file stayed,",
    "observed": "seen",
    "adopted": "found as it had been before, and adopted,",
    "accepted": "made",
    "done": "done",
    "absent": "given up",
    "rolled_back": "made, and put back later,",
    "released": "made, put back later and released,",
}
_KEYS = 5
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class LinkReport:
    """A partition on the way to the root of a reason, and what is to be said of it."""

    dataset: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What a partition reads of one dataset; `changed` are keys that changed since it was made.

    `there` is how many of them are there, where a part is enough; until `waits_until`, a moment in
    UTC that is still to come, the others are waited for. `absent` are keys that were given up.
    """

    dataset: str
    first: str | None
    last: str | None
    count: int
    changed: tuple[str, ...]
    there: int | None
    waits_until: str | None
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadeReport:
    """One record of a partition's making; `at` is a moment in UTC."""

    at: str
    run: str | None
    how: str
    pinned: bool
    note: str | None
    rows: int
    bytes: int
    content: str | None
    code: str | None
    sha256: str | None
    seq: int


@dataclass(frozen=True, slots=True)
class SeenReport:
    """What a call was seen to touch beside its inputs; `since` says how that has changed."""

    kind: str
    what: str
    sha256: str | None
    since: str | None


@dataclass(frozen=True, slots=True)
class SettlingReport:
    """When a partition is made again whose inputs are still being corrected; moments in UTC."""

    again_at: str
    until: str


@dataclass(frozen=True, slots=True)
class RetrialReport:
    """How often a step failed with the same, when it last did, and when `serve` tries it again."""

    times: int
    at: str
    again_at: str


@dataclass(frozen=True, slots=True)
class WhyReport:
    """All that is known of one partition; `made` is None if it was never made.

    `retrial` is None if it is fresh, or failed in no run of `serve`.
    """

    dataset: str
    key: str
    state: State
    may_become_stale: bool
    reason: Reason
    text: str
    task: str | None
    links: tuple[LinkReport, ...]
    code_changes: tuple[CodeChange, ...]
    lineage: tuple[ReadReport, ...]
    made: MadeReport | None
    history: tuple[MadeReport, ...]
    not_followed: tuple[NotFollowed, ...]
    failure: str | None
    perhaps_done_by: str | None
    seen: tuple[SeenReport, ...]
    settling: SettlingReport | None
    moved: Moved | None
    paused: PausedReport | None
    expected_by: str | None
    late: bool
    provisional: bool
    retrial: RetrialReport | None


def why_report(why: Why, retrial: RetrialReport | None = None) -> WhyReport:
    """The report of an explanation, and of what `serve` remembers of it."""
    settling = why.settling
    return WhyReport(
        why.node,
        why.key,
        why.state,
        why.may_become_stale,
        why.reason,
        why.text,
        why.task or None,
        tuple(LinkReport(x.node, x.key, x.text) for x in why.links),
        why.code_changes,
        tuple(
            ReadReport(
                r.dataset,
                r.first or None,
                r.last or None,
                r.count,
                r.changed,
                r.there,
                None if r.waits_until is None else moment(r.waits_until),
                r.absent,
            )
            for r in why.lineage
        ),
        None if why.record is None else _made_report(why.record),
        tuple(map(_made_report, why.history)),
        why.not_followed,
        why.failure,
        why.perhaps_done_by,
        tuple(SeenReport(x.kind, x.what, x.sha256, since or None) for x, since in why.seen),
        None
        if settling is None
        else SettlingReport(moment(settling.again_at), moment(settling.until)),
        why.moved,
        paused_report(why.paused),
        None if why.expected_at is None else moment(why.expected_at),
        why.is_late,
        why.is_provisional,
        None if why.state is State.FRESH else retrial,
    )


def why_lines(why: WhyReport) -> list[str]:
    """The report as text, each part under its own heading."""
    lines = [_headline(why)]
    lines += [
        f"  {_arrow(i)}{link.dataset}@{shown_key(link.key)}  {link.text}"
        for i, link in enumerate(why.links)
    ]
    seen = [(x.kind, printable(f"{x.what} {x.since or ''}".strip())) for x in why.seen]
    unfollowed = [(printable(x.place), printable(x.what)) for x in why.not_followed]
    lines += _part("code", aligned([(c.how, c.name) for c in why.code_changes] or [()]))
    lines += _part("reads", aligned([_read(r) for r in why.lineage] or [()]))
    lines += _part("made", _made(why))
    lines += _part("settles", _settling(why))
    lines += _part(
        "seen while it was made, and not counted: only what is declared makes it stale",
        aligned(seen or [()]),
    )
    if why.expected_by:
        late = ", and late" if why.late else ""
        lines += _part("expected", [f"by {why.expected_by}{late}"])
    if why.paused:
        lines += _part("paused", [paused_words(why.paused)])
    if why.perhaps_done_by:
        lines += _part("perhaps done", [f"run {why.perhaps_done_by} began it and was cut off"])
    if why.failure and why.state is not State.FRESH:
        lines += _part("last attempt failed", bounded(why.failure))
    if why.retrial:
        lines += _part("serve tried it", [_retried(why.retrial)])
    return lines + _part(
        "not followed: what the fingerprint of the code cannot see", aligned(unfollowed or [()])
    )


def _headline(why: WhyReport) -> str:
    state = painted(why.state.name.lower(), _COLOURS[why.state])
    provisional = ", and provisional" if why.provisional else ""
    sentence = f"{why.dataset}@{shown_key(why.key)} is {state}{provisional}"
    if why.may_become_stale:
        return f"{sentence}, and may become stale {why.text}"
    return sentence if why.state.name.lower() == why.text else f"{sentence}: {why.text}"


def _part(head: str, lines: list[str]) -> list[str]:
    shown = [f"  {line}" for line in lines if line]
    return [head, *shown] if shown else []


def _arrow(depth: int) -> str:
    return "because " if depth == 0 else "        "


def _read(read: ReadReport) -> tuple[str, ...]:
    if not read.count:
        return read.dataset, "nothing", ""
    number = count(read.count, "partition")
    if read.there is not None and read.there < read.count:
        number = f"{read.there:,} of {number} there"
        if read.waits_until is not None:
            number += f"; the others are waited for until {read.waits_until}"
    for what, keys in (("absent", read.absent), ("changed since", read.changed)):
        if keys:
            shown = ", ".join(map(shown_key, keys[:_KEYS]))
            more = f" and {len(keys) - _KEYS:,} more" if len(keys) > _KEYS else ""
            number += f", {len(keys):,} {what}: {shown}{more}"
    return read.dataset, span(read.first or "", read.last or ""), number


def _made(why: WhyReport) -> list[str]:
    made = why.made
    if made is None:
        return [] if why.state is State.WAITING else ["never"]
    by = f" by run {made.run}" if made.run else ""
    # An accepted record keeps its moment of making, but names the run that accepted it.
    note = why.history[0].note if why.history else None
    lines = [f"{_verb(why)} at {made.at}{'' if note else by}"]
    if note:
        told = f"{printable(note)}, {by.strip()}" if by else printable(note)
        lines = [*([] if made.pinned else lines), told]
    if made.content:
        # For a source only the content is recorded, and no number of rows.
        rows = [count(made.rows, "row")] if why.task else []
        lines.append(", ".join([*rows, size(made.bytes), _content(made.content)]))
    if made.code and why.task and not made.pinned:
        lines.append(f"by the code {made.code[:_DIGITS]} of {why.task}")
    if len(why.history) > 1:
        lines.append(f"{len(why.history):,} times in all; the time before at {why.history[1].at}")
    return lines


def _settling(why: WhyReport) -> list[str]:
    if why.settling is None:
        return []
    again, until = why.settling.again_at, why.settling.until
    if again == until:
        return [f"at {until}; the first run after that makes it again, for good"]
    next_time = f"until then it is made again, next by the first run after {again}"
    return [f"at {until}; {next_time}, and once more after that"]


def _retried(retrial: RetrialReport) -> str:
    times = count(retrial.times, "time")
    return (
        f"{times}, last at {retrial.at}; again at {retrial.again_at}, or at once when its inputs "
        "or its code move"
    )


def _verb(why: WhyReport) -> str:
    """The verb for how it was made, which the history says and the record does not."""
    how = why.history[0].how if why.history else "made"
    return _HOW.get(how, printable(how))


def _content(content: str) -> str:
    kind, _, digest = content.partition(":")
    return f"content {kind}:{digest[:_DIGITS]}" if digest else f"content {kind[:_DIGITS]}"


def _made_report(record: Record) -> MadeReport:
    return MadeReport(
        moment(record.made_at), record.run, record.how, record.pinned, record.note, record.rows,
        record.nbytes, record.content, record.code, record.sha256, record.seq,
    )  # fmt: skip
