"""Tells all that a task reaches by the second rules, among the modules that it runs among.

What the code of each name leads to, the statements elsewhere that change what is reached, and what
only all of it together tells: which tables its SQL names, what of functions it reads. It does not
know the task itself, nor how a fingerprint is put together.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Final

from partflow.code.additions import Additions, StatementGroup, by_modules
from partflow.code.changes import Changes
from partflow.code.contents import CodeContents, Named, contents_of, united, words_of_piece
from partflow.code.imports import Imports
from partflow.code.index import ModuleIndex
from partflow.code.normalform import FUNCTION_NODES
from partflow.code.reach import Key, NotFollowed, Piece, Reach
from partflow.code.regions import Reached, Region, Regions
from partflow.code.signatures import Introspection
from partflow.code.touches import Kind, Touch
from partflow.code.uncounted import own_name

_SEEN_BY_ALL: Final = frozenset(["locale"])
"""Libraries whose state changes texts and numbers of code that does not name them."""
_SHARING: Final = {"datetime": ("time",)} | dict.fromkeys(
    ("lightgbm", "pandas", "scipy", "sklearn", "statsmodels", "xgboost"), ("numpy",)
)
"""Libraries that depend on the state of others: numpy's seed, the zone of `time.tzset`."""

_REGIONS_KEPT: Final = 256


class _Beside(Enum):
    UNBOUND = "a name that a module is asked for and does not bind"
    DOCSTRING = "the docstring of a module"


Node = tuple[str | Kind | Introspection | _Beside, object]
"""A `Key`; a `Touch`, which stands for the statements that change it; what is read of the
statements of one of these; or one of those beside them."""


@dataclass(frozen=True, slots=True)
class Closed:
    """All that is reached: a region that many tasks may share, and what is beside it."""

    reached: Reached[Node]
    beside: CodeContents

    def not_followed(self) -> Iterator[NotFollowed]:
        """What can't be followed, and calls that would change what is reached."""
        shared = self.reached.region.contents
        yield from chain(shared.not_followed, self.beside.not_followed)
        for function, report in chain(shared.callers, self.beside.callers):
            if function not in self.reached:
                yield report


class Closure:
    """What can be reached among `modules`, in which `changes` are made."""

    def __init__(
        self, reach: Reach, additions: Additions, changes: Changes, modules: frozenset[str]
    ) -> None:
        self._reach = reach
        self._additions = additions
        self._imports = Imports(reach)
        self._changes = changes
        self._modules = modules
        self._named: dict[Node, tuple[Named, ...]] = {}
        self._statements: dict[Node, tuple[StatementGroup, ...]] = {}
        self._callers: dict[Key, list[tuple[Key, NotFollowed]]] = {}
        for function, place, (module, name) in changes.callers:
            what = f"changes of {f'{module}.{name}'!r} by calls of {function[1]!r}"
            report = function, NotFollowed(place, what)
            self._callers.setdefault((module, name), []).append(report)
        self._changers: dict[str, dict[str, list[tuple[Key, NotFollowed]]]] = {}
        self._graph = Regions[Node](self._leads, self._contents)
        self._settled = lru_cache(_REGIONS_KEPT)(self._settle)

    def of(self, keys: Iterable[Key], loose: Iterable[Named]) -> Closed:
        """All that names of the project lead to, and pieces of it that have no name."""
        loose = list(loose)
        more: list[Node] = [*keys, *self._touched(Kind.LIBRARY, _SEEN_BY_ALL)]
        more += (node for _, piece in loose for node in self._led_to(piece))
        reached: Reached[Node] | None = None
        while True:
            reached = self._graph.reach(more, reached)
            region = self._settled(reached.region)
            reached = Reached(region, reached.beside - region.nodes)
            of_loose = [contents_of(name, piece) for name, piece in loose]
            beside = united([self._graph.contents(reached.beside), *of_loose])
            now = _Side(reached.beside, beside)
            whole = _Side(region.nodes, region.contents)
            pairs = ((now, now), (now, whole), (whole, now))
            added = (node for side, other in pairs for node in self._together(side, other))
            more = [node for node in added if node not in reached]
            if not more:
                return Closed(reached, beside)

    def _settle(self, region: Region[Node]) -> Region[Node]:
        """A region with all that its contents together lead to."""
        while True:
            side = _Side(region.nodes, region.contents)
            more = [node for node in self._together(side, side) if node not in region.nodes]
            if not more:
                # Calls of functions that are reached themselves are seen.
                callers = {each for each in region.contents.callers if each[0] not in region.nodes}
                contents = replace(region.contents, callers=frozenset(callers))
                return Region(region.nodes, contents)
            region = self._graph.region(self._graph.reach(more, Reached(region)))

    # What each node holds

    def _contents(self, node: Node) -> CodeContents:
        contents = united([contents_of(name, piece) for name, piece in self._pieces(node)])
        callers = self._callers_of(node)
        return replace(contents, callers=contents.callers | callers) if callers else contents

    def _callers_of(self, node: Node) -> set[tuple[Key, NotFollowed]]:
        """The functions that would change a name if they were called, with what to say of them."""
        match node:
            case (_Beside.UNBOUND, (str() as module, str() as name)):
                return set(self._callers.get((module, name), ()))
            case (str() as module, str() as name):
                return {*self._callers.get((module, name), ()), *self._changers_of(module, name)}
            case _:
                return set()

    def _changers_of(self, module: str, name: str) -> Sequence[tuple[Key, NotFollowed]]:
        """Calls of these in their own module are seen, and count as changes of the name."""
        if module not in self._changers:
            index = self._reach.index(module)
            self._changers[module] = _changers_in(index) if index else {}
        return self._changers[module].get(name, ())

    def _pieces(self, node: Node) -> tuple[Named, ...]:
        if node not in self._named:
            self._named[node] = tuple(self._read(node))
        return self._named[node]

    def _read(self, node: Node) -> Iterator[Named]:
        match node:
            case (_Beside.UNBOUND, (str() as module, str() as name)):
                if any(self._stars_behind(module, name)):
                    yield from self._additions.of_name((module, name))
            case (_Beside.DOCSTRING, str() as module):
                yield from self._additions.docstring_of(module)
            case (Introspection() as reading, of):
                for statements in self._statements_of(of):  # type: ignore[arg-type]
                    yield from self._additions.read_by_code(reading, statements)
            case (Kind(), _):
                for statements in self._statements_of(node):
                    yield from self._additions.of_statements(statements)
            case (str() as module, str() as name):
                yield f"{module}.{name}", self._reach.piece((module, name))
                yield from self._additions.of_name((module, name))
            case _:
                raise AssertionError(f"BUG: {node!r} is no node")

    def _statements_of(self, node: Node) -> tuple[StatementGroup, ...]:
        """The statements of a name, or those that change something."""
        if node not in self._statements:
            match node:
                case (Kind() as kind, what):
                    touch: Touch = (kind, what)  # type: ignore[assignment]
                    statements = tuple(by_modules(touch, self._changes.of[kind][touch[1]]))
                case (str() as module, str() as name):
                    own = self._additions.statements((module, name))
                    statements = () if own is None else (own,)
                case _:
                    statements = ()
            self._statements[node] = statements
        return self._statements[node]

    # What each node leads to

    def _leads(self, node: Node) -> Iterator[Node]:
        match node:
            case (_Beside.UNBOUND, (str() as module, str() as name)):
                yield from self._led_to_by_unbound(module, name)
            case (str(), str()):
                yield from self._touched(Kind.NAME, [node])
            case _:
                pass
        for _, piece in self._pieces(node):
            yield from self._led_to(piece)

    def _led_to(self, piece: Piece) -> Iterator[Node]:
        yield from piece.leads_to
        yield from ((_Beside.UNBOUND, key) for key in piece.unbound)
        yield from self._touched(Kind.MODULE, [piece.module])
        if Kind.WORD in self._changes.of:
            yield from self._touched(Kind.WORD, words_of_piece(piece))
        if Kind.LIBRARY in self._changes.of:
            tops = {name.partition(".")[0] for name, _ in piece.libraries}
            tops |= self._imports.libraries(piece.module)
            shared = (_SHARING.get(top, ()) for top in tops)
            yield from self._touched(Kind.LIBRARY, tops.union(*shared))

    def _led_to_by_unbound(self, module: str, name: str) -> Iterator[Node]:
        index = self._reach.index(module)
        yield from self._touched(Kind.NAME, [(module, name)])
        yield from self._touched(Kind.MODULE, [module])
        yield from self._touched(Kind.WORD, [name])
        yield from ((_Beside.UNBOUND, key) for key in self._stars_behind(module, name))
        if name == "__dict__" and index:
            yield from ((module, each) for each in index.units)

    def _stars_behind(self, module: str, name: str) -> Iterator[Key]:
        """Where a name may come from that a module does not bind."""
        index = self._reach.index(module)
        for star in index.stars if index else ():
            if self._additions.may_be_behind_star(star, name):
                yield star.module, name

    def _touched(self, kind: Kind, of: Iterable[object]) -> Iterator[Node]:
        """Of some things, those that statements elsewhere change."""
        changed = self._changes.of.get(kind, {})
        yield from ((kind, what) for what in of if what in changed)

    # What all of it together leads to

    def _together(self, side: "_Side", other: "_Side") -> Iterator[Node]:
        """What the code of one side makes of the other one's names, words and statements."""
        readings = side.contents.readings
        if side is not other:
            readings -= other.contents.readings
        for reading in readings:
            yield from self._reading(reading, other)
        for package in side.contents.packages:
            # A package that is handed on: what is below it goes by an attribute.
            for attribute in other.contents.attributes:
                below = f"{package}.{attribute}"
                index = self._reach.index(below) if below in self._modules else None
                yield from ((below, name) for name in (index.units if index else ()))
        for module, bound in side.contents.sites:
            for word in other.contents.tables - bound if self._reach.index(module) else ():
                yield from self._tables(module, word)
            for word in other.contents.formulas - bound:
                yield from self._reach.leads(module, word).keys

    def _reading(self, reading: Introspection, of: "_Side") -> Iterator[Node]:
        if reading is Introspection.SUBCLASSES:
            for key in of.nodes & self._changes.classes.keys():
                yield from self._changes.classes[key]  # type: ignore[index]
            return
        yield from ((reading, node) for node in of.nodes if self._statements_of(node))
        if reading is Introspection.DOCSTRINGS:
            modules = of.contents.modules
            yield from ((_Beside.DOCSTRING, module) for module in modules)

    def _tables(self, module: str, word: str) -> Iterator[Key]:
        """What a word of SQL stands for where it is run, if it may be a frame."""
        for key in self._reach.leads(module, word).keys:
            home = self._reach.index(key[0])
            units = home.units.get(key[1], ()) if home else ()
            values = [getattr(unit.node, "value", None) for unit in units]
            is_code = any(isinstance(u.node, (*FUNCTION_NODES, ast.ClassDef)) for u in units)
            declared = any(
                isinstance(value, ast.Call) and home and self._is_declaration(home, value)
                for value in values
            )
            if not is_code and not declared:
                yield key

    def _is_declaration(self, index: ModuleIndex, call: ast.Call) -> bool:
        references = self._reach.mentioned(index, call.func)
        return any(
            own_name(name) is not None
            for reference in references
            if isinstance(reference.root, str)
            for name in self._reach.leads(
                index.source.name, reference.root, reference.attributes
            ).libraries
        )


@dataclass(frozen=True, slots=True)
class _Side:
    """Some of what is reached."""

    nodes: frozenset[Node]
    contents: CodeContents


def _changers_in(index: ModuleIndex) -> dict[str, list[tuple[Key, NotFollowed]]]:
    """For each name of a module its functions that change it, with what to say of them."""
    changers: dict[str, list[tuple[Key, NotFollowed]]] = {}
    for function, names in index.changers.items():
        place = f"{index.source.path}:{index.units[function][0].node.lineno}"
        for name in names:
            what = f"changes of {name!r} by calls of {function!r} from other modules"
            report = (index.source.name, function), NotFollowed(place, what)
            changers.setdefault(name, []).append(report)
    return changers
