"""Worlds to run in: a plan carried out in memory, and a small project on disk with a fake clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import polars as pl

from partflow.declarations.graph import derive, outputs
from partflow.declarations.task import Task
from partflow.execution.state import RunState, Start, StepMade
from partflow.planning.digests import lanes
from partflow.planning.planner import Plan, State, horizon_of, state_over
from partflow.planning.snapshot import Condition, DatasetState, Snapshot
from partflow.project.config import Config
from partflow.project.project import Project


def carried_out(plan: Plan, chance: Random, *, same: float = 0.3) -> Snapshot:
    """What is recorded after all steps of a plan; contents are new, or by chance as they were."""
    run = RunState(plan)
    run.begin()
    states = {n: _copied(plan, n) for n in plan.snapshot.states}
    while (start := run.take()) is not None:
        run.handle(_made(plan, run, start, states, chance.random() < same, chance))
        run.validate()
    assert run.is_finished()
    return replace(plan.snapshot, states=states, version=plan.snapshot.version + 1)


def _copied(plan: Plan, node: str) -> DatasetState:
    graph = plan.graph
    extent = graph.dataset_extents.get(node) or graph.task_extents[node]
    found = state_over(
        plan.snapshot.states[node], extent.lo, horizon_of(graph, node, plan.snapshot.now)
    )
    names = (
        "condition",
        "content",
        "code",
        "inputs",
        "reads",
        "made_at",
        "seq",
        "failed",
        "pinned",
    )
    return replace(found, **{n: getattr(found, n).copy() for n in names})


def _made(
    plan: Plan,
    run: RunState,
    start: Start,
    states: Mapping[str, DatasetState],
    is_same: bool,
    chance: Random,
) -> StepMade:
    """Record one step as made from what it reads now."""
    task = plan.tasks[start.steps[0].task].task
    contents = {}
    for node in outputs(task):
        state = states[node]
        i = start.steps[0].ordinal - state.lo
        if not task.is_effect:
            if not (is_same and state.content[i].any()):
                state.content[i] = lanes(f"{chance.randrange(1, 2**60):032x}")
            contents[node] = "".join(f"{int(lane):016x}" for lane in state.content[i])
        state.condition[i] = Condition.GOOD
        state.code[i] = lanes(plan.snapshot.codes[task.name])
        state.reads[i] = len(task.inputs)
        for position, read in enumerate(run.live.reads(start.steps[0])):
            state.inputs[i, position] = np.frombuffer(read.digest, np.uint64)
        state.made_at[i], state.seq[i] = plan.snapshot.now, plan.snapshot.version + 1
        state.failed[i] = state.pinned[i] = False
    return StepMade(start.steps[0], contents, changed=not is_same)


def moment(text: str) -> int:
    """A UTC time as the project's clock tells it, in nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


class Disk:
    """A project in a folder whose tasks can be declared anew and whose clock stands still."""

    def __init__(self, root: Path, tasks: Callable[[str], list[Task]], now: str) -> None:
        self.root = root
        self.now = now
        self.version = "1"
        self._tasks = tasks

    @property
    def project(self) -> Project:
        """Opened anew, as each command would."""
        found = Project(self.root, Config(), derive(self._tasks(self.version)), {})
        found.clock = lambda: moment(self.now)
        return found

    def contents(self) -> dict[str, list[tuple[object, ...]]]:
        """The rows of every file in the warehouse, by its path there."""
        house = self.root / "warehouse"
        files = sorted(f for f in house.glob("*/**/*.parquet") if ".partflow" not in f.parts)
        return {
            str(f.relative_to(house)): sorted(pl.read_parquet(f, hive_partitioning=False).rows())
            for f in files
        }

    def last_good(self) -> set[str]:
        """The files of partitions that wait to be made again: what they were stays readable."""
        project = self.project
        found = set()
        for planned in project.plan().tasks.values():
            grain = planned.task.grain
            for i in (planned.state != State.FRESH).nonzero()[0].tolist():
                for dataset in planned.task.writes:
                    path = project.store.layout.path(dataset, grain.key(planned.lo + i))
                    found.add(str(path.relative_to(self.root / "warehouse")))
        return found

    def afresh(self, root: Path) -> Disk:
        """The same sources, code and clock, with nothing made yet."""
        shutil.copytree(self.root / "landing", root / "landing")
        found = Disk(root, self._tasks, self.now)
        found.version = self.version
        return found
