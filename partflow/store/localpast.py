"""What was replaced, in a folder: files below `layout.history`, by dataset, key and number.

Knows nothing of where partitions lie.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from partflow.store.layout import Layout
from partflow.store.staging import LocalStaging
from partflow.store.stats import folders, listed

KEPT = 2
"""How many replaced materializations of a partition are kept, if nothing else is said."""


class LocalPast(LocalStaging):
    """Keeps `history` replaced files of each partition, never named `.parquet`."""

    def __init__(self, layout: Layout, *, durable: bool, history: int) -> None:
        super().__init__(layout, durable=durable)
        self.history = history

    def kept(self, name: str, key: str) -> dict[int, Path]:
        """The files of a partition in the history, by the number of what each was, oldest first."""
        folder = self.layout.history_of(name, key)
        files = (folder / file for file in sorted(listed(folder)))
        return {int(p.stem): p for p in files if p.suffix == ".kept" and p.stem.isdecimal()}

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Link (or copy) a file into the history of a partition; where it is there.

        Where another file has that number already it gets the next one: none is replaced.
        """
        folder = self.layout.history_of(name, key)
        folder.mkdir(parents=True, exist_ok=True)
        while (kept := folder / f"{number:012d}.kept").exists():
            if filecmp.cmp(kept, file, shallow=False):
                return kept
            number += 1
        try:
            os.link(file, kept)
        except OSError:
            shutil.copy2(file, kept)
            for error in self.sync([kept]).values():
                raise error from None
        return kept

    def past_bound(self, name: str, key: str) -> dict[int, Path]:
        """The oldest files in a partition's history: those beyond as many as are kept."""
        return dict(list(self.kept(name, key).items())[: -self.history])

    def forget(self, name: str, key: str, numbers: Iterable[int]) -> None:
        """Remove files of a partition's history, and its folder with the last of them."""
        gone = set(numbers)
        if not gone:
            return
        for number, file in self.kept(name, key).items():
            if number in gone:
                file.unlink(missing_ok=True)
        folder = self.layout.history_of(name, key)
        with suppress(OSError):  # something is in it
            folder.rmdir()
            folder.parent.rmdir()

    def histories(self) -> list[tuple[str, str]]:
        """Each dataset and key that has a folder in the history."""
        top = self.layout.history
        return [(name, key) for name in folders(top) for key in folders(top / name)]
