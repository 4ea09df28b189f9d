"""Makes publications current: sync, intend, rename under the locks, journal, record.

Knows nothing of plans, nor of who publishes and why. Nothing else puts a file into a dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from partflow.declarations.dataset import Dataset
from partflow.errors import PublishError
from partflow.formats.fingerprint import file_digest
from partflow.metastore.journal import record_lines
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, LogLines, Record
from partflow.partitions.keytexts import shown_key
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Answer, Replacement, Store, file_of


@dataclass(frozen=True, slots=True)
class Publication:
    """One output of one step that is to be made current. There are three kinds.

    If `intent.staged` names a sealed file, the file is put into the partition's place. It replaces
    the file that was `seen` there when the partition was claimed, which is kept in the history
    under the number `replaces`. If `is_in_place`, the record's file is in the partition's place
    already, and only its identity is looked up. Otherwise only the record is new: the partition's
    file stays as it is, or it is an effect, which has none.
    """

    intent: Intent
    replaces: int = 0
    seen: FileIdentity | None = None
    is_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step is not published: the disk refused it, or somebody else wrote a file of it.

    If a staged file could not be synced, `staged_for` is its partition, as DATASET@KEY.
    """

    error: OSError | PublishError
    staged_for: str | None = None


@dataclass(frozen=True, slots=True)
class Notes:
    """What is written together with records: `lines` of the journal, and a run's `log`.

    The `dropped` intents are forgotten in the same transaction.
    """

    lines: Sequence[str] = ()
    log: LogLines | None = None
    dropped: Sequence[Intent] = ()


Noting = Callable[[Mapping[str, Refusal]], Notes]
"""Gives the notes to write, from the refusals by step."""


@dataclass(frozen=True, slots=True)
class Published:
    """The records that are current now, and the refusals by step."""

    records: tuple[Record, ...]
    refused: Mapping[str, Refusal]

    def require_all(self) -> None:
        """Raise the error of the first step that was refused, if one was.

        Raises:
            OSError: the disk refused the step.
            PublishError: somebody else wrote a file of the step after it was claimed.
        """
        for refusal in self.refused.values():
            raise refusal.error


@dataclass(slots=True)
class Publishing:
    """Publishes into the datasets of one graph, for one owner that holds the lease.

    With its first file in a dataset it also makes the folders above durable: they may be new, or a
    run may have made them and died before they were durable.
    """

    metastore: Metastore
    store: Store
    datasets: Mapping[str, Dataset]
    _anchored: set[str] = field(default_factory=set)

    def publish(
        self, publications: Sequence[Publication], noting: Noting = lambda _: Notes()
    ) -> Published:
        """Publish claimed partitions, all outputs of a step or none.

        One transaction notes what is intended, a second one records what was done.

        Raises:
            PublishError: another owner has claimed one of the partitions since, or the lease or the
                metastore was taken from this one; then nothing is published.
        """
        unsynced = self._unsynced(publications)
        ready = [p for p in publications if p.intent.step not in unsynced]
        intended = [p.intent for p in ready if p.intent.staged is not None]
        if intended:
            self.metastore.intend(intended)
        with self.store.locked((p.intent.node, p.intent.key) for p in ready):
            published = self.complete(ready, lambda refused: noting({**unsynced, **refused}))
        self._give_up([i for i in intended if i.step in published.refused])
        return Published(published.records, {**unsynced, **published.refused})

    def complete(
        self, publications: Sequence[Publication], noting: Noting = lambda _: Notes()
    ) -> Published:
        """Rename, journal and record: data first, record second.

        In this order a reader that trusts the record never misses a file.

        Requires: the partitions' locks are held; staged files are durable, and noted as intended.

        Raises:
            PublishError: another owner has claimed one of the partitions since, or the lease or the
                metastore was taken from this one; then nothing is published.
        """
        self.metastore.check([p.intent for p in publications])
        done, refused = self._put_into_place(publications)
        notes = noting(refused)
        lasting = [i.record for i in done if not self._is_told_by_its_file(i.record)]
        self.store.journal([*record_lines(self.metastore, lasting), *notes.lines])
        if done or notes.log is not None or notes.dropped:
            self.metastore.commit(done, notes.log, notes.dropped)
        return Published(tuple(i.record for i in done), refused)

    def seen(self, partitions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], FileIdentity]:
        """The identities of these partitions' files; effects, which have none, are left out.

        Given back as `Publication.seen`, they see to it that no other file is replaced.
        """
        keys: dict[str, list[str]] = {}
        for node, key in partitions:
            if node in self.datasets:
                keys.setdefault(node, []).append(key)
        return {
            (node, key): FileIdentity(*row)
            for node, node_keys in keys.items()
            for key, row in zip(
                node_keys,
                self.store.identities(self.datasets[node], node_keys).tolist(),
                strict=True,
            )
        }

    def sweep(self, run: str) -> None:
        """Remove what a run staged, except files that an intent still names."""
        self.store.sweep(run, {i.staged for i in self.metastore.intents() if i.staged})

    def _is_told_by_its_file(self, record: Record) -> bool:
        """Whether the file's footer says all that the record says, so that no journal line has to.

        Only files of Parquet have a footer. It says how the file was made. If the record was not
        made together with the file (it was kept, put back, accepted or done), the footer does not
        say so.
        """
        return record.how == "made" and self.datasets[record.node].stored_as.has_footer

    def _unsynced(self, publications: Sequence[Publication]) -> dict[str, Refusal]:
        """Make the staged files durable, all together; returns the steps that the disk refused.

        Their files are removed: after a failed sync their bytes cannot be trusted, and to sync the
        same file again proves nothing.
        """
        staged = {
            self.store.layout.staged_place(p.intent.staged): p.intent
            for p in publications
            if p.intent.staged is not None
        }
        failed = self.store.sync(list(staged))
        self.store.discard(staged[path].staged or "" for path in failed)
        return {
            staged[path].step: Refusal(error, f"{staged[path].node}@{staged[path].key}")
            for path, error in failed.items()
        }

    def holds(self, intent: Intent) -> bool:
        """Whether the bytes in a partition's place are those that were intended.

        Raises:
            OSError: the file cannot be read.
        """
        dataset = self.datasets.get(intent.node)
        if dataset is None:
            return False
        path = file_of(self.store, dataset, intent.key)
        return path.exists() and file_digest(path)[0] == intent.new_sha256

    def _put_into_place(
        self, publications: Sequence[Publication]
    ) -> tuple[list[Intent], dict[str, Refusal]]:
        """Put files into place, durably; returns what was done, and the refusals by step."""
        done: list[Intent] = []
        refused: dict[str, Refusal] = {}
        placed: dict[tuple[str, str], Intent] = {}
        for publication in publications:
            intent = publication.intent
            if intent.step in refused:
                continue
            if intent.staged is None and not publication.is_in_place:
                done.append(intent)
                continue
            placed[intent.node, intent.key] = intent
            try:
                self._place(publication)
            except (OSError, PublishError) as error:
                refused[intent.step] = Refusal(error)
        done += self._identified(placed, refused)
        for place, of_disk in self._settled(placed).items():
            refused.setdefault(placed[place].step, Refusal(of_disk))
        if refused:
            self._anchored.clear()
        return [intent for intent in done if intent.step not in refused], refused

    def _place(self, publication: Publication) -> None:
        """Put one publication's file into its place, unless it is there already."""
        intent = publication.intent
        if intent.staged is None or publication.is_in_place:
            return
        by = Replacement(intent.staged, intent.new_sha256, publication.seen, publication.replaces)
        answer = self.store.replace(self.datasets[intent.node], intent.key, by)
        if answer is Answer.MOVED:
            raise PublishError(
                f"{intent.node}@{shown_key(intent.key)} is not published: somebody wrote its "
                "file since it was claimed, and that stays; run again: it is looked at anew"
            )

    def _identified(
        self, placed: Mapping[tuple[str, str], Intent], refused: dict[str, Refusal]
    ) -> Iterator[Intent]:
        """The intents of files that were put into place, with the files' identities.

        Steps are added to `refused` if their files cannot be looked at.
        """
        intents = {at: intent for at, intent in placed.items() if intent.step not in refused}
        try:
            identities = self.seen(intents)
        except OSError as error:
            refused.update({intent.step: Refusal(error) for intent in intents.values()})
            return
        for at, intent in intents.items():
            if identities[at].size >= 0:
                yield replace(intent, record=replace(intent.record, identity=identities[at]))
                continue
            refused[intent.step] = Refusal(
                PublishError(
                    f"the file of {intent.node}@{shown_key(intent.key)} vanished right after it "
                    "was published; run again"
                )
            )

    def _settled(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], OSError]:
        """Make these files durable, and the folders above each dataset that is not `_anchored`."""
        if not places:
            return {}
        above = {name for name, _ in places} - self._anchored
        self._anchored |= above
        return self.store.settle([(self.datasets[name], key) for name, key in places], above)

    def _give_up(self, refused: Sequence[Intent]) -> None:
        """Forget the intents of refused steps that have no output in place.

        If an output is in place, or cannot be read to tell, the step's intents stay, and its staged
        files with them: the next run rolls the step forward.
        """
        begun = {intent.step for intent in refused if self._may_be_in_place(intent)}
        lost = [intent for intent in refused if intent.step not in begun]
        if lost:
            self.metastore.abandon(lost)

    def _may_be_in_place(self, intent: Intent) -> bool:
        try:
            return self.holds(intent)
        except OSError:
            return True
