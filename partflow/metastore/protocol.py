"""What a metastore can do: the seam at which another can be put in, such as one on a server.

Knows nothing of SQL. Each method is a transaction of its own, or answers one question: no
connection, no cursor and no lock leaves a metastore. Each Protocol has one concern. `Metastore` is
all of them together; whoever needs less asks for less. What reads raises MetastoreError if what is
recorded cannot be understood. `MetastorePlace` is where one is, open or not. The contract tests in
`tests/metastore/` say in full what an implementation has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from partflow.metastore.columns import Columns
from partflow.metastore.record import (
    CodeRecord,
    Intent,
    Known,
    Lasting,
    LogLines,
    Record,
    Replaced,
    RunRow,
    Seen,
    StepLog,
)


class Publications(Protocol):
    """The life of a publication: only whoever claimed a partition last can publish it."""

    def claim(
        self,
        owner: str,
        wanted: Iterable[tuple[str, str, int]],
        begun: Iterable[tuple[str, str]] = (),
    ) -> dict[tuple[str, str], int]:
        """Raise the epoch of each (node, key, start) by one; returns the new epochs.

        `begun` are the (effect, key) of effects that the owner begins now.
        """
        ...

    def intend(self, intents: Sequence[Intent]) -> None:
        """Record what is about to be renamed; PublishError if an epoch is no longer the owner's."""
        ...

    def check(self, intents: Sequence[Intent]) -> None:
        """Raise PublishError if another owner has claimed one of the partitions since.

        Or if this owner may no longer write; see `Incarnation`.
        """
        ...

    def commit(
        self,
        intents: Sequence[Intent],
        log: LogLines | None = None,
        dropped: Sequence[Intent] = (),
    ) -> None:
        """Make the records of published intents current, and forget the intents.

        If another owner has claimed one of the partitions since, that is PublishError, and nothing
        is written. In the same transaction the lines are logged, and the `dropped` intents are
        forgotten.
        """
        ...

    def abandon(self, intents: Sequence[Intent]) -> None:
        """Forget intents whose files were not renamed."""
        ...

    def intents(self) -> list[Intent]:
        """The intents that were neither committed nor abandoned, in their order."""
        ...


class Materializations(Protocol):
    """What is current of partitions, and what was before."""

    def records(self, node: str, key: str | None = None) -> list[Record]:
        """What is current of a node, or of one partition of it, even if that was only claimed."""
        ...

    def current(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """What is current of each of these (node, key), if there is anything."""
        ...

    def history(self, node: str, key: str) -> list[Record]:
        """Every materialization of a partition, the newest first."""
        ...

    def changes(self, node: str, after: int) -> list[str]:
        """The keys of a node's partitions whose content changed last after that number."""
        ...

    def newer(self, node: str, after: int) -> Columns:
        """What is current of a node and has a higher number than `after`, as columns."""
        ...

    def seen(self, record: Record) -> list[Seen]:
        """What was seen while a record's partition was made; nothing if it was made again since."""
        ...


class Observations(Protocol):
    """What a look at files found: sources' contents, files' identities, and schemas."""

    def observe(self, records: Sequence[Record], touched: Sequence[Record]) -> None:
        """Record the new contents of sources, and of touched files the new stat and schema."""
        ...

    def describe(self, looked: Iterable[tuple[str, str, str | None, str]]) -> None:
        """Record schemas that were looked up, each (node, key, content, schema); "" if it has none.

        A schema is recorded only if the partition still has that content.
        """
        ...

    def schemas(self, node: str) -> dict[int | None, str]:
        """The schemas that a node's partitions have, by number; "" for None and 0.

        None stands for those that nobody has looked up, 0 for those that have none.
        """
        ...

    def unlooked(self, node: str, at_most: int = -1) -> list[str]:
        """The keys of at most so many partitions of unknown schema; of all if `at_most` is -1."""
        ...

    def key_range(self, node: str) -> tuple[str, str]:
        """The first and the last key of a node that was ever claimed or observed; "" if none."""
        ...

    def shapes(self, node: str) -> dict[str, tuple[str, tuple[int, int, int, int]]]:
        """For each key of a node the text of its schema, "" if unknown, and its file's stat.

        The stat is size, time of modification, time of change (both in ns) and inode.
        """
        ...


class CodesAndEffects(Protocol):
    """The code fingerprints and the effects that runs knew."""

    def begin(self, codes: Mapping[str, CodeRecord], effects: Mapping[str, int]) -> None:
        """Record code fingerprints with their parts, and effects that were first seen now."""
        ...

    def code_parts(self, digest: str) -> dict[str, str]:
        """The named parts of a code fingerprint; empty if it was never recorded."""
        ...

    def code_rules(self, digests: Iterable[str]) -> dict[str, int]:
        """For each digest that was ever recorded, the last rules under which it was."""
        ...

    def effects(self) -> dict[str, int]:
        """For each effect the ordinal that was its newest due one when it was first seen."""
        ...

    def begun(self) -> list[tuple[str, str, str]]:
        """The (effect, key, run) of effects that were begun and whose end is not recorded."""
        ...

    def end_effects(self, ended: Sequence[tuple[str, str, str]]) -> None:
        """Record that it is known how each begun (effect, key, run) ended.

        What another run has begun since stays begun.
        """
        ...


class Noting(Protocol):
    """What is noted for later, each a text under a name; `kind` says of what it is."""

    def noted(self, kind: str) -> dict[str, str]:
        """The texts of a kind, by name."""
        ...

    def note(self, kind: str, texts: Mapping[str, str | None]) -> None:
        """Note texts by name, each in place of what was noted before; None takes that away."""
        ...


class Standing(Protocol):
    """How far the record has come, and what is noted of the clock and of the catalog."""

    @property
    def seq(self) -> int:
        """The number of the last materialization; 0 if there is none."""
        ...

    def versions(self) -> tuple[str, dict[str, int]]:
        """The incarnation of this metastore, and how often each node was changed in it.

        A change to records that keep their numbers adds `RESTATED` to the version.
        """
        ...

    def newest_at(self) -> int:
        """When what was made or observed last was, in epoch seconds.

        It is 0 if nothing was recorded since `trust_clock`, or ever. What was put back or accepted
        does not count: it has the time at which it was once made.
        """
        ...

    def trust_clock(self) -> None:
        """Note that what was recorded up to now is no reason to doubt the clock."""
        ...

    @property
    def shown(self) -> str:
        """What was noted of the catalog that was written last; "" if nothing was.

        It begins with the digest of the declarations that it shows, and a space.
        """
        ...

    def note_shown(self, digest: str) -> None:
        """Note what the catalog shows, in place of what was noted before."""
        ...


class Incarnation(Protocol):
    """One incarnation of the record: a rebuild begins another, and then nobody writes in this one.

    `may_write` is asked within each transaction: whether the lease of who writes is still held. If
    not, or if this incarnation is no longer current, every write raises PublishError.
    """

    may_write: Callable[[], bool]

    @property
    def is_current(self) -> bool:
        """Whether no other incarnation took the place of what was opened."""
        ...

    def restore(self, known: Known) -> None:
        """Fill an empty metastore with what is known from elsewhere."""
        ...


class Runs(Protocol):
    """What runs write about themselves."""

    def begin_run(self, row: RunRow, graph: str) -> None:
        """Record a run with its graph, whose digest is `row.graph`; equal graphs are kept once."""
        ...

    def log(self, lines: LogLines, failures: Sequence[tuple[str, str, str]] = ()) -> None:
        """Write lines of a run's log, and (node, key, message) of what failed in it.

        A failure is not recorded of what another owner has claimed since.
        """
        ...

    def annotate_run(self, run: str, note: str) -> bool:
        """Note on a run that has not ended who is about to end it; False if it had ended."""
        ...

    def finish_run(self, row: RunRow) -> None:
        """Record a run's end. One that did not do all it had to, and has a note, was cancelled."""
        ...

    def bury_runs(self, living: Iterable[str]) -> None:
        """Record that those runs died that are recorded as running and are not among the living.

        Nothing is written if there is none. Requires: nobody takes a lease meanwhile.
        """
        ...

    def forget_runs(self, runs: Sequence[str]) -> None:
        """Forget runs with their attempts, and graphs that no other run had."""
        ...


class PastRuns(Protocol):
    """What was run."""

    def run_rows(self, limit: int = -1, *, since: int | None = None) -> list[RunRow]:
        """The last runs as they are recorded, the newest first; all of them if `limit` is -1.

        The newest is the one that was recorded last, whatever the clock said. With `since` it is
        all runs that made something after the materialization of that number. What a run did that
        recorded no end is counted from its attempts.
        """
        ...

    def run_starts(self) -> list[tuple[str, str, float]]:
        """The (id, state, start in epoch seconds) of all runs, in the order of their recording."""
        ...

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run, in the order in which they ended."""
        ...

    def attempts(self, tasks: Sequence[str], key: str) -> list[tuple[str, StepLog]]:
        """Every attempt at a partition by one of the tasks, each with its run, newest run first."""
        ...

    def attempted(self) -> dict[str, tuple[str, str]]:
        """For each task of which any run attempted a step, the first and the last key."""
        ...

    def graphs(self, run: str | None = None) -> list[str]:
        """Every graph that any run had; if `run` is given its graph alone, if that was kept."""
        ...


class Costs(Protocol):
    """What was run, for whoever runs it again: what that takes, and what failed."""

    def failures(self) -> list[tuple[str, str]]:
        """The (node, key) of all partitions whose last attempt failed."""
        ...

    def took(self, tasks: Iterable[str]) -> dict[str, float]:
        """The mean seconds of the last steps that a run made of each task; absent: none is known.

        In a batch a step counts its share. It is the newest run that made any of the task.
        """
        ...


class Requests(Protocol):
    """Which backfills were asked for."""

    def ask(self, text: str, since: int, at: float) -> None:
        """Record a request of `at` epoch seconds; it replaces an open one of the same words."""
        ...

    def open_request(self, text: str) -> int | None:
        """From which number on partitions count as done for an open request; None if none is."""
        ...

    def fulfil(self, text: str, at: float) -> None:
        """Close a request: the same words make a new one from now on."""
        ...


class Thinning(Protocol):
    """Forgets what nothing that is current needs."""

    def replaced(self, contents: int, but: Collection[str]) -> list[Replaced]:
        """The materializations that nothing current rests on, in their order.

        Not among them are, of each partition: the present one, and the first that had its content;
        the newest that had another content, file or `how`, as far as they are among the newest
        `contents` such; and nothing that is as new as the first that a run in the log made, `but`
        for those runs.
        """
        ...

    def lasting(self, but: Collection[int]) -> Lasting:
        """The marks and codes of all materializations, except those with these numbers."""
        ...

    def other_codes(self, used: Collection[str]) -> list[str]:
        """The code fingerprints that are recorded and are not among the `used`."""
        ...

    def forget(self, numbers: Sequence[int], codes: Sequence[str], effects: Sequence[str]) -> None:
        """Forget materializations by their numbers, codes by their digests, effects by name.

        Requires: none of the materializations is current, nor the newest of all.
        """
        ...

    def give_back(self) -> None:
        """Give the room that forgotten things took back, if that is worth what it costs.

        Requires: no run goes on.
        """
        ...


class Opening(Protocol):
    """A project's metastore before it is open: where it is, and how it is opened."""

    @property
    def place(self) -> str:
        """Where it is, in the words that people are told."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether there is none, or nothing at all in its place."""
        ...

    def opened(self) -> AbstractContextManager[Metastore]:
        """Open it to write, until the end of the block; it is made if there is none.

        MetastoreError if it can't be opened, or is none that this partflow knows.
        """
        ...

    def looked_at(self, *, or_nothing: bool = False) -> AbstractContextManager[Metastore]:
        """Open it to look, until the end of the block; an empty one if there is none.

        Nothing is made. If it can't be opened, that is MetastoreError, or with `or_nothing` an
        empty one, too.
        """
        ...

    def problem_of(self, error: Exception) -> str | None:
        """What is wrong with an open metastore that raised this error, and what to do.

        The words name the metastore. None if the error is none of a metastore's.
        """
        ...


class Mending(Protocol):
    """What can be done about a project's metastore that is lost, damaged or too old."""

    def damage(self) -> str | None:
        """What is wrong with it, after reading all of it; None if nothing is."""
        ...

    def made_anew(self, known: Known) -> str | None:
        """Put a new one, with what is `known` in it, into its place.

        The old one is moved aside; returns where, in words, or None if there was none. If this is
        cut off, the old one, the new one or none is in its place. MetastoreError if what is there
        must not be moved.
        """
        ...

    def leftovers(self) -> Sequence[Path]:
        """The files on this machine that `made_anew` left when it was cut off."""
        ...


class MetastorePlace(Opening, Mending, Protocol):
    """A project's metastore, open or not, and even if there is none."""


class RunRecord(Runs, PastRuns, Costs, Requests, Standing, Protocol):
    """What `RunLog` asks of a metastore."""


class Metastore(
    Publications,
    Materializations,
    Observations,
    CodesAndEffects,
    Noting,
    Incarnation,
    RunRecord,
    Thinning,
    Protocol,
):
    """An open metastore. Whoever opened it closes it."""
