"""Derives the one graph that the declarations imply, or says all that is wrong with them.

Knows nothing of what exists: which partitions can ever exist follows from the declarations alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.mapping import Extent, Form
from partflow.declarations.parameters import ParameterKind
from partflow.declarations.task import Input, Task
from partflow.errors import GraphError, UsageError, together
from partflow.partitions.calendar import Whole
from partflow.partitions.keytexts import shown_keys_in


@dataclass(frozen=True, slots=True)
class Graph:
    """Tasks, each after the tasks that write what it reads.

    `nodes` are the names that can be selected: sources first, then datasets and effects in the
    order of their tasks. `datasets` holds every dataset by name, sources too. `task_extents` and
    `dataset_extents` give by name the ordinals that can ever exist.
    """

    tasks: tuple[Task, ...]
    datasets: Mapping[str, Dataset]
    task_extents: Mapping[str, Extent]
    dataset_extents: Mapping[str, Extent]
    nodes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _tasks: Mapping[str, Task] = field(init=False, repr=False, compare=False)
    _writers: Mapping[str, Sequence[Task]] = field(init=False, repr=False, compare=False)
    _readers: Mapping[str, Sequence[tuple[Task, int]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Work out once who writes and who reads what: it is asked for many times."""
        readers: dict[str, list[tuple[Task, int]]] = {}
        for task in self.tasks:
            for position, each in enumerate(task.inputs):
                readers.setdefault(each.read.dataset.name, []).append((task, position))
        names = [n for n, d in sorted(self.datasets.items()) if d.is_source]
        names += [n for task in self.tasks for n in outputs(task)]
        object.__setattr__(self, "nodes", tuple(dict.fromkeys([*names, *sorted(self.datasets)])))
        object.__setattr__(self, "_tasks", {t.name: t for t in self.tasks})
        object.__setattr__(self, "_writers", _writers(self.tasks))
        object.__setattr__(self, "_readers", readers)

    def task(self, name: str) -> Task:
        """The task or effect of that name; KeyError if there is none."""
        return self._tasks[name]

    def writers(self, node: str) -> tuple[Task, ...]:
        """The tasks that write a dataset, or the effect of that name."""
        return tuple(self._writers.get(node, ()))

    def readers(self, dataset: str) -> tuple[tuple[Task, int], ...]:
        """The tasks that read a dataset, each with the position of the read."""
        return tuple(self._readers.get(dataset, ()))

    def is_taken_as_files(self, dataset: str) -> bool:
        """Whether a dataset is read by tasks, and all of them take the paths of its files."""
        kinds = [t.inputs[at].kind for t, at in self.readers(dataset)]
        return bool(kinds) and all(kind is ParameterKind.PATHS for kind in kinds)

    def in_need_of_schema(self, dataset: str) -> Task | None:
        """A task that reads frames of a dataset of which no schema says what columns it has."""
        declared, none = self.datasets[dataset], (ParameterKind.PATHS, ParameterKind.OBJECT)
        if declared.schema is not None or not declared.stored_as.is_table:
            return None
        return next((t for t, at in self.readers(dataset) if t.inputs[at].kind not in none), None)

    def upstream(self, node: str) -> tuple[str, ...]:
        """The datasets that a node is made from, itself left out."""
        read = {i.read.dataset.name for t in self.writers(node) for i in t.inputs}
        return tuple(sorted(read - {node}))

    def downstream(self, node: str) -> tuple[str, ...]:
        """The nodes that are made from a dataset, itself left out."""
        return tuple(sorted({n for t, _ in self.readers(node) for n in outputs(t)} - {node}))

    def closure(self, nodes: Iterable[str], *, up: bool, depth: int | None = None) -> set[str]:
        """The nodes and all that is upstream (or downstream), at most `depth` steps away."""
        reached = set(nodes)
        border = reached
        while border and depth != 0:
            step = self.upstream if up else self.downstream
            border = {n for b in border for n in step(b)} - reached
            reached = reached | border
            depth = None if depth is None else depth - 1
        return reached


def outputs(task: Task) -> tuple[str, ...]:
    """The nodes that a task makes: the datasets that it writes, or the effect itself."""
    return tuple(d.name for d in task.writes) or (task.name,)


def _writers(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """The tasks that make each node, in the order of `tasks`."""
    writers: dict[str, list[Task]] = {}
    for task in tasks:
        for node in outputs(task):
            writers.setdefault(node, []).append(task)
    return writers


def derive(tasks: Iterable[Task], datasets: Iterable[Dataset] = ()) -> Graph:
    """The graph of the tasks, and of datasets that no task mentions.

    GraphError if the declarations do not fit together: if a name is used twice, a dataset has no
    writer or two at one time, a `during` is wrong, grains do not nest, or datasets form a cycle.
    """
    tasks = sorted(tasks, key=lambda t: (t.name, t.place))
    mentioned = [d for t in tasks for d in (*t.writes, *(i.read.dataset for i in t.inputs))]
    named: dict[str, Dataset] = {}
    all_datasets = (*datasets, *mentioned)
    for dataset in all_datasets:
        named.setdefault(dataset.name, dataset)
    # Whatever is wrong at one stage is said together; later stages rely on the earlier ones.
    _require_none(
        [
            *_twice_declared(all_datasets, named),
            *_twice_named(tasks, named),
            *_formats_of_one_name(all_datasets),
        ]
    )
    _require_none(p for t in tasks if (p := _problem_of_during(t)) is not None)
    declared = {t.name: declared_extent(t) for t in tasks}
    # Only a read of another grain can fail to fit.
    across = [(t, i) for t in tasks for i in t.inputs if not _is_of_one_line(t, i)]
    _require_none(
        [
            *_unwritten(tasks, named),
            *_written_twice(tasks, declared),
            *(problem for task, task_input in across for problem in _ill_nested(task, task_input)),
        ]
    )
    ordered = _ordered(tasks, declared)
    task_extents, dataset_extents = _extents(ordered, named, declared)
    extents = (task_extents, dataset_extents)
    _require_none(
        p for task, task_input in across for p in _begun_within(task, task_input, *extents)
    )
    graph = Graph(ordered, named, task_extents, dataset_extents)
    _require_none(_without_schema(graph))
    return graph


def _without_schema(graph: Graph) -> Iterator[str]:
    """Sources that may be given up, and whose readers would not know an empty one's columns."""
    for name, dataset in graph.datasets.items():
        if isinstance(dataset, Source) and dataset.gives_up_after is not None:
            reader = graph.in_need_of_schema(name)
            if reader is not None:
                yield (
                    f"{dataset.place}: source {name!r} has gives_up_after and no schema, so that "
                    f"{reader.name!r} would not know what columns an empty one has; declare one"
                )


def _require_none(problems: Iterable[str]) -> None:
    """Raise one GraphError for all that is wrong, each thing said once."""
    errors = [GraphError(problem) for problem in dict.fromkeys(problems)]
    if errors:
        raise together(errors)


def _twice_declared(datasets: Iterable[Dataset], named: Mapping[str, Dataset]) -> Iterator[str]:
    for dataset in datasets:
        other = named[dataset.name]
        if other is not dataset:
            first, second = sorted((other.place, dataset.place))
            yield (
                f"two datasets are named {dataset.name!r}: at {first} and at {second}; "
                "give one another name, or import it instead of declaring it again"
            )


def _formats_of_one_name(datasets: Iterable[Dataset]) -> Iterator[str]:
    """Formats of the project that share a name: the name is all that is recorded of a format."""
    by_name: dict[str, Dataset] = {}
    for dataset in datasets:
        own = dataset.stored_as
        other = by_name.setdefault(own.name, dataset)
        kinds = [type(d.stored_as.brought) for d in (other, dataset)]
        if kinds[0] is not kinds[1]:
            first, second = map(_called, kinds)
            yield (
                f"two formats are named {own.name!r}: {first} of {other.name!r} at {other.place}, "
                f"and {second} of {dataset.name!r} at {dataset.place}; give one another name"
            )


def _called(kind: type) -> str:
    own = kind is type(None)
    return "the one of partflow" if own else f"{kind.__module__}.{kind.__qualname__}"


def _twice_named(tasks: Sequence[Task], named: Mapping[str, Dataset]) -> Iterator[str]:
    by_name: dict[str, Task] = {}
    for task in tasks:
        other = by_name.setdefault(task.name, task)
        if other is not task:
            yield (
                f"two tasks are named {task.name!r}: at {other.place} and at {task.place}; "
                "give one another name with name='...'"
            )
        if task.is_effect and task.name in named:
            yield (
                f"effect {task.name!r} at {task.place} has the name of the dataset at "
                f"{named[task.name].place}; give the effect another with name='...'"
            )


def _unwritten(tasks: Sequence[Task], named: Mapping[str, Dataset]) -> Iterator[str]:
    written = {d.name for t in tasks for d in t.writes}
    first_reader = {i.read.dataset.name: t for t in reversed(tasks) for i in t.inputs}
    for name, reader in first_reader.items():
        if name not in written and not named[name].is_source:
            yield (
                f"{reader.name!r} at {reader.place} reads {name!r}, which nobody writes (it is "
                f"declared at {named[name].place}); declare it as a Source if others write its "
                "files, or give it a task"
            )


def _written_twice(tasks: Sequence[Task], declared: Mapping[str, Extent]) -> Iterator[str]:
    for name, writers in _writers(tasks).items():
        ordered = sorted(writers, key=lambda t: (declared[t.name].lo, t.name))
        for first, second in pairwise(ordered):
            a, b = declared[first.name], declared[second.name]
            if a.hi is None or a.hi > b.lo:
                yield (
                    f"{name!r} is written by {first.place} ({first.name}) and {second.place} "
                    f"({second.name}) at one time; give each its during=(start, end), or one of "
                    "them another dataset"
                )


def _is_of_one_line(task: Task, task_input: Input) -> bool:
    """Whether a task and what it reads are cut into the same intervals, which always fit."""
    grain, line = task.grain, task_input.read.dataset.grain
    return (grain is line or grain.same_line(line)) and not isinstance(grain, Whole)


def _ill_nested(task: Task, task_input: Input) -> Iterator[str]:
    """The problems of a task and a dataset that it reads whose grains do not fit."""
    read = task_input.read
    nests = isinstance(task.grain, Whole) or task.grain.nests(read.dataset.grain)
    if read.form is Form.OVERLAP and not nests:
        own, other = (shown_keys_in(g.describe()) for g in (task.grain, read.dataset.grain))
        yield (
            f"{task.name!r} at {task.place} is {own} and reads "
            f"{read.dataset.name!r}, which is {other}: these do not nest; "
            f"write {read.dataset.name}.overlapping() to read all that touch"
        )
    if read.is_partial and isinstance(task.grain, Whole):
        yield (
            f"{task.name!r} at {task.place} is Whole and reads {read.declared}: it reads all that "
            f"is due, with no moment to count from; read {read.dataset.name} itself, or "
            f"{read.dataset.name}.optional()"
        )
    both_whole = isinstance(task.grain, Whole) and isinstance(read.dataset.grain, Whole)
    if read.form is Form.SPAN and both_whole:
        yield (
            f"{task.name!r} at {task.place} reads {read.declared}, and both are Whole: neither is "
            f"cut in time, so there is no moment to go back from; read {read.dataset.name} itself"
        )


def _begun_within(
    task: Task, task_input: Input, tasks: Mapping[str, Extent], datasets: Mapping[str, Extent]
) -> Iterator[str]:
    """A problem if what is read begins within the task's first partition: that would stay a part.

    What is read may end within the last partition: once it goes on, that is made again.
    """
    read, grain, extent = task_input.read, task.grain, tasks[task.name]
    line, first = read.dataset.grain, datasets[read.dataset.name].lo
    if read.form is not Form.OVERLAP or read.is_optional or extent.hi == extent.lo:
        return
    if isinstance(grain, Whole) or isinstance(line, Whole):
        return
    if grain.interval(extent.lo).start < line.interval(first).start:
        key = grain.key(extent.lo)
        yield (
            f"{task.name!r} at {task.place} begins with {key}, and reads {read.dataset.name!r}, "
            f"which begins with {line.key(first)}: {key} would be made of a part and never of the "
            f"whole; begin with {grain.key(extent.lo + 1)}, or write "
            f"{read.dataset.name}.overlapping() to take what there is"
        )


def declared_extent(task: Task) -> Extent:
    """The ordinals that a task's grain and `during` allow, whatever it reads.

    UsageError if a text of `during` is no moment.
    """
    grain = task.grain
    own = Extent(grain.lo, grain.hi)
    if task.options.during is None:
        return own
    start, end = task.options.during
    return own.clip(Extent(_boundary(task, start), None if end is None else _boundary(task, end)))


def _problem_of_during(task: Task) -> str | None:
    """What is wrong with a task's `during`: no moment, no boundary, or an end before the start."""
    bounds = [text for text in task.options.during or () if text is not None]
    what = f"{task.place}: task {task.name!r}: during"
    moments: list[int] = []
    for text in bounds:
        try:
            moment = task.grain.moment(text)
        except UsageError as error:
            return f"{what} has {error}"
        moments.append(moment)
        ordinal = task.grain.ordinal_at(moment)
        if task.grain.interval(ordinal).start != moment:
            return (
                f"{what} has {text!r}, which is no boundary of a "
                f"{shown_keys_in(task.grain.describe())} partition; {task.grain.shown(ordinal)} "
                f"and {task.grain.shown(ordinal + 1)} begin at one"
            )
    if len(moments) > 1 and moments[0] >= moments[1]:
        return f"{what}={task.options.during!r} ends before it has begun; its end is exclusive"
    return None


def _boundary(task: Task, text: str) -> int:
    return task.grain.ordinal_at(task.grain.moment(text))


def _ordered(tasks: Sequence[Task], declared: Mapping[str, Extent]) -> tuple[Task, ...]:
    """The tasks in topological order; those that share a dataset are neighbours, by `during`.

    GraphError if there is a cycle.
    """
    group = _groups(tasks)
    members: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda t: (declared[t.name].lo, t.name)):
        members.setdefault(group[task.name], []).append(task)
    writer = {d: group[t.name] for t in tasks for d in t.writes}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(members):
        reads = {
            writer[i.read.dataset]
            for t in members[name]
            for i in t.inputs
            if i.read.dataset in writer
        }
        sorter.add(name, *sorted(reads - {name}))
    try:
        order = tuple(sorter.static_order())
    except CycleError as error:
        raise GraphError(_cycle(error.args[1], members)) from None
    _check_groups(members)
    return tuple(t for name in order for t in members[name])


def _groups(tasks: Sequence[Task]) -> dict[str, str]:
    """Each task's group: the first name among the tasks that it shares datasets with, and so on."""
    parent = {t.name: t.name for t in tasks}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for sharing in _writers(tasks).values():
        roots = {root(t.name) for t in sharing}
        parent.update(dict.fromkeys(roots, min(roots)))
    return {name: root(name) for name in parent}


def _check_groups(members: Mapping[str, Sequence[Task]]) -> None:
    """Raise GraphError for a task that reads what its group writes, if not back in time."""
    for group in members.values():
        written = {d for t in group for d in t.writes}
        for task in group:
            for task_input in task.inputs:
                back = task_input.read.form is Form.PREVIOUS or (
                    task_input.read.form is Form.WINDOW and int(task_input.read.last) < 0
                )
                if task_input.read.dataset in written and not back:
                    sibling = next(t for t in group if task_input.read.dataset in t.writes)
                    raise GraphError(
                        _cycle([task.name, sibling.name, task.name], {t.name: [t] for t in group})
                    )


def _cycle(names: Sequence[str], members: Mapping[str, Sequence[Task]]) -> str:
    """The message for a cycle of tasks, each with its place; the first name comes first."""
    first = names.index(min(names))
    turned = [*names[first:-1], *names[:first], names[first]]
    tasks = [members[n][0] for n in turned]
    steps = " -> ".join(f"{', '.join(outputs(t))} ({t.place})" for t in tasks)
    return f"the datasets form a cycle, each made from the one before: {steps}; break it at one"


def _extents(
    tasks: Sequence[Task], named: Mapping[str, Dataset], declared: Mapping[str, Extent]
) -> tuple[dict[str, Extent], dict[str, Extent]]:
    """The ordinals of tasks and of datasets that can ever exist.

    A task has those that it declares, as far as its strict reads reach.
    """
    of_datasets = {n: Extent(d.grain.lo, d.grain.hi) for n, d in named.items() if d.is_source}
    of_tasks: dict[str, Extent] = {}
    for task in tasks:
        extent = declared[task.name]
        for task_input in task.inputs:
            name = task_input.read.dataset.name
            if task_input.read.dataset not in task.writes and name in of_datasets:
                extent = extent.clip(task_input.read.reach(task.grain, of_datasets[name]))
        of_tasks[task.name] = extent
        for dataset in task.writes:
            of_datasets[dataset.name] = _joined(of_datasets.get(dataset.name), extent)
    for name, dataset in named.items():
        of_datasets.setdefault(name, Extent(dataset.grain.lo, dataset.grain.lo))
    return of_tasks, of_datasets


def _joined(extent: Extent | None, other: Extent) -> Extent:
    """The least extent that holds both; one without ordinals does not count."""
    if extent is None or extent.hi == extent.lo:
        return other
    if other.hi == other.lo:
        return extent
    ends = (extent.hi, other.hi)
    return Extent(min(extent.lo, other.lo), None if None in ends else max(e for e in ends if e))
