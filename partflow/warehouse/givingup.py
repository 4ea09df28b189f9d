"""Gives up what a source should have brought, so long after it was due, unless its folder is amiss.

Knows nothing of plans. What is given up is recorded as absent, as any other news of a look: it is
returned, and a run records it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partflow.formats.known import format_of
from partflow.metastore.record import Record
from partflow.planning.snapshot import Condition, FolderLost
from partflow.store.identity import FileIdentity
from partflow.warehouse.wholefiles import why_not_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.declarations.dataset import Source
    from partflow.planning.snapshot import DatasetState
    from partflow.store.protocol import Store
    from partflow.warehouse.filelook import Observed

    Mask = NDArray[np.bool_]

GIVEN_UP = "absent"
"""How a partition that was given up came to its record."""
_NO_FILE = FileIdentity(-1, -1, -1, -1)


def given_up(state: DatasetState) -> Mask:
    """Which of a source's partitions are recorded as absent: those that have no content."""
    return np.asarray((state.seq > 0) & ~state.content.any(axis=1))


def absent_record(source: Source, ordinal: int, now: int, note: str) -> Record:
    """The record of a partition that does not come; `now` is in epoch seconds."""
    start = source.grain.interval(ordinal).start
    return Record(
        source.name, source.grain.key(ordinal), start, identity=_NO_FILE, made_at=now,
        how=GIVEN_UP, seq=1, note=note, rules=format_of(source).rules,
    )  # fmt: skip


def give_up(
    store: Store, source: Source, state: DatasetState, observed: Observed, *, may_give_up: bool
) -> None:
    """Enter as absent what is overdue, if that may be done and the source's folder is well.

    If the folder is missing, cannot be listed, or has lost all that it held, `observed` says so.
    Of what is there and not whole yet nothing is given up.
    """
    span, now = source.gives_up, observed.snapshot.now
    if span is None:
        return
    ends = source.grain.edges(state.lo, state.hi)[1:]
    is_overdue = ends + int(span.total_seconds()) <= now
    overdue = np.flatnonzero((state.condition == Condition.ABSENT) & is_overdue).tolist()
    if not overdue:
        return
    problem = _problem_of_folder(store, source, state)
    if problem is not None:
        observed.lost[source.name] = FolderLost(
            state.lo + overdue[0], store.layout.shown_folder(source), *problem
        )
        return
    if not may_give_up:
        return
    note = f"given up {source.gives_up_after} after it was due"
    for i in overdue:
        if why_not_whole(store.layout, source, source.grain.key(state.lo + i), now) is None:
            observed.news.append(absent_record(source, state.lo + i, now, note))
            state.condition[i], state.seq[i], state.made_at[i] = Condition.GIVEN_UP, 1, now


def _problem_of_folder(store: Store, source: Source, state: DatasetState) -> tuple[str, str] | None:
    """What is wrong with the folder of a source's files, and what to do; None if nothing is."""
    refusal = store.refusal(source)
    if refusal is not None:
        return (
            f"the folder {refusal}, so that nobody knows what has come",
            "mount it, or put it back; until then nothing of it is given up",
        )
    had = int(np.count_nonzero((state.seq > 0) & state.content.any(axis=1)))
    if had and not np.isin(state.condition, (Condition.GOOD, Condition.DAMAGED)).any():
        return (
            f"of {had:,} partitions that were there none is left, so it may be another folder",
            f"mount or fill it; or record it: partflow accept --absent {source.name} -p KEY",
        )
    return None
