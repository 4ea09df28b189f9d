"""Reads what a partition's file says of itself: the record of its making, from its footer.

Knows nothing of metastores or of what is current: a file comes in, a record or the reason why there
is none comes out.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from partflow.declarations.dataset import Dataset
from partflow.errors import ReadError
from partflow.formats.fingerprint import file_digest, fingerprint_parquet
from partflow.formats.parquet import footer, rows_in
from partflow.formats.unreadable import refusal_behind
from partflow.metastore.record import LARGEST, LAST_SECOND, Record, is_fingerprint, require_moment
from partflow.store.identity import BACKDATED_NS, FileIdentity
from partflow.warehouse.shapes import schema_at

FOOTER = "partflow"
"""The key under which a Parquet footer carries the lineage."""
_DIGEST = 16
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileLook:
    """One file: its digest and identity, and the record in its footer or the `problem` with it."""

    sha256: str
    identity: FileIdentity
    record: Record | None
    problem: str = ""


def look_at(
    dataset: Dataset, key: str, path: Path, identity: FileIdentity | None = None
) -> FileLook | None:
    """What a file says of itself; None if it is gone.

    `identity` is recorded with it; without one only the file's size is.

    Raises:
        OSError: the system refuses to read the file; a damaged file is a `problem` instead.
    """
    try:
        sha256, size = file_digest(path)
    except FileNotFoundError:
        return None
    trusted = identity or FileIdentity.unproven(size)
    try:
        record = record_in(dataset, key, path)
    except ReadError as error:
        number = refusal_behind(error.__cause__)
        if number:
            raise OSError(number, os.strerror(number), str(path)) from error
        return FileLook(sha256, trusted, None, error.problem)
    if record is None:
        return FileLook(sha256, trusted, None, "it carries no lineage of this partition")
    whole = replace(record, sha256=sha256, identity=trusted, nbytes=trusted.size)
    return FileLook(sha256, trusted, whole)


def record_in(dataset: Dataset, key: str, path: Path) -> Record | None:
    """The record that a footer carries, with the content fingerprint of the file's present values.

    None if the file has no footer of ours, or one of another partition. ReadError if the file
    cannot be read.
    """
    if not dataset.stored_as.has_footer:
        return None
    lineage = _lineage(path)
    if lineage is None or lineage["key"] != key:
        return None
    grain = dataset.grain
    if lineage["start"] != grain.interval(grain.ordinal(key)).start:
        return None
    rows = rows_in(path)
    content = fingerprint_parquet(path, ordered=bool(dataset.sort_by))
    digests = [bytes.fromhex(read["digest"]) for read in lineage["inputs"]]
    return Record(
        node=dataset.name, key=key, start=lineage["start"], content=content, code=lineage["code"],
        inputs=b"".join(digests), reads=len(digests), read_seq=lineage["read_seq"],
        rows=rows, made_at=lineage.get("made_at") or _written_at(path), run=lineage["run"],
        schema=schema_at(dataset, path),
    )  # fmt: skip


def _written_at(path: Path) -> int:
    """When a file was sealed, in epoch seconds: footers from before do not say it."""
    return min((path.stat().st_mtime_ns + BACKDATED_NS) // _SECOND, LAST_SECOND)


def carries_lineage(path: Path) -> bool:
    """Whether a file is one that partflow made; False if it cannot be read."""
    try:
        return _lineage(path) is not None
    except (ReadError, OSError):
        return False


def _lineage(path: Path) -> dict[str, Any] | None:
    """The lineage in a footer; None if there is none, or a field is missing or of a wrong type."""
    text = footer(path).get(FOOTER)
    try:
        lineage = json.loads(text or "null")
        numbers = [lineage["start"], lineage["read_seq"], lineage.get("made_at", 0)]
        texts = [lineage["key"], lineage["code"], lineage["run"]]
        digests = [bytes.fromhex(read["digest"]) for read in lineage["inputs"]]
        require_moment("made_at", numbers[-1])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    is_valid = all(type(n) is int and abs(n) <= LARGEST for n in numbers)
    is_valid = is_valid and all(type(w) is str for w in texts) and is_fingerprint(lineage["code"])
    return lineage if is_valid and all(len(d) == _DIGEST for d in digests) else None
