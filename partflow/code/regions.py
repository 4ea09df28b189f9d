"""Follows what leads to what, and keeps what many ways lead to, so that it is followed once.

A region is a set of nodes that lead nowhere outside of it, with all that they hold united. It does
not know what a node stands for.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, TypeVar

from partflow.code.contents import CodeContents, united

Node = TypeVar("Node")

_MANY: Final = 32
"""What leads to fewer nodes outside of a region is followed again each time."""
_UNIONS_KEPT: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Region(Generic[Node]):
    """`contents` are those of all `nodes`."""

    nodes: frozenset[Node] = frozenset()
    contents: CodeContents = field(default_factory=CodeContents)


@dataclass(frozen=True, slots=True)
class Reached(Generic[Node]):
    """A region, and the nodes outside of it: together they lead nowhere else."""

    region: Region[Node]
    beside: frozenset[Node] = frozenset()

    def __contains__(self, node: Node) -> bool:
        return node in self.region.nodes or node in self.beside


class Regions(Generic[Node]):
    """Nodes that lead to others, as far as anybody asks for them.

    Nodes that lead to each other make one component. Where a component leads to many nodes, they
    are a region, and so each node is looked at once, however many others lead to it.
    """

    def __init__(
        self, leads: Callable[[Node], Iterable[Node]], contents: Callable[[Node], CodeContents]
    ) -> None:
        self.nothing: Final[Region[Node]] = Region()
        self._leads_of = leads
        self._contents_of = contents
        self._leads: dict[Node, tuple[Node, ...]] = {}
        self._contents: dict[Node, CodeContents] = {}
        self._region_of: dict[Node, Region[Node] | None] = {}
        self._both = lru_cache(_UNIONS_KEPT)(self._unite)

    def reach(self, nodes: Iterable[Node], before: Reached[Node] | None = None) -> Reached[Node]:
        """All that nodes lead to, and what was reached before."""
        region = before.region if before else self.nothing
        beside = set(before.beside) if before else set[Node]()
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if node in beside or node in region.nodes:
                continue
            if node not in self._region_of:
                self._find_components(node)
            own = self._region_of[node]
            if own is None:
                beside.add(node)
                stack.extend(self._leads[node])
            elif region is self.nothing or region.nodes <= own.nodes:
                region = own
            elif not own.nodes <= region.nodes:
                region = self._both(region, own)
        return Reached(region, frozenset(beside - region.nodes))

    def region(self, reached: Reached[Node]) -> Region[Node]:
        """All that is reached, as one region."""
        if not reached.beside:
            return reached.region
        contents = united([reached.region.contents, self.contents(reached.beside)])
        return Region(reached.region.nodes | reached.beside, contents)

    def contents(self, nodes: Collection[Node]) -> CodeContents:
        """What nodes hold, each read once."""
        for node in nodes:
            if node not in self._contents:
                self._contents[node] = self._contents_of(node)
        return united([self._contents[node] for node in nodes])

    def _unite(self, region: Region[Node], other: Region[Node]) -> Region[Node]:
        contents = united([region.contents, other.contents])
        return Region(region.nodes | other.nodes, contents)

    def _find_components(self, start: Node) -> None:
        """Tarjan's algorithm, without recursion: those that are led to come first."""
        numbers, lowest = {start: 0}, {start: 0}
        waiting, path = [start], [(start, iter(self._led_to(start)))]
        while path:
            node, leads = path[-1]
            into = self._next(leads, numbers, lowest, node)
            if into is not None:
                numbers[into] = lowest[into] = len(numbers)
                waiting.append(into)
                path.append((into, iter(self._led_to(into))))
                continue
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == numbers[node]:
                component = [waiting.pop()]
                while component[-1] != node:
                    component.append(waiting.pop())
                self._note(component)

    def _next(
        self,
        leads: Iterator[Node],
        numbers: dict[Node, int],
        lowest: dict[Node, int],
        node: Node,
    ) -> Node | None:
        """The next node that `node` leads to and that no way has led to yet."""
        for into in leads:
            if into not in self._region_of:
                if into not in numbers:
                    return into
                lowest[node] = min(lowest[node], numbers[into])
        return None

    def _led_to(self, node: Node) -> Sequence[Node]:
        if node not in self._leads:
            self._leads[node] = tuple(dict.fromkeys(self._leads_of(node)))
        return self._leads[node]

    def _note(self, component: Sequence[Node]) -> None:
        """Make a region of a component and what it leads to, if it leads to much."""
        members = frozenset(component)
        onward = (into for node in component for into in self._leads[node] if into not in members)
        reached = self.reach(onward)
        reached = Reached(reached.region, reached.beside | members)
        size = len(reached.beside)
        # A region is copied into the next one: so it is large beside what it is copied from.
        is_region = size >= _MANY and size * size >= len(reached.region.nodes)
        region = self.region(reached) if is_region else None
        self._region_of.update(dict.fromkeys(component, region))
