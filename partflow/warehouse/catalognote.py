"""What the metastore notes of the catalog that was written last, so that it need not be opened.

Knows nothing of views: it is told a digest of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class CatalogNote:
    """What a catalog shows: digests of the declarations, of its file's stat, and of each view.

    `views` has by dataset the digest of its view, and a mark of what the view was made from. While
    the mark is the same the view is, too. Without a mark, "", nobody can tell.
    """

    declared: str = ""
    file: str = ""
    views: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """The note in a text; an empty one if it is none of these."""
        declared, _, rest = text.partition(" ")
        try:
            file, views = json.loads(rest)
            return cls(declared, str(file), {n: (str(d), str(m)) for n, (d, m) in views.items()})
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls(declared)

    @property
    def text(self) -> str:
        """The note as text, which begins with the digest of the declarations."""
        return f"{self.declared} {json.dumps([self.file, self.views], separators=(',', ':'))}"

    def digest(self, name: str, declared: str, mark: str) -> str | None:
        """The digest of a view, if it is still the one that was noted; else None."""
        if declared != self.declared or not mark or self.views.get(name, ("", ""))[1] != mark:
            return None
        return self.views[name][0]

    def shows(self, other: Self) -> bool:
        """Whether this catalog's file is there, and is as the other note says, with its views."""
        digests = [{n: digest for n, (digest, _) in note.views.items()} for note in (self, other)]
        same = (self.declared, self.file) == (other.declared, other.file)
        return bool(self.file) and same and digests[0] == digests[1]
