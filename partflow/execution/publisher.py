"""Claims the partitions of one run, and turns what workers sealed into publications.

Knows nothing of executors, of the order of steps, or of how a publication is carried out
(`warehouse/publishing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.graph import outputs
from partflow.errors import PublishError, advice_of
from partflow.execution.orders import Attempt, Failure, Outcome, Output
from partflow.metastore.journal import begun_lines, ended_lines, seen_lines
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, LogLines, Record, StepLog
from partflow.planning.planner import Action, Plan, Reason, TaskPlan
from partflow.planning.snapshot import Condition
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Store
from partflow.warehouse.publishing import Notes, Publication, Publishing, Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AHEAD = 256
"""How many partitions of a task are claimed at a time; a transaction each would be too slow."""


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt that succeeded, with its line for the run's log."""

    task: str
    attempt: Attempt
    outcome: Outcome
    log: StepLog


@dataclass(frozen=True, slots=True)
class StepNews:
    """One step's publications, its contents by dataset, and whether any of them has changed.

    `files` has by dataset the identities of the files that were put into place.
    """

    publications: tuple[Publication, ...]
    contents: Mapping[str, str]
    changed: bool
    files: Mapping[str, FileIdentity] = field(default_factory=dict)


@dataclass(slots=True)
class Publisher:
    """Publishes the outcomes of one run of one plan; `now` gives epoch seconds.

    It holds epochs, records and identities only of partitions that are claimed and not published.
    """

    run: str
    plan: Plan
    store: Store
    metastore: Metastore
    now: Callable[[], float]
    newest_first: bool = False
    _publishing: Publishing = field(init=False)
    _claimed: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    _epochs: dict[tuple[str, str], int] = field(default_factory=dict)
    _records: dict[tuple[str, str], Record] = field(default_factory=dict)
    _seen: dict[tuple[str, str], FileIdentity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Publish into the datasets of the plan's graph."""
        self._publishing = Publishing(self.metastore, self.store, self.plan.graph.datasets)

    def claim(self, attempts: Sequence[tuple[str, Attempt]]) -> None:
        """Raise the epochs of what these attempts may publish, so that no earlier owner can.

        Each is a pair of a task's name and an attempt. The partitions that come next are claimed in
        the same transaction. Of effects it is recorded that they begin: an effect that has a
        beginning and no end is perhaps done. PublishError if the run's lease or metastore was taken
        from it.
        """
        wanted: list[tuple[str, str, int]] = []
        tasks = self.plan.tasks
        begun = [(t, a.lineage.key) for t, a in attempts if tasks[t].task.is_effect]
        for task, attempt in attempts:
            planned = self.plan.tasks[task]
            claimed = self._claimed.setdefault(task, planned.action == Action.NONE)
            if not claimed[attempt.ordinal - planned.lo]:
                wanted += self._next(planned, attempt.ordinal, claimed)
        self.store.journal(begun_lines(self.run, begun))
        if wanted or begun:
            self._epochs |= self.metastore.claim(self.run, wanted, begun)
        if wanted:
            self._records |= self.metastore.current([(n, k) for n, k, _ in wanted])
            self._seen |= self._publishing.seen((node, key) for node, key, _ in wanted)

    def _in_place(self, refused: Iterable[StepNews]) -> Iterator[tuple[str, str]]:
        """The partitions of refused steps whose new file is in place: a retry may replace it."""
        for news in refused:
            for intent in (p.intent for p in news.publications if p.intent.staged is not None):
                with suppress(OSError):
                    if self._publishing.holds(intent):
                        yield intent.node, intent.key

    def _next(
        self, planned: TaskPlan, ordinal: int, claimed: NDArray[np.bool_]
    ) -> list[tuple[str, str, int]]:
        """Mark a partition and the next unclaimed ones as claimed; their (node, key, start)."""
        i, sign = ordinal - planned.lo, -1 if self.newest_first else 1
        chosen = (np.flatnonzero(~claimed[i::sign][:_AHEAD]) * sign + i).tolist()
        claimed[chosen] = True
        low, high = min(chosen), max(chosen)
        keys = planned.task.grain.keys(planned.lo + low, planned.lo + high + 1)
        starts = planned.task.grain.edges(planned.lo + low, planned.lo + high + 1).tolist()
        return [
            (node, keys[k - low], starts[k - low]) for node in outputs(planned.task) for k in chosen
        ]

    def fail(
        self,
        failures: Sequence[tuple[str, str, str]],
        logs: Sequence[StepLog],
        ended: Sequence[tuple[str, str]],
    ) -> None:
        """Record (node, key, message) of what failed, and the attempts' lines of the log.

        `ended` are the (effect, key) of effects that were begun and are known not to be done.
        PublishError if the run's lease or metastore was taken from it.
        """
        self.store.journal(ended_lines(ended))
        self.metastore.log(LogLines(self.run, self.now(), logs, ended=ended), failures)

    def publish(self, group: Sequence[Done]) -> tuple[dict[int, StepNews], dict[int, Failure]]:
        """Publish a group of steps; returns the news of those that are published, by serial.

        The others come back as failures, by serial: the disk refused them, or somebody else wrote a
        file of theirs meanwhile. PublishError if another owner has claimed one of them since, or
        the run's lease or metastore was taken from it; then nothing of the group is published.
        """
        news = {done.attempt.serial: self._news_of(done) for done in group}
        published = self._publishing.publish(
            [publication for each in news.values() for publication in each.publications],
            lambda refused: self._notes(group, news, {self._serial(step) for step in refused}),
        )
        refused = {self._serial(step): _of_disk(r) for step, r in published.refused.items()}
        for record in published.records:
            self._records.pop((record.node, record.key), None)
            self._epochs.pop((record.node, record.key), None)
            self._seen.pop((record.node, record.key), None)
        self._seen |= self._publishing.seen(self._in_place(news[s] for s in refused))
        files = {(r.node, r.key): r.identity for r in published.records}
        return {s: _placed(each, files) for s, each in news.items() if s not in refused}, refused

    def _notes(
        self, group: Sequence[Done], news: Mapping[int, StepNews], refused: Collection[int]
    ) -> Notes:
        """The logs of the steps that were not refused, and what their calls were seen to touch."""
        done = [step_done for step_done in group if step_done.attempt.serial not in refused]
        if not done:
            return Notes()
        seen = [
            (p.intent.node, p.intent.key, step_done.outcome.seen)
            for step_done in done
            for p in news[step_done.attempt.serial].publications
        ]
        logs = [
            step_done.log
            if news[step_done.attempt.serial].changed
            else replace(step_done.log, state="unchanged")
            for step_done in done
        ]
        return Notes(seen_lines(self.run, seen), LogLines(self.run, self.now(), logs, seen))

    def sweep(self) -> None:
        """Remove what the run staged, except what an intent still stands for."""
        self._publishing.sweep(self.run)

    def is_there(self, node: str, ordinal: int) -> bool:
        """Whether a partition's file was in place, as recorded, when the plan was made."""
        state = self.plan.snapshot.states[node]
        i = ordinal - state.lo
        return bool(0 <= i < len(state.condition) and state.condition[i] == Condition.GOOD)

    def _news_of(self, done: Done) -> StepNews:
        """The publications of an outcome; staged files that are not needed are removed."""
        attempt = done.attempt
        task = self.plan.tasks[done.task].task
        if task.is_effect:
            record = self._record(attempt, task.name, how="done")
            return StepNews((self._publication(attempt, record, None, None),), {}, changed=True)
        publications, contents, changed = [], {}, False
        for output in done.outcome.outputs:
            was = self._records.get((output.dataset, output.key))
            if was is not None and self._is_pinned(done, was):
                self.store.discard([output.staged])
                contents[output.dataset] = was.content or output.content
                continue
            same = was is not None and (was.content == output.content or output.is_close)
            stays = was if same and self.is_there(output.dataset, attempt.ordinal) else None
            content = was.content if same and was and was.content else output.content
            contents[output.dataset] = content
            changed = changed or not same
            publications.append(self._of_output(attempt, output, content, stays))
        return StepNews(tuple(publications), contents, changed)

    def _is_pinned(self, done: Done, was: Record) -> bool:
        """Whether an output is pinned, and so keeps its file while its step makes the others."""
        if not was.pinned:
            return False
        planned, ordinal = self.plan.tasks[done.task], done.attempt.ordinal
        asked = planned.need[ordinal - planned.lo] == Reason.ASKED
        return not asked and self.is_there(was.node, ordinal)

    def _of_output(
        self, attempt: Attempt, output: Output, content: str, stays: Record | None
    ) -> Publication:
        """The publication of one output; `stays` is the present record if its file is kept."""
        if stays is not None:
            self.store.discard([output.staged])
            kept = self._record(
                attempt, output.dataset, content=stays.content, rows=stays.rows,
                nbytes=stays.nbytes, sha256=stays.sha256, identity=stays.identity, how="kept",
                schema=output.schema if stays.content == output.content else None,
            )  # fmt: skip
            return self._publication(attempt, kept, None, stays)
        was = self._records.get((output.dataset, output.key))
        record = self._record(
            attempt, output.dataset, content=content, rows=output.rows, nbytes=output.nbytes,
            sha256=output.sha256, schema=output.schema,
        )  # fmt: skip
        return self._publication(attempt, record, output.staged, was)

    def _publication(
        self, attempt: Attempt, record: Record, staged: str | None, was: Record | None
    ) -> Publication:
        """A publication under the claimed epoch; `was` is the record that it replaces."""
        intent = Intent(
            step=f"{self.run}/{attempt.serial}",
            node=record.node,
            key=record.key,
            epoch=self._epochs[record.node, record.key],
            staged=staged,
            old_sha256=None if was is None else was.sha256,
            new_sha256=record.sha256,
            record=record,
        )
        seen = self._seen.get((record.node, record.key))
        return Publication(intent, 0 if was is None else was.seq, seen)

    def _serial(self, step: str) -> int:
        """The serial of an attempt of this run, from its step's name, RUN/SERIAL."""
        return int(step.rpartition("/")[2])

    def _record(self, attempt: Attempt, node: str, **more: Any) -> Record:
        lineage = attempt.lineage
        return Record(
            node=node,
            key=lineage.key,
            start=lineage.start,
            code=lineage.code,
            inputs=b"".join(bytes.fromhex(r.digest) for r in lineage.inputs),
            reads=len(lineage.inputs),
            read_seq=lineage.read_seq,
            made_at=lineage.made_at,
            run=self.run,
            **more,
        )


def _placed(news: StepNews, files: Mapping[tuple[str, str], FileIdentity | None]) -> StepNews:
    """The news with the identities of the files that were put into place.

    Files that stayed are not among them: theirs are those that the plan saw.
    """
    intents = [p.intent for p in news.publications if p.intent.staged is not None]
    placed = {i.node: files.get((i.node, i.key)) for i in intents}
    present = {name: identity for name, identity in placed.items() if identity is not None}
    return StepNews(news.publications, news.contents, news.changed, present)


def _of_disk(refusal: Refusal) -> Failure:
    """The failure of a step, from why it was refused."""
    error, staged_for = refusal.error, refusal.staged_for
    if isinstance(error, PublishError):
        return Failure(str(error))
    where = f"the new file of {staged_for}" if staged_for else error.filename2 or error.filename
    advice = f"{advice_of(error)}, and run again; the last good one stays"
    return Failure(f"{where or 'the warehouse'}: {error.strerror or error}; {advice}")
