"""Records acceptances; if a sample is asked for, only after it was made again and was equal.

Knows nothing of what can be accepted or why. It writes into no dataset: an acceptance is a new
record of a file that stays as it is. Requires: the lease is held.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import outputs
from partflow.declarations.graphdocument import graph_text
from partflow.execution.controls import Sample
from partflow.execution.livecontents import LiveContents
from partflow.execution.orders import Outcome
from partflow.execution.readyqueue import Step
from partflow.metastore.journal import note_seen, note_told
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, Record, RunRow, StepLog
from partflow.metastore.runlog import RunLog
from partflow.operations.acceptable import Acceptance, Portion, Treatment
from partflow.operations.acceptsource import records_of
from partflow.operations.sandbox import Aside, unlike
from partflow.partitions.keytexts import shown_key
from partflow.store.protocol import Store, file_of
from partflow.warehouse.publishing import Publication, Publishing
from partflow.warehouse.setcontents import noted_as

_FEW = 100
"""Up to this many records are looked up one by one; for more, a whole dataset's are read."""
_AT_ONCE = 500
_DONE = "it was cut off, and somebody said that it was done"
_KEPT = "somebody's file, kept as it was found and pinned until a backfill"


@dataclass(frozen=True, slots=True)
class Compared:
    """One output of a sampled partition; `problem` is None if it was equal to the stored file."""

    task: str
    node: str
    key: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted; nothing was, if `refusal` says why."""

    run: str
    acceptance: Acceptance
    compared: tuple[Compared, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptor:
    """Accepts as one run, whose row in the log is `row`; `clock` gives epoch nanoseconds."""

    metastore: Metastore
    store: Store
    row: RunRow
    clock: Callable[[], int]

    def accept(self, acceptance: Acceptance, sample: Sample | None) -> Accepted:
        """Record all that can be accepted; or nothing, if one partition of the sample differs.

        PublishError if another owner has claimed one of the partitions meanwhile.
        """
        compared: tuple[Compared, ...] = ()
        if sample is not None and acceptance.count(Treatment.CODE):
            compared, refusal = self._sampled(acceptance, sample)
            if refusal:
                return Accepted(self.row.id, acceptance, compared, refusal)
        kinds = {each.kind for of in (acceptance.groups, acceptance.of_sources) for each in of}
        if kinds <= {Treatment.LEFT}:
            return Accepted(self.row.id, acceptance)
        log = RunLog(self.metastore)
        log.begin(self.row, graph_text(acceptance.plan.graph, acceptance.plan.snapshot.codes))
        for group in acceptance.groups:
            if group.kind is not Treatment.LEFT:
                for records in self._records(acceptance, group, _words(compared, group)):
                    self._publish(acceptance.plan.graph.datasets, records)
                    log.steps_ended(self.row.id, self.now(), _steps(group, records))
        self._accept_of_sources(acceptance)
        note_told(self.metastore, self.store, _decided(acceptance))
        log.finish(replace(self.row, finished_at=self.now(), state="done"))
        return Accepted(self.row.id, acceptance, compared)

    def _accept_of_sources(self, acceptance: Acceptance) -> None:
        """Record what is accepted of sources, as what a look would have seen."""
        log = RunLog(self.metastore)
        for group in acceptance.of_sources:
            if group.kind is Treatment.LEFT:
                continue
            name, records, texts = group.source.name, [], {}
            for record, text in records_of(group, self.store, self.clock()):
                records.append(record)
                texts.update({} if text is None else {record.key: text})
            sets = {noted_as(name): texts} if texts else {}
            note_seen(self.metastore, self.store, records, (), sets)
            reason = group.kind.value
            steps = [StepLog(name, r.key, 1, "accepted", reason, 0.0, r.note) for r in records]
            log.steps_ended(self.row.id, self.now(), steps)

    def now(self) -> float:
        """Epoch seconds."""
        return self.clock() / 1e9

    def _sampled(
        self, acceptance: Acceptance, sample: Sample
    ) -> tuple[tuple[Compared, ...], str | None]:
        """Make a sample and compare it with the stored files; returns why to refuse, too."""
        groups = [g for g in acceptance.groups if g.kind is Treatment.CODE and g.is_comparable]
        steps = [(group, ordinal) for group in groups for ordinal in group.at]
        chance = random.Random(sample.seed)  # noqa: S311 - picks a sample  # nosec B311
        aside = Aside(acceptance.plan, self.store, self.row.id)
        compared: list[Compared] = []
        tried, obstacle = 0, "what they were made from has changed, and they are kept"
        try:
            for group, ordinal in chance.sample(steps, len(steps)):
                if tried == sample.size:
                    break
                planned = acceptance.plan.tasks[group.task.name]
                in_the_way = aside.obstacle(planned, ordinal)
                if in_the_way is None:
                    tried += 1
                    outcome = aside.make(planned, (ordinal,))[0]
                    compared += self._compared(aside, group, ordinal, outcome)
                obstacle = in_the_way or obstacle
        finally:
            aside.close()
        wrong = [c for c in compared if c.problem]
        if wrong:
            first = wrong[0]
            unequal = f"{first.node}@{shown_key(first.key)} is not the same: {first.problem}"
            return tuple(compared), unequal
        refusal = None if tried else f"no sample can be made: {obstacle}"
        return tuple(compared), refusal

    def _compared(
        self, aside: Aside, group: Portion, ordinal: int, outcome: Outcome
    ) -> Iterator[Compared]:
        key = group.task.grain.key(ordinal)
        if outcome.failure is not None:
            failed = f"it cannot be made: {outcome.failure.message}"
            yield Compared(group.task.name, outputs(group.task)[0], key, failed)
        for dataset, output in zip(group.task.writes, outcome.outputs, strict=False):
            stored = file_of(self.store, dataset, key)
            problem = None if output.is_close else unlike(dataset, aside.staged(output), stored)
            yield Compared(group.task.name, dataset.name, key, problem)

    def _records(
        self, acceptance: Acceptance, group: Portion, tested: str
    ) -> Iterator[list[Record]]:
        """The new records of a group, up to 500 at a time."""
        if group.kind is Treatment.DONE:
            yield [self._of_done(acceptance, group, o) for o in group.at]
            return
        keys = [group.task.grain.key(o) for o in group.at]
        for node in outputs(group.task):
            if group.kind is Treatment.HAND:
                records = [
                    self._of_hand(acceptance.hands[node, k])
                    for k in keys
                    if (node, k) in acceptance.hands
                ]
            else:
                wanted: Sequence[str | None] = keys if len(keys) < _FEW else [None]
                by_key = {r.key: r for k in wanted for r in self.metastore.records(node, k)}
                code = acceptance.plan.snapshot.codes[group.task.name]
                note = f"accepted for the code of {group.task.name}, {tested}"
                records = [self._of_code(by_key[k], code, note) for k in keys]
            for i in range(0, len(records), _AT_ONCE):
                yield records[i : i + _AT_ONCE]

    def _of_code(self, was: Record, code: str, note: str) -> Record:
        """The record with the present code; when and from what it was made stays the same."""
        return replace(was, code=code, run=self.row.id, how="accepted", note=note)

    def _of_done(self, acceptance: Acceptance, group: Portion, ordinal: int) -> Record:
        """The record of an effect that was done with what it reads now."""
        plan, grain = acceptance.plan, group.task.grain
        reads = LiveContents(plan).reads(Step(group.task.name, ordinal))
        return Record(
            node=group.task.name,
            key=grain.key(ordinal),
            start=grain.interval(ordinal).start,
            code=plan.snapshot.codes[group.task.name],
            inputs=b"".join(read.digest for read in reads),
            reads=len(reads),
            read_seq=plan.snapshot.version,
            made_at=int(self.now()),
            run=self.row.id,
            how="accepted",
            note=_DONE,
        )

    def _of_hand(self, present: Record) -> Record:
        return replace(
            present, made_at=int(self.now()), run=self.row.id, how="accepted", pinned=True,
            note=_KEPT,
        )  # fmt: skip

    def _publish(self, datasets: Mapping[str, Dataset], records: Sequence[Record]) -> None:
        """Claim and publish records of files that stay."""
        epochs = self.metastore.claim(self.row.id, [(r.node, r.key, r.start) for r in records])
        step = f"{self.row.id}/accept"
        intents = (
            Intent(step, r.node, r.key, epochs[r.node, r.key], None, r.sha256, r.sha256, r)
            for r in records
        )
        publishing = Publishing(self.metastore, self.store, datasets)
        publishing.publish([Publication(intent) for intent in intents]).require_all()


def _decided(acceptance: Acceptance) -> list[tuple[str, str, str]]:
    """The (effect, key, run) of what was cut off and counts as done from now on."""
    begun = acceptance.plan.snapshot.perhaps_done
    return [
        (group.task.name, group.task.grain.key(ordinal), begun[group.task.name][ordinal])
        for group in acceptance.groups
        if group.kind is Treatment.DONE
        for ordinal in group.at
    ]


def _words(compared: Sequence[Compared], group: Portion) -> str:
    """The words for the note on how the acceptance of a task's partitions was tested."""
    sampled = len({c.key for c in compared if c.task == group.task.name})
    if sampled and group.is_comparable:
        return f"a sample of {sampled:,} was made and was equal"
    return "with no sample of its own" if compared else "without a sample"


def _steps(group: Portion, records: Sequence[Record]) -> list[StepLog]:
    reason = {Treatment.CODE: "code", Treatment.DONE: "perhaps_done"}.get(
        group.kind, "changed_outside"
    )
    return [StepLog(group.task.name, r.key, 1, "accepted", reason, 0.0, r.note) for r in records]
