"""The content fingerprint: a digest of a frame's values and schema, independent of its file.

Knows nothing of datasets, partitions or tasks, nor of what a fingerprint is compared with.

A fingerprint is `"<way>:<32 hex digits>"`. The way says how it was computed. For frames it ends in
a digest of what polars' `hash_rows` gives for a fixed frame, because polars does not promise the
same hashes across its versions, nor across processors. Where the hashes differ the ways differ, and
fingerprints of different ways are not compared.

-0.0 equals 0.0, and every NaN equals every other. Null differs from 0, "", NaN, an empty list and a
struct of nulls. Categoricals and enums count by value. The order of columns counts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import stat
import threading
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from partflow.formats.unreadable import unreadable
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

_SEEDS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_CELLS_AT_ONCE = 8_000_000
_ROWS_AT_ONCE = 1_000_000
_ROW = "row"
SIMPLE = frozenset(
    (
        *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32"),
        *("Float64", "Boolean", "String", "Binary", "Date", "Time"),
    )
)
"""Names of types without parameters: their values need no cast, and their text is the name."""
_SMALL = 2**20


def fingerprint_frame(frame: pl.DataFrame, *, ordered: bool = False) -> str:
    """The fingerprint of the values and the schema; with `ordered` of the order of rows, too."""
    types = dict(zip(frame.columns, frame.dtypes, strict=True))
    return _fingerprint((frame,), types, ordered=ordered)


def fingerprint_frames(frames: Sequence[pl.DataFrame]) -> list[str]:
    """What `fingerprint_frame` gives for each frame; frames of one schema are hashed together."""
    alike: dict[tuple[tuple[str, ...], tuple[pl.DataType, ...]], list[int]] = {}
    for i, frame in enumerate(frames):
        alike.setdefault((tuple(frame.columns), tuple(frame.dtypes)), []).append(i)
    fingerprints: dict[int, str] = {}
    for numbers in alike.values():
        group = [frames[i] for i in numbers]
        if len(group) == 1 or not group[0].width:
            contents = [fingerprint_frame(frame) for frame in group]
        else:
            contents = _together(group)
        fingerprints |= dict(zip(numbers, contents, strict=True))
    return [fingerprints[i] for i in range(len(frames))]


def _together(frames: Sequence[pl.DataFrame]) -> list[str]:
    """The fingerprints of frames of one schema, from cumulative sums over all their rows."""
    import numpy as np
    import polars as pl

    ends = np.cumsum([frame.height for frame in frames])
    rows = _by_value(pl.concat(frames))
    lanes = []
    for seed in _SEEDS:
        # The sums wrap around, and so do their differences: each is the sum of a frame's hashes.
        sums = np.zeros(rows.height + 1, np.uint64)
        np.cumsum(rows.hash_rows(seed=seed).to_numpy(), out=sums[1:])
        lanes.append(np.diff(sums[ends], prepend=np.uint64(0)).tolist())
    types = dict(zip(frames[0].columns, frames[0].dtypes, strict=True))
    return [
        _of_sums(frame.height, low, high, types, ordered=False)
        for frame, low, high in zip(frames, *lanes, strict=True)
    ]


def fingerprint_parquet(path: Path, *, ordered: bool = False) -> str:
    """What `fingerprint_frame` gives for the frame in the file, in bounded memory.

    Raises:
        ReadError: the file is not there, is damaged, or is not Parquet.
    """
    import polars as pl

    try:
        source = bytes_or_path(path)
        scan = pl.scan_parquet(source, hive_partitioning=False, glob=False)
        if isinstance(source, bytes):
            return fingerprint_frame(scan.collect(), ordered=ordered)
        schema = scan.collect_schema()
        return _fingerprint(_slices(scan, len(schema)), schema, ordered=ordered)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error


def slices_of_parquet(path: Path) -> Iterator[pl.DataFrame]:
    """The rows of a file, some at a time.

    Raises:
        ReadError: the file is not there, is damaged, or is not Parquet.
    """
    import polars as pl

    try:
        scan = pl.scan_parquet(bytes_or_path(path), hive_partitioning=False, glob=False)
        yield from _slices(scan, len(scan.collect_schema()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error


def bytes_or_path(path: Path) -> bytes | Path:
    """A small file's bytes, which polars reads in half the time; else its path."""
    file_stat = path.stat()
    if file_stat.st_size > _SMALL or not stat.S_ISREG(file_stat.st_mode):
        return path
    return path.read_bytes()


def fingerprint_bytes(data: bytes) -> str:
    """The fingerprint of a value of which only the bytes are known."""
    return f"bytes1:{hashlib.blake2b(data, digest_size=16).hexdigest()}"


def fingerprint_parts(way: str, parts: Iterable[bytes]) -> str:
    """The fingerprint of parts, each hashed after its length, so that no two lists are the same."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (way.encode(), *parts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"{way}:{digest.hexdigest()}"


def file_digest(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file's bytes in hex, and their number; OSError if it cannot be read.

    It shows damage. Whether two files hold the same values is told by their fingerprints.
    """
    with open(path, "rb", opener=at_once) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def column_in(path: Path, name: str) -> pl.Series:
    """One column of a Parquet file."""
    import polars as pl

    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    return scan.select(name).collect().to_series()


def equal_within(
    new: pl.DataFrame, old: pl.DataFrame, tolerance: float, *, ordered: bool = False
) -> bool:
    """Whether two frames have the same schema and the same values, floats within a tolerance.

    Two floats are equal if they differ by at most `tolerance * max(1, |a|, |b|)`; also inside lists
    and structs. All else is compared exactly; null, NaN and infinities equal only themselves.
    Unless `ordered`, both frames are sorted first, by the columns without floats and then by the
    others. Rows that differ in floats alone may be paired wrongly if these are close: then equal
    frames may give False, but different ones never give True.
    """
    if new.height != old.height or _texts(new.schema) != _texts(old.schema):
        return False
    new, old = _by_value(new), _by_value(old)
    if not ordered and new.width:
        exact = [name for name, dtype in new.schema.items() if not _holds_float(dtype)]
        by = exact + [name for name in new.columns if name not in exact]
        new, old = new.sort(by), old.sort(by)
    return all(_close(new[name], old[name], tolerance) for name in new.columns)


class StreamedFingerprint:
    """The fingerprint of rows that pass in batches, perhaps in several threads.

    The batches may come in any order, unless the order of rows counts, with `ordered`.
    """

    def __init__(self, *, ordered: bool = False) -> None:
        self.rows = 0
        self._ordered = ordered
        self._low = self._high = 0
        self._lock = threading.Lock()

    def add(self, batch: pl.DataFrame) -> None:
        """Count the rows of a batch in."""
        low, high = _lanes(batch, self.rows if self._ordered else None)
        with self._lock:
            self.rows += batch.height
            self._low += low
            self._high += high

    @property
    def sums(self) -> tuple[int, int, int]:
        """The number of rows so far, and the two sums of their hashes, each below 2^64."""
        return self.rows, self._low % 2**64, self._high % 2**64

    def of(self, schema: Mapping[str, pl.DataType]) -> str:
        """What `fingerprint_frame` gives for all the rows."""
        return _of_sums(self.rows, self._low, self._high, schema, ordered=self._ordered)


def _fingerprint(
    frames: Iterable[pl.DataFrame], schema: Mapping[str, pl.DataType], *, ordered: bool
) -> str:
    passed = StreamedFingerprint(ordered=ordered)
    for frame in frames:
        passed.add(frame)
    return passed.of(schema)


def fingerprint_of_sums(rows: int, low: int, high: int, schema: Mapping[str, pl.DataType]) -> str:
    """What `fingerprint_frame` gives for rows of this schema whose `sums` add up to these."""
    return _of_sums(rows, low, high, schema, ordered=False)


def way_of_frames() -> str:
    """What distinguishes the hashes of this process from those of other versions of polars."""
    return _way(ordered=False)


def _of_sums(
    rows: int, low: int, high: int, schema: Mapping[str, pl.DataType], *, ordered: bool
) -> str:
    """The fingerprint of so many rows whose hashes have the sums `low` and `high`."""
    parts = [each.to_bytes(8, "little") for each in (rows, low % 2**64, high % 2**64)]
    for name, dtype in schema.items():
        parts.append(name.encode())
        kind = type(dtype).__name__
        parts.append((kind if kind in SIMPLE else type_text(dtype)).encode())
    return fingerprint_parts(_way(ordered=ordered), parts)


def _slices(scan: pl.LazyFrame, columns: int) -> Iterator[pl.DataFrame]:
    step = max(1, min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // max(1, columns)))
    offset = 0
    while True:
        frame = scan.slice(offset, step).collect()
        yield frame
        if frame.height < step:
            return
        offset += step


def _lanes(frame: pl.DataFrame, first_row: int | None) -> tuple[int, int]:
    """Two sums of the rows' hashes, to be taken modulo 2^64; they do not depend on the rows' order.

    With `first_row` the number of each row goes into its hash, and so they do depend on it.
    """
    frame = _by_value(frame)
    if first_row is not None:
        frame = _numbered(frame, first_row)
    # numpy's sum of uint64 wraps around, as intended.
    low, high = (int(frame.hash_rows(seed=seed).to_numpy().sum()) for seed in _SEEDS)
    return low, high


def _numbered(frame: pl.DataFrame, first_row: int) -> pl.DataFrame:
    import polars as pl

    numbers = pl.int_range(first_row, first_row + frame.height, dtype=pl.UInt64, eager=True)
    columns = [numbers.alias(_ROW)]
    columns += [column.alias(f"c{n}") for n, column in enumerate(frame.iter_columns())]
    return pl.DataFrame(columns)


def _by_value(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with categoricals and enums as text; otherwise they would hash by their codes."""
    casts: dict[str, pl.DataType] = {}
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        plain = None if type(dtype).__name__ in SIMPLE else _plain(dtype)
        if plain is not None:
            casts[name] = plain
    return frame.cast(casts) if casts else frame  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _plain(dtype: pl.DataType) -> pl.DataType | None:
    """The type to cast to before hashing; None if the values hash correctly without a cast.

    TypeError for Python objects.
    """
    import polars as pl

    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(dtype, pl.List):
        inner = _plain(dtype.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(dtype, pl.Array):
        inner = _plain(dtype.inner)
        return None if inner is None else pl.Array(inner, dtype.size)
    if isinstance(dtype, pl.Struct):
        fields = {each.name: _plain(each.dtype) for each in dtype.fields}
        if all(each is None for each in fields.values()):
            return None
        return pl.Struct([pl.Field(f.name, fields[f.name] or f.dtype) for f in dtype.fields])
    if isinstance(dtype, pl.Object):
        message = "a column of Python objects has no values to compare; give it a polars type"
        raise TypeError(message)
    return None


@lru_cache(maxsize=1024)
def type_text(dtype: pl.DataType) -> str:
    """The text of a type, as it goes into fingerprints and messages."""
    import polars as pl

    if isinstance(dtype, pl.Categorical):
        return "Categorical"  # The name of its categories is lost in a file.
    if isinstance(dtype, pl.List):
        return f"List({type_text(dtype.inner)})"
    if isinstance(dtype, pl.Array):
        return f"Array({type_text(dtype.inner)}, {dtype.size})"
    if isinstance(dtype, pl.Struct):
        fields = [f"{f.name!r}: {type_text(f.dtype)}" for f in dtype.fields]
        return f"Struct({', '.join(fields)})"
    return str(dtype)


def _texts(schema: Mapping[str, pl.DataType]) -> list[tuple[str, str]]:
    return [(name, type_text(dtype)) for name, dtype in schema.items()]


def _holds_float(dtype: pl.DataType) -> bool:
    import polars as pl

    if isinstance(dtype, (pl.List, pl.Array)):
        return _holds_float(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return any(_holds_float(each.dtype) for each in dtype.fields)  # type: ignore[arg-type]
    return dtype.is_float()


def _close(new: pl.Series, old: pl.Series, tolerance: float) -> bool:
    import polars as pl

    dtype = new.dtype
    if not _holds_float(dtype):
        return new.equals(old, null_equal=True)
    if not new.is_null().equals(old.is_null()):
        return False
    if isinstance(dtype, pl.Struct):
        return all(
            _close(new.struct.field(each.name), old.struct.field(each.name), tolerance)
            for each in dtype.fields
        )
    if isinstance(dtype, pl.Array):
        new, old = new.arr.to_list(), old.arr.to_list()
    if isinstance(new.dtype, pl.List):
        if not new.list.len().equals(old.list.len(), null_equal=True):
            return False
        return _close(new.explode(), old.explode(), tolerance)
    return _floats_close(new.drop_nulls(), old.drop_nulls(), tolerance)


def _floats_close(new: pl.Series, old: pl.Series, tolerance: float) -> bool:
    import numpy as np
    import polars as pl

    a, b = new.cast(pl.Float64).to_numpy(), old.cast(pl.Float64).to_numpy()
    finite = np.isfinite(a) & np.isfinite(b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    a, b = np.where(finite, a, 0.0), np.where(finite, b, 0.0)
    size = np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
    return bool(np.all(same | (finite & (np.abs(a - b) <= tolerance * size))))


@cache
def _way(*, ordered: bool) -> str:
    """The way of frames, with a digest of how this polars hashes a probe on this processor."""
    probe = _probe()
    hashes = b"".join(probe.hash_rows(seed=seed).to_numpy().tobytes() for seed in _SEEDS)
    columns = b"".join(
        probe.select(name).hash_rows(seed=seed).to_numpy().tobytes()
        for name in probe.columns
        for seed in _SEEDS
    )
    texts = "\n".join(type_text(each) for each in probe.dtypes).encode()
    digest = hashlib.blake2b(digest_size=4)
    for part in (hashes, columns, texts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"rows1{'o' if ordered else ''}-{digest.hexdigest()}"


def _probe() -> pl.DataFrame:
    """A frame of every kind of type in three rows: a value, an extreme or long value, null."""
    import polars as pl

    moments = [dt.datetime(2026, 3, 1, 5, 15), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), None]  # noqa: DTZ001
    columns: dict[str, tuple[list[Any], Any]] = {
        "bool": ([True, False, None], pl.Boolean),
        "i8": ([7, -128, None], pl.Int8),
        "u16": ([7, 65535, None], pl.UInt16),
        "i32": ([7, -(2**31), None], pl.Int32),
        "i64": ([7, -(2**63), None], pl.Int64),
        "u64": ([7, 2**64 - 1, None], pl.UInt64),
        "i128": ([7, -(2**100), None], pl.Int128),
        "f32": ([0.1, float("inf"), None], pl.Float32),
        "f64": ([-0.0, float("nan"), None], pl.Float64),
        "text": (["", "partition " * 40, None], pl.String),
        "short": (["twelve bytes", "thirteen byte", None], pl.String),
        "bytes": ([b"\0", b"\xff" * 300, None], pl.Binary),
        "date": ([dt.date(2026, 3, 1), dt.date(1, 1, 1), None], pl.Date),
        "time": ([dt.time(0), dt.time(23, 59, 59), None], pl.Time),
        "naive": (moments, pl.Datetime("us")),
        "zoned": (moments, pl.Datetime("ns", "Europe/Berlin")),
        "span": ([dt.timedelta(1), dt.timedelta(-1), None], pl.Duration("ms")),
        "money": ([Decimal("1.10"), Decimal("-0.01"), None], pl.Decimal(20, 2)),
        "list": ([[1, None], [], None], pl.List(pl.Int64)),
        "texts": ([["a", None], [""], None], pl.List(pl.String)),
        "array": ([[0.5, None], [1.0, 2.0], None], pl.Array(pl.Float64, 2)),
        "struct": ([{"a": 1, "b": "x"}, {"a": None, "b": None}, None], None),
        "nested": ([[{"a": [1]}], [None], None], None),
        "nothing": ([None, None, None], pl.Null),
    }
    return pl.DataFrame([pl.Series(name, values, dtype=t) for name, (values, t) in columns.items()])
