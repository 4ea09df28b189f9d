"""Removes what nobody needs any more below partflow's own folder, and old runs from the record.

Knows nothing of plans. It only takes what has the name and place of something that partflow wrote:
whatever else lies there stays. Requires: the lease is held, and what a dead run left is recovered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from partflow.declarations.graph import Graph
from partflow.metastore.protocol import Metastore, Standing
from partflow.metastore.runlog import RunLog
from partflow.metastore.sqlite.file import SIDES
from partflow.operations.undeclared import is_declared
from partflow.store.protocol import Store
from partflow.warehouse.catalog import WRITTEN_IN

_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class Swept(Enum):
    """What is swept."""

    STAGED = "staged files of dead runs"
    KEPT = "files of the history past its bound"
    LOGS = "logs of old runs"
    COLUMNS = "cached columns of no use"
    LOCKS = "locks of datasets that are gone"
    CATALOGS = "catalogs that were not written to their end"
    METASTORES = "metastores that were not made anew to their end"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was swept, or would be: files and bytes of each kind, and rows of runs."""

    files: dict[Swept, int]
    nbytes: dict[Swept, int]
    runs: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not self.runs and not any(self.files.values())


def sweep(
    graph: Graph, store: Store, metastore: Metastore, time: tuple[float, float], *, dry_run: bool
) -> Sweep:
    """Sweep all that is past its time: `time` is now, and for how long runs are kept, in seconds.

    Runs are kept for so long before the newest of them: a clock that is ahead makes none older.
    Those that are not to be kept at all are swept whenever they were.
    """
    log, (now, kept) = RunLog(metastore), time
    newest = log.newest_before(now) or now
    old = log.ended_before(newest - kept if kept else now, now)
    needless, past = _needless(graph, store, metastore, set(old)), _past_bound(graph, store)
    kept_too = [(Swept.KEPT, path) for paths in past.values() for path in paths.values()]
    files, nbytes = dict.fromkeys(Swept, 0), dict.fromkeys(Swept, 0)
    for kind, path in [*needless, *kept_too]:
        files[kind] += 1
        nbytes[kind] += 0 if path.is_dir() else path.lstat().st_size
    if not dry_run:
        for _, path in needless:
            _remove(path)
        _drop_empty({path.parent for _, path in needless}, store.layout.private)
        for (name, key), numbers in past.items():
            store.forget(name, key, numbers)
        log.forget(old)
    return Sweep(files, nbytes, len(old))


def _needless(
    graph: Graph, store: Store, metastore: Metastore, old: set[str]
) -> list[tuple[Swept, Path]]:
    """Each file of this machine that nobody needs, but for the history."""
    known = {row.id for row in RunLog(metastore).runs(2**62, lambda _: False)} - old
    wanted = {str(store.layout.staged(i.staged)) for i in metastore.intents() if i.staged}
    return [
        *_of_runs(store.layout.staging, ".tmp", Swept.STAGED, set(), wanted),
        *_of_runs(store.layout.logs, ".log", Swept.LOGS, known, set()),
        *_columns(store, metastore),
        *_locks(graph, store),
        *_catalogs(store),
        *_metastores(store),
    ]


def _of_runs(
    folder: Path, ending: str, kind: Swept, known: set[str], wanted: set[str]
) -> Iterator[tuple[Swept, Path]]:
    """The numbered files of runs that are not known, or a run's folder if nothing is in it."""
    for run in _folders(folder):
        if _RUN.fullmatch(run.name) and run.name not in known:
            for path in _files(run):
                if path.suffix == ending and str(path) not in wanted:
                    yield kind, path
            if not _entries(run):
                yield kind, run


def _past_bound(graph: Graph, store: Store) -> dict[tuple[str, str], Mapping[int, Path]]:
    """The oldest files of each history; of what nothing declares they are all that there is."""
    return {
        (name, key): past
        for name, key in store.histories()
        if is_declared(graph, name, key) and (past := store.past_bound(name, key))
    }


def _columns(store: Store, metastore: Standing) -> Iterator[tuple[Swept, Path]]:
    """Caches of another incarnation or version, and those cut off while they were written."""
    incarnation, versions = metastore.versions()
    present = {f"{node}-{incarnation}-{version}.columns" for node, version in versions.items()}
    for path in _files(store.layout.columns):
        if path.suffix in {".columns", ".new"} and path.name not in present:
            yield Swept.COLUMNS, path


def _locks(graph: Graph, store: Store) -> Iterator[tuple[Swept, Path]]:
    for path in _files(store.layout.locks):
        if path.suffix == ".lock" and path.stem not in graph.nodes:
            yield Swept.LOCKS, path


def _catalogs(store: Store) -> Iterator[tuple[Swept, Path]]:
    """What is in the folders in which catalogs were being written; the folder if nothing is."""
    for folder in _folders(store.layout.private):
        ours = [path for path in _files(folder) if path.name.startswith("catalog.")]
        if folder.name.startswith(WRITTEN_IN) and len(ours) == len(_entries(folder)):
            yield from ((Swept.CATALOGS, path) for path in ours or [folder])


def _metastores(store: Store) -> Iterator[tuple[Swept, Path]]:
    """What a rebuild left that was cut off, unless the metastore lies elsewhere."""
    left = {f"metastore.new{side}" for side in SIDES}
    yield from (
        (Swept.METASTORES, path) for path in _files(store.layout.private) if path.name in left
    )


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; what is a link leads elsewhere and is none of ours."""
    return [Path(e.path) for e in _entries(folder) if e.is_dir(follow_symlinks=False)]


def _files(folder: Path) -> list[Path]:
    return [Path(e.path) for e in _entries(folder) if e.is_file(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda e: e.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: Path) -> None:
    """Remove a file, or an empty folder; one in which there is something by now stays."""
    if path.is_dir():
        with suppress(OSError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _is_lasting(folder: Path, top: Path) -> bool:
    """Whether it is one of the folders that are always there."""
    return folder.parent == top and not folder.name.startswith(WRITTEN_IN)


def _drop_empty(folders: set[Path], top: Path) -> None:
    """Remove folders that were emptied, and those above them that are empty then."""
    for folder in folders:
        here = folder
        while here != top and not (_is_lasting(here, top) or _entries(here)):
            here.rmdir()
            here = here.parent
