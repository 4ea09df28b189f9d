"""What all that shows data says of a source's file that cannot be read, or not as is declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest

from partflow.errors import PartflowError
from partflow.formats.text import Csv, _Text
from partflow.formats.texttypes import RULES

PARQUET = """
GRAIN = Daily("2024-01-01", "2024-01-03")
raw = Source("raw", GRAIN, path="landing/{key}.parquet", schema={"n": pl.Int8, "t": pl.String})
whole = Dataset("whole", Whole())

@task(reads=[raw], writes=whole)
def gather(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame
"""
GOOD = pl.DataFrame({"n": [1], "t": ["a"]}, schema={"n": pl.Int8, "t": pl.String})
BAD = "landing/2024-01-02.parquet"
QUERIES = (
    "select * from raw", "select t from raw", "select t from raw limit 1",
    "select t from raw where t = 'a'", "select count(*) from raw", "select date from raw",
    "select max(t) from raw where date > '2024-01-01'",
)  # fmt: skip


def cut(path: Path) -> None:
    """Rows of which a footer tells all, and of whose pages some are another file's."""
    rows = pl.DataFrame({"n": [i % 100 for i in range(9000)], "t": [str(i) for i in range(9000)]})
    rows.with_columns(pl.col("n").cast(pl.Int8)).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:400] = b"#" * 396
    path.write_bytes(data)


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no Parquet", lambda path: path.write_text("n,t\n1,a\n"), "does not begin and end"),
    ("nothing", lambda path: path.write_bytes(b""), "does not begin and end"),
    ("a cut page", cut, "have it delivered again"),
    (
        "a value that does not fit",
        lambda path: pl.DataFrame({"n": [1, 300], "t": ["a", "b"]}).write_parquet(path),
        "column 'n': '300' is no Int8; declare",
    ),
    (
        "a column too few",
        lambda path: GOOD.select("t").write_parquet(path),
        "has no column 'n'; it has t; have it delivered again, or mend the schema",
    ),
    (
        "a type of another kind",
        lambda path: pl.DataFrame({"n": ["1"], "t": ["a"]}).write_parquet(path),
        "column 'n': it is String, and the schema says Int8; declare",
    ),
]


def told(world, sql: str) -> Iterator[str]:
    """What each way to ask raises; "" where it shows rows."""
    for ask in (
        lambda: world.project.sql(sql).fetchall(),
        lambda: catalog(world, sql),
        lambda: world.project.read("raw").select("t").head(1).collect(),
        lambda: world.project.read("raw").collect(),
    ):
        try:
            ask()
        except (PartflowError, duckdb.Error) as error:
            yield str(error)
        else:
            yield ""


def catalog(world, sql: str) -> list[tuple[object, ...]]:
    path = world.root / "warehouse/catalog.duckdb"
    with closing(duckdb.connect(path, read_only=True)) as connection:
        connection.execute(f"set file_search_path = '{world.root}'")
        return connection.sql(sql).fetchall()


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "corrected"])
@pytest.mark.parametrize(("write", "says"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_all_that_shows_a_file_at_fault_says_the_same(world, write, says, is_first) -> None:
    world.jobs(PARQUET)
    (world.root / "landing").mkdir()
    for key in ("2024-01-01", "2024-01-02"):
        GOOD.write_parquet(world.root / f"landing/{key}.parquet")
    if not is_first:
        world.run()
    write(world.root / BAD)
    (fault,) = world.project.materialize().faults
    assert fault.file == BAD
    for sql in QUERIES:
        for said in told(world, sql):
            assert f"{BAD}: {fault.reason}; {fault.advice}" in said, sql
            assert says in said
            assert not re.search("union_by_name|ignore_errors|try_cast", said, re.IGNORECASE)
    good = "select n, t from raw where date = '2024-01-01'"
    assert world.project.sql(good).fetchall() == catalog(world, good) == [(1, "a")]
    first_day = world.project.read("raw", end="2024-01-02").select("n", "t").collect()
    assert first_day.rows() == [(1, "a")]
    made = (world.root / "warehouse/whole/data.parquet").exists()
    assert made is not is_first  # the task shows its last good content, and nothing of the fault


def test_a_file_that_has_more_columns_is_none_at_fault(world) -> None:
    world.jobs(PARQUET)
    (world.root / "landing").mkdir()
    GOOD.write_parquet(world.root / "landing/2024-01-01.parquet")
    GOOD.with_columns(more=2.5).write_parquet(world.root / BAD)
    world.run()
    rows = [(1, "a"), (1, "a")]
    assert world.project.sql("select * exclude (date) from raw").fetchall() == rows
    assert catalog(world, "select * exclude (date) from raw") == rows
    assert world.read("raw").drop("date").rows() == world.read("whole").drop("date").rows() == rows


def test_a_file_that_is_mended_is_shown_again_before_any_run(world) -> None:
    world.jobs(PARQUET)
    (world.root / "landing").mkdir()
    for key in ("2024-01-01", "2024-01-02"):
        GOOD.write_parquet(world.root / f"landing/{key}.parquet")
    FAULTS[3][1](world.root / BAD)
    world.run()
    GOOD.write_parquet(world.root / BAD)
    assert world.project.sql("select n, t from raw").fetchall() == [(1, "a"), (1, "a")]
    assert len(world.read("raw")) == 2


def test_a_task_s_own_file_that_somebody_damaged_is_an_error_of_all_that_shows_it(world) -> None:
    world.jobs(PARQUET)
    (world.root / "landing").mkdir()
    for key in ("2024-01-01", "2024-01-02"):
        GOOD.write_parquet(world.root / f"landing/{key}.parquet")
    world.run()
    cut(world.root / "warehouse/whole/data.parquet")
    for ask in (
        lambda: world.project.sql("select count(*) from whole").fetchall(),
        lambda: world.project.read("whole").select("t").collect(),
    ):
        with pytest.raises(
            PartflowError, match=r"warehouse/whole/data.parquet: .*; replace the file, or make it"
        ):
            ask()


@pytest.mark.parametrize("folder", ["n=5", "region=north/date={key}", "date={key}/x=1"])
def test_a_folder_named_like_a_column_is_no_column(world, folder) -> None:
    path = f"landing/{folder}/{{key}}.parquet"
    world.jobs(PARQUET.replace("landing/{key}.parquet", path))
    for key in ("2024-01-01", "2024-01-02"):
        file = world.root / path.replace("{key}", key)
        file.parent.mkdir(parents=True, exist_ok=True)
        GOOD.write_parquet(file)
    world.run()
    shown = world.project.sql("select * from raw order by date")
    assert shown.columns == world.read("raw").columns == ["n", "t", "date"]
    assert shown.fetchall() == catalog(world, "from raw order by date") == world.read("raw").rows()


@pytest.mark.parametrize("name", ["_partflow_file", "_PARTFLOW_FILE"])
@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_no_name_of_a_column_is_kept_for_partflow(world, ending, name) -> None:
    world.jobs(
        PARQUET.replace("parquet", ending).replace(', schema={"n": pl.Int8, "t": pl.String}', "")
    )
    (world.root / "landing").mkdir()
    for key in ("2024-01-01", "2024-01-02"):
        frame, file = GOOD.rename({"n": name}), world.root / f"landing/{key}.{ending}"
        {"csv": frame.write_csv, "ndjson": frame.write_ndjson, "parquet": frame.write_parquet}[
            ending
        ](file)
    world.run()
    shown = world.project.sql("select * from raw order by date")
    assert shown.columns == [name, "t", "date"]
    assert shown.fetchall() == catalog(world, "from raw order by date") == world.read("raw").rows()


SPACES = """
GRAIN = Daily("2024-01-01", "2024-01-03")
raw = Source("raw", GRAIN, path="landing/{key}.csv")
whole = Dataset("whole", Whole())

@task(reads=[raw], writes=whole)
def gather(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame
"""


@pytest.mark.parametrize(
    "text", ["n,t\n1,a\n   \n2,b\n", "n,t\n1,a\n2,b\n  ", "n,t\n1,a\n2,b\n\t\n"]
)
def test_lines_of_spaces_are_no_rows_of_tasks_and_queries_say_that_they_stand_there(
    world, text: str
) -> None:
    world.jobs(SPACES)
    world.write("landing/2024-01-01.csv", "n,t\n3,c\n")
    (world.root / "landing/2024-01-02.csv").write_text(text)
    assert not world.project.materialize().faults
    assert world.read("whole")["n"].to_list() == world.read("raw")["n"].to_list() == [3, 1, 2]
    said = r"raw@2024-01-02 cannot be shown: landing/2024-01-02.csv: it has lines of spaces alone"
    for ask in (lambda sql: world.project.sql(sql).fetchall(), lambda sql: catalog(world, sql)):
        with pytest.raises(duckdb.Error, match=said):
            ask("select n from raw")
        assert ask("select n from raw where date < '2024-01-02'") == [(3,)]


def test_a_file_read_by_the_rules_of_before_is_looked_at_for_lines_of_spaces(world) -> None:
    world.jobs(SPACES)
    for key in ("2024-01-01", "2024-01-02"):
        (world.root / f"landing/{key}.csv").parent.mkdir(exist_ok=True)
        (world.root / f"landing/{key}.csv").write_text("n,t\n1,a\n   \n")
    with pytest.MonkeyPatch.context() as before:
        before.setattr(Csv, "rules", RULES - 1)
        before.setattr(Csv, "contents", _Text.contents)
        world.run()
    assert world.planned() == {}
    world.run()
    with pytest.raises(duckdb.Error, match="lines of spaces alone"):
        world.project.sql("select n from raw").fetchall()
