"""Times planning over large warehouses: nothing to do, one changed partition, one changed helper.

Makes a warehouse of 10 chains of 10 datasets (each chain: a source, then tasks; one of them reads a
window) with as many records as asked for, all fresh; then runs `partflow materialize` and `plan` in
processes of their own. Files of data are made only with --files: they take a minute for 365,000.

    python bench/planning.py 36500 --files
    python bench/planning.py 365000 --files
    python bench/planning.py 3650000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHAINS, LENGTH = 10, 10
HEAD = """
from partflow import Daily, Dataset, Hourly, Source, task
import polars as pl
from jobs.rules import helped

DAYS = {grain}("{start}", end="{end}")
"""
CHAIN = """
c{c}d0 = Source("c{c}d0", DAYS, path="landing/c{c}d0/{{key}}.csv", schema={{"x": pl.Int64}})
"""
LINK = """
c{c}d{i} = Dataset("c{c}d{i}", DAYS, schema={{"x": pl.Int64}})

@task(reads=[{read}], writes=c{c}d{i})
def make_c{c}d{i}(x: pl.LazyFrame) -> pl.LazyFrame:
    return helped(x.select("x"), {i})
"""


def written(root: Path, per_dataset: int) -> None:
    """A project whose datasets have `per_dataset` partitions each."""
    hourly = per_dataset > 20_000
    start = np.datetime64("2010-01-01T00", "h")
    step = np.timedelta64(per_dataset, "h") if hourly else np.timedelta64(per_dataset * 24, "h")
    end = str(start + step) if hourly else str((start + step).astype("M8[D]"))
    grain = "Hourly" if hourly else "Daily"
    text = HEAD.format(grain=grain, start="2010-01-01", end=end)
    for c in range(CHAINS):
        text += CHAIN.format(c=c)
        for i in range(1, LENGTH):
            read = f"c{c}d{i - 1}" + (".window(-6, 0)" if i == LENGTH // 2 else "")
            text += LINK.format(c=c, i=i, read=read)
    (root / "jobs").mkdir()
    (root / "jobs/__init__.py").write_text("")
    (root / "jobs/rules.py").write_text("def helped(frame, i):\n    return frame\n")
    (root / "jobs/chains.py").write_text(text)
    (root / "partflow.toml").write_text("")


def filled(root: Path, *, files: bool) -> None:
    """Records for every partition, as if all had been made; and a small file for each if asked."""
    from partflow.columns import ColumnCache
    from partflow.lineage import elements, prefix
    from partflow.metastore import Metastore
    from partflow.project import Project

    project = Project.load(root)
    graph, sums = project.graph, {}
    random = np.random.default_rng(0)
    with Metastore.open(project.metastore_path, durable=False) as metastore:
        c = metastore.connection
        c.execute("BEGIN")
        for name in graph.nodes:
            dataset = graph.datasets[name]
            lo, hi = dataset.grain.lo, dataset.grain.hi
            keys, starts = dataset.grain.keys(lo, hi), dataset.grain.edges(lo, hi)[:-1]
            content = random.integers(1, 2**63, (hi - lo, 2), np.uint64)
            sums[name] = prefix(elements(starts, content))
            code, inputs, reads = None, [b""] * (hi - lo), 0
            for task in graph.writers(name):
                read = task.inputs[0].read
                a, b = read.bounds(task.grain, lo, hi, graph.dataset_extents[read.dataset.name], hi)
                found = sums[read.dataset.name][b - lo] - sums[read.dataset.name][a - lo]
                inputs, reads = [row.tobytes() for row in found], 1
                code = project.codes[task.name].digest
            identities = [(0, 0, 0, 0)] * len(keys)
            if files or dataset.is_source:
                identities = made_files(project, dataset, keys)
            texts = ["bench1:" + row.astype(">u8").tobytes().hex() for row in content]
            c.executemany(
                "INSERT INTO partitions (node, key, start, seq, content, code, inputs, reads, "
                "made_at, rows, nbytes, size, mtime_ns, ctime_ns, inode) "
                "VALUES (?, ?, ?, 1, ?, ?, ?, ?, 1, 1, 1, ?, ?, ?, ?)",
                (
                    (name, k, s, t, code, i, reads, *f)
                    for k, s, t, i, f in zip(
                        keys, starts.tolist(), texts, inputs, identities, strict=True
                    )
                ),
            )
            c.execute("INSERT INTO nodes VALUES (?, 1)", (name,))
        codes = {d.digest: json.dumps(dict(d.parts)) for d in project.codes.values()}
        c.executemany("INSERT INTO codes VALUES (?, ?)", list(codes.items()))
        c.execute("COMMIT")
        ColumnCache(metastore, project.store.columns).refresh(graph.nodes)


def made_files(project, dataset, keys):  # noqa: ANN001, ANN201 - of a benchmark
    """A small file for each partition; what stat says of it."""
    found = []
    for key in keys:
        path = str(project.store.path(dataset, key))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"x\n1\n")
        s = os.stat(path)
        found.append((s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino))
    return found


def timed(root: Path, *command: str, runs: int = 3) -> tuple[float, float, str]:
    """Median wall seconds and the largest memory in MB of a command, and its last line."""
    walls, last = [], ""
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "partflow", *command],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        walls.append(time.perf_counter() - began)
        last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return statistics.median(walls), memory, last


def main() -> None:
    """Make the warehouse, time the commands, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("partitions", type=int)
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="partflow-bench-"))
    try:
        written(root, given.partitions // (CHAINS * LENGTH))
        began = time.perf_counter()
        filled(root, files=given.files)
        print(f"{given.partitions:,} partitions, made in {time.perf_counter() - began:.0f} s")
        report(
            "nothing to do, trusting the record",
            timed(root, "materialize", "--no-verify", runs=given.runs),
        )
        if given.files:
            report("nothing to do, with detection", timed(root, "materialize", runs=given.runs))
        rules = root / "jobs/rules.py"
        rules.write_text(rules.read_text().replace("return frame", "return frame.head(9)"))
        report("plan after a changed helper", timed(root, "plan", "--no-verify", runs=given.runs))
    finally:
        shutil.rmtree(root)


def report(what: str, found: tuple[float, float, str]) -> None:
    """One row of the table."""
    wall, memory, last = found
    print(f"{what:40} {wall:7.2f} s  {memory:7.0f} MB  {last}")


if __name__ == "__main__":
    main()
