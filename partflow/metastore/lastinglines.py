"""Says which lines of a journal are needed: those that no later one replaces.

Knows nothing of where a journal is, nor of why a making is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from partflow.metastore.journal import JournalLine, said_in
from partflow.metastore.record import Record, mark


@dataclass(frozen=True, slots=True)
class LastingLines:
    """What is needed of a journal: the makings with these marks, and all but what is `gone`.

    `gone` are the names of values that are needed no more, each with its table in `Journal`.
    """

    marks: AbstractSet[int]
    gone: AbstractSet[tuple[str, Any]]

    def __call__(self, lines: Iterator[str]) -> list[bool]:
        """Whether each line is needed. One that cannot be read is, since nobody knows what it says.

        The last record always is: its number says how far the metastore beside the journal was.
        """
        stays: list[bool] = []
        last: dict[tuple[str, Any], int] = {}
        last_record = None
        for number, line in enumerate(lines):
            try:
                said = said_in(line)
                stays.append(self._is_needed(said, line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                stays.append(True)
                continue
            is_record = said.table == "records"
            place = ("begun", said.ends) if is_record else (said.table, said.name)
            if place in last:
                stays[last.pop(place)] = False
            if is_record:
                last_record = number
            elif stays[number]:
                last[place] = number
        if last_record is not None:
            stays[last_record] = True
        return stays

    def _is_needed(self, said: JournalLine, line: str) -> bool:
        """Whether a line is needed if no later one replaces it; ValueError if it cannot be read."""
        if said.table != "records":
            return said.value is not None and (said.table, said.name) not in self.gone
        made = said.value
        making = mark(
            *said.name, made["content"], made["code"], bytes.fromhex(made["inputs"]),
            made["made_at"], made["run"], made["sha256"],
        )  # fmt: skip
        if making in self.marks:
            return True
        Record.from_json(line)
        return False
