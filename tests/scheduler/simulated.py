"""A warehouse in memory, kept fresh by a simulated daemon: clock, files, failures, kills.

What a step makes is a pure function of its code and of what it reads, so that the end of a history
can be compared with a run from scratch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.execution.readyqueue import Step
from partflow.execution.state import RunState, Start, StepFailed, StepMade
from partflow.operations.run import newest
from partflow.planning.digests import lanes
from partflow.planning.plan import Plan, Request
from partflow.planning.planner import horizon_of, plan, state_over
from partflow.planning.snapshot import Condition, DatasetState, Snapshot, empty_state

DAY = 86400
FAR = 90 * DAY
"""How far beyond its beginning a world's arrays go."""


def content_of(*parts: object) -> str:
    """The content fingerprint of what is made from these."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Making:
    """One time that a partition was made: from which inputs, by which code."""

    task: str
    ordinal: int
    inputs: str
    code: str


@dataclass
class Warehouse:
    """What is recorded, which files of sources are there, and how often anything was made.

    `files` has the content of each file of a source that is there. `excuses` counts for each step
    what allows one more making of the same: a failure, a kill, a refresh, a request by hand.
    """

    graph: Graph
    now: int
    chance: Random
    codes: dict[str, str] = field(default_factory=dict)
    files: dict[tuple[str, int], str] = field(default_factory=dict)
    states: dict[str, DatasetState] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    begun: dict[str, dict[int, str]] = field(default_factory=dict)
    made: Counter[Making] = field(default_factory=Counter)
    excuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    version: int = 0

    def __post_init__(self) -> None:
        """Make room for all that can be made in the time that is simulated."""
        self.codes = {t.name: content_of(t.name, 0) for t in self.graph.tasks}
        for name, dataset in self.graph.datasets.items():
            width = max((len(t.inputs) for t in self.graph.writers(name)), default=0)
            self.states[name] = self._room(name, self.graph.dataset_extents[name].lo, width)
            del dataset
        for task in self.graph.tasks:
            if task.is_effect:
                lo = self.graph.task_extents[task.name].lo
                self.states[task.name] = self._room(task.name, lo, len(task.inputs))

    def _room(self, name: str, lo: int, width: int) -> DatasetState:
        return empty_state(lo, max(0, horizon_of(self.graph, name, self.now + FAR) - lo), width)

    # --- what comes from outside ---------------------------------------------------------------

    def sources(self) -> list[str]:
        """The names of the sources."""
        return [name for name, dataset in self.graph.datasets.items() if dataset.is_source]

    def due_at_sources(self) -> list[tuple[str, int]]:
        """Each source's partitions whose interval has ended."""
        due = []
        for name in self.sources():
            lo, hi = self.states[name].lo, horizon_of(self.graph, name, self.now)
            due += [(name, ordinal) for ordinal in range(lo, min(hi, self.states[name].hi))]
        return due

    def deliver(self, name: str, ordinal: int) -> None:
        """Bring a file of a source, or another one in its place."""
        self.files[name, ordinal] = content_of(name, ordinal, self.chance.random())

    def look(self) -> Snapshot:
        """The snapshot of now, with the files of sources that are there."""
        for name in self.sources():
            state = self.states[name]
            for i in range(
                min(len(state.condition), horizon_of(self.graph, name, self.now) - state.lo)
            ):
                content = self.files.get((name, state.lo + i))
                if content is not None:
                    state.condition[i], state.content[i] = Condition.GOOD, lanes(content)
                    state.seq[i] = max(1, int(state.seq[i]))
                elif state.seq[i]:
                    state.condition[i] = Condition.GONE
        shown = {}
        for name, state in self.states.items():
            hi = max(state.lo, min(state.hi, horizon_of(self.graph, name, self.now)))
            cut = state_over(state, state.lo, hi)
            shown[name] = replace(
                cut, condition=cut.condition.copy(), content=cut.content.copy(),
                code=cut.code.copy(), inputs=cut.inputs.copy(), reads=cut.reads.copy(),
                made_at=cut.made_at.copy(), seq=cut.seq.copy(), failed=cut.failed.copy(),
                pinned=cut.pinned.copy(),
            )  # fmt: skip
        return Snapshot(
            self.now, shown, dict(self.codes), dict(self.since), self.version,
            perhaps_done={name: dict(runs) for name, runs in self.begun.items() if runs},
        )  # fmt: skip

    # --- what is made ---------------------------------------------------------------------------

    def carry_out(
        self, wanted: Plan, *, fails: float = 0.0, killed_after: int | None = None
    ) -> Ran:
        """Carry a plan's steps out in an order by chance; after so many, the process is killed."""
        self.since = newest(wanted) | self.since
        run, ran = RunState(wanted), Ran()
        run.begin()
        while (start := run.take()) is not None:
            if killed_after is not None and ran.steps >= killed_after:
                self._killed(wanted, run, start)
                return ran
            ran.steps += 1
            self._step(wanted, run, start, ran, fails=self.chance.random() < fails)
            run.validate()
        assert run.is_finished()
        return ran

    def _step(self, wanted: Plan, run: RunState, start: Start, ran: Ran, *, fails: bool) -> None:
        for step in start.steps:
            task = wanted.tasks[step.task].task
            if fails:
                self.excuses[step.task, step.ordinal] += 1
                ran.failed.append(step)
                run.handle(StepFailed(step, is_final=True))
                continue
            ran.made.append(step)
            run.handle(self._made(task, run, step))

    def _made(self, task: Task, run: RunState, step: Step) -> StepMade:
        """Record a step as made from what it reads now."""
        reads = [read.digest for read in run.live.reads(step)]
        code, contents, changed = self.codes[task.name], {}, False
        self.version += 1
        self.made[self._making(task, run, step)] += 1
        if task.is_effect:
            self.begun.get(task.name, {}).pop(step.ordinal, None)
        for node in outputs(task):
            state = self.states[node]
            i = step.ordinal - state.lo
            if not task.is_effect:
                content = content_of(node, step.ordinal, code, *reads)
                changed |= tuple(state.content[i].tolist()) != tuple(lanes(content))
                state.content[i] = lanes(content)
                contents[node] = content
            state.condition[i], state.code[i] = Condition.GOOD, lanes(code)
            state.reads[i] = len(task.inputs)
            for position, digest in enumerate(reads):
                state.inputs[i, position] = np.frombuffer(digest, np.uint64)
            state.made_at[i], state.seq[i] = self.now, self.version
        return StepMade(step, contents, changed=changed or task.is_effect)

    def _killed(self, wanted: Plan, run: RunState, start: Start) -> None:
        """The process dies while these steps are under way: effects may be done or not."""
        for step in start.steps:
            task = wanted.tasks[step.task].task
            if task.is_effect:
                self.begun.setdefault(step.task, {})[step.ordinal] = "a run that died"
                self.made[self._making(task, run, step)] += 1
                self.excuses[step.task, step.ordinal] += task.options.idempotent

    def _making(self, task: Task, run: RunState, step: Step) -> Making:
        reads = content_of(*(read.digest for read in run.live.reads(step)))
        return Making(task.name, step.ordinal, reads, self.codes[task.name])


@dataclass
class Ran:
    """What a run came to."""

    steps: int = 0
    made: list[Step] = field(default_factory=list)
    failed: list[Step] = field(default_factory=list)


def from_scratch(warehouse: Warehouse) -> Warehouse:
    """The same declarations, code and files, with nothing made before, and all made now at once.

    A file that is gone counts as it was last: what was made from it stays.
    """
    afresh = Warehouse(warehouse.graph, warehouse.now, Random(0))
    afresh.codes = dict(warehouse.codes)
    for name in warehouse.sources():
        state = warehouse.states[name]
        for i in np.flatnonzero(state.seq > 0).tolist():
            content = "".join(f"{int(lane):016x}" for lane in state.content[i])
            afresh.files[name, state.lo + i] = content
    afresh.carry_out(plan(afresh.graph, afresh.look(), Request()))
    return afresh


def contents(warehouse: Warehouse, task: Task) -> Mapping[int, tuple[int, ...]]:
    """What is recorded of a task's first output, by ordinal; of an effect its inputs."""
    node = outputs(task)[0]
    state = warehouse.states[node]
    inputs = state.inputs.reshape(len(state.seq), 2 * state.inputs.shape[1])
    of_what = inputs if task.is_effect else state.content
    return {
        state.lo + i: tuple(of_what[i].tolist()) for i in np.flatnonzero(state.seq > 0).tolist()
    }
