"""Finds the statements of a project that change something elsewhere: a module, a library.

Those that change names of their own module are in its index. It does not know what a task reaches.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from partflow.code.denoted import Denoted, Denoter, Local, Spot, locals_of
from partflow.code.index import ModuleIndex, Unit, executed
from partflow.code.normalform import FUNCTION_NODES
from partflow.code.outside import words_of
from partflow.code.reach import Key, Reach
from partflow.code.syntax import statements_in, walk
from partflow.code.touches import (
    CHANGING,
    HARMLESS,
    REGISTERING,
    Kind,
    Touch,
    begins,
    by_library,
    changed_by_library,
    is_shared,
    only_speaks,
    special_uses,
    top_of,
)

_SETTERS: Final = words_of("__setattr__ __delattr__")
_MAKING: Final = words_of("__init__ __new__ __post_init__ __prepare__")
"""The methods that run when an instance is made, or a class by its metaclass."""
_HOOKS: Final = words_of("__init_subclass__")


@dataclass(frozen=True, slots=True)
class Change:
    """A statement of a module that changes something elsewhere."""

    index: ModuleIndex
    unit: Unit


_Function = tuple[ModuleIndex, ast.AST]
"""A function or lambda, and the module that it stands in."""


@dataclass(frozen=True, slots=True)
class _Summary:
    """What calling a function changes, and whether it changes its arguments."""

    touches: frozenset[Touch] = frozenset()
    changes_arguments: bool = False


@dataclass(slots=True)
class Changes:
    """The changes that importing a project's modules makes, by what they change.

    `classes` has for each class those that derive from it; `callers` are functions that would
    change a name of another module if they were called: (the function, its place, the name).
    """

    of: dict[Kind, dict[Key | str, list[Change]]] = field(default_factory=dict)
    classes: dict[Key, list[Key]] = field(default_factory=dict)
    callers: list[tuple[Key, str, Key]] = field(default_factory=list)


class ChangeReader:
    """Reads the statements of the modules of one project."""

    def __init__(self, reach: Reach, modules: Iterable[ModuleIndex]) -> None:
        self._reach = reach
        self._denoter = Denoter(reach)
        self._modules = list(modules)
        self._summaries: dict[int, _Summary] = {}
        self._readers: dict[int, dict[int, _Function]] = {}
        self._unread: list[_Function] = []
        self._reading: _Function | None = None
        self._methods: dict[str, list[_Function]] | None = None
        self._own: dict[str, dict[int, set[str]]] = {}

    def read(self) -> Changes:
        """Read all changes; those of one name are in the order of modules and lines."""
        changes = Changes()
        for index in self._modules:
            for unit in index.statements:
                for kind, what in self._followed(self._touches_of(index, unit, changes)):
                    if not self._is_known(index, unit, (kind, what)):
                        alike = changes.of.setdefault(kind, {}).setdefault(what, [])
                        alike.append(Change(index, unit))
            for name in index.reaching:
                self._callers(index, name, changes)
        return changes

    def _is_known(self, index: ModuleIndex, unit: Unit, touch: Touch) -> bool:
        """Whether the index of the module itself lists the statement under that name."""
        kind, what = touch
        if kind is not Kind.NAME or what[0] != index.source.name:
            return False
        if index.source.name not in self._own:
            names = self._own[index.source.name] = {}
            for name, units in index.units.items():
                for each in units:
                    names.setdefault(id(each.node), set()).add(name)
        return what[1] in self._own[index.source.name].get(id(unit.node), ())

    def _followed(self, touches: Iterable[Touch]) -> Iterator[Touch]:
        """Each change once, with those that called functions make, and the ones that these call."""
        queue, seen = list(dict.fromkeys(touches)), set[Touch]()
        while queue:
            touch = queue.pop(0)
            if touch in seen:
                continue
            seen.add(touch)
            match touch:
                case Kind.CALL, tuple() as key:
                    queue += sorted(self._summary_of(key).touches, key=str)
                case Kind.DERIVING, tuple() as key:
                    queue += sorted(self._hooks(key, _HOOKS, frozenset()), key=str)
                case Kind.METHOD, str() as method:
                    for index, function in self._of_methods().get(method, ()):
                        queue += sorted(self._summary(index, function).touches, key=str)
                case _:
                    yield touch

    def _callers(self, index: ModuleIndex, name: str, changes: Changes) -> None:
        for unit in index.units.get(name, ()):
            if isinstance(unit.node, FUNCTION_NODES):
                place = f"{index.source.path}:{unit.node.lineno}"
                for kind, what in sorted(self._summary(index, unit.node).touches, key=str):
                    if kind is Kind.NAME and isinstance(what, tuple):
                        changes.callers.append(((index.source.name, name), place, what))

    # What runs when a module is imported

    def _touches_of(self, index: ModuleIndex, unit: Unit, changes: Changes) -> Iterator[Touch]:
        place = Spot(index)
        self._note_classes(index, unit.node, changes)
        for node, is_statement in executed(unit.node):
            yield from self._special(place, node)
            match node:
                case ast.Call():
                    yield from self._call(place, node, is_statement=is_statement, at_top=True)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    for decorator in node.decorator_list:
                        yield from self._decorator(place, decorator)
                    if isinstance(node, ast.ClassDef):
                        yield from self._class(place, node)
                case ast.Attribute(value=value, attr=attr) if attr in CHANGING:
                    # Handed on, it may be called: `list(map(STEPS.append, more))`.
                    yield from ((Kind.NAME, key) for key in self._denoter.of(place, value).keys)
                case ast.Global(names=names) if node is not unit.node:
                    # In the body of a class.
                    yield from ((Kind.NAME, (index.source.name, name)) for name in names)
                case ast.NamedExpr(target=target):
                    # In the test of an `if`: within a statement, the index of the module counts it.
                    yield Kind.NAME, (index.source.name, target.id)
                case _:
                    yield from self._assigned(place, node)

    def _assigned(self, place: Spot, node: ast.AST) -> Iterator[Touch]:
        """What an assignment or `del` changes besides the names that it binds."""
        match node:
            case ast.AugAssign(target=ast.Name() as target):
                # `RATES |= ...` changes what another module has under its own name, too.
                name = ast.Name(target.id, ast.Load())
                yield from _names(self._denoter.of(place, name))
            case ast.Assign(targets=targets, value=value):
                for each in targets:
                    yield from self._target(place, each, value)
            case (
                ast.AnnAssign(target=target, value=value)
                | ast.AugAssign(target=target, value=value)
            ):
                yield from self._target(place, target, value)
            case (
                ast.For(target=target)
                | ast.AsyncFor(target=target)
                | ast.withitem(optional_vars=ast.expr() as target)
            ):
                yield from self._target(place, target, None)
            case ast.Delete(targets=targets):
                for each in targets:
                    yield from self._target(place, each, None)
            case _:
                pass

    def _target(self, place: Spot, target: ast.expr, value: ast.expr | None) -> Iterator[Touch]:
        match target:
            case ast.Tuple(elts=inner) | ast.List(elts=inner):
                for each in inner:
                    yield from self._target(place, each, None)
            case ast.Starred(value=inner):
                yield from self._target(place, inner, None)
            case ast.Attribute(value=owner, attr=attr):
                of = self._denoter.of(place, owner)
                if attr == "__class__":
                    yield from ((Kind.MODULE, module) for module in of.modules)
                yield from _names(self._denoter.of(place, target))
                yield from self._of_library(place, of, attr, value)
            case ast.Subscript(value=owner):
                of = self._denoter.of(place, owner)
                is_written = isinstance(target.slice, ast.Constant)
                if of.namespaces and not is_written:
                    yield from ((Kind.MODULE, module) for module in of.namespaces)
                elif "sys.modules" in of.libraries:
                    whole = self._denoter.of(place, target)
                    yield from ((Kind.MODULE, module) for module in whole.modules)
                else:
                    yield from _names(self._denoter.of(place, target))
                    yield from self._of_library(place, of, None, value)
            case _:
                pass

    def _of_library(
        self, place: Spot, of: Denoted, attr: str | None, value: ast.expr | None
    ) -> Iterator[Touch]:
        """What setting an attribute or an item of an object of a library changes."""
        if attr is not None and value is not None and of.libraries and self._is_code(place, value):
            yield Kind.WORD, attr
            return
        for name in (*of.libraries, *(each for each in of.objects if is_shared(each))):
            if top_of(name) not in HARMLESS:
                yield Kind.LIBRARY, top_of(name)

    def _is_code(self, place: Spot, value: ast.expr) -> bool:
        if isinstance(value, ast.Lambda):
            return True
        keys = self._denoter.of(place, value).keys
        units = (unit for key in keys for unit in self._denoter.units(key))
        return any(isinstance(unit.node, (*FUNCTION_NODES, ast.ClassDef)) for unit in units)

    # Calls

    def _call(
        self, place: Spot, call: ast.Call, *, is_statement: bool, at_top: bool
    ) -> Iterator[Touch]:
        function = call.func
        if isinstance(function, ast.Name) and place.is_builtin(function.id):
            yield from self._builtin(place, call, function.id, at_top=at_top)
            return
        loosely = is_statement and at_top
        if isinstance(function, ast.Attribute):
            yield from self._method(place, call, function, at_top=at_top, loosely=is_statement)
        of = self._denoter.of(place, function)
        yield from ((Kind.CALL, key) for key in of.keys if self._is_code_of(key))
        if not all(map(self._is_code_of, of.keys)):
            yield from self._by_methods(place, function, ("__call__",))
        yield from self._handed_on(place, call, of, at_top=at_top)
        for argument in (each for name in of.libraries for each in changed_by_library(name, call)):
            yield from _names(self._denoter.of(place, argument))
        changes = bool(call.args or call.keywords) and any(map(self._changes_arguments, of.keys))
        for argument in _arguments(call) if loosely or changes else ():
            yield from self._changed_argument(place, argument, by_code=changes)
        for name in of.libraries:
            yield from by_library(name, call, loosely=loosely)
        for name in of.objects:
            yield from by_library(f"{name}.{_last(function)}", call, loosely=False, of_object=True)

    def _handed_on(
        self, place: Spot, call: ast.Call, of: Denoted, *, at_top: bool
    ) -> Iterator[Touch]:
        """What the functions and lambdas change that a function of the project is handed."""
        given = [call.func, *call.args, *(keyword.value for keyword in call.keywords)]
        for each in given if at_top else ():
            if isinstance(each, ast.Lambda):
                yield from self._summary(place.index, each).touches
        for argument in _arguments(call) if any(map(self._is_code_of, of.keys)) else ():
            keys = self._denoter.of(place, argument).keys
            yield from ((Kind.CALL, key) for key in keys if self._is_code_of(key))

    def _special(self, place: Spot, node: ast.AST) -> Iterator[Touch]:
        """What special methods change that run without a call: operators, `with`, items."""
        for owner, methods in special_uses(node):
            yield from self._by_methods(place, owner, methods)

    def _by_methods(
        self, place: Spot, owner: ast.expr, methods: tuple[str, ...]
    ) -> Iterator[Touch]:
        known = [method for method in methods if method in self._of_methods()]
        of = self._denoter.of(place, owner) if known else Denoted()
        if of.keys or of.parameters:
            yield from ((Kind.METHOD, method) for method in known)
        if any(self._changes_its_own(method, of) for method in known):
            yield from ((Kind.NAME, key) for key in of.keys)

    def _changed_argument(
        self, place: Spot, argument: ast.expr, *, by_code: bool
    ) -> Iterator[Touch]:
        of = self._denoter.of(place, argument)
        # Of a module that a function of the project changes, no name is written out.
        yield from ((Kind.MODULE, module) for module in (of.modules if by_code else ()))
        for key in of.keys:
            units = self._denoter.units(key)
            # A function that is handed on is called, not changed.
            if not units or not all(isinstance(unit.node, FUNCTION_NODES) for unit in units):
                yield Kind.NAME, key

    def _builtin(self, place: Spot, call: ast.Call, name: str, *, at_top: bool) -> Iterator[Touch]:
        match name, call.args:
            case "setattr" | "delattr", [owner, ast.Constant(value=str() as attr), *rest]:
                target = ast.Attribute(owner, attr, ast.Store())
                yield from self._target(place, target, rest[0] if rest else None)
            case "setattr" | "delattr", [owner, *_]:
                of = self._denoter.of(place, owner)
                yield from _names(of)
                yield from ((Kind.MODULE, module) for module in of.modules)
            case "type", [_, ast.Tuple(elts=bases), _]:
                keys = (key for base in bases for key in self._denoter.of(place, base).keys)
                yield from ((Kind.DERIVING, key) for key in keys)
            case "exec" | "eval", [_, within, *_]:
                yield from _names(self._denoter.of(place, within))
            case "exec", [_] if at_top or not place.names:
                yield Kind.MODULE, place.index.source.name
            case _:
                pass

    def _method(
        self,
        place: Spot,
        call: ast.Call,
        function: ast.Attribute,
        *,
        at_top: bool,
        loosely: bool,
    ) -> Iterator[Touch]:
        of = self._denoter.of(place, function.value)
        is_changing = function.attr in CHANGING or begins(function.attr, REGISTERING)
        if of.namespaces and function.attr in CHANGING:
            names = _written_keys(call)
            for module in of.namespaces:
                yield from (
                    [(Kind.MODULE, module)]
                    if names is None
                    else ((Kind.NAME, (module, name)) for name in names)
                )
            return
        if loosely or is_changing or (at_top and self._changes_its_own(function.attr, of)):
            speaks = only_speaks([*of.libraries, *of.objects])
            yield from ((Kind.NAME, key) for key in of.keys if not speaks)
        if function.attr in _SETTERS:
            # `consts.__setattr__("X", 1)`, `object.__setattr__(consts, "X", 1)`
            owner = [] if of.keys or of.modules else [*call.args[:1]]
            arguments = [*(owner or [function.value]), *call.args[len(owner) :]]
            told = ast.Call(ast.Name("setattr"), arguments, [])
            yield from self._builtin(place, told, "setattr", at_top=True)
        if of.keys or of.parameters:
            yield Kind.METHOD, function.attr

    def _changes_its_own(self, method: str, of: Denoted) -> bool:
        """Whether a method of that name may change what it is called on.

        Of what came out of a library, and of no class of the project, no method is known.
        """
        classes = (unit.node for key in of.keys for unit in self._denoter.units(key))
        if of.objects and not any(isinstance(node, ast.ClassDef) for node in classes):
            return False
        functions = self._of_methods().get(method, ())
        return any(self._summary(*function).changes_arguments for function in functions)

    def _of_methods(self) -> dict[str, list[_Function]]:
        """The methods of all classes of the project, by their names."""
        if self._methods is None:
            self._methods = {}
            for index in self._modules:
                for unit in index.statements:
                    if isinstance(unit.node, ast.ClassDef):
                        for node in unit.node.body:
                            if isinstance(node, FUNCTION_NODES):
                                self._methods.setdefault(node.name, []).append((index, node))
        return self._methods

    def _decorator(self, place: Spot, decorator: ast.expr) -> Iterator[Touch]:
        """What a decorator changes: whatever calling it does, and `x` if it is `@x.add`."""
        call = decorator if isinstance(decorator, ast.Call) else None
        function = call.func if call else decorator
        of = self._denoter.of(place, function)
        if isinstance(function, ast.Attribute):
            owner = self._denoter.of(place, function.value)
            yield from ((Kind.NAME, key) for key in owner.keys)
            if owner.keys:
                yield Kind.METHOD, function.attr
        yield from self._by_methods(place, function, ("__call__",))
        for key in of.keys:
            yield Kind.CALL, key
            if any(isinstance(unit.node, ast.Assign) for unit in self._denoter.units(key)):
                yield Kind.NAME, key
        for name in of.libraries:
            if any(word in name.lower() for word in REGISTERING):
                yield from by_library(name, call or ast.Call(function, [], []), loosely=True)

    def _note_classes(self, index: ModuleIndex, statement: ast.stmt, changes: Changes) -> None:
        """Note a class, wherever it is defined, as a subclass of each of its bases."""
        place = Spot(index)
        outer = statement.name if isinstance(statement, (*FUNCTION_NODES, ast.ClassDef)) else None
        for node in statements_in(statement):
            if isinstance(node, ast.ClassDef):
                own = (index.source.name, outer or node.name)
                for key in (k for base in node.bases for k in self._denoter.of(place, base).keys):
                    if own not in changes.classes.setdefault(key, []):
                        changes.classes[key].append(own)

    def _class(self, place: Spot, node: ast.ClassDef) -> Iterator[Touch]:
        """What the hooks of its bases and of its metaclass change when a class is made."""
        for base in node.bases:
            yield from ((Kind.DERIVING, key) for key in self._denoter.of(place, base).keys)
        for metaclass in _metaclasses(node):
            for key in self._denoter.of(place, metaclass).keys:
                yield from self._hooks(key, _MAKING, frozenset())

    def _hooks(self, key: Key, methods: frozenset[str], seen: frozenset[Key]) -> Iterator[Touch]:
        """What the hooks of a class and of its bases change when another class derives from it."""
        index = self._reach.index(key[0])
        if key in seen or index is None:
            return
        seen |= {key}
        for node in (unit.node for unit in self._denoter.units(key)):
            if not isinstance(node, ast.ClassDef):
                continue
            for inner in node.body:
                if isinstance(inner, FUNCTION_NODES) and inner.name in methods:
                    yield Kind.NAME, key
                    yield from self._summary(index, inner).touches
            above = [(base, methods) for base in node.bases]
            above += [(metaclass, _MAKING) for metaclass in _metaclasses(node)]
            for expression, hooks in above:
                for other in self._denoter.of(Spot(index), expression).keys:
                    yield from self._hooks(other, hooks, seen)

    # Functions

    def _summary_of(self, key: Key) -> _Summary:
        """What calling a function, or making an instance of a class, changes by itself."""
        index, summary = self._reach.index(key[0]), _Summary()
        for node in self._code(key) if index else ():
            other = self._summary(index, node) if index else summary
            summary = _Summary(
                summary.touches | other.touches,
                summary.changes_arguments or other.changes_arguments,
            )
        return summary

    def _code(self, key: Key) -> Iterator[ast.AST]:
        """The functions that a call of a name may run."""
        for unit in self._denoter.units(key):
            node = unit.node
            if isinstance(node, FUNCTION_NODES):
                yield node
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                yield node.value
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, FUNCTION_NODES) and inner.name in _MAKING:
                        yield inner

    def _is_code_of(self, key: Key) -> bool:
        return next(self._code(key), None) is not None

    def _changes_arguments(self, key: Key) -> bool:
        return self._is_code_of(key) and self._summary_of(key).changes_arguments

    def _summary(self, index: ModuleIndex, function: ast.AST) -> _Summary:
        """What calling a function changes.

        While another function is being read, this is only what is known so far; the other one is
        read again when more is known. So functions may call each other in circles and to any depth.
        """
        if self._reading is not None:
            readers = self._readers.setdefault(id(function), {})
            readers[id(self._reading[1])] = self._reading
        if id(function) not in self._summaries:
            self._summaries[id(function)] = _Summary()
            self._unread.append((index, function))
        while self._unread and self._reading is None:
            self._read_function(self._unread.pop())
        return self._summaries[id(function)]

    def _read_function(self, given: _Function) -> None:
        index, function = self._reading = given
        if isinstance(function, (*FUNCTION_NODES, ast.Lambda)):
            before = self._summaries[id(function)]
            summary = self._summaries[id(function)] = self._summarised(index, function)
            if summary.changes_arguments != before.changes_arguments:
                self._unread += self._readers.get(id(function), {}).values()
        self._reading = None

    def _summarised(
        self, index: ModuleIndex, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    ) -> _Summary:
        names: dict[str, Local] = locals_of(function, index)
        place, touches, changed = Spot(index, names), set[Touch](), False
        outer = {name for n in walk(function) if isinstance(n, ast.Global) for name in n.names}
        for node, is_statement in _whole(function):
            touches.update(self._special(place, node))
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in outer:
                    touches.add((Kind.NAME, (index.source.name, name)))
                case ast.Call(func=called):
                    touches.update(self._call(place, node, is_statement=is_statement, at_top=False))
                    changed |= self._changes_parameters(place, node, called)
                case ast.ClassDef(bases=bases):
                    keys = [key for base in bases for key in self._denoter.of(place, base).keys]
                    touches.update((Kind.DERIVING, key) for key in keys)
                case (
                    ast.Attribute(ctx=ast.Store() | ast.Del())
                    | ast.Subscript(ctx=ast.Store() | ast.Del())
                ):
                    changed |= bool(self._denoter.of(place, node.value).parameters)
                case _:
                    touches.update(self._assigned(place, node))
        return _Summary(frozenset(touches), changed)

    def _changes_parameters(self, place: Spot, call: ast.Call, called: ast.expr) -> bool:
        """Whether a call within a function changes what that function was handed."""
        match called:
            case ast.Attribute(value=value, attr=attr) if attr in CHANGING:
                changed = [value]
            case ast.Name(id="setattr" | "delattr"):
                changed = call.args[:1]
            case _:
                of = self._denoter.of(place, called)
                by_code = any(map(self._changes_arguments, of.keys))
                changed = list(_arguments(call)) if by_code else []
                changed += [a for name in of.libraries for a in changed_by_library(name, call)]
        return any(self._denoter.of(place, each).parameters for each in changed)


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are names, attributes or items, which a call may change."""
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(argument, ast.Name | ast.Attribute | ast.Subscript | ast.Starred):
            yield argument


def _metaclasses(node: ast.ClassDef) -> list[ast.expr]:
    return [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]


def _names(of: Denoted) -> Iterator[Touch]:
    yield from ((Kind.NAME, key) for key in of.keys)
    yield from ((Kind.MODULE, module) for module in of.namespaces)


def _whole(
    function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes of a function's body, each with whether it is an expression that is a statement."""
    alone = set[int]()
    for statement in [function.body] if isinstance(function, ast.Lambda) else function.body:
        for node in walk(statement):
            if isinstance(node, ast.Expr):
                alone.add(id(node.value))
            yield node, id(node) in alone


def _written_keys(call: ast.Call) -> list[str] | None:
    """The names that `update(...)` of a namespace sets; None if they are not written out."""
    names: list[str] = []
    for argument in call.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return [argument.value]  # setdefault, pop and __setitem__
        if not isinstance(argument, ast.Dict):
            return None
        for key in argument.keys:
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                return None
            names.append(key.value)
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    return names + [keyword.arg for keyword in call.keywords if keyword.arg]


def _last(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else ""
