"""Hears that something has changed in the folders of sources: a hint that a look is worth it.

Knows nothing of sources. It needs watchfiles, an extra; without it, or where the system does not
let so many folders be watched, there are no hints, and what has come is seen at the next look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_REST = 5.0
"""At most one hint in so many seconds: somebody may write there all the time."""
_DEBOUNCE = 300
_STEP = 50
"""In milliseconds: a hint is given when nothing has changed for a step, or after the longer one."""


@dataclass(slots=True)
class FileEvents:
    """Watches folders in a thread, and calls `stirred` in it."""

    stirred: Callable[[], object]
    _folders: frozenset[str] = frozenset()
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self, folders: frozenset[str]) -> None:
        """Watch these folders from now on, and no others; one that is not there is left out."""
        if folders == self._folders:
            return
        self.close()
        self._folders, self._over = folders, threading.Event()
        present = sorted(folder for folder in folders if Path(folder).is_dir())
        if present:
            threading.Thread(
                target=self._hear, args=(present, self._over), name="file events", daemon=True
            ).start()

    def close(self) -> None:
        """Watch nothing any more."""
        self._over.set()
        self._folders = frozenset()

    def _hear(self, folders: list[str], over: threading.Event) -> None:
        try:
            from watchfiles import watch

            for _ in watch(
                *folders, watch_filter=None, stop_event=over, debounce=_DEBOUNCE, step=_STEP,
                raise_interrupt=False,
            ):  # fmt: skip
                self.stirred()
                if over.wait(_REST):
                    return
        except Exception:  # noqa: BLE001 - not installed, or too many folders: looks go on
            return
