"""What a look rests on: the cached columns are what the record says, and each file is seen."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.execution.controls import Controls
from partflow.formats.fingerprint import file_digest, fingerprint_parquet
from partflow.formats.texttypes import RULES
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.columns import Columns
from partflow.metastore.sqlite.rows import count_changes
from partflow.partitions.calendar import Daily, Whole
from partflow.store.local import LocalStore
from partflow.warehouse.observe import observe
from partflow.warehouse.verify import Verify

NODES = ("landing", "clean", "trailing", "monthly")
KEYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]


def loaded(world, *, identities: bool = True) -> dict[str, Columns]:
    with world.metastore() as metastore:
        cache = ColumnCache(metastore, world.project.store.layout.columns)
        return {node: cache.load(node, identities=identities) for node in NODES}


def as_lists(columns: Columns) -> dict[str, object]:
    return {f.name: getattr(columns, f.name).tolist() for f in fields(Columns)}


def cached_files(world) -> list[Path]:
    return sorted((world.root / "warehouse/.partflow/columns").iterdir())


def test_the_cached_columns_are_those_of_the_record(sales):
    sales.run()
    cached = loaded(sales)
    assert len(cached_files(sales)) == len(NODES)
    for file in cached_files(sales):
        file.unlink()
    recorded = loaded(sales)
    for node in NODES:
        assert len(recorded[node]) == (2 if node == "monthly" else 5)
        assert as_lists(cached[node]) == as_lists(recorded[node])


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-1], lambda b: b"", lambda b: b.replace(b"columns", b"volumes", 1)]
)
def test_a_cache_that_is_cut_short_or_of_another_partflow_is_not_read(sales, harm):
    sales.run()
    before = loaded(sales)
    for file in cached_files(sales):
        file.write_bytes(harm(file.read_bytes()))
    after = loaded(sales)
    assert [as_lists(after[n]) for n in NODES] == [as_lists(before[n]) for n in NODES]


def test_a_cache_of_which_a_power_cut_left_only_a_part_is_not_read(sales):
    sales.run()
    before = loaded(sales)
    (file,) = [f for f in cached_files(sales) if f.name.startswith("clean-")]
    whole = file.read_bytes()
    for at in range(0, len(whole), 64):
        file.write_bytes(whole[:at] + bytes(64) + whole[at + 64 :])
        for identities in (True, False):
            after = loaded(sales, identities=identities)["clean"]
            assert after.content.tolist() == before["clean"].content.tolist()
            assert after.key.tolist() == before["clean"].key.tolist()
            assert not identities or as_lists(after) == as_lists(before["clean"])


def test_identities_that_nobody_asks_for_are_left_where_they_are(sales):
    sales.run()
    whole, without = loaded(sales)["clean"], loaded(sales, identities=False)["clean"]
    assert without.identity.shape == (0, 4)
    assert as_lists(without) == {**as_lists(whole), "identity": []}


@pytest.mark.parametrize(
    "path", ["{key}.csv", "in/{key}.csv", "in/{key}/a.csv", "in/x-{key}/{key}.csv"]
)
@pytest.mark.parametrize("absent", [(), (0,), (1, 2), (0, 1, 2, 3)])
def test_every_file_of_a_source_is_seen_wherever_the_key_stands(tmp_path, path, absent):
    source = Source("landing", Daily("2024-01-30", end="2024-02-03"), path=path)
    files = [tmp_path / source.path_of(key) for key in KEYS]
    for i, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        if i not in absent:
            file.write_bytes(b"x" * i)
    found = LocalStore(tmp_path, tmp_path / "warehouse").identities(source, KEYS)
    assert found[:, 0].tolist() == [-1 if i in absent else i for i in range(4)]
    assert found[:, 3].tolist() == [
        -1 if i in absent else f.stat().st_ino for i, f in enumerate(files)
    ]


def test_a_whole_dataset_and_one_without_a_folder_are_seen_too(tmp_path):
    store, whole = LocalStore(tmp_path, tmp_path / "warehouse"), Dataset("shops", Whole())
    assert store.identities(whole, ["all"]).tolist() == [[-1] * 4]
    file = store.layout.path(whole, "all")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"abc")
    assert store.identities(whole, ["all"])[0, 0] == 3


def test_what_was_seen_holds_until_something_is_recorded(sales):
    sales.run()
    project = sales.project
    digests = {name: code.digest for name, code in project.codes.items()}
    with sales.metastore() as metastore:
        look = (project.graph, digests, metastore, project.store, project.clock())
        seen = observe(*look, Verify.STAT)
        assert seen.is_of(metastore)
        sales.sales("2024-01-30", 5)
        assert seen.is_of(metastore), "a file is not the record"
        sales.run()
        assert not seen.is_of(metastore)
        assert observe(*look, Verify.STAT).is_of(metastore)


TWO_CHAINS = """
    raw = Source("raw", Daily("2024-01-30", end="2024-02-01"), path="raw/{key}.csv")
    other = Source("other", Daily("2024-01-30", end="2024-02-01"), path="other/{key}.csv")
    low, high, sums, rest = (
        Dataset(name, Daily("2024-01-30", end="2024-02-01"))
        for name in ("low", "high", "sums", "rest")
    )

    @task(reads=[raw], writes=[low, high])
    def parted(frame: pl.DataFrame) -> tuple:
        return frame.filter(pl.col("n") < 5), frame.filter(pl.col("n") >= 5)

    @task(reads=[low], writes=sums)
    def summed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(pl.col("n").sum())

    @task(reads=[other], writes=rest)
    def rested(frame: pl.DataFrame) -> pl.DataFrame:
        return frame
"""


@pytest.fixture
def two_chains(world):
    world.jobs(TWO_CHAINS)
    for key in KEYS[:2]:
        world.write(f"raw/{key}.csv", "n\n1\n7\n")
        world.write(f"other/{key}.csv", "n\n1\n")
    assert not world.run().failed
    return world


OF_PARQUET = """
    from partflow import *
    raw = Source("raw", Daily("2024-01-01", end="2024-03-29"), path="raw/{key}.parquet")
    @task(reads=raw, writes=Dataset("kept", Daily("2024-01-01", end="2024-03-29")))
    def kept(raw):
        return raw
"""


@pytest.mark.parametrize(("days", "width"), [(28, 1), (1, 200_000)], ids=["small", "large"])
def test_a_damaged_file_among_several_new_ones_is_the_only_one_that_is_not_read(world, days, width):
    world.jobs(OF_PARQUET)
    keys = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, days + 1)]
    (world.root / "raw").mkdir()
    for n, key in enumerate(keys):
        path = world.root / f"raw/{key}.parquet"
        pl.DataFrame({"n": range(n * width)}).write_parquet(path, compression="uncompressed")
        if key == "2024-02-01":
            damaged = bytearray(path.read_bytes())
            damaged[4:200] = bytes(196)
            path.write_bytes(damaged)
    said = world.run().failed
    with world.metastore() as metastore:
        records = {record.key: record for record in metastore.records("raw")}
    assert {key: r.rows for key, r in records.items()} == {
        key: n * width for n, key in enumerate(keys) if key != "2024-02-01"
    }
    for key, record in records.items():
        path = world.root / f"raw/{key}.parquet"
        assert (record.content, record.sha256) == (fingerprint_parquet(path), file_digest(path)[0])
    assert not said


def seen_of(world, *select: str) -> list[str]:
    """The sources of which a run with a selection recorded something new."""

    def contents() -> dict[str, list[str | None]]:
        with world.metastore() as metastore:
            return {n: [r.content for r in metastore.records(n)] for n in ("raw", "other")}

    before = contents()
    world.run(*select)
    after = contents()
    return [name for name in before if before[name] != after[name]]


def test_a_selection_is_decided_by_what_it_is_made_from_and_no_other_file(two_chains):
    for folder in ("raw", "other"):
        two_chains.write(f"{folder}/{KEYS[0]}.csv", "n\n2\n8\n")
    assert seen_of(two_chains, "sums") == ["raw"]
    assert two_chains.made() == [("parted", KEYS[0]), ("summed", KEYS[0])]
    assert seen_of(two_chains) == ["other"]
    assert two_chains.made() == [("rested", KEYS[0])]


def test_what_is_written_beside_a_selection_is_looked_at_too(two_chains):
    project = two_chains.project
    project.store.layout.path(project.graph.datasets["high"], KEYS[1]).unlink()
    project.store.layout.path(project.graph.datasets["rest"], KEYS[1]).unlink()
    assert two_chains.run("low").unchanged == 1
    assert two_chains.made() == [("parted", KEYS[1])]
    assert two_chains.planned() == {"rested": [KEYS[1]]}


def read_by_older_rules(world, keys: list[str]) -> None:
    """Record that these files were read by older rules, as an older partflow did."""
    with world.tables() as c:
        c.executemany(
            "UPDATE partitions SET rules = 0 WHERE node = 'landing' AND key = ?",
            [(k,) for k in keys],
        )
        count_changes(c, ["landing"], restated=True)


def rules_of_landing(world) -> dict[str, int]:
    with world.metastore() as metastore:
        return {r.key: r.rules for r in metastore.records("landing")}


def test_what_older_rules_read_is_read_once_more_though_it_is_the_same_file(sales):
    sales.run()
    assert set(rules_of_landing(sales).values()) == {RULES}
    read_by_older_rules(sales, ["2024-01-31"])
    path = sales.root / "landing/2024-01-31.csv"
    before = path.stat()
    assert sales.planned() == {}
    sales.run()
    assert set(rules_of_landing(sales).values()) == {RULES}
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_rebuild_knows_by_which_rules_a_file_was_read(sales):
    sales.run()
    sales.project.upkeep.rebuild(Controls())
    assert set(rules_of_landing(sales).values()) == {RULES}
