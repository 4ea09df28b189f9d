"""What a metastore can do: the seam for others, such as one on a database server.

Each method is a transaction of its own, or an answer to one question: no connection, no cursor and
no lock leaves a metastore. Each Protocol is of one concern; `Metastore` is all of them together,
and who needs less asks for less. `MetastorePlace` is where one is, open or not. The contract tests
in `tests/metastore/` say in full what an implementation has to do. Knows nothing of SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from partflow.metastore.columns import Columns
from partflow.metastore.record import (
    CodeRecord,
    Intent,
    Known,
    LogLines,
    Record,
    RunRow,
    Seen,
    StepLog,
)


class Publications(Protocol):
    """The life of a publication: whoever claimed a partition last is the only one to publish it."""

    def claim(
        self,
        owner: str,
        wanted: Iterable[tuple[str, str, int]],
        begun: Iterable[tuple[str, str]] = (),
    ) -> dict[tuple[str, str], int]:
        """Raise the epoch of each (node, key, start) by one; the new epochs.

        `begun` are the (effect, key) of effects that the owner begins now.
        """
        ...

    def intend(self, intents: Sequence[Intent]) -> None:
        """Say what is about to be renamed; PublishError if an epoch is no longer the owner's."""
        ...

    def check(self, intents: Sequence[Intent]) -> None:
        """Raise PublishError if another owner has claimed any of them since.

        Or if who writes may not any more; see `Incarnation`.
        """
        ...

    def commit(
        self,
        intents: Sequence[Intent],
        log: LogLines | None = None,
        dropped: Sequence[Intent] = (),
    ) -> None:
        """Make the records of published intents current, and forget the intents.

        By compare-and-swap on their epochs: PublishError, and nothing is written, if another owner
        has claimed any of them since. In the same transaction the lines are logged, and the
        `dropped` intents forgotten.
        """
        ...

    def abandon(self, intents: Sequence[Intent]) -> None:
        """Forget intents whose files were not renamed."""
        ...

    def intents(self) -> list[Intent]:
        """What was intended and never committed, in the order in which it was intended."""
        ...


class Materializations(Protocol):
    """What is current of partitions, and what was before."""

    def records(self, node: str, key: str | None = None) -> list[Record]:
        """What is current of a node, or of one of its partitions; also what was only claimed."""
        ...

    def current(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """What is current of each of these (node, key), if there is anything."""
        ...

    def history(self, node: str, key: str) -> list[Record]:
        """Every materialization of a partition, the newest first."""
        ...

    def changes(self, node: str, after: int) -> list[str]:
        """The keys of a node's partitions whose content became the present one after a number."""
        ...

    def newer(self, node: str, after: int) -> Columns:
        """What is current of a node and has a higher number than `after`, as columns."""
        ...

    def seen(self, record: Record) -> list[Seen]:
        """What was seen while a partition was made, if that record is of this making."""
        ...


class Observations(Protocol):
    """What a look at files found: sources' contents, files' identities, and schemas."""

    def observe(self, records: Sequence[Record], touched: Sequence[Record]) -> None:
        """Record sources' new contents, and new identities of files with the content they had."""
        ...

    def describe(self, looked: Iterable[tuple[str, str, str | None, str]]) -> None:
        """Record schemas that were looked up: (node, key, content, schema), "" where there is none.

        Each holds for the content that was looked at, and for no other.
        """
        ...

    def schemas(self, node: str) -> dict[int | None, str]:
        """The schemas that a node's partitions have, by number; None and 0 are of no text."""
        ...

    def unlooked(self, node: str, at_most: int = -1) -> list[str]:
        """The keys of what nobody has recorded the schema of; all of them if `at_most` is -1."""
        ...

    def key_range(self, node: str) -> tuple[str, str]:
        """The first and the last key of a node that was ever claimed or observed; "" if none."""
        ...

    def shapes(self, node: str) -> dict[str, tuple[str, tuple[int, int, int, int]]]:
        """For each key of a node the text of its schema, "" if unknown, and its file's stat."""
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
        """Of those that were ever recorded, the last rules by which each was a fingerprint."""
        ...

    def effects(self) -> dict[str, int]:
        """For each effect that was seen, the ordinal that was its newest due one then."""
        ...

    def begun(self) -> list[tuple[str, str, str]]:
        """The (effect, key, run) of effects that were begun and whose end is not recorded."""
        ...

    def end_effects(self, ended: Sequence[tuple[str, str, str]]) -> None:
        """Take it for known what became of each (effect, key, run) that was begun.

        What another run has begun since stays begun.
        """
        ...


class Standing(Protocol):
    """How far the record has come, and by which clock and for which declarations it is shown."""

    @property
    def seq(self) -> int:
        """The number of the last materialization; 0 if there is none."""
        ...

    def versions(self) -> tuple[str, dict[str, int]]:
        """The incarnation of this metastore, and how often each node was changed in it.

        `RESTATED` is added to a version where what has its number already was changed.
        """
        ...

    def newest_at(self) -> int:
        """When what was made or seen last was, in epoch seconds; 0 if nothing was recorded.

        Or if nothing was since `trust_clock`. What was brought back or vouched for has the time of
        when it was once made: it tells nothing of the clock.
        """
        ...

    def trust_clock(self) -> None:
        """Note that what was recorded up to now says nothing against the clock."""
        ...

    @property
    def shown(self) -> str:
        """What was noted of the catalog that was written last; "" if none was.

        The digest of the declarations that it shows, and after a space that of its views and file.
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
        """Record a run with its graph, of which `row.graph` is the digest; equal ones once."""
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
        """Record a run's end; one that did not do all, with a note on it, was cancelled."""
        ...

    def bury_runs(self, living: Iterable[str]) -> None:
        """Record of all runs that are said to go on, and are not among the living, that they died.

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

        The newest is the one that was recorded last, whatever the clock said. Those `since` made
        something after the materialization of that number, however many. One that has left no last
        word is counted from its attempts.
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
        """Every graph that any run had; of one `run` that one, if it was kept."""
        ...


class Requests(Protocol):
    """Which backfills were asked for."""

    def ask(self, text: str, since: int, at: float) -> None:
        """Record a request, made `at` epoch seconds, in the place of an open one of equal words."""
        ...

    def open_request(self, text: str) -> int | None:
        """The number since which an open request counts as done; None if none is open."""
        ...

    def fulfil(self, text: str, at: float) -> None:
        """Close a request: the same words ask anew from now on."""
        ...


class Opening(Protocol):
    """A project's metastore before it is open: where it is, and how it is opened."""

    @property
    def place(self) -> str:
        """Where it is, as people are told."""
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

        None is made. With `or_nothing` an empty one, too, where it can't be opened; else that
        raises MetastoreError.
        """
        ...

    def problem_of(self, error: Exception) -> str | None:
        """What the metastore met long after it was opened, in words; None if it did not raise this.

        The words go on from the name of its place, and say what to do.
        """
        ...


class Mending(Protocol):
    """What can be done about a project's metastore that is lost, damaged, or an older one."""

    def damage(self) -> str | None:
        """What is wrong with it, read through; None if nothing is."""
        ...

    def made_anew(self, known: Known) -> str | None:
        """Put a new one, with what is `known` in it, into its place.

        The old one is kept aside: where, in words; None if there was none. If this is cut off,
        either the old one is in its place, or none is, or the new one. MetastoreError if what is
        there must not be moved.
        """
        ...

    def leftovers(self) -> Sequence[Path]:
        """Its files on this machine that a making left which was cut off."""
        ...


class MetastorePlace(Opening, Mending, Protocol):
    """A project's metastore, whether it is open or not, and whether there is one or not."""


class RunRecord(Runs, PastRuns, Requests, Standing, Protocol):
    """What `RunLog` asks of a metastore."""


class Metastore(
    Publications,
    Materializations,
    Observations,
    CodesAndEffects,
    Incarnation,
    RunRecord,
    Protocol,
):
    """An open metastore. Whoever opened it closes it."""
