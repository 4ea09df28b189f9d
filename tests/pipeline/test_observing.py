"""What a look rests on: the cached columns are what the record says, and each file is seen."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from partflow.columns import ColumnCache, Columns
from partflow.dataset import Dataset, Source
from partflow.grain import Daily, Whole
from partflow.observe import Verify, observe
from partflow.store import Store

NODES = ("landing", "clean", "trailing", "monthly")
KEYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]


def loaded(world, *, identities: bool = True) -> dict[str, Columns]:
    with world.metastore() as metastore:
        cache = ColumnCache(metastore, world.project.store.columns)
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


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b"", lambda b: b.replace(b"3", b"9")])
def test_a_cache_that_is_cut_short_or_of_another_partflow_is_not_read(sales, harm):
    sales.run()
    before = loaded(sales)
    for file in cached_files(sales):
        file.write_bytes(harm(file.read_bytes()))
    after = loaded(sales)
    assert [as_lists(after[n]) for n in NODES] == [as_lists(before[n]) for n in NODES]


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
    found = Store(tmp_path, tmp_path / "warehouse").identities(source, KEYS)
    assert found[:, 0].tolist() == [-1 if i in absent else i for i in range(4)]
    assert found[:, 3].tolist() == [
        -1 if i in absent else f.stat().st_ino for i, f in enumerate(files)
    ]


def test_a_whole_dataset_and_one_without_a_folder_are_seen_too(tmp_path):
    store, whole = Store(tmp_path, tmp_path / "warehouse"), Dataset("shops", Whole())
    assert store.identities(whole, ["all"]).tolist() == [[-1] * 4]
    file = store.path(whole, "all")
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
