"""Finds the nodes that a selection names: by name, pattern, tag, task, state, up and down.

Knows nothing of partitions. The syntax is that of dbt.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

from partflow.declarations.graph import Graph, outputs
from partflow.errors import UsageError, guess

_STATUS = "status:"


def goes_by_states(expressions: Iterable[str]) -> bool:
    """Whether `select` needs to know the states of nodes, which takes a look at the files."""
    return any(_STATUS in expression for expression in expressions)


def select(
    graph: Graph,
    expressions: Sequence[str],
    exclude: Sequence[str] = (),
    states: Mapping[str, frozenset[str]] | None = None,
) -> tuple[str, ...]:
    """The nodes that a selection names, in the graph's order; all of them if it is empty.

    Several expressions are a union, a comma is an intersection; `x`, `x*`, `+x`, `x+`, `2+x`, `@x`,
    `tag:x` and `status:x` are as in dbt. `states` holds for each node the names of the states that
    its partitions are in. UsageError if an expression is none, or names what is unknown.
    """
    states = states or {}
    chosen = set(graph.nodes)
    if expressions:
        chosen = set().union(*(_all_of(graph, e, states) for e in expressions))
    for expression in exclude:
        chosen -= _all_of(graph, expression, states)
    return tuple(n for n in graph.nodes if n in chosen)


def _all_of(graph: Graph, expression: str, states: Mapping[str, frozenset[str]]) -> set[str]:
    """The nodes that all parts of an expression name."""
    parts = [p for p in expression.split(",") if p]
    if not parts:
        raise UsageError(f"selection {expression!r} names nothing")
    return set.intersection(*(_atom(graph, p, states) for p in parts))


def _atom(graph: Graph, atom: str, states: Mapping[str, frozenset[str]]) -> set[str]:
    """The nodes that a part without commas names, with those up and down from them."""
    if atom.startswith("@"):
        below = graph.closure(_named(graph, atom[1:], states), up=False)
        return graph.closure(below, up=True)
    before, plus, rest = atom.partition("+")
    up = bool(plus) and (before == "" or before.isdigit())
    name = rest if up else atom
    name, plus, after = name.partition("+")
    if plus and after and not after.isdigit():
        raise UsageError(f"selection {atom!r}: what follows the last + must be a number")
    nodes = _named(graph, name, states)
    reached = set(nodes)
    if up:
        reached |= graph.closure(nodes, up=True, depth=int(before) if before else None)
    if plus:
        reached |= graph.closure(nodes, up=False, depth=int(after) if after else None)
    return reached


def _named(graph: Graph, name: str, states: Mapping[str, frozenset[str]]) -> set[str]:
    """The nodes of a name, pattern, tag, state or task."""
    if name.startswith("tag:"):
        return {n for t in graph.tasks if name[4:] in t.options.tags for n in outputs(t)}
    if name.startswith(_STATUS):
        wanted = name.removeprefix(_STATUS)
        return {node for node, its in states.items() if wanted in its}
    if any(c in name for c in "*?["):
        return {n for n in graph.nodes if fnmatch.fnmatchcase(n, name)}
    if name in graph.nodes:
        return {name}
    by_task = {n for t in graph.tasks if t.name == name for n in outputs(t)}
    if by_task:
        return by_task
    hint = guess(name, graph.nodes, "`partflow ls` lists what there is")
    raise UsageError(f"there is no dataset or effect {name!r}; {hint}")
