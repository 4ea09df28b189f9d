"""Says where everything of a project lies in its folders on this machine.

Knows names and paths, and never touches a disk. Staged and kept files do not end in `.parquet`, and
are outside of every dataset: otherwise a reader of `**/*.parquet` would find them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.keyedpath import KeyedPath
from partflow.store.manystats import FileLot

STAGED = ".tmp"
"""The ending of staged files' names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The project's folder, `root`, and the warehouse's, which need not be below it.

    `folders` are others by name, absolute or relative to the project's, that sources' paths use.
    """

    root: Path
    warehouse: Path
    folders: Mapping[str, str] = field(default_factory=dict)
    private: Path = field(init=False, repr=False, compare=False)
    """The folder in the warehouse that is partflow's own."""
    staging: Path = field(init=False, repr=False, compare=False)
    """The folder of staged files, with a folder for each run."""
    logs: Path = field(init=False, repr=False, compare=False)
    """The folder of the logs of runs' attempts."""

    def __post_init__(self) -> None:
        """Join the paths that every step asks for."""
        private = self.warehouse / ".partflow"
        for name, path in (("private", private), ("staging", private / "staging"),
                           ("logs", private / "logs")):  # fmt: skip
            object.__setattr__(self, name, path)

    @property
    def metastore(self) -> Path:
        """The file of the metastore, unless another is configured."""
        return self.private / "metastore.sqlite"

    @property
    def leases(self) -> Path:
        """The folder of the leases of runs."""
        return self.private / "leases"

    @property
    def serving(self) -> Path:
        """The folder of the files of who leads and who stands by."""
        return self.private / "serve"

    @property
    def pools(self) -> Path:
        """The folder of the places in pools that runs hold."""
        return self.private / "pools"

    @property
    def locks(self) -> Path:
        """The folder of the lock files of datasets."""
        return self.private / "locks"

    @property
    def columns(self) -> Path:
        """The folder of the cached columns of the metastore."""
        return self.private / "columns"

    @property
    def answers(self) -> Path:
        """The folder of what the functions of sources without files have answered."""
        return self.private / "answers"

    @property
    def journal(self) -> Path:
        """The journal, which a rebuild of the metastore needs beside the footers."""
        return self.private / "journal.jsonl"

    def logs_of(self, run: str) -> Path:
        """The folder of the logs of one run's attempts; whoever writes there makes it."""
        return self.logs / run

    def staged(self, name: str) -> Path:
        """The path of the file that is staged under a name."""
        return Path(self.staged_place(name))

    def staged_place(self, name: str) -> str:
        """The same as `staged`, as text."""
        return f"{self.staging}/{staged_name(name)}"

    @property
    def fetched(self) -> Path:
        """The folder of what a store has fetched from elsewhere, in a folder for each dataset."""
        return self.private / "fetched"

    def fetched_of(self, name: str) -> Path:
        """The folder into which a store that is elsewhere fetches a dataset's files for reading.

        Their paths end as `path` does.
        """
        return self.fetched / name

    @property
    def history(self) -> Path:
        """The folder of replaced files, in a folder for each dataset, and in that for each key."""
        return self.private / "history"

    def history_of(self, name: str, key: str) -> Path:
        """The folder of the replaced files of one partition."""
        return self.history / name / (key or "all")

    def path(self, dataset: Dataset, key: str) -> Path:
        """The path of a partition's file."""
        if isinstance(dataset, Source):
            return self.root / self.paths_of(dataset).of(key)
        return Path(self.place(dataset, key))

    def place(self, dataset: Dataset, key: str) -> str:
        """The same as `path`, as text: joining paths costs more than a stat."""
        if isinstance(dataset, Source):
            return str(self.path(dataset, key))
        name, column = dataset.stored_as.file_name, dataset.column
        part = "" if column is None else f"{column}={key}/"
        return f"{self.warehouse}/{dataset.name}/{part}{name}"

    def files(self, dataset: Dataset, keys: Sequence[bytes]) -> FileLot:
        """Partitions' files as paths below one folder."""
        if isinstance(dataset, Source):
            return self._below_root(self.paths_of(dataset), keys)
        name = dataset.stored_as.file_name
        folder = f"{self.warehouse}/{dataset.name}"
        parts = [name] if dataset.column is None else [f"{dataset.column}=", f"/{name}"]
        return FileLot(os.fsencode(folder), tuple(map(os.fsencode, parts)), keys)

    def markers(self, dataset: Dataset, keys: Sequence[bytes]) -> FileLot | None:
        """The files that say that a source's files are whole; None if none has to."""
        marker = self.marker_of(dataset) if isinstance(dataset, Source) else None
        return None if marker is None else self._below_root(marker, keys)

    def paths_of(self, source: Source) -> KeyedPath:
        """Where a source's files are: absolute, or relative to the project's folder."""
        if source.is_asked:
            return source.paths.below(str(self.answers))
        return self._found(source.paths)

    def marker_of(self, source: Source) -> KeyedPath | None:
        """Where the files are that say that a source's files are whole; None if none has to."""
        return None if source.marker is None else self._found(source.marker)

    def _found(self, paths: KeyedPath) -> KeyedPath:
        if not paths.outside:
            return paths
        folder = os.path.normpath(self.folders[paths.outside])
        # DuckDB does not find a relative path that leads upwards.
        is_above = folder.split("/")[0] == ".."
        return paths.below(os.path.normpath(self.root / folder) if is_above else folder)

    def _below_root(self, place: KeyedPath, keys: Sequence[bytes]) -> FileLot:
        cut = len(place.folder) + 1 if place.folder else 0
        folder = os.fsencode(os.path.join(self.root, place.folder))
        if place.is_plain:
            parts = (place.texts[0][cut:], *place.texts[1:])
            return FileLot(folder, tuple(map(os.fsencode, parts)), keys)
        return FileLot(folder, (b"", b""), place.written(keys, cut))

    def shown_folder(self, source: Source) -> str:
        """The folder above a source's files as messages have it."""
        return str(self.near(self.root / self.paths_of(source).folder))

    def near(self, path: Path) -> Path:
        """A path for messages: without the project's folder, or with the name of another one."""
        for name, folder in self._named():
            if path.is_relative_to(folder):
                return Path(f"{{{name}}}", path.relative_to(folder))
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def shown(self, text: str) -> str:
        """A text in which no path is absolute that is below the project's folder or a named one."""
        for name, folder in self._named():
            text = text.replace(f"{folder}/", f"{{{name}}}/")
        return text.replace(f"{self.root}/", "")

    def found(self, shown: str) -> Path:
        """The path that `near` has shown so."""
        for name, folder in self._named():
            if shown.startswith(f"{{{name}}}/"):
                return Path(folder, shown.partition("/")[2])
        return self.root / shown

    def _named(self) -> Iterator[tuple[str, str]]:
        """The other folders by name, each as it is configured and as the shortest path of it."""
        for name, folder in self.folders.items():
            place = str(self.root / folder)
            yield from ((name, path) for path in dict.fromkeys((place, os.path.normpath(place))))


def staged_as(run: str, serial: int, position: int = 0) -> str:
    """The name under which one output of one attempt of a run is staged."""
    return f"{run}/{serial}-{position}{STAGED}"


def staged_name(text: str) -> str:
    """The name RUN/FILE of a staged file, from its name or its path.

    Older versions recorded paths, and the project may have been moved since.
    """
    return "/".join(text.rsplit("/", 2)[-2:])
