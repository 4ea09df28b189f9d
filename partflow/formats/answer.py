"""Texts that a source's function gave, one a file, which are handed over as they are.

Knows nothing of datasets, or of who asked. partflow writes such files itself, for its own use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.fingerprint import fingerprint_parts
from partflow.formats.format import Untabled
from partflow.formats.unreadable import unreadable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AnswerText(Untabled):
    """The format of a text in UTF-8; ReadError if the file holds none."""

    name = "answer"
    rules = 0

    def read(self, path: Path) -> str:
        """The text."""
        try:
            return path.read_bytes().decode("utf-8")
        except OSError as error:
            raise unreadable(path, error) from error
        except UnicodeDecodeError as error:
            problem = f"cannot be read: it is no text ({error})"
            raise ReadError(str(path), problem, "remove it; it is asked for again") from error

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the text."""
        return fingerprint_parts("answer1", [self.read(path).encode()])

    def remembered(self) -> AnswerText:
        """This format: a text is read for each reader."""
        return self
