"""How the files of a dataset are read, whatever is in them.

Knows nothing of datasets, nor of any one format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class SourceFormat(Protocol):
    """How the files of a source are read. Reading raises `ReadError`."""

    @property
    def name(self) -> str:
        """What a declaration calls it."""

    @property
    def extension(self) -> str:
        """The ending of its files, without the dot."""

    def read(self, path: Path) -> object:
        """The value in the file."""

    def fingerprint(self, path: Path) -> str:
        """The content fingerprint of the value in the file."""
