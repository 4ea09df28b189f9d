"""The views over a small warehouse: their columns, what they read, and what a query may do."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from datetime import UTC, date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from partflow.errors import UsageError
from partflow.formats.connections import opened
from partflow.partitions.calendar import Cron, Daily, Every, Grain, Hourly, Monthly, Weekly, Whole
from partflow.warehouse import catalog
from partflow.warehouse.catalog import Access, write_catalog, zones_differ
from partflow.warehouse.sqltypes import sql_type
from partflow.warehouse.viewsql import View, view_sql

GRAINS = [
    Hourly("2024-02-28T20", end="2024-02-29T08"),
    Daily("2024-02-25", end="2024-03-08"),
    Weekly("2024-12-02", end="2025-02-24"),
    Weekly("2024-12-02", end="2025-02-23", first_day="sunday"),
    Monthly("2024-01", end="2025-01"),
    Every("3d", "2024-02-25", end="2024-04-01"),
    Every("6h", "2024-02-28", end="2024-03-02"),
    Every("15m", "2024-02-28T23:05", end="2024-02-29T02:05"),
    Cron("30 6 * * 1-5", "2024-02-28T06:30", end="2024-03-15T06:30"),
]


def column_of(grain: Grain) -> str | None:
    return None if isinstance(grain, Whole) else grain.column or "partition"


@pytest.fixture(params=["project", "it's [a], *b*"], ids=["plain", "odd"])
def root(request, tmp_path: Path) -> Path:
    """A project's folder; the second has in its name what means something to DuckDB."""
    made = tmp_path / request.param
    made.mkdir()
    return made


def stored(root: Path, name: str, grain: Grain) -> View:
    """A dataset with its partitions as partflow lays them out, the number of each as `n`."""
    view = view_of(name, grain)
    assert grain.hi is not None
    for number, key in enumerate(grain.keys(grain.lo, grain.hi)):
        file = root / view.path.replace("{key}", key)
        file.parent.mkdir(parents=True)
        pl.DataFrame({"n": [number], "text": ["a"]}).write_parquet(file)
    return view


def view_of(name: str, grain: Grain, **more) -> View:
    column = column_of(grain)
    folder = f"{column}={{key}}/" if column else ""
    path = f"warehouse/{name}/{folder}data.parquet"
    defaults = {"has_files": True, "zone": grain.tz if column else None}
    return View(name, path, "parquet", grain.template, column, **{**defaults, **more})


def landed(root: Path, path: str, texts: dict[str, str], **more) -> View:
    for key, text in texts.items():
        file = root / path.replace("{key}", key)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    ending = path.rpartition(".")[2]
    return View("landing", path, ending, "0000-00-00", "date", has_files=True, **more)


def query(root: Path, views: list[View], sql: str) -> duckdb.DuckDBPyRelation:
    """The result of a query that may read all of the project."""
    outside = tuple(view.folder for view in views if view.path.startswith(".."))
    return catalog.query(root, views, sql, Access((".", *outside)))


def files_read(relation: duckdb.DuckDBPyRelation) -> str:
    found = re.search(r"Scanning Files: (\d+/\d+)", relation.explain("analyze"))
    return found[1] if found else "all"


@pytest.mark.parametrize("grain", GRAINS, ids=repr)
def test_a_view_carries_the_start_of_each_partition_as_its_last_column(root, grain) -> None:
    relation = query(root, [stored(root, "sales", grain)], "from sales order by n")
    starts = grain.column_values(grain.lo, grain.hi)
    if grain.is_timed:
        starts = [start.replace(tzinfo=UTC) for start in starts]
    assert relation.columns == ["n", "text", column_of(grain)]
    assert relation.pl().rows() == [(n, "a", start) for n, start in enumerate(starts)]


@pytest.mark.parametrize("grain", GRAINS, ids=repr)
def test_only_the_files_of_partitions_that_a_filter_needs_are_read(root, grain) -> None:
    view = stored(root, "sales", grain)
    third = grain.column_values(grain.lo + 2, grain.lo + 3)[0]
    one = query(root, [view], f"from sales where {column_of(grain)} = '{third}'")
    some = query(root, [view], f"select sum(n) from sales where {column_of(grain)} < '{third}'")
    assert (files_read(one), files_read(some)) == ("1/12", "2/12")


def test_the_whole_has_no_partition_column(root) -> None:
    view = stored(root, "shops", Whole())
    assert query(root, [view], "from shops").fetchall() == [(0, "a")]


def test_a_partition_column_may_have_any_name(root) -> None:
    path = 'warehouse/sales/the "day"={key}/data.parquet'
    file = root / path.replace("{key}", "2024-01-01")
    file.parent.mkdir(parents=True)
    pl.DataFrame({"n": [1]}).write_parquet(file)
    view = View("order", path, "parquet", "0000-00-00", 'the "day"', has_files=True)
    assert query(root, [view], 'from "order"').fetchall() == [(1, date(2024, 1, 1))]


@pytest.mark.parametrize(
    "path",
    [
        "landing/s_{key}.csv",
        "{key}.csv",
        "landing/{key}/sales.csv",
        "landing/{key}/sales-{key}.csv",
        "landing/date={key}/sales.csv",
        "landing/it's (1)/{key}.csv",
    ],
)
def test_a_source_takes_its_partition_column_from_the_paths_of_its_files(root, path) -> None:
    days = [f"2024-01-0{day}" for day in range(1, 6)]
    view = landed(root, path, {day: f"shop,qty\na,{day[-1]}\n" for day in days})
    relation = query(root, [view], "from landing where date = '2024-01-03'")
    assert relation.columns == ["shop", "qty", "date"]
    assert relation.fetchall() == [("a", 3, date(2024, 1, 3))]
    assert files_read(relation) == "1/5"


def test_a_file_whose_name_is_no_key_is_not_read(root) -> None:
    texts = {"2024-01-01": "qty\n1\n", "notes": "by hand\nx\n", "2024-01-01.old": "qty\n9\n"}
    view = landed(root, "landing/{key}.csv", texts)
    assert query(root, [view], "select qty from landing").fetchall() == [(1,)]


def test_a_column_of_a_source_s_own_files_stands(root) -> None:
    texts = {"2024-01-02": "date,qty\n2023-12-31,1\n"}
    view = landed(root, "landing/{key}.csv", texts, column_in_file=True)
    assert query(root, [view], "from landing").fetchall() == [(date(2023, 12, 31), 1)]


def test_the_schema_of_a_source_types_its_text(root) -> None:
    texts = {"2024-01-01": "zip,more,qty\n01234,x,1\n"}
    view = landed(
        root, "landing/{key}.csv", texts, schema={"qty": pl.Float64(), "zip": pl.String()}
    )
    assert query(root, [view], "from landing").fetchall() == [(1.0, "01234", date(2024, 1, 1))]


def test_a_column_is_typed_from_the_whole_file(root) -> None:
    rows = "\n".join(["1"] * 30_000 + ["a1"])
    view = landed(root, "landing/{key}.csv", {"2024-01-01": f"code\n{rows}\n"})
    assert query(root, [view], "select max(code) from landing").fetchall() == [("a1",)]


@pytest.mark.parametrize("schema", [None, {"qty": pl.Float64()}])
def test_json_lines_are_a_view_too(root, schema) -> None:
    texts = {"2024-01-01": '{"qty": 1}\n{"qty": 2}\n', "2024-01-02": '{"qty": 3}\n'}
    view = landed(root, "landing/{key}.ndjson", texts, schema=schema)
    relation = query(root, [view], "from landing where date = '2024-01-01' order by qty")
    assert relation.fetchall() == [(1, date(2024, 1, 1)), (2, date(2024, 1, 1))]
    assert str(relation.types[0]) == ("BIGINT" if schema is None else "DOUBLE")


def test_a_dataset_without_files_is_empty_with_its_schema(root) -> None:
    schema = {"n": pl.Int64(), "odd name": pl.Decimal(10, 2)}
    hours = view_of("hours", GRAINS[0], has_files=False, schema=schema)
    relation = query(root, [hours], "from hours")
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert relation.fetchall() == []
    assert types == {"n": "BIGINT", "odd name": "DECIMAL(10,2)", "hour": "TIMESTAMP WITH TIME ZONE"}


def test_a_dataset_without_files_or_schema_is_left_out(root) -> None:
    with pytest.raises(UsageError, match="sales has no partition yet and declares no schema"):
        query(root, [view_of("sales", GRAINS[1], has_files=False)], "from sales")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pl.String(), "VARCHAR"),
        (pl.Int128(), "HUGEINT"),
        (pl.UInt128(), "UHUGEINT"),
        (pl.Float16(), "FLOAT"),
        (pl.Duration("us"), "INTERVAL"),
        (pl.Datetime("ns"), "TIMESTAMP_NS"),
        (pl.Datetime("us", "Europe/Berlin"), "TIMESTAMP WITH TIME ZONE"),
        (pl.Decimal(10, 2), "DECIMAL(10,2)"),
        (pl.List(pl.Float64), "DOUBLE[]"),
        (
            pl.Struct({"x": pl.Int8, "order": pl.List(pl.Date)}),
            'STRUCT("x" TINYINT, "order" DATE[])',
        ),
        (pl.Enum(["a"]), "VARCHAR"),
        (pl.Null(), '"NULL"'),
    ],
)
def test_polars_types_are_shown_as_duckdb_s(kind, name) -> None:
    assert sql_type(kind) == name
    assert duckdb.sql(f"select cast(null as {name}) as x").columns == ["x"]


@pytest.mark.parametrize(
    "sql",
    [
        "create table t as select 1",
        "insert into sales values (1)",
        "copy (select 1) to 'out.csv'",
        "set threads = 1",
        "select 1; select 2",
        "attach 'x.duckdb'",
        "pragma version",
        "explain analyze copy (select 1) to 'out.csv'",
        "with t as (copy (select 1) to 'out.csv') from t",
        "with a as (with t as (copy (select 1) to 'out.csv') from t) from a",
        "",
    ],
)
def test_what_does_not_only_read_is_refused(root, monkeypatch, sql) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(UsageError, match="takes one SELECT statement"):
        query(root, [], sql)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive t as (select 1 a union all select a + 1 from t where a < 3) from t",
        "select 1 union select 2 order by 1;",
        "values (1) -- and no more",
        "select * from range(3) where range in (select 2)",
        "describe select 1",
    ],
)
def test_all_forms_of_select_are_taken(root, sql) -> None:
    assert query(root, [], sql).fetchall()


def test_the_tables_can_be_listed(root) -> None:
    views = [stored(root, "sales", GRAINS[1]), stored(root, "shops", Whole())]
    assert query(root, views, "show tables").fetchall() == [("sales",), ("shops",)]


def test_a_query_reads_no_file_outside_of_the_project(root, tmp_path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(UsageError, match="disabled by configuration"):
        query(root, [], f"from read_text('{tmp_path}/secret.txt')")


def test_a_query_reads_a_warehouse_that_lies_outside_of_the_project(root) -> None:
    inside = stored(root, "sales", GRAINS[1])
    (root / "jobs").mkdir()
    view = View("sales", f"../{inside.path}", "parquet", "0000-00-00", "date", has_files=True)
    assert query(root / "jobs", [view], "select count(*) from sales").fetchall() == [(12,)]


def test_a_query_sees_no_variable_of_the_program(root) -> None:
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(UsageError, match="frame does not exist"):
        query(root, [], "from frame")
    assert len(frame) == 1


def test_a_mistake_in_a_query_is_shown_with_its_place(root) -> None:
    with pytest.raises(UsageError, match=r"(?s)^query: Parser Error: .*LINE 1: selec 1"):
        query(root, [], "selec 1")


def test_a_result_outlives_the_call_that_made_it(root) -> None:
    relation = query(root, [stored(root, "sales", GRAINS[1])], "select count(*) from sales")
    gc.collect()
    assert relation.fetchall() == [(12,)]


def test_a_query_does_not_touch_views_that_it_does_not_name(root) -> None:
    broken = view_of("broken", GRAINS[1])  # says that there are files, and there are none
    assert query(root, [broken, stored(root, "shops", Whole())], "from shops").fetchall()


def in_a_shell(folder: Path, catalog: str, sql: str) -> str:
    """What another program prints that opens the catalog from a folder."""
    code = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql(sys.argv[2]).fetchall())"
    command = [sys.executable, "-c", code, catalog, sql]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_catalog_holds_the_views_for_who_opens_it_from_the_project(root, tmp_path) -> None:
    sales, shops = stored(root, "sales", GRAINS[1]), stored(root, "shops", Whole())
    landing = landed(root, "landing/{key}.csv", {"2024-01-01": "qty\n1\n"})
    catalog = root / "warehouse" / "catalog.duckdb"
    assert write_catalog(root, catalog, [sales, shops, landing]) == {}
    moved = root.rename(tmp_path / "moved")
    sql = "select sum(s.n)::int, l.date::varchar from sales s, shops, landing l group by 2"
    assert in_a_shell(moved, "warehouse/catalog.duckdb", sql) == "[(66, '2024-01-01')]\n"
    shown = in_a_shell(moved, "warehouse/catalog.duckdb", "show tables")
    assert shown == "[('landing',), ('sales',), ('shops',)]\n"


def test_the_catalog_is_written_only_when_its_views_change(root) -> None:
    views = [stored(root, "sales", GRAINS[1])]
    catalog = root / "warehouse" / "catalog.duckdb"
    write_catalog(root, catalog, views)
    first = catalog.stat()  # not as a whole: it was read since
    write_catalog(root, catalog, views)
    assert (catalog.stat().st_ino, catalog.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    write_catalog(root, catalog, [*views, stored(root, "shops", Whole())])
    assert catalog.stat().st_ino != first.st_ino
    assert list((root / "warehouse" / ".partflow").iterdir()) == []


def test_a_new_catalog_leaves_the_old_one_to_who_has_it_open(root) -> None:
    views = [stored(root, "sales", GRAINS[1])]
    catalog = root / "warehouse" / "catalog.duckdb"
    write_catalog(root, catalog, views)
    with duckdb.connect(catalog) as reader:
        write_catalog(root, catalog, [*views, stored(root, "shops", Whole())])
        assert reader.sql("show tables").fetchall() == [("sales",)]
    with duckdb.connect(catalog, read_only=True) as reader:
        assert reader.sql("show tables").fetchall() == [("sales",), ("shops",)]


def test_a_file_that_is_no_catalog_is_replaced(root) -> None:
    catalog = root / "catalog.duckdb"
    catalog.write_text("not a database")
    write_catalog(root, catalog, [stored(root, "shops", Whole())])
    with duckdb.connect(catalog, read_only=True) as reader:
        assert reader.sql("show tables").fetchall() == [("shops",)]


def test_a_source_that_is_no_table_is_named_and_the_others_are_there(root) -> None:
    texts = {"2024-01-01": "not json"}
    landing, shops = landed(root, "landing/{key}.ndjson", texts), stored(root, "shops", Whole())
    problems = write_catalog(root, root / "catalog.duckdb", [landing, shops])
    assert list(problems) == ["landing"]
    with duckdb.connect(root / "catalog.duckdb", read_only=True) as reader:
        assert reader.sql("show tables").fetchall() == [("shops",)]


def test_the_statement_of_a_view_is_one_that_a_person_can_read() -> None:
    assert view_sql(view_of("sales", Monthly("2024-01"))) == (
        'create or replace view "sales" as '
        """select * exclude ("month"), cast("month" || '-01' as date) as "month" """
        "from read_parquet('warehouse/sales/month=[0-9][0-9][0-9][0-9]-[0-9][0-9]/data.parquet', "
        "can_have_nan = true, hive_partitioning = true, hive_types = {'month': varchar})"
    )


def zoned(root, name: str, tz: str) -> View:
    """Six hours around the midnight in which Berlin's clock is turned back."""
    grain = Hourly("2024-10-26T22Z", end="2024-10-27T04Z", tz=tz)
    return stored(root, name, grain)


def test_hours_are_moments_in_the_zone_of_what_is_asked(root) -> None:
    view = zoned(root, "hours", "Europe/Berlin")
    relation = query(root, [view], "select hour, hour::date as day from hours order by hour")
    assert str(relation.types[0]) == "TIMESTAMP WITH TIME ZONE"
    frame = relation.pl()
    assert frame.schema["hour"] == pl.Datetime("us", "Europe/Berlin")
    assert frame["hour"][0].isoformat() == "2024-10-27T00:00:00+02:00"
    assert {str(day) for day in frame["day"]} == {"2024-10-27"}
    assert frame["hour"].n_unique() == 6


def test_where_zones_differ_moments_are_in_utc_and_it_is_said(root) -> None:
    views = [zoned(root, "berlin", "Europe/Berlin"), zoned(root, "lagos", "Africa/Lagos")]
    views.append(stored(root, "shops", Whole()))
    both = "select b.hour from berlin b join lagos l using (hour), shops"
    assert zones_differ(views, both) == (
        "moments are shown in UTC, since the zones differ: "
        "lagos in Africa/Lagos; berlin in Europe/Berlin"
    )
    assert query(root, views, both).pl().schema["hour"] == pl.Datetime("us", "UTC")
    assert zones_differ(views, "from berlin, shops") is None
    assert zones_differ(views, "select 1") is None


def test_a_filter_on_hours_opens_one_file_of_thousands(root) -> None:
    grain = Hourly("2024-01-01", end="2024-04-10", tz="America/New_York")
    view = stored(root, "hours", grain)
    for moment in ("2024-03-10T03:00", "2024-03-10 07:00+00", "2024-03-10T03:00-04:00"):
        relation = query(root, [view], f"from hours where hour = '{moment}'")
        assert files_read(relation) == "1/2399"
    night = "from hours where hour >= '2024-03-10' and hour < '2024-03-11'"
    assert files_read(query(root, [view], night)) == "23/2399"


def test_the_hours_of_a_catalog_are_shown_as_its_reader_says(root, monkeypatch) -> None:
    monkeypatch.chdir(root)
    view = zoned(root, "hours", "Europe/Berlin")
    write_catalog(root, root / "catalog.duckdb", [view])
    with opened(root / "catalog.duckdb", zone="Asia/Tokyo", read_only=True) as connection:
        sql = "select hour::varchar, (hour at time zone 'Europe/Berlin')::varchar from hours"
        first = connection.sql(f"{sql} order by hour").fetchall()[0]
    assert first == ("2024-10-27 07:00:00+09", "2024-10-27 00:00:00")
