"""Where things lie: names and paths by arithmetic, without a disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.partitions.calendar import Daily, Whole
from partflow.store.layout import Layout, staged_name

LAYOUT = Layout(Path("/shop"), Path("/data/warehouse"))
DAYS = Daily("2024-01-01")


@pytest.mark.parametrize(
    ("dataset", "key", "path"),
    [
        (
            Dataset("clean", DAYS),
            "2024-01-02",
            "/data/warehouse/clean/date=2024-01-02/data.parquet",
        ),
        (Dataset("shops", Whole()), "all", "/data/warehouse/shops/data.parquet"),
        (Source("tills", DAYS, path="in/{key}.csv"), "2024-01-02", "/shop/in/2024-01-02.csv"),
    ],
)
def test_a_partition_has_one_place(dataset, key, path):
    assert LAYOUT.path(dataset, key) == Path(path)
    assert LAYOUT.place(dataset, key) == path
    files = LAYOUT.files(dataset, [key.encode()])
    assert files.folder + b"/" + key.encode().join(files.parts) == path.encode()


@pytest.mark.parametrize("text", ["run/1-0.tmp", "/somewhere/else/.partflow/staging/run/1-0.tmp"])
def test_what_was_staged_is_found_where_the_warehouse_lies_now(text):
    assert staged_name(text) == "run/1-0.tmp"
    assert LAYOUT.staged(text) == Path("/data/warehouse/.partflow/staging/run/1-0.tmp")


@pytest.mark.parametrize(
    ("path", "said"),
    [("/shop/in/a.csv", "in/a.csv"), ("/data/warehouse/clean", "/data/warehouse/clean")],
)
def test_a_path_is_said_from_the_root_if_it_lies_below(path, said):
    assert LAYOUT.near(Path(path)) == Path(said)


@pytest.mark.parametrize("folder", ["/srv/in", "../in", "in", "/srv/in/"])
def test_a_path_in_a_named_folder_is_shown_by_the_name_and_found_by_it(folder):
    layout = Layout(Path("/shop"), Path("/shop/warehouse"), {"landing": folder})
    source = Source("raw", Daily("2024-01-01"), path="{landing}/{date:%Y}/{key}.csv")
    path = layout.path(source, "2024-01-05")
    assert layout.near(path).as_posix() == "{landing}/2024/2024-01-05.csv"
    assert source.path_of("2024-01-05") == "{landing}/2024/2024-01-05.csv"
    assert os.path.normpath(layout.found("{landing}/2024/2024-01-05.csv")) == os.path.normpath(path)
    assert layout.shown(f"in {path}: bad") == "in {landing}/2024/2024-01-05.csv: bad"


def test_a_path_that_only_contains_the_projects_is_shown_as_it_is():
    layout = Layout(Path("/shop"), Path("/shop/warehouse"), {"landing": "/srv/in"})
    assert layout.near(Path("/data/shop/x")) == Path("/data/shop/x")
    assert layout.found("landing/x.csv") == Path("/shop/landing/x.csv")
