"""Values that Python has no type for are told as DuckDB tells them."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.report.moments import values_of


@given(st.integers(-(10**9), 10**9).filter(lambda days: not -719_162 <= days <= 2_932_896))
def test_a_date_of_a_year_that_python_lacks_is_written_as_duckdb_writes_it(days):
    column = pa.array([days], pa.int32()).cast(pa.date32())
    said = duckdb.sql(f"select (date '1970-01-01' + {days})::varchar").fetchall()
    assert values_of(column) == list(said[0])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("date 'infinity'", "infinity"),
        ("date '-infinity'", "-infinity"),
        ("timestamp 'infinity'", "infinity"),
        ("timestamp '20000-01-01 05:06:07.5'", "20000-01-01 05:06:07.500000"),
        ("timestamp_ns '2024-01-01 00:00:00.123456789'", "2024-01-01 00:00:00.123456789"),
        ("timestamp '0044-03-15 (BC) 10:00:00'", "0044-03-15 (BC) 10:00:00"),
        ("[date 'infinity', date '2024-01-01']", None),
        ("{'x': date 'infinity'}", {"x": "infinity"}),
    ],
)
def test_what_python_has_no_type_for_is_text(sql, said):
    column = duckdb.sql(f"select {sql} as x").to_arrow_table()["x"].combine_chunks()
    (found,) = values_of(column)
    assert found == said if said is not None else found[0] == "infinity"
