"""Finds what a piece of syntax names outside itself, and what in it can't be followed.

It does not know what those names are bound to: that is the module's index's to say.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from partflow.code.normalform import FUNCTION_NODES
from partflow.code.outside import is_outside_method, is_query, words_of
from partflow.code.syntax import children

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# In nodes: longer expressions are not written out in a report.
_SHORT: Final = 12
# Which methods and functions run SQL that may name what stands around their call.
_SQL_CALLS: Final = words_of("""
    sql query execute executemany from_query SQLContext register_globals sql_expr read_sql eval
    evaluate ols wls logit probit glm mixedlm from_formula dmatrix dmatrices
    read_database query_df
    """)


@dataclass(frozen=True, slots=True)
class Origin:
    """What an import binds: a module, or an attribute of one, which may be a module itself."""

    module: str
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, or what a local import binds, and the attributes taken of it one after the other."""

    root: str | Origin
    attributes: tuple[str, ...]
    line: int
    call: ast.Call | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a piece of syntax says besides names.

    `attributes` are the names of attributes, `texts` literals with their lines. `sites` has for
    each call of SQL the names that can be seen there and that the module does not bind.
    """

    attributes: frozenset[str] = frozenset()
    texts: tuple[tuple[int, str], ...] = ()
    sites: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class MethodCall:
    """A call of a method that reads files by its name, unless the project defines it.

    `of` is the class in which `self` has the method, or a name of the module.
    """

    line: int
    what: str
    method: str
    of: ast.ClassDef | ast.Name


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a piece of syntax refers to, and (line, what) of each thing that can't be followed."""

    references: tuple[Reference, ...]
    opaque: tuple[tuple[int, str], ...]
    sight: Sight = field(default_factory=Sight)
    methods: tuple[MethodCall, ...] = ()


class _Local(Enum):
    DEFINED = "by def, class or lambda"
    VARIABLE = "in any other way"


_Bound = _Local | Origin | str  # a str: another name for that name


@dataclass(slots=True)
class _Scope:
    names: dict[str, _Bound]
    parent: "_Scope | None"
    of_class: ast.ClassDef | None = None
    globals: set[str] = field(default_factory=set)

    def lookup(self, name: str) -> _Bound | None:
        """How `name` is bound between here and the module; None: the module's, or nobody's."""
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.globals:
                return None
            # A class body's names are not seen by its methods, and a name that it reads may still
            # be the module's (`x = x`), except an import's.
            visible = scope.of_class is None or (
                scope is self and isinstance(scope.names.get(name), Origin)
            )
            if visible and name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def visible(self) -> Iterator[str]:
        """The names that are bound between here and the module."""
        scope: _Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent

    def class_of(self, name: str) -> ast.ClassDef | None:
        """The class in one of whose methods `name` is the first parameter, as `self` is."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        is_first = scope is not None and scope.names[name] is _Local.DEFINED
        return scope.parent.of_class if scope and scope.parent and is_first else None

    def is_variable(self, name: str) -> bool:
        """Whether a call of `name` may call anything."""
        for _ in range(8):
            bound = self.lookup(name)
            if not isinstance(bound, str):
                return bound is _Local.VARIABLE
            name = bound
        return True


def import_origins(
    node: ast.Import | ast.ImportFrom, module: str, *, is_package: bool
) -> Iterator[tuple[str, Origin]]:
    """(name, what it is bound to) for each name of an import in `module`; a star's name is `*`."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or bound, Origin(bound)
        return
    origin = node.module or ""
    if node.level:
        above = module.split(".")
        above = above[: len(above) - node.level + is_package]
        origin = ".".join([*above, origin] if origin else above)
    for alias in node.names:
        yield alias.asname or alias.name, Origin(origin, alias.name)


class MentionReader:
    """Reads the mentions of syntax that stands at the top level of one module."""

    def __init__(self, module: str, *, is_package: bool) -> None:
        self._module = module
        self._is_package = is_package

    def mentions(self, roots: Iterable[ast.AST], omit: Collection[ast.AST] = ()) -> Mentions:
        """What `roots` mention, without what stands in `omit`."""
        omitted = {id(node) for node in omit}
        self._references: list[Reference] = []
        self._opaque: list[tuple[int, str]] = []
        self._methods: list[MethodCall] = []
        self._attributes: set[str] = set()
        self._texts: list[tuple[int, str]] = []
        self._sites: list[frozenset[str]] = []
        top = _Scope({}, None)
        stack: list[tuple[ast.AST, _Scope]] = [(root, top) for root in roots]
        while stack:
            node, scope = stack.pop()
            if id(node) not in omitted:
                stack.extend(self._visited(node, scope))
        self._references.sort(key=lambda reference: reference.line)
        sight = Sight(frozenset(self._attributes), tuple(self._texts), tuple(self._sites))
        opaque = tuple(sorted(set(self._opaque)))
        return Mentions(tuple(self._references), opaque, sight, tuple(self._methods))

    def _visited(self, node: ast.AST, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from self._function(node, scope)
            case ast.ClassDef():
                yield from self._class(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from self._comprehension(node, scope)
            case ast.AnnAssign():
                inner = [node.target, node.value, node.annotation if scope.of_class else None]
                yield from ((child, scope) for child in inner if child is not None)
            case ast.Call():
                yield from self._call(node, scope)
            case ast.Attribute() | ast.Name():
                yield from self._chain(node, scope, None)
            case ast.Constant(value=str() as text):
                self._texts.append((node.lineno, text))
                if is_query(text):
                    self._sites.append(frozenset(scope.visible()))
            case ast.Expr(value=ast.Constant()):  # a docstring
                pass
            case _:
                yield from ((child, scope) for child in children(node))

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default]
        decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
        yield from ((outer, scope) for outer in (*defaults, *decorators))
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        inner = self._opened(body, scope)
        parameters = _parameters(node.args)
        inner.names.update(dict.fromkeys(parameters, _Local.VARIABLE))
        if scope.of_class and parameters:
            inner.names[parameters[0]] = (
                _Local.DEFINED
            )  # `self` or `cls`: the class is being read anyway
        yield from ((statement, inner) for statement in body)

    def _class(self, node: ast.ClassDef, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
        yield from ((outer, scope) for outer in (*node.decorator_list, *node.bases, *node.keywords))
        inner = self._opened(node.body, scope)
        inner.of_class = node
        yield from ((statement, inner) for statement in node.body)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        # In a class body only the first iterable sees the class's names.
        inner = self._opened([generator.target for generator in node.generators], scope)
        first, *others = node.generators
        yield first.iter, scope
        yield from ((condition, inner) for condition in (first.target, *first.ifs))
        yield from ((generator, inner) for generator in others)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        yield from ((result, inner) for result in results)

    def _opened(self, body: Iterable[ast.AST], parent: _Scope) -> _Scope:
        scope = _Scope({}, parent)
        elsewhere: set[str] = set()
        for name, bound in self._bindings(body, scope.globals, elsewhere):
            aliased = scope.names.get(name, bound) == bound and bound != name
            scope.names[name] = bound if aliased else _Local.VARIABLE
        for name in scope.globals | elsewhere:
            scope.names.pop(name, None)
        return scope

    def _bindings(
        self, body: Iterable[ast.AST], outer: set[str], enclosing: set[str]
    ) -> Iterator[tuple[str, _Bound]]:
        stack = list(body)
        while stack:
            node = stack.pop()
            match node:
                case ast.Import() | ast.ImportFrom():
                    yield from import_origins(node, self._module, is_package=self._is_package)
                case ast.Global(names=names):
                    outer.update(names)
                case ast.Nonlocal(names=names):
                    enclosing.update(names)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                    yield name, other
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() | ast.Attribute()):
                    yield name, _Local.DEFINED
                case _:
                    yield from ((name, _how(node)) for name in bound_names(node))
                    stack.extend(same_scope(node))

    def _call(self, node: ast.Call, scope: _Scope) -> Iterator[tuple[ast.AST, _Scope]]:
        match node.func:
            case ast.Name(id=name) if scope.is_variable(name):
                self._opaque.append((node.lineno, f"a call through the variable {name!r}"))
            case ast.Subscript(value=value):
                self._opaque.append((node.lineno, f"a call of what '{_written(value)}[...]' holds"))
            case ast.Attribute(value=value, attr=attr):
                of_anything = not _is_module_name(value, scope)
                if is_outside_method(attr, node, of_anything=of_anything):
                    what = f"{_written(value)}.{attr}(...)"
                    of = _owner(value, scope)
                    if of is None:
                        self._opaque.append((node.lineno, what))
                    else:
                        self._methods.append(MethodCall(node.lineno, what, attr, of))
            case _:
                pass
        if called_name(node.func) in _SQL_CALLS:
            self._sites.append(frozenset(scope.visible()))
        if isinstance(node.func, ast.Name | ast.Attribute):
            yield from self._chain(node.func, scope, node)
        else:
            yield node.func, scope
        yield from ((argument, scope) for argument in (*node.args, *node.keywords))

    def _chain(
        self, node: ast.Attribute | ast.Name, scope: _Scope, call: ast.Call | None
    ) -> Iterator[tuple[ast.AST, _Scope]]:
        attributes: list[str] = []
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            attributes.append(root.attr)
            root = root.value
        self._attributes.update(attributes)
        if not isinstance(root, ast.Name):
            yield root, scope
            return
        bound = scope.lookup(root.id)
        if bound is None or isinstance(bound, Origin):
            start = root.id if bound is None else bound
            chain = tuple(reversed(attributes))
            self._references.append(Reference(start, chain, node.lineno, call))


def same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The children of `node` that bind names in the scope that it stands in."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for child in children(node):
                if isinstance(child, ast.comprehension):
                    yield from (child.iter, *child.ifs)
                else:
                    yield child
        case ast.AnnAssign():
            yield node.target
            if node.value is not None:
                yield node.value
        case _:
            yield from children(node)


def bound_names(node: ast.AST) -> Iterator[str]:
    """The names that this very node binds or unbinds, its children apart."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
            yield name
        case ast.MatchStar(name=str() as name) | ast.MatchMapping(rest=str() as name):
            yield name
        case _:
            pass


def root_name(node: ast.expr) -> str | None:
    """`X` of `X`, `X.a`, `X["k"].b` and `*X`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def called_name(node: ast.expr) -> str | None:
    """`f` of the function `f` and of the method `x.f`."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return None


def _is_module_name(node: ast.expr, scope: _Scope) -> bool:
    """Whether a chain begins with a name that the module or an import may bind: for others."""
    name = root_name(node)
    return name is not None and (
        scope.lookup(name) is None or isinstance(scope.lookup(name), Origin)
    )


def _owner(node: ast.expr, scope: _Scope) -> ast.ClassDef | ast.Name | None:
    """The class that `self` is of, or a name of the module; None for anything else."""
    if not isinstance(node, ast.Name):
        return None
    return scope.class_of(node.id) or (node if scope.lookup(node.id) is None else None)


def _how(node: ast.AST) -> _Local:
    defined = isinstance(node, (*FUNCTION_NODES, ast.ClassDef))
    return _Local.DEFINED if defined else _Local.VARIABLE


def _parameters(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    others = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [argument.arg for argument in (*plain, *others)]


def _written(node: ast.expr) -> str:
    depth = sum(1 for _ in ast.walk(node))
    return ast.unparse(node) if depth <= _SHORT else "(...)"
