"""Reads SQL statements by name from the `.sql` files beside the modules that use them.

Knows nothing of what they say. A statement begins after a line `-- name: its_name` and ends before
the next one.
"""

from __future__ import annotations

import functools
import pkgutil
import re

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def sql_in(name: str) -> str:
    """The text of one file."""
    text = pkgutil.get_data("partflow.metastore.sqlite", f"{name}.sql")
    assert text is not None
    return text.decode()


class Statements:
    """The statements of one file, which is read once, when the first of them is needed."""

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """Every statement by its name."""
        _, *parts = _NAME.split(sql_in(self.name))
        return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))

    def __getitem__(self, name: str) -> str:
        """The statement of that name; KeyError if the file has none."""
        return self.texts[name]
