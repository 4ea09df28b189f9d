"""Sources without files: a function tells what is there, asked in a process of its own."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from worlds import moment

from partflow.errors import PartflowError
from partflow.execution.controls import Controls
from partflow.planning.plan import Action, Reason, State
from partflow.planning.selection import Asked
from partflow.planning.status import statuses
from partflow.report.remarks import remarks_of
from partflow.report.status import is_well, status_report

JOBS = """
from pathlib import Path

HERE = Path(ROOT)

def etag(partition: Partition) -> str | None:
    with (HERE / "calls").open("a") as calls:
        calls.write(partition.key + chr(10))
    file = HERE / "api" / partition.key
    text = file.read_text() if file.exists() else None
    BODY
    return text

days = Daily("2024-01-01", end="2024-02-01")
api = Source("api", days, fingerprint=etag, settles_after="3d", refresh_every="6h")
told = Dataset("told", days)

@task(reads=[READ], writes=told)
def tells(tag: str, partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"tag": [str(tag)]})
"""


@pytest.fixture
def api(world):
    """`declare` declares it, `says` has it answer, `run` runs at a moment, `calls` are the keys."""

    def declare(body: str = "", read: str = "api") -> None:
        text = JOBS.replace("ROOT", repr(str(world.root))).replace("BODY", body)
        world.jobs(text.replace("READ", read))

    def says(text: str, *days: int) -> None:
        for day in days:
            world.write(f"api/2024-01-{day:02}", text)

    def at(text: str):
        project = world.project
        project.clock = lambda: moment(text)
        return project

    def run(text: str, *select: str):
        return at(text).materialize(asked=Asked(select), controls=Controls())

    def calls() -> list[str]:
        file = world.root / "calls"
        keys = sorted(file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return [key.removeprefix("2024-01-") for key in keys]

    def told() -> list[tuple[object, ...]]:
        return world.read("told").sort("date").select("tag").rows()

    declare()
    return SimpleNamespace(
        declare=declare, says=says, at=at, run=run, calls=calls, told=told, world=world
    )


def test_the_reader_gets_the_text_and_is_made_again_when_it_is_another(api):
    api.says("one", 1)
    assert api.run("2024-01-02T00:00").summary.ran == 1
    assert api.told() == [("one",)]
    api.says("two", 1)
    api.says("first", 2)
    assert api.run("2024-01-03T00:00").summary.ran == 2
    assert api.told() == [("two",), ("first",)]
    assert api.run("2024-01-03T06:00").summary is None


def test_what_is_not_there_yet_is_waited_for(api):
    api.run("2024-01-02T00:00")
    why = api.at("2024-01-02T00:01").why("told", "2024-01-01")
    assert (why.state, why.reason) == (State.WAITING, Reason.NOT_ARRIVED)
    assert why.links[-1].text == (
        "has not arrived: asked last at 2024-01-02T00:00:00Z; asked again by the first run after "
        "2024-01-02T06:00:00Z"
    )


def test_it_is_asked_when_due_then_at_intervals_once_after_it_settled_and_never_again(api):
    api.says("one", 1, 2, 3, 4)
    api.run("2024-01-02T00:00")
    assert api.calls() == ["01"]
    api.run("2024-01-02T05:59")
    assert api.calls() == []
    api.run("2024-01-02T06:00")
    assert api.calls() == ["01"]
    api.run("2024-01-05T00:00")
    assert api.calls() == ["01", "02", "03", "04"]
    api.run("2024-01-06T00:00")
    assert api.calls() == ["02", "03", "04", "05"]
    api.run("2024-01-20T00:00")
    api.calls()
    api.run("2024-01-21T00:00")
    assert api.calls() == ["17", "18", "19", "20"]


def test_looking_asks_nobody_and_says_how_old_the_last_answer_is(api):
    api.says("one", 1)
    api.run("2024-01-02T00:00")
    api.calls()
    project = api.at("2024-01-03T00:00")
    plan = project.plan()
    project.status()
    project.why("api", "2024-01-01")
    assert api.calls() == []
    (said,) = remarks_of(plan.graph, plan.snapshot).asked
    assert (said.source, said.at) == ("api", "2024-01-02T00:00:00Z")


def test_serve_asks_before_it_looks_and_sleeps_until_it_asks_again(api):
    from partflow.scheduler.lookout import Lookout

    api.says("one", 1)
    outlook = Lookout.of(api.at("2024-01-02T00:00"), "").look(at_all=False)
    assert api.calls() == ["01"]
    assert list(outlook.steps) == ["tells"]
    assert outlook.changes_at == moment("2024-01-02T06:00") // 10**9


def test_a_run_of_something_else_does_not_ask(api):
    api.run("2024-01-02T00:00", "told")
    assert api.calls() == ["01"]
    api.world.jobs('other = Dataset("other", Daily("2024-01-01", end="2024-02-01"))\n\n'
                   "@task(writes=other)\ndef others(partition: Partition) -> pl.DataFrame:\n"
                   '    return pl.DataFrame({"n": [1]})\n', module="others")  # fmt: skip
    api.run("2024-01-03T00:00", "other")
    assert api.calls() == []


def test_one_that_raises_keeps_its_last_answer_and_is_told_and_holds_nothing_up(api):
    api.says("one", 1, 2)
    api.run("2024-01-03T00:00")
    api.declare('if partition.key.endswith("01"): raise ValueError("no network")')
    api.says("two", 1, 2)
    result = api.run("2024-01-04T00:00")
    assert api.told() == [("one",), ("two",)]
    assert result.is_complete
    (said,) = remarks_of(result.plan.graph, result.plan.snapshot).unanswered
    assert (said.source, said.key, said.count) == ("api", "2024-01-01", 1)
    assert said.problem.startswith("ValueError: no network (")
    assert "in vain" in api.at("2024-01-04T00:00").why("api", "2024-01-01").text
    assert not is_well(status_report(result.plan, statuses(result.plan)))
    api.declare()
    result = api.run("2024-01-05T00:00")
    assert remarks_of(result.plan.graph, result.plan.snapshot).unanswered == ()
    assert is_well(status_report(result.plan, statuses(result.plan)))
    assert api.told() == [("two",), ("two",)]


def test_what_is_no_text_counts_as_a_failure(api):
    api.declare("text = 7")
    result = api.run("2024-01-02T00:00")
    (said,) = remarks_of(result.plan.graph, result.plan.snapshot).unanswered
    assert "it returned int, and no text" in said.problem


def test_one_that_ends_its_process_costs_what_was_under_way_and_no_run(api):
    api.declare('if partition.key.endswith("02"): import os; os._exit(3)')
    api.says("one", 1, 2, 3)
    result = api.run("2024-01-04T00:00")
    unanswered = remarks_of(result.plan.graph, result.plan.snapshot).unanswered
    assert ["its process ended: exit code 3" in each.problem for each in unanswered] == [True]
    api.declare()
    api.run("2024-01-04T06:00")
    assert api.told() == [("one",)] * 3


def test_one_that_hangs_is_given_up_and_the_others_are_asked(api):
    from partflow.project.asking import ask_about

    api.declare('if partition.key.endswith("02"): import time; time.sleep(600)')
    api.says("one", 1, 2, 3)
    project = api.at("2024-01-04T00:00")
    ask_about(project, None, within=3.0)
    plan = project.plan()
    (said,) = remarks_of(plan.graph, plan.snapshot).unanswered
    assert (said.key, said.count) == ("2024-01-02", 1)
    assert "no answer within 3 s" in said.problem
    assert plan.tasks["tells"].action.tolist() == [Action.RUN, Action.NONE, Action.RUN]


def test_when_the_time_for_all_has_passed_what_was_answered_is_kept_and_the_rest_is_left(api):
    from partflow.project.asking import ask_about

    api.declare('if partition.key.endswith("02"): import time; time.sleep(600)')
    api.says("one", 1, 2, 3)
    project = api.at("2024-01-04T00:00")
    ask_about(project, None, within=60.0, at_most=4.0)
    plan = project.plan()
    assert remarks_of(plan.graph, plan.snapshot).unanswered == ()
    assert plan.tasks["tells"].action.tolist() == [Action.RUN, Action.NONE, Action.RUN]
    api.calls()
    api.declare()
    api.run("2024-01-04T00:00")
    assert api.calls() == ["02"]


def test_the_text_survives_a_rebuild(api):
    api.says("one", 1)
    api.run("2024-01-02T00:00")
    (api.world.root / "warehouse/.partflow/metastore.sqlite").unlink()
    api.at("2024-01-02T01:00").upkeep.rebuild(Controls())
    assert api.run("2024-01-02T01:00").summary is None
    shutil.rmtree(api.world.root / "warehouse/told")
    api.run("2024-01-02T01:00")
    assert api.told() == [("one",)]


def test_its_code_is_in_no_fingerprint(api):
    api.says("one", 1)
    api.run("2024-01-02T00:00")
    api.declare("text = text and text + ''")
    assert api.at("2024-01-02T00:01").why("told", "2024-01-01").state is State.FRESH


def test_a_read_of_several_gets_a_list_and_one_that_was_withdrawn_is_gone(api):
    api.declare(read="api.window(-1, 0)")
    api.says("one", 1, 2)
    api.run("2024-01-03T00:00")
    assert api.told() == [("one",), ("['one', 'one']",)]
    (api.world.root / "api/2024-01-02").unlink()
    api.run("2024-01-04T00:00")
    assert api.at("2024-01-04T00:00").why("told", "2024-01-02").state is State.FRESH
    gone = api.at("2024-01-04T00:00").why("api", "2024-01-02").text
    assert gone.startswith("is no more, and its last answer remembered: asked last at 2024-01-04")
    assert api.at("2024-01-04T00:00").why("told", "2024-01-03").state is State.WAITING


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('fingerprint="etag"', "give a function"),
        ('fingerprint=etag, path="a/{key}.csv", settles_after="3d"', "leave one out"),
        ("fingerprint=etag", "needs settles_after"),
        ('path="a/{key}.csv", refresh_every="often"', "not a span of time"),
    ],
)
def test_a_source_that_cannot_be_right_is_refused_at_load(world, arguments, says):
    world.jobs(
        "def etag(partition: Partition) -> str | None:\n    return None\n\n"
        f'api = Source("api", Daily("2024-01-01"), {arguments})\n'
    )
    with pytest.raises(PartflowError, match=says):
        _ = world.project


@pytest.mark.parametrize(
    ("grain", "settles", "keys"),
    [
        ("Whole()", "", ["all"]),
        ('Hourly("2024-01-01T22", tz="Europe/Berlin")', 'settles_after="1h"', None),
        ('Every("15m", "2024-01-01T23:30")', 'settles_after="1h"', None),
        ('Monthly("2023-11")', 'settles_after="1h"', ["2023-11", "2023-12"]),
    ],
)
def test_sources_of_all_grains_can_be_asked(world, grain, settles, keys):
    world.jobs(
        f"grain = {grain}\n"
        f'api = Source("api", grain, fingerprint=lambda partition: partition.key, {settles})\n'
        'told = Dataset("told", grain)\n\n'
        "@task(reads=[api], writes=told)\n"
        "def tells(tag: str) -> pl.DataFrame:\n"
        '    return pl.DataFrame({"tag": [tag]})\n'
    )
    project = world.project
    project.clock = lambda: moment("2024-01-02T00:00")
    assert project.materialize().summary.failed == 0
    own = [project.graph.datasets["api"].grain.key(o) for o in made(project)]
    assert own == (keys or own) != []
    assert sorted(world.read("told")["tag"]) == sorted(own)


def made(project) -> list[int]:
    planned = project.plan().tasks["tells"]
    assert (planned.state == State.FRESH).all()
    return list(range(planned.lo, planned.hi))
