"""Says where everything of a project lies in its folders on this machine.

Knows names and paths, and never touches a disk. Staged and kept files do not end in `.parquet`, and
are outside of every dataset: otherwise a reader of `**/*.parquet` would find them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.keyedpath import KeyedPath
from partflow.store.manystats import FileLot

STAGED = ".tmp"
"""The ending of staged files' names."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The project's folder, `root`, and the warehouse's, which need not be below it."""

    root: Path
    warehouse: Path
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
    def locks(self) -> Path:
        """The folder of the lock files of datasets."""
        return self.private / "locks"

    @property
    def columns(self) -> Path:
        """The folder of the cached columns of the metastore."""
        return self.private / "columns"

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

    def fetched_of(self, name: str) -> Path:
        """The folder into which a store that is elsewhere fetches a dataset's files for reading.

        Their paths end as `path` does.
        """
        return self.private / "fetched" / name

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
            return self.root / dataset.path_of(key)
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
            return self._below_root(dataset.paths, keys)
        name = dataset.stored_as.file_name
        folder = f"{self.warehouse}/{dataset.name}"
        parts = [name] if dataset.column is None else [f"{dataset.column}=", f"/{name}"]
        return FileLot(os.fsencode(folder), tuple(map(os.fsencode, parts)), keys)

    def markers(self, dataset: Dataset, keys: Sequence[bytes]) -> FileLot | None:
        """The files that say that a source's files are whole; None if none has to."""
        marker = dataset.marker if isinstance(dataset, Source) else None
        return None if marker is None else self._below_root(marker, keys)

    def _below_root(self, place: KeyedPath, keys: Sequence[bytes]) -> FileLot:
        cut = len(place.folder) + 1 if place.folder else 0
        folder = os.fsencode(f"{self.root}/{place.folder}")
        if place.is_plain:
            parts = (place.texts[0][cut:], *place.texts[1:])
            return FileLot(folder, tuple(map(os.fsencode, parts)), keys)
        return FileLot(folder, (b"", b""), [os.fsencode(place.of(k.decode())[cut:]) for k in keys])

    def near(self, path: Path) -> Path:
        """A path for messages: relative to the project's folder, if it is below."""
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path


def staged_as(run: str, serial: int, position: int = 0) -> str:
    """The name under which one output of one attempt of a run is staged."""
    return f"{run}/{serial}-{position}{STAGED}"


def staged_name(text: str) -> str:
    """The name RUN/FILE of a staged file, from its name or its path.

    Older versions recorded paths, and the project may have been moved since.
    """
    return "/".join(text.rsplit("/", 2)[-2:])
