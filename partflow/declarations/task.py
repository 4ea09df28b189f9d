"""Declares tasks and effects: a function with what it reads and what it writes.

Knows nothing of graphs, plans or runs. A task stays callable as the function that it is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from partflow.declarations.dataset import NAME, Dataset, Read, as_read
from partflow.declarations.mapping import Form
from partflow.declarations.options import Options, options_of
from partflow.declarations.parameters import ParameterKind, kind_of
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Grain, Whole, common_zone
from partflow.partitions.declaring import Place, declared_at, is_refused, note, refuse
from partflow.partitions.spans import Duration

Function = Callable[..., Any]
Reads = Sequence[Dataset | Read] | Mapping[str, Dataset | Read] | Dataset | Read
Writes = Dataset | Sequence[Dataset] | Mapping[str, Dataset]


@dataclass(frozen=True, slots=True)
class Input:
    """One read of a task, and the parameter that takes it."""

    parameter: str
    read: Read
    kind: ParameterKind


class Task:
    """A declared function: `task(...)` and `effect(...)` make it; calling it calls the function.

    `writes` is empty for an effect. `partition_parameter` names the parameter that wants the
    `Partition`, if there is one.
    """

    def __init__(  # noqa: PLR0913 - the parts of a declaration, given by name
        self,
        function: Function,
        *,
        name: str,
        grain: Grain,
        inputs: tuple[Input, ...],
        writes: tuple[Dataset, ...],
        write_names: tuple[str, ...] | None,
        partition_parameter: str | None,
        options: Options,
        place: Place,
    ) -> None:
        self.function = function
        self.name = name
        self.grain = grain
        self.inputs = inputs
        self.writes = writes
        self.write_names = write_names
        self.partition_parameter = partition_parameter
        self.options = options
        self.place = place
        functools.update_wrapper(self, function)
        note(self)

    @property
    def is_effect(self) -> bool:
        """Whether it is recorded and stores nothing."""
        return not self.writes

    @property
    def reads_itself(self) -> bool:
        """Whether it reads a dataset that it writes."""
        return any(i.read.dataset in self.writes for i in self.inputs)

    @property
    def zone(self) -> str:
        """The zone by whose clock DuckDB works in its calls: that of all it reads, or UTC."""
        return common_zone(task_input.read.dataset.grain for task_input in self.inputs)

    @property
    def declared(self) -> tuple[tuple[str, str], ...]:
        """What of the declaration can change the result: named texts for the code fingerprint."""
        reads = tuple(
            (f"reads.{i.parameter}", f"{i.read.declared} as {i.kind.name}") for i in self.inputs
        )
        writes = tuple(part for d in self.writes for part in d.declared)
        names = () if self.write_names is None else (("writes", repr(self.write_names)),)
        version = () if self.options.version is None else (("version", self.options.version),)
        return reads + writes + names + version

    @property
    def declared_since(self) -> tuple[tuple[str, str], ...]:
        """As `declared`: what the first rules of the code fingerprint did not count.

        If there is any, partitions that were made under those rules are reckoned anew. Relations
        had the machine's zone then, and partition columns of less than a day were naive, in UTC.
        """
        kinds = {task_input.kind for task_input in self.inputs}
        zone = ParameterKind.DUCKDB in kinds and self.zone != "UTC"
        return (*((("relations.zone", self.zone),) if zone else ()), *self._moments())

    @property
    def formats(self) -> tuple[tuple[str, object], ...]:
        """The project's own formats of what it reads and writes, by name, each once."""
        datasets = (*(task_input.read.dataset for task_input in self.inputs), *self.writes)
        named = {d.stored_as.name: d.stored_as.brought for d in datasets}
        return tuple((name, own) for name, own in sorted(named.items()) if own is not None)

    def _moments(self) -> Iterator[tuple[str, str]]:
        """Named texts of the partition columns in its frames that hold moments, and not dates."""
        for task_input in self.inputs:
            dataset = task_input.read.dataset
            is_frame = task_input.kind not in (ParameterKind.PATHS, ParameterKind.OBJECT)
            is_own = dataset.is_source and dataset.column in (dataset.schema or {})
            if is_frame and dataset.grain.is_timed and not is_own:
                yield (
                    f"reads.{task_input.parameter}.{dataset.column}",
                    f"a moment in {dataset.grain.tz}",
                )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the user's function as it is; no part of partflow takes part."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        """Short: tasks stand in many messages."""
        return f"{'effect' if self.is_effect else 'task'}({self.name!r})"


def task(  # noqa: PLR0913 - the public interface; each option stands for itself
    *,
    reads: Reads = (),
    writes: Writes,
    name: str | None = None,
    during: tuple[str, str | None] | None = None,
    batch: int | bool | None = None,
    retries: int = 0,
    retry_delay: Duration = "10s",
    timeout: Duration | None = None,
    pool: str | None = None,
    executor: Literal["threads"] | None = None,
    priority: int = 0,
    lag: Duration | None = None,
    settles_after: Duration | None = None,
    refresh_every: Duration | None = None,
    only: Literal["latest"] | None = None,
    version: str | int | None = None,
    on_code_change: Literal["stale", "keep"] = "stale",
    catchup: bool = True,
    on_input_change: Literal["stale", "keep"] = "stale",
    tags: Iterable[str] = (),
) -> Callable[[Function], Task]:
    """Declare that a function makes the partitions of `writes` from those of `reads`.

    `reads` is a list in the order of the parameters, or a mapping by parameter name. `during` is
    `(start, end)` on partition boundaries, so that two tasks may share a dataset. `batch` is how
    many neighbouring partitions one call may make; True leaves that to partflow. `timeout` is for
    one call; `pool` names a limit of the configuration. With `executor="threads"` it runs in a
    thread of the coordinator, which suits what mostly waits. Of what is ready, a higher `priority`
    goes first. `lag` is how long after its data interval a partition is due. With `settles_after`
    and `refresh_every` partitions are made again while the outside world corrects what they read.
    `version` is added to the code fingerprint. With `on_code_change="keep"` partitions stay that
    other code made; with `on_input_change="keep"` those stay whose inputs have changed since, so
    that each is made once. With `catchup=False` what was due before a run first saw the task, but
    for the newest, is made only by a backfill or when its key is named.

    DeclarationError if the declaration cannot be right; the load of a project raises all of them
    together.
    """
    place = declared_at()
    arguments: dict[str, Any] = {
        "during": during,
        "batch": batch,
        "retries": retries,
        "retry_delay": retry_delay,
        "timeout": timeout,
        "pool": pool,
        "executor": executor,
        "priority": priority,
        "lag": lag,
        "settles_after": settles_after,
        "refresh_every": refresh_every,
        "only": only,
        "version": version,
        "on_code_change": on_code_change,
        "catchup": catchup,
        "on_input_change": on_input_change,
        "tags": tags,
    }
    checked = functools.partial(
        _checked_task, reads=reads, writes=writes, name=name, arguments=arguments, place=place
    )
    return _declaring(checked, place, (reads, writes))


def _checked_task(
    function: Function,
    *,
    reads: Reads,
    writes: Writes,
    name: str | None,
    arguments: Mapping[str, Any],
    place: Place,
) -> Task:
    """The task of a function; DeclarationError if the declaration cannot be right."""
    written, names = _writes(writes, place)
    what = f"{place}: task {name or _name(function)!r}"
    options = options_of(what, arguments)
    grains = {d.grain.signature for d in written}
    if len(grains) > 1 or len({(d.grain.lo, d.grain.hi) for d in written}) > 1:
        raise DeclarationError(
            f"{what} writes {_listed(written)}, whose grains differ; what one task writes "
            "shares one grain, start and end"
        )
    inputs, partition = _inputs(function, reads, what)
    for i in inputs:
        _check_self_read(i.read, written, what)
        if i.read.dataset in written and not options.catchup:
            raise DeclarationError(
                f"{what} reads {i.read.declared}, which it writes itself: each partition needs the "
                "ones before it, so all of them are asked for; leave catchup=False out"
            )
    _check_batched(what, options, inputs, written)
    return Task(
        function,
        name=_checked_name(name or _name(function), what),
        grain=written[0].grain,
        inputs=inputs,
        writes=written,
        write_names=names,
        partition_parameter=partition,
        options=options,
        place=place,
    )


def effect(  # noqa: PLR0913 - the public interface
    *,
    reads: Reads,
    grain: Grain | None = None,
    name: str | None = None,
    only: Literal["latest"] | None = None,
    retries: int = 0,
    retry_delay: Duration = "10s",
    timeout: Duration | None = None,
    pool: str | None = None,
    executor: Literal["threads"] | None = None,
    priority: int = 0,
    lag: Duration | None = None,
    on_input_change: Literal["stale", "keep"] = "stale",
    idempotent: bool = False,
    tags: Iterable[str] = (),
) -> Callable[[Function], Task]:
    """Declare that a function acts on the world with what it reads, and stores nothing.

    It is recorded when it completes, and not repeated while its inputs stay the same; with
    `on_input_change="keep"` it is done once for each partition, whatever becomes of its inputs. If
    it is cut off it is perhaps done, and left until somebody says whether it was; `idempotent` says
    that twice does no harm: then it is done again. Its grain is that of its first read unless
    given. DeclarationError if the declaration cannot be right; the load of a project raises all of
    them together.
    """
    place = declared_at()
    arguments: dict[str, Any] = {
        "retries": retries,
        "retry_delay": retry_delay,
        "timeout": timeout,
        "pool": pool,
        "executor": executor,
        "priority": priority,
        "lag": lag,
        "only": only,
        "on_input_change": on_input_change,
        "idempotent": idempotent,
        "tags": tags,
    }

    def checked(function: Function) -> Task:
        what = f"{place}: effect {name or _name(function)!r}"
        inputs, partition = _inputs(function, reads, what)
        if not inputs:
            raise DeclarationError(f"{what} reads nothing; an effect acts on what it reads")
        return Task(
            function,
            name=_checked_name(name or _name(function), what),
            grain=grain or inputs[0].read.dataset.grain,
            inputs=inputs,
            writes=(),
            write_names=None,
            partition_parameter=partition,
            options=options_of(what, arguments),
            place=place,
        )

    return _declaring(checked, place, (reads, ()))


def _declaring(
    checked: Callable[[Function], Task], place: Place, named: tuple[Reads, Writes]
) -> Callable[[Function], Task]:
    """The decorator that makes a task of a function, or refuses it; `named` is what it mentions."""

    def declare(function: Function) -> Task:
        try:
            return checked(function)
        except DeclarationError as error:
            # If one of its datasets was refused, this error may come of that alone.
            if not any(is_refused(d) or is_refused(d.grain) for d in _datasets_in(named)):
                refuse(error)
            return _nothing(function, place)

    return declare


def _datasets_in(named: tuple[object, ...]) -> list[Dataset]:
    """The datasets in the reads and writes of a declaration, in whichever form they are given."""
    datasets: list[Dataset] = []
    for given in named:
        listed = given.values() if isinstance(given, Mapping) else given
        for each in listed if isinstance(listed, Iterable) else [listed]:
            dataset = each.dataset if isinstance(each, Read) else each
            datasets += [dataset] if isinstance(dataset, Dataset) else []
    return datasets


def _nothing(function: Function, place: Place) -> Task:
    """A task that stands for one that was refused, until the load of the project ends."""
    return Task(
        function,
        name=_name(function),
        grain=Whole(),
        inputs=(),
        writes=(),
        write_names=None,
        partition_parameter=None,
        options=Options(),
        place=place,
    )


def _name(function: Function) -> str:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return str(getattr(inner, "__name__", "task"))


def _checked_name(name: str, what: str) -> str:
    if not NAME.match(name):
        raise DeclarationError(
            f"{what}: its name must be a lower-case letter, then letters, digits and _; "
            "give it one with name='...'"
        )
    return name


def _listed(datasets: Iterable[Dataset]) -> str:
    return " and ".join(repr(d.name) for d in datasets)


def _writes(writes: Writes, place: Place) -> tuple[tuple[Dataset, ...], tuple[str, ...] | None]:
    names = None
    if isinstance(writes, Dataset):
        written: tuple[Any, ...] = (writes,)
    elif isinstance(writes, Mapping):
        names, written = tuple(writes), tuple(writes.values())
    else:
        written = tuple(writes)
    for dataset in written:
        if not isinstance(dataset, Dataset):
            raise DeclarationError(f"{place}: writes={dataset!r} is not a Dataset")
        if dataset.is_source:
            raise DeclarationError(
                f"{place}: writes source {dataset.name!r}, declared at {dataset.place}; others "
                "write a source, so declare a Dataset instead"
            )
    if not written or len(set(written)) < len(written):
        raise DeclarationError(
            f"{place}: writes must name at least one dataset, each once; for a function that "
            "stores nothing use @effect"
        )
    return written, names


def _check_batched(
    what: str, options: Options, inputs: Iterable[Input], written: tuple[Dataset, ...]
) -> None:
    """Raise DeclarationError if a batch could not be split, or if partitions need one another."""
    if not options.batch or (options.batch == 1 and options.batch is not True):
        return
    for dataset in written:
        if not dataset.stored_as.is_table or dataset.column is None:
            kind = "Whole" if dataset.column is None else dataset.stored_as.name
            raise DeclarationError(
                f"{what}: batch={options.batch}, and {dataset.name!r} is {kind}; only partitions "
                "of tables can be split off a batch, so leave batch out"
            )
    for read in (task_input.read for task_input in inputs):
        if read.dataset in written:
            raise DeclarationError(
                f"{what}: batch={options.batch}, and it reads {read.dataset.name!r}, which it "
                "writes itself: each partition needs the one before it, so leave batch out"
            )


def _inputs(function: Function, reads: Reads, what: str) -> tuple[tuple[Input, ...], str | None]:
    """Each read with its parameter, and the parameter that wants the partition."""
    parameters = _parameters(function, what)
    kinds = {name: kind_of(p.annotation) for name, p in parameters.items()}
    wanted = [name for name, kind in kinds.items() if kind is ParameterKind.PARTITION]
    if len(wanted) > 1:
        raise DeclarationError(
            f"{what}: {' and '.join(wanted)} are both annotated Partition; leave one out"
        )
    frames = [name for name in parameters if name not in wanted]
    pairs = _paired(reads, frames, {n for n in frames if parameters[n].default is _EMPTY}, what)
    inputs = tuple(Input(name, read, _kind(kinds[name], read)) for name, read in pairs)
    return inputs, wanted[0] if wanted else None


_EMPTY = inspect.Parameter.empty


def _kind(kind: ParameterKind, read: Read) -> ParameterKind:
    """The kind in which a read is handed over: what is no table as its object, or as its path."""
    if read.dataset.stored_as.is_path:
        return ParameterKind.PATHS
    if not read.dataset.stored_as.is_table and kind is not ParameterKind.PATHS:
        return ParameterKind.OBJECT
    return ParameterKind.LAZY if kind is ParameterKind.OBJECT else kind


def _parameters(function: Function, what: str) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{what}: {function!r} has no signature to read ({error})") from None
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {n: p for n, p in signature.parameters.items() if p.kind not in variadic}


def _paired(
    reads: Reads, frames: list[str], required: set[str], what: str
) -> list[tuple[str, Read]]:
    """Each read with its parameter, which is given by name or by order."""
    if isinstance(reads, Mapping):
        unknown = [n for n in reads if n not in frames]
        missing = [n for n in frames if n in required and n not in reads]
        if unknown or missing:
            problem = (
                f"reads names {unknown[0]!r}, which is no parameter of it"
                if unknown
                else f"nothing is read for its parameter {missing[0]!r}"
            )
            raise DeclarationError(f"{what}: {problem}; its parameters are ({', '.join(frames)})")
        return [(n, _as_read(reads[n], what)) for n in frames if n in reads]
    listed = [reads] if isinstance(reads, Dataset | Read) else list(reads)
    if not len([n for n in frames if n in required]) <= len(listed) <= len(frames):
        raise DeclarationError(
            f"{what} reads {len(listed)} dataset{'s' * (len(listed) != 1)} and has "
            f"{len(frames)} parameter{'s' * (len(frames) != 1)} for them ({', '.join(frames)}); "
            "give each read its parameter, and annotate the one for the partition as Partition"
        )
    return [(n, _as_read(r, what)) for n, r in zip(frames, listed, strict=False)]


def _as_read(declared: object, what: str) -> Read:
    if not isinstance(declared, Dataset | Read):
        raise DeclarationError(f"{what}: reads {declared!r}, which is no dataset")
    read = as_read(declared)
    if read.form is Form.ASOF and read.dataset.grain.kind == "whole":
        raise DeclarationError(f"{what}: {read.dataset.name}.asof(): a Whole dataset never ends")
    if read.is_partial and read.dataset.grain.kind == "whole":
        raise DeclarationError(
            f"{what} reads {read.declared}: a Whole dataset is one partition; read "
            f"{read.dataset.name} itself, or {read.dataset.name}.optional()"
        )
    return read


def _check_self_read(read: Read, writes: tuple[Dataset, ...], what: str) -> None:
    """Raise DeclarationError if a partition would need itself, or one after it."""
    if read.dataset not in writes or read.form is Form.PREVIOUS:
        return
    name = read.dataset.name
    if read.is_partial:
        raise DeclarationError(
            f"{what} reads {read.declared}, which it writes itself; there each partition needs the "
            f"ones before it: read {name}.previous(), {name}.window(-7, -1), or such .optional()"
        )
    if read.form is Form.WINDOW and int(read.last) < 0:
        return
    raise DeclarationError(
        f"{what} reads {read.declared}, which it writes itself; a task may read its own dataset "
        f"only further back: {name}.previous(), or {name}.window(-7, -1)"
    )
