"""Finishes or undoes what a run that died had intended.

Knows nothing of plans. It decides by what it reads: the file in its place is the new one, or not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from partflow.declarations.dataset import NAME
from partflow.declarations.graph import Graph
from partflow.formats.fingerprint import file_digest
from partflow.metastore.journal import record_lines
from partflow.metastore.record import Intent
from partflow.metastore.runlog import RunLog
from partflow.metastore.sqlite.metastore import Metastore, drop_intents
from partflow.store.identity import identity
from partflow.store.local import Store

_KEY = re.compile(r"[0-9A-Za-z-]*")


def recover(metastore: Metastore, store: Store, graph: Graph, living: Collection[str]) -> int:
    """Finish or undo what dead runs had intended; how many partitions it concerned.

    Requires: nobody else takes a lease meanwhile; `living` are the runs that hold one. A step of
    which one output is in place is rolled forward; one of which none is, back. What is neither is
    left for the next look. Of runs that left no last word it is recorded that they ended.
    """
    intents = [i for i in metastore.intents() if i.run not in living]
    strange = [i for i in intents if not _is_plain(i)]
    if strange:
        metastore.abandon(strange)
    steps: dict[str, list[Intent]] = {}
    for intent in intents:
        if intent not in strange:
            steps.setdefault(intent.step, []).append(intent)
    for group in steps.values():
        with store.locked((i.node, i.key) for i in group):
            _recover_step(metastore, store, graph, group)
    for run in store.staged_runs():
        if run not in living:
            store.sweep(run)
    RunLog(metastore).bury(living)
    return len(intents)


def _recover_step(
    metastore: Metastore, store: Store, graph: Graph, group: Sequence[Intent]
) -> None:
    """Roll one step forward or back; what is recorded of it is durable before it is recorded.

    Its partitions are claimed anew, so that no owner from before can publish them any more: that of
    the step, if it only slept, and one that had claimed them since and died too.
    """
    done, rest = [], []
    epochs = metastore.claim("recovery", [(i.node, i.key, i.record.start) for i in group])
    for intent in group:
        path = _place(store, graph, intent)
        if path is not None and path.exists() and file_digest(path)[0] == intent.new_sha256:
            done.append(_with_identity(intent, path))
        else:
            rest.append(intent)
    if not done:
        metastore.abandon(group)
        return
    replaced = metastore.current((i.node, i.key) for i in rest)
    for intent in rest:
        dataset = graph.datasets.get(intent.node)
        staged = _staged(store, intent)
        if staged is None or dataset is None or not _is_whole(staged, intent):
            continue
        was = replaced.get((intent.node, intent.key))
        folders = store.publish(staged, dataset, intent.key, was.seq if was else 0)
        for error in store.sync(folders).values():
            raise error
        done.append(_with_identity(intent, store.path(dataset, intent.key)))
    _make_durable(store, [store.path(graph.datasets[i.node], i.key) for i in done])
    lasting = [i for i in done if _needs_journal(graph, i)]
    store.journal(record_lines(metastore, [i.record for i in lasting]))
    claimed = [replace(i, epoch=epochs[i.node, i.key]) for i in done]
    metastore.commit(claimed, lambda c: drop_intents(c, group))


def _is_plain(intent: Intent) -> bool:
    """Whether names are such as partflow writes: others would lead out of the warehouse."""
    return bool(NAME.match(intent.node) and _KEY.fullmatch(intent.key))


def _staged(store: Store, intent: Intent) -> Path | None:
    """Where what was staged lies now: the project may have been copied or moved since."""
    if intent.staged is None or not intent.staged.endswith(".tmp"):
        return None
    noted = Path(intent.staged)
    return store.private / "staging" / noted.parent.name / noted.name


def _is_whole(staged: Path, intent: Intent) -> bool:
    """Whether a staged file is what was intended: a power cut may have torn one not synced."""
    return staged.is_file() and file_digest(staged)[0] == intent.new_sha256


def _make_durable(store: Store, paths: Sequence[Path]) -> None:
    """Sync the folders of files that a dead run had renamed: it may have died before it did.

    And the folders above, where theirs may be new. The files' bytes were synced before any rename.
    """
    folders = {folder for p in paths for folder in (p.parent, p.parent.parent, store.warehouse)}
    for error in store.sync(sorted(folders)).values():
        raise error


def _place(store: Store, graph: Graph, intent: Intent) -> Path | None:
    dataset = graph.datasets.get(intent.node)
    return None if dataset is None else store.path(dataset, intent.key)


def _needs_journal(graph: Graph, intent: Intent) -> bool:
    """Whether no footer says what this record does: other formats, and what was put back."""
    dataset = graph.datasets[intent.node]
    return not dataset.stored_as.has_footer or intent.record.how != "made"


def _with_identity(intent: Intent, path: Path) -> Intent:
    return replace(intent, record=replace(intent.record, identity=identity(path)))
