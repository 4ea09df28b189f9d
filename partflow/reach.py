"""Follows names through the modules of a project: what each stands for, and where it leads.

It does not know functions as objects, nor which of the names one fingerprint gathers.
"""

import ast
import builtins
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from partflow.bindings import ModuleIndex, Source, Unit, index_of
from partflow.references import MentionReader, Mentions, Origin, Reference
from partflow.syntax import FUNCTION_NODES, constant_form, digest_of, encoded, framed, normal_form

SourceOf = Callable[[str], Source | None]

_DECLARING: Final = frozenset({"task", "effect"})
PUBLIC: Final = frozenset(
    {
        *("Daily", "Dataset", "Hourly", "Monthly", "Partition", "PartflowError", "Project"),
        *("Source", "Weekly", "Whole", "effect", "task"),
    }
)
"""What `from partflow import *` gives; a test holds it equal to partflow's own list."""
_OPAQUE_BUILTINS: Final = frozenset(
    (
        "__import__",
        "compile",
        "eval",
        "exec",
        "getattr",
        "globals",
        "input",
        "locals",
        "open",
        "vars",
    )
)
_OPAQUE_LIBRARY: Final = (
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.popen",
    "sys.argv",
    "io.open",
    "importlib.import_module",
)
_READING: Final = ("read_", "scan_")

Key = tuple[str, str]  # a module and one of its names


@dataclass(frozen=True, slots=True)
class NotFollowed:
    """What at `place` (`jobs/sales.py:12`) may change the result, unseen by the fingerprint."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What one name of a module stands for by itself, and where it leads."""

    digest: str
    leads_to: tuple[Key, ...]
    not_followed: tuple[NotFollowed, ...]


@dataclass(slots=True)
class _Found:
    """Where a reference leads: names of the project, dotted names of libraries.

    `is_bound`: whether the module has the name at all.
    """

    keys: list[Key] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    is_bound: bool = True
    seen: set[tuple[str, str, tuple[str, ...]]] = field(default_factory=set)


class Reach:
    """The names of one project; each module is parsed, and each name read, once."""

    def __init__(self, source_of: SourceOf) -> None:
        self._source_of = source_of
        self._indexes: dict[str, ModuleIndex | None] = {}
        self._pieces: dict[Key, Piece] = {}

    def index(self, module: str) -> ModuleIndex | None:
        """None: not of the project, or not Python."""
        if module not in self._indexes:
            source = None if module.partition(".")[0] == "partflow" else self._source_of(module)
            try:
                self._indexes[module] = None if source is None else index_of(source)
            except (SyntaxError, ValueError):
                # Whoever imports it fails, and says so better.
                self._indexes[module] = None
        return self._indexes[module]

    def keys(self, module: str, name: str) -> list[Key]:
        """`name` in `module` and what it is imported from; empty if it is not of the project."""
        found = _Found()
        self._resolve(found, module, name, ())
        return found.keys

    def piece(self, key: Key) -> Piece:
        """The statements of one name, and where they lead."""
        if key not in self._pieces:
            self._pieces[key] = self._read(key)
        return self._pieces[key]

    def lambdas(self, module: str, line: int) -> Piece | None:
        """The lambdas that begin on a line: of several, any may be the one that is asked for."""
        index = self.index(module)
        if index is None:
            return None
        nodes = [
            node
            for node in ast.walk(index.tree)
            if isinstance(node, ast.Lambda) and node.lineno == line
        ]
        content = framed("lambdas", *(normal_form(node) for node in nodes))
        return self._piece(index, content, self._mentions(index, nodes, [])) if nodes else None

    # One name

    def _read(self, key: Key) -> Piece:
        module, name = key
        index = self.index(module)
        if index is None:
            raise AssertionError(f"BUG: {module!r} was reached and is not of the project")
        units = index.units.get(name, ())
        if not units:
            origin = Origin(self._star_of(index, name) or "", name)
            return Piece(digest_of(framed("unit", _origin_form(origin))), (), ())
        nodes: list[ast.AST] = [unit.node for unit in units if unit.origin is None]
        guards = [test for unit in units for test, _ in unit.guards]
        omit = list(self._declarations(index, nodes))
        forms = [framed("unit", _unit_form(unit, omit), *_guard_forms(unit)) for unit in units]
        return self._piece(
            index, framed("units", *forms), self._mentions(index, [*nodes, *guards], omit)
        )

    def _mentions(
        self, index: ModuleIndex, nodes: Sequence[ast.AST], omit: Sequence[ast.AST]
    ) -> Mentions:
        return MentionReader(index.source.name, is_package=index.source.is_package).mentions(
            nodes, omit
        )

    def _piece(self, index: ModuleIndex, content: bytes, mentions: Mentions) -> Piece:
        path = index.source.path
        leads_to: dict[Key, None] = {}
        opaque = [NotFollowed(f"{path}:{line}", what) for line, what in mentions.opaque]
        for reference in mentions.references:
            found = self._found(index, reference)
            leads_to.update(dict.fromkeys(found.keys))
            place = f"{path}:{reference.line}"
            opaque += [NotFollowed(place, what) for what in self._opaque(index, reference, found)]
        return Piece(digest_of(content), tuple(leads_to), tuple(dict.fromkeys(opaque)))

    def _declarations(self, index: ModuleIndex, nodes: Sequence[ast.AST]) -> Iterator[ast.expr]:
        """The decorators `task` and `effect`: what they declare is counted beside the code."""
        functions = (
            inner for node in nodes for inner in ast.walk(node) if isinstance(inner, FUNCTION_NODES)
        )
        for decorator in (each for function in functions for each in function.decorator_list):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            references = self._mentions(index, [called], []).references
            if isinstance(called, ast.Name | ast.Attribute) and references:
                names = self._found(index, references[0]).libraries
                if any(_is_declaring(name) for name in names):
                    yield decorator

    def _opaque(self, index: ModuleIndex, reference: Reference, found: _Found) -> Iterator[str]:
        root = reference.root
        if isinstance(root, str) and not found.is_bound and not reference.attributes:
            if root in _OPAQUE_BUILTINS and not _only_writes(root, reference.call):
                yield f"{root}(...)" if reference.call else root
            if not hasattr(builtins, root):
                for star in index.stars:
                    if self.index(star) is None:
                        yield f"{root!r}, perhaps of 'from {star} import *'"
        for name in found.libraries:
            if _is_opaque(name):
                yield f"{name}(...)" if reference.call else name
            elif reference.call and name.rpartition(".")[2].startswith(_READING):
                yield f"{name}(...)"
        if isinstance(root, str) and reference.call and self._holds_anything(index, reference):
            yield f"a call through the variable {root!r}"

    def _holds_anything(self, index: ModuleIndex, reference: Reference) -> bool:
        """Whether a called name of the module was taken out of a container."""
        units = index.units.get(str(reference.root), ()) if not reference.attributes else ()
        values = (unit.node.value for unit in units if isinstance(unit.node, ast.Assign))
        return any(isinstance(value, ast.Subscript) for value in values)

    # References

    def _found(self, index: ModuleIndex, reference: Reference) -> _Found:
        found = _Found()
        if isinstance(reference.root, Origin):
            self._resolve_origin(found, reference.root, reference.attributes)
        else:
            self._resolve(found, index.source.name, reference.root, reference.attributes)
        return found

    def _resolve(self, found: _Found, module: str, name: str, attributes: tuple[str, ...]) -> None:
        step = (module, name, attributes)
        index = self.index(module)
        if index is None or step in found.seen:
            found.is_bound = index is not None
            return
        found.seen.add(step)
        if name in index.units:
            found.keys.append((module, name))
            for origin in index.origins.get(name, ()):
                self._resolve_origin(found, origin, attributes)
        elif star := self._star_of(index, name):
            found.keys.append((module, name))
            self._resolve(found, star, name, attributes)
        elif "__getattr__" in index.units and not hasattr(builtins, name):
            found.keys.append((module, "__getattr__"))
        elif "partflow" in index.stars and name in PUBLIC:
            found.libraries.append(f"partflow.{name}")
        else:
            found.is_bound = False

    def _resolve_origin(self, found: _Found, origin: Origin, attributes: tuple[str, ...]) -> None:
        chain = attributes if origin.attribute is None else (origin.attribute, *attributes)
        module = origin.module
        while True:
            index = self.index(module)
            if index is None:
                found.libraries.append(".".join((module, *chain)))
                return
            if not chain:
                # The module itself is handed on: any of its names may be used.
                found.keys.extend((module, name) for name in index.units)
                return
            head, *rest = chain
            if not self._binds(index, head) and self.index(f"{module}.{head}") is not None:
                module, chain = f"{module}.{head}", tuple(rest)
                continue
            self._resolve(found, module, head, tuple(rest))
            return

    def _binds(self, index: ModuleIndex, name: str) -> bool:
        return name in index.units or self._star_of(index, name) is not None

    def _star_of(
        self, index: ModuleIndex, name: str, seen: frozenset[str] = frozenset()
    ) -> str | None:
        """The module that gives `name` to another one by `from … import *`: the last one wins."""
        for star in reversed(index.stars):
            other = self.index(star)
            if other is None or star in seen or not other.exports(name):
                continue
            if name in other.units or self._star_of(other, name, seen | {star}):
                return star
        return None


def _unit_form(unit: Unit, omit: Sequence[ast.AST]) -> bytes:
    """An import counts by what it leads to: relative or absolute, alone or listed is the same."""
    return _origin_form(unit.origin) if unit.origin else normal_form(unit.node, omit)


def _origin_form(origin: Origin) -> bytes:
    attribute = [] if origin.attribute is None else [encoded(origin.attribute)]
    return framed("import", encoded(origin.module), *attribute)


def _guard_forms(unit: Unit) -> Iterator[bytes]:
    return (framed("if", normal_form(test), constant_form(holds)) for test, holds in unit.guards)


def _is_declaring(name: str) -> bool:
    package, _, rest = name.partition(".")
    return package == "partflow" and rest.rpartition(".")[2] in _DECLARING


def _is_opaque(name: str) -> bool:
    """Whether `name` is one of those, or an attribute of one (`os.environ.get`)."""
    return any(name == known or name.startswith(f"{known}.") for known in _OPAQUE_LIBRARY)


def _only_writes(name: str, call: ast.Call | None) -> bool:
    """Whether this is an `open` for writing: such a file is no constant that a task reads."""
    if name != "open" or call is None:
        return False
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] + call.args[1:2]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return any(isinstance(text, str) and not set("r+") & set(text) for text in texts)
