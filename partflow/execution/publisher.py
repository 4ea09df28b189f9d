"""Makes sealed outputs current: claims, intends, renames under the locks, records.

Knows nothing of executors or of the order of steps. These are steps 1 and 4 to 6 of the protocol of
publishing; nothing else writes into a dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from partflow.execution.perform import Failure, Order, Outcome, Output
from partflow.graph import outputs
from partflow.lineage import Condition
from partflow.metastore import Metastore
from partflow.plan import Action, Plan, Reason
from partflow.record import Intent, Record
from partflow.store import Store

_FEW = 100
"""Up to so many records are looked up one by one; a whole dataset's are read at once."""


@dataclass(frozen=True, slots=True)
class Published:
    """One step's intents, what its readers will find, and whether any of that is new to them."""

    intents: tuple[Intent, ...]
    contents: Mapping[str, str]
    changed: bool


@dataclass(slots=True)
class Publisher:
    """Publishes the outcomes of one run of one plan; `now` gives epoch seconds."""

    run: str
    plan: Plan
    store: Store
    metastore: Metastore
    now: Callable[[], float]
    _epochs: dict[tuple[str, str], int] = field(default_factory=dict)
    _records: dict[tuple[str, str], Record] = field(default_factory=dict)

    def claim(self) -> None:
        """Raise the epoch of everything that may be published, so that no earlier owner can."""
        wanted = []
        for planned in self.plan.tasks.values():
            chosen = (planned.action != Action.NONE).nonzero()[0].tolist()
            if not chosen:
                continue
            keys = planned.task.grain.keys(planned.lo, planned.hi)
            starts = planned.task.grain.edges(planned.lo, planned.hi).tolist()
            for node in outputs(planned.task):
                wanted += [(node, keys[i], starts[i]) for i in chosen]
                few = [keys[i] for i in chosen] if len(chosen) < _FEW else [None]
                found = [r for key in few for r in self.metastore.records(node, key)]
                self._records |= {(node, r.key): r for r in found}
        if wanted:
            self._epochs = self.metastore.claim(self.run, wanted)

    def publish(
        self, outcomes: Sequence[Outcome]
    ) -> tuple[dict[int, Published], dict[int, Failure]]:
        """Publish a group of steps; what the disk refused comes back as failures, by serial.

        One transaction says what is intended, one records what was done. Data first, record second:
        a reader that trusts the record never misses a file.
        """
        ready = {o.order.serial: self._published(o) for o in outcomes}
        moving = [i for found in ready.values() for i in found.intents if i.staged is not None]
        refused: dict[int, Failure] = {}
        if moving:
            self.metastore.intend(moving)
        with self.store.locked((i.node, i.key) for i in moving):
            self.metastore.check(moving)
            for serial, found in ready.items():
                try:
                    ready[serial] = self._renamed(found)
                except OSError as error:
                    refused[serial] = _of_disk(error)
            done = [i for s, found in ready.items() if s not in refused for i in found.intents]
            self.store.journal(self._journal(done))
            if done:
                self.metastore.commit(done)
        self._give_up([i for s in refused for i in ready[s].intents])
        return {s: f for s, f in ready.items() if s not in refused}, refused

    def is_there(self, node: str, ordinal: int) -> bool:
        """Whether a partition's file was found as recorded when the plan was made."""
        state = self.plan.snapshot.states[node]
        i = ordinal - state.lo
        return bool(0 <= i < len(state.condition) and state.condition[i] == Condition.GOOD)

    def _published(self, outcome: Outcome) -> Published:
        """The records of an outcome, and which of its files have to be renamed."""
        order = outcome.order
        task = self.plan.tasks[order.task].task
        if task.is_effect:
            key = task.grain.key(order.ordinal)
            record = replace(self._record(order, task.name, key), how="done")
            return Published((self._intent(order, record, None, None),), {}, changed=True)
        intents, contents, changed = [], {}, False
        for output in outcome.outputs:
            was = self._records.get((output.dataset, output.key))
            if was is not None and self._is_pinned(order, was):
                Path(output.staged).unlink(missing_ok=True)
                contents[output.dataset] = was.content or output.content
                continue
            same = was is not None and (was.content == output.content or output.is_close)
            stays = was if same and self.is_there(output.dataset, order.ordinal) else None
            content = was.content if same and was and was.content else output.content
            contents[output.dataset] = content
            changed = changed or not same
            intents.append(self._output_intent(order, output, content, stays))
        return Published(tuple(intents), contents, changed)

    def _is_pinned(self, order: Order, was: Record) -> bool:
        """Whether an output stays somebody's file while its step makes the others again."""
        planned = self.plan.tasks[order.task]
        asked = planned.need[order.ordinal - planned.lo] == Reason.ASKED
        return was.pinned and not asked and self.is_there(was.node, order.ordinal)

    def _output_intent(
        self, order: Order, output: Output, content: str, stays: Record | None
    ) -> Intent:
        """The intent of one output; `stays` is the record whose file stays as it is."""
        made = self._record(order, output.dataset, output.key)
        if stays is not None:
            Path(output.staged).unlink(missing_ok=True)
            kept = replace(
                made, content=stays.content, rows=stays.rows, nbytes=stays.nbytes,
                sha256=stays.sha256, identity=stays.identity, how="kept",
            )  # fmt: skip
            return self._intent(order, kept, None, stays.sha256)
        was = self._records.get((output.dataset, output.key))
        made = replace(
            made, content=content, rows=output.rows, nbytes=output.nbytes, sha256=output.sha256
        )
        return self._intent(order, made, output.staged, None if was is None else was.sha256)

    def _intent(
        self, order: Order, record: Record, staged: str | None, old_sha256: str | None
    ) -> Intent:
        return Intent(
            step=f"{self.run}/{order.serial}",
            node=record.node,
            key=record.key,
            epoch=self._epochs[record.node, record.key],
            staged=staged,
            old_sha256=old_sha256,
            new_sha256=record.sha256,
            record=record,
        )

    def _record(self, order: Order, node: str, key: str) -> Record:
        lineage = order.lineage
        return Record(
            node=node,
            key=key,
            start=self.plan.tasks[order.task].task.grain.interval(order.ordinal).start,
            code=lineage.code,
            inputs=b"".join(bytes.fromhex(r.digest) for r in lineage.inputs),
            reads=len(lineage.inputs),
            read_seq=lineage.read_seq,
            made_at=int(self.now()),
            run=self.run,
        )

    def _renamed(self, found: Published) -> Published:
        """Put the files of one step into place; their identities go into the records."""
        intents = []
        for intent in found.intents:
            if intent.staged is None:
                intents.append(intent)
                continue
            dataset = self.plan.graph.datasets[intent.node]
            was = self._records.get((intent.node, intent.key))
            identity = self.store.publish(
                Path(intent.staged), dataset, intent.key, was.seq if was else 0
            )
            intents.append(replace(intent, record=replace(intent.record, identity=identity)))
        return replace(found, intents=tuple(intents))

    def _journal(self, intents: Sequence[Intent]) -> list[str]:
        """What no footer can hold: effects, remakes that kept the file, other formats."""
        datasets = self.plan.graph.datasets
        return [
            i.record.to_json()
            for i in intents
            if i.staged is None or datasets[i.node].format != "parquet"
        ]

    def _give_up(self, intents: Sequence[Intent]) -> None:
        """Forget the intents of steps that the disk refused, unless one output is in place already.

        Then the intents stay, and with them the staged files: the next run rolls them forward.
        """
        touched = {i.step for i in intents if i.staged and not Path(i.staged).exists()}
        lost = [i for i in intents if i.step not in touched]
        if lost:
            self.metastore.abandon(lost)


def _of_disk(error: OSError) -> Failure:
    where = error.filename2 or error.filename or "the warehouse"
    advice = "make room, or look at its permissions, and run again; the last good one stays"
    return Failure(f"{where}: {error.strerror or error}; {advice}")
