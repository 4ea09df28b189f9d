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


def timed(
    root: Path,
    *command: str,
    runs: int = 3,
    program: tuple[str, ...] = (sys.executable, "-m", "partflow"),
) -> tuple[float, float, str]:
    """Median wall seconds and the largest memory in MB of a command, and its last line."""
    walls, last = [], ""
    memory = 0.0
    for _ in range(runs):
        began = time.perf_counter()
        process = subprocess.Popen(
            [*program, *command],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said = process.stdout.read() if process.stdout else ""
        _, _, used = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - began)
        memory = max(memory, used.ru_maxrss / 1024)
        last = (said.strip() or "-").splitlines()[-1]
    return statistics.median(walls), memory, last


def parts(root: Path, *, files: bool) -> None:
    """Times load, detection and planning apart, in one process of their own."""
    code = f"""
import time
from partflow.metastore import Metastore
from partflow.observe import Verify, observe
from partflow.plan import Request, plan
from partflow.project import Project

moments = [time.perf_counter()]
project = Project.load({str(root)!r})
digests = {{n: c.digest for n, c in project.codes.items()}}
moments.append(time.perf_counter())
with Metastore.open_existing(project.metastore_path) as m:
    look = (project.graph, digests, m, project.store, time.time_ns())
    seen = observe(*look, Verify.RECORD)
    moments.append(time.perf_counter())
    if {files}:
        observe(*look, Verify.STAT)
    moments.append(time.perf_counter())
found = plan(project.graph, seen.snapshot, Request())
moments.append(time.perf_counter())
spans = [b - a for a, b in zip(moments, moments[1:])]
n = sum(len(t.state) for t in found.tasks.values())
print(f"modules and code {{spans[0]:.2f}} s, load {{spans[1]:.2f}} s, "
      f"load with detection {{spans[2]:.2f}} s, "
      f"planning {{spans[3]:.2f}} s ({{spans[3] / n * 1e9:.0f}} ns a partition)")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stdout.strip())


def makefile(root: Path) -> None:
    """GNU make on the same files: a rule for each, up to date."""
    sys.path.insert(0, str(root))
    from partflow.project import Project

    project = Project.load(root)
    lines, goals = [], []
    for c in range(CHAINS):
        for i in range(1, LENGTH):
            one, other = (project.graph.datasets[f"c{c}d{j}"] for j in (i - 1, i))
            for key in one.grain.keys(one.grain.lo, one.grain.hi):
                made, of = (
                    str(project.store.path(d, key).relative_to(root)).replace("=", "$(E)")
                    for d in (other, one)
                )
                lines.append(f"{made}: {of}\n\tfalse")
                if i == LENGTH - 1:
                    goals.append(made)
    (root / "Makefile").write_text("\n".join(["E := =", f"all: {' '.join(goals)}", *lines]) + "\n")


def reference(root: Path) -> None:
    """The naive reference planner of the tests on the same warehouse."""
    sys.path[:0] = [str(root), str(Path(__file__).parents[1] / "tests")]
    from reference import Judge

    from partflow.metastore import Metastore
    from partflow.observe import Verify, observe
    from partflow.plan import Request
    from partflow.project import Project

    project = Project.load(root)
    digests = {n: c.digest for n, c in project.codes.items()}
    with Metastore.open_existing(project.metastore_path) as m:
        seen = observe(project.graph, digests, m, project.store, time.time_ns(), Verify.RECORD)
    began = time.perf_counter()
    Judge(project.graph, seen.snapshot, Request()).verdicts()
    print(f"{'the naive reference planner':40} {time.perf_counter() - began:7.2f} s")


def main() -> None:
    """Make the warehouse, time the commands, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("partitions", type=int)
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--make", action="store_true", help="time GNU make too; needs --files")
    parser.add_argument("--reference", action="store_true", help="time the tests' planner too")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="partflow-bench-"))
    try:
        written(root, given.partitions // (CHAINS * LENGTH))
        began = time.perf_counter()
        filled(root, files=given.files)
        print(f"{given.partitions:,} partitions, made in {time.perf_counter() - began:.0f} s")
        parts(root, files=given.files)
        trusted = timed(root, "materialize", "--no-verify", runs=given.runs)
        report("nothing to do, trusting the record", trusted)
        if given.files:
            report("nothing to do, with detection", timed(root, "materialize", runs=given.runs))
            if given.make:
                makefile(root)
                report(
                    "GNU make, nothing to do", timed(root, runs=given.runs, program=("make", "-s"))
                )
            changed = next((root / "landing/c0d0").iterdir())
            changed.write_text("x\n2\n")
            report("plan after one changed source file", timed(root, "plan", runs=given.runs))
        rules = root / "jobs/rules.py"
        rules.write_text(rules.read_text().replace("return frame", "return frame.head(9)"))
        report("plan after a changed helper", timed(root, "plan", "--no-verify", runs=given.runs))
        if given.reference:
            reference(root)
    finally:
        shutil.rmtree(root)


def report(what: str, found: tuple[float, float, str]) -> None:
    """One row of the table."""
    wall, memory, last = found
    print(f"{what:40} {wall:7.2f} s  {memory:7.0f} MB  {last}")


if __name__ == "__main__":
    main()
