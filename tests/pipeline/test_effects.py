"""Effects whose run is cut off are perhaps done: named, and left until somebody decides."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from partflow.execution.controls import Controls
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.planning.planner import perhaps_done

KEYS = [f"2024-01-0{day}" for day in range(1, 7)]
EFFECTS = """
    import multiprocessing, os, signal
    from pathlib import Path

    ones = Dataset("ones", Daily("2024-01-01", end="2024-01-07"))

    @task(writes=ones)
    def makes_ones() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    @effect(reads=[ones], OPTIONS)
    def send(frame: pl.DataFrame, partition: Partition) -> None:
        with Path("sent").open("a") as sent:
            sent.write(partition.key + "\\n")
        if partition.key == "2024-01-04" and not Path("died").exists():
            Path("died").touch()
            HOW
"""
COORDINATOR = "os.getppid() if multiprocessing.parent_process() else os.getpid()"
"""Which makes itself what has nothing beside it, also with -j 2: then its parent is this test."""
KILLED = "os.kill(PID, signal.SIGKILL)"


def effects(world, options: str = "", how: str = KILLED.replace("PID", "os.getpid()")) -> None:
    world.jobs(EFFECTS.replace("OPTIONS", options).replace("HOW", how))


def called(world, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "partflow", *words],
        cwd=world.root, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def all_effects(world, *words: str) -> subprocess.CompletedProcess[str]:
    return called(world, "materialize", "--with-effects", *words)


def sent(world) -> list[str]:
    return (world.root / "sent").read_text().split()


@pytest.mark.parametrize(
    ("options", "pid", "jobs"),
    [
        ("", "os.getpid()", "1"),
        ('executor="threads"', "os.getpid()", "1"),
        ("", COORDINATOR, "2"),
        ('timeout="1m"', COORDINATOR, "1"),
    ],
    ids=["inline", "threads", "processes", "timeout"],
)
def test_after_a_kill_the_effect_under_way_is_named_and_no_other_is_done_twice(
    world, options, pid, jobs
):
    effects(world, options, KILLED.replace("PID", pid) + "\n            signal.pause()")
    world.project.materialize("ones")
    assert all_effects(world, "-j", jobs).returncode == -9
    assert sent(world) == KEYS[:4]
    named = called(world, "plan", "--with-effects").stderr
    assert named.count("send@2024-01-04 is perhaps done: run ") == 1
    again = all_effects(world, "-j", jobs)
    assert (again.returncode, again.stderr) == (1, named)
    assert sent(world) == KEYS


def test_an_effect_that_is_idempotent_is_done_again_by_itself(world):
    effects(world, "idempotent=True")
    assert all_effects(world).returncode == -9
    named = called(world, "plan", "--with-effects").stderr
    assert "it is done again" in named
    again = all_effects(world)
    assert (again.returncode, again.stderr) == (0, named)
    assert sent(world) == [*KEYS[:4], *KEYS[3:]]


def test_what_is_accepted_as_done_is_not_done_again(world):
    effects(world)
    all_effects(world)
    assert "accept send -p 2024-01-04" in called(world, "status").stderr
    accepted = called(world, "accept", "send", "-p", "2024-01-04")
    assert (accepted.returncode, "1 effect taken for done" in accepted.stdout) == (0, True)
    after = all_effects(world)
    assert (after.returncode, after.stderr) == (0, "")
    assert sent(world) == KEYS
    assert not perhaps_done(world.project.plan(with_effects=True))
    for path in (world.root / "warehouse/.partflow").glob("metastore.sqlite*"):
        path.unlink()
    world.project.upkeep.rebuild(Controls())
    assert world.project.plan(with_effects=True).steps == 0
    assert not perhaps_done(world.project.plan(with_effects=True))


def test_a_backfill_does_what_is_perhaps_done_again(world):
    effects(world)
    all_effects(world)
    refused = called(world, "backfill", "send", "-p", "2024-01-04")
    assert (refused.returncode, "--with-effects" in refused.stderr) == (1, True)
    again = called(world, "backfill", "send", "-p", "2024-01-04", "--with-effects")
    assert again.returncode == 0
    assert sent(world) == [*KEYS[:4], KEYS[3]]
    assert not perhaps_done(world.project.plan(with_effects=True))


def test_what_is_perhaps_done_and_past_is_a_fault_of_every_run_until_it_is_decided(world):
    effects(world)
    all_effects(world)
    world.project.materialize()
    for _ in range(2):
        run = called(world, "materialize")
        assert (run.returncode, run.stderr.count("send@2024-01-04 is perhaps done")) == (1, 1)
    assert called(world, "materialize", "ones").returncode == 0


def test_a_change_of_what_it_reads_does_not_repeat_what_is_perhaps_done(world):
    effects(world)
    all_effects(world)
    text = (world.root / world.package / "tasks.py").read_text()
    world.write(f"{world.package}/tasks.py", text.replace('"x": [1]', '"x": [2]'))
    run = all_effects(world)
    assert (run.returncode, "blocked 1" in run.stdout) == (1, True)
    assert KEYS[3] not in sent(world)[4:]


def test_a_saved_plan_is_refused_once_one_of_its_effects_is_perhaps_done(world):
    effects(world)
    world.project.materialize("ones")
    called(world, "plan", "--with-effects", "--out", "saved.json")
    assert called(world, "materialize", "--plan", "saved.json").returncode == -9
    again = called(world, "materialize", "--plan", "saved.json")
    assert (again.returncode, "is perhaps done" in again.stderr) == (2, True)


def test_what_is_perhaps_done_is_in_the_documents(world):
    effects(world)
    all_effects(world)
    run = world.project.runs(1)[0].id
    expected = [{"effect": "send", "key": "2024-01-04", "run": run}]
    planned = json.loads(called(world, "plan", "--with-effects", "--output", "json").stdout)
    done = json.loads(all_effects(world, "--output", "json").stdout)
    status = json.loads(called(world, "status", "--output", "json").stdout)
    assert planned["perhaps_done"] == done["plan"]["perhaps_done"] == expected
    assert status["perhaps_done"] == expected
    accepted = json.loads(called(world, "accept", "send", "--output", "json").stdout)
    assert (accepted["done"], accepted["accepted"]) == (1, 0)
    after = json.loads(all_effects(world, "--output", "json").stdout)
    assert after["plan"]["perhaps_done"] == []


def test_a_metastore_made_anew_knows_what_is_perhaps_done(world):
    effects(world)
    all_effects(world)
    for path in (world.root / "warehouse/.partflow").glob("metastore.sqlite*"):
        path.unlink()
    world.project.upkeep.rebuild(Controls())
    (found,) = perhaps_done(world.project.plan(with_effects=True))
    assert (found.effect, found.key) == ("send", "2024-01-04")


def test_an_effect_that_raises_is_known_not_to_be_done(world):
    effects(world, how="raise ValueError('no')")
    world.project.materialize(with_effects=True)
    assert not perhaps_done(world.project.plan(with_effects=True))
    for path in (world.root / "warehouse/.partflow").glob("metastore.sqlite*"):
        path.unlink()
    world.project.upkeep.rebuild(Controls())
    assert not perhaps_done(world.project.plan(with_effects=True))


@pytest.mark.parametrize(("also", "tries"), [("", 1), (", idempotent=True", 2)])
def test_an_effect_whose_worker_died_is_tried_again_in_the_run_only_if_it_is_idempotent(
    world, also, tries
):
    effects(world, f'timeout="1m", retries=2, retry_delay="0s"{also}')
    result = world.project.materialize(with_effects=True)
    assert result.summary.failed == (tries == 1)
    assert sent(world).count("2024-01-04") == tries


def test_an_effect_whose_worker_died_is_perhaps_done(world):
    effects(world, 'timeout="1m"')
    world.project.materialize(with_effects=True)
    (found,) = perhaps_done(world.project.plan(with_effects=True))
    assert (found.key, found.is_over) == ("2024-01-04", False)


def test_what_was_handed_out_and_not_begun_is_not_named(world):
    effects(world, how="raise ValueError('no')")
    world.project.materialize(with_effects=True, controls=Controls(fail_fast=True))
    with SqliteMetastore.open(world.project.metastore.path) as metastore:
        assert metastore.begun() == []


def test_an_effect_whose_place_a_later_one_took_is_told_once(world):
    effects(world, 'only="latest"')
    text = (world.root / world.package / "tasks.py").read_text()
    world.write(f"{world.package}/tasks.py", text.replace("2024-01-07", "2024-01-05"))
    assert called(world, "materialize").returncode == -9
    why = called(world, "why", "send", "-p", "2024-01-04").stdout
    assert "\nperhaps done\n  run " in why
    world.write(f"{world.package}/tasks.py", text)
    said = called(world, "materialize")
    assert "send@2024-01-04 is perhaps done" in said.stderr
    assert "it is not done again by itself" in said.stderr
    assert called(world, "materialize").stderr == ""
    assert sent(world) == ["2024-01-04", "2024-01-06"]


def test_an_effect_is_at_one_partition_at_a_time(world):
    # Each begins only when the one before has ended: else the file would be there.
    effects(world, 'executor="threads"', "pass")
    world.project.materialize("ones")
    text = (world.root / world.package / "tasks.py").read_text()
    alone = """    at = Path("at")
    assert not at.exists()
    at.touch()
    Path(partition.key).touch()
    at.unlink()
    """
    world.write(f"{world.package}/tasks.py", text.replace("    with Path", f"{alone}with Path"))
    assert world.project.materialize(with_effects=True).summary.failed == 0
    assert sent(world) == KEYS
