"""Processes that a task forks: they are its own, and end neither the run nor go on with it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

WHERE = {
    "inline": ("", ("-j", "1")),
    "threads": ('executor="threads"', ("-j", "1")),
    "processes": ("", ("-j", "2")),
}
TASK = """
    import multiprocessing, os, signal, sys
    from concurrent.futures import ProcessPoolExecutor
    from pathlib import Path

    out = Dataset("out", Daily("2024-01-01", end="2024-01-04"))
    pools = []

    @task(writes=out, OPTIONS)
    def forks(partition: Partition) -> pl.DataFrame:
"""
FORKS = "multiprocessing.get_context('fork')"


def task(world, body: str, options: str = "") -> None:
    lines = "".join(f"        {line}\n" for line in body.strip().splitlines())
    world.jobs(TASK.replace("OPTIONS", options) + lines)


def called(world, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "partflow", *words],
        cwd=world.root, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def is_made(said: subprocess.CompletedProcess[str]) -> bool:
    sys.stdout.write(said.stdout + said.stderr)  # shown where a test fails
    lines = said.stdout.splitlines()
    return said.returncode == 0 and len(lines) == 1 and lines[0].startswith("ran 3, ")


@pytest.mark.parametrize("where", WHERE)
def test_a_child_that_a_task_ends_does_not_end_the_run(world, where):
    options, words = WHERE[where]
    body = f"""
children = [{FORKS}.Process(target=signal.pause) for _ in range(8)]
for child in children:
    child.start()
    child.terminate()
for child in children:
    child.join()
return pl.DataFrame({{"codes": [child.exitcode for child in children]}})
"""
    task(world, body, options)
    assert is_made(called(world, "materialize", *words))
    assert world.read("out")["codes"].to_list() == [-15] * 24


@pytest.mark.parametrize(
    ("where", "pool"),
    [
        ("inline", f"ProcessPoolExecutor(1, mp_context={FORKS})"),
        ("inline", f"{FORKS}.Pool(1)"),
        ("threads", f"{FORKS}.Pool(1)"),
        ("processes", f"{FORKS}.Pool(1)"),
    ],
)
def test_a_pool_that_a_task_keeps_does_not_keep_the_run_from_its_end(world, where, pool):
    options, words = WHERE[where]
    body = f"""
pools.extend([] if pools else [{pool}])
return pl.DataFrame({{"x": list(pools[0].map(abs, [-1]))}})
"""
    task(world, body, options)
    assert is_made(called(world, "materialize", *words))


@pytest.mark.parametrize(
    ("where", "leaves", "code"),
    [
        ("inline", "pass", 0),
        ("threads", "pass", 0),
        ("processes", "pass", 0),
        ("inline", "raise ValueError('of the child')", 1),
        ("inline", "sys.exit(3)", 3),
    ],
)
def test_a_child_that_comes_back_from_the_task_ends_there(world, where, leaves, code):
    options, words = WHERE[where]
    body = f"""
pid = os.fork()
if not pid:
    {leaves}
    return pl.DataFrame({{"code": [-1]}})
return pl.DataFrame({{"code": [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]}})
"""
    task(world, body, options)
    assert is_made(called(world, "materialize", *words))
    assert world.read("out")["code"].to_list() == [code] * 3
    assert is_made_once(world)


def is_made_once(world) -> bool:
    project = world.project
    return [s.attempt for s in project.steps(project.runs(1)[0].id)] == [1, 1, 1]


def test_a_child_that_comes_back_from_a_module_ends_there(world):
    task(world, 'return pl.DataFrame({"x": [1]})')
    world.write(
        f"{world.package}/forks.py", "import os\npid = os.fork()\npid and os.waitpid(pid, 0)\n"
    )
    assert is_made(called(world, "materialize"))


@pytest.mark.usefixtures("attended")
@pytest.mark.parametrize("where", WHERE)
def test_a_child_reacts_to_signals_as_a_program_does(world, where):
    options, words = WHERE[where]
    body = """
pid = os.fork()
if not pid:
    kinds = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    told = [*kinds, signal.getsignal(signal.SIGINT), signal.set_wakeup_fd(-1), blocked]
    Path(partition.key).write_text(repr(told))
    os._exit(0)
os.waitpid(pid, 0)
return pl.DataFrame({"x": [1]})
"""
    task(world, body, options)
    assert is_made(called(world, "materialize", *words))
    expected = "[" + "<Handlers.SIG_DFL: 0>, " * 3 + "<built-in function default_int_handler>, "
    assert (world.root / "2024-01-02").read_text() == f"{expected}-1, set()]"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs descriptors of processes")
def test_a_worker_ends_with_its_coordinator_though_a_child_of_that_lives_on(world):
    world.jobs("""
    import os, signal
    from pathlib import Path
    one = Dataset("one", Daily("2024-01-01", end="2024-01-02"))
    two = Dataset("two", Daily("2024-01-01", end="2024-01-02"))

    @task(writes=one, timeout="1m")
    def in_a_worker() -> pl.DataFrame:
        Path("worker").write_text(str(os.getpid()))
        return pl.DataFrame({"x": [1]})

    @task(reads=[one], writes=two)
    def inline(frame: pl.DataFrame) -> pl.DataFrame:
        pid = os.fork()
        if not pid:
            signal.pause()
        Path("child").write_text(str(pid))
        Path("gate").open("w").close()
        signal.pause()
    """)
    os.mkfifo(world.root / "gate")
    command = [sys.executable, "-W", "ignore", "-m", "partflow", "materialize"]
    with subprocess.Popen(command, cwd=world.root) as process:
        (world.root / "gate").open().close()
        child, worker = (int((world.root / name).read_text()) for name in ("child", "worker"))
        ending = os.pidfd_open(worker)
        process.kill()
        try:
            assert select.select([ending], [], [], 30)[0]
            assert Path(f"/proc/{child}").exists()
        finally:
            os.close(ending)
            os.kill(child, 9)
