"""Reads what of functions and classes counts only where code reads it: annotations and texts.

It does not know which code is reached.
"""

import ast
import builtins
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain
from typing import Final

from partflow.code.index import ModuleIndex, Unit
from partflow.code.mentions import called_name
from partflow.code.normalform import FUNCTION_NODES, encoded, framed, normal_form
from partflow.code.outside import words_of
from partflow.code.reach import Key, Leads, Piece, Reach
from partflow.code.syntax import walk

_PLAIN: Final = words_of("""
    backoff cachetools deprecated joblib line_profiler numba tenacity tqdm
    abc builtins contextlib dataclasses enum functools partflow typing typing_extensions warnings
    """)
"""Libraries whose decorators read no annotation that could change a result."""
_CALLING: Final = _PLAIN | words_of("""
    asyncio atexit collections concurrent copy heapq inspect itertools dask duckdb joblib json
    lightgbm logging math matplotlib multiprocessing numba numpy operator pandas polars pyarrow
    random scipy sklearn statistics statsmodels sys tenacity threading time tqdm xgboost
    """)
"""Libraries that take functions and only call them."""

_ACCESSORS: Final = words_of("setter getter deleter")


class Introspection(Enum):
    """What counts only where reached code reads it; the value is in the names of parts."""

    ANNOTATIONS = "annotations"
    DOCSTRINGS = "docstrings"
    TEXT = "text"
    SUBCLASSES = "subclasses"


_READ_BY: Final = {
    Introspection.ANNOTATIONS: words_of("""
        __annotations__ __annotate__ __signature__ get_type_hints get_annotations getfullargspec
        signature Signature
        """),
    Introspection.DOCSTRINGS: words_of("__code__ __doc__ getdoc render_doc help"),
    Introspection.TEXT: words_of(
        "getsource getsourcelines findsource getcomments getblock getsegment"
    ),
    Introspection.SUBCLASSES: words_of("__subclasses__"),
}
_READING: Final = frozenset[str]().union(*_READ_BY.values())


def readings_of(
    said: Iterable[str], unbound: Iterable[str], libraries: Iterable[str]
) -> frozenset[Introspection]:
    """What code reads, as far as it tells by what it says.

    `said` are its attributes and texts, `unbound` names that no module of the project binds, and
    `libraries` the last words of what it names of libraries.
    """
    named = _READING.intersection(chain(said, unbound, libraries))
    if not named:
        return frozenset()
    return frozenset(reading for reading, words in _READ_BY.items() if named & words)


def annotation_nodes(nodes: Iterable[ast.AST]) -> list[ast.AST]:
    """The annotations of functions and of variables, those of class bodies too.

    One in quotes is what it says.
    """
    annotations: list[ast.AST] = []
    for node in (inner for each in nodes for inner in walk(each)):
        match node:
            case (
                ast.FunctionDef(returns=ast.expr() as returns)
                | ast.AsyncFunctionDef(returns=ast.expr() as returns)
            ):
                annotations.append(returns)
            case (
                ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation)
            ):
                annotations.append(annotation)
            case _:
                pass
    return [*annotations, *(inner for each in annotations for inner in _quoted(each))]


def _quoted(annotation: ast.AST) -> Iterator[ast.AST]:
    for node in walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            with contextlib.suppress(SyntaxError, ValueError):
                yield ast.parse(node.value, mode="eval").body


def annotations_form(nodes: Sequence[ast.AST]) -> bytes:
    """The annotations of functions and variables, each with what it is of."""
    forms: list[bytes] = []
    for node in (inner for each in nodes for inner in walk(each)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                returns = b"" if node.returns is None else normal_form(node.returns)
                parameters = (normal_form(p) for p in getattr(node, "type_params", ()))
                forms.append(framed("function", encoded(node.name), returns, *parameters))
            case ast.arg(annotation=ast.expr() as annotation):
                forms.append(framed("parameter", encoded(node.arg), normal_form(annotation)))
            case ast.AnnAssign():
                of, given = normal_form(node.target), normal_form(node.annotation)
                forms.append(framed("variable", of, given))
            case _:
                pass
    return framed("annotations", *forms)


def docstrings_form(nodes: Sequence[ast.AST]) -> bytes:
    """The docstrings of functions, classes and modules, as they are written."""
    forms = [
        framed("docstring", encoded(text))
        for node in (inner for each in nodes for inner in walk(each))
        if isinstance(node, (*FUNCTION_NODES, ast.ClassDef, ast.Module))
        and (text := ast.get_docstring(node, clean=False)) is not None
    ]
    return framed("docstrings", *forms)


def text_form(index: ModuleIndex, units: Sequence[Unit]) -> bytes:
    """The lines of statements, with comments and all."""
    lines, forms = index.source.text.splitlines(), list[bytes]()
    for node in (unit.node for unit in units if unit.origin is None):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        forms.append(encoded("\n".join(lines[first - 1 : node.end_lineno])))
    return framed("text", *forms)


class SignatureReader:
    """Tells which functions are handed to libraries that may read their annotations."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._handing: dict[Key, bool] = {}

    def read_by_libraries(self, index: ModuleIndex, piece: Piece) -> list[ast.AST]:
        """The functions and classes of a piece that a library decorates, or may."""
        return [
            node
            for node in piece.decorated
            if any(self._is_read_by(index, decorator) for decorator in node.decorator_list)
        ]

    def handed_over(self, index: ModuleIndex, piece: Piece, units: Sequence[Unit]) -> list[Key]:
        """The functions of the project that a piece hands to a library that may read them."""
        calls = [c for n, c in piece.libraries if c and n.partition(".")[0] not in _CALLING]
        if "create_function" in piece.sight.attributes:
            nodes = (inner for unit in units for inner in walk(unit.node))
            calls += [n for n in nodes if isinstance(n, ast.Call) and self._may_read(index, n)]
        functions: dict[Key, None] = {}
        for call in calls:
            for argument in (*call.args, *(k.value for k in call.keywords)):
                if isinstance(argument, ast.Name | ast.Attribute):
                    keys = self._leads(index, argument).keys
                    functions.update(dict.fromkeys(key for key in keys if self._is_function(key)))
        return list(functions)

    def quoted_fields(self, index: ModuleIndex, units: Sequence[Unit]) -> list[ast.AST]:
        """Annotations in quotes in classes that a library makes something of, as pydantic does."""
        quoted: list[ast.AST] = []
        for node in (unit.node for unit in units if isinstance(unit.node, ast.ClassDef)):
            if self._is_of_library(index, node, frozenset()):
                fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
                quoted += (inner for field in fields for inner in _quoted(field.annotation))
        return quoted

    def _is_of_library(self, index: ModuleIndex, node: ast.ClassDef, seen: frozenset[Key]) -> bool:
        for base in node.bases:
            leads = self._leads(index, base)
            if any(name.partition(".")[0] not in _PLAIN for name in leads.libraries):
                return True
            for key in set(leads.keys) - seen:
                home = self._reach.index(key[0])
                if home and any(
                    isinstance(unit.node, ast.ClassDef)
                    and self._is_of_library(home, unit.node, seen | {key})
                    for unit in home.units.get(key[1], ())
                ):
                    return True
        return False

    def _may_read(self, index: ModuleIndex, call: ast.Call) -> bool:
        if called_name(call.func) == "create_function":
            return True
        function = call.func
        while isinstance(function, ast.Call):  # `retrying(times=3)(function)`
            function = function.func
        if not isinstance(function, ast.Name | ast.Attribute):
            return False
        names = self._leads(index, function).libraries
        return any(name.partition(".")[0] not in _CALLING for name in names)

    def _is_function(self, key: Key) -> bool:
        index = self._reach.index(key[0])
        units = index.units.get(key[1], ()) if index else ()
        return any(isinstance(unit.node, FUNCTION_NODES) for unit in units)

    def _is_read_by(self, index: ModuleIndex, decorator: ast.expr) -> bool:
        """Whether a decorator may read annotations.

        It may if it is a library's, if it hands what it decorates on to a library, or if it is an
        attribute of some object.
        """
        function = decorator
        while isinstance(function, ast.Call):
            inner, function = function, function.func
            if inner.args and "functools.partial" in self._leads(index, function).libraries:
                return self._is_read_by(index, inner.args[0])
        if not isinstance(function, ast.Name | ast.Attribute):
            return True
        leads = self._leads(index, function)
        if leads.libraries:
            return any(name.partition(".")[0] not in _PLAIN for name in leads.libraries)
        last = function.attr if isinstance(function, ast.Attribute) else function.id
        if not leads.keys:
            # A name of the class or function that it stands in; `size.register` there, too.
            return last not in _ACCESSORS and not hasattr(builtins, last)
        # `helpers.timed` is a function of a module; `size.register` is an attribute of an object.
        module, name = leads.keys[-1]
        home = self._reach.index(module)
        is_of_object = name != last or not (home and home.units.get(name))
        return (is_of_object and isinstance(function, ast.Attribute)) or any(
            self._hands_on(key) for key in leads.keys
        )

    def _hands_on(self, key: Key) -> bool:
        """Whether a decorator of the project gives what it decorates to a library."""
        if key not in self._handing:
            self._handing[key] = False
            index = self._reach.index(key[0])
            units = index.units.get(key[1], ()) if index else ()
            self._handing[key] = index is not None and any(
                self._gives_away(index, unit.node) for unit in units if unit.origin is None
            )
        return self._handing[key]

    def _gives_away(self, index: ModuleIndex, node: ast.stmt) -> bool:
        parameters = {inner.arg for inner in walk(node) if isinstance(inner, ast.arg)}
        for inner in walk(node):
            if isinstance(inner, FUNCTION_NODES) and inner is not node:
                if any(self._is_read_by(index, each) for each in inner.decorator_list):
                    return True
            elif isinstance(inner, ast.Call) and any(
                isinstance(argument, ast.Name) and argument.id in parameters
                for argument in (inner.args if self._may_read(index, inner) else ())
            ):
                return True
        return False

    def _leads(self, index: ModuleIndex, node: ast.expr) -> Leads:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return Leads()
        return self._reach.leads(index.source.name, node.id, tuple(reversed(attributes)))
