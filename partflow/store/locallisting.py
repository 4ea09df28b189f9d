"""Lists what lies in the folders of a warehouse, even if nothing declares it.

Knows nothing of what is recorded. Links are left out, because they lead elsewhere.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from partflow.declarations.dataset import Dataset, Source
from partflow.store.localpast import LocalPast
from partflow.store.protocol import StoredFile
from partflow.store.stats import folders, listed


class LocalListing(LocalPast):
    """Lists the folders of datasets, and moves undeclared files into the history."""

    def has_any(self, dataset: Dataset) -> bool:
        """Whether a dataset has any file.

        It does not use a glob, which lists a whole folder before it gives the first file.
        """
        if dataset.column is None and not dataset.has_several_files:
            return self.layout.path(dataset, "").exists()
        if isinstance(dataset, Source) and _is_listed_by_pattern(dataset):
            return any(True for _ in self._paths_like(dataset))
        files = self.layout.files(dataset, [])
        before, after = files.parts[0], files.parts[1].partition(b"/")[0]
        with suppress(OSError), os.scandir(files.folder) as entries:
            for name in (entry.name for entry in entries):
                if name.startswith(before) and name.endswith(after):
                    key = name[len(before) : len(name) - len(after)]
                    if os.path.exists(os.path.join(files.folder, key.join(files.parts))):
                        return True
        return False

    def keys(self, dataset: Dataset, but: Iterable[bytes] = ()) -> set[str]:
        """The texts in the place of the key, in the names in a dataset's folder."""
        if isinstance(dataset, Source) and _is_listed_by_pattern(dataset):
            known = {key.decode() for key in but}
            return {key for key in self._keys_like(dataset) if key not in known}
        files = self.layout.files(dataset, [])
        before, after = files.parts[0], files.parts[1].partition(b"/")[0]
        entries = listed(files.folder).difference([before + key + after for key in but])
        return {
            os.fsdecode(name[len(before) : len(name) - len(after)])
            for name in entries
            if name.startswith(before) and name.endswith(after)
        }

    def _paths_like(self, source: Source) -> Iterator[str]:
        """The paths from the project's folder that are like those of a source's files."""
        pattern = self.layout.paths_of(source).pattern("[0-9]", glob.escape)
        return glob.iglob(pattern, root_dir=self.layout.root)

    def _keys_like(self, source: Source) -> Iterator[str]:
        """The key in each of those paths.

        A path in which pieces of the key contradict one another is that of no key. A text stands
        for it that is none, so that it shows that a pattern matches more than the source's files.
        """
        for path in self._paths_like(source):
            yield self.layout.paths_of(source).key_of(path) or source.grain.template

    def names(self) -> list[str]:
        """The folders in the warehouse, except partflow's own."""
        layout = self.layout
        return [name for name in folders(layout.warehouse) if name != layout.private.name]

    def beside(
        self,
        name: str,
        files: Collection[str],
        own: tuple[Dataset, Sequence[str]] | None,
        sources: Collection[Source],
    ) -> Iterator[StoredFile]:
        """The files in a dataset's folder and in the folders in it, except its `own` partitions.

        The folders of its own partitions are not opened.
        """
        folder, wanted = self.layout.warehouse / name, frozenset(files)
        places = self._places(sources)
        matches: list[tuple[str | None, str, Path]]
        for entry in sorted(listed(folder).difference(_own_names(own))):
            path = folder / entry
            if entry in wanted and path.is_file() and not path.is_symlink():
                matches = [(None, "all", path)]
            elif "=" in entry and path.is_dir() and not path.is_symlink():
                column, _, key = entry.partition("=")
                matches = [(column, key, path / each) for each in sorted(wanted & listed(path))]
            else:
                continue
            for at, key, file in matches:
                if not any(file.is_relative_to(place) for place in places):
                    yield StoredFile(name, key, at, file.name, file.lstat().st_size)

    def refusal(self, source: Source) -> str | None:
        """What the system says when it is asked to list the folder."""
        folder = self.layout.root / self.layout.paths_of(source).folder
        try:
            with os.scandir(folder):
                return None
        except (FileNotFoundError, NotADirectoryError):
            return "is not there"
        except OSError as error:
            return f"cannot be listed ({error.strerror})"

    def put_away(self, files: Sequence[tuple[StoredFile, int]]) -> None:
        """Link (or copy) files into the history, sync that, and then remove them.

        Folders that are empty after that are removed, too.
        """
        paths = [self._path_of(file) for file, _ in files]
        kept = {
            self.keep(file.name, file.key, path, number).parent
            for (file, number), path in zip(files, paths, strict=True)
        }
        for error in self.sync(sorted({*kept, *(each.parent for each in kept)})).values():
            raise error
        for path in paths:
            path.unlink(missing_ok=True)
        for (file, _), path in zip(files, paths, strict=True):
            for folder in (path.parent, self.layout.warehouse / file.name):
                with suppress(OSError):  # A folder that is not empty stays.
                    folder.rmdir()
        for error in self.sync([self.layout.warehouse]).values():
            raise error

    def _path_of(self, file: StoredFile) -> Path:
        folder = self.layout.warehouse / file.name
        folder = folder if file.column is None else folder / f"{file.column}={file.key}"
        return folder / (file.file or "")

    def _places(self, sources: Collection[Source]) -> list[Path]:
        """The folders of sources; the project's and the warehouse's own are left out."""
        tops = (self.layout.root / self.layout.paths_of(source).folder for source in sources)
        return [top for top in tops if top not in {self.layout.root, self.layout.warehouse}]


def _is_listed_by_pattern(source: Source) -> bool:
    """Whether a file's name does not simply have the key at one place."""
    return source.has_several_files or not source.paths.is_plain


def _own_names(own: tuple[Dataset, Sequence[str]] | None) -> set[str]:
    """The names of a dataset's partitions in its folder."""
    if own is None:
        return set()
    dataset, keys = own
    if dataset.column is None:
        return {dataset.stored_as.file_name}
    return {f"{dataset.column}={key}" for key in keys}
