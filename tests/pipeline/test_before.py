"""A warehouse that exists: what of it is stale under the present rules, and why.

`before/` is a project as a user wrote it, `before/warehouse.tar.xz` what others delivered to it and
what partflow had made of it before results were copied, text was checked, and hours had a zone.
Each rule that came since reaches what is stored there, and leaves the rest fresh.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

import duckdb
import polars as pl
import pytest

from partflow.formats.texttypes import RULES
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.reasons import held, steps
from partflow.planning.snapshot import Condition
from partflow.project.project import Project

FOLDER = Path(__file__).parent / "before"

STALE: dict[str, str] = {
    "by_code": "codes changed",  # 007 was 7
    "by_date": "american_dates changed",  # the second of January was the first of February
    "sized": "the code of sized is reckoned anew",  # what is registered did not count
    "order_hours": "the code of order_hours is reckoned anew",  # hours were naive and of UTC
}
"""By task, why its partitions are to be made again."""

HELD: dict[str, str] = {
    "in_stock": "behind stock, which cannot be read; what was made before stays",  # a line was cut
}
"""By task, why partitions of it wait or are blocked."""


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """The root of that project, as if it had lain there since."""
    shutil.copy(FOLDER / "partflow.toml", tmp_path)
    shutil.copytree(FOLDER / "shop_before", tmp_path / "shop_before")
    with tarfile.open(FOLDER / "warehouse.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def load(root: Path) -> Project:
    for name in [n for n in sys.modules if n.split(".")[0] == "shop_before"]:
        del sys.modules[name]
    return Project.load(root)


def frames(root: Path) -> dict[str, dict[str, list[object]]]:
    """What each partition's file holds."""
    files = sorted((root / "warehouse").rglob("data.parquet"))
    return {
        f.relative_to(root).as_posix(): pl.read_parquet(f).to_dict(as_series=False) for f in files
    }


def test_what_is_stale_in_a_warehouse_that_exists(warehouse):
    plan = load(warehouse).plan()
    assert {g.task: g.text for g in steps(plan)} == STALE
    assert {g.task: g.text for g in held(plan)} == HELD


def test_a_file_that_the_rules_of_now_refuse_is_a_fault_and_not_what_was_recorded(warehouse):
    stock = load(warehouse).plan().snapshot.states["stock"]
    assert stock.condition.tolist() == [Condition.GOOD, Condition.GOOD, Condition.DAMAGED]


def test_the_catalog_shows_the_present_values_where_nothing_was_to_be_made(warehouse):
    assert not load(warehouse).materialize("drifted").plan.steps
    with duckdb.connect(warehouse / "warehouse/catalog.duckdb", read_only=True) as catalog:
        catalog.execute(f"set file_search_path = '{warehouse}'")
        assert catalog.sql("select max(x) from drifted").fetchall() == [(2.5,)]


def test_what_was_read_again_by_the_rules_of_now_is_not_read_a_third_time(warehouse):
    load(warehouse).materialize()
    with SqliteMetastore.open(warehouse / "warehouse/.partflow/metastore.sqlite") as metastore:
        rules = {n: [r.rules for r in metastore.records(n)] for n in ("weather", "visits", "warm")}
    assert rules == {"weather": [RULES] * 3, "visits": [0] * 3, "warm": [0] * 3}


def test_once_it_is_made_anew_it_is_as_a_warehouse_from_nothing(warehouse, tmp_path_factory):
    (warehouse / "landing/stock/2024-01-03.csv").write_text("shop,qty,price\na,3,1.5\nb,3,2.5\n")
    fresh = tmp_path_factory.mktemp("fresh")
    for name in ("partflow.toml", "shop_before", "landing"):
        copy = shutil.copytree if (warehouse / name).is_dir() else shutil.copy
        copy(warehouse / name, fresh / name)
    present, anew = load(warehouse), load(fresh)
    present.materialize()
    anew.materialize()
    assert not steps(present.plan())
    assert frames(warehouse) == frames(fresh)
