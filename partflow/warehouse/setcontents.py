"""What is in the files of a partition that has several: looked at closer, and remembered.

What each file holds is remembered beside the record, so that only files are read that are new or
have changed. Knows nothing of what follows from it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.errors import ReadError
from partflow.formats.fingerprint import file_digest, fingerprint_parts, way_of_frames
from partflow.formats.format import Contents
from partflow.formats.known import AS_FILE, format_of, table_of
from partflow.formats.united import FilePiece, piece_of, united
from partflow.process.machine import processors
from partflow.process.muffling import muffled
from partflow.store.identity import FileIdentity
from partflow.store.setfiles import identity_of_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from partflow.declarations.dataset import Source
    from partflow.metastore.protocol import Noting
    from partflow.store.protocol import Store
    from partflow.store.setfiles import SetFile

_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a set: its name, identity and SHA-256, and what it holds.

    `piece` is given for tables that could be read, `content` is the fingerprint of what is no
    table; else they are None.
    """

    name: str
    identity: FileIdentity
    sha256: str
    piece: FilePiece | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class RememberedSet:
    """What is remembered of a set: its files, and the `way` in which they were read."""

    members: Mapping[str, Member]
    way: str = ""

    @property
    def sha256(self) -> str:
        """The digest of the names and the digests of all files; it stands for their bytes."""
        return _digest(self.members.values())

    def to_text(self) -> str:
        """A text of it; each schema stands in it once."""
        schemas: dict[str, int] = {}
        rows = []
        for m in self.members.values():
            i, row = m.identity, list[Any]((m.name, m.sha256, m.content))
            if m.piece is not None:
                of = [schemas.setdefault(t, len(schemas)) for t in (m.piece.types, m.piece.schema)]
                row += [m.piece.rows, m.piece.low, m.piece.high, *of]
            rows.append([[i.size, i.mtime_ns, i.ctime_ns, i.inode], row])
        document = {"way": self.way, "schemas": list(schemas), "files": rows}
        return json.dumps(document, separators=(",", ":"))

    @staticmethod
    def from_text(text: str | None) -> RememberedSet:
        """What `to_text` wrote; of any other text nothing is remembered."""
        try:
            document: dict[str, Any] = json.loads(text or "{}")
            schemas, members = document["schemas"], {}
            for identity, (name, sha256, content, *of) in document["files"]:
                piece = FilePiece(*of[:3], *(schemas[n] for n in of[3:])) if of else None
                members[name] = Member(name, FileIdentity(*identity), sha256, piece, content)
            return RememberedSet(members, str(document["way"]))
        except (ValueError, TypeError, LookupError):
            return RememberedSet({})


@dataclass(frozen=True, slots=True)
class LookedSet:
    """What the files of a set are now: their identity and digest, and bytes in all.

    `is_less` says that some of the remembered files are gone and that nothing else has changed.
    """

    identity: FileIdentity
    sha256: str
    nbytes: int
    is_less: bool
    files: tuple[SetFile, ...]
    known: RememberedSet

    def trusted(self, store: Store, now_ns: int) -> FileIdentity:
        """The identity to record."""
        is_proof = store.is_proof(self.identity, now_ns)
        return self.identity if is_proof else FileIdentity.unproven(self.nbytes)

    def remembered(self, store: Store, now_ns: int) -> str:
        """The text to remember; of a file that is too young it has only the size."""
        members = {
            file.name: replace(
                self.known.members[file.name],
                identity=file.identity
                if store.is_proof(file.identity, now_ns)
                else FileIdentity.unproven(file.identity.size),
            )
            for file in self.files
        }
        return replace(self.known, members=members).to_text()


def remembered_sets(metastore: Noting, source: Source) -> dict[str, str]:
    """What is remembered of a source's sets, as texts by key."""
    return metastore.noted(noted_as(source.name))


def noted_as(name: str) -> str:
    """The kind under which the sets of a source are noted."""
    return f"files of {name}"


def look_at_set(
    store: Store, source: Source, key: str, was: RememberedSet, *, is_thorough: bool = False
) -> LookedSet:
    """Look at the files of a partition; those that have changed are read for their digests.

    With `is_thorough` all are.

    Raises:
        OSError: a file cannot be read, or the folder cannot be listed.
        ReadError: there is none.
    """
    files = store.set_of(source, key)
    if not files:
        raise ReadError(source.path_of(key), "there is no file", "run again: it is looked at anew")
    known: dict[str, Member] = {}
    for file in files:
        member = was.members.get(file.name)
        if is_thorough or member is None or member.identity != file.identity:
            sha256, _ = file_digest(Path(file.path))
            if member is None or member.sha256 != sha256:
                member = Member(file.name, file.identity, sha256)
        known[file.name] = member
    is_same = all(was.members.get(name) == known[name] for name in known)
    identity = identity_of_set(files)
    return LookedSet(
        identity, _digest(known.values()), identity.size,
        is_same and len(known) < len(was.members), files, RememberedSet(known, was.way),
    )  # fmt: skip


def contents_of_set(source: Source, looked: LookedSet) -> tuple[Contents, LookedSet]:
    """What the files hold together, and the look with what each of them holds.

    A file is read if nothing is known of what it holds, or if that was found in another way.

    Raises:
        ReadError, OSError: a file cannot be read, or the files do not fit together.
    """
    way, known = _way(source), dict(looked.known.members)
    unread = [
        file for file in looked.files
        if looked.known.way != way
        or (known[file.name].piece is None and known[file.name].content is None)
    ]  # fmt: skip
    for file, member in zip(unread, _read(source, unread, known), strict=True):
        known[file.name] = member
    paths = {Path(file.path): known[file.name] for file in looked.files}
    looked = replace(looked, known=RememberedSet(known, way))
    if not source.stored_as.is_table:
        parts = [(member.content or "").encode() for member in paths.values()]
        return Contents(fingerprint_parts("files1", parts)), looked
    pieces = {path: member.piece for path, member in paths.items() if member.piece is not None}
    with muffled():
        return united(table_of(source), pieces), looked


def contents_as_files(looked: LookedSet) -> Contents:
    """What counts of files that cannot be read, if all their readers take them as they are."""
    return Contents(f"bytes:{looked.sha256[:32]}", 0, "")


def rules_of(source: Source, contents: Contents) -> int:
    """The number of the rules by which files with these contents were read."""
    return AS_FILE if contents.content.startswith("bytes:") else format_of(source).rules


def shapes_of_set(source: Source, files: Sequence[SetFile], was: RememberedSet) -> dict[str, str]:
    """For each path the text of the file's schema; only those files are read that have changed.

    Raises:
        ReadError, OSError: a file cannot be read.
    """
    texts, way = {}, _way(source)
    for file in files:
        member = was.members.get(file.name)
        piece = member.piece if member is not None and member.identity == file.identity else None
        if piece is None or was.way != way:
            format_of(source).require_likely(Path(file.path))
            piece = piece_of(table_of(source), Path(file.path))
        texts[file.path] = piece.schema
    return texts


def _read(
    source: Source, files: Sequence[SetFile], known: Mapping[str, Member]
) -> Iterable[Member]:
    """What the files hold; as many are read at a time as there are processors, and at most four."""
    from concurrent.futures import ThreadPoolExecutor

    form = format_of(source)

    def read(file: SetFile) -> Member:
        path, member = Path(file.path), known[file.name]
        form.require_likely(path)
        if source.stored_as.is_table:
            return replace(member, piece=piece_of(table_of(source), path))
        return replace(member, content=form.fingerprint(path))

    with muffled():
        if len(files) < 2:  # noqa: PLR2004 - one of them needs no thread
            return [read(file) for file in files]
        with ThreadPoolExecutor(min(_SIDE_BY_SIDE, processors())) as pool:
            return list(pool.map(read, files))


def _way(source: Source) -> str:
    """What has to be the same for what is remembered of a file to be what reading it gives."""
    kept, rules = source.stored_as, format_of(source).rules
    return f"{kept.name} {rules} {way_of_frames() if kept.is_table else ''}".strip()


def _digest(members: Iterable[Member]) -> str:
    names = sorted((member.name, member.sha256) for member in members)
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
