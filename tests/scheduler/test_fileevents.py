"""Hints that something has changed in the folders of sources."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from projects import World
from served import serving, until

from partflow.scheduler.fileevents import FileEvents

WATCHFILES = "without watchfiles, an extra, there are no hints"


def test_a_file_that_comes_gives_a_hint(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason=WATCHFILES)
    stirred = threading.Event()
    events = FileEvents(stirred.set)
    events.watch(frozenset({str(tmp_path), str(tmp_path / "not there")}))

    def comes() -> bool:
        (tmp_path / "new.csv").write_text("x")
        return stirred.wait(0.2)

    until(comes)  # the system begins to watch a moment after it was asked to
    events.close()


def test_without_watchfiles_there_are_no_hints_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    events = FileEvents(pytest.fail)
    events.watch(frozenset({str(tmp_path)}))
    until(lambda: not any(t.name == "file events" for t in threading.enumerate()))


def test_serve_looks_at_once_when_a_file_has_come(sales: World) -> None:
    pytest.importorskip("watchfiles", reason=WATCHFILES)
    text = f'jobs = ["{sales.package}"]\n[scheduler]\nlook_every = "1h"\n'
    sales.write("partflow.toml", text)
    (sales.root / "landing/2024-02-03.csv").unlink()
    with serving(sales) as served:
        served.says("failed 0, blocked 0")
        sales.sales("2024-02-03", 7)
        until((sales.root / "warehouse/clean/date=2024-02-03/data.parquet").exists)

        assert served.ended() == 0
