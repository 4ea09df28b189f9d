"""Several files as one table: what each holds by itself, and the content of all of them together.

Knows nothing of datasets or of what is recorded. What is known of each file gives the content of
all, so that a file that has not changed need not be read again when another one comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.fingerprint import (
    StreamedFingerprint,
    fingerprint_frame,
    fingerprint_of_sums,
    slices_of_parquet,
)
from partflow.formats.format import Contents
from partflow.formats.parquet import Parquet, rows_in
from partflow.formats.schemas import schema_in, schema_text
from partflow.formats.unreadable import reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from partflow.formats.known import Table


@dataclass(frozen=True, slots=True)
class FilePiece:
    """What one file holds: its rows, two sums of their hashes, and texts of its schema.

    `types` are those of the rows that are hashed, `schema` is what the record has of such a file.
    """

    rows: int
    low: int
    high: int
    types: str
    schema: str


def piece_of(form: Table, path: Path) -> FilePiece:
    """What a file holds, every value of which is read; ReadError if it cannot be read."""
    passed = StreamedFingerprint()
    if isinstance(form, Parquet):
        rows_in(path)  # It may be anybody's file: refuse one that would need too much memory.
        form.require_schema(path)
        for batch in slices_of_parquet(path):
            passed.add(batch)
        types: Mapping[str, pl.DataType] = form.types(path)
        return FilePiece(*passed.sums, schema_text(types), form.schema_text(path))
    contents = form.contents(path, is_small=True)
    assert contents.frame is not None
    passed.add(contents.frame)
    return FilePiece(*passed.sums, schema_text(contents.frame.schema), contents.schema or "")


def united(form: Table, pieces: Mapping[Path, FilePiece]) -> Contents:
    """The content of the rows of all files, at least one, in the order given.

    Files of one schema are not read for it, unless the order of rows counts.

    Raises:
        ReadError: the files do not fit together, or one of them cannot be read.
    """
    each = list(pieces.values())
    with_rows = [piece for piece in each if piece.rows] or each
    texts = {piece.schema for piece in with_rows}
    rows = sum(piece.rows for piece in each)
    if len({piece.types for piece in with_rows}) == 1 and not form.ordered:
        sums = sum(piece.low for piece in each), sum(piece.high for piece in each)
        content = fingerprint_of_sums(rows, *sums, schema_in(with_rows[0].types))
        return Contents(content, rows, min(texts))
    content, types = _of_all(form, list(pieces))
    return Contents(content, rows, schema_text(types) if len(texts) > 1 else min(texts))


def _of_all(form: Table, paths: Sequence[Path]) -> tuple[str, Mapping[str, pl.DataType]]:
    """The fingerprint of the rows of all files, and their types together."""
    import polars as pl

    if isinstance(form, Parquet) and form.schema is not None:
        try:
            return _of_all(replace(form, schema=None), paths)
        except ReadError:  # They fit together only as the schema says.
            scan = form.scan(paths, None)
    else:
        scan = form.scan(paths, None)
    with reading(paths[0]):
        try:
            frame = scan.collect()
        except pl.exceptions.PolarsError:
            form.require_together(paths)
            raise
    return fingerprint_frame(frame, ordered=form.ordered), frame.schema
