"""What queries, the catalog and readers show of partitions whose schemas differ."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import date, datetime, timedelta

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from partflow.errors import PartflowError, ReadError, UsageError
from partflow.execution.controls import Controls
from partflow.metastore.sqlite.metastore import SqliteMetastore

DRIFT = """
GRAIN = Daily("2024-01-01", "2024-01-04")
raw = Source("raw", GRAIN, path="landing/{key}.parquet")
drift = Dataset("drift", GRAIN)
total = Dataset("total", Whole())

@task(reads=[raw], writes=drift)
def store(paths: list[Path]) -> pl.DataFrame:
    return pl.read_parquet(paths[0], hive_partitioning=False)

@task(reads=[drift], writes=total)
def gather(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame
"""
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def landed(world, *frames: pl.DataFrame, jobs: str = DRIFT) -> None:
    """A day's file for each of the frames, stored by a task as it is."""
    world.jobs("from pathlib import Path\n" + jobs)
    (world.root / "landing").mkdir(exist_ok=True)
    for key, frame in zip(DAYS, frames, strict=False):
        frame.write_parquet(world.root / f"landing/{key}.parquet")


def record(world) -> None:
    """Make all, at a time when the files are old enough for their stat to be relied on."""
    project = world.project
    project.clock = lambda: time.time_ns() + 10**10
    project.materialize()


def asked(world, sql: str) -> list[tuple[object, ...]]:
    return world.project.sql(sql).fetchall()


def by_catalog(world, sql: str) -> list[tuple[object, ...]]:
    path = world.root / "warehouse/catalog.duckdb"
    with duckdb.connect(path, read_only=True) as catalog:
        catalog.execute(f"set file_search_path = '{world.root}'")
        return catalog.sql(sql).fetchall()


def columns(**of: list[object]) -> pl.DataFrame:
    return pl.DataFrame(of)


def test_whole_numbers_and_halves_are_shown_beside_one_another(world):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[None]))
    world.run()
    assert asked(world, "select n from drift order by date") == [(1.0,), (2.5,), (None,)]
    assert by_catalog(world, "select n from drift order by date") == [(1.0,), (2.5,), (None,)]
    assert world.read("drift")["n"].to_list() == [1.0, 2.5, None]
    assert world.read("total")["n"].to_list() == [1.0, 2.5, None]


def test_the_catalog_follows_a_range_that_was_moved_though_nothing_is_to_be_made(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    world.jobs("from pathlib import Path\n" + DRIFT.replace("01-01", "01-02", 1))
    world.run("drift")
    assert by_catalog(world, "select n from drift order by n") == [(2,), (3,)]


def test_the_catalog_is_made_again_though_nothing_is_to_be_made(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    (world.root / "warehouse/catalog.duckdb").unlink()
    assert world.run().ran == 0
    assert by_catalog(world, "select n from drift order by n") == [(1,), (2,), (3,)]


SEEN = """
import sys
from partflow import Project
assert Project.load(".").materialize().summary.ran
print("duckdb" in sys.modules)
"""


def opens_the_catalog(world) -> bool:
    """Whether a process that makes partitions needs DuckDB for the catalog."""
    ran = subprocess.run(
        [sys.executable, "-c", SEEN], cwd=world.root, capture_output=True, text=True, check=True
    )
    return ran.stdout == "True\n"


def test_a_catalog_that_shows_what_it_is_to_show_is_not_opened(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    columns(n=[4]).write_parquet(world.root / "landing/2024-01-03.parquet")
    assert not opens_the_catalog(world)
    assert by_catalog(world, "select n from drift order by n") == [(1,), (2,), (4,)]


def test_a_catalog_is_opened_that_somebody_changed_or_whose_views_differ(world):
    landed(world, columns(n=[1]))
    world.run()
    columns(n=[2]).write_parquet(world.root / "landing/2024-01-02.parquet")
    with duckdb.connect(world.root / "warehouse/catalog.duckdb") as catalog:
        catalog.execute("drop view drift")
        catalog.execute("delete from partflow.views")
    assert opens_the_catalog(world)
    assert by_catalog(world, "select n from drift order by n") == [(1,), (2,)]
    columns(n=[2.5]).write_parquet(world.root / "landing/2024-01-03.parquet")
    assert opens_the_catalog(world)
    assert by_catalog(world, "select n from drift order by n") == [(1.0,), (2.0,), (2.5,)]


def test_the_catalog_shows_nothing_that_lies_beside_what_is_declared(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    stray = world.file("drift", "2031-01-01")
    stray.parent.mkdir(parents=True)
    columns(n=["by hand"]).write_parquet(stray)
    world.run()
    for ask in (asked, by_catalog):
        assert ask(world, "select n from drift order by n") == [(1,), (2,), (3,)]


def test_the_catalog_does_not_show_what_somebody_laid_beside_since(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    stray = world.file("drift", "2031-01-01")
    stray.parent.mkdir(parents=True)
    columns(n=["by hand"]).write_parquet(stray)
    columns(n=[4]).write_parquet(world.root / "landing/2024-01-03.parquet")
    world.run()
    assert by_catalog(world, "select n from drift order by n") == [(1,), (2,), (4,)]


OTHER = """
other = Dataset("other", GRAIN)

@task(reads=[raw], writes=other)
def store_too(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(n=pl.col("n").cast(pl.Float64))
"""


def test_the_catalog_does_not_name_a_file_that_somebody_took_away(world):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[3]), jobs=DRIFT + OTHER)
    world.run("drift", "other")
    world.file("drift", "2024-01-02").unlink()
    columns(n=[4]).write_parquet(world.root / "landing/2024-01-03.parquet")
    world.run("other")
    assert by_catalog(world, "select n from drift order by n") == [(1,), (3,)]


OPENED = """
import sys
opened = set()
sys.addaudithook(lambda event, given: event == "open" and opened.add(str(given[0])))
from partflow import Project
assert Project.load(".").materialize().summary.ran
print(*sorted(path.rpartition("/")[2] for path in opened if "/landing/" in path))
"""


def test_a_run_opens_no_file_of_a_source_that_is_as_it_was(world):
    delivered(world, "a,b\n1,x\n", "\n\na,b\n2,y\n", "a,b\n3,z\n")
    world.jobs(TEXTS)
    record(world)
    world.write("landing/2024-01-03.csv", "a,b\n4,z\n")
    ran = subprocess.run(
        [sys.executable, "-c", OPENED], cwd=world.root, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "2024-01-03.csv\n"
    assert by_catalog(world, "select a from raw order by date") == [(1,), (2,), (4,)]


def test_of_many_types_a_query_of_some_partitions_has_theirs(world):
    types = [pl.Int8, pl.String, pl.Boolean, pl.Date, pl.Binary, pl.Time, pl.Datetime("us"),
             pl.Duration("us"), pl.List(pl.Int8), pl.Struct({"a": pl.Int8}), pl.Int64]  # fmt: skip
    world.jobs("from pathlib import Path\n" + DRIFT.replace("01-04", "01-12"))
    (world.root / "landing").mkdir()
    for day, kind in enumerate(types, 1):
        frame = pl.DataFrame({"day": [day], "v": pl.Series([None], dtype=kind)})
        frame.write_parquet(world.root / f"landing/2024-01-{day:02}.parquet")
    world.run("drift")
    for day in range(1, len(types) + 1):
        sql = f"select day, v from drift where date = '2024-01-{day:02}'"
        assert asked(world, sql) == [(day, None)]
    both = "select day, v from drift where date in ('2024-01-01', '2024-01-11') order by 1"
    relation = world.project.sql(both)
    assert (relation.fetchall(), str(relation.types[1])) == ([(1, None), (11, None)], "BIGINT")
    with pytest.raises(UsageError, match=r"'v' is .* in drift@2024-01-0\d, and "):
        asked(world, "select day, v from drift where date in ('2024-01-02', '2024-01-05')")


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_a_column_that_a_source_s_schema_leaves_out_does_not_stand_for_its_twin(world, ending):
    world.jobs(
        TEXTS.replace("{key}.csv", f"{{key}}.{ending}").replace(
            "path=", f'format="{ending}", schema={{"a": pl.Int64}}, path='
        )
    )
    (world.root / "landing").mkdir()
    for day, names in zip(DAYS, (["A", "a"], ["a", "x", "X"], ["a"]), strict=True):
        frame = pl.DataFrame({name: [place] for place, name in enumerate(names, 1)})
        getattr(frame, f"write_{ending}")(world.root / f"landing/{day}.{ending}")
    world.run("kept")
    assert world.read("raw")["a"].to_list() == [2, 1, 1]
    for ask in (asked, by_catalog):
        assert ask(world, "select a from raw where date > '2024-01-01'") == [(1,), (1,)]
        with pytest.raises((duckdb.Error, UsageError), match="raw@2024-01-01 has the columns 'a' "):
            ask(world, "select a from raw")


def test_a_column_that_came_later_is_null_before(world):
    landed(world, columns(a=[1]), columns(a=[2], order=["x"]), columns(a=[3], order=["y"]))
    world.run()
    rows = [(1, None), (2, "x"), (3, "y")]
    assert asked(world, 'select a, "order" from drift order by a') == rows
    assert world.read("drift").select("a", "order").rows() == rows


def test_a_number_that_no_float_holds_is_an_error_where_it_is_read(world):
    landed(world, columns(n=[2**53 + 1]), columns(n=[0.5]), columns(n=[3]))
    world.run("drift")
    assert asked(world, "select n from drift where date > '2024-01-01' order by n") == [
        (0.5,),
        (3.0,),
    ]
    with pytest.raises(duckdb.Error, match="'n' of drift@2024-01-01 has digits that Float64"):
        asked(world, "select n from drift")
    with pytest.raises(ReadError, match=r"date=2024-01-01.*'n' has digits that Float64 does not"):
        world.read("drift")


def test_of_days_alike_the_one_with_digits_that_no_float_holds_is_named_in_our_words(world):
    landed(world, columns(n=[1]), columns(n=[2**53 + 1]), columns(n=[0.5]))
    failure = world.run().failures[0].failure.message
    assert "drift/date=2024-01-02/data.parquet: column 'n' has digits that Float64" in failure
    assert "python_udf" not in failure


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_of_a_source_s_files_alike_the_one_whose_value_misfits_is_named(world, engine):
    jobs = DRIFT.replace('{key}.parquet")', '{key}.parquet", schema={"n": pl.Int8})')
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[2]), jobs=jobs)
    found = world.project.read("raw")
    landed(world, columns(n=[1]), columns(n=[300]), columns(n=[2]), jobs=jobs)
    for read in (lambda: found.collect(engine=engine), lambda: world.project.read("raw")):
        with pytest.raises(ReadError) as said:
            read()
        problem = "column 'n': '300' is no Int8; declare a type that holds it"
        assert str(said.value) == f"{world.root}/landing/2024-01-02.parquet: {problem}"


def test_what_clashes_is_an_error_of_the_queries_that_touch_both(world):
    landed(world, columns(n=["007"]), columns(n=[7]), columns(n=[8]))
    world.run("drift")
    assert asked(world, "select n from drift where date = '2024-01-01'") == [("007",)]
    assert asked(world, "select sum(n) from drift where date > '2024-01-01'") == [(15,)]
    assert asked(world, "select max(date) from drift") == [(date(2024, 1, 3),)]
    said = (
        r"column 'n' is String in drift@2024-01-01, and Int64 in drift@2024-01-02; ask for them "
        r"apart, or make one of them again \(partflow backfill drift -p KEY\)"
    )
    with pytest.raises(UsageError, match=said):
        asked(world, "select n from drift")
    with pytest.raises(PartflowError, match=r"2024-01-02.*'n' is Int64.*2024-01-01.*String"):
        world.read("drift")


def test_a_day_of_nulls_is_not_named_where_others_clash(world):
    landed(world, columns(n=["007"]), columns(n=[7]), columns(n=[None]))
    world.run("drift")
    with pytest.raises(
        UsageError, match=r"String in drift@2024-01-01, and Int64 in drift@2024-01-02;"
    ):
        asked(world, "select n from drift")


def test_a_column_without_a_name_is_said_where_its_view_is_asked_for(world):
    landed(world, pl.DataFrame({"n": [1], "": [2]}))
    world.run("drift")
    assert world.read("drift").select("n", "").rows() == [(1, 2)]
    with pytest.raises(UsageError, match="raw has a column without a name"):
        asked(world, "select * from raw")


def test_what_is_no_text_in_a_field_of_text_is_shown_as_tasks_read_it_or_refused(world):
    declared = TEXTS.replace("{key}.csv", "{key}.ndjson")
    world.jobs(declared.replace("path=", 'schema={"a": pl.String}, path=', 1))
    values = ['"x"', '"1e3"', "1.50", "1.0", "-0.0", "1e3", "12", "true", "null", '"{\\"b\\": 1}"']
    world.write("landing/2024-01-01.ndjson", "".join(f'{{"a": {v}}}\n' for v in values))
    world.write("landing/2024-01-02.ndjson", '{"a": {"b": 1.0}}\n')
    world.write("landing/2024-01-03.ndjson", '{"a": 1e-9}\n')
    world.run("kept")
    texts = world.read("raw")["a"].to_list()
    assert texts[-2:] == ['{"b": 1}', "0.000000001"]
    for ask in (asked, by_catalog):
        shown = ask(world, "select a from raw where date = '2024-01-01'")
        assert [text for (text,) in shown] == texts[:-2]
        for day in DAYS[1:]:
            with pytest.raises(
                (duckdb.Error, UsageError), match=f"raw@{day} holds what is no text"
            ):
                ask(world, f"select a from raw where date = '{day}'")


def test_objects_without_fields_are_read_and_are_no_view(world):
    world.jobs(TEXTS.replace("{key}.csv", "{key}.ndjson"))
    world.write("landing/2024-01-01.ndjson", '{"n": 1, "more": {}}\n')
    assert world.read("raw")["n"].to_list() == [1]
    with pytest.raises(UsageError, match="column 'more' with objects that have no fields"):
        asked(world, "select n from raw")


TEXTS = """
GRAIN = Daily("2024-01-01", "2024-01-04")
raw = Source("raw", GRAIN, path="landing/{key}.csv")
kept = Dataset("kept", GRAIN)

@task(reads=[raw], writes=kept)
def keep(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame
"""


def delivered(world, *texts: str) -> None:
    """A day's CSV file for each of the texts."""
    world.jobs(TEXTS)
    (world.root / "landing").mkdir(exist_ok=True)
    for key, text in zip(DAYS, texts, strict=False):
        (world.root / f"landing/{key}.csv").write_text(text)


@pytest.mark.parametrize("bad", ["a,b\nx,y\na,b\nz,y\n", "a;b\nx;y\n", "a,b\nx,y\nz\n"])
@pytest.mark.parametrize("ask", [asked, by_catalog])
def test_a_file_that_a_run_refuses_is_not_shown_and_others_are(world, ask, bad):
    delivered(world, "a,b\nx,y\n", bad, "a,b\nz,y\n")
    world.run("kept")
    good = "select a from raw where a <> 'q' and date <> '2024-01-02' order by a"
    assert ask(world, good) == [("x",), ("z",)]
    for sql in ("select * from raw", "select count(*) from raw"):
        with pytest.raises(
            (duckdb.Error, UsageError), match="raw@2024-01-02 cannot be read: landing/"
        ):
            ask(world, sql)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("pl.Boolean", 1),
        ("pl.Boolean", "true"),
        ("pl.Datetime('us')", date(2024, 1, 1)),
        ("pl.Datetime('us', 'UTC')", datetime(2024, 1, 1)),  # noqa: DTZ001 - that is what is tried
        ("pl.Int64", 1.5),
        ("pl.Enum(['a', 'b'])", "c"),
        ("pl.List(pl.Enum(['a', 'b']))", ["a", "c"]),
        ("pl.Datetime('ms')", datetime(2024, 1, 1, 0, 0, 0, 1001)),  # noqa: DTZ001
        ("pl.List(pl.Datetime('ms'))", [datetime(2024, 1, 1, 0, 0, 0, 1001)]),  # noqa: DTZ001
        ("pl.Struct({'a': pl.Duration('ms')})", {"a": timedelta(microseconds=-1500)}),
        ("pl.Float16", 1.1),
        ("pl.List(pl.Float16)", [1.1]),
    ],
)
def test_a_view_bridges_no_more_than_a_run_does(world, kind, value):
    declared = DRIFT.replace("path=", f'schema={{"n": {kind}}}, path=', 1)
    landed(world, columns(n=[value]), jobs=declared)
    for ask in (lambda: world.read("raw"), lambda: asked(world, "select n from raw")):
        with pytest.raises((PartflowError, duckdb.Error), match=r"landing/\S+: column 'n': "):
            ask()
    world.jobs("from pathlib import Path\n" + DRIFT)
    record(world)
    world.jobs("from pathlib import Path\n" + declared)  # of which the file is as recorded
    with pytest.raises((PartflowError, pl.exceptions.ComputeError)):
        world.read("raw")
    with pytest.raises((duckdb.Error, UsageError), match=r"'n' is .* delivered again, or change"):
        asked(world, "select n from raw")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("pl.Datetime('ms')", datetime(2024, 1, 1, 0, 0, 0, 1000)),  # noqa: DTZ001
        ("pl.List(pl.Duration('ms'))", [timedelta(milliseconds=-15), None]),
        ("pl.Float16", 1.5),
        ("pl.List(pl.Float16)", [65504.0, -(2.0**-24), None, 0.0]),
    ],
)
def test_a_view_bridges_all_that_a_run_does(world, kind, value):
    schema = f'schema={{"n": {kind}}}, path='
    landed(world, columns(n=[value, None]), jobs=DRIFT.replace("path=", schema, 1))
    assert world.read("raw")["n"].to_list() == [value, None]
    assert asked(world, "select n from raw order by n nulls last") == [(value,), (None,)]


def test_moments_of_several_zones_are_refused_alike_by_queries_and_by_readers(world):
    kinds = [pl.Datetime("us", zone) for zone in ("UTC", "Asia/Tokyo")]
    zones = [pl.DataFrame({"n": [0]}, schema={"n": pl.Int64}).cast({"n": kind}) for kind in kinds]
    landed(world, *zones)
    world.run("drift")
    assert asked(world, "select count(n) from drift where date = '2024-01-02'") == [(1,)]
    for ask in (lambda: world.read("drift"), lambda: asked(world, "select count(n) from drift")):
        with pytest.raises((PartflowError, duckdb.Error), match="'n' is Datetime"):
            ask()


WORDS = """
kept = Dataset("kept", Daily("2024-01-01", "2024-01-02"), schema={"n": pl.Enum(["a", "b"])})

@task(writes=kept)
def keep() -> pl.DataFrame:
    return pl.DataFrame({"n": ["a"]}, schema={"n": kept.schema["n"]})
"""


def test_an_enum_that_has_other_words_now_is_refused_alike_by_queries_and_by_readers(world):
    world.jobs(WORDS)
    world.run()
    assert asked(world, "select n from kept") == [("a",)]
    world.jobs(WORDS.replace('"b"', '"c"'))
    for ask in (lambda: world.read("kept"), lambda: asked(world, "select n from kept")):
        with pytest.raises((PartflowError, duckdb.Error), match="make it again, or change the sch"):
            ask()


def test_the_words_of_an_enum_are_shown_of_a_source_s_text_and_of_a_task_s_own(world):
    words = """
GRAIN = Daily("2024-01-01", "2024-01-02")
raw = Source("raw", GRAIN, path="landing/{key}.parquet", schema={"n": pl.Enum(["a", "b"])})
kept = Dataset("kept", GRAIN, schema={"n": pl.Enum(["a", "b"])})

@task(reads=[raw], writes=kept)
def keep(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.select("n")
"""
    landed(world, columns(n=["a", None, "b"]), jobs=words)
    assert world.run().failed == 0
    rows = [("a",), ("b",), (None,)]
    for name in ("raw", "kept"):
        assert asked(world, f"select n from {name} order by n") == rows
        assert by_catalog(world, f"select n from {name} order by n") == rows


def test_a_source_of_which_no_file_can_be_read_says_why(world):
    delivered(world, "a;b\nx;y\n")
    with pytest.raises(UsageError, match=r"raw@2024-01-01 cannot be read: .* has no commas"):
        asked(world, "select * from raw")


def test_the_catalog_shows_a_file_again_that_was_mended(world):
    delivered(world, "a,b\nx,y\n", "a,b\nx,y\nz\n")
    world.run("kept")
    delivered(world, "a,b\nx,y\n", "a,b\nx,y\n")
    world.run("kept")
    assert by_catalog(world, "select a from raw") == [("x",), ("x",)]


def test_an_empty_day_has_no_say_in_the_types(world):
    landed(world, pl.DataFrame(schema={"n": pl.String}), columns(n=[7]), columns(n=[8]))
    world.run()
    assert asked(world, "select sum(n) from drift") == [(15,)]
    assert by_catalog(world, "select sum(n) from drift") == [(15,)]
    assert world.read("total")["n"].to_list() == [7, 8]


def test_the_declared_schema_is_what_old_days_are_shown_in(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    (world.root / "landing/2024-01-01.parquet").unlink()
    half = DRIFT.replace('"drift", GRAIN', '"drift", GRAIN, schema={"n": pl.Float64}')
    world.jobs("from pathlib import Path\n" + half.replace("=False)", "=False) / 2"))
    world.run()
    rows = [(1.0,), (1.0,), (1.5,)]
    assert asked(world, "select n from drift order by date") == rows
    assert by_catalog(world, "select n from drift order by date") == rows
    assert world.read("drift")["n"].to_list() == [1.0, 1.0, 1.5]


def test_a_file_that_somebody_changed_is_shown_as_it_is(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    world.run()
    columns(n=[2.5]).write_parquet(world.file("drift", DAYS[1]))
    assert asked(world, "select n from drift order by date") == [(1.0,), (2.5,), (3.0,)]


def test_what_has_landed_since_the_last_run_is_shown_as_it_is(world):
    landed(world, columns(n=[1]), columns(n=[2]))
    world.run("drift")
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[2.5]))
    assert asked(world, "select n from raw order by date") == [(1.0,), (2.0,), (2.5,)]


def test_text_is_shown_as_it_was_read(world):
    world.jobs("""
        raw = Source("raw", Daily("2024-01-01", "2024-01-03"), path="landing/{key}.csv")

        @effect(reads=[raw])
        def look(frame: pl.DataFrame) -> None: ...
    """)
    world.write("landing/2024-01-01.csv", "code,at\n12345678901234567890,2024-01-05\n")
    world.write("landing/2024-01-02.csv", "code,at\n12345678901234567891,2024-02-05\n")
    world.run()
    known = world.read("raw").schema
    relation = world.project.sql("select * from raw order by 1")
    assert known["at"] == pl.Date
    assert [str(t) for t in relation.types[1:]] == ["DATE", "DATE"]
    assert [str(row[0]) for row in relation.fetchall()] == [
        str(v) for v in world.read("raw")["code"]
    ]


def test_files_of_csv_are_shown_by_the_names_of_their_columns_in_any_order(world):
    delivered(world, "a,b\n#1,x\n", "b,a\n'y',4\n")
    schema = 'schema={"b": pl.String, "a": pl.String}, path='
    world.jobs(TEXTS.replace("path=", schema, 1))
    world.run()
    for ask in (asked, by_catalog):
        assert ask(world, "select b, a from raw order by date") == [("x", "#1"), ("'y'", "4")]


def test_text_files_of_other_types_are_an_error_only_of_what_touches_both(world):
    world.jobs("""
        raw = Source("raw", Daily("2024-01-01", "2024-01-03"), path="landing/{key}.csv")

        @effect(reads=[raw])
        def look(frame: pl.DataFrame) -> None: ...
    """)
    world.write("landing/2024-01-01.csv", "n\n1\n")
    world.write("landing/2024-01-02.csv", "n\n2.5\n")
    world.run()
    assert asked(world, "select n from raw where date = '2024-01-02'") == [(2.5,)]
    assert asked(world, "select n from raw where date = '2024-01-01'") == [(1,)]
    with pytest.raises(
        UsageError, match=r"'n' is Int64 in raw@2024-01-01, and Float64 in raw@2024-01"
    ):
        asked(world, "select n from raw")


def test_spans_and_numbers_of_128_bits_are_shown_as_what_they_are(world):
    span = timedelta(days=1, seconds=2)
    frame = pl.DataFrame({"span": [span], "spans": [[span]]}).with_columns(
        big=pl.lit(-(2**100), dtype=pl.Int128), half=pl.lit(0.5, dtype=pl.Float16)
    )
    landed(world, frame, frame, frame)
    rows = [(span, [span], -(2**100), 0.5)] * 3
    assert asked(world, "select span, spans, big, half from raw") == rows


def test_a_nan_is_found_by_every_way_to_ask(world):
    landed(world, columns(f=[1.0, float("nan"), 2.0]), columns(f=[1.0]), columns(f=[1.0]))
    world.run()
    for where in ("isnan(f)", "f > 5", "f = 'nan'"):
        assert asked(world, f"select count(*) from drift where {where}") == [(1,)]
        assert by_catalog(world, f"select count(*) from drift where {where}") == [(1,)]


def forget_schemas(world) -> None:
    with world.tables() as c:
        c.execute("UPDATE partitions SET schema = NULL")
        c.execute("DELETE FROM schemas")


def unlooked(metastore: SqliteMetastore) -> list[str]:
    return [key for name in ("raw", "drift", "total") for key in metastore.unlooked(name)]


def test_a_warehouse_from_before_is_described_once_and_nothing_of_it_is_stale(world):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[3]))
    world.run()
    forget_schemas(world)
    (world.root / "landing/2024-01-03.parquet").unlink()
    assert asked(world, "select n from drift order by date") == [(1.0,), (2.5,), (3.0,)]
    assert world.run().ran == 0
    with world.metastore() as metastore:
        assert unlooked(metastore) == []
        assert sorted(metastore.schemas("drift").values()) == [
            '[["n","Float64"]]',
            '[["n","Int64"]]',
        ]


def test_a_rebuilt_metastore_knows_the_schemas(world):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[3]))
    world.run()
    with world.metastore() as metastore:
        before = {n: metastore.shapes(n) for n in ("raw", "drift", "total")}
    world.project.upkeep.rebuild(Controls())
    with world.metastore() as metastore:
        after = {n: metastore.shapes(n) for n in ("raw", "drift", "total")}
    assert {n: {k: t for k, (t, _) in of.items()} for n, of in after.items()} == {
        n: {k: t for k, (t, _) in of.items()} for n, of in before.items()
    }


def test_a_query_needs_no_metastore(world):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[3]))
    world.run()
    (world.root / "warehouse/.partflow/metastore.sqlite").write_bytes(b"no database" * 100)
    assert asked(world, "select n from drift order by date") == [(1.0,), (2.5,), (3.0,)]


def test_a_source_that_others_wrote_is_shown_as_its_schema_says(world):
    declared = DRIFT.replace(
        "{key}.parquet",
        '{key}.parquet", schema={"at": pl.Datetime("us"), "n": pl.Int32}, description="',
    )
    at = pl.Series("at", [datetime(2024, 1, 1, 5)], dtype=pl.Datetime("ns"))  # noqa: DTZ001
    landed(world, *[pl.DataFrame([at, pl.Series("n", [7])])] * 3, jobs=declared)
    rows = [(datetime(2024, 1, 1, 5), 7)] * 3  # noqa: DTZ001
    assert asked(world, 'select "at", n from raw') == rows
    assert world.read("raw").select("at", "n").rows() == rows
    pl.DataFrame([at, pl.Series("n", [2**40])]).write_parquet(
        world.root / "landing/2024-01-03.parquet"
    )
    assert len(asked(world, "select n from raw where date < '2024-01-03'")) == 2
    with pytest.raises(
        duckdb.Error, match=r"raw@2024-01-03 cannot be .* '1099511627776' is no Int32"
    ):
        asked(world, "select n from raw")


def test_columns_that_differ_by_case_are_read_by_tasks_and_are_no_view(world):
    landed(world, columns(Date=[1], v=[2]), columns(v=[1], V=[2]), columns(v=[3]))
    world.run()
    assert world.project.read("raw", "2024-01-01", "2024-01-02").collect().columns == [
        "Date",
        "v",
        "date",
    ]
    with pytest.raises(
        UsageError, match=r"raw has the columns 'date' \(its partition col.* 'Date'"
    ):
        asked(world, "select v from raw")
    assert asked(world, "select v from drift where date = '2024-01-03'") == [(3,)]


def test_partitions_whose_columns_differ_by_case_from_each_other_s_are_no_view(world):
    landed(world, columns(v=[1]), columns(V=[2]), columns(v=[3]))
    world.run()
    with pytest.raises(UsageError, match="drift has the columns 'v' and 'V', which SQL does not"):
        asked(world, "select v from drift")
    assert world.read("drift").columns == ["v", "V", "date"]


def test_what_can_be_no_view_is_told_of_only_where_it_is_asked_for(world):
    landed(world, columns(v=[1], V=[2]), columns(v=[1]), columns(v=[3]))
    world.run()
    with pytest.raises(UsageError, match=r"Table with name dritf does not exist"):
        asked(world, "select * from dritf")
    assert ("drift",) in asked(world, "show tables")


@pytest.mark.parametrize("kind", ["Int128", "UInt128"])
def test_a_result_that_other_readers_cannot_read_is_refused(world, kind):
    world.jobs(f"""
        wide = Dataset("wide", Whole())

        @task(writes=wide)
        def make() -> pl.LazyFrame:
            return pl.LazyFrame({{"id": [[1]]}}, schema={{"id": pl.List(pl.{kind})}})
    """)
    message = world.run().failures[0].failure.message
    assert f"the column 'id' is {kind}, which readers of Parquet other than" in message
    assert "cast it to pl.Decimal(38, 0), or to pl.String" in message


ACCESS = """
    raw = Source("raw", Daily("2024-01-01", "2024-01-03"), path="sales-{key}.csv")
    shops = Source("shops", Whole(), path="shops.csv")
    clean = Dataset("clean", Daily("2024-01-01", "2024-01-03"))

    @task(reads=[raw], writes=clean)
    def store(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame

    @effect(reads=[shops])
    def look(frame: pl.DataFrame) -> None: ...
"""


@pytest.fixture
def in_root(world):
    """Sources whose files lie in the root itself, beside what is none of a query's business."""
    world.jobs(ACCESS)
    for day in DAYS[:2]:
        world.write(f"sales-{day}.csv", "n\n1\n")
    world.write("shops.csv", "shop\na\n")
    world.write("secret.csv", "word\nx\n")
    world.run()
    return world


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from raw",
        "select 2 * count(*) from shops",
        "select count(*) from clean",
        "select count(*) from raw where date = '2024-01-02' or n = 1",
    ],
)
def test_a_source_in_the_root_is_read_and_so_is_a_dataset(in_root, sql):
    assert asked(in_root, sql) == [(2,)]


@pytest.mark.parametrize(
    "path",
    [
        "secret.csv",
        "partflow.toml",
        "*.csv",
        "warehouse/.partflow/journal.jsonl",
        "warehouse/clean/../.partflow/journal.jsonl",
        "warehouse/.partflow/logs",
    ],
)
def test_a_query_reads_nothing_but_what_is_declared(in_root, path):
    with pytest.raises((UsageError, duckdb.Error), match="disabled by"):
        asked(in_root, f"from read_text('{in_root.root}/{path}')")


def test_a_query_may_read_the_files_of_a_dataset_by_their_path(in_root):
    path = in_root.root / "warehouse/clean/date=2024-01-01/data.parquet"
    assert asked(in_root, f"select n from read_parquet('{path}')") == [(1,)]


def test_a_partition_column_that_some_files_have_and_others_lack_is_an_error(world):
    landed(world, columns(n=[1], date=[date(1999, 1, 1)]), columns(n=[2]), columns(n=[3]))
    assert asked(world, "select n from raw where n > 1 order by n") == [(2,), (3,)]
    with pytest.raises((UsageError, duckdb.Error), match="column 'date' is missing in raw@2024-01"):
        asked(world, "select date from raw")
    with pytest.raises(PartflowError, match="date"):
        world.read("raw")


def test_keywords_are_names_like_others(world):
    world.jobs(
        """
        order = Dataset("order", Daily("2024-01-01", "2024-01-04"), partition_column="group")

        @task(writes=order)
        def make(partition: Partition) -> pl.DataFrame:
            kind = pl.Int64 if partition.start.day < 3 else pl.Float64
            column = pl.Series("select", [partition.start.day], dtype=kind)
            return pl.DataFrame([column, pl.Series("from", [{"table": timedelta(1)}])])
    """.replace("order = ", "from datetime import timedelta\n        order = ", 1)
    )
    world.run()
    sql = """select "select", "from"."table", "group"::varchar from "order" order by "group" """
    assert [row[0] for row in asked(world, sql)] == [1.0, 2.0, 3.0]
    assert [row[2] for row in by_catalog(world, sql)] == list(DAYS)


@pytest.mark.parametrize("text", ["x", '[["n","read_csv"]]', '[["n",["List"]]]', "[" * 9999])
def test_a_recorded_schema_that_is_none_is_looked_up(world, text):
    landed(world, columns(n=[1]), columns(n=[2.5]), columns(n=[3]))
    world.run()
    with world.tables() as c:
        c.execute("UPDATE schemas SET columns = ? || id", (text,))
    assert asked(world, "select n from drift order by date") == [(1.0,), (2.5,), (3.0,)]
    assert world.run("drift").ran == 0


def test_maps_and_what_extensions_are_stored_as_are_shown(world):
    world.jobs("""
        landing = Source("landing", Daily("2024-01-01", "2024-01-02"), path="landing/{key}.parquet")
        maps = Dataset("maps", Daily("2024-01-01", "2024-01-02"))

        @task(reads=[landing], writes=maps)
        def store(frame: pl.DataFrame):
            import duckdb
            return duckdb.sql("select map {'a': 1} as m, [map {'b': 2.5}] as l")
        """)
    (world.root / "landing").mkdir()
    rows = pa.table({"j": pa.array(['{"a": 1}']).cast(pa.json_())})
    pq.write_table(rows, world.root / "landing/2024-01-01.parquet")
    assert world.run().failed == 0
    assert asked(world, "select j from landing") == [('{"a": 1}',)]
    assert asked(world, "select m['a'], l[1]['b']::double from maps") == [(1, 2.5)]


def test_a_file_that_cannot_be_read_is_an_error_only_of_what_reads_it(world):
    landed(world, columns(n=[1]), columns(n=[2]), columns(n=[3]))
    (world.root / "landing/2024-01-01.parquet").write_text("no Parquet")
    assert asked(world, "select n from raw where date > '2024-01-01' order by n") == [(2,), (3,)]
    with pytest.raises((UsageError, duckdb.Error), match=r"2024-01-01\.parquet"):
        asked(world, "select n from raw")


def test_of_a_dataset_without_partitions_it_is_said_that_nothing_can_be_asked(world):
    landed(world)
    with pytest.raises(UsageError, match="drift has no partition yet and declares no schema"):
        world.project.sql("select * from Drift")


def test_another_mistake_is_not_said_to_be_that_of_a_dataset_without_partitions(world):
    landed(world)
    with pytest.raises(UsageError, match="nothing_such"):
        world.project.sql("select 1 as drift from nothing_such")
