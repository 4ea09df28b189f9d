"""Reads what a task's parameters get: frames, objects or paths of partitions.

Knows nothing of orders, or of what is made from the values. A frame that this process has in memory
is not read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.parameters import ParameterKind
from partflow.errors import MovedError, ReadError
from partflow.formats.connections import Relations
from partflow.formats.copies import pack
from partflow.formats.frames import (
    PartitionColumn,
    as_kind,
    read_frames,
    read_objects,
)
from partflow.formats.known import object_format_of, table_of, way_of
from partflow.formats.parquet import Parquet
from partflow.partitions.grain import Grain
from partflow.partitions.keytexts import shown_key
from partflow.store.protocol import Fetched, Store
from partflow.warehouse.handover import SMALL, AsRead, HandOver, identity_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Wanted:
    """Partitions of a dataset that are to be read, by their ordinals.

    `expected` has the identities of their files, 32 bytes each; None reads them as they are.
    """

    dataset: Dataset
    ordinals: Sequence[int]
    expected: bytes | None = None

    def fetched(self, store: Store) -> Fetched:
        """The paths of the files, or the keys of those that are not as expected."""
        keys = keys_of(self.dataset, self.ordinals)
        if self.expected is None:
            return store.read(self.dataset, keys)
        rows = np.frombuffer(self.expected, np.int64).reshape(len(keys), 4)
        return store.read(self.dataset, keys, rows)

    def moved(self, store: Store) -> Sequence[str]:
        """The keys of the files that are not as expected; none if nothing is."""
        return () if self.expected is None else self.fetched(store).moved


def error_of_moved(dataset: Dataset, keys: Sequence[str]) -> MovedError:
    """What is said of files that are no longer as a run knows them, by their keys in order."""
    ends = [shown_key(key) for key in sorted({keys[0], keys[-1]})]
    return MovedError(
        f"{dataset.name} {' .. '.join(ends)}",
        "a file was changed since this run looked at it",
        "run again: nothing was made of it",
    )


def read_partitions(
    store: Store,
    wanted: Wanted,
    kind: ParameterKind,
    frames: HandOver | None = None,
    relations: Relations | None = None,
) -> object:
    """What a parameter of that kind gets for partitions of a dataset, in the order given.

    A frame is taken from `frames`, if that has it. `relations` opens DuckDB's relations.

    Raises:
        MovedError: a file is not as expected.
        ReadError: a file is gone or unreadable, or there is none and no schema to stand for it.
    """
    dataset, ordinals, fetched = wanted.dataset, wanted.ordinals, wanted.fetched(store)
    if fetched.moved:
        raise error_of_moved(dataset, fetched.moved)
    if fetched.counts is not None:  # Each file has the partition that it is one of.
        ordinals = np.repeat(np.array(ordinals, np.int64), fetched.counts).tolist()
    elif frames is not None and fetched.places and kind is not ParameterKind.PATHS:
        frame = _at_hand(dataset, fetched.places, ordinals, frames)
        if frame is not None:
            return as_kind(frame, kind, relations)
    paths = list(fetched.paths)
    if not dataset.stored_as.is_table:
        form = object_format_of(dataset).remembered()
        if kind is ParameterKind.PATHS:
            return paths
        is_list = fetched.counts is not None
        return [form.read(each) for each in paths] if is_list else read_objects(paths, form)
    if not paths and kind is not ParameterKind.PATHS and dataset.schema is None:
        raise ReadError(
            dataset.name,
            "nothing of it is there to be read, and no schema says which columns it would have",
            f"declare one: Dataset({dataset.name!r}, ..., schema={{...}})",
        )
    for path in paths:
        if wanted.expected is None and not path.exists():
            raise ReadError(str(path), "the file is gone", "run again: it is looked at anew")
    column = partition_column(dataset, ordinals)
    return read_frames(paths, column, table_of(dataset), kind, relations)


def keys_of(dataset: Dataset, ordinals: Sequence[int]) -> list[str]:
    """The keys of these partitions, in the order given."""
    if not ordinals:
        return []
    low = min(ordinals)
    keys = _keys(dataset.grain, low, max(ordinals) + 1)
    return [keys[o - low] for o in ordinals]


@lru_cache(maxsize=64)
def _keys(grain: Grain, lo: int, hi: int) -> list[str]:
    """The keys of `[lo, hi)`, which are asked for before a read, in it, and after it."""
    return grain.keys(lo, hi)


def partition_column(dataset: Dataset, ordinals: Sequence[int]) -> PartitionColumn | None:
    """The partition column with its value for each partition; None if the dataset has none."""
    if dataset.column is None:
        return None
    zone = dataset.grain.tz if dataset.grain.is_timed else None
    if not ordinals:
        return PartitionColumn(dataset.column, (), zone)
    low = min(ordinals)
    values = dataset.grain.column_values(low, max(ordinals) + 1)
    return PartitionColumn(dataset.column, tuple(values[o - low] for o in ordinals), zone)


def _at_hand(
    dataset: Dataset, names: Sequence[str], ordinals: Sequence[int], frames: HandOver
) -> pl.DataFrame | None:
    """The rows of all files, each from memory or, if it is small, read and kept.

    None if that does not give the rows of every file, or if their columns differ: then a scan of
    the files reads them, or says what is wrong.
    """
    if not dataset.stored_as.is_table:
        return None
    way = way_of(dataset)
    parts: list[pl.DataFrame] = []
    has_own = False
    for name, ordinal in zip(names, ordinals, strict=True):
        file = AsRead(name, way)
        frame = frames.take(file)
        if frame is None and not dataset.is_source:
            frame = _small(dataset, file, frames)
        if frame is None:  # Only a scan knows how a source's files are read together.
            return None
        is_own = dataset.column in frame.columns
        if parts and is_own != has_own:
            return None
        has_own = is_own
        if dataset.column is not None and not is_own:
            frame = with_column(frame, partition_column(dataset, (ordinal,)))
        if parts and not _alike(frame, parts[0]):
            return None
        parts.append(frame)
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The rows of frames of one schema; for a few small ones it takes a quarter of `concat`."""
    joined = frames[0].clone()
    for frame in frames[1:]:
        joined.vstack(frame, in_place=True)
    return joined


def _alike(first: pl.DataFrame, second: pl.DataFrame) -> bool:
    return first.columns == second.columns and first.dtypes == second.dtypes


def _small(dataset: Dataset, file: AsRead, frames: HandOver) -> pl.DataFrame | None:
    """Read and keep the frame of a small file; None if it is large, or cannot be read."""
    path = Path(file.path)
    try:
        before = identity_of(path)
        if before[0] > SMALL:
            return None
        frame = Parquet(bool(dataset.order), dataset.schema, own=True).read(path)
        if identity_of(path) != before:
            return None
    except (ReadError, OSError):
        return None
    packed = pack(frame) if frames.wants(frame) else None
    if packed is not None:
        frames.keep(file, before, packed)
    return frame


def with_column(frame: pl.DataFrame, column: PartitionColumn | None) -> pl.DataFrame:
    """A partition's rows as its readers get them: with the partition column, if any, at the end."""
    if column is None:
        return frame
    return frame.hstack([column.series().new_from_index(0, frame.height)])
