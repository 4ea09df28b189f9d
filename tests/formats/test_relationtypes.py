"""What DuckDB returns is stored as it is, or refused: every type of it, alone and within others."""

from __future__ import annotations

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from partflow.errors import ResultError
from partflow.execution.attempt.results import Target, normalise
from partflow.formats.connections import opened
from partflow.formats.frames import stage_frame
from partflow.formats.schemas import schema_in, schema_text

HELD = {
    "boolean": "true",
    "tinyint": "(-128)::tinyint",
    "smallint": "(-32768)::smallint",
    "integer": "(-2147483648)::integer",
    "bigint": "(-9223372036854775808)::bigint",
    "hugeint": "(-99999999999999999999999999999999999999)::hugeint",
    "utinyint": "255::utinyint",
    "usmallint": "65535::usmallint",
    "uinteger": "4294967295::uinteger",
    "ubigint": "18446744073709551615::ubigint",
    "float": "1.1::float",
    "double": "0.1::double",
    "decimal(4,2)": "12.25::decimal(4,2)",
    "decimal(9,3)": "-1.125::decimal(9,3)",
    "decimal(18,9)": "123456789.123456789::decimal(18,9)",
    "decimal(38,0)": "12345678901234567890123456789012345678::decimal(38,0)",
    "decimal(38,38)": "0.12345678901234567890123456789012345678::decimal(38,38)",
    "varchar": "'føø'",
    "json": "'{\"a\": 1}'::json",
    "blob": "'\\xAA\\x00'::blob",
    "uuid": "'f2345678-1234-5678-1234-567812345678'::uuid",
    "enum": "'b'::enum('a', 'b')",
    "date": "date '2024-02-29'",
    "date of no end": "'infinity'::date",
    "date of no beginning": "'-infinity'::date",
    "date before christ": "'0044-03-15 (BC)'::date",
    "date far away": "date '290000-01-01'",
    "time": "time '12:00:00.123456'",
    "time_ns": "'12:00:00.123456789'::time_ns",
    "timestamp": "timestamp '2024-01-01 12:00:00.123456'",
    "timestamp of no end": "'infinity'::timestamp",
    "timestamp far away": "timestamp '290000-01-01'",
    "timestamp_s": "'2024-01-01 12:00:00'::timestamp_s",
    "timestamp_s of no end": "'infinity'::timestamp_s",
    "timestamp_s of no beginning": "'-infinity'::timestamp_s",
    "timestamp_ms": "'2024-01-01 12:00:00.123'::timestamp_ms",
    "timestamp_ms of no end": "'infinity'::timestamp_ms",
    "timestamp_ns": "'2024-01-01 12:00:00.123456789'::timestamp_ns",
    "timestamp_ns of no end": "'infinity'::timestamp_ns",
    "timestamptz": "timestamptz '2024-01-01 12:00:00.123456+00'",
    "timestamptz of no end": "'infinity'::timestamptz",
    "timestamptz_ns": "'2024-01-01 12:00:00.123456789+00'::timestamptz_ns",
    "null": "null",
    "list": "[1, null]",
    "array": "[1, 2]::integer[2]",
    "struct": "{'a': 1, 'b': 'x'}",
    "struct with odd names": "{'A b\"c': 1::hugeint}",
    "map": "map {'a': 1}",
    "map by uuid": "map {'f2345678-1234-5678-1234-567812345678'::uuid: 1}",
    "map of hugeints": "map {'a': 1::hugeint}",
    "array of seconds": "['infinity'::timestamp_s]::timestamp_s[1]",
    "list of lists": "[[1::hugeint], null]",
    "list of structs": "[{'a': 'infinity'::timestamp_s, 'b': [date 'infinity']}]",
}
REFUSED = {
    "uhugeint": "340282366920938463463374607431768211455::uhugeint",
    "timetz": "'12:00:00+05:30'::timetz",
    "bit": "'0010101'::bit",
    "interval": "interval '1 month 2 days'",
    "bignum": "'1234567890123456789012345678901234567890123'::bignum",
    "variant": "1::variant",
    "geometry": "null::geometry",
    "union": "union_value(n := 1)",
    "list of uhugeint": "[1::uhugeint]",
    "array of bit": "['1'::bit]::bit[1]",
    "struct of interval": "{'a': interval '1 day'}",
    "tuple of bignum": "row(1::bignum)",
    "map to timetz": "map {'a': '12:00:00+05:30'::timetz}",
    "map by uhugeint": "map {1::uhugeint: 'a'}",
    "list of union": "[union_value(n := 1)]",
    "struct of list of variant": "{'a': [1::variant]}",
}
NAMES = {  # of types, by those that DuckDB also calls so
    "time with time zone": "timetz",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "dec": "decimal(4,2)",
    "decimal": "decimal(4,2)",
}


@pytest.fixture
def connection():
    with opened(zone="America/New_York") as made:
        yield made


def target(*, is_small, schema=None):
    return Target("keys", "all", schema, is_small=is_small, zone="America/New_York")


@pytest.mark.parametrize("is_small", [True, False], ids=["small", "streamed"])
@pytest.mark.parametrize("kind", HELD)
def test_it_is_stored_as_duckdb_shows_it(connection, tmp_path, kind, is_small):
    # A NULL before it, for not all readers of a column of NULLs alone keep what it was.
    relation = connection.sql(f"select * from (values (null), ({HELD[kind]})) t(x)")
    shown = connection.sql(f"select ({HELD[kind]})::varchar").fetchall()
    path = tmp_path / "data.parquet"
    stage_frame(normalise(relation, target(is_small=is_small)), path, {})
    found = connection.sql(f"select x::varchar from read_parquet('{path}')").fetchall()
    assert found == [(None,), *shown]
    schema = pl.read_parquet_schema(path)
    assert schema_in(schema_text(schema)) == schema


def test_the_members_of_a_tuple_get_names(connection):
    frame = normalise(connection.sql("select row(1, 'x') as x"), target(is_small=True))
    assert frame["x"].to_list() == [{"element1": 1, "element2": "x"}]


@pytest.mark.parametrize("is_small", [True, False], ids=["small", "streamed"])
@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_what_to_cast_it_to(connection, kind, is_small):
    relation = connection.sql(f"select 1 as n, {REFUSED[kind]} as x")
    with pytest.raises(ResultError, match=r"'x' is DuckDB's .* (cast it to|take) "):
        normalise(relation, target(is_small=is_small))


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_can_be_cast_to_text(connection, kind):
    relation = connection.sql(f"select ({REFUSED[kind]})::varchar as x")
    frame = normalise(relation, target(is_small=True))
    assert frame["x"].to_list() == [row[0] for row in relation.fetchall()]


@pytest.mark.parametrize("is_small", [True, False], ids=["small", "streamed"])
@pytest.mark.parametrize("shape", ["{}", "[{}]", "{{'a': {}}}", "map {{'a': {}}}"])
def test_a_hugeint_of_more_digits_than_a_decimal_has_is_an_error(
    connection, tmp_path, shape, is_small
):
    most = "170141183460469231731687303715884105727::hugeint"
    relation = connection.sql(f"select {shape.format(most)} as k")
    with pytest.raises(duckdb.Error, match=r"more than 38 digits|Could not cast"):
        stage_frame(normalise(relation, target(is_small=is_small)), tmp_path / "f", {})


THROUGH = {
    "a table": lambda relation: relation.to_arrow_table(),
    "a reader": lambda relation: relation.to_arrow_reader(),
    "a polars frame": lambda relation: relation.pl(),
}
LOST = {"uhugeint", "timetz", "bit", "list of uhugeint", "array of bit", "map to timetz"}
LOST |= {"map by uhugeint"}  # what Arrow itself has no word for, so that nothing can tell


@pytest.mark.parametrize("how", THROUGH)
@pytest.mark.parametrize("kind", sorted(set(REFUSED) - LOST))
def test_what_has_gone_through_arrow_is_refused_where_that_can_be_told(connection, kind, how):
    relation = connection.sql(f"select 1 as n, {REFUSED[kind]} as x")
    try:
        result = THROUGH[how](relation)
    except (duckdb.Error, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return  # the task itself gets nothing
    except pa.ArrowNotImplementedError:
        return
    with pytest.raises(ResultError, match=r"'x' is (Arrow's|of the extension type) .* cast it to"):
        normalise(result, target(is_small=True))


def test_every_type_of_duckdb_is_in_the_table(connection):
    rows = connection.sql("select distinct logical_type from duckdb_types()").fetchall()
    known = {"tuple"} | {kind.split(" ")[0].split("(")[0] for kind in [*HELD, *REFUSED]}
    aliases = {"null": '"null"', **NAMES}
    types = {name.lower() for (name,) in rows}
    assert {t for t in types if t not in known and t not in aliases and t not in OTHERS} == set()


OTHERS = {"type", "pointer", "lambda", "unbound", "any", "invalid", "unknown"}


@pytest.mark.parametrize(
    "shape", ["{}", "[{}]", "{{'a': {}}}", "map {{'a': {}}}", "[{}]::timestamptz[1]"]
)
def test_moments_are_in_the_zone_of_the_call_whatever_the_session_s(shape):
    with opened(zone="Asia/Tokyo") as own:
        moment = "timestamptz '2024-01-01 12:00:00+00'"
        relation = own.sql(f"select {shape.format(moment)} as x")
        frame = normalise(relation, target(is_small=True))
    assert "America/New_York" in str(frame.schema["x"])
    assert "Tokyo" not in str(frame.schema["x"])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_schema_says_in_which_zone_its_moments_are(connection, zone):
    schema = {"x": pl.Datetime("us", zone)}
    relation = connection.sql("select timestamptz '2024-01-01 12:00:00+00' as x")
    frame = normalise(relation, target(is_small=True, schema=schema))
    assert dict(frame.schema) == schema
    assert frame["x"][0].isoformat() in ("2024-01-01T12:00:00+00:00", "2024-01-01T13:00:00+01:00")


ALIKE = {
    "two columns of one name": "select 1 as n, 2 as n",
    "two of one name, the first of them cast": "select 1::hugeint as n, 2 as n",
    "names that differ by case": "select sum(1) as n, 2 as N",
    "a join that says nothing of names": (
        "select * from (select 1 as n, 2 as x) a join (select 1 as n, sum(3) as y) b on a.n = b.n"
    ),
}


@pytest.mark.parametrize("schema", [None, {"n": pl.Int64(), "n_1": pl.Int64()}])
@pytest.mark.parametrize("query", ALIKE)
def test_columns_that_sql_does_not_tell_apart_are_refused(connection, query, schema):
    with pytest.raises(ResultError, match=r"'n'.* the same in SQL; give one of them another name"):
        normalise(connection.sql(ALIKE[query]), target(is_small=True, schema=schema))


def test_each_column_keeps_its_own_values_whatever_its_name(connection):
    names = ["a", "b", "#1", 'a"b', "a b", "case", "ä", "#2"]
    columns = (f"""{i}::hugeint as "{name.replace('"', '""')}\"""" for i, name in enumerate(names))
    frame = normalise(connection.sql(f"select {', '.join(columns)}"), target(is_small=True))
    assert frame.rows(named=True) == [{name: i for i, name in enumerate(names)}]
