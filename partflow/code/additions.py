"""What the second rules of the code fingerprint add to the parts that the first ones give.

Statements elsewhere that change what is reached, and what of it is read beside its syntax. It does
not know what the first rules gather, nor how a fingerprint is put together.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from partflow.code.changes import Change, ChangeReader, Changes, Kind, Touch
from partflow.code.index import ModuleIndex, Star, Unit
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
from partflow.code.uncounted import own_name

_WORD: Final = re.compile(r"[^\W\d]\w*")
_VARIABLE: Final = re.compile(r"@[^\W\d]")
_IS_SQL: Final = re.compile(r"(?i)\b(from|join|describe|summarize|pivot|table)\b")
_INNER_IMPORT: Final = re.compile(
    r"^[ \t]+(?:from|import)[ \t]+([\w.]+)(?:[ \t]+import[ \t]+([\w, ]+))?", re.MULTILINE
)

_SEEN_BY_ALL: Final = frozenset(["locale"])
"""What changes texts and numbers without being named."""
_SHARING: Final = {"datetime": ("time",)} | dict.fromkeys(
    ("lightgbm", "pandas", "scipy", "sklearn", "statsmodels", "xgboost"), ("numpy",)
)
"""Libraries that go by the state of others: numpy's seed, the zone that `time.tzset` takes."""

Added = tuple[str, Piece]
"""A part's name, and what it stands for."""
_Statements = tuple[str, ModuleIndex, tuple[Unit, ...]]
"""A part's name, and statements of one module."""


@dataclass(slots=True)
class Gathered:
    """What one fingerprint has reached so far."""

    keys: set[Key] = field(default_factory=set)
    unbound: set[Key] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    sites: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)

    def take(self, piece: Piece) -> None:
        """Reach what a piece says."""
        self.modules.add(piece.module)
        self.unbound.update(piece.unbound)
        self.packages.update(piece.packages)
        self.attributes |= piece.sight.attributes
        self.texts.update(text for _, text in piece.sight.texts)
        self.sites.update((piece.module, names) for names in piece.sight.sites)
        self.libraries.update(name for name, _ in piece.libraries)

    @property
    def size(self) -> int:
        """Grows whenever anything more is reached."""
        parts = (self.keys, self.unbound, self.modules, self.attributes, self.texts, self.sites)
        return sum(len(part) for part in (*parts, self.libraries))

    def words(self) -> set[str]:
        """Every word that is said, as a name of others, an attribute, or within a text."""
        names = {name for _, name in self.unbound} | self.attributes
        names.update(word for name in self.libraries for word in name.split("."))
        return names.union(*map(_WORD.findall, self.texts))

    def tables(self) -> set[str]:
        """The words that SQL among the texts may name tables by."""
        found = {text for text in self.texts if text.isidentifier()}
        for text in self.texts:
            if _IS_SQL.search(text):
                found.update(_WORD.findall(text))
        return found

    def formulas(self) -> set[str]:
        """The words of texts that read like a formula, or name a variable of Python: `@LIMIT`."""
        formulas = (text for text in self.texts if "~" in text or _VARIABLE.search(text))
        return {word for text in formulas for word in _WORD.findall(text)}


class Additions:
    """The second rules over one project; `modules` are those that are imported at its start."""

    def __init__(self, reach: Reach, modules: Iterable[str]) -> None:
        self._reach = reach
        self._roots = tuple(modules)
        self._signatures = SignatureReader(reach)
        self._changes: Changes | None = None
        self._among: dict[str, Changes] = {}
        self._known: frozenset[str] | None = None
        self._modules: frozenset[str] = frozenset()
        self._of_keys: dict[Key, tuple[Added, ...]] = {}

    def begin(self, module: str) -> None:
        """Know all modules that a function of `module` runs among.

        Which functions were looked at before makes no difference.
        """
        if self._known is None:
            indexes = list(self._imported(self._roots))
            self._known = frozenset(index.source.name for index in indexes)
            self._among[""] = ChangeReader(self._reach, indexes).read()
        name = "" if module in self._known else module
        if name not in self._among:
            indexes = list(self._imported([*self._roots, module]))
            self._among[name] = ChangeReader(self._reach, indexes).read()
        self._changes = self._among[name]
        self._modules = self._known

    def of_key(self, key: Key) -> tuple[Added, ...]:
        """What is added to a name by itself."""
        if key not in self._of_keys:
            self._of_keys[key] = tuple(self._read(key))
        return self._of_keys[key]

    def of_all(self, gathered: Gathered) -> Iterator[Added]:
        """What is added for all that is reached together."""
        assert self._changes is not None
        tops = words = None
        met: list[_Statements] = []
        for touch, changes in self._changes.of.items():
            kind, what = touch
            if kind is Kind.WORD and words is None:
                words = gathered.words()
            if kind is Kind.LIBRARY and tops is None:
                tops = self._tops(gathered)
            meets = {
                Kind.NAME: gathered.keys | gathered.unbound if kind is Kind.NAME else (),
                Kind.MODULE: gathered.modules | {module for module, _ in gathered.unbound},
                Kind.WORD: words or (),
                Kind.LIBRARY: tops or (),
            }
            if what in meets[kind]:
                met += _by_modules(touch, changes)
        for name, index, units in met:
            piece = self._reach.piece_of(index, units)
            yield name, piece
            yield from self._read_by_libraries((name, index, units), piece)
        yield from self._read_texts(gathered, met)

    def leads(self, gathered: Gathered) -> Iterator[Key]:
        """Names that are reached though nothing refers to them: subclasses, tables of SQL."""
        assert self._changes is not None
        if "__subclasses__" in gathered.attributes | gathered.texts:
            for key in gathered.keys & self._changes.classes.keys():
                yield from self._changes.classes[key]
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

    def not_followed(self, gathered: Gathered) -> Iterator[NotFollowed]:
        """What functions that are not reached would change if they were called."""
        assert self._changes is not None
        reached = gathered.keys | gathered.unbound
        for function, place, (module, name) in self._changes.callers:
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
        for index in filter(None, map(self._reach.index, gathered.modules)):
            for origin in (each for origins in index.origins.values() for each in origins):
                if self._reach.index(origin.module) is None:
                    found.add(origin.module.partition(".")[0])
        return found.union(*(_SHARING.get(top, ()) for top in found))

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
        yield from self._read_by_libraries((".".join(key), index, own), self._reach.piece(key))

    def _read_by_libraries(self, of: _Statements, piece: Piece) -> Iterator[Added]:
        """What libraries may read of functions that they decorate, or are handed."""
        name, index, units = of
        read = self._signatures.read_by_libraries(index, piece)
        if read:
            yield f"{name} (annotations, decorated)", self._annotations(index, read)
            bare = [node for node in read if _is_docstring_alone(node)]
            if bare:
                yield f"{name} (docstring, decorated)", self._texts(index, docstrings_form(bare))
        for module, other in self._signatures.handed_over(index, piece, units):
            home = self._reach.index(module)
            nodes = [unit.node for unit in home.units[other]] if home else []
            if home and annotation_nodes(nodes):
                yield f"{module}.{other} (annotations, handed on)", self._annotations(home, nodes)

    def _stars(self, index: ModuleIndex, name: str, units: Sequence[Unit]) -> Iterator[Added]:
        """Star imports that bind a name beside what the first rules take: the later one wins."""
        giving = [star for star in index.stars if self._reach.gives(star, name)]
        if units:
            giving = [star for star in giving if star.line > units[0].node.lineno]
        elif len(giving) == 1 and not giving[0].guards:
            return
        if not giving:
            return
        forms = (
            framed("star", origin_form(Origin(star.module, name)), *guard_forms(star.guards))
            for star in giving
        )
        guards: list[ast.AST] = [test for star in giving for test, _ in star.guards]
        piece = self._reach.piece_beside(index, framed("stars", *forms), guards)
        leads = tuple(key for star in giving for key in self._given(star, name))
        yield f"{index.source.name}.{name} (by star)", piece.leading_to(leads)

    def _given(self, star: Star, name: str) -> list[Key]:
        return self._reach.keys(star.module, name)

    def _read_texts(self, gathered: Gathered, met: Sequence[_Statements]) -> Iterator[Added]:
        """Annotations, docstrings and texts of all that is reached, if the code reads such."""
        sight = Sight(frozenset(gathered.attributes), tuple((0, text) for text in gathered.texts))
        reads = Reads(sight, (name for _, name in gathered.unbound), gathered.libraries)
        if not (reads.annotations or reads.docstrings or reads.text):
            return
        for name, index, units in (*self._statements(gathered), *met):
            nodes = [unit.node for unit in units]
            if reads.annotations and annotation_nodes(nodes):
                yield f"{name} (annotations)", self._annotations(index, nodes)
            if reads.docstrings:
                yield f"{name} (docstrings)", self._texts(index, docstrings_form(nodes))
            if reads.text:
                yield f"{name} (text)", self._texts(index, text_form(index, units))
        for index in filter(None, map(self._reach.index, sorted(gathered.modules))):
            if reads.docstrings:
                text = ast.get_docstring(index.tree, clean=False) or ""
                piece = self._texts(index, framed("docstring", encoded(text)))
                yield f"{index.source.name} (docstring)", piece

    def _statements(self, gathered: Gathered) -> Iterator[_Statements]:
        """Of each name that is reached, the statements that are no imports."""
        for module, name in sorted(gathered.keys):
            index = self._reach.index(module)
            units = index.units.get(name, ()) if index else ()
            own = tuple(unit for unit in units if unit.origin is None)
            if index is not None and own:
                yield f"{module}.{name}", index, own

    def _annotations(self, index: ModuleIndex, nodes: Sequence[ast.AST]) -> Piece:
        given = annotation_nodes(nodes)
        return self._reach.piece_beside(index, annotations_form(nodes), given)

    def _texts(self, index: ModuleIndex, content: bytes) -> Piece:
        return Piece(digest_of(content), (), (), module=index.source.name)

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
        yield f"{name} (by {module})", here[0].index, tuple(change.unit for change in here)


def _is_docstring_alone(node: ast.AST) -> bool:
    """Whether a function says nothing but its docstring: to whoever decorates it, it says that."""
    if not isinstance(node, FUNCTION_NODES) or ast.get_docstring(node, clean=False) is None:
        return False
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in node.body
    )
