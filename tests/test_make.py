"""What `make` does that needs no environment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def clone(tmp_path) -> Path:
    """What of the repository `make clean` looks at."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "warehouse").mkdir()
    shutil.copy(ROOT / "warehouse/README.md", tmp_path / "warehouse")
    return tmp_path


def clean(clone: Path) -> list[str]:
    """What is left after it."""
    subprocess.run(["make", "clean"], cwd=clone, check=True, capture_output=True)
    return sorted(str(path.relative_to(clone)) for path in clone.rglob("*"))


LEFT = ["Makefile", "warehouse", "warehouse/README.md"]


def test_clean_leaves_a_fresh_clone_as_it_is_however_often(clone):
    assert clean(clone) == LEFT
    assert clean(clone) == LEFT


def test_clean_removes_what_was_made_and_leaves_what_is_tracked(clone):
    for name in ("demand/date=2012-12-01", ".partflow/staging", "two words"):
        (clone / "warehouse" / name).mkdir(parents=True)
    (clone / "warehouse/catalog.duckdb").touch()
    for name in (".venv/bin", "deployed", ".mypy_cache"):
        (clone / name).mkdir(parents=True)
    assert clean(clone) == LEFT


def test_clean_needs_no_warehouse(clone):
    shutil.rmtree(clone / "warehouse")
    assert clean(clone) == ["Makefile"]
