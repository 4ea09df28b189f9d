"""`serve` as real processes over small projects."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from projects import SALES, World
from served import children, once, serving, told, until

from partflow.metastore.runlog import host, user
from partflow.scheduler.leading import leader_of


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_makes_what_is_missing_and_ends_well_when_it_is_asked_to(sales: World) -> None:
    with serving(sales) as served:
        served.says("failed 0, blocked 0")

        assert served.ended() == 0

    assert sales.project.plan().steps == 0


def test_its_children_end_with_it_even_if_it_is_killed(sales: World) -> None:
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        begun = children(served.process.pid)
        assert begun

        served.ended(signal.SIGKILL)

    until(lambda: all(is_gone(pid) for pid in begun))


def test_a_second_one_stands_by_and_leads_when_the_first_is_killed(sales: World) -> None:
    with serving(sales) as first:
        first.says("failed 0, blocked 0")
        with serving(sales, name="second") as second:
            second.says(f"standing by: {user()}@{host()}, process {first.process.pid} leads")
            leads = f"serve: {user()}@{host()}, process {first.process.pid} leads, looked"
            until(lambda: leads in told(sales, "status"))  # its next heartbeat tells when it looked
            stands_by = f"standing by: {user()}@{host()}, process {second.process.pid}"
            assert stands_by in told(sales, "status")
            first.ended(signal.SIGKILL)
            folder = sales.root / "warehouse/.partflow/serve"
            until(lambda: (found := leader_of(folder)) and found.pid == second.process.pid, 2.0)
            sales.sales("2024-02-03", 7)
            second.says("failed 0, blocked 0")

            assert second.ended() == 0


def test_once_it_does_what_there_is_and_says_by_its_code_how_that_went(sales: World) -> None:
    assert once(sales).returncode == 0
    assert sales.project.plan().steps == 0
    sales.write("landing/2024-02-03.csv", "store,qty\na")

    assert once(sales).returncode == 1


def test_once_beside_a_leader_does_nothing_and_says_who_leads(sales: World) -> None:
    with serving(sales) as served:
        served.says("failed 0, blocked 0")

        beside, refused = once(sales), once(sales, "--no-wait")

        assert (beside.returncode, refused.returncode) == (0, 4)
        assert f"process {served.process.pid} leads" in beside.stderr
        assert f"process {served.process.pid} leads" in refused.stderr


def test_edited_code_is_loaded_in_a_fresh_process_and_makes_what_is_new(sales: World) -> None:
    config = f'jobs = ["{sales.package}"]\n[scheduler]\nrecompute = ["*"]\n'
    sales.write("partflow.toml", config)
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        before = children(served.process.pid)
        sales.jobs(SALES.replace("> 0", "> 1"))
        served.says("ran", times=2)

        assert not set(before) & set(children(served.process.pid))
        assert served.ended() == 0
    assert sales.project.plan().steps == 0


def test_while_the_project_does_not_load_serve_says_so_and_goes_on_when_it_does(
    sales: World,
) -> None:
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        sales.jobs("this is no Python")
        served.says('tasks.py", line 3')
        served.says("it last loaded well at")
        sales.jobs(SALES)
        sales.sales("2024-02-03", 7)
        served.says("ran", times=2)

        assert served.ended() == 0


FAILS_ONCE = """
landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"))

@task(reads=[landing], writes=clean, retry_delay="1s")
def clean_sales(raw: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
    from pathlib import Path
    if partition.key == "2024-02-01" and not Path("healed").exists():
        with open("tried", "a") as file:
            file.write("x")
        raise ValueError("the password has lapsed")
    return raw
"""


def test_what_fails_is_tried_again_later_and_heals_unseen(sales: World) -> None:
    sales.jobs(FAILS_ONCE)
    with serving(sales) as served:
        served.says("the password has lapsed", times=2)
        sales.write("healed", "")
        until(lambda: made(sales, "clean") == 5)

        assert served.ended() == 0
    assert len((sales.root / "tried").read_text()) <= 5, "each time it waits twice as long"


def test_edited_code_alone_starts_no_work(sales: World) -> None:
    assert once(sales).returncode == 0
    sales.jobs(SALES.replace("> 0", "> 1"))
    found = once(sales)

    assert (found.returncode, found.stderr) == (0, "")


def test_at_rest_nothing_is_written_into_the_record(sales: World) -> None:
    def written() -> dict[str, tuple[int, int]]:
        private = sales.root / "warehouse/.partflow"  # who reads has an empty -wal beside it
        files = [private / "metastore.sqlite", private / "journal.jsonl"]
        return {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in files}

    config = f'jobs = ["{sales.package}"]\n[scheduler]\nlook_every = "1s"\n'
    sales.write("partflow.toml", config)
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        until(lambda: len(children(served.process.pid)) > 0)
        time.sleep(2)  # so that what the run still writes at its end is written
        before = written()
        time.sleep(4)

        assert written() == before
        assert served.ended() == 0


HOSTILE = """
landing = Source("landing", Daily("2024-01-30", end="2024-02-04"), path="landing/{key}.csv")
clean = Dataset("clean", Daily("2024-01-30", end="2024-02-04"))
odd = Dataset("odd", Daily("2024-01-30", end="2024-02-01"))

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw

@task(writes=odd)
def ends_its_process(partition: Partition) -> pl.DataFrame:
    import os, ctypes
    HOW
"""


def hostile(world: World, how: str) -> World:
    world.jobs(HOSTILE.replace("HOW", how))
    for key in ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03"):
        world.sales(key, 1)
    return world


def made(world: World, dataset: str) -> int:
    return len(list((world.root / f"warehouse/{dataset}").glob("*/data.parquet")))


def test_a_task_that_ends_its_process_costs_its_own_step_only(world: World) -> None:
    hostile(world, "os._exit(3)")
    with serving(world) as served:
        served.says("worker process died")
        until(lambda: made(world, "clean") == 5)

        assert served.ended() == 0


def test_a_task_that_crashes_costs_its_own_step_only(world: World) -> None:
    hostile(world, "ctypes.string_at(0)")
    with serving(world) as served:
        served.says("worker process died")
        until(lambda: made(world, "clean") == 5)

        assert served.ended() == 0


@pytest.mark.parametrize(("imports", "says"), [
    ("import os; os._exit(3)", "exit code 3"),
    ("import ctypes; ctypes.string_at(0)", "signal 11"),
    ("while True: pass", "it took longer than 4 s, and was ended"),
    ("raise SystemExit", "SystemExit"),
])  # fmt: skip
def test_a_module_that_dies_or_hangs_when_it_is_imported_ends_no_serve(
    sales: World, imports: str, says: str
) -> None:
    text = f'jobs = ["{sales.package}"]\n[scheduler]\nlook_within = "4s"\nlook_every = "1s"\n'
    sales.write("partflow.toml", text)
    sales.jobs(f"{imports}\n{SALES}")
    with serving(sales) as served:
        served.says(says)
        if "while" in imports:
            served.says("tasks.py:3")
        sales.jobs(SALES)
        served.says("failed 0, blocked 0")

        assert served.ended() == 0


def test_a_task_that_hangs_is_cancelled_when_serve_has_to_stop(world: World) -> None:
    text = f'jobs = ["{world.package}"]\n[scheduler]\nstop_within = "1s"\n'
    hostile(world, "open('began', 'w').close(); import time; time.sleep(600)")
    world.write("partflow.toml", text)
    with serving(world) as served:
        until((world.root / "began").exists)
        begun = children(served.process.pid)

        assert served.ended() == 0
    until(lambda: all(is_gone(pid) for pid in begun))


def test_a_run_of_serve_can_be_cancelled_by_hand(world: World) -> None:
    hostile(world, "open('began', 'w').close(); import time; time.sleep(3)")
    with serving(world) as served:
        until((world.root / "began").exists)
        assert "it finishes what is running" in told(world, "cancel", "last", "--gently")
        served.says("run 20")

        assert "a child process ended" not in served.said
        assert served.ended() == 0


def test_a_metastore_that_is_gone_ends_no_serve_and_it_goes_on_when_that_is_back(
    sales: World,
) -> None:
    text = f'jobs = ["{sales.package}"]\n[scheduler]\nlook_every = "1s"\n'
    sales.write("partflow.toml", text)
    place = sales.root / "warehouse/.partflow/metastore.sqlite"
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        time.sleep(2)  # the run's end is recorded
        aside = [p.rename(f"{p}.aside") for p in place.parent.glob("metastore.sqlite*")]
        served.says("metastore")
        for path in aside:
            path.rename(str(path).removesuffix(".aside"))
        sales.sales("2024-02-03", 7)
        served.says("failed 0, blocked 0", times=2)

        assert served.ended() == 0
