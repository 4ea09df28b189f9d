"""Makes publications current: sync, intend, rename under the locks, journal, record.

Knows nothing of plans, nor of who publishes and why. Nothing else puts a file into a dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from partflow.declarations.dataset import Dataset
from partflow.errors import PublishError
from partflow.metastore.journal import record_lines
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, LogLines, Record
from partflow.store.identity import identity
from partflow.store.local import Store


@dataclass(frozen=True, slots=True)
class Publication:
    """One output of one step that is to be made current.

    If `intent.staged` names a sealed file, that is renamed into the partition's place, and what it
    replaces is kept in the history under the number `replaces`. If the publication `is_in_place`,
    the partition's file is that of the record already, and only its identity is looked up. Else
    the record is all that is new: a file that stays, or an effect.
    """

    intent: Intent
    replaces: int = 0
    is_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the disk refused; `staged_for` is the partition of a staged file that was not synced."""

    error: OSError
    staged_for: str | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted together with records: lines of the journal and of the log of a run.

    Intents that are `dropped` are forgotten in the same transaction.
    """

    lines: Sequence[str] = ()
    log: LogLines | None = None
    dropped: Sequence[Intent] = ()


Noting = Callable[[Mapping[str, Refusal]], Notes]
"""Says what is to be noted, given the steps that were refused."""


@dataclass(frozen=True, slots=True)
class Published:
    """The records that are current now, and by step what was refused."""

    records: tuple[Record, ...]
    refused: Mapping[str, Refusal]

    def require_all(self) -> None:
        """Raise the OSError of the first step that was refused, if one was."""
        for refusal in self.refused.values():
            raise refusal.error


@dataclass(slots=True)
class Publishing:
    """Publishes into the datasets of one graph for one owner, which holds the lease.

    Its first file in a dataset makes the folders above durable, too: they may be new, or those of
    a run that died before it made them durable.
    """

    metastore: Metastore
    store: Store
    datasets: Mapping[str, Dataset]
    _anchored: set[str] = field(default_factory=set)

    def publish(
        self, publications: Sequence[Publication], noting: Noting = lambda _: Notes()
    ) -> Published:
        """Publish claimed partitions, all outputs of a step together; what the disk refused.

        One transaction says what is intended, one records what was done.

        Raises:
            PublishError: another owner has claimed one of them since; nothing is published.
        """
        unsynced = self._unsynced(publications)
        ready = [p for p in publications if p.intent.step not in unsynced]
        intended = [p.intent for p in ready if p.intent.staged is not None]
        if intended:
            self.metastore.intend(intended)
        with self.store.locked((p.intent.node, p.intent.key) for p in ready):
            found = self.complete(ready, lambda refused: noting({**unsynced, **refused}))
        self._give_up([i for i in intended if i.step in found.refused])
        return Published(found.records, {**unsynced, **found.refused})

    def complete(
        self, publications: Sequence[Publication], noting: Noting = lambda _: Notes()
    ) -> Published:
        """Rename, journal and record: data first, record second.

        So a reader that trusts the record never misses a file. Requires: the locks are held; what
        is staged is durable and intended.

        Raises:
            PublishError: another owner has claimed one of them since; nothing is published.
        """
        self.metastore.check([p.intent for p in publications])
        done, refused = self._put_into_place(publications)
        notes = noting(refused)
        lasting = [i.record for i in done if not self._is_told_by_its_file(i.record)]
        self.store.journal([*record_lines(self.metastore, lasting), *notes.lines])
        if done or notes.log is not None or notes.dropped:
            self.metastore.commit(done, notes.log, notes.dropped)
        return Published(tuple(i.record for i in done), refused)

    def sweep(self, run: str) -> None:
        """Remove what a run staged, but for what an intent still stands for."""
        self.store.sweep(run, {i.staged for i in self.metastore.intents() if i.staged})

    def _is_told_by_its_file(self, record: Record) -> bool:
        """Whether the footer of the record's file says what the record does, so that no line must.

        Other formats have no footer. Of what was not made together with its file (kept, put back,
        accepted, done) the footer says what the file was made from, and not what became of it.
        """
        return record.how == "made" and self.datasets[record.node].stored_as.has_footer

    def _unsynced(self, publications: Sequence[Publication]) -> dict[str, Refusal]:
        """Make what is staged durable, all together; the steps whose files the disk refused.

        Such a file is dropped: its bytes must not be trusted, and it is never tried again.
        """
        staged = {p.intent.staged: p.intent for p in publications if p.intent.staged is not None}
        refused: dict[str, Refusal] = {}
        for path, error in self.store.sync(list(staged)).items():
            Path(path).unlink(missing_ok=True)
            intent = staged[path]
            refused[intent.step] = Refusal(error, f"{intent.node}@{intent.key}")
        return refused

    def _put_into_place(
        self, publications: Sequence[Publication]
    ) -> tuple[list[Intent], dict[str, Refusal]]:
        """Put files into place, durably: what was done, and the steps that the disk refused."""
        done: list[Intent] = []
        refused: dict[str, Refusal] = {}
        folders: dict[str, list[Path]] = {}
        for publication in publications:
            step = publication.intent.step
            if step not in refused:
                try:
                    done.append(self._placed(publication, folders.setdefault(step, [])))
                except OSError as error:
                    refused[step] = Refusal(error)
        failed = self.store.sync({folder for changed in folders.values() for folder in changed})
        for step, changed in folders.items():
            for folder in changed:
                if str(folder) in failed:
                    refused.setdefault(step, Refusal(failed[str(folder)]))
        if refused:
            self._anchored.clear()
        return [intent for intent in done if intent.step not in refused], refused

    def _placed(self, publication: Publication, folders: list[Path]) -> Intent:
        """One publication with its file in place and its identity recorded.

        Adds to `folders` those that are to be synced.
        """
        intent = publication.intent
        if intent.staged is None and not publication.is_in_place:
            return intent
        dataset = self.datasets[intent.node]
        final = self.store.path(dataset, intent.key)
        if intent.staged is not None and not publication.is_in_place:
            folders += self.store.publish(
                Path(intent.staged), dataset, intent.key, publication.replaces
            )
        else:
            folders.append(final.parent)
        if intent.node not in self._anchored:
            folders += [final.parent.parent, self.store.warehouse]
            self._anchored.add(intent.node)
        found = identity(final)
        if found is None:
            raise PublishError(f"{final} vanished right after it was published; run again")
        return replace(intent, record=replace(intent.record, identity=found))

    def _give_up(self, refused: Sequence[Intent]) -> None:
        """Forget the intents of refused steps of which no output is in place.

        Where one is, the intents stay, and with them the staged files: the next run rolls them
        forward.
        """
        begun = {i.step for i in refused if i.staged and not Path(i.staged).exists()}
        lost = [i for i in refused if i.step not in begun]
        if lost:
            self.metastore.abandon(lost)
