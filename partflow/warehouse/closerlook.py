"""What is in a file that is not as recorded, or why it cannot be read: for runs and for queries.

Knows nothing of what is recorded, or of what follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.known import format_of
from partflow.formats.parquet import Parquet
from partflow.formats.unreadable import REPLACE, unreadable
from partflow.planning.snapshot import Unreadable
from partflow.process.muffling import muffled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from partflow.declarations.dataset import Dataset
    from partflow.formats.format import Contents
    from partflow.store.protocol import Store


def contents_at(dataset: Dataset, path: Path, *, is_small: bool) -> Contents:
    """All that a file of a dataset holds, every value of which is read as the dataset declares.

    Raises:
        ReadError, OSError: it cannot be read, or a value of it does not fit.
    """
    with muffled():
        return format_of(dataset).contents(path, is_small=is_small)


def contents_ahead(dataset: Dataset, paths: Sequence[Path]) -> dict[Path, Contents]:
    """What `contents_at` gives for small files of a source, as far as they are read together.

    {} if the format reads no files together, or if one of them cannot be read: then each has to be
    read by itself.
    """
    form = format_of(dataset)
    if len(paths) < 2 or not isinstance(form, Parquet) or form.own:  # noqa: PLR2004
        return {}
    try:
        with muffled():
            contents = form.contents_together(paths)
    except (ReadError, OSError):
        return {}
    return {} if contents is None else dict(zip(paths, contents, strict=True))


def said_of(store: Store, dataset: Dataset, path: Path, error: ReadError | OSError) -> Unreadable:
    """Why a file cannot be read; neither path nor 'cannot be read' is in the reason, too."""
    refusal = error if isinstance(error, ReadError) else unreadable(path, error)
    reason, advice = refusal.problem.removeprefix("cannot be read: "), refusal.advice
    reason = reason.replace(f"{store.layout.root}/", "")
    if dataset.is_source and advice == REPLACE:
        advice = f"have it delivered again, or mend the declaration at {dataset.place}"
    return Unreadable(str(store.layout.near(path)), reason, advice)
