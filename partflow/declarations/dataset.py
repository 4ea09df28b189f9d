"""Declares datasets and sources, and which upstream partitions a partition reads.

Knows nothing of files, of what exists, or of tasks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from partflow.declarations.asked import ANSWER, problem_of_asking, problem_of_settling
from partflow.declarations.columntypes import problem_of_types
from partflow.declarations.expected import Expected, expected_of
from partflow.declarations.keyedpath import KeyedPath, spread
from partflow.declarations.mapping import Extent, Form, ReadMapping
from partflow.declarations.sourcepath import (
    format_by_ending,
    placed,
    problem_of_braces,
    problem_of_path,
    problem_of_pattern,
    unstarred,
)
from partflow.declarations.storedas import (
    DELIVERED,
    PARQUET,
    SKOPS,
    Brought,
    StoredAs,
    understood,
)
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Grain, Whole
from partflow.partitions.declaring import Place, declared_at, note, refuse
from partflow.partitions.spans import Duration, duration, is_span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from partflow.partitions.sets import Partition

Schema = Mapping[str, Any]
"""Column names with polars types, in order. The types are opaque here: only their text is read."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_WIDE = re.compile(r"\bU?Int128\b")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Named, partitioned, stored: one grain, one schema.

    `name` is `[a-z][a-z0-9_]*`, at most 63 letters. `schema` maps column names to polars types and
    is enforced. `sort_by` names the columns by which rows are stored (else: as returned).
    `float_tolerance` is the largest difference, absolute or relative, at which a new frame still
    counts as equal to the present one. `format` is "parquet", "skops", or the project's own, an
    object as `partflow.Format` says. `trusted` lists the type names that a skops model may hold.
    By `expect_by` each partition is expected: a time of the zone's clock, such as "08:00", the
    first one at or after its interval's end; or a span after that end, such as "2h". The newest
    fresh one may become as old as `max_age`, counted from that end; a `Whole`, from when it was
    made.
    `place` is where it is declared.

    DeclarationError if one of these cannot be right; the load of a project raises all of them
    together.
    """

    name: str
    grain: Grain
    schema: Schema | None = None
    sort_by: tuple[str, ...] | str = ()
    float_tolerance: float = 0.0
    format: str | Brought = "parquet"
    partition_column: str | None = None
    description: str | None = None
    trusted: tuple[str, ...] = ()
    expect_by: Duration | None = field(default=None, kw_only=True)
    max_age: Duration | None = field(default=None, kw_only=True)
    place: Place = field(default=Place(""), kw_only=True)

    def __post_init__(self) -> None:
        """Check what can be checked of a dataset by itself."""
        if not self.place:
            object.__setattr__(self, "place", declared_at())
        object.__setattr__(self, "trusted", tuple(self.trusted))
        problem = self._problem()
        if problem:
            refuse(DeclarationError(f"{self.place}: dataset {self.name!r}: {problem}"), self)
        note(self)

    def _problem(self) -> str | None:
        name: object = self.name
        if not isinstance(name, str) or not NAME.match(name):
            return "a name is a lower-case letter, then letters, digits and _, at most 63 in all"
        grain: object = self.grain
        if not isinstance(grain, Grain):
            return f"its grain is {self.grain!r}; give it one such as Daily('2024-01-01')"
        if problem := self._format_problem():
            return problem
        schema: object = self.schema
        if schema is not None and not isinstance(schema, Mapping):
            return "its schema must be a mapping from column names to polars types"
        if schema is not None and (problem := problem_of_types(schema)):
            return problem
        if not self.float_tolerance >= 0:
            return f"float_tolerance is {self.float_tolerance!r}; it must be zero or more"
        try:
            expected_of(self.expect_by, self.max_age, grain)
        except DeclarationError as problem:
            return str(problem)
        return self._column_problem()

    @cached_property
    def expected(self) -> Expected | None:
        """By when its partitions are expected, and how old it may become; None if nothing is."""
        return expected_of(self.expect_by, self.max_age, self.grain)

    def _format_problem(self) -> str | None:
        form = self._understood
        if isinstance(form, str):
            return form
        of_tables = ("schema", "sort_by", "float_tolerance", "trusted")
        options = [option for option in of_tables if getattr(self, option)]
        if not form.is_table and form != SKOPS and options:
            return f"{options[0]} means nothing for its format {form.name!r}; leave it out"
        return None

    def _column_problem(self) -> str | None:
        if self.partition_column is not None and not _COLUMN.match(self.partition_column):
            return f"partition_column {self.partition_column!r} is not a plain column name"
        if self.schema is None:
            return None
        own = (self.column or "").lower()
        same = [name for name in self.schema if str(name).lower() == own]
        if same and not self.is_source:
            return (
                f"its schema names {same[0]!r}, which is its partition column and stands in "
                "the path; leave it out, or choose another partition_column"
            )
        if not self.is_source and (problem := self._schema_problem(self.schema)):
            return problem
        unknown = [c for c in self.order if c not in self.schema]
        return f"sort_by names {unknown[0]!r}, which its schema lacks" if unknown else None

    def _schema_problem(self, schema: Schema) -> str | None:
        """What is wrong with columns that can be stored, but that others cannot read."""
        names: dict[str, str] = {}
        for column, kind in schema.items():
            other = names.setdefault(str(column).lower(), column)
            if other != column:
                return f"its schema names {other!r} and {column!r}, which SQL does not tell apart"
            if wide := _WIDE.search(str(kind)):
                return (
                    f"its schema says {wide[0]} of {column!r}, which readers of Parquet other than "
                    "polars do not know; use pl.Decimal(38, 0) or pl.String"
                )
        return None

    @property
    def is_source(self) -> bool:
        """Whether others write it."""
        return False

    @property
    def has_several_files(self) -> bool:
        """Whether a partition of it may have several files."""
        return False

    @cached_property
    def stored_as(self) -> StoredAs:
        """The format of its files."""
        form = self._understood
        return PARQUET if isinstance(form, str) else form  # such a dataset is refused

    @property
    def _understood(self) -> StoredAs | str:
        """The format of its files, or what is wrong with it."""
        return understood(self.format, is_source=self.is_source)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The columns that rows are sorted by; () if they stay as they were returned."""
        return (self.sort_by,) if isinstance(self.sort_by, str) else tuple(self.sort_by)

    @cached_property
    def column(self) -> str | None:
        """The partition column's name; None for a dataset that is not cut."""
        if isinstance(self.grain, Whole):
            return None
        return self.partition_column or self.grain.column or "partition"

    @property
    def declared(self) -> tuple[tuple[str, str], ...]:
        """What of the declaration can change what its writer makes, as named texts."""
        schema = None if self.schema is None else [(n, str(t)) for n, t in self.schema.items()]
        return (
            (f"{self.name}.grain", repr(self.grain.signature)),
            (f"{self.name}.schema", repr(schema)),
            (f"{self.name}.sort_by", repr(self.order)),
            (f"{self.name}.format", repr((self.stored_as.name, self.column))),
        )

    def __repr__(self) -> str:
        """Short: datasets stand in many messages."""
        return f"{type(self).__name__}({self.name!r})"

    def window(self, first: int | str, last: int | str) -> Read:
        """The partitions from `first` to `last`, counted from those that overlap.

        Whole numbers, as in (-6, 0), count partitions, both inclusive: `first` from the first that
        overlaps, `last` from the last. Spans, as in ("-7d", "0d"), move the beginning and the end
        of the task's data interval. DeclarationError if they are neither, or if the first number is
        the greater one.
        """
        return Read(self).window(first, last)

    def previous(self) -> Read:
        """The partition before the first of those that overlap."""
        return Read(self, Form.PREVIOUS)

    def history(self) -> Read:
        """Every partition from the start of this dataset up to those that overlap."""
        return Read(self, Form.HISTORY)

    def asof(self) -> Read:
        """The newest partition whose interval had ended when the task's interval began."""
        return Read(self, Form.ASOF)

    def within(self, bound: str) -> Read:
        """The newest partition that is there of what had ended, as for `asof`, up to a bound.

        `bound` is a span such as "5d": the partition's interval ended at most so long before the
        task's interval began. DeclarationError if it is no span, or not longer than nothing.
        """
        return Read(self).within(bound)

    def at_least(self, number: int, wait: Duration | None = None) -> Read:
        """The overlapping partitions, of which so many have to be there; see `Read.at_least`."""
        return Read(self).at_least(number, wait)

    def overlapping(self) -> Read:
        """Every partition that touches the task's data interval, also where grains do not nest."""
        return Read(self, Form.OVERLAPPING)

    def optional(self) -> Read:
        """The overlapping partitions that are there; nothing waits for the others."""
        return Read(self).optional()


@dataclass(frozen=True, eq=False, repr=False)
class Source(Dataset):
    """A dataset that others write; `path` is relative to the project, with `{key}` for the key.

    It may begin in a folder that the configuration names under `folders`: `{landing}/{key}.csv`.

    A * in the name of the file, as in `landing/{key}/*.csv`, stands for any text, and such a name
    does not begin with a dot. Then all such files are one partition, which is there once one of
    them is. Rows of tables count together, in whichever files they lie; of other formats each
    reader gets a list, in order of the names.

    In its place, or beside it, may be the start of the partition: `{date:%Y/%m/%d}` and
    `{start:%H}` in the grain's zone, `{utc:%H}` in UTC.

    `format` is "parquet", "csv", "ndjson", "json" or "file"; or an object of the project's own, see
    `partflow.Format`. If it is not given, it follows from the path's ending.

    A file counts as not there yet while it is not whole. With `complete` it is whole once another
    file is there, too: a name in the same folder, or a path of its own, with `{key}` where the name
    alone would be the same for all. With `settled_for`, such as "10m", it is whole once it has not
    been changed for so long.

    What has not come when `gives_up_after` has passed since its interval's end is given up: it is
    absent, and read as if it were empty. What comes after all is a change.

    In place of a path, `fingerprint` is a function that takes a `Partition` and returns a text that
    is another one once the data is, or None while there is none. Its reader gets that text. Runs
    ask it, in a process of their own.

    Until `settles_after` has passed since its interval's end a partition may still change, and is
    looked at by `serve` in between, or asked about; that at most every `refresh_every`.

    Raises:
        DeclarationError: as for any `Dataset`; or the path is none, or no format is given and the
            path's ending is that of none.
    """

    path: str = field(default="", kw_only=True)
    format: str | Brought = ""
    complete: str | None = field(default=None, kw_only=True)
    settled_for: Duration | None = field(default=None, kw_only=True)
    gives_up_after: Duration | None = field(default=None, kw_only=True)
    fingerprint: Callable[[Partition], str | None] | None = field(default=None, kw_only=True)
    settles_after: Duration | None = field(default=None, kw_only=True)
    refresh_every: Duration | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Find the format by the ending."""
        if isinstance(self.format, str) and not self.format and not self.is_asked:
            object.__setattr__(self, "format", format_by_ending(str(self.path)))
        super().__post_init__()

    @property
    def is_source(self) -> bool:
        """Others write it."""
        return True

    @property
    def is_asked(self) -> bool:
        """Whether a function tells what is there, and no file."""
        return self.fingerprint is not None

    @property
    def _understood(self) -> StoredAs | str:
        return ANSWER if self.is_asked else super()._understood

    def _problem(self) -> str | None:
        settling = self.settles_after, self.refresh_every
        problem = problem_of_settling(self.grain, *settling, is_asked=self.is_asked)
        if self.is_asked:
            beside = ("path", "complete", "settled_for", "gives_up_after", "format")
            given = {name: getattr(self, name) for name in beside}
            problem = problem_of_asking(self.fingerprint, given) or problem
            return problem or super()._problem()
        return problem or self._problem_of_path()

    def _problem_of_path(self) -> str | None:
        path: object = self.path
        if not isinstance(path, str) or not path:
            return "a source needs a path, such as path='landing/sales/{key}.csv'"
        if problem := problem_of_pattern(self.path) or problem_of_path(unstarred(self.path)):
            return f"path {self.path!r} {problem}"
        grain: object = self.grain
        if isinstance(grain, Grain) and (problem := problem_of_braces(self.path, grain)):
            return f"path {self.path!r} {problem}"
        if isinstance(self.format, str) and not self.format:
            return (
                f"its format is not clear from {self.path!r}; give format=..., one of "
                f"{', '.join(DELIVERED)}"
            )
        return self._problem_of_wholeness() or super()._problem()

    def _problem_of_wholeness(self) -> str | None:
        """What is wrong with `complete` or `settled_for`; None if nothing is."""
        marker: object = self.complete
        if marker is not None:
            if not isinstance(marker, str) or not marker.strip("/"):
                return f"complete is {marker!r}; give the name of a file, such as '_SUCCESS'"
            if problem := problem_of_path(marker):
                return f"complete={marker!r} {problem}"
            if problem := self._problem_of_marker():
                return f"complete={marker!r} {problem}"
        for name in ("settled_for", "gives_up_after"):
            try:
                span = duration(getattr(self, name), name)
            except DeclarationError as error:
                return str(error)
            if span is not None and span <= timedelta(0):
                return f"{name} is {getattr(self, name)!r}; it must be longer than nothing"
        if self.gives_up_after is not None and isinstance(self.grain, Whole):
            return "gives_up_after counts from an interval's end, and a Whole has none"
        return None

    def _problem_of_marker(self) -> str | None:
        grain: object = self.grain
        if not isinstance(grain, Grain):
            return None
        place = self._marker_path
        if problem := problem_of_braces(place, grain):
            where = "" if place == self.complete else f", which is {place!r},"
            return f"{where} {problem}".strip()
        if place == spread(self.path):
            return "is the source's own file; name another"
        return None

    @cached_property
    def has_several_files(self) -> bool:
        """Whether a partition of it may have several files: the path has a * in it."""
        return self.paths.is_of_several

    @property
    def settles(self) -> timedelta | None:
        """For how long a file must not have been changed to be whole; None if that is not asked."""
        return duration(self.settled_for, "settled_for")

    @property
    def gives_up(self) -> timedelta | None:
        """How long after its end a partition is given up; None if none ever is."""
        return duration(self.gives_up_after, "gives_up_after")

    @property
    def settling(self) -> timedelta | None:
        """For how long after its end a partition may change; None if that is not said."""
        return duration(self.settles_after, "settles_after")

    @property
    def refreshing(self) -> timedelta | None:
        """How often is looked, or asked, at most; None if that is not said."""
        return duration(self.refresh_every, "refresh_every")

    @property
    def is_awaited_whole(self) -> bool:
        """Whether a file that is there may not be whole yet."""
        return self.complete is not None or self.settled_for is not None

    @cached_property
    def paths(self) -> KeyedPath:
        """Where its files are, relative to the project; its answers, to the folder of answers."""
        own = "all" if isinstance(self.grain, Whole) else "{key}"
        return placed(f"{self.name}/{own}.txt" if self.is_asked else self.path, self.grain)

    @cached_property
    def marker(self) -> KeyedPath | None:
        """Where the files are that say that its files are whole; None if none has to."""
        return None if self.complete is None else placed(self._marker_path, self.grain)

    @property
    def _marker_path(self) -> str:
        marker = spread(self.complete or "")
        folder = "" if "/" in marker else spread(self.path).rpartition("/")[0]
        return f"{folder}/{marker}" if folder else marker

    def path_of(self, key: str) -> str:
        """The path of one partition's file, as messages have it."""
        return self.paths.shown(key)

    def marker_of(self, key: str) -> str | None:
        """The path of the file that says that one partition is whole, as messages have it.

        None if no file has to.
        """
        return None if self.marker is None else self.marker.shown(key)

    @property
    def outside(self) -> tuple[str, ...]:
        """The names of the configured folders that its paths begin in."""
        places = [self.paths, *([] if self.marker is None else [self.marker])]
        return tuple(dict.fromkeys(place.outside for place in places if place.outside))


@dataclass(frozen=True, slots=True)
class Read:
    """What each partition of a task reads of one dataset.

    `least` is how many partitions have to be there, None for all that it is about; `wait` is for
    how long the others are waited for after the task's partition is due.
    """

    dataset: Dataset
    form: Form = Form.OVERLAP
    first: int | str = 0
    last: int | str = 0
    is_optional: bool = False
    least: int | None = None
    wait: timedelta = timedelta(0)

    def optional(self) -> Read:
        """The same, but what is not there is left out, and nothing waits for it.

        DeclarationError if the read says itself how much has to be there.
        """
        if self.is_partial:
            problem = "says itself how much has to be there; leave .optional() out"
            return self._refused(f"{self.declared} {problem}")
        return replace(self, is_optional=True)

    def within(self, bound: str) -> Read:
        """The newest partition that is there, up to a bound; see `Dataset.within`."""
        if problem := _problem_of_bound(bound):
            return self._refused(f"{self.dataset.name}.within({bound!r}): {problem}")
        return replace(self, form=Form.WITHIN, first=bound.strip())

    def at_least(self, number: int, wait: Duration | None = None) -> Read:
        """The same, but so many of its partitions are enough: the others are left out.

        With all of them there nothing waits. Else a partition that was never made waits until
        `wait`, such as "6h", has passed since it was due. Where the read has fewer partitions than
        `number` at all, it needs all of them. DeclarationError if the number is not from 1, if
        `wait` is no span of time, or if the read is of one partition, or optional.
        """
        what = f"{self.declared}.at_least({number!r}, wait={wait!r})"
        if type(number) is not int or number < 1:
            return self._refused(f"{what}: give a whole number from 1; 0 would be .optional()")
        if self.is_optional or self.is_partial or self.form in (Form.PREVIOUS, Form.ASOF):
            return self._refused(f"{what}: it is for reads of several partitions, such as a window")
        try:
            span = duration(wait, "wait") or timedelta(0)
        except DeclarationError as error:
            return self._refused(f"{what}: {error}")
        return replace(self, least=number, wait=span)

    def _refused(self, problem: str) -> Read:
        refuse(DeclarationError(f"{declared_at()}: {problem}"), self.dataset)
        return self

    @property
    def is_partial(self) -> bool:
        """Whether a part of its range is enough, of which some has to be there."""
        return self.form is Form.WITHIN or self.least is not None

    def window(self, first: int | str, last: int | str) -> Read:
        """The same dataset through a window; DeclarationError as of `Dataset.window`."""
        if problem := _problem_of_window(first, last):
            what = f"{declared_at()}: {self.dataset.name}.window({first!r}, {last!r})"
            refuse(DeclarationError(f"{what}: {problem}"), self.dataset)
            return self
        form = Form.WINDOW if isinstance(first, int) else Form.SPAN
        return replace(self, form=form, first=first, last=last)

    @property
    def declared(self) -> str:
        """The read as it is written; the text differs if and only if what is read does.

        For how long the rest is waited for is left out: it does not change what a function makes.
        """
        name = self.dataset.name
        mapping = {
            Form.OVERLAP: "",
            Form.WINDOW: f".window({self.first}, {self.last})",
            Form.SPAN: f".window({self.first!r}, {self.last!r})",
            Form.WITHIN: f".within({self.first!r})",
        }.get(self.form, f".{self.form.value}()")
        enough = "" if self.least is None else f".at_least({self.least})"
        return f"{name}{mapping}{enough}{'.optional()' if self.is_optional else ''}"

    @property
    def does_without(self) -> bool:
        """Whether it does without partitions that are not there, as long as enough are."""
        return self.is_optional or self.is_partial

    @property
    def is_strict(self) -> bool:
        """Whether a partition that finds nothing here lies outside of its task's range."""
        strict = (Form.OVERLAP, Form.OVERLAPPING, Form.ASOF, Form.WITHIN)
        return self.form in strict and not self.is_optional

    @property
    def mapping(self) -> ReadMapping:
        """The arithmetic that says which ordinals of the dataset are read."""
        return ReadMapping(self.dataset.grain, self.form, self.first, self.last)

    def reach(self, grain: Grain, extent: Extent) -> Extent:
        """The ordinals of a task's `grain` whose read is not wholly outside of the `extent`."""
        return self.mapping.reach(grain, extent) if self.is_strict else Extent(grain.lo, grain.hi)

    def bounds(
        self, grain: Grain, lo: int, hi: int, extent: Extent, horizon: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The range `[a, b)` that each ordinal of `[lo, hi)` reads; see `ReadMapping.bounds`."""
        return self.mapping.bounds(grain, lo, hi, extent, horizon)


def _problem_of_window(first: object, last: object) -> str | None:
    """What is wrong with the ends of a window; None if nothing is."""
    if type(first) is int and type(last) is int:
        return "the first lies after the last" if first > last else None
    if not isinstance(first, str) or not isinstance(last, str):
        return "give two whole numbers, as window(-6, 0), or two spans, as window('-7d', '0d')"
    wrong = [text for text in (first, last) if not is_span(text)]
    return f"{wrong[0]!r} is not a span; write -7d, 2w, -1 months, 6h or 30m" if wrong else None


def _problem_of_bound(bound: object) -> str | None:
    """What is wrong with the bound of `within`; None if nothing is."""
    is_text = isinstance(bound, str) and is_span(bound)
    if not is_text or not isinstance(bound, str) or bound.strip().startswith(("-", "+")):
        return "give a span without a sign, such as 5d, 2w, 1 months, 6h or 30m"
    return None if bound.strip().strip("0")[:1].isdigit() else "it must be longer than nothing"


def as_read(declared: Dataset | Read) -> Read:
    """The read that is declared; a dataset by itself is a read of what overlaps."""
    return declared if isinstance(declared, Read) else Read(declared)
