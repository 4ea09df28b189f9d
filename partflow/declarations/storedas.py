"""In which format a dataset's files are kept, as far as the declaration alone tells.

Knows nothing of files: what reads and writes them stands in `formats`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final, Protocol

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_ENDING = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*\Z")


class Brought(Protocol):
    """What a declaration uses of a format that a project brings; see `partflow.Format`."""

    @property
    def name(self) -> str:
        """What is recorded of it."""

    @property
    def extension(self) -> str:
        """The ending of the files that tasks write, without the dot."""


@dataclass(frozen=True, slots=True)
class StoredAs:
    """What is known of a format, whatever is in a file of it.

    `ending` is that of the files that tasks write, without the dot. If `is_table`, a file has rows
    and columns: parameters get frames, and DuckDB shows it. If `is_text`, types are known only from
    reading it. If `may_lack_columns`, a column of the schema that a source's file lacks is null;
    else that is an error. If `has_footer`, a file carries the record of its making; else the
    journal has it. If `is_path`, parameters get the paths of the files, whatever is in them.
    `brought` is the project's own format, None for those of partflow.
    """

    name: str
    ending: str
    is_table: bool = True
    is_text: bool = False
    may_lack_columns: bool = False
    has_footer: bool = False
    is_path: bool = False
    brought: Brought | None = None

    @property
    def file_name(self) -> str:
        """The name of a partition's file in its folder."""
        return f"data.{self.ending}"


PARQUET: Final = StoredAs("parquet", "parquet", has_footer=True)
SKOPS: Final = StoredAs("skops", "skops", is_table=False)
CSV: Final = StoredAs("csv", "csv", is_text=True)
NDJSON: Final = StoredAs("ndjson", "ndjson", is_text=True, may_lack_columns=True)
JSON: Final = StoredAs("json", "json", is_table=False)
FILE: Final = StoredAs("file", "file", is_table=False, is_path=True)

WRITTEN: Final[Mapping[str, StoredAs]] = MappingProxyType({f.name: f for f in (PARQUET, SKOPS)})
"""partflow's own formats that tasks write, by name."""
DELIVERED: Final[Mapping[str, StoredAs]] = MappingProxyType(
    {f.name: f for f in (PARQUET, CSV, NDJSON, JSON, FILE)}
)
"""partflow's own formats of sources, by name."""
PACKED: Final = (".gz", ".zst")
"""The endings of compressed files of text, after that of their format."""
_OWN: Final = frozenset(form.name for form in (PARQUET, SKOPS, CSV, NDJSON))
"""Names that no format of a project may have; later ones may be in use already."""


def understood(given: object, *, is_source: bool) -> StoredAs | str:
    """What a declaration's `format` stands for; or what is wrong with it, in words."""
    if isinstance(given, str):
        formats = DELIVERED if is_source else WRITTEN
        what = "known for a source" if is_source else "known"
        unknown = f"format {given!r} is not {what}; there are {', '.join(formats)}"
        return formats.get(given) or unknown
    if problem := _problem_of_kind(given, is_source=is_source):
        return problem
    what = f"its format {type(given).__name__}"
    try:
        name, ending = given.name, given.extension  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001 - it is the user's code
        return f"{what} raises {type(error).__name__} when it is asked for its name: {error}"
    if not isinstance(name, str) or not _NAME.match(name):
        return (
            f"the name of {what} is {name!r}; it must be a lower-case letter, then letters, digits "
            "and _, at most 63 in all"
        )
    if name in _OWN:
        return f"{what} is named {name!r}, which is a format of partflow's own; name it otherwise"
    if not isinstance(ending, str) or not _ENDING.match(ending):
        return f"the extension of {what} is {ending!r}; it must be an ending such as {name!r}"
    if ending in WRITTEN:
        return f"the extension of {what} is {ending!r}, by which partflow's own files are found"
    return StoredAs(name, ending, is_table=False, brought=given)  # type: ignore[arg-type]


def _problem_of_kind(given: Any, *, is_source: bool) -> str | None:
    """Why a value cannot be a format of the project's own; None if it can."""
    if isinstance(given, type):
        return f"its format is the class {given.__name__}; give an object: {given.__name__}()"
    if isinstance(given, ModuleType):
        return f"its format is the module {given.__name__}; give an object of a class"
    wanted = ("name", "extension", "read", "fingerprint", *(() if is_source else ("write",)))
    present = {*dir(type(given)), *getattr(given, "__dict__", ())}
    missing = [each for each in wanted if each not in present]
    if len(missing) == len(wanted):
        own = DELIVERED if is_source else WRITTEN
        return (
            f"its format is {given!r}; give one of {', '.join(own)}, or an object as "
            "partflow.Format describes it"
        )
    if missing:
        return f"its format {type(given).__name__} has no {missing[0]}; see partflow.Format"
    calls = [each for each in wanted[2:] if not callable(getattr(type(given), each, None))]
    if calls:
        return f"the {calls[0]} of its format {type(given).__name__} is no method of its class"
    return None
