"""Tells which calls in a project's own format only open the file that partflow hands to it.

That file is the partition, whose content counts by itself. It does not know what else a class does,
nor how it got into a task.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from partflow.code.index import ModuleIndex
from partflow.code.mentions import bound_names, called_name
from partflow.code.normalform import FUNCTION_NODES
from partflow.code.reach import NotFollowed, Reach
from partflow.code.syntax import walk

_HANDED: Final = {"read": 1, "fingerprint": 1, "write": 2}
"""The methods of a format that get a path, and as which of their parameters."""
_SAME_PATH: Final = frozenset(["Path", "fspath", "str"])
"""What is called with a path and gives it in another form."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Method:
    """A function, and the module that it stands in."""

    index: ModuleIndex
    node: Function


class HandedFiles:
    """The calls by which the classes of one project's formats open what they are handed."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def without_handed(self, form: type, not_followed: set[NotFollowed]) -> set[NotFollowed]:
        """The reports but for those of calls that open the file that the format is handed."""
        calls = set(self._opening(form))
        return {
            report
            for report in not_followed
            if not any(
                report.place == place and f".{report.what}".endswith(f".{name}(...)")
                for place, name in calls
            )
        }

    def _opening(self, form: type) -> Iterator[tuple[str, str]]:
        """Place and name of each call that is handed the path, or is a method of it.

        A place where another call of that name stands, of something else, is left out.
        """
        methods = self._methods(form)
        queue = [(methods[name], at) for name, at in _HANDED.items() if name in methods]
        seen = list[tuple[_Method, int]]()
        while queue:
            method, at = queue.pop()
            if (method, at) in seen:
                continue
            seen.append((method, at))
            parameter = _parameter(method.node, at)
            if parameter is None:
                continue
            names = _names_of(method.node, parameter)
            calls = [node for node in walk(method.node) if isinstance(node, ast.Call)]
            others = {_site(method, call) for call in calls if not _opens(call, names)}
            for call in (each for each in calls if _opens(each, names)):
                if _site(method, call) not in others:
                    yield _site(method, call)
                queue += self._called(method, methods, call, names)

    def _methods(self, form: type) -> Mapping[str, _Method]:
        """The methods of a class and of its bases in the project, by name."""
        methods: dict[str, _Method] = {}
        for kind in form.__mro__:
            index = self._reach.index(kind.__module__)
            units = index.units.get(kind.__qualname__, ()) if index else ()
            for node in (unit.node for unit in units if isinstance(unit.node, ast.ClassDef)):
                for each in node.body:
                    if isinstance(each, FUNCTION_NODES) and index:
                        methods.setdefault(each.name, _Method(index, each))
        return methods

    def _called(
        self, method: _Method, methods: Mapping[str, _Method], call: ast.Call, names: set[str]
    ) -> Iterator[tuple[_Method, int]]:
        """The functions of the project that a call hands the path on to, as which parameter."""
        handed = [at for at, each in enumerate(call.args) if _is_path(each, names)]
        match call.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if (
                owner == _parameter(method.node, 0) and name in methods
            ):
                yield from ((methods[name], at + 1) for at in handed)
            case ast.Name(id=name):
                for module, function in self._reach.keys(method.index.source.name, name):
                    index = self._reach.index(module)
                    for unit in index.units.get(function, ()) if index else ():
                        if isinstance(unit.node, FUNCTION_NODES) and index:
                            yield from ((_Method(index, unit.node), at) for at in handed)
            case _:
                pass


def _parameter(function: Function, at: int) -> str | None:
    """The name of a parameter by its position, if the function does not give it another value."""
    parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if len(parameters) <= at:
        return None
    bound = {name for node in walk(function) for name in bound_names(node)}
    return None if parameters[at] in bound else parameters[at]


def _names_of(function: Function, parameter: str) -> set[str]:
    """The parameter, and what the function names the open file or another form of the path."""
    names = {parameter}
    bound = [name for node in walk(function) for name in bound_names(node)]
    for node in walk(function):
        match node:
            case (
                ast.withitem(context_expr=value, optional_vars=ast.Name(id=name))
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if bound.count(name) == 1 and isinstance(value, ast.Call):
                if _opens(value, names) and called_name(value.func) in {"open", *_SAME_PATH}:
                    names.add(name)
            case _:
                pass
    return names


def _opens(call: ast.Call, names: set[str]) -> bool:
    """Whether a call is handed a path, or is of a method of it."""
    of_path = isinstance(call.func, ast.Attribute) and _is_path(call.func.value, names)
    return of_path or any(_is_path(each, names) for each in call.args)


def _is_path(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=function, args=[ast.Name(id=name)]):
            return name in names and called_name(function) in _SAME_PATH
        case _:
            return False


def _site(method: _Method, call: ast.Call) -> tuple[str, str]:
    return f"{method.index.source.path}:{call.lineno}", called_name(call.func) or ""
