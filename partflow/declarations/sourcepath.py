"""Says what is wrong with the path of a source, and which format follows from it.

Knows nothing of the sources themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.declarations.keyedpath import KeyedPath, keyed_path
from partflow.declarations.storedas import PACKED

if TYPE_CHECKING:
    from partflow.partitions.calendar import Grain

_ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
}


def placed(path: str, grain: Grain) -> KeyedPath:
    """The path with its pieces of the key; one without any, if there is something wrong with it."""
    place = keyed_path(path, grain)
    return KeyedPath((path,), (), "") if isinstance(place, str) else place


def problem_of_braces(path: str, grain: Grain) -> str | None:
    """Why a path does not say where the file of each partition is; None if it does."""
    place = keyed_path(path, grain)
    if isinstance(place, str):
        return place
    return problem_of_path(unstarred(place.of(grain.template)))


def format_by_ending(path: str) -> str:
    """The name of the format of files whose path ends so; "" if that does not tell."""
    packed = next((ending for ending in PACKED if path.endswith(ending)), "")
    plain = path.removesuffix(packed)
    form = next((form for ending, form in _ENDINGS.items() if plain.endswith(ending)), "")
    return "" if packed and form == "parquet" else form


def unstarred(path: str) -> str:
    """A source's path with a letter for each * in the name of its files."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.replace('*', 'x')}"


def problem_of_pattern(path: str) -> str | None:
    """Why a path is that of no files; None if nothing is wrong with the * in it."""
    folder, _, name = path.rpartition("/")
    if "**" in name:
        return "has a **; one * stands for any text in the name of a file"
    if "*" in folder:
        return (
            "has a * in the name of a folder, and only names of files may have one: name the "
            "folder, or declare a source for each"
        )
    return None


def problem_of_path(path: str) -> str | None:
    """What is wrong with a path; None if nothing is.

    A pattern or an address would be taken literally, and find nothing.
    """
    if "://" in path:
        return (
            "is an address; a source's files lie below the project, or a link there leads to them"
        )
    if "\\" in path:
        return "has a \\; write / between folders, on every system"
    if pattern := next((c for c in path if c in "*?["), None):
        return (
            f"has a {pattern}, which means nothing here; a * in the name of a source's files "
            "stands for any text"
        )
    if path.endswith("/"):
        return "is a folder; name the files in it"
    if path.startswith(("/", "~")) or ".." in path.split("/") or "\0" in path:
        return "must be relative to the project and stay inside it"
    return None
