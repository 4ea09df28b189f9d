"""Carries out runs of small projects, each in a process of its own that may die.

Run as a script: it imports what a run needs, once, and forks for each request, so that a run costs
milliseconds. It computes nothing itself, so no thread is lost by the fork. A line of JSON in, a
line of JSON out.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import apsw
import duckdb  # noqa: F401 - imported ahead of the forks
import polars as pl  # noqa: F401
import protocols
import pyarrow.parquet  # noqa: F401

import partflow.cli.runs
import partflow.execution.executors.routing
import partflow.execution.publisher
import partflow.execution.runner
import partflow.project.project
import partflow.project.upkeep
import partflow.warehouse.views
from partflow.cli import main
from partflow.formats.fingerprint import file_digest
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.project.project import Project
from partflow.store.local import KEPT

UNCLEAN = 70
"""How a command ends that raised what it did not word: its traceback is in what it said."""


def carry_out(request: dict[str, Any]) -> int:
    root = Path(request["root"])
    os.chdir(root)
    os.environ |= request.get("environment", {})
    if request.get("protocol"):
        protocols.install(request["protocol"])
    if request.get("run"):
        for named in (partflow.project.project, partflow.project.upkeep):
            named.new_run_id = lambda _: request["run"]
    if request.get("tells"):
        protocols.install_telling()
    if request.get("fault"):
        protocols.install_fault(**request["fault"])
    several = request.get("several", [request.get("words", ["materialize"])])
    return max(main(words) for words in several)


def look(request: dict[str, Any]) -> int:
    """Write down what stands in the record, and what is left over."""
    root = Path(request["root"])
    os.chdir(root)
    project = Project.load(root)
    with SqliteMetastore.open(project.metastore.path) as metastore:
        intended = [f"{i.node}@{i.key}" for i in metastore.intents()]
        versions = metastore.versions()
    with closing(apsw.Connection(str(project.metastore.path))) as c:
        rows = c.execute(
            "SELECT node, key, content, code, hex(inputs), reads, rows, sha256, epoch "
            "FROM partitions WHERE seq > 0 ORDER BY node, key"
        ).fetchall()
        owners = c.execute("SELECT node || '@' || key, owner FROM partitions")
        failed = c.execute("SELECT node || '@' || key FROM partitions WHERE failure IS NOT NULL")
        runs = c.execute("SELECT id FROM runs ORDER BY started_at")
        more = {
            "owners": dict(owners.fetchall()),
            "failed": [row[0] for row in failed],
            "runs": [row[0] for row in runs],
        }
        sound = c.execute("PRAGMA integrity_check").fetchall()[0][0]
    staging = root / "warehouse/.partflow/staging"
    unlike = []
    for node, key, *_, sha256, _ in rows:
        dataset = project.graph.datasets.get(node)
        if dataset is not None and not dataset.is_source:
            path = project.store.layout.path(dataset, key)
            if not path.exists() or file_digest(path)[0] != sha256:
                unlike.append(f"{node}@{key}")
    answer = {
        "steps": project.plan().steps,
        "records": {f"{r[0]}@{r[1]}": list(r[2:7]) for r in rows},
        "epochs": {f"{r[0]}@{r[1]}": r[8] for r in rows},
        "intended": intended,
        "staged": sorted(p.name for p in staging.rglob("*") if p.is_file()),
        "unlike": unlike,
        "rubbish": sorted(rubbish(project, versions, more["runs"])),
        "sound": sound,
    } | more
    Path(request["answer"]).write_text(json.dumps(answer))
    return 0


def rubbish(
    project: Project, versions: tuple[str, dict[str, int]], runs: list[str]
) -> Iterator[str]:
    """What lies in the warehouse and has no business there, once swept: files, and folders of runs.

    Reckoned from what may be there, not from what is looked for when it is swept.
    """
    incarnation, columns = versions
    nodes, names = "|".join(project.graph.nodes), "|".join(project.graph.datasets)
    cached = "|".join(f"{node}-{incarnation}-{version}" for node, version in columns.items())
    may_be = re.compile(
        rf"catalog\.duckdb|({names})/date=[\d-]+/data\.parquet|\.partflow/("
        rf"metastore\.(sqlite|lock)|journal\.jsonl|run\.lock|leases/gate|locks/({nodes})\.lock|"
        rf"columns/({cached})\.columns|history/({names})/[\d-]+/\d{{12}}\.kept|"
        rf"logs/({'|'.join(runs)})/\d+\.log)"
    )
    warehouse = project.store.layout.warehouse
    for folder, _, files in os.walk(warehouse):
        here = Path(folder).relative_to(warehouse)
        yield from (str(here / f) for f in files if not may_be.fullmatch(str(here / f)))
        match here.parts:
            case (".partflow", "staging" | "logs", _) if not files:
                yield f"{here}/"
            case (".partflow", name) if name.startswith("catalog-"):
                yield f"{here}/"
            case (".partflow", "history", _, _) if len(files) > KEPT:
                yield f"{here}/: {len(files)} files"


def grow(request: dict[str, Any]) -> int:
    """The process of a request: its pid. What it says goes to a file in its project."""
    pid = os.fork()
    if pid:
        with suppress(OSError):  # it has done so itself, and may be gone
            os.setpgid(pid, pid)
        return pid
    code = UNCLEAN
    try:
        os.setpgid(0, 0)
        said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if request.get("held"):
            os.kill(os.getpid(), signal.SIGSTOP)
        code = {"run": carry_out, "look": look}[request["act"]](request)
    except BaseException:  # noqa: BLE001 - whatever it is, it must not reach the nursery's loop
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def answer_requests() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        match request["act"]:
            case "wait":
                _, status = os.waitpid(request["pid"], os.WUNTRACED)
                stopped = os.WIFSTOPPED(status)
                answer["ended"] = None if stopped else os.waitstatus_to_exitcode(status)
            case "poll":
                pid, status = os.waitpid(request["pid"], os.WNOHANG)
                answer["ended"] = os.waitstatus_to_exitcode(status) if pid else None
            case "wake":
                os.kill(request["pid"], signal.SIGCONT)
            case _:
                answer["pid"] = grow(request)
        print(json.dumps(answer), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    answer_requests()
