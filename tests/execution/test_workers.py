"""Worker processes and threads as users meet them: what dies, hangs or leaks costs its attempt."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from partflow.errors import ConfigurationError
from partflow.execution.controls import Controls
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.workermain import Shares
from partflow.execution.orders import Attempt, InputRead, Lineage, Order
from partflow.project.project import load_again

DIES = """
    import ctypes, os, signal
    from pathlib import Path

    def dies_once(task, key, how):
        if key == "2024-01-02" and not Path(task).exists():
            Path(task).touch()
            print("about to", flush=True)
            how()
        return pl.DataFrame({"x": [1]})
"""
DEATHS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "(signal 9: killed; out of memory?)",
    "os._exit(3)": "(exit code 3)",
    "ctypes.string_at(0)": "(signal 11: segmentation fault; a crash in a library?)",
}


def dying(number: int, how: str, options: str) -> str:
    """A task that dies once."""
    return f"""
    out{number} = Dataset("out{number}", Daily("2024-01-01", end="2024-01-05"))

    @task(writes=out{number}, {options})
    def dies{number}(partition: Partition) -> pl.DataFrame:
        return dies_once("dies{number}", partition.key, lambda: {how})
"""


def steps(world) -> list:
    project = world.project
    return project.steps(project.runs(1)[0].id)


def log(world, key: str, attempt: int = 1) -> str | None:
    """What an attempt wrote; None if it has no log."""
    project = world.project
    run = project.runs(1)[0].id
    step = next(s for s in project.steps(run) if (s.key, s.attempt) == (key, attempt))
    path = project.store.layout.logs_of(run) / f"{step.serial}.log"
    assert step.has_log == path.exists()
    return path.read_text() if path.exists() else None


def test_a_worker_that_dies_costs_one_attempt(world):
    once = 'retries=1, retry_delay="1ms"'
    world.jobs(DIES + "".join(dying(i, how, once) for i, how in enumerate(DEATHS)))
    found = world.run(controls=Controls(workers=2))
    assert (found.ran, found.failed) == (12, 0)
    failed = sorted((s.task, s.key, s.attempt) for s in steps(world) if s.state == "failed")
    assert failed == [(f"dies{i}", "2024-01-02", 1) for i in range(len(DEATHS))]
    said = {s.task: s.message for s in steps(world) if s.state == "failed"}
    assert [said[f"dies{i}"].partition(" (")[2] for i in range(len(DEATHS))] == [
        words[1:] for words in DEATHS.values()
    ]


def test_a_crash_in_a_library_is_told_with_the_line_and_the_last_words(world):
    world.jobs(DIES + dying(1, "ctypes.string_at(0)", 'timeout="1m"'))
    found = world.run()
    assert (found.ran, found.failed) == (3, 1)
    failure = found.failures[0].failure
    assert failure.place == f"{world.package}/tasks.py:18"
    assert failure.trace.splitlines()[-1].endswith("in <lambda>")
    said = log(world, "2024-01-02")
    assert said.startswith("about to\n")
    assert "Fatal Python error: Segmentation fault" in said
    assert log(world, "2024-01-03") is None


def test_a_task_that_hangs_is_stopped_at_its_timeout_with_all_that_it_started(world):
    world.jobs("""
    import subprocess
    from pathlib import Path
    out = Dataset("out", Daily("2024-01-02", end="2024-01-03"))
    other = Dataset("other", Daily("2024-01-05", end="2024-01-07"))

    @task(writes=out, timeout="2s")
    def hangs() -> pl.DataFrame:
        child = subprocess.Popen(["sleep", "100"])
        Path("child").write_text(str(child.pid))
        print("hangs")
        child.wait()

    @task(writes=other)
    def made() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})
    """)
    found = world.run()  # one worker, inline: what can time out gets a process all the same
    assert (found.ran, found.failed) == (2, 1)
    failure = found.failures[0].failure
    assert failure.message == "took longer than its timeout of 2s"
    assert failure.place == f"{world.package}/tasks.py:14"
    assert log(world, "2024-01-02").startswith("hangs\n")
    child = Path("/proc", (world.root / "child").read_text())
    assert not child.exists() or "\nState:\tZ" in (child / "status").read_text()
    assert not list((world.root / "warehouse/.partflow/staging").iterdir())


def test_a_task_that_will_not_stop_is_killed(world):
    world.jobs("""
    import multiprocessing, signal, time
    out = Dataset("out", Daily("2024-01-01", end="2024-01-02"))
    if multiprocessing.parent_process() is not None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    @task(writes=out, timeout="200ms")
    def stubborn() -> pl.DataFrame:
        time.sleep(100)
    """)
    found = world.run(controls=Controls(workers=2))
    assert (found.ran, found.failed) == (0, 1)
    assert found.failures[0].failure.message == (
        "took longer than its timeout of 200ms; it did not end when it was asked to, and was killed"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('raise RuntimeError("no licence here")', "no licence here"),
        ('print("so long"); os._exit(4)', "(exit code 4)"),
    ],
)
def test_workers_that_cannot_load_the_project_end_the_run_with_the_reason(world, wrong, said):
    world.jobs(f"""
    import multiprocessing, os
    out = Dataset("out", Daily("2024-01-01", end="2024-01-03"))
    if multiprocessing.parent_process() is not None:
        {wrong}

    @task(writes=out, timeout="1m")
    def made(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({{"x": [1]}})
    """)
    with pytest.raises(ConfigurationError) as caught:
        world.run()
    assert said in str(caught.value)
    assert "load" in str(caught.value)


@pytest.mark.parametrize("options", ["", ', timeout="1m"'])
def test_a_task_that_ends_python_fails_as_any_other(world, options):
    world.jobs(f"""
    import sys
    out = Dataset("out", Daily("2024-01-01", end="2024-01-04"))

    @task(writes=out{options})
    def leaves(partition: Partition) -> pl.DataFrame:
        if partition.key == "2024-01-02":
            sys.exit(7)
        return pl.DataFrame({{"x": [1]}})
    """)
    found = world.run()
    assert (found.ran, found.failed) == (2, 1)
    assert found.failures[0].failure.message.startswith("SystemExit: 7")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_asks_for_threads_runs_in_several_of_the_coordinators(world, workers):
    world.jobs("""
    import os, threading
    both = threading.Barrier(2)
    out = Dataset("out", Daily("2024-01-01", end="2024-01-03"))
    after = Dataset("after", Daily("2024-01-01", end="2024-01-03"))

    @task(writes=out, executor="threads")
    def asks(partition: Partition) -> pl.DataFrame:
        both.wait(timeout=60)
        print("asked for", partition.key)
        return pl.DataFrame({"pid": [os.getpid()]})

    @task(reads=[out], writes=after)
    def reads(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("pid")
    """)
    assert world.run(controls=Controls(workers=workers)).ran == 4
    assert world.read("after")["pid"].to_list() == [os.getpid()] * 2
    for key in ("2024-01-01", "2024-01-02"):
        serial = next(s.serial for s in steps(world) if (s.task, s.key) == ("asks", key))
        run = world.project.runs(1)[0].id
        assert (world.project.store.layout.logs_of(run) / f"{serial}.log").read_text() == (
            f"asked for {key}\n"
        )


SAYS = """
    import logging, os, subprocess, sys
    out = Dataset("out", Daily("2024-01-01", end="2024-01-04"))

    @task(writes=out)
    def says(partition: Partition) -> pl.DataFrame:
        if partition.key == "2024-01-02":
            print("printed ü")
            print("in error", file=sys.stderr)
            logging.getLogger("jobs").warning("logged")
            sys.stdout.buffer.write(b"bytes\\n")
            sys.stdout.flush()
            PAST
        return pl.DataFrame({"x": [1]})
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_what_an_attempt_writes_is_in_its_log_and_nowhere_else(world, workers, capfd):
    past = 'os.write(1, b"past Python\\n"); subprocess.run(["echo", "child"], check=True)'
    world.jobs(SAYS.replace("PAST", past if workers > 1 else "pass"))
    assert world.run(controls=Controls(workers=workers)).failed == 0
    lines = log(world, "2024-01-02").splitlines()
    assert lines[2].endswith(" WARNING jobs: logged")
    rest = ["past Python", "child"] if workers > 1 else []
    assert [*lines[:2], *lines[3:]] == ["printed ü", "in error", "bytes", *rest]
    assert log(world, "2024-01-01") is None
    folder = world.project.store.layout.logs_of(world.project.runs(1)[0].id)
    assert len(list(folder.iterdir())) == 1
    assert capfd.readouterr() == ("", "")


def test_a_breakpoint_in_a_task_that_runs_inline_is_met_on_the_terminal(world):
    world.jobs("""
    out = Dataset("out", Daily("2024-01-01", end="2024-01-02"))

    @task(writes=out)
    def looked_at(partition: Partition) -> pl.DataFrame:
        answer = 6 * 7
        breakpoint()
        return pl.DataFrame({"x": [answer]})
    """)
    found = subprocess.run(
        [sys.executable, "-c", "from partflow import Project; Project.load('.').materialize()"],
        check=True,
        cwd=world.root,
        input="p answer * 1000\nc\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "42000" in found.stdout, found.stderr
    assert "(Pdb)" in found.stdout
    assert world.read("out")["x"].to_list() == [42]


TELLS = """
    import os, time
    from pathlib import Path
    out = Dataset("out", Daily("2024-01-01", end="2024-03-01"))
    kept = []

    @task(writes=out)
    def made(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    @effect(reads=[out.optional()])
    def tells(paths: list[Path], partition: Partition) -> None:
        with open("told", "a") as file:
            file.write(f"{os.getpid()} {os.getpgid(0)}\\n")
        BODY
"""


def executor_of(world, body: str = "pass", **options) -> tuple[object, ProcessExecutor]:
    world.jobs(TELLS.replace("BODY", body))
    project = world.project
    load = functools.partial(load_again, world.root, ())
    return project, ProcessExecutor(load, project.graph, project.store, 1, **options)


def order(serial: int, attempts: int = 1, code: str = "", dataset: str = "landing") -> Order:
    """Without a code it is for whatever code the worker has."""
    reads = (InputRead(dataset, "00" * 16, 1),)
    lineage = Lineage("tells", "2024-01-01", 0, 86400, code, "run", 0, reads)
    ordinals = range(19723 + serial, 19723 + serial + attempts)
    found = tuple(Attempt(serial + i, o, 1, ((),), lineage) for i, o in enumerate(ordinals))
    return Order("run", "tells", found)


def collected(executor: ProcessExecutor, count: int) -> list:
    found = []
    deadline = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < deadline
        found += executor.collect(1.0)
    return found


def test_a_worker_that_leaks_is_replaced_before_it_is_too_large(world):
    _, executor = executor_of(world, 'kept.append(b"x" * 200_000_000)', shares=Shares(memory=1))
    for serial in range(1, 4):
        executor.submit(order(serial))
    outcomes = collected(executor, 3)
    executor.close()
    assert [o.failure for o in outcomes] == [None] * 3
    assert sorted(o.serial for o in outcomes) == [1, 2, 3]
    assert len(set((world.root / "told").read_text().split())) == 3


def test_a_worker_and_what_it_starts_are_a_group_that_ctrl_c_does_not_reach(world):
    _, executor = executor_of(world)
    executor.submit(order(1))
    collected(executor, 1)
    pid, group = (int(n) for n in (world.root / "told").read_text().split())
    assert pid == group != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    executor.submit(order(2))
    assert collected(executor, 1)[0].failure is None
    executor.close()
    assert not Path(f"/proc/{pid}").exists()


def test_what_was_not_begun_is_given_back_and_what_is_under_way_is_given_up_at_the_end(world):
    _, executor = executor_of(world, "time.sleep(100)")
    orders = [order(serial) for serial in range(1, 5)]
    for each in orders:
        executor.submit(each)
    while not (world.root / "told").exists():
        assert executor.collect(0.05) == []
    assert executor.recall() == orders[1:]
    assert executor.is_busy
    pid = (world.root / "told").read_text().split()[0]
    executor.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_batch_has_one_log_under_the_name_of_each_of_its_attempts(world):
    project, executor = executor_of(world, 'print("for all of them")')
    executor.submit(order(1, attempts=3))
    outcomes = collected(executor, 3)
    executor.close()
    assert [(o.serial, o.has_log) for o in outcomes] == [(1, True), (2, True), (3, True)]
    texts = [(project.store.layout.logs_of("run") / f"{n}.log").read_text() for n in (1, 2, 3)]
    assert texts == ["for all of them\n"] * 3


def test_a_batch_whose_worker_dies_has_failed_as_a_whole(world):
    _, executor = executor_of(world, "os._exit(1)")
    executor.submit(order(1, attempts=3))
    outcomes = collected(executor, 3)
    executor.close()
    assert [o.serial for o in outcomes] == [1, 2, 3]
    assert all(o.failure.is_shared for o in outcomes)


def test_orders_larger_than_a_channel_and_answers_pass_each_other(world):
    _, executor = executor_of(world, 'raise ValueError("x" * 1_000_000)')
    for serial in range(1, 13):
        executor.submit(order(serial, dataset="x" * (1_000_000 if serial % 2 else 30_000)))
    outcomes = collected(executor, 12)
    executor.close()
    assert sorted(o.serial for o in outcomes) == list(range(1, 13))
    (message,) = {o.failure.message for o in outcomes}
    assert message.startswith("ValueError: xxx")
    assert len(message) < 10_000, "nobody reads a novel, and the log keeps it"


def test_a_worker_that_imported_other_code_than_the_run_makes_nothing_with_it(world):
    project, executor = executor_of(world)
    world.jobs(TELLS.replace("BODY", "x = 1"))
    with contextlib.closing(executor):
        executor.submit(order(1, code=project.codes["tells"].digest))
        (outcome,) = collected(executor, 1)
        assert outcome.failure.message == (
            "the code of tells was changed since the run began; run again"
        )
        executor.submit(order(2, code=world.project.codes["tells"].digest))
        (outcome,) = collected(executor, 1)
        assert outcome.failure is None


def test_what_is_edited_after_a_worker_has_begun_does_not_concern_it(world):
    project, executor = executor_of(world)
    with contextlib.closing(executor):
        executor.submit(order(1))
        assert [o.failure for o in collected(executor, 1)] == [None]
        world.jobs(TELLS.replace("BODY", "x = 1"))
        executor.submit(order(2, code=project.codes["tells"].digest))
        assert [o.failure for o in collected(executor, 1)] == [None]


def test_a_script_that_does_its_work_as_it_is_imported_is_told_so_and_does_not_hang(sales):
    """Its workers import it, and begin the run that they are workers of."""
    (sales.root / "script.py").write_text(
        "from partflow import Controls, Project\n"
        'Project.load(".").materialize(controls=Controls(workers=2))\n'
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=sales.root, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "a task begins no run" in done.stderr
    assert 'in a script, keep its own work under `if __name__ == "__main__":`' in done.stderr


def test_a_run_that_gives_back_cancels_a_step_of_other_code_and_begins_nothing_more(world):
    world.jobs(TELLS.replace("BODY", ""))
    edited = TELLS.replace("BODY", "x = 1")
    controls = Controls(workers=2, gives_back=True, planned=lambda _: world.jobs(edited))
    world.write("partflow.toml", f'jobs = ["{world.package}"]\nexecutor = "processes"\n')

    ended = world.run(controls=controls)

    assert (ended.failed, ended.cancelled) == (0, 1)
    assert not world.project.failures()
    assert world.run().ran == 1
