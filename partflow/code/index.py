"""The index of one module's text: which top-level statements bind or change each of its names.

It does not know other modules: where an import leads is left to who asks.
"""

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from partflow.code.mentions import Origin, bound_names, import_origins, root_name, same_scope
from partflow.code.normalform import FUNCTION_NODES
from partflow.code.syntax import children, walk

STAR: Final = "*"

# The statements that an import at the top level of a module stands in, or is.
_WITH_IMPORTS: Final = (
    *(ast.Import, ast.ImportFrom, ast.If, ast.For, ast.AsyncFor, ast.While),
    *(ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match),
)

# The methods by which Python's own containers change. A call of another method inside a function
# (`logger.info`) is not taken for a change.
CHANGING_METHODS: Final = frozenset(
    [
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "update",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
    ]
)


class ModuleText(Protocol):
    """The text of a module of the user's project; `path` is relative to the root."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as the class says
    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def is_package(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Unit:
    """A top-level statement, or one name of an import, and the branches of `if` that it is in."""

    node: ast.stmt
    origin: Origin | None
    guards: tuple[tuple[ast.expr, bool], ...]


@dataclass(frozen=True, slots=True)
class Star:
    """One `from module import *`, its line, and the branches of `if` that it is in."""

    module: str
    line: int
    guards: tuple[tuple[ast.expr, bool], ...]


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """`changers` has for each function the names of this module that a call of it changes.

    `reaching` has those that it changes of other modules. `stars` are `from ... import *`, in
    order. `exported` are the names that `__all__` lists, None if there is no `__all__`, and
    `exports_more` says whether it may list more than is written out. `statements` are those that
    run when the module is imported.
    """

    source: ModuleText
    tree: ast.Module
    units: Mapping[str, tuple[Unit, ...]]
    origins: Mapping[str, tuple[Origin, ...]]
    stars: tuple[Star, ...]
    exported: frozenset[str] | None
    changers: Mapping[str, frozenset[str]]
    reaching: Mapping[str, frozenset[str]]
    statements: tuple[Unit, ...]
    exports_more: bool

    def exports(self, name: str) -> bool:
        """Whether a star import of this module would take `name` if the module binds it."""
        return name in self.exported if self.exported is not None else not name.startswith("_")


def index_of(source: ModuleText) -> ModuleIndex:
    """Raises SyntaxError, or ValueError for a null byte, where the text is not Python."""
    with warnings.catch_warnings():
        # `"\\d"` warns when its module is imported; once is enough.
        warnings.simplefilter("ignore")
        tree = ast.parse(source.text)
    statements = list(_flattened(tree.body, ()))
    origins: dict[str, list[Origin]] = defaultdict(list)
    stars: list[Star] = []
    for statement, guards in statements:
        for node, name, origin in _imports(statement, source):
            if name == STAR:
                stars.append(Star(origin.module, node.lineno, guards))
            else:
                origins[name].append(origin)
    changed = [(f.name, _changed_inside(f)) for f in tree.body if isinstance(f, FUNCTION_NODES)]
    changers = _of_functions(changed, set(origins), of_others=False)
    reaching = _of_functions(changed, set(origins), of_others=True)
    units: dict[str, list[Unit]] = defaultdict(list)
    for statement, guards in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, origin in import_origins(
                statement, source.name, is_package=source.is_package
            ):
                units[name].append(Unit(statement, origin, guards))
            continue
        for name in _touched(statement, origins, changers):
            units[name].append(Unit(statement, None, guards))
    units.pop(STAR, None)
    return ModuleIndex(
        source,
        tree,
        {name: tuple(each) for name, each in units.items()},
        {name: tuple(each) for name, each in origins.items()},
        tuple(stars),
        _exported(statements),
        changers,
        reaching,
        tuple(Unit(statement, None, guards) for statement, guards in _run(tree.body, ())),
        any(not _is_written_out(unit.node) for unit in units.get("__all__", ())),
    )


def _flattened(
    body: Iterable[ast.stmt], guards: tuple[tuple[ast.expr, bool], ...]
) -> Iterator[tuple[ast.stmt, tuple[tuple[ast.expr, bool], ...]]]:
    """The statements, those in the branches of an `if` instead of it.

    Loops, `try`, `with` and `match` stay whole: one statement decides whether the next runs.
    """
    for statement in body:
        if not isinstance(statement, ast.If):
            yield statement, guards
        elif _is_main_test(statement.test):
            yield from _flattened(statement.orelse, guards)
        else:
            yield from _flattened(statement.body, (*guards, (statement.test, True)))
            yield from _flattened(statement.orelse, (*guards, (statement.test, False)))


def _run(
    body: Iterable[ast.stmt], guards: tuple[tuple[ast.expr, bool], ...]
) -> Iterator[tuple[ast.stmt, tuple[tuple[ast.expr, bool], ...]]]:
    """What runs when the module is imported: the statements, and the tests of every `if`."""
    for statement in body:
        if isinstance(statement, ast.If) and not _is_main_test(statement.test):
            yield ast.copy_location(ast.Expr(statement.test), statement), guards
            yield from _run(statement.body, (*guards, (statement.test, True)))
            yield from _run(statement.orelse, (*guards, (statement.test, False)))
        else:
            yield from _flattened([statement], guards)


def executed(statement: ast.stmt) -> Iterator[tuple[ast.AST, bool]]:
    """The parts of a statement that run when its module is imported.

    Each comes with whether it is a call that is a statement. Bodies of functions do not run then.
    """
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        match node:
            case ast.Expr(value=ast.Call() as call):
                yield call, True
                stack.extend(children(call))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node, False
                stack.extend(each for each in (*node.args.defaults, *node.args.kw_defaults) if each)
                stack.extend(d for d in node.decorator_list if isinstance(d, ast.Call))
            case ast.Lambda():
                stack.extend(each for each in (*node.args.defaults, *node.args.kw_defaults) if each)
            case _:
                yield node, False
                stack.extend(children(node))


def _is_main_test(test: ast.expr) -> bool:
    match test:
        case (
            ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            )
            | ast.Compare(
                left=ast.Constant(value="__main__"),
                ops=[ast.Eq()],
                comparators=[ast.Name(id="__name__")],
            )
        ):
            return True
        case _:
            return False


def _imports(
    statement: ast.stmt, source: ModuleText
) -> Iterator[tuple[ast.Import | ast.ImportFrom, str, Origin]]:
    # Most statements hold none, and are not worth the walk.
    for node in _within(statement) if isinstance(statement, _WITH_IMPORTS) else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, origin in import_origins(node, source.name, is_package=source.is_package):
                yield node, name, origin


def _within(statement: ast.stmt) -> Iterator[ast.AST]:
    """The statement, and all in it that runs at the top level of the module."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(same_scope(node))
        if isinstance(node, (*FUNCTION_NODES, ast.ClassDef)):
            stack.extend(node.decorator_list)


def _touched(
    statement: ast.stmt, imported: Mapping[str, object], changers: Mapping[str, frozenset[str]]
) -> list[str]:
    """The names that the statement binds or changes, sorted."""
    names: set[str] = set()
    for node in _within(statement):
        names.update(bound_names(node))
        match node:
            case (
                ast.Attribute(ctx=ast.Store() | ast.Del())
                | ast.Subscript(ctx=ast.Store() | ast.Del())
            ):
                names.add(root_name(node) or "")
            case ast.Expr(value=ast.Call() as call):
                names.update(_changed_by_call(call, imported))
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in CHANGING_METHODS:
                names.add(root_name(value) or "")
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
            case _:
                pass
        names.update(*(changers.get(called, ()) for called in _called(node)))
    return sorted(names - {"", STAR})


def _changed_by_call(call: ast.Call, imported: Mapping[str, object]) -> Iterator[str]:
    """A method changes what it is called on, a function perhaps what it is handed."""
    if isinstance(call.func, ast.Attribute):
        owner = root_name(call.func)
        if owner is not None and owner not in imported:
            yield owner
            return
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        name = root_name(argument)
        if name is not None:
            yield name


def _called(node: ast.AST) -> Iterator[str]:
    """The names of the functions that a node calls, itself or as a decorator."""
    decorators = node.decorator_list if isinstance(node, (*FUNCTION_NODES, ast.ClassDef)) else []
    for called in (node, *decorators):
        function = called.func if isinstance(called, ast.Call) else called
        if isinstance(function, ast.Name) and (called is not node or isinstance(node, ast.Call)):
            yield function.id


def _of_functions(
    changed: Iterable[tuple[str, set[str]]], imported: set[str], *, of_others: bool
) -> dict[str, frozenset[str]]:
    """The names that each function changes: imported ones if `of_others`, else the module's own."""
    kept = ((f, names & imported if of_others else names - imported) for f, names in changed)
    return {function: frozenset(names) for function, names in kept if names}


def _changed_inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that are not the function's own, and that it changes when it is called."""
    declared: set[str] = set()
    own = {argument.arg for argument in walk(function.args) if isinstance(argument, ast.arg)}
    changed: set[str | None] = set()
    for node in (inner for statement in function.body for inner in walk(statement)):
        own.update(bound_names(node))
        match node:
            case ast.Global(names=names):
                declared.update(names)
            case (
                ast.Attribute(ctx=ast.Store() | ast.Del())
                | ast.Subscript(ctx=ast.Store() | ast.Del())
            ):
                changed.add(root_name(node))
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in CHANGING_METHODS:
                changed.add(root_name(value))
            case ast.arg(arg=name):
                own.add(name)
            case _:
                pass
    return declared | ({name for name in changed if name is not None} - own)


def _exported(statements: Iterable[tuple[ast.stmt, object]]) -> frozenset[str] | None:
    """What `__all__` lists, as far as it is written out."""
    exported: set[str] | None = None
    for statement, _ in statements:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
                | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
            ):
                texts = (node.value for node in walk(value) if isinstance(node, ast.Constant))
                exported = (exported or set()) | {text for text in texts if isinstance(text, str)}
            case _:
                pass
    return None if exported is None else frozenset(exported)


def _is_written_out(statement: ast.stmt) -> bool:
    """Whether a statement sets `__all__` to texts, or adds texts to it."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name()], value=ast.expr() as value)
            | ast.AnnAssign(value=ast.expr() as value)
            | ast.AugAssign(value=value)
        ):
            kinds = (ast.List, ast.Tuple, ast.Set, ast.BinOp, ast.operator, ast.expr_context)
            return all(
                isinstance(node, kinds)
                or (isinstance(node, ast.Constant) and isinstance(node.value, str))
                for node in walk(value)
            )
        case _:
            return False
