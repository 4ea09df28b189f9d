"""Finds the tasks and datasets that modules hold, and warns of those that none holds any more.

Knows nothing of how modules are imported, nor of graphs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

from partflow.declarations.dataset import Dataset, Read
from partflow.declarations.task import Task
from partflow.partitions.declaring import Constructed

_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})
_LISTS = (list, tuple, set, frozenset, deque)
_MAPPINGS = (dict, MappingProxyType)
_SHOWN = 3
"""How many names a warning lists."""


def held(modules: Iterable[ModuleType]) -> tuple[list[Task], list[Dataset]]:
    """The tasks and datasets in the top-level names of modules, each once, in the order of these.

    Those inside of lists, tuples, sets, mappings, namespaces and classes count, however deep.
    """
    tasks: dict[int, Task] = {}
    datasets: dict[int, Dataset] = {}
    searched: set[int] = set()
    for module in modules:
        for declared in _declared_in(list(vars(module).values()), searched):
            if isinstance(declared, Task):
                tasks[id(declared)] = declared
            else:
                datasets[id(declared)] = declared
    return list(tasks.values()), list(datasets.values())


def _declared_in(values: list[object], searched: set[int]) -> Iterator[Task | Dataset]:
    """The tasks and datasets in values; containers are searched unless `searched` has their id."""
    left = values[::-1]
    while left:
        value = left.pop()
        kind = type(value)  # and not `__class__`, which a stand-in may make up, or raise for
        if kind in _PLAIN:
            continue
        if issubclass(kind, Task | Dataset):
            yield value  # type: ignore[misc]
        elif issubclass(kind, Read):
            yield value.dataset  # type: ignore[attr-defined]
        elif id(value) not in searched and (inner := _inside(value)):
            searched.add(id(value))
            left += reversed(inner)


def _inside(value: Any) -> list[object]:
    """The values in a container, which are searched, too; none for anything else."""
    kind = type(value)
    if issubclass(kind, _LISTS):
        return list(value)
    if issubclass(kind, _MAPPINGS):
        return [*value.keys(), *value.values()]
    if issubclass(kind, SimpleNamespace):
        return list(vars(value).values())
    if issubclass(kind, staticmethod | classmethod):
        return [value.__func__]
    return [*value.__bases__, *vars(value).values()] if issubclass(kind, type) else []


def left_out(
    constructed: Sequence[Constructed],
    tasks: Iterable[Task],
    datasets: Iterable[Dataset],
    module_of: Callable[[str], tuple[ModuleType, bool] | None],
) -> list[str]:
    """A warning for each place that declares something of which no run will know.

    `module_of` gives for a name the module of the project and whether the jobs name it; None for a
    module of somebody else, who may declare what they want. A dataset that a task mentions is known
    to runs.
    """
    known = {id(d) for d in (*tasks, *datasets)}
    all_tasks = [c.declared for c in constructed if isinstance(c.declared, Task)]
    for task in (*tasks, *all_tasks):
        known |= {id(d) for d in (*task.writes, *(i.read.dataset for i in task.inputs))}
    by_place: dict[tuple[str, str], list[Task | Dataset]] = {}
    for each in constructed:
        declared, own_module = each.declared, module_of(each.module)
        if id(declared) in known or own_module is None:
            continue
        module, is_named = own_module
        if not isinstance(declared, Task | Dataset):
            continue
        advice = _advice(declared, module, is_named=is_named)
        if advice is not None:
            by_place.setdefault((declared.place, advice), []).append(declared)
    return [
        f"{place}: {_named(declared)} left out: {advice}"
        for (place, advice), declared in by_place.items()
    ]


def _advice(declared: Task | Dataset, module: ModuleType, *, is_named: bool) -> str | None:
    """Why it is left out and what to do; None if it may be left out."""
    if is_named:
        return "no module holds it any more; keep it in a list, with name='...'"
    if isinstance(declared, Dataset):
        return None
    return (
        f"jobs does not name its module {module.__name__}; name it there, or import it by its "
        "name in a module of the jobs"
    )


def _named(declared: Sequence[Task | Dataset]) -> str:
    """`task 'a' is`, or `3 tasks ('a', 'b', 'c') are`."""
    first = declared[0]
    kind = "dataset" if isinstance(first, Dataset) else "effect" if first.is_effect else "task"
    names = list(dict.fromkeys(repr(each.name) for each in declared))
    if len(declared) == 1:
        return f"{kind} {names[0]} is"
    listed = ", ".join([*names[:_SHOWN], *["…"][: len(names) > _SHOWN]])
    return f"{len(declared)} {kind}s ({listed}) are"
