"""Says what an expression stands for, as far as that can be told without running it.

Names and modules of the project, dotted names of libraries, parameters of the function that it is
in. It does not know what is done with them.
"""

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from partflow.bindings import ModuleIndex, Unit
from partflow.reach import Key, Reach
from partflow.references import Origin, import_origins

PARAMETER: Final = "a parameter"
UNKNOWN: Final = "some value"

Local = ast.expr | Origin | str
"""What a function's own name is: what it was assigned, what it imports, PARAMETER or UNKNOWN."""

_DEPTH: Final = 8
_NAMESPACES: Final = frozenset(["globals", "vars", "locals"])


@dataclass(slots=True)
class Denoted:
    """What an expression may stand for, or be a part of.

    `namespaces` are modules whose names it holds by text, as `globals()` does. `objects` are
    libraries' names that were called to get at it: `decimal.getcontext`.
    """

    keys: list[Key] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)

    def add(self, other: "Denoted") -> None:
        """Stand for what another one does, too."""
        self.keys += other.keys
        self.modules += other.modules
        self.namespaces += other.namespaces
        self.libraries += other.libraries
        self.objects += other.objects
        self.parameters += other.parameters


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: in which module, and what a function's own names are there."""

    index: ModuleIndex
    names: Mapping[str, Local] = field(default_factory=dict)

    def is_builtin(self, name: str) -> bool:
        """Whether a name is Python's own here."""
        return name not in self.names and name not in self.index.units and hasattr(builtins, name)


class Denoter:
    """Knows the modules of one project."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def of(self, place: Place, node: ast.expr, depth: int = 0) -> Denoted:
        """What `node` may stand for at `place`; nothing where that can't be told."""
        if depth > _DEPTH:
            return Denoted()
        match node:
            case ast.Name(id=name):
                return self._name(place, name, depth)
            case ast.Attribute(value=value, attr=attr):
                return self._attribute(self.of(place, value, depth + 1), attr)
            case ast.Subscript(value=value, slice=at):
                return self._item(place, self.of(place, value, depth + 1), at)
            case ast.Call():
                return self._call(place, node, depth)
            case ast.Starred(value=value) | ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.of(place, value, depth + 1)
            case _:
                return self._any(place, node, depth)

    def units(self, key: Key) -> tuple[Unit, ...]:
        """The statements of a name that are no imports."""
        index = self._reach.index(key[0])
        units = index.units.get(key[1], ()) if index else ()
        return tuple(unit for unit in units if unit.origin is None)

    def _any(self, place: Place, node: ast.expr, depth: int) -> Denoted:
        """One of several."""
        nodes = [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
        nodes = node.values if isinstance(node, ast.BoolOp) else nodes
        found = Denoted()
        for each in nodes:
            found.add(self.of(place, each, depth + 1))
        return found

    def _name(self, place: Place, name: str, depth: int) -> Denoted:
        local = place.names.get(name)
        match local:
            case None:
                return self._of_module(place.index.source.name, name, depth)
            case Origin():
                return self._origin(local, depth)
            case ast.expr():
                others = {n: v for n, v in place.names.items() if n != name}
                return self.of(Place(place.index, others), local, depth + 1)
            case _:
                return Denoted(parameters=[name] if local == PARAMETER else [])

    def _origin(self, origin: Origin, depth: int) -> Denoted:
        if self._reach.index(origin.module) is None:
            return Denoted(libraries=[".".join(filter(None, (origin.module, origin.attribute)))])
        if origin.attribute is None:
            return Denoted(modules=[origin.module])
        return self._of_module(origin.module, origin.attribute, depth)

    def _of_module(self, module: str, name: str, depth: int) -> Denoted:
        """A name of a module of the project: itself, and what it is another name for."""
        found = self._reach.found(module, name)
        index = self._reach.index(module)
        if found.modules or (index and self._is_below(index, name)):
            return Denoted(modules=found.modules or [f"{module}.{name}"])
        denoted = Denoted(libraries=found.libraries)
        denoted.keys += [key for key in found.keys if self.units(key)] or found.unbound[-1:]
        for key in list(denoted.keys):
            home = self._reach.index(key[0])
            for unit in self.units(key) if home and depth < _DEPTH else ():
                value = getattr(unit.node, "value", None)
                if isinstance(unit.node, ast.Assign | ast.AnnAssign) and isinstance(
                    value, ast.Name | ast.Attribute | ast.Subscript | ast.Call
                ):
                    denoted.add(self.of(Place(home), value, depth + 1))  # type: ignore[arg-type]
        return denoted

    def _is_below(self, index: ModuleIndex, name: str) -> bool:
        """Whether a package has a module of that name, and nothing else of it."""
        below = f"{index.source.name}.{name}"
        return (
            index.source.is_package
            and name not in index.units
            and self._reach.index(below) is not None
        )

    def _attribute(self, of: Denoted, attr: str) -> Denoted:
        if attr == "__dict__":
            return Denoted(of.keys, [], of.modules, of.libraries, of.objects, of.parameters)
        found = Denoted(
            keys=of.keys,
            libraries=[f"{name}.{attr}" for name in of.libraries],
            objects=of.objects,
            parameters=of.parameters,
        )
        for module in of.modules:
            found.add(self._of_module(module, attr, 0))
        return found

    def _item(self, place: Place, of: Denoted, at: ast.expr) -> Denoted:
        match at:
            case ast.Constant(value=str() as text) if of.namespaces:
                found = Denoted()
                for module in of.namespaces:
                    found.add(self._of_module(module, text, 0))
                return found
            case ast.Constant(value=str() as text) if "sys.modules" in of.libraries:
                return self._module(text)
            case ast.Name(id="__name__") if "sys.modules" in of.libraries:
                return self._module(place.index.source.name)
            case _:
                return of

    def _module(self, name: str) -> Denoted:
        is_own = self._reach.index(name) is not None
        return Denoted(modules=[name]) if is_own else Denoted(libraries=[name])

    def _call(self, place: Place, node: ast.Call, depth: int) -> Denoted:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[]) if (
                name in _NAMESPACES and place.is_builtin(name)
            ):
                return Denoted(namespaces=[place.index.source.name])
            case ast.Call(func=ast.Name(id="vars"), args=[of]) if place.is_builtin("vars"):
                return self._attribute(self.of(place, of, depth + 1), "__dict__")
            case ast.Call(
                func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str() as name), *_]
            ) if place.is_builtin("getattr"):
                return self._attribute(self.of(place, of, depth + 1), name)
            case _:
                return self._result(place, node, depth)

    def _result(self, place: Place, node: ast.Call, depth: int) -> Denoted:
        """What a function gives: of a class of the project an instance, which it may change."""
        of = self.of(place, node.func, depth + 1)
        match node.args:
            case [ast.Constant(value=str() as text), *_] if (
                "importlib.import_module" in of.libraries
            ):
                return self._module(text)
            case _:
                return Denoted(keys=of.keys, objects=[*of.libraries, *of.objects])


def locals_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef, index: ModuleIndex
) -> dict[str, Local]:
    """What the names are that are a function's own: assigned once, imported, or something."""
    found: dict[str, Local] = {}
    outer: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name):
                found[name] = PARAMETER
            case ast.Global(names=names):
                outer.update(names)
            case ast.Import() | ast.ImportFrom():
                origins = import_origins(
                    node, index.source.name, is_package=index.source.is_package
                )
                found.update(origins)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = UNKNOWN if name in found else value
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.setdefault(name, UNKNOWN)
            case _:
                pass
    return {name: local for name, local in found.items() if name not in outer}
