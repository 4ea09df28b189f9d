"""Lays texts and numbers out for people: columns, counts, sizes, moments.

Knows nothing of what they are about.
"""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Collection, Sequence
from typing import IO, Any

import click

from partflow.partitions.keytexts import shown_key
from partflow.process.streams import require_written

_UNITS = ("KB", "MB", "GB", "TB", "PB")
_STEP = 1000
_LINES = 20
_LETTERS = 1_000
_JOINERS = "\u200c\u200d"


def aligned(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: str = "  "
) -> list[str]:
    """The rows as lines with aligned columns; those whose numbers are in `right` to the right."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [padded(cell, widths[i], to_the_right=i in right) for i, cell in enumerate(row)]
        lines.append(gap.join(cells).rstrip())
    return lines


def tabled(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    colours: Sequence[str | None] = (),
) -> list[str]:
    """The rows as lines; the first holds the names of the columns, and there are at least two.

    What the terminal has no room for beside the rest stands in further tables below, each of which
    begins with the first column. `colours` are those of the rows, none if there are none.
    """
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for part in _parts(widths, room()):
        cells = [[row[i] for i in part] for row in rows]
        table = aligned(cells, right=[at for at, i in enumerate(part) if i in right])
        lines += [""] if lines else []
        lines += map(painted, table, colours) if colours else table
    return lines


def _parts(widths: Sequence[int], space: int | None, gap: int = 2) -> list[list[int]]:
    """The numbers of the columns that stand in each table; 0 in each of them."""
    parts, taken = [[0, 1]], widths[0] + gap + widths[1]
    for number, size in enumerate(widths[2:], start=2):
        taken += gap + size
        if space is not None and taken > space:
            parts.append([0])
            taken = widths[0] + gap + size
        parts[-1].append(number)
    return parts


def padded(text: str, size: int, *, to_the_right: bool = False) -> str:
    """The text with spaces added until it is `size` cells wide."""
    spaces = " " * (size - width(text))
    return spaces + text if to_the_right else text + spaces


def width(text: str) -> int:
    """How many cells of a terminal a text takes; codes for colours take none."""
    plain = click.unstyle(text)
    if plain.isascii():
        return len(plain)
    from rich.cells import cell_len

    return cell_len(plain)


def shortened(text: str, size: int) -> str:
    """The text if it is at most `size` cells wide, else its beginning and `…`; `size` is >= 1."""
    if width(text) <= size:
        return text
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, size - 1).rstrip()}…"


def printable(text: str, kept: str = "") -> str:
    """The text with characters escaped that a terminal would obey, except those in `kept`.

    A terminal obeys control characters, and marks of direction can make it show a text as another
    one. Joiners are not escaped, because many scripts and emoji need them.
    """
    if text.isprintable():
        return text
    return "".join(c if c in kept or _is_harmless(c) else _escaped(c) for c in text)


def _is_harmless(char: str) -> bool:
    """Whether a terminal only shows a character: a letter, a space of any width, a joiner."""
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 partition`, `1,095 partitions`; `many` is an irregular plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(nbytes: int) -> str:
    """A number of bytes for people: `812 B`, `1.4 MB`; a KB has 1000 bytes."""
    if nbytes < _STEP:
        return f"{nbytes} B"
    number, unit = nbytes / _STEP, _UNITS[0]
    for larger in _UNITS[1:]:
        # 999.95 would be printed as 1000.0.
        if number < _STEP - 0.05:
            break
        number, unit = number / _STEP, larger
    return f"{number:.1f} {unit}"


def moment(at: float) -> str:
    """A moment, given in epoch seconds, as UTC: `2026-03-01T05:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def span(first: str, last: str) -> str:
    """Two keys as a range, `first .. last`, as people read keys; one if they are the same."""
    first, last = shown_key(first), shown_key(last)
    return first if first == last else f"{first} .. {last}"


def bounded(text: str) -> list[str]:
    """The lines of a text, fit for a terminal and of bounded length.

    The middle is left out of more than 20 lines, and of a line of more than 1,000 characters. The
    JSON of the same report has all of it.
    """
    lines = text.splitlines()
    if len(lines) > _LINES:
        left = len(lines) - _LINES
        half = _LINES // 2
        lines = [*lines[:half], f"... {left:,} lines are left out here ...", *lines[-half:]]
    return [printable(_middle_left_out(line)) for line in lines]


def _middle_left_out(line: str) -> str:
    if len(line) <= _LETTERS:
        return line
    half = _LETTERS // 2
    left = len(line) - _LETTERS
    return f"{line[:half]} ... {left:,} letters are left out here ... {line[-half:]}"


def painted(text: str, colour: str | None, *, dim: bool = False) -> str:
    """The text in a colour; without one if NO_COLOR is set, or stdout is no terminal."""
    shown = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour, dim=dim or None) if shown and (colour or dim) else text


def room(file: IO[Any] | None = None) -> int | None:
    """How many cells wide a terminal is; None if the file is no terminal.

    The file is standard output if none is given.
    """
    import shutil

    is_seen = (file or sys.stdout).isatty()
    return shutil.get_terminal_size().columns if is_seen else None


def print_json(document: object) -> None:
    """Print one JSON document; OutputLostError if it cannot be written."""
    click.echo(json_text(document, indent=2))
    require_written()


def json_text(document: object, indent: int | None = None) -> str:
    """A document as JSON; characters that a terminal would obey are escaped."""
    import json

    text = json.dumps(document, indent=indent, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or _is_harmless(c) else json.dumps(c)[1:-1] for c in text)
