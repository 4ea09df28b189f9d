"""Files of any kind, which count by their bytes and their name, and are handed over as paths.

Knows nothing of datasets, nor of what is in a file. Only sources have this format, so nothing here
writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.formats.fingerprint import file_digest, fingerprint_parts
from partflow.formats.format import Untabled
from partflow.formats.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AnyFile(Untabled):
    """The format of a file that only its task knows how to read."""

    name = "file"
    rules = 0

    def read(self, path: Path) -> Path:
        """The path; the file is not looked at."""
        return path

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the file's name and bytes; ReadError if it cannot be read."""
        try:
            sha256, _ = file_digest(path)
        except OSError as error:
            raise unreadable(path, error) from error
        return fingerprint_parts(
            "file1", (path.name.encode("utf-8", "surrogateescape"), bytes.fromhex(sha256))
        )

    def remembered(self) -> AnyFile:
        """This format: there is nothing to remember."""
        return self
