"""A source's partition may have several files, which count as one table, or are handed over."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from partflow.execution.controls import Controls
from partflow.planning.planner import Action, State
from partflow.warehouse import setcontents
from partflow.warehouse.verify import Verify

JOBS = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="PATH", MORE)
total = Dataset("total", DAYS)

@task(reads=raw, writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
FIRST, SECOND, THIRD = KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")
DATED = "landing/{date:%Y/%m/%d}/*.csv"


def declare(world, path: str = DATED, more: str = "") -> None:
    world.jobs(JOBS.replace("PATH", path).replace("MORE", more))


def place(key: str, name: str) -> str:
    return f"landing/{key.replace('-', '/')}/{name}"


def deliver(world, key: str, **files: tuple[int, ...]) -> None:
    for name, values in files.items():
        world.write(place(key, f"{name}.csv"), "n\n" + "".join(f"{n}\n" for n in values))


def remove(world, key: str, name: str) -> None:
    (world.root / place(key, name)).unlink()


def test_the_rows_of_all_files_are_one_partition(world):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    deliver(world, SECOND, c=(10,))
    assert world.run().ran == 2
    assert world.read("total")["n"].to_list() == [6, 10]
    rows = world.project.read("raw").collect().sort("date", "n")
    assert rows["n"].to_list() == [1, 2, 3, 10]
    assert rows["date"].cast(pl.String).to_list() == [FIRST] * 3 + [SECOND]
    assert world.planned() == {}
    assert world.run().ran == 0


def test_rows_that_are_split_into_files_in_another_way_are_no_change(world):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    world.run()
    for name in ("a.csv", "b.csv"):
        remove(world, FIRST, name)
    deliver(world, FIRST, x=(3, 2), y=(), z=(1,))
    assert world.planned() == {}
    deliver(world, FIRST, y=(4,))
    assert world.planned() == {"count": [FIRST]}


def test_a_file_more_is_a_change_and_only_that_one_is_read(world, monkeypatch):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    age(world)
    world.run()
    deliver(world, FIRST, c=(4,))
    read, digested = setcontents.piece_of, []
    monkeypatch.setattr(
        setcontents, "piece_of", lambda form, path: digested.append(path.name) or read(form, path)
    )
    assert world.planned() == {"count": [FIRST]}
    assert set(digested) == {"c.csv"}


def age(world) -> None:
    """Files are older than the step of any clock."""
    for path in (world.root / "landing").rglob("*"):
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))


def test_an_empty_folder_is_not_there(world):
    declare(world)
    (world.root / place(FIRST, "x")).parent.mkdir(parents=True)
    (world.root / place(FIRST, "notes.txt")).write_text("no table")
    assert world.planned() == {}
    text = world.project.why("raw", FIRST).text
    assert text == "has not arrived: there is no file landing/2024/01/01/*.csv"


def test_names_with_a_dot_in_front_and_folders_are_no_files_of_it(world):
    declare(world)
    deliver(world, FIRST, a=(1,))
    world.write(place(FIRST, ".b.csv"), "n\n5\n")
    (world.root / place(FIRST, "c.csv")).mkdir()
    world.run()
    assert world.read("total")["n"].to_list() == [1]


def test_files_that_are_only_gone_leave_the_partition_as_it_was(world):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    world.run()
    remove(world, FIRST, "b.csv")
    assert world.planned() == {}
    assert world.project.why("raw", FIRST).text.startswith("is there in part")
    assert world.run().ran == 0
    assert world.planned() == {}
    deliver(world, FIRST, a=(1, 5))
    assert world.planned() == {"count": [FIRST]}


def test_after_a_rebuild_files_that_are_only_gone_leave_it_as_it_was(world):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    world.run()
    world.project.upkeep.rebuild(Controls())
    remove(world, FIRST, "b.csv")
    assert world.planned() == {}
    assert world.project.why("raw", FIRST).text.startswith("is there in part")


@pytest.mark.parametrize("verify", list(Verify))
def test_what_arrives_is_seen_however_closely_is_looked(world, verify):
    declare(world)
    deliver(world, FIRST, a=(1,))
    assert (world.project.plan(verify=verify).tasks["count"].action == Action.RUN).sum() == 1
    world.run()
    assert not (world.project.plan(verify=verify).tasks["count"].action == Action.RUN).any()


def test_keys_in_names_tell_whose_a_file_is(world):
    declare(world, "in/{key}-*.csv")
    for key, part, n in ((FIRST, "a", 1), (FIRST, "b", 2), (SECOND, "a", 4)):
        world.write(f"in/{key}-{part}.csv", f"n\n{n}\n")
    world.write("in/2024-01-99-a.csv", "n\n7\n")
    world.run()
    assert world.read("total")["n"].to_list() == [3, 4]
    rows = world.project.sql("select date, sum(n) from raw group by 1 order by 1").fetchall()
    assert [n for _, n in rows] == [3, 4]


def test_queries_and_the_catalog_show_the_rows_of_all_files(world, monkeypatch):
    monkeypatch.chdir(world.root)
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    deliver(world, SECOND, c=(10,))
    world.run()
    query = "select date, sum(n) from raw group by 1 order by 1"
    assert [n for _, n in world.project.sql(query).fetchall()] == [6, 10]
    with duckdb.connect(str(world.root / "warehouse/catalog.duckdb"), read_only=True) as catalog:
        assert [n for _, n in catalog.execute(query).fetchall()] == [6, 10]
    deliver(world, SECOND, d=(5,))
    world.run()
    with duckdb.connect(str(world.root / "warehouse/catalog.duckdb"), read_only=True) as catalog:
        assert [n for _, n in catalog.execute(query).fetchall()] == [6, 15]


def test_parquet_files_of_other_types_are_widened(world):
    declare(world, "in/{key}/*.parquet")
    folder = world.root / "in" / FIRST
    folder.mkdir(parents=True)
    pl.DataFrame({"n": [1]}, schema={"n": pl.Int32}).write_parquet(folder / "a.parquet")
    pl.DataFrame({"n": [2**40]}).write_parquet(folder / "b.parquet")
    world.run()
    assert world.read("total")["n"].to_list() == [2**40 + 1]
    assert world.project.sql("select sum(n) from raw").fetchall() == [(2**40 + 1,)]
    assert world.planned() == {}


def test_files_that_do_not_fit_together_are_named(world):
    declare(world)
    deliver(world, FIRST, a=(1,))
    world.write(place(FIRST, "b.csv"), "n\nword\n")
    planned = world.project.plan().sources["raw"][0]
    assert planned == State.BLOCKED
    text = world.project.why("raw", FIRST).text
    assert "column 'n' is String" in text
    assert "a.csv it is Int64" in text


def test_a_set_is_whole_once_its_marker_is_there(world):
    declare(world, "landing/{date:%Y/%m/%d}/*", 'format="csv", complete="_SUCCESS"')
    deliver(world, FIRST, a=(1,), b=(2,))
    assert world.planned() == {}
    assert "there is no file landing/2024/01/01/_SUCCESS" in world.project.why("raw", FIRST).text
    world.write(place(FIRST, "_SUCCESS"), "")
    world.run()
    assert world.read("total")["n"].to_list() == [3]
    assert world.project.sql("select sum(n) from raw").fetchall() == [(3,)]


def test_a_set_settles_once_the_youngest_of_its_files_has(world):
    declare(world, more='settled_for="10m"')
    deliver(world, FIRST, a=(1,), b=(2,))
    assert world.planned() == {}
    assert "counts as whole after" in world.project.why("raw", FIRST).text


PATHS = """
from pathlib import Path
from typing import Any
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="landing/{date:%Y/%m/%d}/*", format="FORMAT")
names = Dataset("names", DAYS)

@task(reads=raw, writes=names)
def name(files: KIND) -> pl.DataFrame:
    return pl.DataFrame({"name": [WHAT for each in files]})
"""


def test_any_files_are_handed_over_as_paths_and_count_with_their_names(world):
    kinds = {"FORMAT": "file", "KIND": "list[Path]", "WHAT": "each.name"}
    text = PATHS
    for old, new in kinds.items():
        text = text.replace(old, new)
    world.jobs(text)
    for name in ("b.tif", "a.tif"):
        world.write(place(FIRST, name), "II")
    world.run()
    assert world.read("names")["name"].to_list() == ["a.tif", "b.tif"]
    folder = world.root / place(FIRST, "b.tif")
    folder.rename(folder.with_name("c.tif"))
    assert world.planned() == {"name": [FIRST]}


def test_documents_are_handed_over_as_a_list_in_order_of_name(world):
    kinds = {"FORMAT": "json", "KIND": "list[Any]", "WHAT": 'each["n"]'}
    text = PATHS
    for old, new in kinds.items():
        text = text.replace(old, new)
    world.jobs(text)
    world.write(place(FIRST, "b.json"), json.dumps({"n": "second"}))
    world.write(place(FIRST, "a.json"), json.dumps({"n": "first"}))
    world.write(place(SECOND, "x.json"), json.dumps({"n": "alone"}))
    world.run()
    assert world.read("names")["name"].to_list() == ["first", "second", "alone"]


def test_a_source_that_is_not_cut_may_have_several_files(world):
    world.jobs(
        'shops = Source("shops", Whole(), path="landing/shops-*.csv")\n'
        'copy = Dataset("copy", Whole())\n'
        "@task(reads=shops, writes=copy)\n"
        "def take(rows: pl.LazyFrame) -> pl.LazyFrame:\n    return rows\n"
    )
    assert world.run().ran == 0
    world.write("landing/shops-north.csv", "shop\na\n")
    world.write("landing/shops-south.csv", "shop\nb\n")
    assert world.run().ran == 1
    assert sorted(world.read("copy")["shop"].to_list()) == ["a", "b"]
    assert world.project.sql("select count(*) from shops").fetchall() == [(2,)]


def test_a_folder_that_was_emptied_leaves_the_partition_as_it_was(world):
    declare(world)
    deliver(world, FIRST, a=(1,), b=(2,))
    world.run()
    shutil.rmtree(Path(world.root / "landing"))
    assert world.planned() == {}
    assert "is gone, and its last content remembered" in world.project.why("raw", FIRST).text


WINDOW = """
import duckdb
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="{landing}/{date:%Y/%m/%d}/*.csv")
total = Dataset("total", DAYS)

@task(reads=raw.window(-1, 0), writes=total)
def add(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return rows.aggregate("cast(sum(n) as bigint) as n, count(distinct date) as days")
"""


def test_sets_in_an_outside_folder_are_read_through_windows_and_relations(world, tmp_path):
    world.jobs(WINDOW)
    outside = tmp_path.parent / f"{tmp_path.name}_outside"
    for key, name, n in ((FIRST, "a", 1), (FIRST, "b", 2), (SECOND, "a", 4), (THIRD, "a", 8)):
        path = outside / key.replace("-", "/") / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"n\n{n}\n")
    text = (world.root / "partflow.toml").read_text()
    world.write("partflow.toml", f'{text}\n[folders]\nlanding = "{outside}"\n')
    assert world.run().ran == 3
    assert world.read("total")["n"].to_list() == [3, 7, 12]
    assert world.read("total")["days"].to_list() == [1, 2, 2]
    assert world.project.sql("select sum(n) from raw").fetchall() == [(15,)]
    assert world.project.why("raw", FIRST).text == "is there: {landing}/2024/01/01/*.csv"


def test_a_check_of_all_files_reads_each_of_a_set(world):
    declare(world)
    deliver(world, FIRST, a=(1, 2), b=(3,))
    world.run()
    age(world)
    assert world.project.check_files().faults == ()
    path = world.root / place(FIRST, "b.csv")
    before = path.stat()
    path.write_text("n\n5\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (fault,) = world.project.check_files().faults
    assert (fault.node, fault.key) == ("raw", FIRST)


def test_a_step_whose_set_grows_after_the_look_is_not_made_of_it(world):
    declare(world)
    deliver(world, FIRST, a=(1,))
    source = world.project.graph.datasets["raw"]
    store = world.project.store
    expected = store.identities(source, [FIRST])
    assert store.read(source, [FIRST], expected).counts == (1,)
    deliver(world, FIRST, b=(2,))
    assert store.read(source, [FIRST], expected).moved == (FIRST,)
