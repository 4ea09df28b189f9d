"""Finishes or undoes what a run had intended when it died.

Knows nothing of plans. It decides by what it reads: whether the file in place is the new one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from partflow.declarations.dataset import NAME
from partflow.declarations.graph import Graph
from partflow.formats.fingerprint import file_digest
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent
from partflow.metastore.runlog import RunLog
from partflow.store.layout import STAGED
from partflow.store.protocol import Store
from partflow.warehouse.publishing import Notes, Publication, Publishing

_KEY = re.compile(r"[0-9A-Za-z-]*")


def recover(metastore: Metastore, store: Store, graph: Graph, living: Collection[str]) -> int:
    """Finish or undo what dead runs had intended; returns how many intents they left.

    A step with at least one output in place is rolled forward; a step with none is rolled back.
    Each run that ended without recording so is recorded as ended.

    Requires: nobody else takes a lease meanwhile; `living` are the runs that hold one.

    Raises:
        OSError: the disk refused a file; its intents stay for the next run.
        PublishError: another owner has claimed a partition meanwhile.
    """
    intents = [i for i in metastore.intents() if i.run not in living]
    strange = [i for i in intents if not _is_plain(i)]
    if strange:
        metastore.abandon(strange)
    steps: dict[str, list[Intent]] = {}
    for intent in intents:
        if intent not in strange:
            steps.setdefault(intent.step, []).append(intent)
    publishing = Publishing(metastore, store, graph.datasets)
    for group in steps.values():
        with store.locked((i.node, i.key) for i in group):
            _recover_step(publishing, group)
    for run in store.staged_runs():
        if run not in living:
            store.sweep(run)
    RunLog(metastore).bury(living)
    return len(intents)


def _recover_step(publishing: Publishing, group: Sequence[Intent]) -> None:
    """Roll one step forward or back.

    Its partitions are claimed anew, so that no earlier owner can publish them: neither the step's
    own, which may only have been asleep, nor a later one that died, too.
    """
    metastore = publishing.metastore
    epochs = metastore.claim("recovery", [(i.node, i.key, i.record.start) for i in group])
    own = [replace(i, epoch=epochs[i.node, i.key]) for i in group]
    renamed = [i for i in own if publishing.holds(i)]
    if not renamed:
        metastore.abandon(group)
        return
    rest = [i for i in own if i not in renamed and _is_whole(publishing, i)]
    replaced = metastore.current((i.node, i.key) for i in rest)
    publications = [Publication(i, is_in_place=True) for i in renamed]
    for intent in rest:
        was = replaced.get((intent.node, intent.key))
        publications.append(Publication(intent, 0 if was is None else was.seq))
    dropped = Notes(dropped=group)
    publishing.complete(publications, lambda refused: Notes() if refused else dropped).require_all()


def _is_plain(intent: Intent) -> bool:
    """Whether the names are ones that partflow writes; others could lead out of the warehouse."""
    return bool(NAME.match(intent.node) and _KEY.fullmatch(intent.key))


def _is_whole(publishing: Publishing, intent: Intent) -> bool:
    """Whether a staged file has the intended bytes; a power cut can tear one not yet synced."""
    if intent.staged is None or intent.node not in publishing.datasets:
        return False
    staged = publishing.store.layout.staged(intent.staged)
    is_ours = staged.suffix == STAGED and publishing.store.layout.staging == staged.parent.parent
    return is_ours and staged.is_file() and file_digest(staged)[0] == intent.new_sha256
