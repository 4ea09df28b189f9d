"""What text is typed as: numbers, true and false, ISO dates and times; all else stays text."""

import polars as pl
import pytest

from partflow.texttypes import typed

US, NS, UTC = pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("us", "UTC")


def type_of(*values):
    return typed(pl.DataFrame({"a": [None, *values]}, schema={"a": pl.String})).schema["a"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (("1", "-2"), pl.Int64),
        (("1", "0.5"), pl.Float64),
        (("1e5", "inf", "NaN", ".5"), pl.Float64),
        (("99999999999999999999",), pl.Int128),
        (("true", "FALSE"), pl.Boolean),
        (("2024-01-02",), pl.Date),
        (("2024-01-02T05:00", "2024-01-02 05:00:00.5"), US),
        (("2024-01-02T05:00:00.123456789",), NS),
        (("2024-01-02T05:00Z", "2024-01-02T05:00:00+01:00", "2024-01-02T05:00:00-0130"), UTC),
        (("05:15", "05:15:30.5"), pl.Time),
    ],
)
def test_what_all_values_are_a_column_is(values, wanted):
    assert type_of(*values) == wanted


@pytest.mark.parametrize(
    "values",
    [
        ("01/02/2024",),
        ("2024/01/02",),
        ("01.02.2024",),
        ("01-02-2024",),
        ("2024-1-2",),
        ("1/2/2024 05:00",),
        ("2024-02-30",),
        ("2024-01-02", "01/02/2024"),
        ("2024-01-02", "2024-01-02T05:00"),
        ("2024-01-02T05:00", "2024-01-02T05:00Z"),
        ("24:00",),
        ("2024-01-02T23:59:60",),
        ("007",),
        ("1", "2", "007"),
        ("007", "1.5"),
        ("1.5", "-01.5"),
        ("+49301234",),
        ("1", "x"),
        (" 1",),
        ("1,5",),
        ("1e999",),
        ("nan",),
        ("1.5", "99999999999999999999"),
        ("true", "1"),
        ("1", ""),
        ("",),
        (),
    ],
)
def test_what_one_value_is_not_a_column_is_not(values):
    assert type_of(*values) == pl.String


def test_what_stays_text_stays_as_it_was():
    frame = pl.DataFrame({"a": ["007", None, "01/02/2024", ""]})
    assert typed(frame).equals(frame)
