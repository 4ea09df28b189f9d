"""Finds the tasks and datasets that modules hold, and names those that were made and none holds.

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


def held(modules: Iterable[ModuleType]) -> tuple[list[Task], list[Dataset]]:
    """The tasks and datasets that modules hold at their top: each once, in the order of names.

    Also inside of lists, tuples, sets, mappings, namespaces and classes there, however deep.
    """
    tasks: dict[int, Task] = {}
    datasets: dict[int, Dataset] = {}
    seen: set[int] = set()
    for module in modules:
        for declared in _declared_in(list(vars(module).values()), seen):
            if isinstance(declared, Task):
                tasks[id(declared)] = declared
            else:
                datasets[id(declared)] = declared
    return list(tasks.values()), list(datasets.values())


def _declared_in(values: list[object], seen: set[int]) -> Iterator[Task | Dataset]:
    left = values[::-1]
    while left:
        value = left.pop()
        kind = type(value)  # what a stand-in says that it is does not matter, and may raise
        if kind in _PLAIN:
            continue
        if issubclass(kind, Task | Dataset):
            yield value  # type: ignore[misc]
        elif issubclass(kind, Read):
            yield value.dataset  # type: ignore[attr-defined]
        elif id(value) not in seen and (inner := _inside(value)):
            seen.add(id(value))
            left += reversed(inner)


def _inside(value: Any) -> list[object]:
    """What a value holds that is searched, too."""
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
    made: Sequence[Constructed],
    tasks: Iterable[Task],
    datasets: Iterable[Dataset],
    module_of: Callable[[str], tuple[ModuleType, bool] | None],
) -> list[str]:
    """A warning for each place where something was made that no run will know of.

    `module_of` gives a module of the project by its name, and whether the jobs name it; None for
    one of somebody else, who may make what he wants. A dataset counts if no task mentions it.
    """
    known = {id(d) for d in (*tasks, *datasets)}
    made_tasks = [m.declared for m in made if isinstance(m.declared, Task)]
    for task in (*tasks, *made_tasks):
        known |= {id(d) for d in (*task.writes, *(i.read.dataset for i in task.inputs))}
    at: dict[tuple[str, str], list[Task | Dataset]] = {}
    for each in made:
        declared, found = each.declared, module_of(each.module)
        if id(declared) in known or found is None:
            continue
        module, is_named = found
        if not isinstance(declared, Task | Dataset):
            continue
        advice = _advice(declared, module, is_named=is_named)
        if advice is not None:
            at.setdefault((declared.place, advice), []).append(declared)
    return [f"{place}: {_named(each)} left out: {advice}" for (place, advice), each in at.items()]


def _advice(declared: Task | Dataset, module: ModuleType, *, is_named: bool) -> str | None:
    """Why it is left out and what to do; None where that is as it should be."""
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


_SHOWN = 3
