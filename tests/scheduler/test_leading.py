"""Who leads: one process of several, also when leaders are killed, stopped, or lose their file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import until

from partflow.metastore.flockleases import FlockLeases
from partflow.process.identity import kill, started
from partflow.scheduler.leading import (
    LOOKS,
    STALE,
    Watch,
    here,
    lead,
    leader_of,
    standbys_of,
    standing_by,
)

LEADS = """
import sys
from pathlib import Path
from partflow.metastore.flockleases import FlockLeases
from partflow.scheduler.leading import lead
folder = Path(sys.argv[1])
with lead(FlockLeases(folder / "leases"), folder) as held:
    print("leads" if held else "does not", flush=True)
    sys.stdin.read()
"""


@contextmanager
def leading(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that leads."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEADS, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "leads\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_leads_and_its_file_says_who_that_is(tmp_path: Path) -> None:
    with leading(tmp_path) as other:
        with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
            assert held is None
        leader = leader_of(tmp_path)

        assert leader is not None
        assert leader.pid == other.pid
        assert leader.start == started(other.pid)
        assert leader.is_near


def test_nobody_leads_where_nobody_ever_did_or_the_leader_is_dead(tmp_path: Path) -> None:
    assert leader_of(tmp_path / "nowhere") is None
    with leading(tmp_path) as other:
        other.kill()
        other.wait()

        assert leader_of(tmp_path) is None
        with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
            assert held is not None


def test_the_leader_says_when_it_looked_at_everything(tmp_path: Path) -> None:
    with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
        assert held is not None
        held.looked_at_all(1_700_000_000.0)
        held.renew()
        leader = leader_of_another(tmp_path)

    assert "1700000000.0" in leader


def leader_of_another(folder: Path) -> str:
    """What another process reads of the leader: for one's own process no lock is in the way."""
    code = (
        "import sys; from pathlib import Path; from partflow.scheduler.leading import leader_of;"
        "print(leader_of(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_leader_whose_file_was_removed_is_told_and_another_may_lead(tmp_path: Path) -> None:
    with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
        assert held is not None
        assert held.leads()
        (tmp_path / "leases/leader").unlink()

        assert not held.leads()
        with leading(tmp_path):
            pass


def test_who_stands_by_is_named_as_long_as_it_does(tmp_path: Path) -> None:
    with standing_by(tmp_path):
        assert [standby.pid for standby in standbys_of(tmp_path)] == [os.getpid()]
    assert standbys_of(tmp_path) == []


def test_a_file_that_says_nothing_names_no_leader_and_no_standby(tmp_path: Path) -> None:
    (tmp_path / "leader").write_text("rubbish")
    (tmp_path / "standby-x-1").write_text("rubbish")

    assert leader_of(tmp_path) is None
    assert standbys_of(tmp_path) == []
    with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
        assert held is not None


def watched(folder: Path, seconds: float) -> list[str]:
    """What a standby says that watches for so long, of which no time passes here."""
    said: list[str] = []
    watch, now = Watch(folder, said.append), 0.0
    while now <= seconds:
        watch.look(now)
        now += LOOKS
    return said


def test_a_stopped_leader_is_killed_once_it_was_silent_for_long(tmp_path: Path) -> None:
    with leading(tmp_path) as other:
        other.send_signal(signal.SIGSTOP)
        until(lambda: "T" in Path(f"/proc/{other.pid}/stat").read_text().split(")")[1])

        assert watched(tmp_path, STALE - 1) == []
        (said,) = watched(tmp_path, STALE + 1)

        assert said.endswith("it was killed")
        assert other.wait(10) == -signal.SIGKILL
        with lead(FlockLeases(tmp_path / "leases"), tmp_path) as held:
            assert held is not None


def test_a_jump_of_the_standbys_own_clock_makes_no_leader_silent(tmp_path: Path) -> None:
    with leading(tmp_path) as other:
        other.send_signal(signal.SIGSTOP)
        watch = Watch(tmp_path, pytest.fail)
        for now in (0.0, LOOKS, 3600.0, 3600.0 + LOOKS):
            watch.look(now)

        other.send_signal(signal.SIGCONT)
        assert other.poll() is None


def test_no_process_is_killed_that_has_got_the_number_of_another() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not kill(process.pid, "1")
        assert process.poll() is None
        assert kill(process.pid, started(process.pid) or "")

    assert started(process.pid) is None
    assert not kill(process.pid, "1")


def test_this_process_knows_itself() -> None:
    assert here().is_near
    assert here().start == started(os.getpid())
