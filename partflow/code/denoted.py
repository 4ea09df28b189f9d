"""Says what an expression stands for, as far as that can be told without running it.

Names and modules of the project, dotted names of libraries, parameters of the function that it is
in. It does not know what is done with them.
"""

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from partflow.code.index import ModuleIndex, Unit
from partflow.code.mentions import Origin, bound_names, import_origins
from partflow.code.normalform import FUNCTION_NODES
from partflow.code.reach import Key, Reach
from partflow.code.syntax import walk

PARAMETER: Final = "a parameter"
UNKNOWN: Final = "some value"

Local = ast.expr | Origin | str
"""What a function's own name is: what it was assigned, what it imports, PARAMETER or UNKNOWN."""

_DEPTH: Final = 8
_NAMES_DEEP: Final = 50
"""A chain of names for names (`a = b`, `b = c`) is followed for so many of them."""
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
        """Add what the other one may stand for, without repeating anything."""
        # New lists: those that were there may be another's as well.
        self.keys = list(dict.fromkeys([*self.keys, *other.keys]))
        self.modules = list(dict.fromkeys([*self.modules, *other.modules]))
        self.namespaces = list(dict.fromkeys([*self.namespaces, *other.namespaces]))
        self.libraries = list(dict.fromkeys([*self.libraries, *other.libraries]))
        self.objects = list(dict.fromkeys([*self.objects, *other.objects]))
        self.parameters = list(dict.fromkeys([*self.parameters, *other.parameters]))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an expression stands: the module, and the local names of the function around it."""

    index: ModuleIndex
    names: Mapping[str, Local] = field(default_factory=dict)

    def is_builtin(self, name: str) -> bool:
        """Whether a name is Python's own here."""
        if name in self.names or not hasattr(builtins, name):
            return False
        # `object.__setattr__(...)` changes what it is called on, and does not bind it.
        units = self.index.units.get(name, ())
        return not any(unit.origin or name in _bound_by(unit.node) for unit in units)


class Denoter:
    """Tells what expressions in the modules of one project stand for."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._known: dict[Key, Denoted] = {}
        self._given: dict[Key, tuple[tuple[Spot, ast.expr], ...]] = {}
        self._results: dict[Key, tuple[tuple[Spot, ast.expr], ...]] = {}
        self._asked: set[Key] = set()
        self._depth = 0
        self._is_cut = False

    def of(self, place: Spot, node: ast.expr, depth: int = 0) -> Denoted:
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
        """The statements of a name, without imports."""
        index = self._reach.index(key[0])
        units = index.units.get(key[1], ()) if index else ()
        return tuple(unit for unit in units if unit.origin is None)

    def _any(self, place: Spot, node: ast.expr, depth: int) -> Denoted:
        """What any of the alternatives of `a if b else c`, `a or b` may stand for."""
        nodes = [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
        nodes = node.values if isinstance(node, ast.BoolOp) else nodes
        denoted = Denoted()
        for each in nodes:
            denoted.add(self.of(place, each, depth + 1))
        return denoted

    def _name(self, place: Spot, name: str, depth: int) -> Denoted:
        local = place.names.get(name)
        match local:
            case None if place.is_builtin(name):
                return Denoted()
            case None:
                return self._of_module(place.index.source.name, name, depth)
            case Origin():
                return self._origin(local, depth)
            case ast.expr():
                others = {n: v for n, v in place.names.items() if n != name}
                return self.of(Spot(place.index, others), local, depth + 1)
            case _:
                return Denoted(parameters=[name] if local == PARAMETER else [])

    def _origin(self, origin: Origin, depth: int) -> Denoted:
        if self._reach.index(origin.module) is None:
            return Denoted(libraries=[".".join(filter(None, (origin.module, origin.attribute)))])
        if origin.attribute is None:
            return Denoted(modules=[origin.module])
        return self._of_module(origin.module, origin.attribute, depth)

    def _of_module(self, module: str, name: str, depth: int) -> Denoted:
        """What a name of a module may stand for: itself, and the names that it is assigned from.

        For one answer each name is looked at once, though it may be assigned from itself
        (`frame = frame.filter(...)`). So the work grows with the number of statements.
        """
        key = (module, name)
        if key in self._known:
            return self._known[key]
        if key in self._asked or self._depth == _NAMES_DEEP:
            self._is_cut = True
            return Denoted(keys=[key] if self.units(key) else [])
        self._asked.add(key)
        self._depth += 1
        denoted = self._of_name(module, name, depth)
        self._depth -= 1
        if not self._depth:
            self._asked.clear()
        if not self._is_cut or not self._depth:
            self._known[key] = denoted
        self._is_cut &= bool(self._depth)
        return denoted

    def _of_name(self, module: str, name: str, depth: int) -> Denoted:
        leads = self._reach.leads(module, name)
        index = self._reach.index(module)
        if leads.modules or (index and self._is_below(index, name)):
            return Denoted(modules=leads.modules or [f"{module}.{name}"])
        keys = [key for key in leads.keys if self.units(key)] or leads.unbound[-1:]
        denoted = Denoted(keys, libraries=leads.libraries)
        for key in keys:
            for place, value in self._values(key) if depth < _DEPTH else ():
                denoted.add(self.of(place, value, depth + 1))
        return denoted

    def _values(self, key: Key) -> tuple[tuple[Spot, ast.expr], ...]:
        """What a name is given, wherever its module does so."""
        if key not in self._given:
            home = self._reach.index(key[0])
            values = (value for unit in self.units(key) for value in _given_to(unit.node, key[1]))
            self._given[key] = tuple((Spot(home), value) for value in values if home)
        return self._given[key]

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
        denoted = Denoted(
            keys=of.keys,
            libraries=[f"{name}.{attr}" for name in of.libraries],
            objects=of.objects,
            parameters=of.parameters,
        )
        for module in of.modules:
            denoted.add(self._of_module(module, attr, 0))
        return denoted

    def _item(self, place: Spot, of: Denoted, at: ast.expr) -> Denoted:
        match at:
            case ast.Constant(value=str() as text) if of.namespaces:
                denoted = Denoted()
                for module in of.namespaces:
                    denoted.add(self._of_module(module, text, 0))
                return denoted
            case ast.Constant(value=str() as text) if "sys.modules" in of.libraries:
                return self._module(text)
            case ast.Name(id="__name__") if "sys.modules" in of.libraries:
                return self._module(place.index.source.name)
            case _:
                return of

    def _module(self, name: str) -> Denoted:
        is_own = self._reach.index(name) is not None
        return Denoted(modules=[name]) if is_own else Denoted(libraries=[name])

    def _call(self, place: Spot, node: ast.Call, depth: int) -> Denoted:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[]) if (
                name in _NAMESPACES and place.is_builtin(name)
            ):
                return Denoted(namespaces=[place.index.source.name])
            case ast.Call(func=ast.Name(id="vars"), args=[of]) if place.is_builtin("vars"):
                return self._attribute(self.of(place, of, depth + 1), "__dict__")
            case ast.Call(func=ast.Name(id="type"), args=[of]) if place.is_builtin("type"):
                return self.of(place, of, depth + 1)
            case ast.Call(
                func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str() as name), *_]
            ) if place.is_builtin("getattr"):
                return self._attribute(self.of(place, of, depth + 1), name)
            case _:
                return self._result(place, node, depth)

    def _result(self, place: Spot, node: ast.Call, depth: int) -> Denoted:
        """What a call gives: for a class of the project an instance, which stands for the class."""
        of = self.of(place, node.func, depth + 1)
        match node.args:
            case [ast.Constant(value=str() as text), *_] if (
                "importlib.import_module" in of.libraries
            ):
                return self._module(text)
            case _:
                denoted = Denoted(keys=of.keys, objects=[*of.libraries, *of.objects])
        for home, value in (each for key in of.keys for each in self._given_back(key)):
            denoted.add(self.of(home, value, depth + 1))
        passes_on = any(name.startswith("contextlib.") for name in of.libraries)
        for argument in node.args if of.keys or passes_on else ():
            # A function of the project may give back what it is handed.
            if isinstance(argument, ast.Name | ast.Attribute | ast.Subscript):
                denoted.add(self.of(place, argument, depth + 1))
        return denoted

    def _given_back(self, key: Key) -> tuple[tuple[Spot, ast.expr], ...]:
        """The names that a function of the project gives back, or yields."""
        if key not in self._results:
            self._results[key] = tuple(self._read_results(key))
        return self._results[key]

    def _read_results(self, key: Key) -> Iterator[tuple[Spot, ast.expr]]:
        index = self._reach.index(key[0])
        for node in (unit.node for unit in self.units(key)) if index else ():
            value = getattr(node, "value", None)
            function = value if isinstance(value, ast.Lambda) else node
            if index and isinstance(function, (*FUNCTION_NODES, ast.Lambda)):
                place = Spot(index, locals_of(function, index))
                yield from ((place, each) for each in _results_of(function))


def _results_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
) -> Iterator[ast.expr]:
    """The names, attributes and items that a function returns or yields: others may hold them."""
    values = [function.body] if isinstance(function, ast.Lambda) else []
    given = (node for node in walk(function) if isinstance(node, ast.Return | ast.Yield))
    values += [node.value for node in given if node.value is not None]
    for value in values:
        if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
            yield value


def _given_to(statement: ast.stmt, name: str) -> Iterator[ast.expr]:
    """The expressions that a statement assigns to a name, or unpacks or iterates into it."""
    if isinstance(statement, (*FUNCTION_NODES, ast.ClassDef)):
        return
    for node in walk(statement):
        match node:
            case ast.Assign(targets=targets, value=value) if any(
                name in _bound_in(target) for target in targets
            ):
                yield from _parts(value)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
            ) if name in _bound_in(target):
                yield from _parts(value)
            case _:
                pass


def _bound_by(statement: ast.stmt) -> set[str]:
    return {name for node in walk(statement) for name in bound_names(node)}


def _bound_in(target: ast.expr) -> set[str]:
    """The names that an assignment to `target` binds, and not those whose parts it sets."""
    match target:
        case ast.Name(id=name):
            return {name}
        case ast.Tuple(elts=inner) | ast.List(elts=inner):
            return set().union(*map(_bound_in, inner))
        case ast.Starred(value=inner):
            return _bound_in(inner)
        case _:
            return set()


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """The value, or the items of a list, tuple or set that is written out."""
    match value:
        case ast.Tuple(elts=inner) | ast.List(elts=inner) | ast.Set(elts=inner):
            for each in inner:
                yield from _parts(each)
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call() | ast.IfExp():
            yield value
        case _:
            pass


def locals_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, index: ModuleIndex
) -> dict[str, Local]:
    """The local names of a function: what each is assigned or imports; UNKNOWN if it is several."""
    names: dict[str, Local] = {}
    outer: set[str] = set()
    for node in walk(function):
        match node:
            case ast.arg(arg=name):
                names[name] = PARAMETER
            case ast.Global(names=outside):
                outer.update(outside)
            case ast.Import() | ast.ImportFrom():
                origins = import_origins(
                    node, index.source.name, is_package=index.source.is_package
                )
                names.update(origins)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = UNKNOWN if name in names else value
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.setdefault(name, UNKNOWN)
            case _:
                pass
    return {name: local for name, local in names.items() if name not in outer}
