"""Sources whose folders and files are named by dates, through plans, runs and queries."""

from __future__ import annotations

import duckdb
import pytest

from partflow.errors import DeclarationError
from partflow.execution.controls import Controls
from partflow.planning.planner import Action, State
from partflow.project.project import Project
from partflow.store.memory import MemoryStore

JOBS = """
raw = Source("raw", GRAIN, path="PATH")
total = Dataset("total", GRAIN)

@task(reads=[raw.window(-1, 0)], writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
CASES = {
    "days": (
        'Daily("2024-01-30", end="2024-02-02")',
        "landing/{date:%Y/%m/%d}/sales.csv",
        ["landing/2024/01/30/sales.csv", "landing/2024/01/31/sales.csv",
         "landing/2024/02/01/sales.csv"],
    ),
    "days in a flat folder": (
        'Daily("2024-01-30", end="2024-02-02", tz="Europe/Berlin")',
        "landing/sales-{start:%d.%m.%Y}.csv",
        ["landing/sales-30.01.2024.csv", "landing/sales-31.01.2024.csv",
         "landing/sales-01.02.2024.csv"],
    ),
    "days in folders of years, in the project's own": (
        'Daily("2023-12-30", end="2024-01-02")',
        "{date:%Y}/{key}.csv",
        ["2023/2023-12-30.csv", "2023/2023-12-31.csv", "2024/2024-01-01.csv"],
    ),
    "named folders": (
        'Monthly("2023-12-01", end="2024-03-01")',
        "landing/year={date:%Y}/month={date:%m}/sales.csv",
        ["landing/year=2023/month=12/sales.csv", "landing/year=2024/month=01/sales.csv",
         "landing/year=2024/month=02/sales.csv"],
    ),
    "hours": (
        'Hourly("2024-01-31T22", end="2024-02-01T01")',
        "landing/{start:%Y-%m-%d}/{start:%H}.csv",
        ["landing/2024-01-31/22.csv", "landing/2024-01-31/23.csv", "landing/2024-02-01/00.csv"],
    ),
    "hours of another zone": (
        'Hourly("2024-01-31T22", end="2024-02-01T01", tz="Europe/Berlin")',
        "landing/{utc:%Y%m%d%H}.csv",
        ["landing/2024013121.csv", "landing/2024013122.csv", "landing/2024013123.csv"],
    ),
    "weeks": (
        'Weekly("2024-01-01", end="2024-01-22")',
        "landing/{date:%G}/week{date:%V}.csv",
        ["landing/2024/week01.csv", "landing/2024/week02.csv", "landing/2024/week03.csv"],
    ),
}  # fmt: skip


@pytest.fixture(params=CASES)
def case(request, world):
    grain, path, files = CASES[request.param]
    world.jobs(JOBS.replace("GRAIN", grain).replace("PATH", path))
    for n, file in enumerate(files, 1):
        world.write(file, f"n\n{n}\n")
    return world, files


def fresh(world) -> bool:
    plan = world.project.plan()
    return not any((t.action != Action.NONE).any() for t in plan.tasks.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_lies_in_dated_folders_is_read_and_made(case, workers):
    world, _ = case
    summary = world.run(controls=Controls(workers=workers))
    assert (summary.ran, summary.failed) == (3, 0)
    assert world.read("total")["n"].to_list() == [1, 3, 5]
    assert fresh(world)


def test_a_correction_in_a_dated_folder_is_taken_up(case):
    world, files = case
    world.run()
    world.write(files[1], "n\n7\n")
    keys = world.project.graph.datasets["raw"].grain.keys(
        *(world.project.graph.dataset_extents["raw"].lo + n for n in (0, 3))
    )
    assert world.planned() == {"count": keys[1:]}


def test_queries_and_reads_give_each_row_its_partition(case):
    world, _ = case
    dataset = world.project.graph.datasets["raw"]
    read = world.project.read("raw").collect()
    assert read["n"].to_list() == [1, 2, 3]
    rows = world.project.sql(f"select n, {dataset.column} from raw order by n").fetchall()
    assert [n for n, _ in rows] == [1, 2, 3]
    starts = [start for _, start in rows]
    assert starts == sorted(set(starts))
    assert str(starts[0])[:10] == str(read[dataset.column][0])[:10]


def test_the_catalog_shows_what_comes_later_too(case):
    world, files = case
    for file in files[2:]:
        (world.root / file).unlink()
    world.run()
    world.write(files[2], "n\n30\n")
    with duckdb.connect(str(world.root / "warehouse/catalog.duckdb"), read_only=True) as catalog:
        catalog.execute(f"set file_search_path = '{world.root}'")
        ((rows,),) = catalog.execute("select sum(n) from raw").fetchall()
    # A pattern over the project's own folder would be tried on all that is in it.
    assert rows == (33 if files[0].startswith("landing/") else 3)


def test_why_names_the_file_that_has_not_arrived(case):
    world, files = case
    (world.root / files[2]).unlink()
    dataset = world.project.graph.datasets["raw"]
    key = dataset.grain.key(world.project.graph.dataset_extents["raw"].lo + 2)
    assert world.project.why("raw", key).text == (f"has not arrived: there is no file {files[2]}")
    counts = {s.node: s.counts for s in world.project.status()}["raw"]
    assert counts[State.WAITING] == 1


def test_a_filter_on_the_partition_column_opens_no_other_file(case):
    world, files = case
    world.run()
    world.write(files[0], "n\nx\n")
    column = world.project.graph.datasets["raw"].column
    starts = world.project.sql(f"select distinct {column} from total order by 1").fetchall()
    last = starts[-1][0]
    rows = world.project.sql(f"select n from raw where {column} = '{last}'").fetchall()
    assert [int(n) for (n,) in rows] == [3]


def test_files_out_of_range_and_of_contradicting_dates_are_not_shown(world):
    grain, path, files = CASES["days in folders of years, in the project's own"]
    world.jobs(JOBS.replace("GRAIN", grain).replace("PATH", f"in/{path}"))
    for n, file in enumerate(files, 1):
        world.write(f"in/{file}", f"n\n{n}\n")
    world.write("in/2024/2024-01-02.csv", "n\n100\n")
    world.write("in/2024/2023-12-31.csv", "n\n1000\n")
    assert world.project.sql("select sum(n) from raw").fetchall() == [(6,)]
    world.run()
    assert world.project.sql("select sum(n) from raw").fetchall() == [(6,)]


def test_a_marker_lies_in_the_dated_folder_and_another_may_be_dated_itself(world):
    grain, path, files = CASES["days"]
    for complete, marker in (
        ("_SUCCESS", "landing/2024/01/30/_SUCCESS"),
        ("flags/{date:%Y%m%d}.ok", "flags/20240130.ok"),
    ):
        jobs = JOBS.replace("GRAIN", grain)
        world.jobs(jobs.replace('path="PATH"', f'path="{path}", complete="{complete}"'))
        world.write(files[0], "n\n1\n")
        assert world.planned() == {}
        world.write(marker, "")
        assert world.planned() == {"count": ["2024-01-30"]}


def test_a_path_written_otherwise_that_leads_to_the_same_files_changes_nothing(case):
    world, files = case
    world.run()
    grain, path = next((g, p) for g, p, f in CASES.values() if f == files)
    if "{date:%Y/%m/%d}" in path:
        path = path.replace("{date:%Y/%m/%d}", "{start:%Y}/{start:%m}/{date:%d}")
        world.jobs(JOBS.replace("GRAIN", grain).replace("PATH", path))
    assert fresh(world)


def test_a_store_in_memory_has_dated_sources_too(world):
    grain, path, _ = CASES["days"]
    world.jobs(JOBS.replace("GRAIN", grain).replace("PATH", path))
    store = MemoryStore(world.root)
    for n, key in enumerate(("2024-01-30", "2024-01-31", "2024-02-01"), 1):
        store.put("raw", key, f"n\n{n}\n".encode())
    project = Project.load(world.root, store=store)
    project.materialize()
    assert project.read("total").collect()["n"].to_list() == [1, 3, 5]
    assert project.sql("select n from raw order by date").fetchall() == [(1,), (2,), (3,)]


def test_a_path_that_is_that_of_several_partitions_is_refused_at_load(world):
    grain, _, _ = CASES["days"]
    world.jobs(JOBS.replace("GRAIN", grain).replace("PATH", "landing/{date:%m/%d}.csv"))
    with pytest.raises(DeclarationError, match="is one path for several partitions, because %Y"):
        _ = world.project
