"""Sources in folders outside of the project, whose paths only the configuration has."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import duckdb
import pytest

from partflow.errors import ConfigurationError, UsageError
from partflow.execution.controls import Controls
from partflow.planning.planner import Action
from partflow.project.project import Project
from partflow.store.memory import MemoryStore

JOBS = """
DAYS = Daily("2024-01-01", end="2024-01-04")
raw = Source("raw", DAYS, path="PATH"MORE)
total = Dataset("total", DAYS)

@task(reads=[raw.window(-1, 0)], writes=total)
def count(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(pl.col("n").sum())
"""
PATHS = ("{landing}/{key}.csv", "{landing}/sales/{date:%Y/%m/%d}.csv")
KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def declare(world, path: str, more: str = "") -> None:
    world.jobs(JOBS.replace("PATH", path).replace("MORE", more))


def configure(world, folder: str) -> None:
    toml = world.root / "partflow.toml"
    lines = [x for x in toml.read_text().splitlines() if not x.startswith(("[folders]", "landing"))]
    toml.write_text("\n".join([*lines, "[folders]", f'landing = "{folder}"', ""]))


@pytest.fixture(params=["absolute", "relative", "within"])
def folder(request, world, tmp_path_factory):
    """A folder as it is configured, and where it is."""
    if request.param == "within":
        configure(world, "brought")
        return world.root / "brought"
    outside = tmp_path_factory.mktemp("outside")
    told = str(outside) if request.param == "absolute" else f"../{outside.name}"
    if request.param == "relative":
        outside = world.root.parent / outside.name
    configure(world, told)
    return outside


def deliver(folder, path: str, key: str, n: int) -> None:
    file = folder / path.removeprefix("{landing}/").replace("{key}", key).replace(
        "{date:%Y/%m/%d}", key.replace("-", "/")
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"n\n{n}\n")


def fresh(world) -> bool:
    plan = world.project.plan()
    return not any((t.action != Action.NONE).any() for t in plan.tasks.values())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("path", PATHS)
def test_what_lies_outside_is_made_and_queried(world, folder, path, workers):
    declare(world, path)
    for n, key in enumerate(KEYS, 1):
        deliver(folder, path, key, n)
    summary = world.run(controls=Controls(workers=workers))
    assert (summary.ran, summary.failed) == (3, 0)
    assert world.read("total")["n"].to_list() == [1, 3, 5]
    assert fresh(world)
    assert world.project.sql("select n, cast(date as text) from raw order by n").fetchall() == [
        (n, key) for n, key in enumerate(KEYS, 1)
    ]
    assert world.project.read("raw").collect()["n"].to_list() == [1, 2, 3]
    with duckdb.connect(str(world.root / "warehouse/catalog.duckdb"), read_only=True) as catalog:
        catalog.execute(f"set file_search_path = '{world.root}'")
        assert catalog.execute("select sum(n) from raw").fetchall() == [(6,)]


@pytest.mark.parametrize("path", PATHS)
def test_a_folder_that_is_elsewhere_now_is_one_line_and_leaves_all_fresh(
    world, folder, path, tmp_path_factory
):
    declare(world, path)
    for n, key in enumerate(KEYS, 1):
        deliver(folder, path, key, n)
    world.run()
    other = tmp_path_factory.mktemp("other") / "place"
    shutil.move(folder, other)
    assert fresh(world)  # What is gone is remembered.
    configure(world, str(other))
    assert fresh(world)
    deliver(other, path, KEYS[2], 30)
    assert world.planned() == {"count": [KEYS[2]]}
    world.run()
    assert world.project.sql("select sum(n) from raw").fetchall() == [(33,)]


@pytest.mark.parametrize("path", PATHS)
def test_messages_have_the_folders_name_and_the_record_has_no_path_of_it(world, folder, path):
    declare(world, path)
    deliver(folder, path, KEYS[0], 1)
    deliver(folder, path, KEYS[1], 1)
    file = next(each for each in sorted(folder.rglob("*.csv")) if "02.csv" in each.name)
    file.write_text("n\n1,2,3\n")
    world.run()
    assert world.project.why("raw", KEYS[2]).text.startswith(
        "has not arrived: there is no file {landing}/"
    )
    problem = world.project.plan().snapshot.unreadable["raw", KEYS[1]]
    assert problem.file.startswith("{landing}/")
    assert str(folder) not in problem.reason
    path = world.root / "warehouse/.partflow/metastore.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as record:
        dump = "\n".join(record.iterdump())
    assert folder.name not in dump
    assert folder.name not in (world.root / "warehouse/.partflow/journal.jsonl").read_text()


def test_a_query_reads_nothing_else_outside(world, folder):
    declare(world, PATHS[0])
    deliver(folder, PATHS[0], KEYS[0], 1)
    beside = folder.parent / "beside.csv"
    beside.write_text("n\n7\n")
    with pytest.raises((UsageError, duckdb.Error)):
        world.project.sql(f"select * from read_csv('{beside}')").fetchall()


def test_a_marker_may_lie_outside_or_in_the_project(world, folder):
    for complete, marker in (
        ("{key}.ok", folder / "2024-01-01.ok"),
        ("{landing}/flags/{key}", folder / "flags/2024-01-01"),
        ("flags/{key}", world.root / "flags/2024-01-01"),
    ):
        declare(world, PATHS[0], f', complete="{complete}"')
        deliver(folder, PATHS[0], KEYS[0], 1)
        assert world.planned() == {}
        marker.parent.mkdir(exist_ok=True)
        marker.touch()
        assert world.planned() == {"count": [KEYS[0]]}


def test_the_environment_beats_the_file(world, folder, tmp_path_factory, monkeypatch):
    declare(world, PATHS[0])
    other = tmp_path_factory.mktemp("other")
    deliver(other, PATHS[0], KEYS[0], 1)
    monkeypatch.setenv("PARTFLOW_FOLDERS", f"landing={other}")
    assert world.planned() == {"count": [KEYS[0]]}


def test_a_store_in_memory_has_sources_from_outside_too(world, folder):
    declare(world, PATHS[1])
    store = MemoryStore(world.root)
    store.put("raw", KEYS[0], b"n\n1\n")
    project = Project.load(world.root, store=store)
    project.materialize()
    assert project.read("total").collect()["n"].to_list() == [1]
    assert project.sql("select n from raw").fetchall() == [(1,)]


def test_a_folder_that_is_not_configured_is_an_error_that_says_where_to_name_it(world):
    declare(world, "{landnig}/{key}.csv")
    configure(world, "/srv/landing")
    with pytest.raises(ConfigurationError) as raised:
        _ = world.project
    said = str(raised.value)
    assert "source 'raw' is in the folder {landnig}, which has no path; did you mean" in said
    assert "[tool.partflow.folders] in pyproject.toml" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('folders = "landing"', "give the path of a folder"),
        ("folders = 3", "write a table [folders]"),
        ('[folders]\nkey = "x"', "none is named key"),
        ('[folders]\nLanding = "x"', "a name is a lower-case letter"),
        ("[folders]\nlanding = 3", "give the path of a folder"),
        ('[folders]\nlanding = "s3://in"', "give the path of a folder"),
    ],
)
def test_what_is_no_folder_is_refused(world, text, said):
    declare(world, "landing/{key}.csv")
    (world.root / "partflow.toml").write_text(f'jobs = ["{world.package}"]\n{text}\n')
    with pytest.raises(ConfigurationError) as raised:
        Project.load(world.root)
    assert said in str(raised.value)
