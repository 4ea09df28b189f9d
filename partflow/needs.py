"""Why partitions would have to be made, each by itself: files, code, inputs, a backfill.

Knows nothing of what holds them up or of what is planned upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.flow import Flow, digests
from partflow.graph import Graph, outputs
from partflow.lineage import Condition, DatasetState, Snapshot, lanes
from partflow.steps import Only, Reason, Request
from partflow.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.steps import Bounds, Codes, Mask

    Causes = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Look:
    """What a plan is made from."""

    graph: Graph
    snapshot: Snapshot
    request: Request


def needs_of(
    look: Look,
    task: Task,
    own: list[DatasetState],
    flows: list[Flow],
    bounds: tuple[Bounds, ...],
) -> tuple[Codes, Causes, Mask]:
    """Why each partition would have to be made; the read that is the cause; what is kept.

    What was pinned and is as it was accepted needs nothing: the file is somebody's.
    """
    n = len(own[0].condition)
    need = np.zeros(n, np.uint8)
    cause = np.full(n, -1, np.int16)
    for position in reversed(range(len(task.inputs))):
        flow, read = flows[position], task.inputs[position].read
        now = digests(flow.content, flow.lo, bounds[position])
        there = digests(flow.there, flow.lo, bounds[position]) if read.is_optional else now
        for state in own:
            recorded = state.reads == len(task.inputs)
            if state.inputs.shape[1] <= position:
                continue
            was = state.inputs[:, position]
            differs = recorded & (now != was).any(axis=1) & (there != was).any(axis=1)
            need[differs], cause[differs] = Reason.INPUT, position
    code, kept = _code_differs(look, task, own)
    need[code], cause[code] = Reason.CODE, -1
    for reason, mask in _file_reasons(look, task, own):
        need[mask], cause[mask] = reason, -1
    spared = pinned(own) & np.isin(need, (Reason.INPUT, Reason.CODE, Reason.REFRESH))
    need[spared], cause[spared] = Reason.NONE, -1
    return need, cause, kept


def pinned(own: list[DatasetState]) -> Mask:
    """Where one of the outputs is somebody's file that was accepted, and is that still."""
    found = [s.pinned & (s.condition == Condition.GOOD) for s in own]
    return np.asarray(np.logical_or.reduce(found))


def _code_differs(look: Look, task: Task, own: list[DatasetState]) -> tuple[Mask, Mask]:
    """Where the code is another one than that of the record; and where such is kept."""
    n = len(own[0].condition)
    none = np.zeros(n, np.bool_)
    if task.is_effect:
        return none, none
    present = np.array(lanes(look.snapshot.codes[task.name]), np.uint64)
    differs = np.logical_or.reduce([(s.code != present).any(axis=1) & (s.seq > 0) for s in own])
    return (none, differs) if task.options.on_code_change == "keep" else (differs, none)


def _file_reasons(look: Look, task: Task, own: list[DatasetState]) -> list[tuple[Reason, Mask]]:
    """The reasons that come before code and inputs, the strongest last."""
    found = []
    if task.options.settles_after is not None:
        found.append((Reason.REFRESH, _unsettled(look, task, own[0])))
    for reason, condition in (
        (Reason.DAMAGED, Condition.DAMAGED),
        (Reason.GONE, Condition.GONE),
        (Reason.NEVER, Condition.ABSENT),
    ):
        found.append((reason, np.logical_or.reduce([s.condition == condition for s in own])))
    return found


def _unsettled(look: Look, task: Task, state: DatasetState) -> Mask:
    """Made before its interval's end plus `settles_after`, and due to be looked at again."""
    settles = task.options.settles_after
    every = task.options.refresh_every
    assert settles is not None
    settled_at = task.grain.edges(state.lo, state.hi)[1:] + int(settles.total_seconds())
    now = look.snapshot.now
    pause = 0 if every is None else int(every.total_seconds())
    asked = (now - state.made_at >= pause) | (now >= settled_at)
    return np.asarray((state.made_at < settled_at) & asked & (state.seq > 0))


def forced(
    look: Look,
    task: Task,
    needs: tuple[Codes, Causes],
    own: list[DatasetState],
    span: tuple[int, int],
) -> tuple[Codes, Causes]:
    """Add what a backfill asks for; with another `only` than all, it adds nothing by itself."""
    (need, cause), force = needs, look.request.force
    if force is None or force.only is not Only.ALL:
        return needs
    wanted = np.ones(len(need), np.bool_)
    if look.request.wanted is not None:
        masks = [
            look.request.wanted[n].mask(*span) for n in outputs(task) if n in look.request.wanted
        ]
        wanted = np.logical_or.reduce([np.zeros(len(need), np.bool_), *masks])
    older = np.logical_or.reduce([s.seq < force.since for s in own])
    changed = np.logical_or.reduce([s.condition == Condition.CHANGED for s in own])
    asked = wanted & older & ((need == Reason.NONE) | changed | pinned(own))
    need, cause = need.copy(), cause.copy()
    need[asked], cause[asked] = Reason.ASKED, -1
    return need, cause
