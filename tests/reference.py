"""The judge: a planner that asks about one partition after the other, as slow as it is plain.

Written from the design and not from the planner, whose arrays it knows nothing of. Calendars come
from `Grain.interval` alone: what a partition reads is found by looking at intervals.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from partflow.declarations.dataset import Dataset, Read
from partflow.declarations.graph import Graph, outputs
from partflow.declarations.mapping import Form
from partflow.declarations.task import Task
from partflow.partitions.calendar import Grain, Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.digests import elements, lanes
from partflow.planning.planner import Action, Only, Reason, Request, State
from partflow.planning.snapshot import Condition, DatasetState, Snapshot

DIGEST = tuple[int, int]
NOTHING: DIGEST = (0, 0)
MONTH = 30 * 86400
FAR = 5 * MONTH


@dataclass(frozen=True)
class Verdict:
    """What becomes of one partition of a task; `cause` is the position of a read, or -1.

    `moved` is how many reads differ from what it was made from, if it stays all the same.
    """

    state: State
    need: Reason
    reason: Reason
    cause: int
    action: Action
    moved: int = 0


class Line:
    """The intervals of a grain for months around a moment, each asked for by itself."""

    def __init__(self, grain: Grain, around: int, far: int = FAR) -> None:
        self.first = grain.ordinal_at(around - far)
        last = grain.ordinal_at(around + far)
        intervals = [grain.interval(o) for o in range(self.first, last + 1)]
        self.starts = [i.start for i in intervals]
        self.ends = [i.end for i in intervals]

    def touching(self, start: int, end: int) -> range:
        """The ordinals whose interval begins before `end` and ends after `start`."""
        lo = bisect_right(self.ends, start)
        return range(self.first + lo, self.first + bisect_left(self.starts, end))

    def ended_by(self, moment: int) -> int:
        """One past the newest ordinal whose interval has ended at a moment."""
        return self.first + bisect_right(self.ends, moment)


_lines: dict[tuple[tuple[str, ...], int, int], Line] = {}


class World:
    """What a graph's declarations mean for single partitions: ranges, reads, what is due.

    All that the graph declares must lie within `far` seconds of `now`.
    """

    def __init__(self, graph: Graph, now: int, far: int = FAR) -> None:
        self.graph = graph
        self.now = now
        self.far = far
        self.around = round(now / MONTH) * MONTH
        self.ranges: dict[str, range] = {}
        self.extents: dict[str, range] = {
            n: self._declared(d.grain) for n, d in graph.datasets.items() if d.is_source
        }
        self._due: dict[tuple[str, int], bool] = {}
        for task in graph.tasks:
            self.ranges[task.name] = self._range(task)
            for dataset in task.writes:
                self.extents[dataset.name] = self._hull(dataset)
        for name in graph.datasets:
            self.extents.setdefault(name, range(0))

    def line(self, grain: Grain) -> Line:
        """The grain's intervals; the same for grains that differ in their range only."""
        key = grain.line, self.around, self.far
        if key not in _lines:
            _lines[key] = Line(grain, self.around, self.far)
        return _lines[key]

    def _declared(self, grain: Grain) -> range:
        """The ordinals of a grain; an open end is where this world's calendar ends."""
        if isinstance(grain, Whole):
            return range(1)
        line = self.line(grain)
        return range(grain.lo, line.first + len(line.starts) if grain.hi is None else grain.hi)

    def _range(self, task: Task) -> range:
        """What can ever exist: within `during`, and no strict read wholly outside."""
        found = list(self._declared(task.grain))
        if task.options.during is not None:
            start, end = task.options.during
            begin = task.grain.moment(start)
            stop = None if end is None else task.grain.moment(end)
            starts = {o: task.grain.interval(o).start for o in found}
            found = [o for o in found if begin <= starts[o] and (stop is None or starts[o] < stop)]
        for one in task.inputs:
            if self._is_strict(task, one.read):
                found = [o for o in found if self._reaches(task, one.read, o)]
        return range(found[0], found[-1] + 1) if found else range(0)

    def _reaches(self, task: Task, read: Read, ordinal: int) -> bool:
        """Whether a read is not wholly outside; up to a bound there may be a gap in between."""
        if read.form is not Form.WITHIN:
            return bool(self.reads(task, read, ordinal))
        start, line = task.grain.interval(ordinal).start, read.dataset.grain
        oldest = moved(start, f"-{read.first}", line.tz)
        ends = [line.interval(o).end for o in self.extent(read.dataset)]
        return any(end <= start for end in ends) and any(end >= oldest for end in ends)

    def _is_strict(self, task: Task, read: Read) -> bool:
        if isinstance(task.grain, Whole) or isinstance(read.dataset.grain, Whole):
            return False
        strict = read.form in {Form.OVERLAP, Form.OVERLAPPING, Form.ASOF, Form.WITHIN}
        return strict and not read.is_optional and read.dataset not in task.writes

    def _hull(self, dataset: Dataset) -> range:
        writers = (t for t in self.graph.tasks if dataset in t.writes and t.name in self.ranges)
        found = [r for r in (self.ranges[t.name] for t in writers) if r]
        return range(min(r.start for r in found), max(r.stop for r in found)) if found else range(0)

    def reads(self, task: Task, read: Read, ordinal: int) -> range:
        """What a partition of a task reads of one dataset, clipped to what can ever exist."""
        line, extent = read.dataset.grain, self.extent(read.dataset)
        if isinstance(line, Whole):
            return _clipped(_formed(read, range(1), extent), extent)
        if isinstance(task.grain, Whole):
            due = [o for o in extent if self.is_due(read.dataset, o)]
            return range(due[0], due[-1] + 1) if due else range(0)
        intervals = self.line(line)
        here = task.grain.interval(ordinal)
        if read.form is Form.ASOF:
            ended = _clipped(range(intervals.first, intervals.ended_by(here.start)), extent)
            return ended[-1:]
        if read.form is Form.WITHIN:
            oldest = moved(here.start, f"-{read.first}", line.tz)
            ended = range(intervals.first, intervals.ended_by(here.start))
            young = [o for o in ended if intervals.ends[o - intervals.first] >= oldest]
            return _clipped(range(young[0], ended.stop) if young else range(0), extent)
        if read.form is Form.SPAN:
            start = moved(here.start, str(read.first), line.tz)
            end = moved(here.end, str(read.last), line.tz)
            return _clipped(intervals.touching(start, end) if start < end else range(0), extent)
        return _clipped(_formed(read, intervals.touching(here.start, here.end), extent), extent)

    def extent(self, dataset: Dataset) -> range:
        """The ordinals of a dataset that can ever exist; of a self-read, those declared."""
        return self.extents.get(dataset.name) or range(0)

    def is_due(self, dataset: Dataset, ordinal: int) -> bool:
        """Whether a partition's interval and lag have ended, and all that it must read is due."""
        key = dataset.name, ordinal
        if key not in self._due:
            writers = [t for t in self.graph.tasks if dataset in t.writes]
            mine = [t for t in writers if ordinal in self.ranges[t.name]]
            self._due[key] = (
                any(self.is_task_due(t, ordinal) for t in mine)
                if mine
                else self.has_ended(dataset.grain, ordinal)
            )
        return self._due[key]

    def is_task_due(self, task: Task, ordinal: int) -> bool:
        """As `is_due`, of one of a task's partitions."""
        lag = int(task.options.lag.total_seconds())
        if isinstance(task.grain, Whole):
            return True
        return self.has_ended(task.grain, ordinal, lag) and all(
            self.is_due(one.read.dataset, o)
            for one in task.inputs
            if not one.read.is_optional and not is_partial(one.read)
            for o in self.reads(task, one.read, ordinal)
        )

    def has_ended(self, grain: Grain, ordinal: int, lag: int = 0) -> bool:
        """Whether a partition's interval, and a lag, lie behind."""
        return isinstance(grain, Whole) or grain.interval(ordinal).end + lag <= self.now


def is_partial(read: Read) -> bool:
    """Whether a part of what it covers is enough, of which some has to be there."""
    return read.form is Form.WITHIN or read.least is not None


def from_newest(read: Read, those: range, contents: Callable[[int], DIGEST]) -> range:
    """Of a read up to a bound, what comes from the newest on that was ever there; else all."""
    if read.form is not Form.WITHIN:
        return those
    return next(
        (those[i:] for i in reversed(range(len(those))) if contents(those[i]) != NOTHING), those
    )


def _formed(read: Read, those: range, extent: range) -> range:
    """The ordinals that a form makes of those that overlap."""
    match read.form:
        case Form.WINDOW:
            return range(those.start + int(read.first), those.stop + int(read.last))
        case Form.PREVIOUS:
            return range(those.start - 1, those.start)
        case Form.HISTORY:
            return range(extent.start, those.stop)
        case _:
            return those


def _clipped(found: range, extent: range) -> range:
    lo, hi = max(found.start, extent.start), min(found.stop, extent.stop)
    return range(lo, hi) if lo < hi else range(0)


def moved(moment: int, text: str, tz: str) -> int:
    """A moment moved by a span: d, w and months on the local calendar, h and m as time elapsed.

    Where a day begins goes to where a day begins; every other time of day stays what it was.
    """
    number, unit = int(text.rstrip("dwhmonts ")), text.lstrip("+-0123456789 ")
    if unit in {"h", "m"}:
        return moment + number * {"h": 3600, "m": 60}[unit]
    zone = ZoneInfo(tz)
    local = datetime.fromtimestamp(moment, zone)
    days = number * {"d": 1, "w": 7}.get(unit, 0)
    wall = local.replace(tzinfo=None) + timedelta(days=days)
    if unit.startswith("month"):
        year, month = divmod(local.year * 12 + local.month - 1 + number, 12)
        last = monthrange(year, month + 1)[1]
        if local.day > last:  # a day that the month lacks: where the month ends
            wall = wall.replace(year=year, month=month + 1, day=last) + timedelta(days=1)
            return _day_begin(wall, zone)
        wall = wall.replace(year=year, month=month + 1, day=local.day)
    if _day_begin(local, zone) == moment:
        return _day_begin(wall, zone)
    return int(wall.replace(tzinfo=zone, fold=local.fold).timestamp())


def _day_begin(day: datetime, zone: ZoneInfo) -> int:
    """The first minute at which the zone's clock shows the date, found minute by minute."""
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    near = int(midnight.timestamp())
    guess = int(midnight.replace(tzinfo=zone).timestamp())
    if datetime.fromtimestamp(guess, zone).date() == day.date() and (
        datetime.fromtimestamp(guess - 1, zone).date() < day.date()
    ):
        return guess
    moments = range(near - 26 * 3600, near + 26 * 3600, 60)
    return next(m for m in moments if datetime.fromtimestamp(m, zone).date() == day.date())


class Judge:
    """What a request comes to, partition by partition."""

    def __init__(self, graph: Graph, snapshot: Snapshot, request: Request, far: int = FAR) -> None:
        self.graph = graph
        self.snapshot = snapshot
        self.request = request
        self.world = World(graph, snapshot.now, far)
        self._verdicts: dict[tuple[str, int], Verdict] = {}
        self._faulty: dict[tuple[str, int], bool] = {}
        self._looked_at: dict[str, list[int]] = {}

    def verdicts(self) -> dict[tuple[str, int], Verdict]:
        """The verdict of every partition that is looked at, by task and ordinal."""
        for task in self.graph.tasks:
            for ordinal in self.considered(task):
                self.verdict(task, ordinal)
        demanded = self._demanded()
        return {
            key: v if key in demanded else replace(v, action=Action.NONE)
            for key, v in self._verdicts.items()
        }

    def considered(self, task: Task) -> list[int]:
        """The partitions whose interval and lag lie behind, and whose effect is not the past's."""
        if task.name not in self._looked_at:
            self._looked_at[task.name] = self._considered(task)
        return self._looked_at[task.name]

    def _considered(self, task: Task) -> list[int]:
        lag = int(task.options.lag.total_seconds())
        found = [
            o for o in self.world.ranges[task.name] if self.world.has_ended(task.grain, o, lag)
        ]
        due = [o for o in found if self.world.is_task_due(task, o)]
        if task.options.only == "latest":
            return due[-1:]
        if task.is_effect:
            newest = due[-1] if due else None
            since = self.snapshot.effects_since.get(task.name, newest)
            if newest is None or since is None:
                return []
            if not isinstance(task.grain, Whole):
                is_ahead = task.grain.interval(since).end + lag > self.snapshot.now + 300
                since = newest if is_ahead else since
            return [o for o in found if o <= newest and (self.request.with_effects or o >= since)]
        return found

    def verdict(self, task: Task, ordinal: int) -> Verdict:
        """The state of one partition, with its reason, and what a run does with it."""
        key = task.name, ordinal
        if key not in self._verdicts:
            self._verdicts[key] = self._judged(task, ordinal)
        return self._verdicts[key]

    def _judged(self, task: Task, ordinal: int) -> Verdict:
        need, cause = self._need(task, ordinal)
        changed = any(s.condition is Condition.CHANGED for s in self._own(task, ordinal))
        doubtful = self._is_doubtful(task, ordinal)
        pinned = self._is_pinned(task, ordinal)
        if self._is_forced(task, ordinal) and (
            need is Reason.NONE or changed or doubtful or pinned
        ):
            need, cause = Reason.ASKED, -1
        elif doubtful:
            return Verdict(State.BLOCKED, need, Reason.PERHAPS_DONE, -1, Action.NONE)
        elif changed:
            return Verdict(State.BLOCKED, need, Reason.CHANGED_OUTSIDE, -1, Action.NONE)
        held = self._held(task, ordinal)
        if need is Reason.NEVER and self._is_unasked(task, ordinal):
            return Verdict(State.WAITING, need, Reason.NOT_ASKED, -1, Action.NONE)
        if need is Reason.NONE:
            position = self._fault_position(task, ordinal)
            if position is not None and not self._is_to_stay(task, ordinal):
                return Verdict(State.BLOCKED, need, Reason.LAST_GOOD, position, Action.NONE)
            is_held = held is not None or self._is_busy(task, ordinal)
            return self._fresh(task, ordinal, is_held)
        left = self._left(task, ordinal, need, is_held=held is not None)
        if left is not None:
            return Verdict(left[1], need, left[0], -1, Action.NONE)
        if held is not None:
            state = State.BLOCKED if held[0] is Reason.BEHIND else State.WAITING
            return Verdict(state, need, held[0], held[1], Action.NONE)
        is_missing = need in {Reason.NEVER, Reason.GONE}
        return Verdict(State.MISSING if is_missing else State.STALE, need, need, cause, Action.RUN)

    def _reads(self, task: Task, read: Read, ordinal: int) -> range:
        """What a partition reads of one dataset, which may hang on what is there."""
        return from_newest(
            read, self.world.reads(task, read, ordinal), lambda o: self._content(read.dataset, o)
        )

    def _content(self, dataset: Dataset, ordinal: int) -> DIGEST:
        return self._record(dataset.name, ordinal).content

    def _is_unasked(self, task: Task, ordinal: int) -> bool:
        """Whether it was due before its task was first seen, and nobody asks for it."""
        due = [o for o in self.considered(task) if self.world.is_task_due(task, o)]
        since = self.snapshot.effects_since.get(task.name, due[-1] if due else None)
        if task.options.catchup or since is None:
            return False
        if not isinstance(task.grain, Whole):
            lag = int(task.options.lag.total_seconds())
            if task.grain.interval(since).end + lag > self.snapshot.now + 300:
                since = due[-1] if due else None
        is_named = self.request.force is not None or self.request.names_partitions
        is_asked = is_named and self._is_wanted(task, ordinal)
        return since is not None and ordinal < since and not is_asked

    def _is_doubtful(self, task: Task, ordinal: int) -> bool:
        """Whether an effect was cut off, and twice may do harm."""
        begun = self.snapshot.perhaps_done.get(task.name, {})
        return ordinal in begun and not task.options.idempotent

    def _fresh(self, task: Task, ordinal: int, is_held: bool) -> Verdict:
        if self._is_pinned(task, ordinal):
            return Verdict(State.FRESH, Reason.NONE, Reason.PINNED, -1, Action.NONE)
        if not is_held and not self._is_to_stay(task, ordinal):
            for position, one in enumerate(task.inputs):
                for o in self._reads(task, one.read, ordinal):
                    if self._upstream(one.read.dataset, o, Action.RUN, Action.MAYBE):
                        return Verdict(
                            State.FRESH, Reason.NONE, Reason.UPSTREAM, position, Action.MAYBE
                        )
        moved = self._moved(task, ordinal)
        reason = self._kept(task, ordinal, is_moved=bool(moved))
        cause = moved[0] if reason is Reason.MOVED else -1
        return Verdict(State.FRESH, Reason.NONE, reason, cause, Action.NONE, len(moved))

    def _kept(self, task: Task, ordinal: int, *, is_moved: bool) -> Reason:
        """Why what other code, or what is no more, made stays: that it does was asked before."""
        own = [] if task.is_effect else self._own(task, ordinal)
        if any(self._has_other_code(task, s, older=True) for s in own):
            return Reason.KEPT
        if is_moved:
            return Reason.MOVED
        return Reason.RECKONED if any(self._has_other_code(task, s) for s in own) else Reason.NONE

    def _is_to_stay(self, task: Task, ordinal: int) -> bool:
        """Whether a partition that needs nothing stays, whatever becomes of what it reads."""
        own = self._own(task, ordinal)
        is_once = task.options.on_input_change == "keep" or self._is_paused(task)
        return self._is_pinned(task, ordinal) or (
            is_once and all(s.condition is Condition.GOOD for s in own)
        )

    def _fault_position(self, task: Task, ordinal: int) -> int | None:
        """The first read behind which a source's file cannot be read, directly or further up."""
        for position, one in enumerate(task.inputs):
            for o in self._reads(task, one.read, ordinal):
                never_was = self._content(one.read.dataset, o) == NOTHING
                if is_partial(one.read) and never_was:
                    continue
                if self._is_behind_fault(one.read.dataset, o):
                    return position
        return None

    def _is_behind_fault(self, dataset: Dataset, ordinal: int) -> bool:
        """Whether what is read is at fault, or lies behind what is and is not somebody's own."""
        if not self.world.is_due(dataset, ordinal):
            return False
        if dataset.is_source:
            return self._record(dataset.name, ordinal).condition is Condition.DAMAGED
        writer = self._writer(dataset, ordinal)
        if writer is None:
            return False
        key = writer.name, ordinal
        if key not in self._faulty:
            verdict = self.verdict(writer, ordinal)
            is_theirs = verdict.reason is Reason.CHANGED_OUTSIDE
            is_at_rest = verdict.need is Reason.NONE and not is_theirs
            stays = is_at_rest and self._is_to_stay(writer, ordinal)
            stays |= verdict.reason in {Reason.PAUSED, Reason.NOT_ASKED}
            self._faulty[key] = not stays and self._fault_position(writer, ordinal) is not None
        return self._faulty[key]

    def _upstream(self, dataset: Dataset, ordinal: int, *actions: Action) -> bool:
        writer = self._writer(dataset, ordinal)
        return writer is not None and self.verdict(writer, ordinal).action in actions

    def _writer(self, dataset: Dataset, ordinal: int) -> Task | None:
        """The task that looks after a partition now."""
        writers = (t for t in self.graph.tasks if dataset in t.writes)
        return next((t for t in writers if ordinal in self.considered(t)), None)

    # --- what runs by itself -------------------------------------------------------------------

    def _left(
        self, task: Task, ordinal: int, need: Reason, *, is_held: bool
    ) -> tuple[Reason, State] | None:
        """Why what has to be made is left all the same, and in which state.

        `is_held` says that something that it reads holds it up: that counts more than a busy run.
        """
        if self.request.automatic is None:
            return None
        is_due = self.world.is_task_due(task, ordinal)
        if is_due and self._is_paused(task):
            is_there = need not in {Reason.NEVER, Reason.GONE, Reason.DAMAGED}
            return Reason.PAUSED, State.STALE if is_there else State.WAITING
        if is_due and ordinal in self.request.automatic.held.get(task.name, ()):
            return Reason.HELD, State.BLOCKED
        is_busy = not is_held and self._is_busy(task, ordinal)
        return (Reason.BUSY, State.WAITING) if is_busy else None

    def _is_paused(self, task: Task) -> bool:
        """Whether it is left since somebody paused something that it writes."""
        is_by_itself = self.request.automatic is not None
        return is_by_itself and any(node in self.snapshot.paused for node in outputs(task))

    def _keeps_code(self, task: Task) -> bool:
        """Whether what other code made is left as it is."""
        automatic = self.request.automatic
        if automatic is not None and task.name not in automatic.recompute:
            return True
        return task.options.on_code_change == "keep"

    def _is_busy(self, task: Task, ordinal: int) -> bool:
        """Whether a run under way makes or reads it, or makes what it reads."""
        automatic = self.request.automatic
        for busy in automatic.busy if automatic is not None else ():
            mine = [(node, task.grain, ordinal) for node in outputs(task)]
            reads = [
                (one.read.dataset.name, one.read.dataset.grain, o)
                for one in task.inputs
                for o in self._reads(task, one.read, ordinal)
            ]
            if busy.is_everything or any(
                [
                    *(_meets(busy.makes, *each) or _meets(busy.reads, *each) for each in mine),
                    *(_meets(busy.makes, *each) for each in reads),
                ]
            ):
                return True
        return False

    # --- why it would have to be made ----------------------------------------------------------

    def _need(self, task: Task, ordinal: int) -> tuple[Reason, int]:
        """The strongest reason to make a partition, and the read that is the cause."""
        own = self._own(task, ordinal)
        conditions = {s.condition for s in own}
        if Condition.ABSENT in conditions:
            return Reason.NEVER, -1
        if not task.is_effect:
            if Condition.GONE in conditions:
                return Reason.GONE, -1
            if Condition.DAMAGED in conditions:
                return Reason.DAMAGED, -1
            if self._is_pinned(task, ordinal):
                return Reason.NONE, -1
            if any(self._is_unsettled(task, ordinal, s) for s in own):
                return Reason.REFRESH, -1
            others = any(self._has_other_code(task, s) for s in own)
            if others and not self._keeps_code(task):
                other = any(self._has_other_code(task, s, older=True) for s in own)
                return Reason.CODE if other else Reason.RECKONED, -1
        moved = self._moved(task, ordinal)
        if moved and task.options.on_input_change == "stale":
            return Reason.INPUT, moved[0]
        return Reason.NONE, -1

    def _moved(self, task: Task, ordinal: int) -> list[int]:
        """The positions of the reads that find something else than it was made from."""
        found = []
        for position, one in enumerate(task.inputs):
            now = self._digests(one.read, self._reads(task, one.read, ordinal))
            if any(s.inputs[position] not in now for s in self._own(task, ordinal)):
                found.append(position)
        return found

    def _has_other_code(self, task: Task, record: Record, *, older: bool = False) -> bool:
        """Other code than the present; also than what it was under rules of before."""
        codes = [self.snapshot.codes[task.name]]
        codes += self.snapshot.older.get(task.name, ()) if older else ()
        return record.code not in {lanes(code) for code in codes}

    def _is_pinned(self, task: Task, ordinal: int) -> bool:
        """Somebody's file among its outputs, which was accepted and not touched since."""
        own = self._own(task, ordinal)
        return any(s.pinned and s.condition is Condition.GOOD for s in own)

    def _is_unsettled(self, task: Task, ordinal: int, record: Record) -> bool:
        """Made before its interval was settled, and due to be looked at again."""
        if task.options.settles_after is None:
            return False
        settled = task.grain.interval(ordinal).end + task.options.settles_after.total_seconds()
        every = task.options.refresh_every
        without = 0 if self.request.automatic is None else 3600
        again = record.made_at + (every.total_seconds() if every else without)
        now = self.snapshot.now
        if record.made_at > now + 300:  # by a clock that was ahead
            return True
        return record.made_at < settled and (now >= settled or now >= again)

    def _is_forced(self, task: Task, ordinal: int) -> bool:
        """Whether a backfill asks to make just this partition again, whatever it is."""
        force = self.request.force
        if force is None or force.only is not Only.ALL or not self._is_wanted(task, ordinal):
            return False
        return any(s.seq < force.since for s in self._own(task, ordinal))

    def _is_wanted(self, task: Task, ordinal: int) -> bool:
        wanted = self.request.wanted
        return wanted is None or any(ordinal in wanted.get(n, ()) for n in outputs(task))

    # --- what holds it up ----------------------------------------------------------------------

    def _held(self, task: Task, ordinal: int) -> tuple[Reason, int] | None:
        """Why it cannot be made now: what is blocked counts more than what waits."""
        found = [
            (reason, position)
            for position, one in enumerate(task.inputs)
            for reason in self._holding(task, one.read, ordinal)
        ]
        for strongest in (Reason.BEHIND, Reason.NOT_DUE, Reason.NOT_ARRIVED):
            for reason, position in found:
                if reason is strongest:
                    gone = reason is Reason.NOT_ARRIVED and self._is_away(task, ordinal, position)
                    return (Reason.AWAY if gone else reason), position
        return None

    def _is_away(self, task: Task, ordinal: int, position: int) -> bool:
        """Whether a read is of a source, of which a file that it needs was there and is gone."""
        read = task.inputs[position].read
        return read.dataset.is_source and any(
            self._record(read.dataset.name, o).condition is Condition.GONE
            and self.world.is_due(read.dataset, o)
            for o in self._reads(task, read, ordinal)
        )

    def _holding(self, task: Task, read: Read, ordinal: int) -> set[Reason]:
        """What holds a read up; one that does without some only by what did not just never come."""
        ordinals = self._reads(task, read, ordinal)
        holds = {o: self._hold(read.dataset, o) for o in ordinals}
        if not read.is_optional and not is_partial(read):
            return set(holds.values()) - {Reason.NONE}
        was = {o for o in ordinals if self._content(read.dataset, o) != NOTHING}
        lost = {
            o
            for o in ordinals
            if (read.is_optional or o in was)
            and (self._is_lost(read.dataset, o) or self._is_behind_fault(read.dataset, o))
        }
        found = {holds[o] for o in lost} - {Reason.NONE, Reason.NOT_DUE}
        if is_partial(read):
            comes = {
                o for o in ordinals if self._upstream(read.dataset, o, Action.RUN, Action.MAYBE)
            }
            if read.least is not None:
                comes |= {
                    o
                    for o in ordinals
                    if self._record(read.dataset.name, o).condition is Condition.GIVEN_UP
                }
            if len(was | comes) < self._enough(task, read, ordinal):
                is_stuck = Reason.BEHIND in holds.values()
                found.add(Reason.BEHIND if is_stuck else Reason.NOT_ARRIVED)
        return found

    def _enough(self, task: Task, read: Read, ordinal: int) -> int:
        """How many partitions of a partial read have to be there, at this moment."""
        if read.form is Form.WITHIN:
            return 1
        n = len(self._reads(task, read, ordinal))
        wait = task.options.lag.total_seconds() + read.wait.total_seconds()
        is_over = task.grain.interval(ordinal).end + wait <= self.snapshot.now
        return min(n, read.least or 0) if is_over or not read.wait else n

    def _is_lost(self, dataset: Dataset, ordinal: int) -> bool:
        """Whether a file was there, or is, and cannot be read."""
        lost = {Condition.GONE, Condition.DAMAGED}
        return self._record(dataset.name, ordinal).condition in lost

    def _hold(self, dataset: Dataset, ordinal: int) -> Reason:
        """Why one partition cannot be read now, nor after this run."""
        if not self.world.is_due(dataset, ordinal):
            return Reason.NOT_DUE
        writer = self._writer(dataset, ordinal)
        if writer is not None:
            return {State.WAITING: Reason.NOT_ARRIVED, State.BLOCKED: Reason.BEHIND}.get(
                self.verdict(writer, ordinal).state, Reason.NONE
            )
        return {
            Condition.GOOD: Reason.NONE,
            Condition.GIVEN_UP: Reason.NONE,  # read as if it were empty
            Condition.ABSENT: Reason.NOT_ARRIVED,
            Condition.GONE: Reason.NOT_ARRIVED,
            Condition.DAMAGED: Reason.BEHIND,
            Condition.CHANGED: Reason.BEHIND,
        }[self._record(dataset.name, ordinal).condition]

    # --- what is recorded ----------------------------------------------------------------------

    def _own(self, task: Task, ordinal: int) -> list[Record]:
        return [self._record(n, ordinal) for n in outputs(task)]

    def _record(self, node: str, ordinal: int) -> Record:
        return record_of(self.snapshot.states[node], ordinal)

    def _digests(self, read: Read, ordinals: range) -> set[DIGEST]:
        """The digests at which a read has not changed.

        What is gone counts with the content that it had; an optional read may have been without it.
        """
        found = {self._digest(read, ordinals)}
        if read.is_optional:
            lost = {Condition.GONE, Condition.DAMAGED}
            name = read.dataset.name
            there = [o for o in ordinals if self._record(name, o).condition not in lost]
            found.add(self._digest(read, there))
        return found

    def _digest(self, read: Read, ordinals: Iterable[int]) -> DIGEST:
        dataset = read.dataset
        return total(
            element(dataset.grain, o, self._record(dataset.name, o).content) for o in ordinals
        )

    # --- what a request needs ------------------------------------------------------------------

    def _demanded(self) -> set[tuple[str, int]]:
        """What is wanted and not simply fresh, and what that reads, again and again."""
        queue = [k for k in self._verdicts if self._is_chosen(*k)]
        found: set[tuple[str, int]] = set()
        while queue:
            key = queue.pop()
            verdict = self._verdicts[key]
            if key in found or (verdict.action, verdict.state) == (Action.NONE, State.FRESH):
                continue
            if (verdict.reason, verdict.state) == (Reason.PAUSED, State.STALE):
                continue
            found.add(key)
            task = self.graph.task(key[0])
            for one in task.inputs:
                for o in self._reads(task, one.read, key[1]):
                    writer = self._writer(one.read.dataset, o)
                    if writer is not None:
                        queue.append((writer.name, o))
        return found

    def _is_chosen(self, name: str, ordinal: int) -> bool:
        """Whether the request names a partition and its `only` lets it pass."""
        task = self.graph.task(name)
        only = Only.ALL if self.request.force is None else self.request.force.only
        need = self.verdict(task, ordinal).need
        is_missing = need in {Reason.NEVER, Reason.GONE}
        return (
            self._is_wanted(task, ordinal)
            and {
                Only.ALL: True,
                Only.MISSING: is_missing,
                Only.STALE: need is not Reason.NONE and not is_missing,
                Only.FAILED: any(s.failed for s in self._own(task, ordinal)),
            }[only]
        )


@dataclass(frozen=True)
class Record:
    """What a snapshot says of one partition."""

    condition: Condition
    content: DIGEST
    code: DIGEST
    inputs: tuple[DIGEST, ...]
    made_at: int
    seq: int
    failed: bool
    pinned: bool


def record_of(state: DatasetState, ordinal: int) -> Record:
    """One partition of a state; what lies outside of it was never made."""
    i = ordinal - state.lo
    if not 0 <= i < len(state.condition):
        return Record(Condition.ABSENT, NOTHING, NOTHING, (), 0, 0, failed=False, pinned=False)
    return Record(
        condition=Condition(int(state.condition[i])),
        content=(int(state.content[i, 0]), int(state.content[i, 1])),
        code=(int(state.code[i, 0]), int(state.code[i, 1])),
        inputs=tuple((int(a), int(b)) for a, b in state.inputs[i].tolist()),
        made_at=int(state.made_at[i]),
        seq=int(state.seq[i]),
        failed=bool(state.failed[i]),
        pinned=bool(state.pinned[i]),
    )


def _meets(spans: Mapping[str, PartitionSet], node: str, grain: Grain, ordinal: int) -> bool:
    """Whether a partition's interval meets one of a node's spans of seconds."""
    here = grain.interval(ordinal)
    return any(a < here.end and here.start < b for a, b in spans.get(node, PartitionSet()).ranges)


def element(grain: Grain, ordinal: int, content: DIGEST) -> DIGEST:
    """What one partition adds to a digest."""
    return _element(grain.interval(ordinal).start, content)


@cache
def _element(start: int, content: DIGEST) -> DIGEST:
    found = elements(np.array([start]), np.array([content], np.uint64))[0]
    return int(found[0]), int(found[1])


def total(parts: Iterable[DIGEST]) -> DIGEST:
    """The sum of elements, in each of the two lanes modulo 2**64."""
    one, two = 0, 0
    for a, b in parts:
        one, two = (one + a) % 2**64, (two + b) % 2**64
    return one, two
