"""Reads the SQL that a project keeps in files of its own, for the modules that use it.

Knows nothing of fingerprints; `code` follows such calls, and counts the texts as code of tasks.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

from partflow.errors import DeclarationError
from partflow.partitions.declaring import declared_at, refuse

_READ: Final[dict[tuple[str, str], tuple[ModuleSpec, str]]] = {}
"""The texts by module and by the path in the call, each with the module's spec of that time.

A reload gives the module another spec, and then the file is read again."""


def sql_file(path: str) -> str:
    """The text of a file whose path is relative to the folder of the calling module.

    It is part of the code of every task that reaches the call, which goes stale when the text
    changes. For that the path has to be written out in the call: `sql_file("queries/clean.sql")`.
    As with modules, one process reads it once, until the calling module is reloaded.

    DeclarationError if there is no such file, if it is not UTF-8, or if the path is not relative.
    """
    caller = sys._getframe(1).f_globals  # noqa: SLF001 - as in declared_at
    module = caller.get("__file__")
    # A notebook has no file; what it names lies in its working directory.
    folder = Path(module).parent if isinstance(module, str) else Path()
    if Path(path).is_absolute():
        return _refused(path, "give a path that is relative to the module's folder")
    try:
        return sql_for(caller.get("__spec__"), folder, path)
    except OSError as error:
        return _refused(
            path, f"{error.strerror}; the path starts at the folder of the module that calls"
        )
    except UnicodeDecodeError as error:
        return _refused(path, f"not UTF-8 at byte {error.start}; save it as UTF-8")


def _refused(path: str, problem: str) -> str:
    refuse(DeclarationError(f"{declared_at()}: sql_file({path!r}): {problem}"))
    return ""


def sql_for(module: ModuleSpec | None, folder: Path, path: str) -> str:
    """The text of a file; for a module, what it was when that module first asked for it.

    So the text that is fingerprinted is the text that runs. It is without a byte order mark, and
    every line end is a newline. OSError if the file can't be read, UnicodeDecodeError if it is not
    UTF-8.
    """
    if module is None:
        return (folder / path).read_text("utf-8-sig")
    kept = _READ.get((module.name, path))
    if kept is None or kept[0] is not module:
        kept = module, (folder / path).read_text("utf-8-sig")
        _READ[module.name, path] = kept
    return kept[1]
