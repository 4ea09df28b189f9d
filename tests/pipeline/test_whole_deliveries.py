"""A source's file counts once it is whole: a marker is there, or it was not changed for a while."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import duckdb
import pytest

from partflow.declarations.dataset import Source
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Daily, Whole
from partflow.planning.planner import Action, State
from partflow.warehouse.verify import Verify

JOBS = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="PATH", format="csv", WHOLE)
total = Dataset("total", DAYS)

@task(reads=raw, writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
FIRST, SECOND, THIRD = KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")
BESIDE = 'complete="_SUCCESS"'
SETTLED = 'settled_for="10m"'


def declare(world, whole: str, path: str = "landing/{key}/sales.csv") -> None:
    world.jobs(JOBS.replace("PATH", path).replace("WHOLE", whole))


def deliver(world, key: str, n: int = 1) -> None:
    world.write(f"landing/{key}/sales.csv", f"n\n{n}\n")


def mark(world, key: str) -> None:
    world.write(f"landing/{key}/_SUCCESS", "")


def waiting(world) -> int:
    statuses = {s.node: s.counts for s in world.project.status()}
    return int(statuses["raw"][State.WAITING])


def at(world, seconds: float):
    """The project as it is so long after now, by its clock."""
    project = world.project
    now = time.time_ns() + int(seconds * 10**9)
    project.clock = lambda: now
    return project


def planned(project) -> int:
    return sum(int((t.action == Action.RUN).sum()) for t in project.plan().tasks.values())


def test_a_file_without_its_marker_has_not_arrived(world):
    declare(world, BESIDE)
    for key in KEYS:
        deliver(world, key)
    mark(world, SECOND)
    assert world.planned() == {"count": [SECOND]}
    assert waiting(world) == 2
    assert world.run().ran == 1
    assert world.project.read("raw").collect().height == 1
    assert world.project.sql("select count(*) from raw").fetchall() == [(1,)]


@pytest.mark.parametrize("verify", list(Verify))
def test_the_marker_makes_it_whole_however_closely_is_looked(world, verify):
    declare(world, BESIDE)
    deliver(world, FIRST)
    assert not (world.project.plan(verify=verify).tasks["count"].action == Action.RUN).any()
    mark(world, FIRST)
    assert (world.project.plan(verify=verify).tasks["count"].action == Action.RUN).sum() == 1


def test_why_names_the_marker_that_is_not_there(world):
    declare(world, BESIDE)
    deliver(world, FIRST)
    text = world.project.why("raw", FIRST).text
    assert text == (
        f"has not arrived as a whole: landing/{FIRST}/sales.csv is there, but not whole yet: there "
        f"is no file landing/{FIRST}/_SUCCESS"
    )
    assert world.project.why("raw", SECOND).text.startswith("has not arrived: there is no file")


def test_while_a_correction_has_no_marker_yet_what_was_made_stays(world):
    declare(world, BESIDE)
    deliver(world, FIRST)
    mark(world, FIRST)
    world.run()
    (world.root / f"landing/{FIRST}/_SUCCESS").unlink()
    deliver(world, FIRST, 7)
    assert world.planned() == {}
    assert world.project.why("raw", FIRST).text.endswith("; its last content is remembered")
    mark(world, FIRST)
    assert world.planned() == {"count": [FIRST]}
    world.run()
    assert world.read("total")["n"].to_list() == [7]


@pytest.mark.parametrize(
    ("path", "complete", "marker"),
    [
        ("landing/{key}.csv", "{key}.done", "landing/{key}.done"),
        ("landing/{key}.csv", "flags/{key}", "flags/{key}"),
        ("landing/{key}/{key}.csv", "done", "landing/{key}/done"),
        ("{key}.csv", "{key}.ok", "{key}.ok"),
    ],
)
def test_a_marker_may_lie_beside_the_file_or_elsewhere(world, path, complete, marker):
    declare(world, f'complete="{complete}"', path)
    for key in (FIRST, SECOND):
        world.write(path.replace("{key}", key), "n\n1\n")
    world.write(marker.replace("{key}", SECOND), "")
    assert world.planned() == {"count": [SECOND]}


def test_a_source_that_is_not_cut_is_marked_too(world):
    world.jobs(
        'shops = Source("shops", Whole(), path="landing/shops.csv", complete="shops.done")\n'
        'copy = Dataset("copy", Whole())\n'
        "@task(reads=shops, writes=copy)\n"
        "def take(rows: pl.LazyFrame) -> pl.LazyFrame:\n    return rows\n"
    )
    world.write("landing/shops.csv", "n\n1\n")
    assert world.planned() == {}
    assert world.project.sql("select 1").fetchall() == [(1,)]
    world.write("landing/shops.done", "")
    assert world.run().ran == 1
    assert world.project.sql("select n from shops").fetchall() == [(1,)]


def test_a_file_that_was_just_changed_is_taken_once_it_has_settled(world):
    declare(world, SETTLED)
    deliver(world, FIRST)
    assert planned(at(world, 0)) == 0
    assert planned(at(world, 590)) == 0
    assert planned(at(world, 601)) == 1
    why = at(world, 60).why("raw", FIRST).text
    assert "is there, but was changed at" in why
    assert "and counts as whole after" in why


def test_a_time_of_modification_that_was_set_back_does_not_settle_a_file(world):
    declare(world, SETTLED)
    deliver(world, FIRST)
    os.utime(world.root / f"landing/{FIRST}/sales.csv", (10**9, 10**9))
    assert planned(at(world, 590)) == 0


def test_with_both_a_marker_before_the_last_byte_is_not_enough(world):
    declare(world, f"{BESIDE}, {SETTLED}")
    mark(world, FIRST)
    deliver(world, FIRST)
    assert planned(at(world, 590)) == 0
    assert planned(at(world, 601)) == 1
    (world.root / f"landing/{FIRST}/_SUCCESS").unlink()
    assert planned(at(world, 601)) == 0


def test_queries_show_what_has_settled(world):
    declare(world, SETTLED)
    deliver(world, FIRST)
    early, late = at(world, 590), at(world, 601)
    assert late.sql("select n from raw").fetchall() == [(1,)]
    assert late.read("raw").collect().height == 1
    with pytest.raises(Exception, match="raw"):
        early.read("raw")


def test_an_equal_delivery_that_settles_again_changes_nothing(world):
    declare(world, SETTLED)
    deliver(world, FIRST)
    at(world, 700).materialize()
    assert world.read("total")["n"].to_list() == [1]
    deliver(world, FIRST)
    assert planned(at(world, 60)) == 0
    assert planned(at(world, 700)) == 0


def test_neither_is_a_part_of_the_code(world):
    declare(world, "")
    deliver(world, FIRST)
    mark(world, FIRST)
    world.run()
    declare(world, f"{BESIDE}, {SETTLED}")
    assert world.planned() == {}


def test_the_catalog_names_whole_files_alone(world):
    declare(world, BESIDE)
    deliver(world, FIRST)
    deliver(world, SECOND)
    mark(world, FIRST)
    world.run()
    path = world.root / "warehouse/catalog.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        ((sql,),) = connection.execute(
            "select sql from duckdb_views() where view_name = 'raw'"
        ).fetchall()
    assert FIRST in sql
    assert SECOND not in sql


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"complete": "_SUCCESS"}, "which is 'landing/_SUCCESS', must have {key} in it"),
        ({"complete": ""}, "give the name of a file"),
        ({"complete": 7}, "give the name of a file"),
        ({"complete": "*.done"}, "which means nothing here"),
        ({"complete": "../{key}.done"}, "must be relative to the project"),
        ({"complete": "{date}.done"}, "has {date}; there are {key}, {date:"),
        ({"complete": "{key}.csv"}, "is the source's own file"),
        ({"settled_for": "soon"}, "'soon' is not a span of time"),
        ({"settled_for": "0s"}, "must be longer than nothing"),
        ({"settled_for": timedelta(-1)}, "must be longer than nothing"),
    ],
)
def test_what_can_tell_nothing_is_refused(options, said):
    with pytest.raises(DeclarationError) as raised:
        Source("raw", Daily("2024-01-01"), path="landing/{key}.csv", **options)
    assert said in str(raised.value)


def test_a_key_in_the_marker_of_a_source_that_is_not_cut_is_refused():
    with pytest.raises(DeclarationError, match="it has one file"):
        Source("raw", Whole(), path="landing/a.csv", complete="{key}.done")
