"""What text is typed as: numbers, true and false, ISO dates and times; all else stays text."""

import hashlib

import polars as pl
import pytest

from partflow.errors import ReadError
from partflow.formats.csvtext import opened
from partflow.formats.text import Csv, Ndjson
from partflow.formats.texttypes import RULES, typed

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
        ("1" * 40, "2"),
        ("1.5", "1" * 40),
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


GOLDEN = {2: "f48b48822df1d319", 3: "f48b48822df1d319", 4: "f48b48822df1d319"}
"""By the number of the rules, a digest of what they make of the text below."""
VALUES = (
    *("", "0", "-0", "1", "+1", "-2", "007", "00", "0.5", ".5", "1.", "-01.5", "1e5", "1e999"),
    *("99999999999999999999", "1_000", " 1", "inf", "-inf", "NaN", "nan", "true", "FALSE", "yes"),
    *("2024-01-02", "2024-1-2", "20240102", "01/02/2024", "02.01.2024", "2024-02-30", "2024-01"),
    *("2024-01-02T05:00", "2024-01-02 05:00:00.5", "2024-01-02T05:00:00.123456789", "05:15"),
    *("2024-01-02T05:00Z", "2024-01-02T05:00:00+01:00", "2024-01-02T24:00", "24:00", "05:15:30.5"),
    *("2024-01-02T05:00+25:00", "2024-01-02T05:00+02:99"),
)
FILES = (
    *("a,b\n1,2\n", "a,b\n1,2\n\n", "a,b\n1\n", "a,b\n1,2,3\n", "a,b\n  \n1,\n", "a,b\n,\n"),
    *("a,a\n1,2\n", "a,b\na,b\n", "a;b\n1;2\n", "a\n\n1\n", "", "a,b", 'a,b\n"",\n'),
)
DECLARED = (
    *((Csv({"a": pl.Float64}), f"a\n{value}\n") for value in ("9007199254740993", "1e400", "inf")),
    *((Csv({"a": pl.Float32}), f"a\n{value}\n") for value in ("16777217", "1e39", "0.1")),
    (Csv({"a": pl.Datetime("us", "UTC")}), "a\n2024-01-02T05:00+25:00\n"),
    (Csv(), "a,b\n" + "1,2\n" * 30_000 + "\0\0\0"),
    (Ndjson({"a": pl.List(pl.Date)}), '{"a":["01/02/2024"]}'),
    (Ndjson({"a": pl.Decimal(38, 2)}), '{"a":12345678901234567.89}'),
    (Ndjson({"a": pl.Struct({"at": pl.Datetime("ms")})}), '{"a":{"at":"2024-01-02T05:00:00.1"}}'),
    (Ndjson({"a": pl.Float64}), '{"a":9007199254740993}'),
    (Csv({"a": pl.Int64, "b": pl.Categorical, "c": pl.String}), 'a,b,c\n1,"x,y","p\nq"\n2,z\n'),
)


def test_what_text_comes_to_changes_only_with_the_number_of_the_rules(tmp_path):
    said = [str(type_of(one, other)) for one in VALUES for other in (one, *VALUES)]
    for text in FILES:
        path = tmp_path / "f.csv"
        path.write_text(text)
        try:
            said.append(repr(opened(path).rows(typed).rows()))
        except ReadError:
            said.append("refused")
    for form, text in DECLARED:
        path.write_text(text)
        try:
            said.append(repr(form.read(path).rows()))
        except ReadError:
            said.append("refused")
    assert hashlib.sha256("\n".join(said).encode()).hexdigest()[:16] == GOLDEN[RULES]
