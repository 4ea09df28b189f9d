"""What is expected and not there is late, from the first run on that knew of the declaration."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from worlds import moment

from partflow.cli import main
from partflow.execution.controls import Controls
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.status import statuses
from partflow.project.project import Project
from partflow.report.lateness import LateReport
from partflow.report.status import StatusReport, is_well, status_report

JOBS = """
days = Daily("2024-01-01", end="2024-03-01")
landing = Source("landing", days, path="landing/{key}.csv", expect_by="06:00")
clean = Dataset("clean", days, expect_by="08:00", max_age="36h")

@task(reads=[landing], writes=clean)
def make_clean(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw
"""


@pytest.fixture
def late(world):
    """What is said at a moment; `run` carries the project's plan out then."""
    world.jobs(JOBS)

    def at(text: str) -> Project:
        project = world.project
        project.clock = lambda: moment(text)
        return project

    def status(text: str) -> StatusReport:
        project = at(text)
        plan = project.plan()
        return status_report(plan, statuses(plan), failures=project.failures())

    def said(text: str) -> dict[str, LateReport | None]:
        return {each.dataset: each.late for each in status(text).datasets}

    def run(text: str) -> None:
        at(text).materialize(controls=Controls())

    return SimpleNamespace(at=at, status=status, said=said, run=run)


def test_nothing_is_late_before_a_run_has_seen_the_declaration(late):
    assert late.said("2024-01-10T12:00") == {"clean": None, "landing": None}


def test_what_was_expected_since_is_late_with_its_readers(late, world):
    world.sales("2024-01-09", 1)
    late.run("2024-01-10T12:00")
    since = "2024-01-11T06:00:00Z"
    assert late.said("2024-01-11T07:00") == {"clean": None, "landing": LateReport(1, since, None)}
    said = late.said("2024-01-12T07:00")
    assert said["landing"] == LateReport(2, since, None)
    assert said["clean"].partitions == 1


def test_a_backfill_of_an_old_day_makes_nothing_younger(late, world):
    world.sales("2024-01-09", 1)
    late.run("2024-01-10T12:00")
    world.sales("2024-01-02", 1)
    late.run("2024-01-11T23:00")
    assert late.said("2024-01-12T07:00")["clean"].too_old_since == "2024-01-12T00:00:00Z"


def test_what_came_is_late_no_more(late, world):
    late.run("2024-01-10T12:00")
    world.sales("2024-01-10", 1)
    late.run("2024-01-11T12:00")
    assert late.said("2024-01-11T12:00") == {"clean": None, "landing": None}


def test_a_declaration_that_changed_is_a_new_one(late, world):
    late.run("2024-01-10T12:00")
    world.jobs(JOBS.replace("06:00", "05:00"))
    said = late.said("2024-01-11T09:00")
    assert said["landing"] is None
    assert said["clean"].partitions == 1


def test_a_metastore_made_anew_knows_since_when_something_is_expected(late, world):
    late.run("2024-01-10T12:00")
    before = late.said("2024-01-11T09:00")
    for path in (world.root / "warehouse/.partflow").glob("metastore.sqlite*"):
        path.unlink()
    late.at("2024-01-10T13:00").upkeep.rebuild(Controls())
    assert late.said("2024-01-11T09:00") == before
    assert before["clean"] is not None


def test_what_is_paused_is_not_late(late):
    late.run("2024-01-10T12:00")
    late.at("2024-01-10T12:00").upkeep.pause(("clean", "landing"), "1d", "")
    assert late.said("2024-01-11T09:00") == {"clean": None, "landing": None}
    assert None not in late.said("2024-01-11T12:00").values()


def test_what_is_late_blocked_or_failed_is_not_well(late, world):
    world.sales("2024-01-09", 1)
    world.jobs(JOBS.replace("return raw", "raise ValueError"))
    late.run("2024-01-10T05:00")
    assert not is_well(late.status("2024-01-10T05:00"))
    world.jobs(JOBS)
    late.run("2024-01-10T05:30")
    assert is_well(late.status("2024-01-10T05:30"))
    assert not is_well(late.status("2024-01-11T12:00"))


def test_the_commands_say_what_is_late_and_status_checks_it(world, capsys):
    world.jobs(JOBS)
    world.project.materialize()
    called = ["--project", str(world.root)]
    assert main([*called, "status", "--check"]) == 0
    with SqliteMetastore.open(world.project.metastore.path) as metastore:
        text = world.project.graph.datasets["clean"].expected.text
        metastore.note("expected", {"clean": json.dumps([text, 0])})
    assert main([*called, "status", "--check"]) == 1
    assert main([*called, "status"]) == 0
    capsys.readouterr()
    for word in ("status", "ls"):
        main([*called, word])
        late = "late: clean, 60 partitions expected and never made, since 2024-01-02T08:00:00Z"
        assert late in capsys.readouterr().out.splitlines()
    main([*called, "why", "clean", "-p", "2024-01-10"])
    assert "  by 2024-01-11T08:00:00Z, and late" in capsys.readouterr().out.splitlines()
