"""Says what can be accepted of a source: that a partition does not come, or that less is all of it.

Knows nothing of tasks. What is accepted is recorded as what a look has seen, so that readers see a
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Source
from partflow.errors import ReadError, UsageError
from partflow.metastore.record import Record
from partflow.operations.acceptable import SourcePortion, Treatment
from partflow.partitions.keytexts import shown_key
from partflow.partitions.sets import PartitionSet
from partflow.planning.snapshot import Condition
from partflow.warehouse.givingup import absent_record
from partflow.warehouse.setcontents import (
    RememberedSet,
    contents_of_set,
    look_at_set,
    rules_of,
)

if TYPE_CHECKING:
    from partflow.planning.plan import Plan
    from partflow.store.protocol import Store


def absences(plan: Plan) -> tuple[SourcePortion, ...]:
    """What of the sources that a plan's request wants can be recorded as absent, and what is left.

    UsageError if none of them is a source, or if a reader would not know an empty one's columns.
    """
    portions = []
    for source, wanted in _wanted(plan):
        state = plan.snapshot.states[source.name]
        reader = plan.graph.in_need_of_schema(source.name)
        if reader is not None:
            raise UsageError(
                f"{source.name} declares no schema, and {reader.name} would not know which columns "
                f"an empty one has; declare one at {source.place}"
            )
        away = (state.condition == Condition.ABSENT) | (state.condition == Condition.GONE)
        for kind, text, mask in (
            (Treatment.ABSENT, "does not come", wanted & away),
            (Treatment.LEFT, "is absent already", wanted & (state.condition == Condition.GIVEN_UP)),
            (Treatment.LEFT, "is there", wanted & ~away & (state.condition != Condition.GIVEN_UP)),
        ):
            at = PartitionSet.where(mask, state.lo)
            portions += [SourcePortion(source, kind, text, at)] if at else []
    if not any(True for _ in _wanted(plan)):
        raise UsageError("--absent is for sources: name one, and the partitions with -p KEY")
    return tuple(portions)


def smaller_sets(plan: Plan, store: Store) -> tuple[SourcePortion, ...]:
    """What of the sources that a plan's request wants is there in part, and is taken for all."""
    portions = []
    for source, wanted in _wanted(plan):
        state = plan.snapshot.states[source.name]
        if not source.has_several_files:
            continue
        gone = np.flatnonzero(wanted & (state.condition == Condition.GONE)).tolist()
        left = np.zeros(len(state.condition), np.bool_)
        for i in gone:
            left[i] = bool(store.set_of(source, source.grain.key(state.lo + i)))
        at = PartitionSet.where(left, state.lo)
        text = "what is left of its files is all of it"
        portions += [SourcePortion(source, Treatment.LESS, text, at)] if at else []
    return tuple(portions)


def _wanted(plan: Plan) -> Iterator[tuple[Source, np.ndarray]]:
    """The sources that the request wants, and which of their partitions."""
    for name, wanted in (plan.request.wanted or {}).items():
        dataset = plan.graph.datasets.get(name)
        if isinstance(dataset, Source):
            state = plan.snapshot.states[name]
            yield dataset, wanted.mask(state.lo, state.hi)


def records_of(
    portion: SourcePortion, store: Store, now_ns: int
) -> Iterator[tuple[Record, str | None]]:
    """The record of each partition that is accepted, and what is to be remembered of its files.

    ReadError or OSError if files that are to be all of it cannot be read.
    """
    source, now = portion.source, now_ns // 10**9
    for ordinal in portion.at:
        if portion.kind is Treatment.ABSENT:
            yield absent_record(source, ordinal, now, "somebody said that it does not come"), None
            continue
        key = source.grain.key(ordinal)
        looked = look_at_set(store, source, key, RememberedSet({}))
        try:
            contents, looked = contents_of_set(source, looked)
        except ReadError as error:
            what = f"{source.name}@{shown_key(key)}"
            raise UsageError(f"{what} cannot be accepted: {error}") from None
        record = Record(
            source.name, key, source.grain.interval(ordinal).start, contents.content,
            rows=contents.rows, nbytes=looked.nbytes, sha256=looked.sha256,
            identity=looked.trusted(store, now_ns), made_at=now, how="observed", seq=1,
            note="somebody said that these files are all of it", schema=contents.schema,
            rules=rules_of(source, contents),
        )  # fmt: skip
        yield record, looked.remembered(store, now_ns)
