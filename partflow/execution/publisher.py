"""Makes sealed outputs current: claims, intends, renames under the locks, records.

Knows nothing of executors or of the order of steps. These are steps 1 and 4 to 6 of the protocol of
publishing; nothing else writes into a dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.graph import outputs
from partflow.errors import advice_of
from partflow.execution.orders import Attempt, Failure, Outcome, Output
from partflow.metastore.journal import begun_lines, ended_lines, record_lines, seen_lines
from partflow.metastore.record import Intent, Record, Seen
from partflow.metastore.runlog import StepLog, write_steps
from partflow.metastore.sightings import write_sightings
from partflow.metastore.sqlite.metastore import Metastore, end_effects
from partflow.planning.planner import Action, Plan, Reason, TaskPlan
from partflow.planning.snapshot import Condition
from partflow.store.local import Store

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

_AHEAD = 256
"""So many partitions of a task are claimed at a time: a transaction each would cost too much."""


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt that a worker sealed, with what the log is to say of it."""

    task: str
    attempt: Attempt
    outcome: Outcome
    log: StepLog


@dataclass(frozen=True, slots=True)
class Published:
    """One step's intents, what its readers will find, and whether any of that is new to them."""

    intents: tuple[Intent, ...]
    contents: Mapping[str, str]
    changed: bool


@dataclass(slots=True)
class Publisher:
    """Publishes the outcomes of one run of one plan; `now` gives epoch seconds.

    What it holds of partitions is of those that are claimed and not published yet.
    """

    run: str
    plan: Plan
    store: Store
    metastore: Metastore
    now: Callable[[], float]
    newest_first: bool = False
    _claimed: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    _epochs: dict[tuple[str, str], int] = field(default_factory=dict)
    _records: dict[tuple[str, str], Record] = field(default_factory=dict)

    def claim(self, attempts: Sequence[tuple[str, Attempt]]) -> None:
        """Raise the epochs of what these attempts may publish, so that no earlier owner can.

        Their neighbours are claimed ahead, in one transaction with them. Of effects it is recorded
        that they begin: who finds no end of them knows that they are perhaps done.
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

    def _next(
        self, planned: TaskPlan, ordinal: int, claimed: NDArray[np.bool_]
    ) -> list[tuple[str, str, int]]:
        """A planned partition and those after it: node, key and start of each output."""
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
        """Record (node, key, message) of what failed, with its log.

        `ended` are the (effect, key) of effects that were begun and are known not to be done.
        """
        self.store.journal(ended_lines(ended))
        at = self.now()

        def also(c: apsw.Connection) -> None:
            write_steps(c, self.run, at, logs)
            end_effects(c, ((node, key, self.run) for node, key in ended))

        self.metastore.fail(self.run, failures, also)

    def publish(self, group: Sequence[Done]) -> tuple[dict[int, Published], dict[int, Failure]]:
        """Publish a group of steps; what the disk refused comes back as failures, by serial.

        One transaction says what is intended, one records what was done and logs it. Data first,
        record second: a reader that trusts the record never misses a file.
        """
        ready = {one.attempt.serial: self._published(one) for one in group}
        refused = self._refused_in_staging(ready)
        intents = [i for s, found in ready.items() if s not in refused for i in found.intents]
        moving = [i for i in intents if i.staged is not None]
        if moving:
            self.metastore.intend(moving)
        with self.store.locked((i.node, i.key) for i in intents):
            self.metastore.check(intents)
            refused |= self._rename(ready, refused)
            done = [i for s, found in ready.items() if s not in refused for i in found.intents]
            seen = [
                (i.node, i.key, one.outcome.seen)
                for one in group
                if one.attempt.serial not in refused
                for i in ready[one.attempt.serial].intents
            ]
            self.store.journal([*self._journal(done), *seen_lines(self.run, seen)])
            logs = [
                one.log
                if ready[one.attempt.serial].changed
                else replace(one.log, state="unchanged")
                for one in group
                if one.attempt.serial not in refused
            ]
            if logs:
                self.metastore.commit(done, lambda c: self._log(c, logs, seen))
        self._give_up([i for s in refused for i in ready[s].intents])
        for intent in done:
            self._records.pop((intent.node, intent.key), None)
            self._epochs.pop((intent.node, intent.key), None)
        return {s: f for s, f in ready.items() if s not in refused}, refused

    def _log(
        self,
        c: apsw.Connection,
        logs: Sequence[StepLog],
        seen: Sequence[tuple[str, str, Sequence[Seen]]],
    ) -> None:
        """Write what belongs to records that are made current, in the same transaction."""
        write_steps(c, self.run, self.now(), logs)
        sightings = [(node, key, self.run, each) for node, key, found in seen for each in found]
        write_sightings(c, [(node, key) for node, key, _ in seen], sightings)

    def _refused_in_staging(self, ready: Mapping[int, Published]) -> dict[int, Failure]:
        """Make what is staged durable, all together; the steps whose files the disk refused."""
        staged = {i.staged: (s, i) for s, f in ready.items() for i in f.intents if i.staged}
        failed = self.store.sync(list(staged))
        for path in failed:
            Path(path).unlink(missing_ok=True)
        found = ((*staged[path], error) for path, error in failed.items())
        return {s: _of_disk(error, f"the new file of {i.node}@{i.key}") for s, i, error in found}

    def _rename(
        self, ready: dict[int, Published], without: Mapping[int, Failure]
    ) -> dict[int, Failure]:
        """Put the files of steps into place, durably; the steps that the disk refused."""
        refused: dict[int, Failure] = {}
        folders: dict[str, list[Path]] = {}
        for serial, found in ready.items():
            if serial in without:
                continue
            try:
                ready[serial] = self._renamed(found, folders)
            except OSError as error:
                refused[serial] = _of_disk(error)
        failed = self.store.sync({folder for changed in folders.values() for folder in changed})
        for serial, found in ready.items() if failed else ():
            for intent in found.intents:
                for folder in folders.get(intent.staged or "", ()):
                    if str(folder) in failed:
                        refused.setdefault(serial, _of_disk(failed[str(folder)]))
        return refused

    def is_there(self, node: str, ordinal: int) -> bool:
        """Whether a partition's file was found as recorded when the plan was made."""
        state = self.plan.snapshot.states[node]
        i = ordinal - state.lo
        return bool(0 <= i < len(state.condition) and state.condition[i] == Condition.GOOD)

    def _published(self, one: Done) -> Published:
        """The records of an outcome, and which of its files have to be renamed."""
        attempt = one.attempt
        task = self.plan.tasks[one.task].task
        if task.is_effect:
            record = self._record(attempt, task.name, how="done")
            return Published((self._intent(attempt, record, None, None),), {}, changed=True)
        intents, contents, changed = [], {}, False
        for output in one.outcome.outputs:
            was = self._records.get((output.dataset, output.key))
            if was is not None and self._is_pinned(one, was):
                Path(output.staged).unlink(missing_ok=True)
                contents[output.dataset] = was.content or output.content
                continue
            same = was is not None and (was.content == output.content or output.is_close)
            stays = was if same and self.is_there(output.dataset, attempt.ordinal) else None
            content = was.content if same and was and was.content else output.content
            contents[output.dataset] = content
            changed = changed or not same
            intents.append(self._output_intent(attempt, output, content, stays))
        return Published(tuple(intents), contents, changed)

    def _is_pinned(self, one: Done, was: Record) -> bool:
        """Whether an output stays somebody's file while its step makes the others again."""
        planned, ordinal = self.plan.tasks[one.task], one.attempt.ordinal
        asked = planned.need[ordinal - planned.lo] == Reason.ASKED
        return was.pinned and not asked and self.is_there(was.node, ordinal)

    def _output_intent(
        self, attempt: Attempt, output: Output, content: str, stays: Record | None
    ) -> Intent:
        """The intent of one output; `stays` is the record whose file stays as it is."""
        if stays is not None:
            Path(output.staged).unlink(missing_ok=True)
            kept = self._record(
                attempt, output.dataset, content=stays.content, rows=stays.rows,
                nbytes=stays.nbytes, sha256=stays.sha256, identity=stays.identity, how="kept",
                schema=output.schema if stays.content == output.content else None,
            )  # fmt: skip
            return self._intent(attempt, kept, None, stays.sha256)
        was = self._records.get((output.dataset, output.key))
        made = self._record(
            attempt, output.dataset, content=content, rows=output.rows, nbytes=output.nbytes,
            sha256=output.sha256, schema=output.schema,
        )  # fmt: skip
        return self._intent(attempt, made, output.staged, None if was is None else was.sha256)

    def _intent(
        self, attempt: Attempt, record: Record, staged: str | None, old_sha256: str | None
    ) -> Intent:
        return Intent(
            step=f"{self.run}/{attempt.serial}",
            node=record.node,
            key=record.key,
            epoch=self._epochs[record.node, record.key],
            staged=staged,
            old_sha256=old_sha256,
            new_sha256=record.sha256,
            record=record,
        )

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

    def _renamed(self, found: Published, folders: dict[str, list[Path]]) -> Published:
        """Put the files of one step into place; their identities go into the records."""
        intents = []
        for intent in found.intents:
            if intent.staged is None:
                intents.append(intent)
                continue
            dataset = self.plan.graph.datasets[intent.node]
            was = self._records.get((intent.node, intent.key))
            identity = self.store.publish(
                Path(intent.staged), dataset, intent.key, was.seq if was else 0, folders
            )
            intents.append(replace(intent, record=replace(intent.record, identity=identity)))
        return replace(found, intents=tuple(intents))

    def _journal(self, intents: Sequence[Intent]) -> list[str]:
        """What no footer can hold: effects, remakes that kept the file, other formats."""
        datasets = self.plan.graph.datasets
        return record_lines(
            self.metastore,
            (
                i.record
                for i in intents
                if i.staged is None or not datasets[i.node].stored_as.has_footer
            ),
        )

    def _give_up(self, intents: Sequence[Intent]) -> None:
        """Forget the intents of steps that the disk refused, unless one output is in place already.

        Then the intents stay, and with them the staged files: the next run rolls them forward.
        """
        touched = {i.step for i in intents if i.staged and not Path(i.staged).exists()}
        lost = [i for i in intents if i.step not in touched]
        if lost:
            self.metastore.abandon(lost)


def _of_disk(error: OSError, where: str = "") -> Failure:
    """What the disk refused; `where` names a file that has no place of its own yet."""
    where = where or error.filename2 or error.filename or "the warehouse"
    advice = f"{advice_of(error)}, and run again; the last good one stays"
    return Failure(f"{where}: {error.strerror or error}; {advice}")
