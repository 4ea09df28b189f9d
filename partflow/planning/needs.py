"""Why partitions would have to be made, each by itself: files, code, inputs, a backfill.

Knows nothing of what holds them up or of what is planned upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.planning.digests import lanes
from partflow.planning.plan import CLOCK_SLACK, Only, Reason, Request
from partflow.planning.snapshot import Condition, DatasetState, Snapshot
from partflow.planning.upstream import Flow, Ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.plan import Codes, Mask

    Causes = NDArray[np.int16]


_SPARED = (Reason.INPUT, Reason.RECKONED, Reason.CODE, Reason.REFRESH)
"""What does not make a pinned partition stale."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a plan is made from."""

    graph: Graph
    snapshot: Snapshot
    request: Request


@dataclass(frozen=True, slots=True)
class Made:
    """Partitions of a task that follow one another: what is recorded, and what they read now.

    `own` are the states of its outputs, `reads` the ranges of each read, `flows` what they lie in.
    """

    task: Task
    own: list[DatasetState]
    flows: list[Flow]
    reads: list[Ranges]


def at_rest(look: Look, made: Made) -> bool:
    """Whether all of a task's partitions are fresh and nothing that they read moves.

    Decided for all at once, from as few comparisons as can tell; no if there is any doubt.
    """
    task, present = made.task, lanes(look.snapshot.codes[made.task.name])
    if task.options.settles_after is not None or not all(f.is_quiet for f in made.flows):
        return False
    force, wanted = look.request.force, look.request.wanted
    if force is not None and (wanted is None or any(n in wanted for n in outputs(task))):
        return False
    for state in made.own:
        sound = (state.condition == Condition.GOOD).all() and not state.pinned.any()
        if not sound or not (state.reads == len(task.inputs)).all():
            return False
        if not (task.is_effect or all((state.code[:, i] == present[i]).all() for i in range(2))):
            return False
    return all(
        np.array_equal(state.inputs[:, position], reads.digests(flow))
        for position, (flow, reads) in enumerate(zip(made.flows, made.reads, strict=True))
        for state in made.own
    )


def needs_of(look: Look, made: Made) -> tuple[Codes, Causes, Codes]:
    """Why each partition would have to be made; the read that is the cause; why it is kept.

    What was pinned and is as it was accepted needs nothing: the file is somebody's.
    """
    task, own = made.task, made.own
    n = len(own[0].condition)
    need = np.zeros(n, np.uint8)
    cause = np.full(n, -1, np.int16)
    for position in reversed(range(len(task.inputs))):
        for differs in _differing(made, position):
            need[differs], cause[differs] = Reason.INPUT, position
    code, reckoned, kept = _code_differs(look, task, own)
    need[reckoned], cause[reckoned] = Reason.RECKONED, -1
    need[code], cause[code] = Reason.CODE, -1
    for reason, mask in _file_reasons(look, task, own):
        need[mask], cause[mask] = reason, -1
    for state in own:
        if state.pinned.any():
            spared = pinned(own) & np.isin(need, _SPARED)
            need[spared], cause[spared] = Reason.NONE, -1
    return need, cause, kept


def _differing(made: Made, position: int) -> list[Mask]:
    """For each output where a read's digest is not the recorded one; none if it is everywhere."""
    flow, reads, found = made.flows[position], made.reads[position], []
    is_optional = made.task.inputs[position].read.is_optional
    now = reads.digests(flow)
    for state in made.own:
        if state.inputs.shape[1] <= position:
            continue
        was = state.inputs[:, position]
        if np.array_equal(now, was):
            continue
        differs = (now[:, 0] != was[:, 0]) | (now[:, 1] != was[:, 1])
        if is_optional:
            there = reads.digests_there(flow)
            differs &= (there[:, 0] != was[:, 0]) | (there[:, 1] != was[:, 1])
        found.append(differs & (state.reads == len(made.task.inputs)))
    return found


def pinned(own: list[DatasetState]) -> Mask:
    """Where one of the outputs is somebody's file that was accepted, and is that still."""
    found = [s.pinned & (s.condition == Condition.GOOD) for s in own]
    return np.asarray(np.logical_or.reduce(found))


def _code_differs(look: Look, task: Task, own: list[DatasetState]) -> tuple[Mask, Mask, Codes]:
    """Where the code is another one than the record's; where only its rules are; why it is kept.

    By the rules alone it differs where the record has what this code was under rules of before.
    """
    n = len(own[0].condition)
    none = np.zeros(n, np.bool_)
    kept = np.full(n, Reason.NONE, np.uint8)
    if task.is_effect:
        return none, none, kept
    differs, other = none.copy(), none.copy()
    older = look.snapshot.older.get(task.name, ())
    for s in own:
        here = ~_is_by(s, look.snapshot.codes[task.name]) & (s.seq > 0)
        differs |= here
        other |= here & ~np.logical_or.reduce([none, *(_is_by(s, digest) for digest in older)])
    if task.options.on_code_change == "keep":
        kept[differs] = Reason.RECKONED
        kept[other] = Reason.KEPT
        return none, none, kept
    return other, differs & ~other, kept


def _is_by(state: DatasetState, code: str) -> Mask:
    """Where a code fingerprint is the recorded one."""
    one, two = lanes(code)
    return np.asarray((state.code[:, 0] == one) & (state.code[:, 1] == two))


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
        masks = [s.condition == condition for s in own]
        found += [(reason, mask) for mask in masks if mask.any()]
    return found


def _unsettled(look: Look, task: Task, state: DatasetState) -> Mask:
    """Made before its interval's end plus `settles_after`, and due to be looked at again.

    What was made later than now was made while a clock was ahead, and nobody knows when.
    """
    settles = task.options.settles_after
    every = task.options.refresh_every
    assert settles is not None
    settled_at = task.grain.edges(state.lo, state.hi)[1:] + int(settles.total_seconds())
    now = look.snapshot.now
    pause = 0 if every is None else int(every.total_seconds())
    asked = (now - state.made_at >= pause) | (now >= settled_at)
    ahead = state.made_at > now + CLOCK_SLACK
    return np.asarray((((state.made_at < settled_at) & asked) | ahead) & (state.seq > 0))


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
