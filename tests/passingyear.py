"""A year of hourly runs, written straight into a metastore and a journal: what they leave behind.

Each hour every task makes its new partition, makes those of the two hours before once more with an
equal content, and makes the one partition of its second dataset anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import derive
from partflow.declarations.graphdocument import graph_text
from partflow.declarations.task import Task, task
from partflow.execution.controls import Controls
from partflow.metastore.journal import record_lines
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import Intent, Known, LogLines, Record, StepLog
from partflow.metastore.runlog import RunLog, begun
from partflow.operations.sweep import Sweep
from partflow.partitions.calendar import Hourly, Whole
from partflow.planning.selection import Asked
from partflow.project.config import Config
from partflow.project.looking import Looking
from partflow.project.project import Project
from partflow.store.identity import FileIdentity
from partflow.warehouse.verify import Verify

BEGINS = 1_704_067_200
"""2024-01-01, in epoch seconds."""
AGAIN = 2
CODE = f"{7:032x}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is: numbers of rows and lines, and bytes of the metastore's file."""

    makings: int
    steps: int
    runs: int
    lines: int
    metastore: int


class PassingYear:
    """The hours of so many tasks, of which runs are kept for so many days."""

    def __init__(self, root: Path, tasks: int, kept_days: int) -> None:
        self.hour, self.tasks, self.kept_days = 0, tasks, kept_days
        config = Config(durability="process", runs_kept=timedelta(days=kept_days))
        self.project = Project(root, config, derive(_declared(tasks)), {})
        self.project.clock = lambda: (BEGINS + 3600 * self.hour + 1800) * 10**9
        self.text = graph_text(self.project.graph, {f"make_a{n}": CODE for n in range(tasks)})

    @property
    def partitions(self) -> int:
        """How many there are by now."""
        return self.tasks * (self.hour + 1)

    def pass_by(self, hours: int) -> None:
        """Let so many hours pass, with a run in each."""
        with self.project.metastore.opened() as metastore:
            for _ in range(hours):
                self.hour += 1
                self._run(metastore)

    def sweep(self) -> Sweep:
        """What `gc` does."""
        return self.project.upkeep.sweep(Controls(), dry_run=False)

    def sizes(self) -> Sizes:
        """How much there is."""
        lines = sum(1 for _ in self.project.store.journaled() or ())
        with self.project.metastore.opened() as metastore:
            metastore.fold_in()
            tables = ("materializations", "steps", "runs")
            counts = [metastore._ask(f"SELECT count(*) FROM {name}")[0][0] for name in tables]
        return Sizes(*counts, lines, self.project.metastore.path.stat().st_size)

    def look(self) -> int:
        """Look at the record and plan, as a tick does; returns how many steps there are to make."""
        looking = Looking(self.project)
        return looking.plan(Asked(), None, Verify.RECORD, with_effects=True).steps

    def once(self, root: Path) -> PassingYear:
        """The same partitions at the same hour in another warehouse, recorded once each."""
        other = PassingYear(root, self.tasks, self.kept_days)
        other.hour = self.hour
        with self.project.metastore.opened() as metastore:
            nodes = self.project.graph.nodes
            records = [r for node in nodes for r in metastore.records(node)]
        with other.project.metastore.opened() as metastore:
            metastore.restore(Known(sorted(records, key=lambda r: r.seq)))
        return other

    def _run(self, metastore: Metastore) -> None:
        name = f"run{self.hour:06}"
        log, now = RunLog(metastore), self.project.clock() / 1e9
        row = begun(name, "partflow serve", now)
        log.begin(row, self.text)
        records = [r for n in range(self.tasks) for r in self._made(n, name)]
        again = [r for r in records if r.how == "kept"]
        self.project.store.journal(record_lines(metastore, again))
        epochs = metastore.claim(name, [(r.node, r.key, r.start) for r in records])
        intents = [
            Intent(f"{name}/{i}", r.node, r.key, epochs[r.node, r.key], None, None, r.sha256, r)
            for i, r in enumerate(records)
        ]
        metastore.intend(intents)
        steps = [StepLog(f"make_{r.node}", r.key, 1, "made", "input", 0.1) for r in records]
        metastore.commit(intents, LogLines(name, now, steps))
        log.finish(replace(row, state="done", finished_at=now, ran=len(records)))

    def _made(self, number: int, run: str) -> list[Record]:
        grain = self.project.graph.datasets[f"a{number}"].grain
        made = []
        for ordinal in range(max(1, self.hour - AGAIN), self.hour + 1):
            how = "made" if ordinal == self.hour else "kept"
            key, start = grain.key(ordinal - 1), grain.interval(ordinal - 1).start
            made.append(self._record(f"a{number}", key, start, ordinal, how, run))
        made.append(self._record(f"latest{number}", "", 0, self.hour, "made", run))
        return made

    def _record(self, node: str, key: str, start: int, value: int, how: str, run: str) -> Record:
        digest = f"{hash((node, value)) % 2**64:032x}"
        return Record(
            node, key, start, f"way1:{digest}", CODE, reads=0, rows=10, nbytes=1000,
            sha256=digest * 2, identity=FileIdentity(1000, value, value, value),
            made_at=BEGINS + 3600 * self.hour, run=run, how=how,
        )  # fmt: skip


def _declared(tasks: int) -> list[Task]:
    def make() -> None:
        """Never called."""

    declared = []
    for n in range(tasks):
        a = Dataset(f"a{n}", Hourly("2024-01-01T00"))
        latest = Dataset(f"latest{n}", Whole())
        declared += [task(name=f"make_a{n}", writes=a)(make)]
        declared += [task(name=f"make_latest{n}", writes=latest)(make)]
    return declared
