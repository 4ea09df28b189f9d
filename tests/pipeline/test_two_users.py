"""A warehouse that two users of a group share: what one of them makes the other goes on with."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ANN, BOB, GROUP = 1001, 1002, 1500
JOBS = """
import os, signal
from pathlib import Path
import polars as pl
from partflow import *

DAYS = Daily("2024-01-01", end="2024-01-04")
ones, twos = Dataset("ones", DAYS), Dataset("twos", DAYS)

@task(writes=ones)
def makes_ones() -> pl.DataFrame:
    print("said")
    return pl.DataFrame({"x": [1]})

@task(reads=[ones], writes=twos)
def makes_twos(frame: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    if partition.key == "2024-01-02" and Path("dies").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return frame.with_columns(pl.col("x") * 2)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can be two users"
)


def becoming(user: int) -> Callable[[], None]:
    """Become a user who may read everything, as Python may lie in root's home, but not write."""
    read_search, ambient, keep, all_of_it = 2, 47, 8, 1 << 2
    libc = ctypes.CDLL(None, use_errno=True)
    version = (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)(*[all_of_it] * 3, 0, 0, 0)

    def become() -> None:
        libc.prctl(keep, 1, 0, 0, 0)
        os.setgroups([GROUP])
        os.setresgid(GROUP, GROUP, GROUP)
        os.setresuid(user, user, user)
        libc.capset(version, rights)
        libc.prctl(ambient, 2, read_search, 0, 0)

    return become


@pytest.fixture
def shared() -> Iterator[Path]:
    """A project in a folder of the group's, in which new files are the group's too."""
    root = Path(tempfile.mkdtemp())
    (root / "jobs").mkdir()
    (root / "jobs/__init__.py").write_text(JOBS)
    (root / "partflow.toml").write_text("history = 3\n")
    os.chown(root, ANN, GROUP)
    root.chmod(0o2775)
    yield root
    shutil.rmtree(root)


def run(root: Path, user: int, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "partflow", *words],
        cwd=root, capture_output=True, text=True, timeout=100, check=False, umask=0o002,
        preexec_fn=becoming(user), env={"PATH": os.environ["PATH"], "HOME": str(root)},
    )  # fmt: skip
    assert done.returncode in {0, -9}, (words, done.stdout, done.stderr)
    return done.stdout


def test_what_one_user_makes_the_other_goes_on_with(shared):
    run(shared, ANN, "materialize", "ones")
    assert run(shared, BOB, "backfill", "ones", "--yes").startswith("ran 3, unchanged 3")
    (shared / "dies").touch()
    run(shared, ANN, "materialize")
    (shared / "dies").unlink()
    assert run(shared, BOB, "materialize", "-j", "2").startswith("ran ")
    run(shared, ANN, "state", "rebuild", "--yes")
    assert run(shared, BOB, "backfill", "twos", "--yes").startswith("ran 3, unchanged 3")
    assert (
        run(shared, ANN, "query", "select count(*) as n from twos", "--output", "csv") == "n\n3\n"
    )
    run(shared, ANN, "gc", "--yes")
    assert run(shared, BOB, "materialize") == "nothing to do: 6 fresh\n"
    closed = {
        str(path.relative_to(shared)): oct(path.stat().st_mode)
        for path in (shared / "warehouse").rglob("*")
        if path.stat().st_mode & 0o060 != 0o060
        or path.stat().st_gid != GROUP
        or (path.is_dir() and not path.stat().st_mode & stat.S_ISGID)
    }
    assert closed == {}


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_a_metastore_has_the_rights_of_the_umask(tmp_path, umask, mode):
    code = "import sys; from pathlib import Path; "
    code += "from partflow.metastore.sqlite.metastore import SqliteMetastore; "
    code += (
        "m = SqliteMetastore.open(Path('a.sqlite')); print(*[oct(p.stat().st_mode)[-3:] for p in "
    )
    code += "Path().glob('a.sqlite*')])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, umask=umask, check=True
    )
    assert set(done.stdout.split()) == {oct(mode)[-3:]}
