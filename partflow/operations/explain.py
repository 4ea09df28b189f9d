"""Explains why one partition is in its state, down to the input or function that is the reason.

Knows nothing of how plans are made: it reads the same plan as a run does, and the history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from partflow.code.fingerprint import CodeFingerprint
from partflow.code.reach import NotFollowed
from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, outputs
from partflow.declarations.mapping import Form
from partflow.errors import UsageError
from partflow.execution.attempt.witness import changed_since
from partflow.metastore.protocol import Materializations, Metastore
from partflow.metastore.record import Record, Seen
from partflow.partitions.keytexts import plain_key, shown_key
from partflow.planning.asking import empty_book, words
from partflow.planning.lateness import expected_at, lateness
from partflow.planning.partial import waited_until
from partflow.planning.pauses import Pause
from partflow.planning.planner import Action, Plan, Reason, State, TaskPlan
from partflow.planning.provisional import provisional, there
from partflow.planning.reasons import describe
from partflow.planning.snapshot import Condition
from partflow.store.layout import Layout
from partflow.store.setfiles import files_of_set
from partflow.warehouse.filelook import Observed
from partflow.warehouse.wholefiles import why_not_whole

_DEPTH = 50
_ASKED = {
    Condition.GOOD: "is there",
    Condition.GONE: "is no more, and its last answer remembered",
    Condition.GIVEN_UP: "is absent, and read as if it were empty",
}
"""What is said of a partition of a source without files."""
_VOUCHED = {"accepted", "adopted"}
"""The `how` of records that were not made by a call: the call was an earlier record's."""


@dataclass(frozen=True, slots=True)
class Link:
    """One partition on the way to the root of a reason, and what is to be said of it."""

    node: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class LineageRead:
    """What a partition reads of one dataset: first and last key, their number, and which changed.

    `changed` are the keys whose content has changed since this partition was made. `there` is how
    many partitions have a content, where a part is enough; else None. Until `waits_until`, in epoch
    seconds, all of them are waited for; None if no longer. `absent` are the keys of those that were
    given up.
    """

    dataset: str
    first: str
    last: str
    count: int
    changed: tuple[str, ...] = ()
    there: int | None = None
    waits_until: int | None = None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settling:
    """When a partition whose inputs are still being corrected outside is made again.

    It has settled at `until`. Before that it is made again from `again_at` on; if that is in the
    past, by the next run. Both are in epoch seconds.
    """

    again_at: int
    until: int


@dataclass(frozen=True, slots=True)
class Moved:
    """How many inputs of a partition that is kept have changed since it was made.

    `reads` is the number of reads that find other content. `partitions` is the number of partitions
    among them that have another content; None where the history does not tell.
    """

    reads: int
    partitions: int | None


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A function, class, constant or part of a declaration that differs, and how.

    `how` is "changed", "added", "removed" or "counted". "counted" means that the code is the same,
    but by earlier rules this part of it did not count.
    """

    name: str
    how: str


@dataclass(frozen=True, slots=True)
class Why:
    """All that is known of one partition; `record` is None if it was never made.

    `links` lead from it to the root of the reason. `not_followed` says what the fingerprint cannot
    see of the task's code. `seen` is what the call that made it was seen to touch beside its
    inputs, each with how that has changed since, or "". `perhaps_done_by` is the run that began an
    effect and was cut off. `moved` is None unless it stays though an input has changed. `paused`
    says who paused it, if somebody did. `expected_at` is by when it was or is expected, in epoch
    seconds; None if nothing was said of it. If it `is_provisional`, it is fresh and will be made
    again.
    """

    node: str
    key: str
    state: State
    may_become_stale: bool
    reason: Reason
    text: str
    task: str
    links: tuple[Link, ...]
    code_changes: tuple[CodeChange, ...]
    lineage: tuple[LineageRead, ...]
    record: Record | None
    history: tuple[Record, ...]
    not_followed: tuple[NotFollowed, ...] = ()
    failure: str | None = None
    settling: Settling | None = None
    seen: tuple[tuple[Seen, str], ...] = ()
    perhaps_done_by: str | None = None
    moved: Moved | None = None
    paused: Pause | None = None
    expected_at: int | None = None
    is_late: bool = False
    is_provisional: bool = False


@dataclass(slots=True)
class _Basis:
    """What an explanation is made from."""

    plan: Plan
    seen: Observed
    metastore: Metastore
    codes: Mapping[str, CodeFingerprint]
    layout: Layout
    visited: set[tuple[str, str]] = field(default_factory=set)

    @property
    def graph(self) -> Graph:
        return self.plan.graph


def explain(
    plan: Plan,
    seen: Observed,
    metastore: Metastore,
    codes: Mapping[str, CodeFingerprint],
    about: tuple[str, str],
    layout: Layout,
) -> Why:
    """Everything about the partition `about` = (node, key) of an unrestricted plan.

    Files of the project that its call was seen to open are looked at, whether they have changed.
    UsageError if there is no such node or partition.
    """
    case = _Basis(plan, seen, metastore, codes, layout)
    node, key = about[0], plain_key(about[1])
    if node in plan.sources:
        return _source(case, node, key)
    planned, ordinal = _found(case, node, key)
    i = ordinal - planned.lo
    record = _record(case, node, key)
    reason = Reason(int(planned.reason[i]))
    code = codes[planned.task.name]
    changes = _code_changes(case, planned, record)
    lineage = tuple(_lineage(case, planned, ordinal, record))
    moved = _moved(int(planned.moved[i]), lineage)
    return Why(
        node=node,
        key=key,
        state=State(int(planned.state[i])),
        may_become_stale=bool(planned.action[i] == Action.MAYBE),
        reason=reason,
        text=describe(planned, reason, _cause(planned, i)) + _moved_text(moved, lineage),
        task=planned.task.name,
        links=tuple(_links(case, planned, ordinal)),
        code_changes=changes,
        lineage=lineage,
        record=record,
        history=tuple(metastore.history(node, key)),
        not_followed=tuple(code.not_followed),
        failure=None if record is None else record.failure,
        settling=_settling(planned, ordinal, record),
        perhaps_done_by=plan.snapshot.perhaps_done.get(node, {}).get(ordinal),
        paused=plan.snapshot.paused.get(node),
        expected_at=expected_at(plan, node, ordinal),
        is_late=_is_late(plan, node, ordinal),
        seen=tuple((item, changed_since(layout.root, item)) for item in _seen(metastore, record)),
        moved=moved,
        is_provisional=bool(provisional(plan, planned)[i]),
    )


def _seen(metastore: Materializations, record: Record | None) -> list[Seen]:
    """What the call that made the current content was seen to touch; [] for a pinned file."""
    if record is None or record.pinned:
        return []
    history = metastore.history(record.node, record.key)
    made_by = next((r for r in history if r.how not in _VOUCHED), record)
    return metastore.seen(made_by)


def _settling(planned: TaskPlan, ordinal: int, record: Record | None) -> Settling | None:
    """When a partition is made again, if it was made before its inputs had settled; else None."""
    options, end = planned.task.options, planned.task.grain.interval(ordinal).end
    if options.settles_after is None or record is None or record.pinned:
        return None
    until = end + int(options.settles_after.total_seconds())
    pause = 0 if options.refresh_every is None else int(options.refresh_every.total_seconds())
    if record.made_at >= until:
        return None
    return Settling(min(record.made_at + pause, until), until)


def _found(case: _Basis, node: str, key: str) -> tuple[TaskPlan, int]:
    """The plan of the task that makes a partition, and its ordinal; UsageError if none does."""
    writers = case.graph.writers(node)
    if not writers:
        raise UsageError(f"there is no dataset or effect {node!r}; `partflow ls` lists them")
    ordinal = writers[0].grain.ordinal(key)
    for task in writers:
        planned = case.plan.tasks[task.name]
        if planned.lo <= ordinal < planned.hi:
            return planned, ordinal
    plans = [case.plan.tasks[t.name] for t in writers if len(case.plan.tasks[t.name].state)]
    grain = writers[0].grain
    span = ", ".join(f"{grain.shown(p.lo)} .. {grain.shown(p.hi - 1)}" for p in plans) or "none yet"
    raise UsageError(f"{node} has no partition {shown_key(key)} so far: it has {span}")


def _source(case: _Basis, node: str, key: str) -> Why:
    dataset = case.graph.datasets[node]
    assert isinstance(dataset, Source)
    ordinal = dataset.grain.ordinal(key)
    held = case.plan.snapshot.states[node]
    if not held.lo <= ordinal < held.hi:
        raise UsageError(
            f"{node} has no partition {shown_key(key)} so far: it has "
            f"{dataset.grain.shown(held.lo)} .. {dataset.grain.shown(held.hi - 1)}"
        )
    state = State(int(case.plan.sources[node][ordinal - held.lo]))
    text = _source_text(case, node, key, state)
    return Why(
        node, key, state, may_become_stale=False, reason=Reason.NONE, text=text, task="",
        links=(), code_changes=(), lineage=(), record=_record(case, node, key),
        history=tuple(case.metastore.history(node, key)),
        paused=case.plan.snapshot.paused.get(node),
        expected_at=expected_at(case.plan, node, ordinal),
        is_late=_is_late(case.plan, node, ordinal),
    )  # fmt: skip


def _is_late(plan: Plan, node: str, ordinal: int) -> bool:
    late = lateness(plan).get(node)
    return late is not None and ordinal in late.at


def _source_text(case: _Basis, node: str, key: str, state: State) -> str:
    dataset = case.graph.datasets[node]
    assert isinstance(dataset, Source)
    if state is State.BLOCKED:
        unreadable = case.seen.problems.get((node, key))
        more = f": {unreadable.reason}; {unreadable.advice}" if unreadable else ""
        return f"cannot be read: {dataset.path_of(key)}{more}"
    held = case.plan.snapshot.states[node]
    ordinal = dataset.grain.ordinal(key)
    condition = held.condition[ordinal - held.lo]
    if dataset.is_asked:
        book = case.plan.snapshot.asked.get(node) or empty_book(dataset)
        return words(dataset, book, ordinal, _ASKED.get(condition, "has not arrived"))
    unfinished = why_not_whole(case.layout, dataset, key, case.plan.snapshot.now)
    if unfinished is not None and condition in {Condition.ABSENT, Condition.GONE}:
        before = "; its last content is remembered" if condition == Condition.GONE else ""
        return f"has not arrived as a whole: {unfinished}{before}"
    if condition == Condition.GIVEN_UP:
        return (
            f"is absent, and read as if it were empty: there is no file {dataset.path_of(key)}; "
            "should it come after all, that is a change"
        )
    if condition == Condition.ABSENT:
        return f"has not arrived: there is no file {dataset.path_of(key)}"
    if condition == Condition.GONE and (left := _left_of_set(case, dataset, key)):
        return (
            f"is there in part, and its last content remembered: of {dataset.path_of(key)} there "
            f"is no more than {left}"
        )
    if condition == Condition.GONE:
        return f"is gone, and its last content remembered: there is no file {dataset.path_of(key)}"
    return f"is there: {dataset.path_of(key)}"


def _left_of_set(case: _Basis, source: Source, key: str) -> str:
    """The names of the files that are left of a partition that may have several."""
    if not source.has_several_files:
        return ""
    places = case.layout.paths_of(source), case.layout.marker_of(source)
    return ", ".join(file.name for file in files_of_set(case.layout.root, *places, key))


def _record(case: _Basis, node: str, key: str) -> Record | None:
    records = [r for r in case.metastore.records(node, key) if r.seq]
    return records[0] if records else None


def _cause(planned: TaskPlan, i: int) -> Dataset | None:
    position = int(planned.cause[i])
    return None if position < 0 else planned.task.inputs[position].read.dataset


def _code_changes(case: _Basis, planned: TaskPlan, record: Record | None) -> tuple[CodeChange, ...]:
    """The parts of the code that differ between the record and the present."""
    if record is None or record.code is None or record.pinned or planned.task.is_effect:
        return ()
    now = case.codes[planned.task.name]
    if record.code == now.digest:
        return ()
    was, parts = case.metastore.code_parts(record.code), dict(now.parts)
    code_changes = [CodeChange(n, "changed") for n in parts if n in was and was[n] != parts[n]]
    is_same = record.code in case.plan.snapshot.older.get(planned.task.name, ())
    how_new = "counted" if is_same else "added"
    code_changes += [CodeChange(n, how_new) for n in parts if was and n not in was]
    code_changes += [CodeChange(n, "removed") for n in was if n not in parts]
    return tuple(sorted(code_changes, key=lambda c: (c.how, c.name)))


def _changed_since(
    case: _Basis, name: str, span: tuple[int, int], record: Record | None
) -> list[str]:
    """The keys in a range of ordinals whose content has changed since a record was made."""
    if record is None:
        return []
    grain = case.graph.datasets[name].grain
    keys = case.metastore.changes(name, record.read_seq)
    keys += [r.key for r in case.seen.news if r.node == name]
    ordinals = {grain.ordinal(k): k for k in keys}
    within = [ordinals[o] for o in sorted(ordinals) if span[0] <= o < span[1]]
    return [key for key in within if not _is_again(case, name, key, record.read_seq)]


def _is_again(case: _Basis, name: str, key: str, read_seq: int) -> bool:
    """Whether a partition that was changed holds the same content again as at `read_seq`."""
    history = case.metastore.history(name, key)
    then = next((r.content for r in history if r.seq <= read_seq), None)
    news = [r.content for r in case.seen.news if (r.node, r.key) == (name, key)]
    now = [*news, *(r.content for r in history[:1])]
    return then is not None and now[:1] == [then]


def _lineage(
    case: _Basis, planned: TaskPlan, ordinal: int, record: Record | None
) -> list[LineageRead]:
    reads, i = [], ordinal - planned.lo
    for position, (task_input, (a, b)) in enumerate(
        zip(planned.task.inputs, planned.bounds, strict=True)
    ):
        read, lo, hi = task_input.read, int(a[i]), int(b[i])
        grain, name = read.dataset.grain, read.dataset.name
        changed = tuple(_changed_since(case, name, (lo, hi), record))
        known, until = None, None
        if read.is_partial:
            known = int(there(case.plan, planned, position)[i])
        if read.wait:
            until = int(waited_until(read, planned.task, ordinal, ordinal + 1)[0])
            until = until if until > case.plan.snapshot.now else None
        if read.form is Form.WITHIN and known:
            hi = lo + 1  # What comes after the newest is not there.
        first, last = (grain.key(lo), grain.key(hi - 1)) if hi > lo else ("", "")
        absent = _absent(case, name, (lo, hi))
        reads.append(LineageRead(name, first, last, hi - lo, changed, known, until, absent))
    return reads


def _absent(case: _Basis, name: str, span: tuple[int, int]) -> tuple[str, ...]:
    """The keys in a range of ordinals that were given up."""
    state, grain = case.plan.snapshot.states[name], case.graph.datasets[name].grain
    low, high = (min(max(each - state.lo, 0), len(state.condition)) for each in span)
    given_up = np.flatnonzero(state.condition[low:high] == Condition.GIVEN_UP)
    return tuple(grain.key(state.lo + low + i) for i in given_up.tolist())


def _moved(reads: int, lineage: Sequence[LineageRead]) -> Moved | None:
    """How many inputs have changed since; None if there are no `reads` that have."""
    partitions = sum(len(read.changed) for read in lineage)
    return Moved(reads, partitions or None) if reads else None


def _moved_text(moved: Moved | None, lineage: Sequence[LineageRead]) -> str:
    """What to add to a reason: how many partitions moved, or how many reads if that is known."""
    if moved is None:
        return ""
    if moved.partitions is None:
        return f"; inputs that moved since: {moved.reads:,} of {len(lineage):,} reads"
    total = sum(read.count for read in lineage)
    return f"; inputs that moved since: {moved.partitions:,} of {total:,}"


def _links(case: _Basis, planned: TaskPlan, ordinal: int) -> list[Link]:
    """The way from a partition to the root of its reason, one partition of each cause."""
    links: list[Link] = []
    while len(links) < _DEPTH:
        i = ordinal - planned.lo
        position, reason = int(planned.cause[i]), Reason(int(planned.reason[i]))
        if position < 0 or reason is Reason.MOVED:
            return links
        name = planned.task.inputs[position].read.dataset.name
        a, b = (int(x[i]) for x in planned.bounds[position])
        grain = case.graph.datasets[name].grain
        if reason is Reason.INPUT:
            node, key = outputs(planned.task)[0], planned.task.grain.key(ordinal)
            changed = _changed_since(case, name, (a, b), _record(case, node, key))
            links += [Link(name, k, _change_text(case, name, k)) for k in changed[:3]]
            return links
        following = _first_culprit(case, name, (a, b), reason)
        if following is None:
            key = grain.key(max(a, b - 1))
            return [*links, Link(name, key, "is not due")]
        culprit, ordinal = following
        key = grain.key(ordinal)
        if culprit is None:
            state = State(
                int(case.plan.sources[name][ordinal - case.plan.snapshot.states[name].lo])
            )
            return [*links, Link(name, key, _source_text(case, name, key, state))]
        planned, i = culprit, ordinal - culprit.lo
        text = describe(planned, Reason(int(planned.reason[i])), _cause(planned, i))
        links.append(Link(name, key, text))
    return links


def _change_text(case: _Basis, name: str, key: str) -> str:
    if any(r.node == name and r.key == key for r in case.seen.news):
        return "changed since: its file holds other values"
    record = _record(case, name, key)
    if record is None:
        return "changed since"
    return f"changed since: made by run {record.run}" if record.run else "changed since"


def _first_culprit(
    case: _Basis, name: str, span: tuple[int, int], reason: Reason
) -> tuple[TaskPlan | None, int] | None:
    """The first partition in a range that is the reason: its task's plan, and its ordinal.

    The plan is None for a source. None if no partition in the range is the reason.
    """
    if name in case.plan.sources:
        held = case.plan.snapshot.states[name]
        lo, hi = max(span[0], held.lo), min(span[1], held.hi)
        here = held.condition[lo - held.lo : hi - held.lo]
        worst = {Reason.AWAY: Condition.GONE, Reason.NOT_ARRIVED: Condition.ABSENT}
        bad = np.flatnonzero(here == worst.get(reason, Condition.DAMAGED))
        return (None, lo + int(bad[0])) if len(bad) else None
    for task in case.graph.writers(name):
        planned = case.plan.tasks[task.name]
        lo, hi = max(span[0], planned.lo), min(span[1], planned.hi)
        if lo >= hi:
            continue
        cut = slice(lo - planned.lo, hi - planned.lo)
        wanted = {
            Reason.UPSTREAM: planned.action[cut] != Action.NONE,
            Reason.NOT_ARRIVED: planned.state[cut] == State.WAITING,
            Reason.BEHIND: planned.state[cut] == State.BLOCKED,
            Reason.LAST_GOOD: planned.state[cut] == State.BLOCKED,
        }.get(reason)
        at = np.flatnonzero(wanted) if wanted is not None else np.zeros(0, np.int64)
        if len(at):
            return planned, lo + int(at[0])
    return None
