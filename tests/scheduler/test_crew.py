"""Who does what of the children, where none can be begun, loads, or may begin anything."""

from __future__ import annotations

import sys
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from partflow.scheduler.crew import Crew
from partflow.scheduler.editions import Editions
from partflow.scheduler.messages import Begin, Ended, LookFailed
from partflow.scheduler.news import Changed, Died, OfRun


@pytest.fixture
def crew(tmp_path: Path) -> Crew:
    """The children of a project on a disk that takes nothing: a file is where logs would be."""
    (tmp_path / "full").write_text("")
    return Crew(tmp_path, tmp_path / "full", Editions(tmp_path, ("jobs",)), 60.0)


def test_where_no_process_can_be_begun_a_look_has_failed(crew: Crew) -> None:
    crew.look(at_all=True)

    (news,) = crew.tend()

    assert isinstance(news, LookFailed)
    assert news.said.startswith("no process can be begun: ")
    assert crew.tend() == []


def test_where_no_process_can_be_begun_a_run_comes_to_nothing(crew: Crew) -> None:
    crew.begin(1, Begin(500, "partflow serve"), "g")

    (news,) = crew.tend()

    assert isinstance(news, OfRun)
    assert isinstance(news.said, Ended)
    assert news.said.is_met


def test_a_child_that_cannot_be_begun_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew(tmp_path, tmp_path / "logs", Editions(tmp_path, ("jobs",)), 60.0)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        crew.look(at_all=True)
        (news,) = crew.tend()
        assert isinstance(news, LookFailed)

    assert len(list(Path("/dev/fd").iterdir())) == before


def test_where_a_child_dies_while_it_loads_no_other_is_begun_for_the_run(tmp_path: Path) -> None:
    (tmp_path / "partflow.toml").write_text('jobs = ["jobs"]\n')
    (tmp_path / "jobs.py").write_text("import os\n\nos._exit(3)\n")
    crew = Crew(tmp_path, tmp_path / "logs", Editions(tmp_path, ("jobs",)), 60.0)
    crew.begin(1, Begin(500, "partflow serve"), "g")
    try:
        assert crew.tend() == []
        run, died = crew.hear(wait(crew.channels))

        assert isinstance(run, OfRun)
        assert isinstance(run.said, Ended)
        assert isinstance(died, Died)
        assert (crew.tend(), crew.channels) == ([], [])
    finally:
        crew.close()


def test_a_child_that_hangs_while_it_loads_is_ended_once_its_modules_are_edited(
    tmp_path: Path,
) -> None:
    (tmp_path / "partflow.toml").write_text('jobs = ["jobs"]\n')
    (tmp_path / "jobs.py").write_text("import time\n\ntime.sleep(600)\n")
    crew = Crew(tmp_path, tmp_path / "logs", Editions(tmp_path, ("jobs",)), 60.0)
    crew.look(at_all=True)
    try:
        assert (crew.tend(), len(crew.channels)) == ([], 1)
        (tmp_path / "jobs.py").write_text("")

        assert crew.tend() == [Changed()]
        assert crew.channels == []
        assert crew.is_busy, "the look is wanted still, of a child that loads the new module"
    finally:
        crew.close()


def test_a_run_that_has_not_begun_when_all_is_halted_never_begins(crew: Crew) -> None:
    crew.begin(1, Begin(500, "partflow serve"), "g")
    crew.halt(now=False)

    (news,) = crew.tend()

    assert isinstance(news, OfRun)
    assert isinstance(news.said, Ended)
    assert news.said.said == "serve is to stop"
    assert not crew.is_busy
