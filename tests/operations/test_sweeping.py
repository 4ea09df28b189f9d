"""What is swept is what nobody needs; what partflow did not write stays, wherever it lies."""

from __future__ import annotations

import os

import polars as pl

from partflow.execution.controls import Controls
from partflow.metastore.record import Intent
from partflow.operations.sweep import Swept

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")
DEAD = "20200101-000000-abcd"


def swept(world, *, dry_run=False):
    return world.project.upkeep.sweep(Controls(), dry_run=dry_run)


def private(world):
    return world.root / "warehouse/.partflow"


def put(world, path, text="x" * 100):
    return world.write(f"warehouse/.partflow/{path}", text)


def made(folder):
    folder.mkdir()
    return folder


def litter(world):
    """One file of each kind that nobody needs."""
    for number in (50, 51):
        world.sales(DAYS[0], number)
        world.run()
    for number in range(3):
        put(world, f"history/clean/{DAYS[0]}/{number:012d}.kept")
    return [
        put(world, f"staging/{DEAD}/7.tmp"),
        put(world, f"logs/{DEAD}/3.log"),
        put(world, "columns/clean-0123456789abcdef-9.columns"),
        put(world, "locks/renamed.lock", ""),
        put(world, "catalog-0a1b2c3d/catalog.duckdb"),
        made(private(world) / "catalog-4e5f6a7b"),
        *(put(world, f"metastore.new{side}") for side in ("", "-wal", "-shm")),
        made(private(world) / f"staging/{DEAD[:-1]}0"),
        *(private(world) / f"history/clean/{DAYS[0]}/{n:012d}.kept" for n in range(3)),
    ]


def test_what_nobody_needs_is_swept_and_counted_by_kind(sales):
    sales.run()
    files = litter(sales)
    found = swept(sales)
    assert {kind: n for kind, n in found.files.items() if n} == {
        Swept.STAGED: 2, Swept.LOGS: 1, Swept.COLUMNS: 1, Swept.LOCKS: 1, Swept.KEPT: 3,
        Swept.CATALOGS: 2, Swept.METASTORES: 3,
    }  # fmt: skip
    assert found.nbytes[Swept.KEPT] == 300
    assert [f for f in files if f.exists()] == []
    assert not (private(sales) / "staging" / DEAD).exists()
    assert not (private(sales) / "catalog-0a1b2c3d").exists()
    assert swept(sales).is_empty
    assert sales.run().ran == 0


def test_a_dry_run_finds_the_same_and_sweeps_nothing(sales):
    sales.run()
    files = litter(sales)
    would = swept(sales, dry_run=True)
    assert [f for f in files if not f.exists()] == []
    assert swept(sales) == would


def test_what_partflow_did_not_write_is_left_where_it_is(sales):
    sales.run()
    outside = sales.write("elsewhere/7.tmp", "mine")
    (private(sales) / "staging").mkdir(exist_ok=True)
    (private(sales) / f"staging/{DEAD}").symlink_to(outside.parent)
    mine = [
        put(sales, "staging/notes/7.tmp"),
        put(sales, "staging/20200101-000000-beef/notes.txt"),
        put(sales, f"history/clean/{DAYS[0]}/copy of mine.kept"),
        put(sales, "columns/readme.md"),
        put(sales, "metastore.replaced1"),
        put(sales, "catalog-of-mine/notes.txt"),
        outside,
    ]
    before = {name: data for name, (_, _, data) in sales.data_files().items() if "date=" in name}
    assert swept(sales).is_empty
    assert [m for m in mine if not m.exists()] == []
    after = {name: data for name, (_, _, data) in sales.data_files().items() if "date=" in name}
    assert after == before


def test_a_staged_file_that_an_intent_wants_stays_for_the_recovery(sales):
    sales.run()
    staged = put(sales, f"staging/{DEAD}/0.tmp")
    with sales.metastore() as metastore:
        (record,) = metastore.records("clean", DAYS[0])
        epochs = metastore.claim("dead", [("clean", DAYS[0], record.start)])
        epoch = epochs["clean", DAYS[0]]
        wanted = Intent("d/0", "clean", DAYS[0], epoch, str(staged), None, "new", record)
        metastore.intend([wanted])
    assert swept(sales).is_empty
    assert staged.exists()


def test_runs_past_their_time_are_forgotten_with_their_attempts_and_later_ones_are_not(sales):
    sales.run()
    project = sales.project
    now = project.clock()
    project.clock = lambda: now + 91 * 86_400 * 10**9
    sales.sales(DAYS[0], 50)
    project.materialize()
    old, new = project.runs(5)[1], project.runs(5)[0]
    assert project.upkeep.sweep(Controls(), dry_run=False).runs == 1
    assert [r.id for r in project.runs(5)] == [new.id]
    assert project.steps(old.id) == []
    assert project.steps(new.id) != []
    assert project.materialize().summary is None


def test_for_how_long_runs_are_kept_is_configured(sales):
    file = sales.root / "partflow.toml"
    file.write_text(file.read_text() + 'runs_kept = "0s"\n')
    sales.run()
    assert swept(sales).runs == 1
    assert sales.project.runs(5) == []


def test_copies_that_were_fetched_long_ago_are_swept_with_their_folders(sales):
    sales.run()
    old = put(sales, "fetched/clean/0a1b2c/warehouse/clean/date=2024-01-30/data.parquet")
    young = put(sales, "fetched/clean/3d4e5f/warehouse/clean/date=2024-01-30/data.parquet")
    os.utime(old, ns=(0, old.stat().st_mtime_ns - 2 * 86_400 * 10**9))
    found = swept(sales)
    assert (found.files[Swept.FETCHED], found.nbytes[Swept.FETCHED]) == (1, 100)
    assert young.exists()
    assert not (private(sales) / "fetched/clean/0a1b2c").exists()


def test_the_places_of_pools_that_are_gone_are_swept(sales):
    file = sales.root / "partflow.toml"
    file.write_text(file.read_text() + "[pools]\napi = 1\n")
    sales.run()
    stays = [put(sales, "pools/api.0.place", ""), put(sales, "pools/api.next.place", "")]
    gone = [put(sales, "pools/disk.0.place", ""), put(sales, "pools/disk.next.place", "")]
    assert swept(sales).files[Swept.PLACES] == 2
    assert [p.exists() for p in (*stays, *gone)] == [True, True, False, False]


def test_a_journal_that_was_not_made_shorter_to_its_end_is_swept(sales):
    sales.run()
    left = put(sales, ".journal.jsonl.123.tmp")
    assert swept(sales).files[Swept.JOURNALS] == 1
    assert not left.exists()


def test_a_page_in_the_warehouse_that_says_what_lies_there_is_left_alone(sales):
    page = sales.write("warehouse/README.md", "# The warehouse\n")
    sales.run()
    (private(sales) / "metastore.sqlite").unlink()
    sales.project.upkeep.rebuild(Controls())
    assert not any(swept(sales).files.values())
    assert not sales.project.upkeep.undeclared()
    assert sales.project.sql("from clean").fetchall()
    pattern = str(sales.root / "warehouse/clean/**/*.parquet")
    assert pl.read_parquet(pattern, hive_partitioning=True).height == sales.read("clean").height
    assert page.read_text() == "# The warehouse\n"
