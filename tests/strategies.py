"""Random declarations, records and requests, small enough to be judged one by one.

A world's ranges lie around a change of the clock. What a task was made from is recorded rightly
most of the time, so that much of a world is fresh and a flaw has something to spread through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import reject
from hypothesis import strategies as st
from profiles import SLOW
from reference import DIGEST, World, element, from_newest, total

from partflow.declarations.dataset import Dataset, Read, Source, as_read
from partflow.declarations.graph import Graph, derive, outputs
from partflow.declarations.task import Task, effect, task
from partflow.errors import GraphError
from partflow.partitions.calendar import Daily, Grain, Hourly, Monthly, Weekly, Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.digests import lanes
from partflow.planning.footprint import Footprint
from partflow.planning.pauses import Pause
from partflow.planning.planner import Automatic, Force, Only, Request
from partflow.planning.snapshot import Condition, DatasetState, Snapshot, empty_state

__all__ = ["SLOW", "Case", "cases", "cases_by_themselves", "graphs", "requests", "snapshots"]

DAY = 86400
# Each with the day before a change of its clock; midnight of 2018-11-04 does not exist in Brazil.
ERAS = {
    "UTC": ("2024-02-28",),
    "Europe/Berlin": ("2024-03-30", "2024-10-26"),
    "America/Sao_Paulo": ("2018-11-03", "2018-02-17"),
}
OTHER_CODE = "f" * 32
OLDER_CODE = "e" * 32
"""What the code of some tasks was under rules of before."""


@dataclass(frozen=True)
class Case:
    """A graph, what is recorded of it, and what is asked."""

    graph: Graph
    snapshot: Snapshot
    request: Request


def epoch(day: str) -> int:
    """The first second of a UTC day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def shown(moment: int) -> str:
    """A moment as it can be declared, in any zone."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown_day(moment: int, tz: str) -> str:
    """The day of a zone that a moment lies in."""
    return datetime.fromtimestamp(moment, ZoneInfo(tz)).strftime("%Y-%m-%d")


@st.composite
def grains(draw: st.DrawFn, era: str, tz: str, *, whole: bool = True) -> Grain:
    """A grain whose range begins near the era, with 3 to 40 partitions or open."""
    kinds = ["daily", "daily", "daily", "weekly", "monthly", "hourly", *(["whole"] * whole)]
    kind = draw(st.sampled_from(kinds))
    begin = epoch(era)
    if kind == "whole":
        return Whole()
    if kind == "hourly":
        start = begin + draw(st.integers(0, 40)) * 3600
        return Hourly(shown(start), shown(start + draw(st.integers(3, 40)) * 3600), tz=tz)
    start = begin + draw(st.integers(-25, 5)) * DAY
    is_open = draw(st.booleans())
    days = draw(st.integers(3, 40)) * (1 if kind == "daily" else 2)
    first, end = shown_day(start, tz), None if is_open else shown_day(start + days * DAY, tz)
    if kind == "daily":
        return Daily(first, end, tz=tz)
    if kind == "monthly":
        return Monthly(first, end, tz=tz)
    return Weekly(first, end, tz=tz, first_day=draw(st.sampled_from(["monday", "sunday"])))


SPANS = {
    "daily": [("-7d", "0d"), ("-2d", "-1d"), ("-1 months", "0d"), ("0d", "1d"), ("-36h", "0h")],
    "hourly": [("-6h", "0h"), ("-90m", "30m"), ("-1d", "0d"), ("-1d", "-1d")],
}
BOUNDS = ["1d", "5d", "36h", "90m", "2w", "1 months"]
WINDOWS = [(-6, 0), (-1, 1), (0, 0), (-3, -2), (0, 2), (-2, -1), (1, 1)]


@st.composite
def reads(draw: st.DrawFn, dataset: Dataset, grain: Grain) -> Read:
    """Some way for a task of that grain to read a dataset."""
    forms = ["overlap", "overlap", "overlapping", "window", "history"]
    if not isinstance(dataset.grain, Whole) and not isinstance(grain, Whole):
        forms += ["span", "previous", "asof", "within"]
    form = draw(st.sampled_from(forms))
    nests = isinstance(grain, Whole) or grain.nests(dataset.grain)
    spans = SPANS.get(dataset.grain.kind, [("-2w", "0d"), ("-1 months", "0 months")])
    made = {
        "overlap": lambda: as_read(dataset) if nests else dataset.overlapping(),
        "overlapping": dataset.overlapping,
        "window": lambda: dataset.window(*draw(st.sampled_from(WINDOWS))),
        "span": lambda: dataset.window(*draw(st.sampled_from(spans))),
        "history": dataset.history,
        "previous": dataset.previous,
        "asof": dataset.asof,
        "within": lambda: dataset.within(draw(st.sampled_from(BOUNDS))),
    }[form]()
    is_cut = not isinstance(dataset.grain, Whole) and not isinstance(grain, Whole)
    if is_cut and form not in {"previous", "asof", "within"} and draw(st.integers(0, 4)) == 0:
        wait = draw(st.sampled_from([None, "6h", "3d"]))
        return made.at_least(draw(st.integers(1, 5)), wait)
    if form == "within":
        return made
    return made.optional() if draw(st.integers(0, 4)) == 0 else made


def _function(parameters: int) -> Callable[..., Any]:
    """A function of so many frames."""
    return (lambda: None, lambda a: a, lambda a, b: a, lambda a, b, c: a)[parameters]


@st.composite
def _options(draw: st.DrawFn, *, is_effect: bool, grain: Grain) -> dict[str, Any]:
    rarely = st.integers(0, 5).map(lambda n: n == 0)
    found: dict[str, Any] = {}
    if draw(rarely):
        found["lag"] = draw(st.sampled_from(["6h", "2d"]))
    if draw(rarely):
        found["only"] = "latest"
    if draw(rarely):
        found["retries"] = 2
    if draw(rarely):
        found["on_input_change"] = "keep"
    if is_effect:
        if draw(rarely):
            found["idempotent"] = True
        return found
    if draw(rarely):
        found["on_code_change"] = "keep"
    if draw(rarely) and not isinstance(grain, Whole) and "on_input_change" not in found:
        found["settles_after"] = draw(st.sampled_from(["2d", "10d"]))
        found["refresh_every"] = draw(st.sampled_from([None, "1d"]))
    return found


@st.composite
def _writers(draw: st.DrawFn, number: int, readable: Sequence[Dataset], grain: Grain) -> list[Task]:
    """The task, or the two tasks, behind one or two new datasets."""
    names = [f"d{number}", f"e{number}"][: draw(st.sampled_from([1, 1, 1, 2]))]
    written = [Dataset(n, grain) for n in names]
    declared: list[Task] = []
    for during in draw(_durings(grain)):
        chosen = draw(st.lists(st.sampled_from(readable), max_size=2)) if readable else []
        taken = [draw(reads(d, grain)) for d in chosen]
        if not isinstance(grain, Whole) and draw(st.integers(0, 3)) == 0:
            back = draw(st.sampled_from(["previous", "window"]))
            own = written[0]
            taken.append(own.previous() if back == "previous" else own.window(-3, -1))
        options = draw(_options(is_effect=False, grain=grain))
        reads_itself = any(isinstance(read, Read) and read.dataset in written for read in taken)
        if not reads_itself and draw(st.integers(0, 4)) == 0:
            options["catchup"] = False
        name = f"make{number}{'ab'[len(declared)]}"
        declare = task(name=name, reads=taken, writes=written, during=during, **options)
        declared.append(declare(_function(len(taken))))
    return declared


@st.composite
def _durings(draw: st.DrawFn, grain: Grain) -> list[tuple[str, str | None] | None]:
    if isinstance(grain, Whole) or draw(st.integers(0, 4)):
        return [None]
    n = 3 if grain.hi is None else grain.hi - grain.lo
    if n < 2:
        return [None]
    first, middle = shown(grain.interval(grain.lo).start), grain.lo + draw(st.integers(1, n - 1))
    boundary = shown(grain.interval(middle).start)
    return [(first, boundary), (boundary, None)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, str]:
    """A graph of two to six datasets and perhaps an effect, and the day that it lies around."""
    zone = draw(st.sampled_from(sorted(ERAS)))
    era = draw(st.sampled_from(ERAS[zone]))
    zones = st.sampled_from([zone, zone, zone, "UTC"])
    sources: list[Dataset] = []
    for i in range(draw(st.integers(1, 2))):
        grain = draw(grains(era, draw(zones)))
        path = f"in{i}.csv" if isinstance(grain, Whole) else f"in{i}/{{key}}.csv"
        sources.append(Source(f"s{i}", grain, path=path))
    readable, tasks = list(sources), []
    for i in range(draw(st.integers(1, 4))):
        like = draw(st.sampled_from([None, *readable]))
        grain = like.grain if like is not None else draw(grains(era, draw(zones)))
        made = draw(_writers(i, readable, grain))
        tasks += made
        readable += made[0].writes
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(readable), min_size=1, max_size=2))
        grain = chosen[0].grain
        taken = [draw(reads(d, grain)) for d in chosen]
        options = draw(_options(is_effect=True, grain=grain))
        tasks.append(
            effect(name="tell", reads=taken, grain=grain, **options)(_function(len(taken)))
        )
    try:
        return derive(tasks, sources), era
    except GraphError:  # a partition would be made of a part: refused, and tested elsewhere
        reject()


FLAWS = [Condition.ABSENT, Condition.GONE, Condition.DAMAGED, Condition.CHANGED]
SOURCE_FLAWS = [Condition.ABSENT, Condition.GONE, Condition.DAMAGED, Condition.GIVEN_UP]


@dataclass
class _Recorder:
    """Fills a snapshot in the graph's order, so that right digests are known."""

    graph: Graph
    world: World
    chance: Random
    flaw: float
    codes: dict[str, str]
    states: dict[str, DatasetState]

    def source(self, name: str) -> None:
        extent = self.world.extents[name]
        grain = self.graph.datasets[name].grain
        due = [o for o in extent if self.world.has_ended(grain, o)]
        state = self._empty(due, 0)
        for i in range(len(due)):
            condition = self._condition(SOURCE_FLAWS)
            state.condition[i] = condition
            if condition not in {Condition.ABSENT, Condition.GIVEN_UP}:
                self._fill(state, i)
        self.states[name] = state

    def nodes(self, tasks: Sequence[Task]) -> None:
        """Record what tasks that share their outputs made, partition by partition."""
        names = outputs(tasks[0])
        lag = min(int(t.options.lag.total_seconds()) for t in tasks)
        grain = tasks[0].grain
        spans = [r for r in (self.world.ranges[t.name] for t in tasks) if r]
        lo, hi = (min(r.start for r in spans), max(r.stop for r in spans)) if spans else (0, 0)
        due = [o for o in range(lo, hi) if self.world.has_ended(grain, o, lag)]
        width = max(len(t.inputs) for t in tasks)
        for name in names:
            self.states[name] = self._empty(due, width)
        for i, ordinal in enumerate(due):
            writer = next((t for t in tasks if ordinal in self.world.ranges[t.name]), None)
            if writer is not None and self.chance.random() >= self.flaw:
                self._made(writer, i, ordinal)

    def _made(self, writer: Task, i: int, ordinal: int) -> None:
        seq, made_at = (
            self.chance.randrange(1, 99),
            self.world.now - self.chance.randrange(-DAY if self._is_flawed() else 0, 15 * DAY),
        )
        others = (OTHER_CODE, OLDER_CODE)
        code = self.chance.choice(others) if self._is_flawed() else self.codes[writer.name]
        inputs = [self._digest(writer, one.read, ordinal) for one in writer.inputs]
        for node in outputs(writer):
            state = self.states[node]
            state.condition[i] = Condition.GOOD if writer.is_effect else self._condition(FLAWS)
            if state.condition[i] == Condition.ABSENT:
                continue
            if not writer.is_effect:
                self._fill(state, i)
            state.code[i] = lanes(code)
            state.reads[i] = len(inputs)
            for position, digest in enumerate(inputs):
                state.inputs[i, position] = digest
            state.made_at[i], state.seq[i] = made_at, seq
            state.failed[i] = self._is_flawed()
            state.pinned[i] = not writer.is_effect and self._is_flawed()

    def _digest(self, writer: Task, read: Read, ordinal: int) -> DIGEST:
        if self._is_flawed():
            return 1, 2
        state = self.states[read.dataset.name]

        def content(o: int) -> DIGEST:
            i = o - state.lo
            is_held = 0 <= i < len(state.condition)
            return (int(state.content[i, 0]), int(state.content[i, 1])) if is_held else (0, 0)

        those = from_newest(read, self.world.reads(writer, read, ordinal), content)
        return total(element(read.dataset.grain, o, content(o)) for o in those)

    def _empty(self, due: Sequence[int], width: int) -> DatasetState:
        return empty_state(due[0] if due else 0, len(due), width)

    def _fill(self, state: DatasetState, i: int) -> None:
        state.content[i] = lanes(f"{self.chance.randrange(1, 5):032x}")

    def _condition(self, flaws: Sequence[Condition]) -> Condition:
        return self.chance.choice(flaws) if self._is_flawed() else Condition.GOOD

    def _is_flawed(self) -> bool:
        return self.chance.random() < self.flaw


def groups(graph: Graph) -> list[list[Task]]:
    """The tasks in order, those with the same outputs together."""
    found: dict[tuple[str, ...], list[Task]] = {}
    for one in graph.tasks:
        found.setdefault(outputs(one), []).append(one)
    return list(found.values())


@st.composite
def snapshots(draw: st.DrawFn, graph: Graph, era: str) -> Snapshot:
    """Random records: mostly right, with flaws of every kind strewn in."""
    now = epoch(era) + draw(st.integers(-10 * 24, 30 * 24)) * 3600
    codes = {t.name: f"{n + 1:032x}" for n, t in enumerate(graph.tasks)}
    flaw = draw(st.sampled_from([0.0, 0.02, 0.1, 0.4]))
    chance = Random(draw(st.integers(0, 2**32)))
    recorder = _Recorder(graph, World(graph, now), chance, flaw, codes, {})
    for name, dataset in graph.datasets.items():
        if dataset.is_source:
            recorder.source(name)
    for tasks in groups(graph):
        recorder.nodes(tasks)
    since = {}
    for one in graph.tasks:
        found = recorder.world.ranges[one.name]
        if (one.is_effect or not one.options.catchup) and found and draw(st.booleans()):
            since[one.name] = found[0] + draw(st.integers(0, 20))
    older = {one.name: (OLDER_CODE,) for one in graph.tasks if draw(st.booleans())}
    perhaps = {
        one.name: dict.fromkeys(range(found[0], found[0] + draw(st.integers(0, 20))), "a run")
        for one in graph.tasks
        if one.is_effect and (found := recorder.world.ranges[one.name]) and draw(st.booleans())
    }
    return Snapshot(
        now, recorder.states, codes, since, version=99, older=older, perhaps_done=perhaps
    )


@st.composite
def requests(draw: st.DrawFn, graph: Graph) -> Request:
    """Everything, or some partitions of some nodes; perhaps by force."""
    wanted = None
    if draw(st.booleans()):
        wanted = {}
        nodes = [n for t in graph.tasks for n in outputs(t)]
        for node in draw(st.lists(st.sampled_from(nodes), unique=True, max_size=3)):
            extent = graph.dataset_extents.get(node) or graph.task_extents[node]
            first = extent.lo + draw(st.integers(0, 20))
            wanted[node] = PartitionSet.of([(first, first + draw(st.integers(1, 20)))])
    force = None
    if draw(st.integers(0, 2)) == 0:
        force = Force(draw(st.sampled_from(Only)))
        if draw(st.booleans()):
            force = replace(force, since=draw(st.integers(0, 100)))
    return Request(wanted, force, draw(st.booleans()), draw(st.booleans()))


@st.composite
def automatics(draw: st.DrawFn, graph: Graph, now: int) -> Automatic:
    """What runs by itself leaves, among all that it could leave."""
    names = [t.name for t in graph.tasks]
    some = st.lists(st.sampled_from(names), unique=True, max_size=3)
    held = {}
    for name in draw(some):
        first = graph.task_extents[name].lo + draw(st.integers(0, 20))
        held[name] = PartitionSet.of([(first, first + draw(st.integers(1, 20)))])
    busy = tuple(
        Footprint(draw(_touched(graph, now)), draw(_touched(graph, now)))
        for _ in range(draw(st.integers(0, 2)))
    )
    return Automatic(frozenset(draw(some)), held, busy)


@st.composite
def _touched(draw: st.DrawFn, graph: Graph, now: int) -> dict[str, PartitionSet]:
    nodes, touched = [n for t in graph.tasks for n in outputs(t)], {}
    for node in draw(st.lists(st.sampled_from(nodes), unique=True, max_size=2)):
        start = now - draw(st.integers(0, 30 * 24)) * 3600
        touched[node] = PartitionSet.of([(start, start + draw(st.integers(1, 5 * 24)) * 3600)])
    return touched


@st.composite
def cases_by_themselves(draw: st.DrawFn) -> Case:
    """A graph, a snapshot of it in which some is paused, and a request that nobody makes."""
    graph, era = draw(graphs())
    snapshot = draw(snapshots(graph, era))
    nodes = [n for t in graph.tasks for n in outputs(t)]
    paused = draw(st.lists(st.sampled_from(nodes), unique=True, max_size=2))
    request = replace(draw(requests(graph)), force=None, names_partitions=False)
    return Case(
        graph,
        replace(snapshot, paused=dict.fromkeys(paused, Pause(0, "somebody"))),
        replace(request, automatic=draw(automatics(graph, snapshot.now))),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A graph, a snapshot of it, and a request."""
    graph, era = draw(graphs())
    snapshot = draw(snapshots(graph, era))
    return Case(graph, snapshot, draw(requests(graph)))
