"""Times planning over large warehouses: nothing to do, one corrected day, one changed helper.

Makes a warehouse of 10 chains of 10 datasets with as many partitions as asked for, all fresh: daily
and hourly chains by turns, each a source and nine tasks, one of which reads a window of seven. Then
it runs `partflow` in processes of their own, and times load, detection and planning apart in one
more. Files are made only with --files: a minute for 365,000, and 8 kB each. With --at the warehouse
is kept in that folder and used again.

    python bench/planning.py 36500 --files --make --reference
    python bench/planning.py 365000 --files --make
    python bench/planning.py 3650000
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import apsw
import numpy as np

CHAINS, LENGTH = 10, 10
END = "2025-01-01"
PROGRAM = (sys.executable, "-m", "partflow")
HEAD = """
from partflow import Daily, Dataset, Hourly, Source, task
import polars as pl
from jobs.rules import helped

GRAINS = [Daily("{days}", end="{end}"), Hourly("{hours}", end="{end}")]
"""
CHAIN = """
c{c}d0 = Source(
    "c{c}d0", GRAINS[{grain}], path="landing/c{c}d0/{{key}}.csv", schema={{"x": pl.Int64}}
)
"""
LINK = """
c{c}d{i} = Dataset("c{c}d{i}", GRAINS[{grain}], schema={{"x": pl.Int64}})

@task(reads=[{read}], writes=c{c}d{i})
def make_c{c}d{i}(x: pl.LazyFrame) -> pl.LazyFrame:
    return helped(x.select("x"), {i})
"""


def written(root: Path, per_dataset: int) -> None:
    """A project whose datasets have `per_dataset` partitions each."""
    end = np.datetime64(END, "h")
    days, hours = (str(end - per_dataset * np.timedelta64(h, "h")) for h in (24, 1))
    text = HEAD.format(days=days[:10], hours=hours, end=END)
    for c in range(CHAINS):
        text += CHAIN.format(c=c, grain=c % 2)
        for i in range(1, LENGTH):
            read = f"c{c}d{i - 1}" + (".window(-6, 0)" if i == LENGTH // 2 else "")
            text += LINK.format(c=c, i=i, read=read, grain=c % 2)
    (root / "jobs").mkdir(parents=True)
    (root / "jobs/__init__.py").write_text("")
    (root / "jobs/rules.py").write_text("def helped(frame, i):\n    return frame\n")
    (root / "jobs/chains.py").write_text(text)
    (root / "partflow.toml").write_text("")


def filled(root: Path, *, files: bool) -> None:
    """Records for every partition, as if all had been made; and a small file for each if asked."""
    from partflow.formats.known import format_of
    from partflow.metastore.columncache import ColumnCache
    from partflow.metastore.sqlite.metastore import SqliteMetastore
    from partflow.planning.digests import elements, prefix
    from partflow.project.project import Project

    project = Project.load(root)
    graph, sums = project.graph, {}
    random = np.random.default_rng(0)
    SqliteMetastore.open(project.metastore.path, durable=False).close()
    with closing(apsw.Connection(str(project.metastore.path))) as c:
        c.execute("PRAGMA synchronous = OFF")
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
            if files:
                identities = made_files(project, dataset, keys)
            texts = ["bench1:" + row.astype(">u8").tobytes().hex() for row in content]
            rules = format_of(dataset).rules if dataset.is_source else 0
            c.executemany(
                "INSERT INTO partitions (node, key, start, seq, content, code, inputs, reads, "
                "made_at, rows, nbytes, size, mtime_ns, ctime_ns, inode, rules) "
                "VALUES (?, ?, ?, 1, ?, ?, ?, ?, 1, 1, 1, ?, ?, ?, ?, ?)",
                (
                    (name, k, s, t, code, i, reads, *f, rules)
                    for k, s, t, i, f in zip(
                        keys, starts.tolist(), texts, inputs, identities, strict=True
                    )
                ),
            )
            c.execute("INSERT INTO nodes VALUES (?, 1)", (name,))
        _note_codes(c, project.codes.values())
        c.execute("COMMIT")
    with SqliteMetastore.open(project.metastore.path, durable=False) as metastore:
        ColumnCache(metastore, project.store.layout.columns).refresh(graph.nodes)


def _note_codes(c, codes) -> None:  # noqa: ANN001 - of a benchmark
    """Record code fingerprints, as known by the present rules."""
    from partflow.code.fingerprint import RULES

    rows = {(code.digest, json.dumps(dict(code.parts)), RULES) for code in codes}
    c.executemany("INSERT INTO codes (digest, parts, rules) VALUES (?, ?, ?)", rows)


def made_files(project, dataset, keys):  # noqa: ANN001, ANN201 - of a benchmark
    """A small file for each partition, all alike; what stat says of it."""
    import io

    import polars as pl

    buffer = io.BytesIO()
    pl.DataFrame({"x": [1]}).write_parquet(buffer)
    held = b"x\n1\n" if dataset.is_source else buffer.getvalue()
    files = project.store.layout.files(dataset, [key.encode() for key in keys])
    os.makedirs(files.folder, exist_ok=True)
    top, found = os.open(files.folder, os.O_RDONLY), []
    for key in files.keys:
        name = key.join(files.parts)
        if b"/" in name:
            os.mkdir(name.partition(b"/")[0], dir_fd=top)
        file = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=top)
        os.write(file, held)
        s = os.fstat(file)
        os.close(file)
        found.append((s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino))
    os.close(top)
    return found


def apart(action, *given, **named) -> None:  # noqa: ANN001, ANN002, ANN003 - of a benchmark
    """Do something in a process of its own: what this one holds would count as its children's."""
    process = multiprocessing.get_context("fork").Process(target=action, args=given, kwargs=named)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


class Timed(NamedTuple):
    """Seconds of wall and of processors, the largest memory in MB, the last line that was said."""

    wall: float
    cpu: float
    memory: float
    said: str


def timed(root: Path, *command: str, program: tuple[str, ...] = PROGRAM) -> Timed:
    """What a command takes, which has to succeed; with the processes that it starts."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*program, *command], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = process.stdout.read() if process.stdout else ""
    wrong = process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed:\n{said}\n{wrong}")
    last = (said.strip() or "-").splitlines()[-1]
    return Timed(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, last)


def reported(what: str, runs: list[Timed]) -> float:
    """One row of the table; the median of its seconds, and the least of those of processors."""
    walls = [run.wall for run in runs]
    wall, cpu, memory = (
        statistics.median(walls),
        min(r.cpu for r in runs),
        max(r.memory for r in runs),
    )
    took = f"{wall:7.2f} s ({f'{min(walls):.2f} to {max(walls):.2f}':>14}), cpu {cpu:6.2f} s"
    print(f"{what:38} {took} {memory:6.0f} MB  {runs[-1].said}", flush=True)
    return wall


PARTS = """
import sys, time
from dataclasses import replace

import numpy as np

began = time.perf_counter()
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.warehouse.observe import observe
from partflow.warehouse.verify import Verify
from partflow.planning.planner import Request, plan
from partflow.project.project import Project
from partflow.store.manystats import SideBySide

project = Project.load(sys.argv[1])
digests = {n: c.digest for n, c in project.codes.items()}


def told(what, action, n=0):
    began = time.perf_counter()
    found = action()
    spent = time.perf_counter() - began
    each = f"  {spent / n * 1e9:8.0f} ns a partition" if n else ""
    print(f"  {what:36} {spent:7.3f} s{each}", flush=True)
    return found


print(f"  {'imports, modules and their code':36} {time.perf_counter() - began:7.3f} s")
graph, store = project.graph, project.store
n = sum(d.grain.hi - d.grain.lo for d in graph.datasets.values())
with SqliteMetastore.open_existing(project.metastore.path) as m:
    look = (graph, digests, m, store, time.time_ns())
    seen = told("load, trusting the record", lambda: observe(*look, Verify.RECORD), n)
    if sys.argv[2] == "files":
        told("load with detection", lambda: observe(*look, Verify.STAT), n)
        keys = {d.grain: d.grain.keys(d.grain.lo, d.grain.hi) for d in graph.datasets.values()}
        all_of = lambda: [store.identities(d, keys[d.grain]) for d in graph.datasets.values()]
        told("the stats in one process", all_of, n)
        lots = {d.name: store.layout.files(d, [k.encode() for k in keys[d.grain]])
                for d in graph.datasets.values()}

        def beside():
            with SideBySide(lots) as stats:
                return [stats.of(name) for name in lots]

        told("side by side", beside, n)
snapshot, made = seen.snapshot, n - sum(
    d.grain.hi - d.grain.lo for d in graph.datasets.values() if d.is_source
)
states, source = snapshot.states, snapshot.states["c0d0"]
content = source.content.copy()
content[len(content) // 2] ^= np.uint64(1)
corrected = replace(snapshot, states={**states, "c0d0": replace(source, content=content)})
recoded = replace(snapshot, codes={n: "f" * 32 for n in digests})
for what, present in (
    ("planning, nothing to do", snapshot),
    ("planning, one corrected day", corrected),
    ("planning, all code changed", recoded),
):
    found = told(what, lambda: plan(graph, present, Request()), made)
    print(f"  {'':36} {found.steps:,} steps")
"""


def looking_back(n: int) -> None:
    """Planning one task of `n` partitions, each of which reads the one before it."""
    from partflow.declarations.dataset import Dataset
    from partflow.declarations.graph import derive
    from partflow.declarations.task import task
    from partflow.partitions.calendar import Every
    from partflow.planning.digests import elements, lanes
    from partflow.planning.planner import Request, plan
    from partflow.planning.snapshot import Snapshot, empty_state

    end = np.datetime64(END, "h")
    start = str(end - np.timedelta64(n // 4, "h"))
    balance = Dataset("balance", Every("15m", start, end=END))
    declare = task(name="carry", reads=[balance.previous()], writes=balance)
    graph, lo = derive([declare(lambda before: before)]), balance.grain.lo
    n = (n // 4) * 4
    state = empty_state(lo, n, 1)
    state.condition[:] = state.seq[:] = state.reads[:] = 1
    state.content[:] = np.random.default_rng(0).integers(1, 2**63, (n, 2), np.uint64)
    state.code[:] = lanes("1" * 32)
    state.inputs[1:, 0] = elements(balance.grain.edges(lo, lo + n)[:-1], state.content)[:-1]
    now = int(end.astype("M8[s]").astype(int))
    snapshot = Snapshot(now, {"balance": state}, {"carry": "1" * 32}, {})
    for what, first in (("nothing to do", n), ("from the middle on", n // 2), ("all of it", 0)):
        state.inputs[first : first + 1] ^= np.uint64(1)
        began = time.perf_counter()
        found = plan(graph, snapshot, Request())
        spent = time.perf_counter() - began
        state.inputs[first : first + 1] ^= np.uint64(1)
        each = f"{spent / max(found.steps, 1) * 1e9:6.0f} ns a step" if found.steps else ""
        print(f"  reading itself, {what:20} {spent:7.3f} s  {found.steps:,} steps {each}")


def corrected(root: Path, number: int) -> None:
    """Another value in the file of one day, in the middle of the first source."""
    files = sorted((root / "landing/c0d0").iterdir())
    files[len(files) // 2].write_text(f"x\n{number}\n")


def makefile(root: Path) -> None:
    """GNU make on the same files: a rule for each, up to date."""
    from partflow.project.project import Project

    project = Project.load(root)
    lines, goals = [], []
    for c in range(CHAINS):
        for i in range(1, LENGTH):
            one, other = (project.graph.datasets[f"c{c}d{j}"] for j in (i - 1, i))
            for key in one.grain.keys(one.grain.lo, one.grain.hi):
                made, of = (
                    str(project.store.layout.path(d, key).relative_to(root)).replace("=", "$(E)")
                    for d in (other, one)
                )
                lines.append(f"{made}: {of}\n\tfalse")
                if i == LENGTH - 1:
                    goals.append(made)
    (root / "Makefile").write_text("\n".join(["E := =", f"all: {' '.join(goals)}", *lines]) + "\n")


def reference(root: Path) -> None:
    """The tests' naive planner on the same warehouse, and whether it comes to the same plan."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from reference import Judge

    from partflow.metastore.sqlite.metastore import SqliteMetastore
    from partflow.planning.planner import Request, plan
    from partflow.project.project import Project
    from partflow.warehouse.observe import observe
    from partflow.warehouse.verify import Verify

    project = Project.load(root)
    digests = {n: c.digest for n, c in project.codes.items()}
    with SqliteMetastore.open_existing(project.metastore.path) as m:
        seen = observe(project.graph, digests, m, project.store, time.time_ns(), Verify.RECORD)
    now = int(np.datetime64(END, "s").astype(int)) + 86400
    snapshot = replace(seen.snapshot, now=now)
    longest = max(d.grain.hi - d.grain.lo for d in project.graph.datasets.values())
    began = time.perf_counter()
    judged = Judge(project.graph, snapshot, Request(), (longest + 60) * 86400).verdicts()
    spent = time.perf_counter() - began
    began = time.perf_counter()
    found = plan(project.graph, snapshot, Request())
    ours = time.perf_counter() - began
    same = {
        (name, t.lo + i): (int(t.state[i]), int(t.reason[i]), int(t.action[i]))
        for name, t in found.tasks.items()
        for i in range(len(t.state))
    } == {k: (int(v.state), int(v.reason), int(v.action)) for k, v in judged.items()}
    print(f"the naive reference planner {spent:.2f} s for {len(judged):,} partitions, {ours:.3f} s")
    print(f"by arrays: 1 to {spent / ours:,.0f}; the same plan: {same}")


def measured(root: Path, given: argparse.Namespace, *, is_new: bool) -> None:
    """Every row of the table, in an order that leaves the warehouse fresh."""

    def runs(*command: str, program: tuple[str, ...] = PROGRAM) -> list[Timed]:
        return [timed(root, *command, program=program) for _ in range(given.runs)]

    subprocess.run([sys.executable, "-c", PARTS, root, "files" if given.files else "-"], check=True)
    reported("nothing to do, trusting the record", runs("materialize", "--no-verify"))
    if given.files:
        detected = reported("nothing to do, with detection", runs("materialize"))
        if given.make and is_new:
            apart(makefile, root)
            other = reported("GNU make, nothing to do", runs("-s", program=("make",)))
            print(f"{'':38} {detected / other:7.2f} of GNU make's time")
        corrected(root, 0)
        reported("plan after one corrected day", runs("plan"))
        for what, chosen in (("", ()), (", the chain selected", (f"c0d{LENGTH - 1}",))):
            made = []
            for _ in range(given.runs):
                corrected(root, time.time_ns())
                made.append(timed(root, "materialize", *chosen))
            reported(f"plan and run it{what}", made)
    rules = root / "jobs/rules.py"
    text = rules.read_text()
    rules.write_text(text.replace("return frame", "return frame.head(9)"))
    reported("plan after a changed helper", runs("plan", "--no-verify"))
    rules.write_text(text)
    if given.reference:
        apart(reference, root)
    apart(looking_back, given.partitions)


def main() -> None:
    """Make the warehouse, time the commands, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("partitions", type=int)
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--make", action="store_true", help="time GNU make too; needs --files")
    parser.add_argument("--reference", action="store_true", help="time the tests' planner too")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--at", type=Path, help="keep the warehouse here, and use it again")
    given = parser.parse_args()
    root = given.at.absolute() if given.at else Path(tempfile.mkdtemp(prefix="partflow-bench-"))
    sys.path.insert(0, str(root))
    is_new = not (root / "partflow.toml").exists()
    try:
        if is_new:
            began = time.perf_counter()
            written(root, given.partitions // (CHAINS * LENGTH))
            apart(filled, root, files=given.files)
            spent = time.perf_counter() - began
            print(f"{given.partitions:,} partitions, made in {spent:.0f} s", flush=True)
        measured(root, given, is_new=is_new)
    finally:
        if given.at is None:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
