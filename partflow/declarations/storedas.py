"""In which format a dataset's files are kept, as far as the declaration alone tells.

Knows nothing of files: what reads and writes them stands in `formats`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class StoredAs:
    """What follows from the name of a format.

    `ending` is that of the files that tasks write. A `is_table` has rows and columns: parameters
    get frames, and DuckDB shows it. The types of `is_text` are told only by reading. Where others'
    files `may_lack_columns`, those of a schema that one lacks are null; else that is an error.
    `has_footer` says whether a file carries the record of its making; what does not has it in the
    journal.
    """

    name: str
    ending: str
    is_table: bool = True
    is_text: bool = False
    may_lack_columns: bool = False
    has_footer: bool = False

    @property
    def file_name(self) -> str:
        """The name of a partition's file in its folder."""
        return f"data.{self.ending}"


PARQUET: Final = StoredAs("parquet", "parquet", has_footer=True)
SKOPS: Final = StoredAs("skops", "skops", is_table=False)
CSV: Final = StoredAs("csv", "csv", is_text=True)
NDJSON: Final = StoredAs("ndjson", "ndjson", is_text=True, may_lack_columns=True)

WRITTEN: Final[Mapping[str, StoredAs]] = MappingProxyType({f.name: f for f in (PARQUET, SKOPS)})
"""partflow's own formats that tasks write, by name."""
DELIVERED: Final[Mapping[str, StoredAs]] = MappingProxyType(
    {f.name: f for f in (PARQUET, CSV, NDJSON)}
)
"""partflow's own formats of sources, by name."""
