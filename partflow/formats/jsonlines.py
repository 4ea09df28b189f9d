"""Looks at NDJSON line by line: for a line that is no object, or a value its column cannot hold.

Knows nothing of datasets. Where a column is text, polars reads a number with a fraction as a float
first; where a column is a float, it reads whole numbers as floats. Which numbers lose digits by
that only the text of the file shows. To look at every line takes ten times as long as to read the
file, so it is done only if polars refuses the file, or if a value may have lost digits.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from partflow.errors import ReadError
from partflow.formats.fingerprint import type_text
from partflow.formats.packed import opened_unpacked
from partflow.formats.schemas import instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_EXACT = 2**53
"""From here on not every whole number is a Float64."""
_LONG = r"^-?[0-9][0-9.]{14}[-+.eE0-9]*$"
"""Matches text of a number with at least fifteen digits, which polars may have rounded."""
_LONG_IN_FILE = r"[:\[,\s]-?[0-9][0-9.]{15}[0-9.eE]"
"""Matches numbers of more than fifteen digits in a file, with or without a fraction."""
_AT_ONCE = 2**24
_SHOWN = 60
_TYPE = "mend the file, or declare a type that holds it"
_QUOTED = "have it delivered as text, in quotation marks"
_AGAIN = "have it delivered again"


class _Whole(str):
    """The text of a whole number in a file."""

    __slots__ = ()


class _Fraction(str):
    """The text of a number with a fraction or an exponent in a file."""

    __slots__ = ()

    @property
    def is_rounded(self) -> bool:
        """Whether making a float of it changes the number."""
        return self.is_too_large or Decimal(self) != Decimal(repr(float(self)))

    @property
    def is_too_large(self) -> bool:
        """Whether it is larger than every float."""
        return math.isinf(float(self))


@contextmanager
def naming_lines(path: Path, schema: Schema | None) -> Iterator[None]:
    """Raise ReadError that names the line, if polars raises over a line in the file.

    If no line is at fault, what polars raised goes through.
    """
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        require_lines(path, schema or {})
        if schema is None:
            _require_one_form(path)
        raise


def may_have_lost_digits(frame: pl.DataFrame) -> bool:
    """Whether some number in the frame may differ from the file's, because it was a float."""
    return any(_is_doubtful(column) for column in frame.iter_columns())


def has_long_decimals(path: Path, schema: Schema) -> bool:
    """Whether the schema has a Decimal, and the file a number too long to pass through a float.

    Only the file tells: polars writes a float with few digits even if the file had many.
    """
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    if not any(_holds(kind, pl.Decimal) for kind in instances(schema).values()):
        return False
    with opened_unpacked(path) as file:
        while lines := file.readlines(_AT_ONCE):
            if pc.match_substring_regex(pa.array(lines), _LONG_IN_FILE).true_count:
                return True
    return False


def require_lines(path: Path, schema: Schema) -> None:
    """Raise ReadError for the first line that is no object, or has a value that does not fit."""
    types = instances(schema)
    for number, fields in _objects(path):
        for name, kind in types.items():
            if (problem := _problem(fields.get(name), kind)) is not None:
                message = f"line {number:,}: column {name!r}: {problem[0]}"
                raise ReadError(str(path), message, problem[1])


def _require_one_form(path: Path) -> None:
    """Raise ReadError for a field that no column holds, where no schema says what it is to be."""
    first: dict[str, tuple[int, str]] = {}
    for number, fields in _objects(path):
        for name, value in fields.items():
            if isinstance(value, _Fraction) and value.is_too_large:
                message = (
                    f"line {number:,}: column {name!r}: {_shown(value)} is too large for a number"
                )
                raise ReadError(str(path), message, _QUOTED)
            if value is None:
                continue
            at, form = first.setdefault(name, (number, _form(value)))
            if form != _form(value):
                message = (
                    f"column {name!r} is {_form(value)} in line {number:,}, and {form} in {at:,}"
                )
                raise ReadError(str(path), message, "have it delivered in one form")


def _form(value: Any) -> str:
    match value:
        case list():
            return "a list"
        case dict():
            return "an object"
        case bool():
            return "true or false"
        case _:
            return "a number or text"


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The object in each line that is not blank, with the line's number; ReadError for no object.

    Numbers are as they stand in the file.
    """
    with opened_unpacked(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(path, number, line)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        advice = "have it delivered as UTF-8"
        raise ReadError(str(path), f"line {number:,} is no UTF-8 text", advice) from None
    try:
        value = json.loads(
            text, parse_int=_Whole, parse_float=_Fraction, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    problem = f"line {number:,} is no JSON object: it may be cut off"
    raise ReadError(str(path), problem, _AGAIN) from None


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _problem(value: Any, kind: Any) -> tuple[str, str] | None:
    """Why a value of JSON is not read as a type, and what to do; None if it is."""
    import polars as pl

    if value is None:
        return None
    match kind:
        case pl.List() | pl.Array() if isinstance(value, list):
            problems = (_problem(each, kind.inner) for each in value)
        case pl.Struct() if isinstance(value, dict):
            problems = (_problem(value.get(field.name), field.dtype) for field in kind.fields)
        case _:
            return _problem_of_one(value, kind)
    return next((each for each in problems if each is not None), None)


def _problem_of_one(value: Any, kind: pl.DataType) -> tuple[str, str] | None:
    """Why a single value, or one of another shape than the type, is not read as it."""
    import polars as pl

    match kind:
        case pl.Boolean():
            return None if isinstance(value, bool) else _misfit(value, kind)
        case pl.Int64() | pl.UInt64():
            return None if _is_within(value, kind) else _misfit(value, kind)
        case pl.Float64():
            return _problem_of_float(value, kind)
        case pl.String() | pl.Decimal():
            return _problem_of_text(value)
        case pl.List() | pl.Array() | pl.Struct():
            return _misfit(value, kind)
        case _:
            return None  # It is read as text, and its text is judged later.


def _is_within(value: Any, kind: pl.DataType) -> bool:
    lo, hi = (0, 2**64) if kind.is_unsigned_integer() else (-(2**63), 2**63)
    # The length is tested first: to make a number of endless text would take too long.
    return isinstance(value, _Whole) and len(value) < _SHOWN and lo <= int(value) < hi


def _problem_of_float(value: Any, kind: pl.DataType) -> tuple[str, str] | None:
    if isinstance(value, _Fraction) and not value.is_too_large:
        return None
    if not isinstance(value, _Whole):
        return _misfit(value, kind)
    if Decimal(value) == Decimal(float(value)):
        return None
    problem = f"{_shown(value)} has digits that Float64 does not hold"
    return problem, f"declare pl.Int64, or {_QUOTED}"


def _problem_of_text(value: Any) -> tuple[str, str] | None:
    if not (isinstance(value, _Fraction) and value.is_rounded):
        return None
    return f"{_shown(value)} has more digits than are read of a number", _QUOTED


def _misfit(value: Any, kind: pl.DataType) -> tuple[str, str]:
    return f"{_shown(value)} is no {type_text(kind)}", _TYPE


def _shown(value: Any) -> str:
    """A value as it is written in the file, cut to 60 characters."""
    is_number = isinstance(value, (_Whole, _Fraction))
    text = str(value) if is_number else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _holds(kind: Any, wanted: type[pl.DataType]) -> bool:
    """Whether a type is of the wanted class, or has one within it."""
    inner = [f.dtype for f in getattr(kind, "fields", ())]
    inner += [kind.inner] if hasattr(kind, "inner") else []
    return isinstance(kind, wanted) or any(_holds(each, wanted) for each in inner)


def _is_doubtful(column: pl.Series) -> bool:
    """Whether a column has a float or a text that may be a rounded number."""
    import polars as pl

    match column.dtype:
        case pl.List():
            return _is_doubtful(column.explode())
        case pl.Struct():
            return any(_is_doubtful(part) for part in column.struct.unnest().iter_columns())
        case pl.Float64():
            return bool((column.abs() >= _EXACT).any())
        case pl.String():
            return bool(column.str.contains(_LONG).any())
        case _:
            return False
