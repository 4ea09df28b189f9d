"""NDJSON as it was delivered: no value is guessed, none loses digits, and lines are named."""

import datetime as dt
import json
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partflow.errors import ReadError
from partflow.formats.text import Ndjson

DAY = dt.date(2024, 2, 1)
MOMENT = dt.datetime(2024, 1, 2, 10, 0, 0, 123_000)  # noqa: DTZ001 - naive is meant


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "f.ndjson"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def whole(path, schema):
    return Ndjson(schema).read(path)


def pieces(path, schema):
    return Ndjson(schema, at_once=0).scan([path], None).collect()


READS = pytest.mark.parametrize("read", [whole, pieces])


@READS
@pytest.mark.parametrize(
    ("value", "kind", "problem"),
    [
        ('["01/02/2024"]', pl.List(pl.Date), r"'01/02/2024' is no Date; only ISO dates"),
        ('[["2024-01-02T05:00Z"]]', pl.List(pl.List(pl.Datetime("us"))), "for moments with an"),
        ('{"at":"2024-01-02T10:00:00.1239"}', pl.Struct({"at": pl.Datetime("ms")}), "finer units"),
        ('{"n":300}', pl.Struct({"n": pl.Int8}), "'300' is no Int8"),
        ('{"n":1.5}', pl.Struct({"n": pl.Int64}), "line 1: column 'a': 1.5 is no Int64"),
        ('["z"]', pl.List(pl.Enum(["x"])), "'z' is no Enum"),
        ("[1,2,3]", pl.Array(pl.Int64, 2), r"a list of 3 is no Array\(Int64, 2\)"),
        ("[0.125]", pl.List(pl.Decimal(9, 2)), r"'0.125' is no Decimal"),
        ("7", pl.List(pl.Date), r"line 1: column 'a': 7 is no List\(Date\)"),
        ('{"k":"2024-01-01"}', pl.Map(pl.String, pl.Date), "text is not read as Map"),
    ],
)
def test_what_stands_within_lists_and_objects_is_not_guessed(file, read, value, kind, problem):
    with pytest.raises(ReadError, match=problem):
        read(file(f'{{"a":{value}}}\n'), {"a": kind})


@READS
@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ('["2024-02-01",null,""]', pl.List(pl.Date), [DAY, None, None]),
        ("[]", pl.List(pl.Date), []),
        ("null", pl.List(pl.Date), None),
        ('{"at":"2024-01-02T10:00:00.123"}', pl.Struct({"at": pl.Datetime("ms")}), {"at": MOMENT}),
        ("{}", pl.Struct({"at": pl.Date}), {"at": None}),
        ("null", pl.Struct({"at": pl.Date}), None),
        ('[{"d":"2024-02-01"},null]', pl.List(pl.Struct({"d": pl.Date})), [{"d": DAY}, None]),
        ('[["2024-02-01"],[]]', pl.Array(pl.List(pl.Date), 2), [[DAY], []]),
        ('["x"]', pl.List(pl.Enum(["x"])), ["x"]),
        ("[1.5]", pl.List(pl.Decimal(9, 2)), [Decimal("1.50")]),
        ("[7]", pl.List(pl.Int8), [7]),
    ],
)
def test_lists_and_objects_are_read_as_the_schema_says(file, read, value, kind, wanted):
    frame = read(file(f'{{"a":{value}}}\n{{"a":null}}\n'), {"a": kind})
    assert frame.schema == {"a": kind}
    found = frame["a"].to_list()[0]
    assert (list(found) if isinstance(found, pl.Series) else found) == wanted


LONG = "has more digits than are read of a number; have it delivered as text, in quotation marks"


@READS
@pytest.mark.parametrize(
    ("value", "kind", "problem"),
    [
        ("12345678901234567.89", pl.Decimal(38, 2), f"12345678901234567.89 {LONG}"),
        ("5000000.0000000001", pl.Decimal(38, 10), LONG),
        ("[12345678901234567.89]", pl.List(pl.Decimal(38, 2)), LONG),
        ("12345678901234567.89", pl.String, LONG),
        ("9007199254740993", pl.Float64, "9007199254740993 has digits that Float64 does not hold"),
        ("[9007199254740993]", pl.List(pl.Float64), "has digits that Float64 does not hold"),
        ("1e400", pl.Float64, "1e400 is no Float64"),
    ],
)
def test_a_number_that_loses_digits_is_refused_with_its_line(file, read, value, kind, problem):
    path = file(f'{{"a":null}}\n\n{{"a":{value}}}\n')
    with pytest.raises(ReadError, match=r"line 3: column 'a': ") as raised:
        read(path, {"a": kind})
    assert problem in str(raised.value)


@READS
@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ('"12345678901234567.89"', pl.Decimal(38, 2), Decimal("12345678901234567.89")),
        ("1234567890123456789", pl.Decimal(38, 2), Decimal("1234567890123456789.00")),
        ("1.10", pl.Decimal(9, 2), Decimal("1.10")),
        ('"1234567890123456"', pl.String, "1234567890123456"),
        ("9007199254740992", pl.Float64, 9007199254740992.0),
        ("0.1000000000000000055", pl.Float64, 0.1),
    ],
)
def test_a_number_that_loses_nothing_is_read(file, read, value, kind, wanted):
    assert read(file(f'{{"a":{value}}}\n'), {"a": kind})["a"].to_list() == [wanted]


def test_without_a_schema_too_no_number_loses_digits(file):
    with pytest.raises(ReadError, match=r"line 1: column 'a': 9007199254740993 has digits"):
        whole(file('{"a":9007199254740993}\n{"a":0.5}\n'), None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":1}\n{"a":1e400}\n', "line 2: column 'a': 1e400 is too large for a number"),
        ('{"a":1}\n{"b":1,"a":[2]}\n', "column 'a' is a list in line 2, and a number or text in 1"),
        ('{"a":true}\n{"a":2}\n', "a number or text in line 2, and true or false in 1"),
        ('{"a":[1]}\n\n{"a":null}\n{"a":2}', "a number or text in line 4, and a list in 1"),
    ],
)
def test_without_a_schema_what_no_column_holds_is_said_in_plain_words(file, text, problem):
    with pytest.raises(ReadError) as raised:
        whole(file(text), None)
    assert problem in str(raised.value)


@READS
@pytest.mark.parametrize(
    ("value", "kind"),
    [("1.5", "Int64"), ('"1"', "Int64"), ("true", "Int64"), ("1", "Boolean"), ('"x"', "Float64")],
)
def test_a_value_of_another_type_is_named_with_its_line_and_column(file, read, value, kind):
    path = file(f'{{"n":null}}\n{{"n":{value}}}\n')
    with pytest.raises(ReadError) as raised:
        read(path, {"n": getattr(pl, kind)})
    assert f"line 2: column 'n': {value} is no {kind}" in str(raised.value)


@READS
@pytest.mark.parametrize("schema", [None, {"a": pl.Int64}])
def test_a_mark_that_begins_utf_8_is_said_in_plain_words(file, read, schema):
    with pytest.raises(ReadError, match=r"begins with a byte order mark \(BOM\)"):
        read(file(b'\xef\xbb\xbf{"a":1}\n{"a":2}\n'), schema)


@READS
@pytest.mark.parametrize("schema", [None, {"a": pl.String}])
def test_a_line_that_is_no_utf_8_is_named(file, read, schema):
    path = file('{"a":"x"}\n{"a":"café"}\n'.encode("latin-1"))
    with pytest.raises(ReadError, match="line 2 is no UTF-8 text; have it delivered as UTF-8"):
        read(path, schema)


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
KINDS = st.sampled_from([pl.Float64(), pl.Decimal(38, 4), pl.Decimal(38, 0), pl.String()])


@settings(deadline=None)
@given(texts=st.lists(NUMBERS, min_size=1, max_size=4), kind=KINDS, nests=st.booleans())
def test_a_number_is_read_as_it_stands_there_or_refused(tmp_path_factory, texts, kind, nests):
    path = tmp_path_factory.mktemp("numbers") / "f.ndjson"
    cells = [f"[{text}]" if nests else text for text in texts]
    path.write_text("".join(f'{{"a":{cell}}}\n' for cell in cells))
    try:
        found = whole(path, {"a": pl.List(kind) if nests else kind})["a"]
    except ReadError:
        return
    values = (found.explode() if nests else found).to_list()
    read = [float(value) if isinstance(kind, pl.Float64) else Decimal(value) for value in values]
    there = [json.loads(text, parse_int=Decimal, parse_float=Decimal) for text in texts]
    if isinstance(kind, pl.Float64):  # a fraction is the nearest float, a whole number itself
        there = [
            n if "." not in t and "e" not in t else float(t)
            for n, t in zip(there, texts, strict=True)
        ]
    assert read == there
