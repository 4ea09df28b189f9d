"""The nursery of processes that may die, and the small warehouse before the run that does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deaths import Nursery, Shop, shop_at

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)},
    ) as process:
        yield Nursery(process)


@pytest.fixture(scope="session")
def made(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The small warehouse, made of the old source; what dies is the run over the new one."""
    return shop_at(nursery, tmp_path_factory.mktemp("made"), is_first=False)


@pytest.fixture(scope="session")
def empty(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The small warehouse, not made yet; what dies is its first run."""
    return shop_at(nursery, tmp_path_factory.mktemp("empty"), is_first=True)


@pytest.fixture(params=["made", "empty"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return request.getfixturevalue(request.param)


@pytest.fixture
def cases(record_property) -> Callable[[int], None]:
    """Told by a test how many runs of it died, were refused or slept."""
    return lambda number: record_property("cases", number)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many there were in each file; the documents quote what `make torture` says here."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        if report.when == "call":
            counts[report.fspath] += sum(n for k, n in report.user_properties if k == "cases")
    for path, number in sorted(counts.items()):
        if number:
            terminalreporter.write_line(f"{path}: {number:,} cases")
