"""Writes a plan as a document, reads it again, and says what has changed since it was made.

Knows nothing of files or runs. A saved plan rests on the states of the partitions that its steps
make or read, and on the code of its tasks: it is carried out only while those are unchanged.
Whatever else changes does not concern it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.graph import Graph
from partflow.declarations.mapping import Form
from partflow.declarations.task import Task
from partflow.errors import UsageError
from partflow.partitions.sets import PartitionSet
from partflow.planning.basis import Basis, bases_of, changed_in, encoded
from partflow.planning.demand import needed_of
from partflow.planning.faults import faults_of
from partflow.planning.partial import from_newest
from partflow.planning.plan import Action, Force, Only, Plan, Reason, Request, State, TaskPlan
from partflow.planning.snapshot import Snapshot, state_over
from partflow.planning.upstream import horizon_of, source_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.declarations.dataset import Read
    from partflow.planning.plan import Bounds

SCHEMA = 1
"""The number of the document's form."""
_MARK = "partflow_plan"
"""The field by which a document is known as a plan; it holds the form's number."""
_BY_INPUTS = frozenset({Reason.NONE, Reason.INPUT})
_BY_CODE = frozenset({Reason.CODE, Reason.RECKONED})
"""The needs of steps that a task has no more once it keeps what was made."""
_NAMED = 5
"""How many changed partitions a message names."""


@dataclass(frozen=True, slots=True)
class SavedTask:
    """One task of a saved plan: its code and grain at that time, and its partitions from `lo` on.

    `ends` holds for each read one past the last ordinal that was read. Each of `runs` stands for
    neighbours that are equal: how many they are, then state, need, reason, cause and action.
    """

    code: str
    grain: str
    lo: int
    ends: tuple[int, ...]
    runs: tuple[tuple[int, State, Reason, Reason, int, Action], ...]

    @property
    def steps(self) -> PartitionSet:
        """The ordinals at which something will or may be made."""
        return self._steps(asked=True)

    @property
    def unasked(self) -> PartitionSet:
        """The steps that no backfill asks for."""
        return self._steps(asked=False)

    def _steps(self, *, asked: bool) -> PartitionSet:
        ranges, first = [], self.lo
        for count, _, need, _, _, action in self.runs:
            if action is not Action.NONE and (asked or need is not Reason.ASKED):
                ranges.append((first, first + count))
            first += count
        return PartitionSet.of(ranges)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as its file says; `name` is that of the file, `version` that of its snapshot."""

    name: str
    version: int
    request: Request
    tasks: Mapping[str, SavedTask]
    bases: tuple[Basis, ...]


# --- to a document -------------------------------------------------------------------------------


def document_of(plan: Plan, shown: Mapping[str, Any]) -> dict[str, Any]:
    """The plan as JSON, with `shown` for people to read; a digest guards all of it."""
    request = plan.request
    force, wanted = request.force, request.wanted
    document = {
        _MARK: SCHEMA,
        "version": plan.snapshot.version,
        "now": plan.snapshot.now,
        **shown,
        "request": {
            "wanted": None if wanted is None else {n: list(s.ranges) for n, s in wanted.items()},
            "force": None if force is None else {"only": force.only.value, "since": force.since},
            "with_effects": request.with_effects,
            "names_partitions": request.names_partitions,
        },
        "tasks": {n: _task_document(t, plan.snapshot.codes[n]) for n, t in plan.tasks.items()},
        "rests_on": [encoded(b) for b in bases_of(plan)],
    }
    return {**document, "digest": _digest(document)}


def text_of(document: Mapping[str, Any]) -> str:
    """The document with each step and each task on a line of its own, so that it can be read."""
    parts = []
    for name, value in document.items():
        if isinstance(value, list) and value:
            text = "[\n    " + ",\n    ".join(_json(v) for v in value) + "\n  ]"
        elif isinstance(value, dict) and value:
            lines = [f"{_json(k)}: {_json(v)}" for k, v in value.items()]
            text = "{\n    " + ",\n    ".join(lines) + "\n  }"
        else:
            text = _json(value)
        parts.append(f"  {_json(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _task_document(planned: TaskPlan, code: str) -> dict[str, Any]:
    columns = np.stack(
        [planned.state, planned.need, planned.reason, planned.cause.astype(np.int64),
         planned.action],
        axis=1,
    )  # fmt: skip
    firsts = np.flatnonzero(_differs(columns)).tolist()
    counts = np.diff([*firsts, len(columns)]).tolist() if firsts else []
    return {
        "code": code,
        "grain": repr(planned.task.grain.signature),
        "first": planned.lo,
        "ends": [int(b[-1]) if len(b) else 0 for _, b in planned.bounds],
        "partitions": [
            [
                count,
                State(state).name.lower(),
                Reason(need).name.lower(),
                Reason(reason).name.lower(),
                cause,
                Action(action).name.lower(),
            ]
            for count, (state, need, reason, cause, action) in zip(
                counts, columns[firsts].tolist(), strict=True
            )
        ],
    }


def _differs(columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows differ from the row before them; the first always does."""
    differs = np.ones(len(columns), np.bool_)
    differs[1:] = (columns[1:] != columns[:-1]).any(axis=1)
    return differs


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


# --- from a document -----------------------------------------------------------------------------


def parsed(text: str, name: str) -> SavedPlan:
    """The plan in a file's text; UsageError if it is none, a newer one, or was edited."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(_no_plan(name, f"it is not JSON ({error})")) from None
    schema = document.get(_MARK) if isinstance(document, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise UsageError(_no_plan(name, "it is JSON of something else"))
    if schema > SCHEMA:
        raise UsageError(
            f"{name}: was saved by a newer partflow (its form is {schema}, this one reads "
            f"{SCHEMA}); carry it out with that one, or plan again with this one"
        )
    digest = document.pop("digest", None)
    if digest != _digest(document):
        raise UsageError(
            f"{name}: was changed after it was saved; a plan is carried out as it was made, so "
            "plan again, with another selection if it is to do something else"
        )
    try:
        return _saved(document, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(_no_plan(name, f"it lacks a part or has a wrong one ({error})")) from None


def _no_plan(name: str, problem: str) -> str:
    return f"{name}: is no saved plan: {problem}; `partflow plan --out {name}` writes one"


def _saved(document: Mapping[str, Any], name: str) -> SavedPlan:
    requested = document["request"]
    wanted, force = requested["wanted"], requested["force"]
    request = Request(
        None if wanted is None else {n: PartitionSet.of(map(tuple, r)) for n, r in wanted.items()},
        None if force is None else Force(Only(force["only"]), int(force["since"])),
        bool(requested["with_effects"]),
        bool(requested.get("names_partitions", False)),
    )
    tasks = {n: _saved_task(t) for n, t in document["tasks"].items()}
    bases = tuple(Basis.parsed(b) for b in document["rests_on"])
    return SavedPlan(name, int(document["version"]), request, tasks, bases)


def _saved_task(document: Mapping[str, Any]) -> SavedTask:
    runs = tuple(
        (
            int(count),
            State[state.upper()],
            Reason[need.upper()],
            Reason[reason.upper()],
            int(cause),
            Action[action.upper()],
        )
        for count, state, need, reason, cause, action in document["partitions"]
    )
    ends = tuple(int(end) for end in document["ends"])
    return SavedTask(document["code"], document["grain"], int(document["first"]), ends, runs)


# --- on what is there now ------------------------------------------------------------------------


def restored(saved: SavedPlan, graph: Graph, snapshot: Snapshot) -> Plan:
    """The saved plan on a snapshot of now.

    A task that it does not have, or whose code or declaration has changed since, has no step.
    """
    tasks = {
        t.name: _restored_task(
            graph, t, snapshot, _fitting(saved, snapshot, t) or _nothing(graph, t)
        )
        for t in graph.tasks
    }
    sources = {
        n: source_states(snapshot.states[n]) for n, d in graph.datasets.items() if d.is_source
    }
    plan = Plan(graph, snapshot, saved.request, tasks, sources)
    needed = None if saved.request.wanted is None else needed_of(plan)
    return replace(plan, faults=faults_of(plan, needed))


def _fitting(saved: SavedPlan, snapshot: Snapshot, task: Task) -> SavedTask | None:
    """The saved task, if it is declared now as it was then."""
    before = saved.tasks.get(task.name)
    return before if before is not None and not _otherwise(before, snapshot, task) else None


def _otherwise(before: SavedTask, snapshot: Snapshot, task: Task) -> str | None:
    """What of a task's declaration or code has changed since it was saved; None if nothing has."""
    if before.grain != repr(task.grain.signature) or len(before.ends) != len(task.inputs):
        return f"{task.name} is declared otherwise, at {task.place}"
    for then, reasons in (
        (task.options.on_input_change, _BY_INPUTS), (task.options.on_code_change, _BY_CODE)
    ):  # fmt: skip
        needs = {need for _, _, need, _, _, action in before.runs if action is not Action.NONE}
        if then == "keep" and needs & reasons:
            return f"{task.name} is declared to keep what was made, at {task.place}"
    if before.code != snapshot.codes[task.name]:
        return f"the code of {task.name} changed, at {task.place}"
    return None


def _nothing(graph: Graph, task: Task) -> SavedTask:
    """A saved task without partitions."""
    return SavedTask("", "", graph.task_extents[task.name].lo, (0,) * len(task.inputs), ())


def _restored_task(graph: Graph, task: Task, snapshot: Snapshot, saved: SavedTask) -> TaskPlan:
    """A task's plan as it was saved; what it reads is computed anew from the declarations."""
    counts = [run[0] for run in saved.runs]
    lo, hi = saved.lo, saved.lo + sum(counts)
    columns = [np.repeat([run[i] for run in saved.runs], counts) for i in range(1, 6)]
    state, need, reason, action = (columns[i].astype(np.uint8) for i in (0, 1, 2, 4))
    bounds = tuple(
        _bounds(graph, snapshot, (task, i.read), (lo, hi), end)
        if lo < hi
        else (np.zeros(0, np.int64), np.zeros(0, np.int64))
        for i, end in zip(task.inputs, saved.ends, strict=True)
    )
    cause, moved = columns[3].astype(np.int16), np.zeros(hi - lo, np.int16)
    return TaskPlan(task, lo, state, need, reason, cause, action, bounds, moved)


def _bounds(
    graph: Graph, snapshot: Snapshot, by: tuple[Task, Read], span: tuple[int, int], end: int
) -> Bounds:
    """The ranges that a task reads of one dataset; `end` is one past the last that is due."""
    task, read = by
    name = read.dataset.name
    extent = graph.dataset_extents[name]
    bounds = read.bounds(task.grain, *span, extent, end)
    if read.form is not Form.WITHIN:
        return bounds
    horizon = horizon_of(graph, name, snapshot.now)
    state = state_over(snapshot.states[name], extent.lo, horizon)
    known = (state.content[:, 0] | state.content[:, 1]) != 0
    return from_newest(bounds, known, state.lo)


def moved(saved: SavedPlan, graph: Graph, snapshot: Snapshot) -> tuple[str, ...]:
    """What has changed of what a saved plan rests on, a line each; if nothing, it can be run."""
    changes = [*_moved_tasks(saved, graph, snapshot), *_moved_bases(saved, graph, snapshot)]
    if changes:
        return tuple(changes)
    now = {(b.node, b.task): b.ranges for b in bases_of(restored(saved, graph, snapshot))}
    was = {(b.node, b.task): b.ranges for b in saved.bases}
    nodes = sorted({k[0] for k in now.keys() | was.keys() if now.get(k) != was.get(k)})
    return tuple(f"{n}: its range, or that of what reads it, is declared otherwise" for n in nodes)


def _moved_tasks(saved: SavedPlan, graph: Graph, snapshot: Snapshot) -> Iterable[str]:
    declared = {t.name: t for t in graph.tasks}
    for name, before in saved.tasks.items():
        if not before.steps:
            continue
        if name not in declared:
            yield f"{name} is no longer declared"
            continue
        change = _otherwise(before, snapshot, declared[name])
        extent = graph.task_extents[name]
        first, end = before.steps.ranges[0][0], before.steps.ranges[-1][1]
        perhaps = snapshot.perhaps_done.get(name, ())
        if change:
            yield change
        elif not declared[name].options.idempotent and any(o in before.unasked for o in perhaps):
            yield f"{name} was begun at a partition of the plan, and is perhaps done"
        elif first < extent.lo or (extent.hi is not None and end > extent.hi):
            yield f"{name} is declared for another range, at {declared[name].place}"


def _moved_bases(saved: SavedPlan, graph: Graph, snapshot: Snapshot) -> Iterable[str]:
    told: dict[str, set[str]] = {}
    for basis in saved.bases:
        if basis.node not in snapshot.states:
            yield f"{basis.node} is no longer declared"
            continue
        keys = changed_in(basis, graph, snapshot)
        told_before = told.setdefault(basis.node, set())
        untold = [k for k in keys or () if k not in told_before]
        told_before.update(untold)
        if untold:
            yield _told(basis, untold)
        elif keys is None:
            yield f"{basis.node} is declared otherwise"


def _told(basis: Basis, keys: Sequence[str]) -> str:
    """Which partitions of a basis changed: how many, and the first of them."""
    many = f"{len(keys):,} of {len(basis.ranges):,} partitions"
    if len(keys) == len(basis.ranges):
        many = "the partition" if len(keys) == 1 else f"all {len(keys):,} partitions"
    verb = "made" if basis.task else "read"
    more = " ..." if len(keys) > _NAMED else ""
    return f"{basis.node}: {many} to be {verb} changed: {', '.join(keys[:_NAMED])}{more}"


def refusal(saved: SavedPlan, problems: Iterable[str], ran: Iterable[str]) -> str:
    """Why a saved plan is not carried out; `ran` are the runs since it was made."""
    lines = [*problems, *(f"since then this ran: {run}" for run in ran)]
    return (
        f"{saved.name}: what this plan was made from is no longer as it was, so nothing was done\n"
        + "".join(f"  {line}\n" for line in lines)
        + f"plan again, with the selection that you want and --out {saved.name}"
    )
