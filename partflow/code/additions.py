"""What the second rules of the code fingerprint add to the parts that the first ones give.

Statements elsewhere that change what is reached, and what of it is read beside its syntax. It does
not know what the first rules gather, nor how a fingerprint is put together.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from partflow.code.changes import Change, ChangeReader, Changes
from partflow.code.gathered import Gathered
from partflow.code.index import ModuleIndex, Star, Unit, executed
from partflow.code.mentions import Origin, Sight
from partflow.code.normalform import FUNCTION_NODES, digest_of, encoded, framed, normal_form
from partflow.code.reach import Key, NotFollowed, Piece, Reach, guard_forms, origin_form
from partflow.code.signatures import (
    Reads,
    SignatureReader,
    annotation_nodes,
    annotations_form,
    docstrings_form,
    text_form,
)
from partflow.code.touches import Kind, Touch
from partflow.code.uncounted import own_name

_INNER_IMPORT: Final = re.compile(
    r"^[ \t]+(?:from|import)[ \t]+([\w.]+)(?:[ \t]+import[ \t]+([\w, ]+))?", re.MULTILINE
)

_SEEN_BY_ALL: Final = frozenset(["locale"])
"""What changes texts and numbers without being named."""
_SHARING: Final = {"datetime": ("time",)} | dict.fromkeys(
    ("lightgbm", "pandas", "scipy", "sklearn", "statsmodels", "xgboost"), ("numpy",)
)
"""Libraries that depend on the state of others: numpy's seed, the zone of `time.tzset`."""

_POSTPONED: Final = Origin("__future__", "annotations")
"""With it, whoever reads annotations gets texts."""

Added = tuple[str, Piece]
"""A part's name, and what it stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Statements:
    """Statements of one module, and the name of the part that stands for them."""

    name: str
    index: ModuleIndex
    units: tuple[Unit, ...]


_MANY: Final = 32
"""From so many names on, what statements lead to is gathered once and kept for all tasks."""


@dataclass(frozen=True, slots=True)
class _Met:
    """The statements that change one thing, and the parts that stand for them.

    `reached` is all that these parts reach, where that is much.
    """

    statements: tuple[_Statements, ...]
    parts: tuple[Added, ...]
    reached: Gathered | None


class _Text(Enum):
    """What of statements counts only where somebody reads it."""

    ANNOTATIONS = "annotations"
    DOCSTRINGS = "docstrings"
    TEXT = "text"


@dataclass(slots=True)
class _Among:
    """The changes that some modules make; `met` are those that were read so far.

    They are read once, however many tasks reach what they change.
    """

    changes: Changes
    met: dict[Touch, _Met] = field(default_factory=dict)


class Additions:
    """The second rules over one project; `modules` are those that are imported at its start."""

    def __init__(self, reach: Reach, modules: Iterable[str]) -> None:
        self._reach = reach
        self._roots = tuple(modules)
        self._signatures = SignatureReader(reach)
        self._among: dict[str, _Among] = {}
        self._present: _Among | None = None
        self._known: frozenset[str] | None = None
        self._modules: frozenset[str] = frozenset()
        self._of_keys: dict[Key, tuple[Added, ...]] = {}
        self._imported_tops: dict[str, frozenset[str]] = {}
        self._own: dict[Key, _Statements | None] = {}
        self._texts: dict[tuple[_Text, _Statements], tuple[Added, ...]] = {}

    def begin(self, module: str) -> None:
        """Know all modules that a function of `module` runs among.

        Which functions were looked at before makes no difference.
        """
        if self._known is None:
            indexes = list(self._imported(self._roots))
            self._known = frozenset(index.source.name for index in indexes)
            self._among[""] = _Among(ChangeReader(self._reach, indexes).read())
        name = "" if module in self._known else module
        if name not in self._among:
            indexes = list(self._imported([*self._roots, module]))
            self._among[name] = _Among(ChangeReader(self._reach, indexes).read())
        self._present = self._among[name]
        self._modules = self._known

    def _among_which(self) -> _Among:
        if self._present is None:
            raise AssertionError("BUG: nothing was begun")
        return self._present

    def extend(self, gathered: Gathered) -> None:
        """Add all that the second rules count, and what it leads to, until nothing is new."""
        among, size = self._among_which(), -1
        met, asked = dict[Touch, _Met](), set[Key]()
        for key in list(gathered.keys):
            self._take(gathered, self._of_key(key))
        while size != gathered.size:
            size = gathered.size
            for touch in [each for each in self._touched(gathered) if each not in met]:
                changing = met[touch] = self._met(among, touch)
                if changing.reached is None:
                    self._take(gathered, changing.parts)
                else:
                    gathered.merge(changing.reached)
            self._take(gathered, list(self._read_texts(gathered, met.values())))
            unbound = gathered.unbound - asked
            asked |= unbound
            self._take_behind_stars(gathered, unbound)
            gathered.queue.extend(list(self._leads(gathered)))
            self._follow(gathered)
        gathered.not_followed.update(self._not_followed(gathered))

    def _take(self, gathered: Gathered, added: Iterable[Added]) -> None:
        for name, piece in added:
            gathered.take(name, piece)

    def _follow(self, gathered: Gathered) -> None:
        """Reach what is in the queue, with what is added to each name by itself."""
        while gathered.queue:
            key = gathered.queue.pop()
            if key not in gathered.keys:
                gathered.keys.add(key)
                gathered.take(".".join(key), self._reach.piece(key))
                self._take(gathered, self._of_key(key))

    def _of_key(self, key: Key) -> tuple[Added, ...]:
        """What is added to a name by itself."""
        if key not in self._of_keys:
            self._of_keys[key] = tuple(self._read(key))
        return self._of_keys[key]

    def _touched(self, gathered: Gathered) -> Iterator[Touch]:
        """Of what is reached, that which statements elsewhere change."""
        reached: dict[Kind, Callable[[], set[Key] | set[str]]] = {
            Kind.NAME: lambda: gathered.keys | gathered.unbound,
            Kind.MODULE: lambda: gathered.modules | {module for module, _ in gathered.unbound},
            Kind.WORD: gathered.words,
            Kind.LIBRARY: lambda: self._tops(gathered),
        }
        for kind, changes in self._among_which().changes.of.items():
            for what in changes.keys() & reached[kind]():
                yield kind, what

    def _met(self, among: _Among, touch: Touch) -> _Met:
        if touch not in among.met:
            kind, what = touch
            statements = tuple(_by_modules(touch, among.changes.of[kind][what]))
            parts = tuple(part for each in statements for part in self._of_statements(each))
            is_much = sum(len(piece.leads_to) for _, piece in parts) >= _MANY
            reached = Gathered() if is_much else None
            if reached is not None:
                self._take(reached, parts)
                self._follow(reached)
            among.met[touch] = _Met(statements, parts, reached)
        return among.met[touch]

    def _of_statements(self, of: _Statements) -> Iterator[Added]:
        piece = self._reach.piece_of(of.index, of.units)
        yield of.name, piece
        yield from self._read_by_libraries(of, piece)

    def _leads(self, gathered: Gathered) -> Iterator[Key]:
        """Names that are reached though nothing refers to them: subclasses, tables of SQL."""
        changes = self._among_which().changes
        if "__subclasses__" in gathered.attributes | gathered.texts:
            for key in gathered.keys & changes.classes.keys():
                yield from changes.classes[key]
        for module, name in gathered.unbound:
            index = self._reach.index(module)
            if name == "__dict__" and index:
                yield from ((module, each) for each in index.units)
        for package in gathered.packages:
            # A package that is handed on: what is below it goes by an attribute.
            for attribute in gathered.attributes:
                below = f"{package}.{attribute}"
                index = self._reach.index(below) if below in self._modules else None
                yield from ((below, each) for each in (index.units if index else ()))
        tables = gathered.tables() if gathered.sites else set()
        formulas = gathered.formulas() if gathered.sites else set()
        for module, bound in gathered.sites:
            for word in tables - bound if self._reach.index(module) else ():
                yield from self._table(module, word)
            for word in formulas - bound:
                yield from self._reach.found(module, word).keys

    def _not_followed(self, gathered: Gathered) -> Iterator[NotFollowed]:
        """What functions that are not reached would change if they were called."""
        reached = gathered.keys | gathered.unbound
        for function, place, (module, name) in self._among_which().changes.callers:
            if (module, name) in reached and function not in reached:
                what = f"changes of {f'{module}.{name}'!r} by calls of {function[1]!r}"
                yield NotFollowed(place, what)

    # Modules

    def _imported(self, roots: Sequence[str]) -> Iterator[ModuleIndex]:
        """The modules of the project that are among `roots`, or that those import, sorted."""
        found: dict[str, ModuleIndex] = {}
        queue, seen = list(roots), set[str]()
        while queue:
            name = queue.pop()
            if name in seen or not name:
                continue
            seen.add(name)
            queue.append(name.rpartition(".")[0])
            index = self._reach.index(name)
            if index is None:
                continue
            found[name] = index
            queue += [each for each in self._imports(index) if self._may_be_own(each)]
        yield from (index for _, index in sorted(found.items()))

    def _imports(self, index: ModuleIndex) -> Iterator[str]:
        for origins in index.origins.values():
            for origin in origins:
                yield origin.module
                if origin.attribute is not None:
                    yield f"{origin.module}.{origin.attribute}"
        yield from (star.module for star in index.stars)
        for module, names in _INNER_IMPORT.findall(index.source.text):
            yield module
            yield from (f"{module}.{name.strip().partition(' ')[0]}" for name in names.split(","))

    def _may_be_own(self, module: str) -> bool:
        top = module.partition(".")[0]
        return top not in sys.stdlib_module_names and self._reach.index(top) is not None

    def _tops(self, gathered: Gathered) -> set[str]:
        """The libraries that reached modules import."""
        found = {name.partition(".")[0] for name in gathered.libraries} | _SEEN_BY_ALL
        for module in gathered.modules:
            if module not in self._imported_tops:
                self._imported_tops[module] = frozenset(self._tops_of(module))
            found |= self._imported_tops[module]
        return found.union(*(_SHARING.get(top, ()) for top in found))

    def _tops_of(self, module: str) -> Iterator[str]:
        index = self._reach.index(module)
        for origin in (each for o in index.origins.values() for each in o) if index else ():
            if self._reach.index(origin.module) is None:
                yield origin.module.partition(".")[0]

    # Parts

    def _read(self, key: Key) -> Iterator[Added]:
        index = self._reach.index(key[0])
        if index is None:
            return
        units = index.units.get(key[1], ())
        yield from self._stars(index, key[1], units)
        own = tuple(unit for unit in units if unit.origin is None)
        quoted = self._signatures.quoted_fields(index, own)
        if quoted:
            content = framed("quoted", *map(normal_form, quoted))
            piece = self._reach.piece_beside(index, content, quoted)
            yield f"{'.'.join(key)} (annotations, in quotes)", piece
        order = _order_form(index, key[1], own)
        if order:
            yield f"{'.'.join(key)} (order)", _text_piece(index, order)
        statements = _Statements(".".join(key), index, own)
        yield from self._read_by_libraries(statements, self._reach.piece(key))

    def _read_by_libraries(self, of: _Statements, piece: Piece) -> Iterator[Added]:
        """What libraries may read of functions that they decorate, or are handed."""
        name, index = of.name, of.index
        read = self._signatures.read_by_libraries(index, piece)
        if read:
            yield f"{name} (annotations, decorated)", self._annotations(index, read)
            bare = [node for node in read if _is_docstring_alone(node)]
            if bare:
                yield f"{name} (docstring, decorated)", _text_piece(index, docstrings_form(bare))
        for module, other in self._signatures.handed_over(index, piece, of.units):
            home = self._reach.index(module)
            nodes = [unit.node for unit in home.units[other]] if home else []
            if home and annotation_nodes(nodes):
                yield f"{module}.{other} (annotations, handed on)", self._annotations(home, nodes)

    def _stars(self, index: ModuleIndex, name: str, units: Sequence[Unit]) -> Iterator[Added]:
        """Star imports that bind a name beside what the first rules take: the later one wins."""
        giving = [star for star in index.stars if self._reach.may_give(star, name)]
        if units:
            giving = [star for star in giving if star.line > units[0].node.lineno]
        elif len(giving) == 1 and not giving[0].guards and self._reach.gives(giving[0], name):
            return
        if not giving:
            return
        forms = (
            framed("star", origin_form(Origin(star.module, name)), *guard_forms(star.guards))
            for star in giving
        )
        guards: list[ast.AST] = [test for star in giving for test, _ in star.guards]
        piece = self._reach.piece_beside(index, framed("stars", *forms), guards)
        leads = [key for star in giving for key in self._given(star, name)]
        yield f"{index.source.name}.{name} (by star)", piece.leading_to(tuple(leads))

    def _given(self, star: Star, name: str) -> list[Key]:
        """The name in the module that gives it, and what lists it there, if that is computed."""
        index = self._reach.index(star.module)
        listed = [(star.module, "__all__")] if index and index.exports_more else []
        return [*(self._reach.keys(star.module, name) or [(star.module, name)]), *listed]

    def _take_behind_stars(self, gathered: Gathered, unbound: Iterable[Key]) -> None:
        """Look for names that a module does not bind in the modules that it imports by a star."""
        for module, name in unbound:
            index = self._reach.index(module)
            for star in index.stars if index else ():
                other = self._reach.index(star.module)
                if other and (other.exports(name) or other.exports_more):
                    gathered.unbound.add((star.module, name))
                    self._take(gathered, self._of_key((module, name)))

    def _read_texts(self, gathered: Gathered, met: Iterable[_Met]) -> Iterator[Added]:
        """Annotations, docstrings and texts of all that is reached, if the code reads such."""
        sight = Sight(frozenset(gathered.attributes), tuple((0, text) for text in gathered.texts))
        reads = Reads(sight, (name for _, name in gathered.unbound), gathered.libraries)
        read = {
            _Text.ANNOTATIONS: reads.annotations,
            _Text.DOCSTRINGS: reads.docstrings,
            _Text.TEXT: reads.text,
        }
        asked_for = [text for text, is_read in read.items() if is_read]
        changing = [each for of in met for each in of.statements]
        for statements in (*self._statements(gathered), *changing) if asked_for else ():
            for text in asked_for:
                if (text, statements) not in self._texts:
                    self._texts[text, statements] = tuple(self._read_text(text, statements))
                yield from self._texts[text, statements]
        for index in filter(None, map(self._reach.index, sorted(gathered.modules))):
            if reads.docstrings:
                content = ast.get_docstring(index.tree, clean=False) or ""
                piece = _text_piece(index, framed("docstring", encoded(content)))
                yield f"{index.source.name} (docstring)", piece

    def _read_text(self, text: _Text, of: _Statements) -> Iterator[Added]:
        nodes, name = [unit.node for unit in of.units], f"{of.name} ({text.value})"
        match text:
            case _Text.ANNOTATIONS if annotation_nodes(nodes):
                yield name, self._annotations(of.index, nodes)
            case _Text.DOCSTRINGS:
                yield name, _text_piece(of.index, docstrings_form(nodes))
            case _Text.TEXT:
                yield name, _text_piece(of.index, text_form(of.index, of.units))
            case _:
                pass

    def _statements(self, gathered: Gathered) -> Iterator[_Statements]:
        """Of each name that is reached, the statements that are no imports."""
        for key in gathered.keys:
            if key not in self._own:
                index = self._reach.index(key[0])
                units = index.units.get(key[1], ()) if index else ()
                own = tuple(unit for unit in units if unit.origin is None)
                self._own[key] = _Statements(".".join(key), index, own) if index and own else None
            statements = self._own[key]
            if statements is not None:
                yield statements

    def _annotations(self, index: ModuleIndex, nodes: Sequence[ast.AST]) -> Piece:
        given, content = annotation_nodes(nodes), annotations_form(nodes)
        if _POSTPONED in index.origins.get("annotations", ()):
            content = framed("postponed", content)
        return self._reach.piece_beside(index, content, given)

    def _table(self, module: str, word: str) -> Iterator[Key]:
        """What a word of SQL stands for where it is run, if it may be a frame."""
        for key in self._reach.found(module, word).keys:
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
            for name in self._reach.found(
                index.source.name, reference.root, reference.attributes
            ).libraries
        )


def _by_modules(touch: Touch, changes: Sequence[Change]) -> Iterator[_Statements]:
    """For each module that changes something, its statements."""
    kind, what = touch
    name = ".".join(what) if isinstance(what, tuple) else what
    name = f"{name}.*" if kind is Kind.MODULE else name
    by_module: dict[str, list[Change]] = {}
    for change in changes:
        by_module.setdefault(change.index.source.name, []).append(change)
    for module, here in by_module.items():
        units = tuple(change.unit for change in here)
        yield _Statements(f"{name} (by {module})", here[0].index, units)


def _order_form(index: ModuleIndex, name: str, units: Sequence[Unit]) -> bytes:
    """Where a name reads others that are changed again later: how often each was set before.

    Empty where all that it reads is set before, as is usual.
    """
    forms: list[bytes] = []
    for unit in units:
        nodes = (node for node, _ in executed(unit.node))
        names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        for read in sorted(names - {name}):
            others = [other.node for other in index.units.get(read, ())]
            before = sum(_position(node) < _position(unit.node) for node in others)
            # A statement that changes what it reads is counted in its place among those that do.
            if 0 < before < len(others) and unit.node not in others:
                forms.append(framed("set", encoded(read), b"%d" % before))
    return framed("order", *forms) if forms else b""


def _position(node: ast.stmt) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _text_piece(index: ModuleIndex, content: bytes) -> Piece:
    """What leads nowhere."""
    return Piece(digest_of(content), (), (), module=index.source.name)


def _is_docstring_alone(node: ast.AST) -> bool:
    """Whether a function says nothing but its docstring: to whoever decorates it, it says that."""
    if not isinstance(node, FUNCTION_NODES) or ast.get_docstring(node, clean=False) is None:
        return False
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in node.body
    )
