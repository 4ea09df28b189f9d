"""Removes what nobody needs any more from partflow's own folder, and from the record.

Knows nothing of plans. It removes only files with a name and a place that partflow gives; all other
files stay. Requires: the lease is held, and dead runs are recovered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from partflow.declarations.graph import Graph
from partflow.metastore.pools import PLACE, file_name
from partflow.metastore.protocol import Metastore, Standing
from partflow.metastore.runlog import RunLog
from partflow.operations.thin import Needless, lines_of, needless, thin
from partflow.operations.undeclared import is_declared
from partflow.store.protocol import Store
from partflow.store.replacing import BESIDE
from partflow.warehouse.catalog import WRITTEN_IN

_FETCHED_FOR = 86_400.0
"""So many seconds after a copy was fetched nobody is reading it any more."""

_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


class Swept(Enum):
    """The kinds of files that are swept."""

    STAGED = "staged files of dead runs"
    KEPT = "files of the history past its bound"
    LOGS = "logs of old runs"
    COLUMNS = "cached columns of no use"
    LOCKS = "locks of datasets that are gone"
    CATALOGS = "catalogs that were not written to their end"
    METASTORES = "metastores that were not made anew to their end"
    JOURNALS = "journals that were not made shorter to their end"
    PLACES = "places in pools that are gone"
    FETCHED = "copies that were fetched long ago"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was swept, or would be: the number of files and bytes of each kind, and of runs.

    And the numbers of materializations, of lines of the journal, and of what was noted of code and
    declarations.
    """

    files: dict[Swept, int]
    nbytes: dict[Swept, int]
    runs: int
    records: int
    lines: int
    notes: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was swept."""
        of_record = self.runs, self.records, self.lines, self.notes
        return not any(of_record) and not any(self.files.values())


@dataclass(frozen=True, slots=True)
class Bounds:
    """Up to when things are kept: it is `now` in epoch seconds, and runs stay for `kept` seconds.

    `pools` are the names of pools that there are, and `leftovers` files of metastores that were not
    made anew to their end. The journal is made shorter once a `share` of its lines is needed no
    more: to write it anew for a few lines each day would cost more than these do.
    """

    now: float
    kept: float
    pools: Collection[str] = ()
    leftovers: Sequence[Path] = ()
    share: float = 0.25


def sweep(
    graph: Graph, store: Store, metastore: Metastore, bounds: Bounds, *, dry_run: bool
) -> Sweep:
    """Sweep whatever nobody needs.

    A run's age is counted back from the newest run, so that a clock that is ahead makes no run old.
    If runs are kept for 0 seconds, all that have ended are swept. With `dry_run` nothing is
    removed.
    """
    log, now = RunLog(metastore), bounds.now
    newest = log.newest_before(now) or now
    old = log.ended_before(newest - bounds.kept if bounds.kept else now, now)
    files = _needless(graph, store, metastore, bounds, set(old))
    past = _past_bound(graph, store)
    of_record = needless(graph, store, metastore, frozenset(old))
    swept = _counted(files, past, len(old), of_record, lines_of(of_record, store, bounds.share))
    if not dry_run:
        for _, path in files:
            _remove(path)
        _drop_empty({path.parent for _, path in files}, store.layout.private)
        for (name, key), numbers in past.items():
            store.forget(name, key, numbers)
        log.forget(old)
        if swept.records or swept.lines or swept.notes:
            thin(of_record, store, metastore, shortens=swept.lines > 0)
    return swept


def _counted(
    files: Sequence[tuple[Swept, Path]],
    past: Mapping[tuple[str, str], Mapping[int, Path]],
    runs: int,
    of_record: Needless,
    lines: int,
) -> Sweep:
    kept = [(Swept.KEPT, path) for paths in past.values() for path in paths.values()]
    number, nbytes = dict.fromkeys(Swept, 0), dict.fromkeys(Swept, 0)
    for kind, path in [*files, *kept]:
        number[kind] += 1
        nbytes[kind] += 0 if path.is_dir() else path.lstat().st_size
    return Sweep(number, nbytes, runs, len(of_record.records), lines, of_record.names)


def _needless(
    graph: Graph, store: Store, metastore: Metastore, bounds: Bounds, old: set[str]
) -> list[tuple[Swept, Path]]:
    """Each file that nobody needs, except those of the history."""
    known = {row.id for row in RunLog(metastore).runs(2**62, lambda _: False)} - old
    wanted = {str(store.layout.staged(i.staged)) for i in metastore.intents() if i.staged}
    return [
        *_of_runs(store.layout.staging, ".tmp", Swept.STAGED, set(), wanted),
        *_of_runs(store.layout.logs, ".log", Swept.LOGS, known, set()),
        *_columns(store, metastore),
        *_locks(graph, store),
        *_catalogs(store),
        *_metastores(store, bounds.leftovers),
        *_journals(store),
        *_places(store, bounds.pools),
        *_fetched(store.layout.fetched, bounds.now - _FETCHED_FOR),
    ]


def _of_runs(
    folder: Path, ending: str, kind: Swept, known: set[str], wanted: set[str]
) -> Iterator[tuple[Swept, Path]]:
    """The files with that ending in folders of runs that are not `known`, and empty folders."""
    for run in _folders(folder):
        if _RUN.fullmatch(run.name) and run.name not in known:
            for path in _files(run):
                if path.suffix == ending and str(path) not in wanted:
                    yield kind, path
            if not _entries(run):
                yield kind, run


def _past_bound(graph: Graph, store: Store) -> dict[tuple[str, str], Mapping[int, Path]]:
    """The files past the bound of each history, by partition.

    The history of a partition that is not declared is kept whole: it may be the only copy.
    """
    return {
        (name, key): past
        for name, key in store.histories()
        if is_declared(graph, name, key) and (past := store.past_bound(name, key))
    }


def _columns(store: Store, metastore: Standing) -> Iterator[tuple[Swept, Path]]:
    """Caches of another incarnation or version, and those that were not written to the end."""
    incarnation, versions = metastore.versions()
    present = {f"{node}-{incarnation}-{version}.columns" for node, version in versions.items()}
    for path in _files(store.layout.columns):
        if path.suffix in {".columns", BESIDE, ".new"} and path.name not in present:
            yield Swept.COLUMNS, path


def _locks(graph: Graph, store: Store) -> Iterator[tuple[Swept, Path]]:
    for path in _files(store.layout.locks):
        if path.suffix == ".lock" and path.stem not in graph.nodes:
            yield Swept.LOCKS, path


def _catalogs(store: Store) -> Iterator[tuple[Swept, Path]]:
    """Files in folders where catalogs were being written, and such folders if they are empty."""
    for folder in _folders(store.layout.private):
        ours = [path for path in _files(folder) if path.name.startswith("catalog.")]
        if folder.name.startswith(WRITTEN_IN) and len(ours) == len(_entries(folder)):
            yield from ((Swept.CATALOGS, path) for path in ours or [folder])


def _metastores(store: Store, leftovers: Sequence[Path]) -> Iterator[tuple[Swept, Path]]:
    """The new metastore of a rebuild that was cut off, if it lies in partflow's own folder."""
    for path in leftovers:
        if path.parent == store.layout.private and not path.is_symlink() and path.is_file():
            yield Swept.METASTORES, path


def _journals(store: Store) -> Iterator[tuple[Swept, Path]]:
    """Journals that were being made shorter."""
    before = f".{store.layout.journal.name}."
    for path in _files(store.layout.private):
        if path.name.startswith(before) and path.suffix == BESIDE:
            yield Swept.JOURNALS, path


def _places(store: Store, pools: Collection[str]) -> Iterator[tuple[Swept, Path]]:
    """The places in pools that there are no more: no run goes on, so nobody has one."""
    own = {file_name(pool) for pool in pools}
    for path in _files(store.layout.pools):
        if path.suffix == PLACE and path.name.rsplit(".", 2)[0] not in own:
            yield Swept.PLACES, path


def _fetched(folder: Path, before: float) -> Iterator[tuple[Swept, Path]]:
    """Copies that were fetched before a moment; whoever wants one again fetches it once more."""
    for each in _folders(folder):
        yield from _fetched(each, before)
    for path in _files(folder):
        if path.lstat().st_mtime < before:
            yield Swept.FETCHED, path


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; links are left out, since they lead elsewhere."""
    return [Path(e.path) for e in _entries(folder) if e.is_dir(follow_symlinks=False)]


def _files(folder: Path) -> list[Path]:
    return [Path(e.path) for e in _entries(folder) if e.is_file(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda e: e.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: Path) -> None:
    """Remove a file, or a folder if it is still empty."""
    if path.is_dir():
        with suppress(OSError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _is_lasting(folder: Path, top: Path) -> bool:
    """Whether a folder is one that partflow always keeps."""
    return folder.parent == top and not folder.name.startswith(WRITTEN_IN)


def _drop_empty(folders: set[Path], top: Path) -> None:
    """Remove these folders if they are empty, and then the folders above that became empty."""
    for folder in folders:
        here = folder
        while here != top and not (_is_lasting(here, top) or _entries(here)):
            here.rmdir()
            here = here.parent
