"""Follows names through the modules of a project: what each stands for, and where it leads.

It does not know functions as objects, nor which of the names one fingerprint gathers.
"""

import ast
import builtins
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeGuard

from partflow.code.index import ModuleIndex, ModuleText, Star, Unit, index_of
from partflow.code.mentions import MentionReader, Mentions, MethodCall, Origin, Reference, Sight
from partflow.code.normalform import (
    FUNCTION_NODES,
    constant_form,
    digest_of,
    encoded,
    framed,
    normal_form,
)
from partflow.code.outside import in_sql, is_opaque, is_opaque_builtin, is_outside_method
from partflow.code.syntax import statements_in, walk
from partflow.code.uncounted import is_declaring, own_name, uncounted_arguments

SourceOf = Callable[[str], ModuleText | None]
"""A module of the project. Raises OSError, SyntaxError or ValueError where it can't be read."""

SqlOf = Callable[[str, str], tuple[str, str] | None]
"""Of a module and a path that it hands to `sql_file`: the path from the root, and the text."""

_SQL: Final = "sql_file"
_OF_MODULES: Final = frozenset(["__file__", "__path__", "__annotations__", "__dict__"])
"""Names that every module has, beside those that builtins have too."""
Decorated = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

Key = tuple[str, str]  # a module and one of its names


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """What at `place` (`jobs/sales.py:12`) may change the result, unseen by the fingerprint."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What one name of a module stands for by itself, and where it leads.

    `files` are (path from the root, digest) of the SQL that it reads. `unbound` are names that it
    asks modules of the project for and that those do not bind themselves; `libraries` are dotted
    names with their calls, `packages` are packages of the project that it refers to as a whole.
    """

    digest: str
    leads_to: tuple[Key, ...]
    not_followed: tuple[NotFollowed, ...]
    files: tuple[tuple[str, str], ...] = ()
    unbound: tuple[Key, ...] = ()
    libraries: tuple[tuple[str, ast.Call | None], ...] = ()
    sight: Sight = field(default_factory=Sight)
    module: str = ""
    decorated: tuple[Decorated, ...] = ()
    packages: tuple[str, ...] = ()

    def leading_to(self, more: tuple[Key, ...]) -> "Piece":
        """The same, leading to these names as well."""
        return replace(self, leads_to=(*self.leads_to, *more))


@dataclass(slots=True)
class Leads:
    """Where a reference leads: names of the project, dotted names of libraries.

    `modules` are modules of the project that it stands for as a whole, `unread` those whose text
    can't be read, `unbound` names that a module is asked for and does not bind. `is_bound` says
    whether the module that the reference stands in has its first name at all.
    """

    keys: list[Key] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    unbound: list[Key] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    is_bound: bool = True
    seen: set[tuple[str, str, tuple[str, ...]]] = field(default_factory=set)


class Reach:
    """The names of one project; each module is parsed, and each name read, once."""

    def __init__(self, source_of: SourceOf, sql_of: SqlOf | None = None) -> None:
        self._source_of = source_of
        self._sql_of = sql_of
        self._indexes: dict[str, ModuleIndex | None] = {}
        self._unread: set[str] = set()
        self._pieces: dict[Key, Piece] = {}
        # By the ids of statements, which the indexes keep.
        self._forms: dict[int, bytes] = {}

    def index(self, module: str) -> ModuleIndex | None:
        """What a module binds; None if it is not of the project, or its text is not Python."""
        if module not in self._indexes:
            self._indexes[module] = None
            try:
                source = None if module.partition(".")[0] == "partflow" else self._source_of(module)
                self._indexes[module] = None if source is None else index_of(source)
            except (OSError, SyntaxError, ValueError):
                self._unread.add(module)
        return self._indexes[module]

    def is_unread(self, module: str) -> bool:
        """Whether a module is of the project, and its text can't be read as Python."""
        return self.index(module) is None and module in self._unread

    def keys(self, module: str, name: str) -> list[Key]:
        """A name of a module and those that it is imported from; none if not of the project."""
        leads = Leads()
        self._resolve(leads, module, name, ())
        return leads.keys

    def piece(self, key: Key) -> Piece:
        """The statements of one name, and where they lead."""
        if key not in self._pieces:
            self._pieces[key] = self._read(key)
        return self._pieces[key]

    def leads(self, module: str, name: str, attributes: tuple[str, ...] = ()) -> Leads:
        """Where a name of a module leads, with the attributes that are taken of it."""
        leads = Leads()
        self._resolve(leads, module, name, attributes)
        return leads

    def mentioned(self, index: ModuleIndex, node: ast.AST) -> tuple[Reference, ...]:
        """What syntax at the top level of a module refers to."""
        return self._mentions(index, [node], ()).references

    def lambdas(self, module: str, line: int) -> Piece | None:
        """The lambdas that begin on a line, together: nothing tells which of several is meant."""
        index = self.index(module)
        if index is None:
            return None
        nodes = [
            node
            for node in walk(index.tree)
            if isinstance(node, ast.Lambda) and node.lineno == line
        ]
        omit, mentions = self._counted(index, nodes, [])
        content = framed("lambdas", *(normal_form(node, omit) for node in nodes))
        return self._piece(index, content, mentions) if nodes else None

    # One name

    def _read(self, key: Key) -> Piece:
        module, name = key
        index = self.index(module)
        if index is None:
            raise AssertionError(f"BUG: {module!r} was reached and is not of the project")
        units = index.units.get(name, ())
        if not units:
            origin = Origin(self._star_of(index, name) or "", name)
            return Piece(digest_of(framed("unit", origin_form(origin))), (), (), module=module)
        return self.piece_of(index, units)

    def piece_of(self, index: ModuleIndex, units: Sequence[Unit]) -> Piece:
        """What statements of one module stand for, and where they lead."""
        nodes: list[ast.AST] = [unit.node for unit in units if unit.origin is None]
        guards = [test for unit in units for test, _ in unit.guards]
        decorated = tuple(
            each for node in nodes for each in statements_in(node) if _is_decorated(each)
        )
        omit, mentions = self._counted(index, nodes, decorated)
        forms = [
            framed("unit", self._unit_form(unit, omit), *guard_forms(unit.guards)) for unit in units
        ]
        if guards:
            mentions = self._mentions(index, [*nodes, *guards], omit)
        piece = self._piece(index, framed("units", *forms), mentions)
        return replace(piece, decorated=decorated) if decorated else piece

    def _unit_form(self, unit: Unit, omit: Sequence[ast.AST]) -> bytes:
        """An import counts by what it leads to: relative or absolute, alone or listed is the same.

        A statement may be one of several names: the form of all of it is kept.
        """
        if unit.origin or omit:
            return origin_form(unit.origin) if unit.origin else normal_form(unit.node, omit)
        if id(unit.node) not in self._forms:
            self._forms[id(unit.node)] = normal_form(unit.node)
        return self._forms[id(unit.node)]

    def piece_beside(self, index: ModuleIndex, content: bytes, nodes: Sequence[ast.AST]) -> Piece:
        """Other content, which leads where syntax of the module leads."""
        return self._piece(index, content, self._mentions(index, nodes, ()))

    def _mentions(
        self, index: ModuleIndex, nodes: Sequence[ast.AST], omit: Sequence[ast.AST]
    ) -> Mentions:
        return MentionReader(index.source.name, is_package=index.source.is_package).mentions(
            nodes, omit
        )

    def _piece(self, index: ModuleIndex, content: bytes, mentions: Mentions) -> Piece:
        path = index.source.path
        leads_to: dict[Key, None] = {}
        files: dict[str, str] = {}
        unbound: dict[Key, None] = {}
        packages: dict[str, None] = {}
        libraries: list[tuple[str, ast.Call | None]] = []
        texts = list(mentions.sight.texts)
        opaque = [NotFollowed(f"{path}:{line}", what) for line, what in mentions.opaque]
        opaque += [
            NotFollowed(f"{path}:{call.line}", call.what)
            for call in mentions.methods
            if not self._is_defined(index, call)
        ]
        for reference in mentions.references:
            leads = self._leads(index, reference)
            leads_to.update(dict.fromkeys(leads.keys))
            place = f"{path}:{reference.line}"
            opaque += [NotFollowed(place, what) for what in self._opaque(index, reference, leads)]
            unread = (f"the module {module!r}, whose text is not Python" for module in leads.unread)
            opaque += [NotFollowed(place, what) for what in unread]
            unbound.update(dict.fromkeys(leads.unbound))
            packages.update(dict.fromkeys(m for m in leads.modules if self._is_package(m)))
            libraries += [(name, reference.call) for name in leads.libraries]
            if any(own_name(name) == _SQL for name in leads.libraries):
                text = self._sql(index, reference.call)
                opaque += [NotFollowed(place, text)] if isinstance(text, str) else []
                files.update([text[:2]] if isinstance(text, tuple) else [])
                texts += [(reference.line, text[2])] if isinstance(text, tuple) else []
        for line, text in texts:
            opaque += [NotFollowed(f"{path}:{line}", what) for what in in_sql(text)]
        return Piece(
            digest_of(content),
            tuple(leads_to),
            tuple(dict.fromkeys(opaque)),
            tuple(sorted(files.items())),
            tuple(unbound),
            tuple(libraries),
            replace(mentions.sight, texts=tuple(texts)),
            index.source.name,
            packages=tuple(packages),
        )

    def _sql(self, index: ModuleIndex, call: ast.Call | None) -> tuple[str, str, str] | str:
        """Path, digest and text of what `sql_file` reads, or why it can't be followed."""
        match call:
            case (
                ast.Call(args=[ast.Constant(value=str() as path)], keywords=[])
                | ast.Call(
                    args=[],
                    keywords=[ast.keyword(arg="path", value=ast.Constant(value=str() as path))],
                )
            ):
                file = self._sql_of(index.source.name, path) if self._sql_of else None
                if file is None:
                    return f"{_SQL}({path!r}): no file of the project that can be read"
                return file[0], digest_of(framed("sql", encoded(file[1]))), file[1]
            case _:
                return f"{_SQL}(...) of a path that is not written out"

    def _counted(
        self, index: ModuleIndex, nodes: Sequence[ast.AST], decorated: Sequence[Decorated]
    ) -> tuple[list[ast.AST], Mentions]:
        """What of statements counts for nothing, and what all else mentions.

        Decorators and arguments of partflow that change no result, or are counted elsewhere.
        """
        decorators: list[ast.AST] = list(self._declarations(index, decorated))
        mentions = self._mentions(index, nodes, decorators)
        arguments = [
            argument
            for reference in mentions.references
            if reference.call
            for name in self._leads(index, reference).libraries
            for argument in uncounted_arguments(name, reference.call)
        ]
        omit = [*decorators, *arguments]
        return omit, self._mentions(index, nodes, omit) if arguments else mentions

    def _declarations(
        self, index: ModuleIndex, decorated: Sequence[Decorated]
    ) -> Iterator[ast.expr]:
        """The decorators `task` and `effect`: what they declare is counted beside the code."""
        functions = (node for node in decorated if isinstance(node, FUNCTION_NODES))
        for decorator in (each for function in functions for each in function.decorator_list):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if any(self._declares(index, each, frozenset()) for each in {called, decorator}):
                yield decorator

    def _declares(self, index: ModuleIndex, node: ast.expr, seen: frozenset[Key]) -> bool:
        """Whether `node` is partflow's `task` or `effect`, under another name or in a partial."""
        if isinstance(node, ast.Call):
            first = node.args[:1]
            is_partial = "functools.partial" in self._stands_for(index, node.func).libraries
            return is_partial and any(self._declares(index, each, seen) for each in first)
        leads = self._stands_for(index, node)
        return any(is_declaring(name) for name in leads.libraries) or any(
            self._declares(home, value, seen | {key})
            for key in leads.keys
            if key not in seen and (home := self.index(key[0]))
            for value in _values(home.units.get(key[1], ()))
        )

    def _stands_for(self, index: ModuleIndex, node: ast.expr) -> Leads:
        is_name = isinstance(node, ast.Name | ast.Attribute)
        references = self._mentions(index, [node], []).references if is_name else ()
        return self._leads(index, references[0]) if references else Leads()

    def _is_package(self, module: str) -> bool:
        index = self.index(module)
        return index is not None and index.source.is_package

    def _opaque(self, index: ModuleIndex, reference: Reference, leads: Leads) -> Iterator[str]:
        root, call = reference.root, reference.call
        if isinstance(root, str) and not leads.is_bound:
            yield from self._opaque_unbound(index, root, reference)
        for name in leads.libraries:
            if is_opaque(name, call):
                yield f"{name}(...)" if call else name
        is_method = call is not None and reference.attributes and not leads.libraries
        if (
            is_method
            and call
            and is_outside_method(reference.attributes[-1], call, of_anything=True)
            and not self._is_own_method(leads, reference.attributes)
        ):
            start = root if isinstance(root, str) else root.attribute or root.module
            yield f"{'.'.join((start, *reference.attributes))}(...)"
        if isinstance(root, str) and reference.call and self._holds_anything(index, reference):
            yield f"a call through the variable {root!r}"

    def _is_defined(self, index: ModuleIndex, call: MethodCall) -> bool:
        """Whether a class of the project defines the method that is called."""
        if isinstance(call.of, ast.ClassDef):
            return self._has_method(index, call.of, call.method, frozenset())
        return self._is_own_method(self._stands_for(index, call.of), (call.method,))

    def _is_own_method(self, leads: Leads, attributes: tuple[str, ...]) -> bool:
        """Whether attributes of something of the project are a method of a class of the project."""
        return len(attributes) == 1 and any(
            self._has_method(home, node, attributes[0], frozenset())
            for key in leads.keys
            for home, node in self._classes_of(key)
        )

    def _classes_of(self, key: Key) -> Iterator[tuple[ModuleIndex, ast.ClassDef]]:
        """The class of that name, or those whose instances the name is given."""
        index = self.index(key[0])
        units = index.units.get(key[1], ()) if index else ()
        if index:
            yield from ((index, u.node) for u in units if isinstance(u.node, ast.ClassDef))
        for value in _values(units):
            if isinstance(value, ast.Call) and index:
                for module, name in self._stands_for(index, value.func).keys:
                    home = self.index(module)
                    for unit in home.units.get(name, ()) if home else ():
                        if isinstance(unit.node, ast.ClassDef) and home:
                            yield home, unit.node

    def _has_method(
        self, index: ModuleIndex, node: ast.ClassDef, name: str, seen: frozenset[Key]
    ) -> bool:
        """Whether a class of the project, or one that it derives from, defines a method."""
        if any(isinstance(each, FUNCTION_NODES) and each.name == name for each in node.body):
            return True
        return any(
            self._has_method(home, base, name, seen | {key})
            for each in node.bases
            for key in self._stands_for(index, each).keys
            if key not in seen
            for home, base in self._classes_of(key)
        )

    def _opaque_unbound(self, index: ModuleIndex, name: str, reference: Reference) -> Iterator[str]:
        """What a name that its module does not bind may bring in."""
        if not reference.attributes and is_opaque_builtin(name, reference.call):
            yield f"{name}(...)" if reference.call else name
        if not hasattr(builtins, name) and name not in _OF_MODULES:
            for star in dict.fromkeys(star.module for star in index.stars):
                yield f"{name!r}, perhaps of 'from {star} import *'"

    def _holds_anything(self, index: ModuleIndex, reference: Reference) -> bool:
        """Whether a called name of the module was taken out of a container."""
        units = index.units.get(str(reference.root), ()) if not reference.attributes else ()
        return any(isinstance(value, ast.Subscript) for value in _values(units))

    # References

    def _leads(self, index: ModuleIndex, reference: Reference) -> Leads:
        leads = Leads()
        if isinstance(reference.root, Origin):
            self._resolve_origin(leads, reference.root, reference.attributes)
        else:
            self._resolve(leads, index.source.name, reference.root, reference.attributes)
        return leads

    def _resolve(self, leads: Leads, module: str, name: str, attributes: tuple[str, ...]) -> None:
        step = (module, name, attributes)
        index = self.index(module)
        if index is None or step in leads.seen:
            leads.is_bound = index is not None
            return
        leads.seen.add(step)
        if name in index.units:
            leads.keys.append((module, name))
            for origin in index.origins.get(name, ()):
                self._resolve_origin(leads, origin, attributes)
        elif star := self._star_of(index, name):
            leads.keys.append((module, name))
            self._resolve(leads, star, name, attributes)
        elif "__getattr__" in index.units and not hasattr(builtins, name):
            leads.keys.append((module, "__getattr__"))
        elif any(star.module == "partflow" for star in index.stars) and name in _given_by_star():
            leads.libraries.append(f"partflow.{name}")
        else:
            leads.is_bound = False
            leads.unbound.append((module, name))

    def _resolve_origin(self, leads: Leads, origin: Origin, attributes: tuple[str, ...]) -> None:
        chain = attributes if origin.attribute is None else (origin.attribute, *attributes)
        module = origin.module
        while True:
            index = self.index(module)
            if index is None:
                leads.libraries.append(".".join((module, *chain)))
                leads.unread += [module] if module in self._unread else []
                return
            if not chain:
                # The module itself is handed on: any of its names may be used.
                leads.modules.append(module)
                leads.keys.extend((module, name) for name in index.units)
                return
            head, *rest = chain
            below = f"{module}.{head}"
            if not self._binds(index, head) and (self.index(below) or self.is_unread(below)):
                module, chain = below, tuple(rest)
                continue
            self._resolve(leads, module, head, tuple(rest))
            return

    def _binds(self, index: ModuleIndex, name: str) -> bool:
        return name in index.units or self._star_of(index, name) is not None

    def _star_of(
        self, index: ModuleIndex, name: str, seen: frozenset[str] = frozenset()
    ) -> str | None:
        """The module that gives `name` to another one by `from … import *`: the last one wins."""
        for star in reversed(index.stars):
            if star.module not in seen and self.gives(star, name, seen):
                return star.module
        return None

    def may_give(self, star: Star, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a star import binds a name, or may, because `__all__` is computed."""
        other = self.index(star.module)
        return self.gives(star, name) or (
            other is not None
            and other.exports_more
            and star.module not in seen
            and (
                name in other.units
                or any(self.may_give(each, name, seen | {star.module}) for each in other.stars)
            )
        )

    def gives(self, star: Star, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a star import binds a name to something of the project."""
        other = self.index(star.module)
        return (
            other is not None
            and other.exports(name)
            and (
                name in other.units or self._star_of(other, name, seen | {star.module}) is not None
            )
        )


def origin_form(origin: Origin) -> bytes:
    """An import by what it binds."""
    attribute = [] if origin.attribute is None else [encoded(origin.attribute)]
    if attribute and own_name(f"{origin.module}.{origin.attribute}"):
        # In which of its modules partflow keeps a thing is its own affair.
        return framed("import", b"partflow", *attribute)
    return framed("import", encoded(origin.module), *attribute)


def guard_forms(guards: Sequence[tuple[ast.expr, bool]]) -> Iterator[bytes]:
    """The branches of `if` that something is in."""
    return (framed("if", normal_form(test), constant_form(holds)) for test, holds in guards)


def _is_decorated(node: ast.AST) -> TypeGuard[Decorated]:
    return isinstance(node, (*FUNCTION_NODES, ast.ClassDef)) and bool(node.decorator_list)


def _values(units: Sequence[Unit]) -> Iterator[ast.expr]:
    """What a name is assigned, each time."""
    for unit in units:
        if isinstance(unit.node, ast.Assign | ast.AnnAssign) and unit.node.value is not None:
            yield unit.node.value


def _given_by_star() -> Sequence[str]:
    """What `from partflow import *` binds; the package is above this module, so not imported."""
    names: Sequence[str] = getattr(sys.modules["partflow"], "__all__", ())
    return names
