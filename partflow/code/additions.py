"""Reads what the second rules of the code fingerprint add to single names and statements.

Star imports that bind a name as well, the order in which names are set, and what of functions
libraries or the code itself may read: annotations, docstrings, texts. It does not know which names
a task reaches.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from partflow.code.changes import Change
from partflow.code.contents import Named
from partflow.code.index import ModuleIndex, Star, Unit, executed
from partflow.code.mentions import Origin
from partflow.code.normalform import FUNCTION_NODES, digest_of, encoded, framed, normal_form
from partflow.code.reach import Key, Piece, Reach, guard_forms, origin_form
from partflow.code.signatures import (
    Introspection,
    SignatureReader,
    annotation_nodes,
    annotations_form,
    docstrings_form,
    text_form,
)
from partflow.code.touches import Kind, Touch

_POSTPONED: Final = Origin("__future__", "annotations")
"""With it, whoever reads annotations gets texts."""


@dataclass(frozen=True, slots=True, eq=False)
class StatementGroup:
    """Statements of one module, and the name of the part that stands for them."""

    name: str
    index: ModuleIndex
    units: tuple[Unit, ...]


class Additions:
    """What is added to the names and statements of one project."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._signatures = SignatureReader(reach)
        self._of_names: dict[Key, tuple[Named, ...]] = {}

    def of_name(self, key: Key) -> tuple[Named, ...]:
        """What is added to a name by itself."""
        if key not in self._of_names:
            self._of_names[key] = tuple(self._read(key))
        return self._of_names[key]

    def of_statements(self, of: StatementGroup) -> Iterator[Named]:
        """What statements stand for that change something elsewhere."""
        piece = self._reach.piece_of(of.index, of.units)
        yield of.name, piece
        yield from self._read_by_libraries(of, piece)

    def statements(self, key: Key) -> StatementGroup | None:
        """The statements of a name that are no imports; None if there are none."""
        index = self._reach.index(key[0])
        units = index.units.get(key[1], ()) if index else ()
        own = tuple(unit for unit in units if unit.origin is None)
        return StatementGroup(".".join(key), index, own) if index and own else None

    def may_be_behind_star(self, star: Star, name: str) -> bool:
        """Whether a module that is imported by a star may give a name that is not bound."""
        other = self._reach.index(star.module)
        return other is not None and (other.exports(name) or other.exports_more)

    def read_by_code(self, reading: Introspection, of: StatementGroup) -> Iterator[Named]:
        """What of statements counts because reached code reads such."""
        nodes, name = [unit.node for unit in of.units], f"{of.name} ({reading.value})"
        match reading:
            case Introspection.ANNOTATIONS if annotation_nodes(nodes):
                yield name, self._annotations(of.index, nodes)
            case Introspection.DOCSTRINGS:
                yield name, _text_piece(of.index, docstrings_form(nodes))
            case Introspection.TEXT:
                yield name, _text_piece(of.index, text_form(of.index, of.units))
            case _:
                pass

    def docstring_of(self, module: str) -> Iterator[Named]:
        """The docstring of a module, which counts because reached code reads docstrings."""
        index = self._reach.index(module)
        if index is not None:
            content = ast.get_docstring(index.tree, clean=False) or ""
            piece = _text_piece(index, framed("docstring", encoded(content)))
            yield f"{index.source.name} (docstring)", piece

    def _read(self, key: Key) -> Iterator[Named]:
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
        statements = StatementGroup(".".join(key), index, own)
        yield from self._read_by_libraries(statements, self._reach.piece(key))

    def _read_by_libraries(self, of: StatementGroup, piece: Piece) -> Iterator[Named]:
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

    def _stars(self, index: ModuleIndex, name: str, units: Sequence[Unit]) -> Iterator[Named]:
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

    def _annotations(self, index: ModuleIndex, nodes: Sequence[ast.AST]) -> Piece:
        given, content = annotation_nodes(nodes), annotations_form(nodes)
        if _POSTPONED in index.origins.get("annotations", ()):
            content = framed("postponed", content)
        return self._reach.piece_beside(index, content, given)


def by_modules(touch: Touch, changes: Sequence[Change]) -> Iterator[StatementGroup]:
    """For each module that changes something, its statements."""
    kind, what = touch
    name = ".".join(what) if isinstance(what, tuple) else what
    name = f"{name}.*" if kind is Kind.MODULE else name
    by_module: dict[str, list[Change]] = {}
    for change in changes:
        by_module.setdefault(change.index.source.name, []).append(change)
    for module, here in by_module.items():
        units = tuple(change.unit for change in here)
        yield StatementGroup(f"{name} (by {module})", here[0].index, units)


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
