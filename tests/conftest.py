"""What holds for every test: hypothesis tries as many examples as the profile says, in any time.

And small projects on disk, loaded as a user's is: write files, run, look.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import profiles  # noqa: F401 - it loads the profile
import pytest
from projects import DAYS, SALES, World

# Python takes compiled code for that of a file of the same size and second. Tests write modules
# anew within one, as nobody else does; so nothing is compiled to a file, here and in what is begun.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has Ctrl-C ignored by what it starts in the background; what tests start inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def attended() -> Iterator[None]:
    """What a test starts is told when its terminal goes, though the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty project."""
    path = list(sys.path)
    found = World(tmp_path)
    yield found
    sys.path[:] = path
    for name in [n for n in sys.modules if n.split(".")[0] == found.package]:
        del sys.modules[name]


@pytest.fixture
def sales(world: World) -> World:
    """Five days over a change of month: cleaned, summed over two days, summed by month."""
    world.jobs(SALES)
    for i, key in enumerate(DAYS):
        world.sales(key, i + 1, 10, 0)
    return world
