"""Compares one file with its record: whether it is what was recorded, and if not what it holds.

Knows nothing of which files are looked at, or of plans. What is new is returned and not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset, Source
from partflow.errors import ReadError
from partflow.formats.copies import pack
from partflow.formats.fingerprint import file_digest
from partflow.formats.format import Contents
from partflow.formats.known import AS_FILE, format_of, way_of
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Record
from partflow.planning.snapshot import Condition, FolderLost, LeftOut, Snapshot, Unreadable, Varied
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Looked, Store, file_of
from partflow.warehouse.closerlook import ReadAhead, contents_at, said_of
from partflow.warehouse.footers import record_in
from partflow.warehouse.handover import SMALL, AsRead, HandOver
from partflow.warehouse.setcontents import (
    LookedSet,
    RememberedSet,
    contents_as_files,
    contents_of_set,
    look_at_set,
    remembered_sets,
    rules_of,
)
from partflow.warehouse.verify import Verify

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(slots=True)
class Observed:
    """A snapshot, and what was seen that is not recorded yet.

    `news` are records of new contents: of sources, and of tasks' files that hold an earlier result.
    `touched` are records of files whose times or inodes have changed and whose content has not.
    `problems` says by (dataset, key) why a file cannot be read. The snapshot shares it, as its
    `unreadable`, and shares `varied`, `left_out` and `lost`.
    `hands` are the present files of tasks that somebody changed by hand, by (dataset, key).
    `replaced` are the (dataset, key) of sources' files that hold other values than were recorded.
    `sets` are texts by (source, key) of what is to be remembered of partitions of several files.
    `versions` are those of the metastore when the look began. `stats` has for each dataset that was
    looked at the identities of its files, shape (n, 4), -1 where there is no file.
    """

    snapshot: Snapshot
    news: list[Record] = field(default_factory=list)
    touched: list[Record] = field(default_factory=list)
    problems: dict[tuple[str, str], Unreadable] = field(default_factory=dict)
    varied: list[Varied] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    hands: dict[tuple[str, str], Record] = field(default_factory=dict)
    replaced: set[tuple[str, str]] = field(default_factory=set)
    sets: dict[tuple[str, str], str] = field(default_factory=dict)
    lost: dict[str, FolderLost] = field(default_factory=dict)
    versions: tuple[str, dict[str, int]] = ("", {})
    stats: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def is_of(self, metastore: Metastore) -> bool:
        """Whether the metastore has recorded nothing since the look began."""
        known = self.snapshot.version == metastore.seq and self.versions == metastore.versions()
        return known and self.snapshot.effects_since == metastore.effects()

    @property
    def is_unsettled(self) -> bool:
        """Whether a file was too young for its stat to prove anything; a moment later it will."""
        return any(r.identity and r.identity.is_unproven for r in (*self.news, *self.touched))


@dataclass(slots=True)
class LookAtFiles:
    """What a look needs, and what it has seen so far."""

    metastore: Metastore
    store: Store
    now_ns: int
    verify: Verify
    observed: Observed
    stats: Looked
    frames: HandOver | None = None
    as_files: set[str] = field(default_factory=set)
    """Sources whose readers all take paths, so that their files need not be readable."""
    ahead: Mapping[Path, ReadAhead] = field(default_factory=dict)
    """What is in the files that are looked at next, as far as it is known."""
    remembered: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """What is remembered of partitions of several files, by source and key."""


@dataclass(slots=True)
class SeenFile:
    """A record, and the condition of its file."""

    record: Record
    condition: Condition


def look_closer(
    look: LookAtFiles, dataset: Dataset, seen: SeenFile, present_identity: FileIdentity
) -> None:
    """Read a file whose stat is not the recorded one, and say in `seen` what is true of it."""
    record = seen.record
    if isinstance(dataset, Source) and dataset.has_several_files:
        _look_at_set(look, dataset, seen)
        return
    path, form = file_of(look.store, dataset, record.key), format_of(dataset)
    try:
        ahead = look.ahead.get(path)
        if ahead is None and dataset.name not in look.as_files:
            form.require_likely(path)
        sha256, size = (ahead.sha256, ahead.nbytes) if ahead else file_digest(path)
        is_proof = look.store.is_proof(present_identity, look.now_ns)
        trusted = present_identity if is_proof else FileIdentity.unproven(size)
        if record.seq and sha256 == record.sha256 and _is_by_rules(look, dataset, record.rules):
            seen.condition = Condition.GOOD
            if present_identity != record.identity:
                look.observed.touched.append(replace(record, identity=trusted, sha256=sha256))
            return
        contents, rules = _contents(look, dataset, path, present_identity, sha256)
    except (ReadError, OSError) as error:
        if isinstance(error, PermissionError) and not dataset.is_source:
            raise  # A task's file that may not be read is not damaged: it must not be made again.
        seen.condition = Condition.DAMAGED
        look.observed.problems[dataset.name, record.key] = said_of(look.store, dataset, path, error)
        return
    present = replace(
        record,
        content=contents.content,
        sha256=sha256,
        identity=trusted,
        nbytes=size,
        rules=rules,
        schema=contents.schema,
    )
    _compare_contents(look, dataset, seen, present, contents)


def _look_at_set(look: LookAtFiles, source: Source, seen: SeenFile) -> None:
    """Look at the files of a partition that has several, and say in `seen` what is true of them."""
    record, name = seen.record, source.name
    if name not in look.remembered:
        look.remembered[name] = remembered_sets(look.metastore, source)
    was = RememberedSet.from_text(look.remembered[name].get(record.key))
    try:
        looked = look_at_set(
            look.store, source, record.key, was, is_thorough=look.verify is Verify.CONTENT
        )
        is_by_rules = record.seq and _is_by_rules(look, source, record.rules)
        if is_by_rules and looked.is_less and was.sha256 == record.sha256:
            seen.condition = Condition.GONE
            return
        trusted = looked.trusted(look.store, look.now_ns)
        present = replace(record, identity=trusted, sha256=looked.sha256)
        if is_by_rules and looked.sha256 == record.sha256:
            seen.condition = Condition.GOOD
            if looked.identity != record.identity:
                look.observed.touched.append(present)
        else:
            contents, looked = _contents_of_set(look, source, looked)
            present = replace(
                present, content=contents.content, nbytes=looked.nbytes, schema=contents.schema,
                rules=rules_of(source, contents),
            )  # fmt: skip
            _compare_contents(look, source, seen, present, contents)
    except (ReadError, OSError) as error:
        seen.condition = Condition.DAMAGED
        path = look.store.layout.path(source, record.key)
        problem = said_of(look.store, source, path, error)
        look.observed.problems[name, record.key] = problem
        return
    look.observed.sets[name, record.key] = looked.remembered(look.store, look.now_ns)


def _contents_of_set(
    look: LookAtFiles, source: Source, looked: LookedSet
) -> tuple[Contents, LookedSet]:
    """What is in the files of a set; ReadError if they cannot be read and have to be."""
    try:
        return contents_of_set(source, looked)
    except ReadError:
        if source.name not in look.as_files:
            raise
        return contents_as_files(looked), looked


def _compare_contents(
    look: LookAtFiles, dataset: Dataset, seen: SeenFile, present: Record, contents: Contents
) -> None:
    """Compare what was read with what is recorded, and say in `seen` what is true of it."""
    record = seen.record
    if record.seq and contents.content == record.content:
        seen.condition = Condition.GOOD
        look.observed.touched.append(present)
    elif dataset.is_source:
        made_at = look.now_ns // 1_000_000_000
        seen.record = replace(
            present, how="observed", made_at=made_at, seq=1, run=None, rows=contents.rows
        )
        seen.condition = Condition.GOOD
        look.observed.news.append(seen.record)
        if record.seq:
            look.observed.replaced.add((record.node, record.key))
    else:
        _adopt(look, dataset, seen, present)


def _adopt(look: LookAtFiles, dataset: Dataset, seen: SeenFile, present: Record) -> None:
    """Take in a task's file with other values: an earlier result, or an edit by hand.

    An earlier result is found in the history; or in the file's footer, if a metastore that was
    restored from a backup has forgotten it.
    """
    past = look.metastore.history(present.node, present.key)
    same = next((r for r in past if r.content == present.content), None)
    same = same or _made_since(look, dataset, present)
    if same is None:
        seen.condition = Condition.CHANGED
        look.observed.hands[present.node, present.key] = present
        return
    seen.record = replace(
        same, identity=present.identity, sha256=present.sha256, nbytes=present.nbytes,
        schema=present.schema, how="adopted",
    )  # fmt: skip
    seen.condition = Condition.GOOD
    look.observed.news.append(seen.record)


def _made_since(look: LookAtFiles, dataset: Dataset, present: Record) -> Record | None:
    """The record in the file's footer, if the file was made after the recorded one.

    If the partition has no record at all, the footer is not trusted: only a rebuild reads those.
    """
    if not present.seq:
        return None
    in_footer = record_in(dataset, present.key, file_of(look.store, dataset, present.key))
    later = (
        in_footer is not None
        and in_footer.made_at >= present.made_at
        and in_footer.run != present.run
    )
    return in_footer if later and in_footer and in_footer.content == present.content else None


def _is_by_rules(look: LookAtFiles, dataset: Dataset, rules: int) -> bool:
    """Whether reading a file once more could give nothing else than those rules gave."""
    is_as_file = rules == AS_FILE and dataset.name in look.as_files
    return is_as_file or rules >= format_of(dataset).rules


def _contents(
    look: LookAtFiles, dataset: Dataset, path: Path, present_identity: FileIdentity, sha256: str
) -> tuple[Contents, int]:
    """What is in a file, and the number of the rules by which it was read.

    The rows of a small source are kept for their readers. A file that cannot be read counts by its
    bytes, if all its readers take files as they are. ReadError for any other that cannot be read.
    """
    form, as_file = format_of(dataset), dataset.name in look.as_files
    try:
        if as_file:
            form.require_likely(path)
        ahead, is_small = look.ahead.get(path), present_identity.size <= SMALL
        contents = ahead.contents if ahead else contents_at(dataset, path, is_small=is_small)
    except ReadError:
        if not as_file:
            raise
        return Contents(f"bytes:{sha256[:32]}", 0, ""), AS_FILE
    if contents.frame is not None:
        _keep(look, dataset, path, present_identity, contents.frame)
    return contents, form.rules


def _keep(
    look: LookAtFiles,
    dataset: Dataset,
    path: Path,
    present_identity: FileIdentity,
    frame: pl.DataFrame,
) -> None:
    """Keep the rows of a small file for tasks that read it in the way that its source declares."""
    frames = look.frames
    if (
        frames is None
        or present_identity.size > SMALL
        or not look.store.is_proof(present_identity, look.now_ns)
    ):
        return
    packed = pack(frame) if frames.wants(frame) else None
    if packed is not None:
        identity = (present_identity.size, present_identity.mtime_ns, present_identity.inode)
        frames.keep(AsRead(str(path), way_of(dataset)), identity, packed, present_identity.ctime_ns)
