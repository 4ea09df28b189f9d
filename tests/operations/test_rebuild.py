"""A metastore that is lost, damaged or too old: what is refused, and what a rebuild brings back."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from partflow.errors import MetastoreError, PublishError
from partflow.execution.controls import Controls
from partflow.metastore.record import Intent
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.planner import Reason
from partflow.planning.selection import Asked

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")

TOLD = """
from pathlib import Path
landing = Source("landing", Daily("2024-01-01", end="2024-01-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-01", end="2024-01-04"))

@task(reads=[landing], writes=clean)
def copied(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw

@effect(reads=[clean])
def mail(frame: pl.DataFrame, partition: Partition) -> None:
    with Path("sent").open("a") as file:
        file.write(partition.key + "\\n")
"""


def rebuilt(world):
    return world.project.upkeep.rebuild(Controls())


def private(world):
    return world.root / "warehouse/.partflow"


@pytest.fixture
def told(world):
    world.jobs(TOLD)
    for day in (1, 2):
        world.write(f"landing/2024-01-0{day}.csv", f"qty\n{day}\n")
    world.run()
    world.write("landing/2024-01-03.csv", "qty\n3\n")
    world.run()
    return world


def sent(world):
    return (world.root / "sent").read_text().split()


def test_without_its_metastore_a_warehouse_is_not_run_on(sales):
    sales.run()
    before = sales.file("clean", DAYS[0]).read_bytes()
    (private(sales) / "metastore.sqlite").unlink()
    for act in (sales.project.materialize, sales.project.plan, sales.project.status):
        with pytest.raises(MetastoreError, match=r"journal\.jsonl; .*state rebuild"):
            act()
    shutil.rmtree(private(sales))
    with pytest.raises(MetastoreError, match=r"date=2024-01-30.*state rebuild"):
        sales.project.materialize()
    assert sales.file("clean", DAYS[0]).read_bytes() == before
    assert not (private(sales) / "metastore.sqlite").exists()


def test_files_that_others_put_into_a_new_warehouse_are_no_sign_of_a_lost_metastore(sales):
    file = sales.root / "warehouse/clean/date=2024-01-30/data.parquet"
    file.parent.mkdir(parents=True)
    pl.DataFrame({"store": ["s"], "qty": [1]}).write_parquet(file)
    plan = sales.project.plan()
    assert plan.tasks["clean_sales"].reason[0] == Reason.CHANGED_OUTSIDE


def test_all_of_partflows_own_folder_can_be_lost_without_making_anything_again(sales):
    sales.run()
    shutil.rmtree(private(sales))
    found = rebuilt(sales)
    assert (found.files, found.has_journal, found.unknown) == (12, False, ())
    assert sales.run().ran == 0


def test_an_effect_that_was_done_is_not_done_again(told):
    before = sent(told)
    (private(told) / "metastore.sqlite").unlink()
    assert rebuilt(told).effects == len(before)
    told.run()
    assert sent(told) == before


def test_without_a_journal_no_effect_of_what_is_due_is_done_again(told):
    before = sent(told)
    shutil.rmtree(private(told))
    rebuilt(told)
    told.run()
    assert sent(told) == before


def test_an_effect_that_is_not_done_yet_is_done_after_a_rebuild(told):
    before = sent(told)
    told.write("landing/2024-01-03.csv", "qty\n4\n")
    (private(told) / "metastore.sqlite").unlink()
    rebuilt(told)
    told.run()
    assert sent(told) == [*before, "2024-01-03"]


def test_an_owner_from_before_a_rebuild_cannot_publish(sales):
    sales.run()
    path = private(sales) / "metastore.sqlite"
    with SqliteMetastore.open(path) as sleeper:
        epochs = sleeper.claim("sleeper", [("clean", DAYS[0], 1706572800)])
        (record,) = sleeper.records("clean", DAYS[0])
        late = Intent("s/0", "clean", DAYS[0], epochs["clean", DAYS[0]], "x", None, None, record)
        rebuilt(sales)
        with SqliteMetastore.open(path) as other:
            while other.claim("other", [("clean", DAYS[0], 1706572800)]) != epochs:
                pass  # its epoch counts from the beginning: the number alone would let it pass
        for act in (sleeper.check, sleeper.intend, sleeper.commit):
            with pytest.raises(PublishError, match="no longer the metastore"):
                act([late])


def test_what_is_replaced_is_moved_aside_and_a_second_one_too(sales):
    sales.run()
    path = private(sales) / "metastore.sqlite"
    path.write_bytes(b"not a database, but somebody may read it yet")
    assert rebuilt(sales).aside == str(path.with_suffix(".replaced1"))
    assert path.with_suffix(".replaced1").read_bytes().startswith(b"not a database")
    assert rebuilt(sales).aside == str(path.with_suffix(".replaced2"))
    assert sales.run().ran == 0


def test_a_log_that_a_lost_metastore_left_behind_is_not_taken_for_the_new_ones(sales):
    sales.run()
    path = private(sales) / "metastore.sqlite"
    with SqliteMetastore.open(path) as opened:
        opened.claim("somebody", [("clean", DAYS[0], 1706572800)])
        wal = path.with_name("metastore.sqlite-wal").read_bytes()
    path.unlink()
    path.with_name("metastore.sqlite-wal").write_bytes(wal)
    rebuilt(sales)
    assert path.with_name("metastore.replaced1-wal").read_bytes() == wal
    with sales.tables() as c:
        assert c.execute("SELECT owner FROM partitions").fetchall()[0] == (None,)
    assert sales.run().ran == 0


def test_a_source_that_is_gone_keeps_what_was_made_from_it_fresh(sales):
    sales.run()
    (sales.root / f"landing/{DAYS[1]}.csv").unlink()
    (private(sales) / "metastore.sqlite").unlink()
    rebuilt(sales)
    assert sales.run().ran == 0


def test_a_file_that_somebody_wrote_is_left_as_it_is_and_named(sales):
    sales.run()
    file = sales.file("clean", DAYS[2])
    pl.DataFrame({"store": ["mine"], "qty": [99]}).write_parquet(file)
    before = file.read_bytes()
    (private(sales) / "metastore.sqlite").unlink()
    (unknown,) = rebuilt(sales).unknown
    assert (unknown.node, unknown.key) == ("clean", DAYS[2])
    sales.run()
    assert file.read_bytes() == before
    assert sales.project.plan().tasks["clean_sales"].reason[2] == Reason.CHANGED_OUTSIDE


def test_a_file_in_the_folder_of_another_partition_is_not_taken_for_its_own(sales):
    sales.run()
    shutil.copy(sales.file("clean", DAYS[0]), sales.file("clean", DAYS[1]))
    (private(sales) / "metastore.sqlite").unlink()
    assert [u.key for u in rebuilt(sales).unknown] == [DAYS[1]]


def test_a_footer_that_is_no_lineage_of_ours_is_no_record(sales):
    sales.run()
    file = sales.file("clean", DAYS[0])
    lines = ["[]", "{", '{"key": 1}', json.dumps({"key": DAYS[0], "code": 0, "run": []})]
    (private(sales) / "metastore.sqlite").unlink()
    for line in lines:
        frame = pl.DataFrame({"store": ["s"], "qty": [1]})
        frame.write_parquet(file, metadata={"partflow": line})
        assert [u.key for u in rebuilt(sales).unknown] == [DAYS[0]]


def test_a_line_that_was_cut_off_costs_no_other_line(told):
    journal = private(told) / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    told.write("landing/2024-01-03.csv", "qty\n5\n")
    told.run()
    before = sent(told)
    (private(told) / "metastore.sqlite").unlink()
    assert rebuilt(told).unread == 1
    told.run()
    assert sent(told) == before


def test_a_metastore_from_a_backup_that_is_older_than_the_journal_is_refused(told):
    path = private(told) / "metastore.sqlite"
    backup = path.read_bytes()
    told.write("landing/2024-01-03.csv", "qty\n6\n")
    told.run()
    before = sent(told)
    path.write_bytes(backup)
    with pytest.raises(MetastoreError, match=r"an older one, put back.*state rebuild"):
        told.project.materialize()
    rebuilt(told)
    assert told.run().ran == 0
    assert sent(told) == before


def test_what_was_made_since_a_backup_is_recognised_by_its_footer(sales):
    sales.run()
    backup = {
        name: (private(sales) / name).read_bytes() for name in ("metastore.sqlite", "journal.jsonl")
    }
    tasks = sales.root / sales.package / "tasks.py"
    tasks.write_text(tasks.read_text().replace('pl.col("qty") > 0', 'pl.col("qty") > 9'))
    sales.run()
    made = sales.file("clean", DAYS[0]).stat()
    for name, data in backup.items():
        (private(sales) / name).write_bytes(data)
    found = sales.run()
    assert found.ran == 0
    assert sales.file("clean", DAYS[0]).stat().st_ino == made.st_ino
    history = sales.metastore()
    with history:
        assert history.history("clean", DAYS[0])[0].how == "adopted"


def test_what_why_says_changed_since_is_the_same_after_a_rebuild(sales):
    sales.run()
    sales.sales(DAYS[1], 50)
    sales.project.materialize(asked=Asked(("clean",)))
    before = sales.project.why("monthly", "2024-01").lineage[0].changed
    assert before == (DAYS[1],)
    (private(sales) / "metastore.sqlite").unlink()
    rebuilt(sales)
    assert sales.project.why("monthly", "2024-01").lineage[0].changed == before


def test_the_history_of_a_partition_keeps_its_order_over_a_rebuild(sales):
    for number in (50, 51, 52):
        sales.sales(DAYS[0], number)
        sales.run()
    (private(sales) / "metastore.sqlite").unlink()
    rebuilt(sales)
    sales.sales(DAYS[0], 53)
    sales.run()
    kept = sales.project.upkeep.kept("clean", DAYS[0])
    assert [pl.read_parquet(k.path)["qty"].to_list() for k in kept] == [[52], [51]]
