"""How the files of a source differ: each column once, with two keys and the line that ends it."""

import polars as pl
import pytest

from partflow.formats.variety import columns_left_out, types_varied
from partflow.planning.snapshot import LeftOut

A, B, C = "2024-01-01", "2024-01-02", "2024-01-03"
DATE, TEXT, WHOLE, FLOAT = pl.Date(), pl.String(), pl.Int64(), pl.Float64()


def types(*held, is_text=True, may_lack=False):
    return types_varied("raw", list(held), is_text=is_text, may_lack=may_lack)


def test_files_that_hold_the_same_differ_in_nothing():
    assert types((A, {"a": WHOLE})) == []
    assert types((A, {"a": WHOLE}), (B, {"a": WHOLE, "b": TEXT})) == []


def test_a_column_of_other_types_is_said_once_with_the_first_of_each():
    (one,) = types((A, {"a": DATE, "n": TEXT}), (B, {"a": TEXT, "n": TEXT}), (C, {"a": WHOLE}))
    assert (one.source, one.column, one.keys, one.kinds) == ("raw", "a", (A, B), ("Date", "String"))
    assert one.schema == 'schema={"a": pl.String}'


def test_the_line_to_paste_names_no_column_that_a_file_must_not_lack():
    held = [(A, {"a": DATE, "n": TEXT}), (B, {"a": TEXT, "m": TEXT})]
    (one,) = types(*held)
    assert one.schema == 'schema={"a": pl.String}'
    (one,) = types(*held, may_lack=True)
    assert one.schema == 'schema={"a": pl.String, "n": pl.String, "m": pl.String}'


def test_there_is_no_line_for_a_column_that_a_file_lacks():
    (one,) = types((A, {"a": DATE}), (B, {"a": TEXT}), (C, {"n": TEXT}))
    assert (one.column, one.schema) == ("a", None)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ((WHOLE, FLOAT), "pl.Float64"),
        ((pl.Datetime("us"), pl.Datetime("us", "UTC")), "pl.String"),
        ((pl.Boolean(), WHOLE), "pl.String"),
        ((WHOLE, pl.Int128()), "pl.String"),
    ],
)
def test_the_line_to_paste_reads_text_of_both(kinds, wanted):
    (one,) = types((A, {"a": kinds[0]}), (B, {"a": kinds[1]}))
    assert one.schema == f'schema={{"a": {wanted}}}'


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ((pl.Datetime("us"), pl.Datetime("ns")), "pl.Datetime('us')"),
        ((pl.Datetime("us", "UTC"), pl.Datetime("ns", "UTC")), "pl.Datetime('us', 'UTC')"),
        ((pl.Duration("us"), pl.Duration("ns")), "pl.Duration(time_unit='us')"),
        ((pl.Datetime("us"), pl.Datetime("us", "UTC")), None),
        ((TEXT, WHOLE), None),
    ],
)
def test_the_line_to_paste_reads_parquet_of_both_if_any_does(kinds, wanted):
    (one,) = types((A, {"a": kinds[0]}), (B, {"a": kinds[1]}), is_text=False)
    assert one.schema == (None if wanted is None else f'schema={{"a": {wanted}}}')


def test_numbers_of_other_widths_are_read_together_in_parquet():
    assert types((A, {"a": WHOLE}), (B, {"a": FLOAT}), is_text=False) == []


def test_a_line_is_a_declaration_that_python_reads():
    held = {
        "a": pl.List(WHOLE),
        "it's": pl.Decimal(12, 2),
        "s": pl.Struct({"Key": DATE}),
        "z": DATE,
    }
    (one,) = types((A, held), (B, {**held, "z": TEXT}))
    found = eval(f"dict({one.schema})", {"pl": pl})["schema"]
    assert found == {**held, "z": TEXT}


def test_the_first_file_with_columns_that_the_schema_leaves_out_is_named():
    held = [(A, {"a": WHOLE}), (B, {"a": WHOLE, "b": TEXT}), (C, {"a": WHOLE, "c": TEXT})]
    assert columns_left_out("raw", held, {"a": WHOLE}) == [LeftOut("raw", B, ("b",))]
    assert columns_left_out("raw", held[:1], {"a": WHOLE}) == []
