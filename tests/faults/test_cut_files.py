"""Every file that partflow writes, cut off anywhere, gives what is right or a clear error."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from deaths import ALL, Shop, said
from small_shop import write_source

KINDS = ("journal.jsonl", "columns/*.columns", "plan.json", "catalog.duckdb", "partflow.toml",
         "*.log", "*.kept", "data.parquet")  # fmt: skip
COMMANDS = (
    ["status"], ["plan"], ["runs"], ["logs", "last"], ["query", "select sum(qty) from clean"],
    ["materialize", "--plan", "plan.json"], ["materialize"], ["status"],
)  # fmt: skip


@pytest.fixture(scope="module")
def written(made: Shop, tmp_path_factory) -> Path:
    """A project with one of each file: made, a plan saved, a log written."""
    root = tmp_path_factory.mktemp("written") / "shop"
    shutil.copytree(made.template, root)
    (root / "partflow.toml").write_text('warehouse = "warehouse"\n[pools]\ndisk = 2\n')
    jobs = root / "jobs/tasks.py"
    jobs.write_text(jobs.read_text().replace("    return raw", "    print('seen')\n    return raw"))
    assert made.nursery.run(root, words=["backfill", "clean"]) == 0, said(root)
    write_source(root, {"2024-01-01": "a,8\n"})
    assert made.nursery.run(root, words=["plan", "--out", "plan.json"]) == 0, said(root)
    return root


def cuts(size: int, chance: random.Random) -> list[int]:
    """Where a file is cut off: at some places, or at every one of the first thousand and others."""
    if ALL:
        return sorted({*range(min(size, 1024)), *chance.choices(range(size), k=200)})
    return [chance.randrange(size)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_off_gives_what_is_right_or_a_clear_error(
    made: Shop, written, kind, tmp_path, cases
):
    name = min(p.relative_to(written) for p in written.rglob(kind) if p.is_file())
    chance = random.Random(kind)
    for number, at in enumerate(cuts((written / name).stat().st_size, chance)):
        root = shutil.copytree(written, tmp_path / f"{number}")
        (root / "said.txt").unlink()
        os.truncate(root / name, at)
        ended = made.nursery.run(root, several=COMMANDS)
        assert ended in {0, 1, 2, 3}, (name, at, said(root))
        assert "Traceback" not in said(root), (name, at, said(root))
        shutil.copy(written / "partflow.toml", root)
        assert made.nursery.run(root) in {0, 1}, (name, at, said(root))
        look = made.nursery.look(root)
        assert (look["unlike"], look["intended"], look["steps"]) == ([], [], 0), (name, at)
        shutil.rmtree(root)
        cases(1)
