"""What is in a file that is not as recorded, or why it cannot be read: for runs and for queries.

Knows nothing of what is recorded, or of what follows from it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.fingerprint import file_digest
from partflow.formats.format import Contents
from partflow.formats.known import format_of
from partflow.formats.parquet import Parquet
from partflow.formats.unreadable import REPLACE, unreadable
from partflow.planning.snapshot import Unreadable
from partflow.process.machine import processors
from partflow.process.muffling import muffled
from partflow.warehouse.handover import SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from partflow.declarations.dataset import Dataset
    from partflow.store.protocol import Store

_SIDE_BY_SIDE = 4


def contents_at(dataset: Dataset, path: Path, *, is_small: bool) -> Contents:
    """All that a file of a dataset holds, every value of which is read as the dataset declares.

    Raises:
        ReadError, OSError: it cannot be read, or a value of it does not fit.
    """
    with muffled():
        return format_of(dataset).contents(path, is_small=is_small)


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """What is in a file, with the SHA-256 of its bytes in hex, and their number."""

    contents: Contents
    sha256: str
    nbytes: int


def read_ahead(dataset: Dataset, sizes: Mapping[Path, int]) -> dict[Path, ReadAhead]:
    """What is in files of a source, by path: small ones are read together, large ones side by side.

    `sizes` has the number of bytes of each. Left out is what has to be read by itself: files of a
    format for which this saves nothing, and those that cannot be read.
    """
    form = format_of(dataset)
    if len(sizes) < 2 or not isinstance(form, Parquet) or form.own:  # noqa: PLR2004
        return {}
    small = [path for path, size in sizes.items() if size <= SMALL]
    large = [path for path, size in sizes.items() if size > SMALL]
    return _together(form, small) | _side_by_side(form, large)


def _together(form: Parquet, paths: Sequence[Path]) -> dict[Path, ReadAhead]:
    if not paths:
        return {}
    try:
        with muffled():
            each = form.contents_together(paths) or ()
            return {p: ReadAhead(c, *file_digest(p)) for p, c in zip(paths, each, strict=False)}
    except (ReadError, OSError):
        return {}


def _side_by_side(form: Parquet, paths: Sequence[Path]) -> dict[Path, ReadAhead]:
    """What each file holds; as many are read at a time as there are processors, and at most four.

    Their rows are not all in memory at once.
    """
    if not paths:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    def read(path: Path) -> ReadAhead:
        form.require_likely(path)
        digest = file_digest(path)
        return ReadAhead(form.contents(path, is_small=False), *digest)

    done: dict[Path, ReadAhead] = {}
    with (
        suppress(ReadError, OSError),
        muffled(),
        ThreadPoolExecutor(min(_SIDE_BY_SIDE, processors())) as pool,
    ):
        futures = {path: pool.submit(read, path) for path in paths}
        done |= {path: f.result() for path, f in futures.items() if f.exception() is None}
        for future in futures.values():
            future.result()  # What a library wrote about a file that it refused is dropped.
    return done


def said_of(store: Store, dataset: Dataset, path: Path, error: ReadError | OSError) -> Unreadable:
    """Why a file cannot be read; neither path nor 'cannot be read' is in the reason, too."""
    refusal = error if isinstance(error, ReadError) else unreadable(path, error)
    reason, advice = refusal.problem.removeprefix("cannot be read: "), refusal.advice
    reason = store.layout.shown(reason)
    if dataset.is_source and advice == REPLACE:
        advice = f"have it delivered again, or mend the declaration at {dataset.place}"
    return Unreadable(str(store.layout.near(path)), reason, advice)
