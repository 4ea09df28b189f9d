"""Who does what of the children, where none can be begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from partflow.scheduler.crew import Crew
from partflow.scheduler.editions import Editions
from partflow.scheduler.messages import Begin, Ended, LookFailed
from partflow.scheduler.news import OfRun


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
