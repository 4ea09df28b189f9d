"""Reads the SQL that a project keeps in files of its own, for the modules that use it.

Knows nothing of fingerprints: that such a text is part of a task's code is for others to see.
"""

from __future__ import annotations

import sys
from pathlib import Path

from partflow.dataset import declared_at
from partflow.errors import DeclarationError


def sql_file(path: str) -> str:
    """The text of a file whose path is relative to the folder of the calling module.

    It is part of the code of every task that reaches the call, which goes stale when the text
    changes. For that the path has to be written out in the call: `sql_file("queries/clean.sql")`.

    Raises:
        DeclarationError: there is no such file, it is not UTF-8, or the path is not relative.
    """
    module = sys._getframe(1).f_globals.get("__file__")  # noqa: SLF001 - as in declared_at
    # A notebook has no file; what it names lies in its working directory.
    folder = Path(module).parent if isinstance(module, str) else Path()
    if Path(path).is_absolute():
        problem = "give a path that is relative to the module's folder"
        raise DeclarationError(f"{declared_at()}: sql_file({path!r}): {problem}")
    try:
        return read_sql(folder / path)
    except OSError as error:
        problem = f"{error.strerror}; the path starts at the folder of the module that calls"
        raise DeclarationError(f"{declared_at()}: sql_file({path!r}): {problem}") from None
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}; save it as UTF-8"
        raise DeclarationError(f"{declared_at()}: sql_file({path!r}): {problem}") from None


def read_sql(path: Path) -> str:
    """UTF-8, without a byte order mark, every line end as a newline.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return path.read_text("utf-8-sig")
