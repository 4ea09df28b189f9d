"""Thins the record: forgets what nothing current needs, in the metastore and in the journal.

Knows nothing of plans or of what files hold. What `rollback`, `why`, `accept` and a rebuild need
stays. So does what tells a file that somebody put back from an edit, as far as it goes back so
many contents. Requires: the lease is held, and dead runs are recovered.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from partflow.declarations.graph import Graph, outputs
from partflow.metastore.journal import note
from partflow.metastore.lastinglines import LastingLines
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Replaced, mark_of
from partflow.planning.lateness import EXPECTED
from partflow.planning.pauses import PAUSED
from partflow.store.protocol import Store

CONTENTS = 16
"""So many contents that a partition had are remembered, however long ago that was."""

_BY_NAME = PAUSED, EXPECTED
"""The kinds of notes whose names are those of datasets, sources and effects."""


@dataclass(frozen=True, slots=True)
class Needless:
    """What of the record nobody needs, and what is needed beside it.

    `records` are the numbers of materializations, `codes` the digests of code fingerprints,
    `effects` and `notes` what was noted under names that are gone: the latter by (kind, name).
    """

    records: tuple[int, ...]
    codes: tuple[str, ...]
    effects: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    lasting: LastingLines

    @property
    def names(self) -> int:
        """How many codes and notes there are."""
        return len(self.codes) + len(self.effects) + len(self.notes)


def needless(graph: Graph, store: Store, metastore: Metastore, old: Collection[str]) -> Needless:
    """What of the record nobody needs once the runs `old` are forgotten."""
    records = _records(graph, store, metastore, old)
    lasting = metastore.lasting(frozenset(records))
    names, used = _declared(metastore, old)
    names |= {*graph.nodes, *(task.name for task in graph.tasks)}
    codes = metastore.other_codes(lasting.codes | used)
    effects = [name for name in metastore.effects() if name not in names]
    notes = [
        (kind, name) for kind in _BY_NAME for name in metastore.noted(kind) if name not in names
    ]
    intended = {mark_of(i.record) for i in metastore.intents()}
    gone: set[tuple[str, str | tuple[str, str]]] = {("codes", code) for code in codes}
    gone |= {("effects", effect) for effect in effects} | {("noted", name) for name in notes}
    lines = LastingLines(lasting.marks | intended, gone)
    return Needless(tuple(records), tuple(codes), tuple(effects), tuple(notes), lines)


def lines_of(found: Needless, store: Store, share: float) -> int:
    """How many lines of the journal are needed no more; 0 if they are less than a share of all."""
    stays = found.lasting(store.journaled() or iter(()))
    gone = stays.count(False)
    return gone if gone >= share * len(stays) else 0


def thin(found: Needless, store: Store, metastore: Metastore, *, shortens: bool) -> None:
    """Forget what nobody needs, and give the room back that it took; the journal's if `shortens`.

    If this is cut off, the next one goes on with it. OSError if the journal cannot be written anew.
    """
    for kind in _BY_NAME:
        names = [name for noted, name in found.notes if noted == kind]
        note(metastore, store, kind, dict.fromkeys(names))
    metastore.forget(found.records, found.codes, found.effects)
    if shortens:
        store.shorten(found.lasting)
    metastore.give_back()


def _records(graph: Graph, store: Store, metastore: Metastore, old: Collection[str]) -> list[int]:
    """The numbers of materializations that nobody needs; those of kept files are needed.

    So are those of the other outputs of a step that such a file, or a present one, is of: what is
    put back is the whole step.
    """
    replaced = metastore.replaced(CONTENTS, old)
    places: dict[tuple[str, str], list[Replaced]] = {}
    for each in replaced:
        places.setdefault((each.node, each.key), []).append(each)
    for place, some in places.items():
        kept = store.kept(*place).keys()
        places[place] = [each for each in some if each.seq not in kept]
    gone = {each.seq for some in places.values() for each in some}
    for (node, key), some in places.items():
        siblings = {n for task in graph.writers(node) for n in outputs(task)} - {node}
        runs = {r.run for n in siblings for r in metastore.history(n, key) if r.seq not in gone}
        gone.difference_update(each.seq for each in some if each.run in runs)
    return sorted(gone)


def _declared(metastore: Metastore, old: Collection[str]) -> tuple[set[str], set[str]]:
    """The names, and the codes, in the graphs of all runs in the log but `old`."""
    names: set[str] = set()
    codes: set[str] = set()
    runs = {row.graph: row.id for row in metastore.run_rows() if row.id not in old}
    for document in (document for run in runs.values() for document in metastore.graphs(run)):
        graph = json.loads(document)
        names.update(each["name"] for kind in ("tasks", "datasets") for each in graph[kind])
        codes.update(task["code"] for task in graph["tasks"] if task["code"])
    return names, codes
