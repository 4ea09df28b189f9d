"""Every file that partflow writes, cut off anywhere, gives what is right or a clear error."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from deaths import ALL, Shop, said
from small_shop import write_source

NEWLINE = ord("\n")
QUERY = ["query", "select sum(qty) from clean"]
READERS = {
    "journal.jsonl": (["plan"], ["runs"], ["gc", "--yes"]),
    "columns/clean-*.columns": (["plan"], ["why", "clean", "-p", "2024-01-01"]),
    "plan.json": (["materialize", "--plan", "plan.json"],),
    "catalog.duckdb": (QUERY,),
    "partflow.toml": (["status"], ["plan"], ["materialize"]),
    "*.log": (["logs", "last"], ["runs", "last"]),
    "history/clean/2024-01-0?/*.kept": (
        ["rollback", "clean", "-p", "2024-01-01"],
        ["rollback", "clean", "-p", "2024-01-02"],
        ["rollback", "clean", "-p", "2024-01-03"],
    ),
    "clean/date=2024-01-02/data.parquet": (["status"], QUERY, ["plan"], ["check", "--verify"]),
}
"""Which commands read a file, by its name."""


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


def cuts(path: Path, chance: random.Random) -> list[int]:
    """Where a file is cut off: at some place, or at every one of the first thousand and others."""
    data = path.read_bytes()
    if not ALL:
        return [chance.randrange(len(data))]
    others = chance.choices(range(len(data)), k=200)
    return sorted({*range(min(len(data), 1024)), *others, *boundaries(data)})


def boundaries(data: bytes) -> set[int]:
    """Where parts of a file begin and end: lines, blocks, the footer of Parquet, the last bytes."""
    size = len(data)
    found = {*range(max(0, size - 12), size), *range(0, size, 4096)}
    found |= {i + k for i, byte in enumerate(data[:65536]) if byte == NEWLINE for k in (0, 1)}
    if data.startswith(b"PAR1"):
        found.add(size - 8 - int.from_bytes(data[-8:-4], "little"))
    return {at for at in found if at < size}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_that_was_cut_off_gives_what_is_right_or_a_clear_error(
    made: Shop, written, kind, tmp_path, cases
):
    name = min(p.relative_to(written) for p in written.rglob(kind) if p.is_file())
    for number, at in enumerate(cuts(written / name, random.Random(kind))):
        root = shutil.copytree(written, tmp_path / f"{number}")
        (root / "said.txt").unlink()
        os.truncate(root / name, at)
        if name.name == "partflow.toml":
            assert made.nursery.run(root, several=READERS[kind]) in {0, 1, 2}, (at, said(root))
            shutil.copy(written / name, root)
        ended = made.nursery.run(root, several=[*READERS[kind], ["materialize"]])
        assert ended in {0, 1, 2}, (name, at, said(root))
        assert "Traceback" not in said(root), (name, at, said(root))
        look = made.nursery.look(root)
        assert (look["unlike"], look["intended"], look["steps"]) == ([], [], 0), (name, at)
        shutil.rmtree(root)
        cases(1)
