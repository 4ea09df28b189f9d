"""Walks over Python syntax, as `ast.walk` does, without what only repeats what a node says.

Operators and contexts (`Load`, `Store`) are attributes of the nodes that they belong to. They are a
third of all nodes, and every statement of a project is walked over several times.
"""

import ast
from collections import deque
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Final

_NO_CHILDREN: Final = frozenset(["attr", "ctx", "id", "kind", "op", "ops", "type_comment"])
_BODIES: Final = ("body", "cases", "handlers", "orelse", "finalbody")


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below, in the order of fields, without operators and contexts."""
    below: list[ast.AST] = []
    kind: object = type(node)
    for field in _fields_of(kind):
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            below.append(value)
        elif isinstance(value, list):
            below += [item for item in value if isinstance(item, ast.AST)]
    return below


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below, level by level."""
    waiting = deque([node])
    while waiting:
        node = waiting.popleft()
        waiting.extend(children(node))
        yield node


def statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """What of `walk(node)` is a statement or holds some: no expression holds one."""
    waiting = deque([node])
    while waiting:
        node = waiting.popleft()
        for field in _BODIES:
            waiting.extend(getattr(node, field, ()))
        yield node


@cache
def _fields_of(kind: Hashable) -> tuple[str, ...]:
    if kind is ast.Constant:
        return ()
    fields: tuple[str, ...] = getattr(kind, "_fields", ())
    return tuple(field for field in fields if field not in _NO_CHILDREN)
