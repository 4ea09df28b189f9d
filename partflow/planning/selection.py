"""Turns what somebody asks for, in names, dates and keys, into a request of partitions.

Knows nothing of what exists; dates are read in each dataset's own zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.mapping import Extent
from partflow.errors import UsageError
from partflow.partitions.calendar import Daily, Grain, Hourly, Monthly, Weekly, Whole
from partflow.partitions.keytexts import plain_key, shown_key
from partflow.partitions.sets import PartitionSet
from partflow.partitions.zone import in_zone
from partflow.planning.planner import Force, Only, Request, horizon_of
from partflow.planning.selectors import goes_by_states, select

_OWN_ZONE = re.compile(r"[T ].*(Z|[+-]\d\d:?\d\d)$")
"""A time that ends in Z or in an offset from UTC."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A selection of nodes and of their partitions; empty fields ask for all.

    `start` is inclusive and `end` exclusive, both as typed; `keys` are single partitions; `span` is
    the first and the last key of a range, both included.
    """

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    keys: tuple[str, ...] = ()
    span: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Take keys as they are shown, too: with a Z behind a time of UTC."""
        object.__setattr__(self, "keys", tuple(plain_key(key) for key in self.keys))
        if self.span is not None:
            first, last = self.span
            object.__setattr__(self, "span", (plain_key(first), plain_key(last)))

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Asked()

    def words(self, only: Only, *, with_effects: bool = False) -> str:
        """The request in words that are equal for equal requests."""
        parts = (self.select, self.exclude, self.start, self.end, self.keys, self.span)
        return repr((*parts, only.value, *(["with effects"] if with_effects else [])))

    @property
    def has_partitions(self) -> bool:
        """Whether partitions are named, and not only datasets."""
        return replace(self, select=(), exclude=()) != Asked()


@dataclass(frozen=True, slots=True)
class Scope:
    """The partitions of one node that are asked for and due: how many, the first, the last."""

    node: str
    count: int
    first: str
    last: str


def request_of(
    graph: Graph,
    asked: Asked,
    states: Mapping[str, frozenset[str]],
    force: Force | None = None,
    *,
    with_effects: bool = False,
) -> Request:
    """The request for what is asked for; `states` are as in `select`.

    UsageError if a name is unknown, a date cannot be read, no selected node has a partition of a
    key, or a range ends before it begins.
    """
    if asked.is_everything:
        return Request(None, force, with_effects)
    nodes = select(graph, asked.select, asked.exclude, states)
    wanted: dict[str, PartitionSet] = {}
    for node in nodes:
        ordinals = _partitions(grain_of(graph, node), extent_of(graph, node), asked)
        if ordinals is not None:
            wanted[node] = ordinals
    for key in asked.keys:
        if not any(_has(graph, node, key) for node in nodes):
            raise UsageError(_nowhere(graph, nodes, key))
    if asked.keys and not any(wanted.values()):
        raise UsageError(_nowhere(graph, nodes, asked.keys[0]))
    if asked.span is not None and nodes and not wanted:
        grain = grain_of(graph, nodes[-1])
        wrong = next((k for k in asked.span if _ordinal(grain, k) is None), asked.span[0])
        raise UsageError(_nowhere(graph, nodes, wrong))
    return Request(wanted, force, with_effects, asked.has_partitions)


def _has(graph: Graph, node: str, key: str) -> bool:
    """Whether a node can ever have a partition of that key."""
    ordinal, extent = _ordinal(grain_of(graph, node), key), extent_of(graph, node)
    if ordinal is None or ordinal < extent.lo:
        return False
    return extent.hi is None or ordinal < extent.hi


def needed_for(graph: Graph, asked: Asked) -> frozenset[str] | None:
    """The nodes whose states decide what is done for a selection; None if those of all nodes may.

    UsageError if the selection names what is unknown.
    """
    words = (*asked.select, *asked.exclude)
    if not words or goes_by_states(words):
        return None
    return made_from(graph, select(graph, asked.select, asked.exclude))


def made_from(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    """The nodes, all that is upstream of them, and what the same tasks write beside any of that."""
    reached, border = set(), set(nodes)
    while border:
        reached |= graph.closure(border, up=True)
        border = {n for r in reached for t in graph.writers(r) for n in outputs(t)} - reached
    return frozenset(reached)


def grain_of(graph: Graph, node: str) -> Grain:
    """The grain of a dataset, source or effect."""
    return graph.datasets[node].grain if node in graph.datasets else graph.task(node).grain


def extent_of(graph: Graph, node: str) -> Extent:
    """The ordinals of a node that can ever exist."""
    return graph.dataset_extents[node] if node in graph.datasets else graph.task_extents[node]


def scopes(graph: Graph, request: Request, now: int) -> tuple[Scope, ...]:
    """The scope of a request at each node that a task makes, as far as it is due at `now`."""
    scopes: list[Scope] = []
    for task in graph.tasks:
        for node in outputs(task):
            if any(s.node == node for s in scopes):
                continue
            due = PartitionSet.of([(extent_of(graph, node).lo, horizon_of(graph, node, now))])
            wanted = (
                due if request.wanted is None else due & request.wanted.get(node, PartitionSet())
            )
            if wanted:
                grain = grain_of(graph, node)
                first, last = wanted.ranges[0][0], wanted.ranges[-1][1] - 1
                scopes.append(Scope(node, len(wanted), grain.key(first), grain.key(last)))
    return tuple(scopes)


def _partitions(grain: Grain, extent: Extent, asked: Asked) -> PartitionSet | None:
    """The ordinals that are asked for; None if the keys are not of this grain.

    UsageError if a date cannot be read, or if a range ends before it begins.
    """
    top = 2**40 if extent.hi is None else extent.hi
    chosen = PartitionSet.of([(extent.lo, top)])
    if asked.start is not None or asked.end is not None:
        chosen = chosen & PartitionSet.of(
            [_between(grain, asked.start, asked.end, (extent.lo, top))]
        )
    if asked.keys:
        ordinals = [o for o in (_ordinal(grain, k) for k in asked.keys) if o is not None]
        if not ordinals:
            return None
        chosen = chosen & PartitionSet.of((o, o + 1) for o in ordinals)
    if asked.span is not None:
        try:
            first, last = (grain.ordinal(k) for k in asked.span)
        except UsageError:
            return None
        if first > last:
            span = "..".join(map(shown_key, asked.span))
            raise UsageError(
                f"--partitions {span}: the first is later than the last; give the earlier one first"
            )
        chosen = chosen & PartitionSet.of([(first, last + 1)])
    return chosen


def _ordinal(grain: Grain, key: str) -> int | None:
    """The ordinal of a key; None if it is none of this grain's."""
    try:
        return grain.ordinal(key)
    except UsageError:
        return None


def _between(
    grain: Grain, start: str | None, end: str | None, extent: tuple[int, int]
) -> tuple[int, int]:
    """The ordinals that overlap `[start, end)`; UsageError if a date is wrong or nothing does."""
    if grain.kind == "whole":
        return extent
    begin = None if start is None else grain.moment(start)
    stop = None if end is None else grain.moment(end)
    if begin is not None and stop is not None and begin >= stop:
        raise UsageError(
            f"--start {start} --end {end}: nothing lies between them"
            f"{told_as_read(grain, start, end)}; --end is exclusive, so for one day give the next "
            "one as --end"
        )
    lo = extent[0] if begin is None else grain.ordinal_at(begin)
    hi = extent[1] if stop is None else grain.ordinal_at(stop - 1) + 1
    return lo, hi


def told_as_read(grain: Grain, start: str | None, end: str | None) -> str:
    """Words in brackets that say by which clock each typed time is read; perhaps "".

    There are none where there is no doubt: if all are dates, if all say their zone, or in UTC.
    UsageError if one of them cannot be read.
    """
    texts = [text for text in (start, end) if text is not None]
    stated = [_OWN_ZONE.search(text) is not None for text in texts]
    if grain.tz == "UTC" or all(stated) or not any("T" in text for text in texts):
        return ""
    told = []
    for text, states_zone in zip(texts, stated, strict=True):
        whose = "says its own zone" if states_zone else f"is read by the clock of {grain.tz}"
        told.append(f"{text} {whose}, and is {in_zone(grain.moment(text), 'UTC'):%Y-%m-%dT%H:%MZ}")
    return f" ({'; '.join(told)})"


def _nowhere(graph: Graph, nodes: tuple[str, ...], key: str) -> str:
    """Why no selected node has a partition of that key."""
    node = nodes[-1] if nodes else ""
    if not node:
        return f"the selection is empty, so there is no partition {shown_key(key)!r}"
    grain, extent = grain_of(graph, node), extent_of(graph, node)
    last = "" if extent.hi is None else grain.shown(extent.hi - 1)
    try:
        grain.ordinal(key)
    except UsageError as error:
        return f"{error}{_meant(grain, key)}"
    begin = grain.shown(extent.lo)
    return f"{node} has no partition {shown_key(key)}: it has {begin} .. {last or 'open'}"


def _meant(grain: Grain, key: str) -> str:
    """What to ask for instead of another grain's key: the span that it names, or what holds it."""
    for kind in (Monthly, Weekly, Daily, Hourly):
        line = kind("2000-01-01", tz=grain.tz)
        ordinal = _ordinal(line, key)
        if ordinal is None or isinstance(grain, Whole):
            continue
        interval = line.interval(ordinal)
        lo, hi = grain.overlapping(interval.start, interval.end)
        if hi - lo == 1:
            return f"; {shown_key(key)} lies in {grain.shown(lo)}"
        # Keys of UTC end in Z: without it they would be read in the zone.
        start, end = line.shown(ordinal), line.shown(ordinal + 1)
        return f"; for all of {start} write --start {start} --end {end}"
    return ""
