"""A column as a type that is asked for: every value as it was, or the one that does not fit."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest

from partflow.formats.fitting import Misfit, bridged, parsed

UTC = pl.Datetime("us", "UTC")


def text(*values):
    return pl.Series("a", values, dtype=pl.String)


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("7", pl.Int8(), 7),
        (" 7 ", pl.Int64(), 7),
        ("", pl.Int64(), None),
        ("", pl.String(), ""),
        ("007", pl.Int64(), 7),
        ("007", pl.String(), "007"),
        ("1e3", pl.Float64(), 1000.0),
        ("9007199254740992", pl.Float64(), 9007199254740992.0),
        ("16777216", pl.Float32(), 16777216.0),
        ("inf", pl.Float64(), float("inf")),
        ("-Infinity", pl.Float32(), float("-inf")),
        ("True", pl.Boolean(), True),
        ("1.50", pl.Decimal(12, 2), Decimal("1.50")),
        ("1.500", pl.Decimal(12, 2), Decimal("1.50")),
        ("x", pl.Enum(["x"]), "x"),
        ("2024-01-31", pl.Date(), dt.date(2024, 1, 31)),
        ("2024-01-31", pl.Datetime("us"), dt.datetime(2024, 1, 31)),  # noqa: DTZ001
        ("2024-01-31T05:00+01:00", UTC, dt.datetime(2024, 1, 31, 4, tzinfo=dt.UTC)),
        (
            "2024-01-31T05:00:00.123456-02:30",
            UTC,
            dt.datetime(2024, 1, 31, 7, 30, 0, 123456, tzinfo=dt.UTC),
        ),
        ("05:15", pl.Time(), dt.time(5, 15)),
    ],
)
def test_text_becomes_what_it_says(value, kind, wanted):
    found = parsed(text(value, None), kind)
    assert found.dtype == kind
    assert found.to_list() == [wanted, None]


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        ("300", pl.UInt8(), "a type that holds it"),
        ("1.0", pl.Int64(), "a type that holds it"),
        ("1", pl.Boolean(), "a type that holds it"),
        ("1.005", pl.Decimal(12, 2), "a type that holds it"),
        ("100", pl.Decimal(4, 2), "a type that holds it"),
        ("y", pl.Enum(["x"]), "a type that holds it"),
        ("01/02/2024", pl.Date(), ".str.to_date('%d/%m/%Y')"),
        ("2024-1-2", pl.Date(), ".str.to_date('%d/%m/%Y')"),
        ("2024-02-30", pl.Date(), ".str.to_date('%d/%m/%Y')"),
        ("01/02/2024 05:00", pl.Datetime("us"), ".str.to_datetime('%d/%m/%Y %H:%M')"),
        ("2024-01-31T05:00Z", pl.Datetime("us"), "pl.Datetime('us', 'UTC')"),
        ("2024-01-31T05:00", UTC, ".dt.replace_time_zone('...')"),
        ("2024-01-31T05:00:00.1234567", pl.Datetime("us"), "finer units"),
        (
            "1600-01-31T05:00",
            pl.Datetime("ns"),
            "units that reach so far, such as pl.Datetime('us')",
        ),
        ("2262-01-31", pl.Datetime("ns"), "units that reach so far"),
        ("2024-01-02T10:00:00-05:00", pl.Datetime("us"), "pl.Datetime('us', 'UTC')"),
        ("2024-01-02", UTC, "declare pl.Date"),
        ("2024-01-02T10:00+25:00", UTC, "mend the file"),
        ("2024-01-02T10:00+02:99", UTC, "mend the file"),
        ("2024-01-02T10:00:00.1234567+02:00", UTC, "finer units"),
        ("2024-02-30T10:00", pl.Datetime("us"), "mend the file"),
        ("9007199254740993", pl.Float64(), "a type that holds it"),
        ("+9007199254740993", pl.Float64(), "a type that holds it"),
        ("1" * 50, pl.Float64(), "a type that holds it"),
        ("16777217", pl.Float32(), "a type that holds it"),
        ("1e400", pl.Float64(), "a type that holds it"),
        ("-1e39", pl.Float32(), "a type that holds it"),
        ("05.15", pl.Time(), ".str.to_time('%H.%M')"),
        ("[1]", pl.List(pl.Int64), "pl.String"),
    ],
)
def test_the_first_value_that_does_not_fit_is_said(value, kind, advice):
    found = parsed(text(None, value), kind)
    assert isinstance(found, Misfit)
    assert advice in found.advice
    assert value in found.problem or kind == pl.List(pl.Int64)


@pytest.mark.parametrize(
    ("values", "have", "wanted"),
    [
        ([1, None], pl.Int16, pl.Int64()),
        ([1, None], pl.Int64, pl.Float64()),
        ([dt.datetime(2024, 1, 1, 12)], pl.Datetime("ns"), pl.Datetime("us")),  # noqa: DTZ001
        ([dt.datetime(2024, 1, 1, 12)], pl.Datetime("ms"), pl.Datetime("ns")),  # noqa: DTZ001
        ([dt.timedelta(1)], pl.Duration("ns"), pl.Duration("us")),
        (["x", None], pl.Categorical, pl.String()),
        (["x", None], pl.String, pl.Enum(["x"])),
        (["x", None], pl.Enum(["x"]), pl.Categorical()),
        ([Decimal("1.50")], pl.Decimal(18, 4), pl.Decimal(12, 2)),
        ([Decimal("1.50")], pl.Decimal(12, 2), pl.Decimal(18, 4)),
        ([None, None], pl.Null, pl.Int64()),
        ([[1], None], pl.List(pl.Int32), pl.List(pl.Int64)),
        ([{"k": 1}], pl.Struct({"k": pl.Int32}), pl.Struct({"k": pl.Int64})),
    ],
)
def test_a_column_becomes_another_type_of_its_kind(values, have, wanted):
    found = bridged(pl.Series("a", values, dtype=have), wanted)
    assert found.dtype == wanted
    assert found.to_list() == values


@pytest.mark.parametrize(
    ("values", "have", "wanted"),
    [
        ([1, 300], pl.Int64, pl.Int8()),
        ([2**53 + 1], pl.Int64, pl.Float64()),
        ([0.1], pl.Float64, pl.Float32()),
        ([0.5], pl.Float64, pl.Int64()),
        ([1], pl.Datetime("ns"), pl.Datetime("us")),
        ([1], pl.Datetime("us"), UTC),
        ([1], UTC, pl.Datetime("us")),
        ([Decimal("1.005")], pl.Decimal(18, 3), pl.Decimal(12, 2)),
        ([Decimal(1000)], pl.Decimal(18, 0), pl.Decimal(4, 2)),
        (["y"], pl.String, pl.Enum(["x"])),
        (["1"], pl.String, pl.Int64()),
        ([1], pl.Int64, pl.String()),
        (["2024-01-01"], pl.String, pl.Date()),
        ([{"k": 1}], pl.Struct({"k": pl.Int32}), pl.Struct({"l": pl.Int64})),
        ([[300]], pl.List(pl.Int64), pl.List(pl.Int8)),
    ],
)
def test_what_would_lose_something_is_a_misfit(values, have, wanted):
    column = pl.Series("a", values, dtype=have)
    assert isinstance(bridged(column, wanted), Misfit)


NUMBERS = [
    *(pl.Float16(), pl.Float32(), pl.Float64(), pl.Decimal(9, 2), pl.Decimal(38, 4)),
    *(pl.Decimal(38, 20), pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()),
    *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
]
PAIRS = [(have, wanted) for have in NUMBERS for wanted in NUMBERS if have != wanted]
VALUES = [
    "0",
    "1",
    "-1",
    "1.5",
    "0.1",
    "1.23",
    "127",
    "128",
    "255",
    "2048",
    "2049",
    "65504",
    "65505",
]
VALUES += ["70000", "16777216", "16777217", "33554433", "9007199254740992", "9007199254740993"]
VALUES += ["1e18", "9223372036854775807", "9223372036854775808", "18446744073709551615"]
VALUES += [
    "1e20",
    "0.00005",
    "0.0001",
    "1e-20",
    "123456.78",
    "0.1234567890123456789",
    "1e300",
    "-0.5",
]


def held(value: str, kind: pl.DataType) -> pl.Series | None:
    """A column of a type that holds the very value, or for a float, that is shown as it."""
    if kind.is_float():
        column = pl.Series([float(value)], dtype=pl.Float64).cast(kind)
        return column if shown(column) == Decimal(value) else None
    number = Fraction(value)
    if kind.is_integer():
        return pl.Series([int(number)], dtype=kind) if _holds_exactly(number, kind) else None
    scaled = number * 10**kind.scale
    is_held = scaled.denominator == 1 and abs(scaled) < 10**kind.precision
    return pl.Series([Decimal(value)], dtype=kind) if is_held else None


def shown(column: pl.Series) -> Decimal:
    """The shortest number that is read as the float; that of Float16 as Float32 has it."""
    wide = column.cast(pl.Float32) if column.dtype == pl.Float16 else column
    return Decimal(wide.cast(pl.String)[0])


@pytest.mark.parametrize(("have", "wanted"), PAIRS, ids=str)
def test_a_number_fits_another_type_exactly_if_that_holds_it(have, wanted):
    for value in VALUES:
        column = held(value, have)
        if column is None:
            continue
        fitted = bridged(column, wanted)
        if have.is_float() and not wanted.is_decimal():
            # Floats are binary: what is shown of them in fewer digits is another number.
            exact = Fraction(column.cast(pl.Float64)[0])
            fits = _holds_exactly(exact, wanted)
        elif have.is_integer() and wanted.is_float():
            exact = Fraction(value)
            fits = _holds_exactly(exact, wanted)
        else:
            exact, fits = Fraction(value), held(value, wanted) is not None
        assert isinstance(fitted, pl.Series) == fits, (value, fitted)
        if fits and not (have.is_decimal() and wanted.is_float()):
            assert Fraction(fitted[0]) == exact


def _holds_exactly(value: Fraction, kind: pl.DataType) -> bool:
    if kind.is_integer():
        lowest, highest = (pl.select(each).item() for each in (kind.min(), kind.max()))
        return value.denominator == 1 and lowest <= value <= highest
    digits, least, most = {
        "Float16": (11, -24, 65504),
        "Float32": (24, -149, 2**128 - 2**104),
        "Float64": (53, -1074, 2**1024 - 2**971),
    }[str(kind)]
    numerator = abs(value.numerator)
    odd = numerator >> ((numerator & -numerator).bit_length() - 1) if numerator else 0
    is_binary = value.denominator & (value.denominator - 1) == 0
    return (
        is_binary
        and odd.bit_length() <= digits
        and value.denominator <= 2**-least
        and abs(value) <= most
    )


@pytest.mark.parametrize("scale", [2, 4, 10])
@pytest.mark.parametrize("nested", [lambda kind: kind, pl.List, lambda kind: pl.Array(kind, 1)])
def test_a_decimal_loses_digits_as_float16_whatever_its_scale_is(scale, nested):
    column = pl.Series([Decimal("1.23")], dtype=pl.Decimal(20, scale))
    column = column.implode() if nested is pl.List else column
    if nested(pl.Int8()) == pl.Array(pl.Int8, 1):
        column = column.reshape((1, 1))
    assert isinstance(bridged(column, nested(pl.Float16())), Misfit)
    fitted = bridged(column, nested(pl.Float64()))
    assert fitted.dtype == nested(pl.Float64())
    assert fitted.to_list() in ([1.23], [[1.23]])


def test_decimals_in_structs_are_looked_at_by_their_digits():
    column = pl.Series(
        [{"k": Decimal("1.23"), "l": 1}, None],
        dtype=pl.Struct({"k": pl.Decimal(9, 2), "l": pl.Int8}),
    )
    assert isinstance(bridged(column, pl.Struct({"k": pl.Float16, "l": pl.Int8})), Misfit)
    fitted = bridged(column, pl.Struct({"k": pl.Float32, "l": pl.Int16}))
    assert fitted.to_list() == [{"k": pytest.approx(1.23), "l": 1}, None]


@pytest.mark.parametrize("values", [[1500], [None, 1500], [1500, None]])
def test_a_span_that_does_not_fit_is_said(values):
    spans = pl.Series("a", values, dtype=pl.Int64).cast(pl.Duration("us"))
    found = bridged(spans, pl.Duration("ms"))
    assert isinstance(found, Misfit)
    assert found.problem == "'0:00:00.001500' is no Duration(time_unit='ms')"


@pytest.mark.parametrize("offset", ["+25:00", "-24:00", "+02:99", "+2399"])
def test_an_offset_that_there_is_not_is_said(offset):
    found = parsed(text(f"2024-01-02T10:00{offset}"), UTC)
    assert isinstance(found, Misfit)
    assert found.problem.endswith(f"there is no offset {offset}")


def test_a_list_that_does_not_fit_is_said_in_a_line():
    found = bridged(pl.Series("a", [[1], [300]]), pl.List(pl.Int8))
    assert isinstance(found, Misfit)
    assert found.problem == "'[300]' is no List(Int8)"
