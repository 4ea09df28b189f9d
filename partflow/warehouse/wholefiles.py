"""Says which of a source's files count as there: those that are whole, as the source declares.

Knows nothing of what is recorded. What is not whole is as if it had not come yet; that it has one
says when it is explained.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Source
from partflow.store.identity import FileIdentity, identity
from partflow.store.setfiles import files_of_set, identity_of_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from numpy.typing import NDArray

    from partflow.declarations.dataset import Dataset
    from partflow.store.layout import Layout
    from partflow.store.protocol import Store


def identities_of_whole(
    store: Store, dataset: Dataset, keys: Sequence[str], now_ns: int
) -> NDArray[np.int64]:
    """The identity of each partition's file, shape (n, 4); -1 if it is not there, or not whole."""
    return without_unsettled(store, dataset, store.identities(dataset, keys), now_ns)


def without_unsettled(
    store: Store, dataset: Dataset, present: NDArray[np.int64], now_ns: int
) -> NDArray[np.int64]:
    """These identities, shape (n, 4), but -1 for files that were changed too short a time ago."""
    settles = dataset.settles if isinstance(dataset, Source) else None
    if settles is None:
        return present
    unsettled = store.changed_within(present, _ns(settles), now_ns)
    return np.where(unsettled[:, None], -1, present) if unsettled.any() else present


def why_not_whole(layout: Layout, source: Source, key: str, now: int) -> str | None:
    """Why a file that is there does not count yet; None if there is none, or it does.

    `now` is in epoch seconds.
    """
    path, marker = source.path_of(key), layout.marker_of(source)
    present = _identity(layout, source, key)
    if present is None:
        return None
    if marker is not None and identity(layout.root / marker.of(key)) is None:
        return f"{path} is there, but not whole yet: there is no file {source.marker_of(key)}"
    settles = source.settles
    if settles is not None and present.ctime_ns > now * 10**9 - _ns(settles):
        changed, whole = (
            datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            for ns in (present.ctime_ns, present.ctime_ns + _ns(settles))
        )
        return f"{path} is there, but was changed at {changed}, and counts as whole after {whole}"
    return None


def _identity(layout: Layout, source: Source, key: str) -> FileIdentity | None:
    """The identity of a partition's file, or of its files together; None if there is none."""
    if not source.has_several_files:
        return identity(layout.path(source, key))
    places = layout.paths_of(source), layout.marker_of(source)
    files = files_of_set(layout.root, *places, key)
    return identity_of_set(files) if files else None


def _ns(span: timedelta) -> int:
    return round(span.total_seconds() * 10**9)
