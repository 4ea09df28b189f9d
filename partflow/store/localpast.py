"""The history in a folder: replaced files below `layout.history`, by dataset, key and number.

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
"""How many replaced files of a partition are kept by default."""


class LocalPast(LocalStaging):
    """Keeps `history` replaced files of each partition, never named `.parquet`."""

    def __init__(self, layout: Layout, *, durable: bool, history: int) -> None:
        super().__init__(layout, durable=durable)
        self.history = history

    def kept(self, name: str, key: str) -> dict[int, Path]:
        """The kept files of a partition, by number, the oldest first."""
        folder = self.layout.history_of(name, key)
        files = (folder / file for file in sorted(listed(folder)))
        return {int(p.stem): p for p in files if p.suffix == ".kept" and p.stem.isdecimal()}

    def keep(self, name: str, key: str, file: Path | str, number: int) -> Path:
        """Link (or copy) a file into the history of a partition; returns its path there.

        If another file has the number already, it gets the next one: no kept file is replaced.
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
        """The oldest kept files of a partition: those in excess of `history`."""
        return dict(list(self.kept(name, key).items())[: -self.history])

    def forget(self, name: str, key: str, numbers: Iterable[int]) -> None:
        """Remove kept files of a partition, and with the last one its folder."""
        gone = set(numbers)
        if not gone:
            return
        for number, file in self.kept(name, key).items():
            if number in gone:
                file.unlink(missing_ok=True)
        folder = self.layout.history_of(name, key)
        with suppress(OSError):  # It is not empty.
            folder.rmdir()
            folder.parent.rmdir()

    def histories(self) -> list[tuple[str, str]]:
        """Each dataset and key that has a folder in the history."""
        top = self.layout.history
        return [(name, key) for name in folders(top) for key in folders(top / name)]
