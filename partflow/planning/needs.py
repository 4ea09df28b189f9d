"""Says of each partition by itself why it has to be made: its file, code, inputs, or a backfill.

Knows nothing of what holds partitions up, or of what is planned upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.planning.digests import lanes
from partflow.planning.plan import CLOCK_SLACK, Only, Reason, Request
from partflow.planning.snapshot import Condition, DatasetState, Snapshot
from partflow.planning.upstream import Flow, Ranges, is_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.plan import Codes, Mask

    Causes = NDArray[np.int16]


BY_ITSELF = 3600
"""Seconds between two refreshes by itself of what a task says nothing more of than that it settles.

Without a pause each tick would make it again, for days.
"""

_SPARED = (Reason.INPUT, Reason.RECKONED, Reason.CODE, Reason.REFRESH)
"""The reasons that do not count for a pinned partition."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a plan is made from."""

    graph: Graph
    snapshot: Snapshot
    request: Request


@dataclass(frozen=True, slots=True)
class Considered:
    """The partitions of a task that a plan considers: what is recorded, and what they read now.

    They are neighbours. `own` has the state of each output; `flows` the flow of each dataset that
    is read; `reads` the ranges of it.
    """

    task: Task
    own: list[DatasetState]
    flows: list[Flow]
    reads: list[Ranges]


def at_rest(look: Look, considered: Considered) -> bool:
    """Whether all of a task's partitions are fresh, and nothing that they read is about to change.

    A few comparisons decide it for all of them at once; where there is doubt, the answer is no.
    """
    task, present = considered.task, lanes(look.snapshot.codes[considered.task.name])
    if task.options.settles_after is not None or not all(f.is_quiet for f in considered.flows):
        return False
    if look.snapshot.perhaps_done.get(task.name):
        return False
    force, wanted = look.request.force, look.request.wanted
    if force is not None and (wanted is None or any(n in wanted for n in outputs(task))):
        return False
    for state in considered.own:
        sound = (state.condition == Condition.GOOD).all() and not state.pinned.any()
        if not sound or not (state.reads == len(task.inputs)).all():
            return False
        if not (task.is_effect or all((state.code[:, i] == present[i]).all() for i in range(2))):
            return False
    return all(
        np.array_equal(state.inputs[:, position], reads.digests(flow))
        for position, (flow, reads) in enumerate(
            zip(considered.flows, considered.reads, strict=True)
        )
        for state in considered.own
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """For each partition the reason to make it, and why it stays where there is none.

    `cause` is the position of the read that `need` comes from, or `kept` if it needs nothing; -1 if
    neither comes from a read. `kept` says why a partition stays although its code or what it reads
    differs, or because it is pinned. `moved` is how many of its reads differ where that is no
    reason to make it. `stays` are those that stay whatever becomes of what is upstream: pinned, or
    made once.
    """

    need: Codes
    cause: Causes
    kept: Codes
    moved: Causes
    stays: Mask


def needs_of(look: Look, considered: Considered) -> Needs:
    """Why partitions would have to be made, or stay: of several reasons the strongest counts.

    A reason that the task keeps partitions from is none to make them. For a pinned partition whose
    file is as it was accepted the reasons in `_SPARED` do not count: the file is somebody's.
    """
    task, own = considered.task, considered.own
    n = len(own[0].condition)
    needs = Needs(
        np.zeros(n, np.uint8), np.full(n, -1, np.int16), np.full(n, Reason.NONE, np.uint8),
        np.zeros(n, np.int16), np.zeros(n, np.bool_),
    )  # fmt: skip
    _enter_inputs(needs, considered)
    _enter_code(needs, look, considered)
    for reason, mask in _file_reasons(look, task, own):
        needs.need[mask], needs.cause[mask] = reason, -1
    if task.options.on_input_change == "keep":
        needs.stays[:] = needs.need == Reason.NONE
    if any(state.pinned.any() for state in own):
        spared = pinned(own) & np.isin(needs.need, (Reason.NONE, *_SPARED))
        needs.need[spared], needs.kept[spared], needs.cause[spared] = Reason.NONE, Reason.PINNED, -1
        needs.moved[spared], needs.stays[spared] = 0, True
    return needs


def _enter_inputs(needs: Needs, considered: Considered) -> None:
    """Enter where a read differs from what a partition was made from; the first one counts."""
    is_kept = considered.task.options.on_input_change == "keep"
    entered, reason = (needs.kept, Reason.MOVED) if is_kept else (needs.need, Reason.INPUT)
    for position in reversed(range(len(considered.task.inputs))):
        masks = _differing(considered, position)
        if masks:
            differs = np.logical_or.reduce(masks)
            entered[differs], needs.cause[differs] = reason, position
            if is_kept:
                needs.moved[differs] += 1


def _enter_code(needs: Needs, look: Look, considered: Considered) -> None:
    """Enter where other code made a partition, or only its fingerprint is another.

    Where it stays, a read that differs says more than a fingerprint that only is another.
    """
    other, reckoned = _code_differs(look, considered.task, considered.own)
    if _keeps_code(look, considered.task):
        for reason, mask in (
            (Reason.RECKONED, reckoned & (needs.kept == Reason.NONE)),
            (Reason.KEPT, other),
        ):
            needs.kept[mask], needs.cause[mask & (needs.need == Reason.NONE)] = reason, -1
        return
    for reason, mask in ((Reason.RECKONED, reckoned), (Reason.CODE, other)):
        needs.need[mask], needs.cause[mask] = reason, -1


def _keeps_code(look: Look, task: Task) -> bool:
    """Whether other code is no reason to make what is there: by its task, or as by itself."""
    automatic = look.request.automatic
    by_itself = automatic is not None and task.name not in automatic.recompute
    return by_itself or task.options.on_code_change == "keep"


def _differing(considered: Considered, position: int) -> list[Mask]:
    """Masks of where the digest of a read is not the recorded one: one for each output with any.

    An optional read does not differ either if its digest is the recorded one without what is gone
    or cannot be read.
    """
    flow, reads, masks = considered.flows[position], considered.reads[position], []
    is_optional = considered.task.inputs[position].read.is_optional
    now = reads.digests(flow)
    for state in considered.own:
        if state.inputs.shape[1] <= position:
            continue
        was = state.inputs[:, position]
        if np.array_equal(now, was):
            continue
        differs = (now[:, 0] != was[:, 0]) | (now[:, 1] != was[:, 1])
        if is_optional:
            there = reads.digests_there(flow)
            differs &= (there[:, 0] != was[:, 0]) | (there[:, 1] != was[:, 1])
        masks.append(differs & (state.reads == len(considered.task.inputs)))
    return masks


def disputed(look: Look, task: Task, own: list[DatasetState], span: tuple[int, int]) -> Mask:
    """Which partitions somebody has to settle: their file was changed, or they are perhaps done."""
    changed = [s.condition == Condition.CHANGED for s in own]
    return np.asarray(np.logical_or.reduce([undecided(look, task, span), *changed]))


def pinned(own: list[DatasetState]) -> Mask:
    """Where one of the outputs is a file of somebody's that was accepted, unchanged since."""
    masks = [s.pinned & (s.condition == Condition.GOOD) for s in own]
    return np.asarray(np.logical_or.reduce(masks))


def undecided(look: Look, task: Task, span: tuple[int, int]) -> Mask:
    """Which of a task's partitions in `span` are perhaps done, and are not simply done again."""
    lo, end = span
    mask = np.zeros(end - lo, np.bool_)
    if not task.options.idempotent:
        ordinals = np.array(list(look.snapshot.perhaps_done.get(task.name, ())), np.int64)
        mask[ordinals[(ordinals >= lo) & (ordinals < end)] - lo] = True
    return mask


def _code_differs(look: Look, task: Task, own: list[DatasetState]) -> tuple[Mask, Mask]:
    """Where other code made it, and where only its fingerprint is another.

    Only the fingerprint is another where the record has the one that this same code had under older
    rules of the code fingerprint.
    """
    n = len(own[0].condition)
    none = np.zeros(n, np.bool_)
    if task.is_effect:
        return none, none
    differs, other = none.copy(), none.copy()
    older = look.snapshot.older.get(task.name, ())
    for s in own:
        here = ~_is_by(s, look.snapshot.codes[task.name]) & (s.seq > 0)
        differs |= here
        other |= here & ~np.logical_or.reduce([none, *(_is_by(s, digest) for digest in older)])
    return other, differs & ~other


def _is_by(state: DatasetState, code: str) -> Mask:
    """Where the recorded code fingerprint is this one."""
    first, second = lanes(code)
    return np.asarray((state.code[:, 0] == first) & (state.code[:, 1] == second))


def _file_reasons(look: Look, task: Task, own: list[DatasetState]) -> list[tuple[Reason, Mask]]:
    """The reasons that count more than code and inputs, each with its mask; the strongest last."""
    reasons = []
    if task.options.settles_after is not None:
        reasons.append((Reason.REFRESH, _unsettled(look, task, own[0])))
    for reason, condition in (
        (Reason.DAMAGED, Condition.DAMAGED),
        (Reason.GONE, Condition.GONE),
        (Reason.NEVER, Condition.ABSENT),
    ):
        masks = [s.condition == condition for s in own]
        reasons += [(reason, mask) for mask in masks if mask.any()]
    return reasons


def _unsettled(look: Look, task: Task, state: DatasetState) -> Mask:
    """Which were made before they had settled, and are to be refreshed now.

    A partition has settled once `settles_after` has passed since its interval's end. Those made
    earlier are refreshed if they have settled by now, or if the pause between refreshes has passed
    since they were made. If the record says that one was made after now, a clock was ahead: it is
    refreshed, too.
    """
    settles = task.options.settles_after
    pause = refresh_pause(task, look.request)
    assert settles is not None
    settled_at = task.grain.edges(state.lo, state.hi)[1:] + int(settles.total_seconds())
    now = look.snapshot.now
    is_time = (now - state.made_at >= pause) | (now >= settled_at)
    ahead = state.made_at > now + CLOCK_SLACK
    return np.asarray((((state.made_at < settled_at) & is_time) | ahead) & (state.seq > 0))


def refresh_pause(task: Task, request: Request) -> int:
    """How many seconds lie at least between two refreshes of what has not settled.

    A task that does not say is refreshed by each run that somebody asks for, and by itself once in
    `BY_ITSELF` seconds.
    """
    every = task.options.refresh_every
    if every is None:
        return 0 if request.automatic is None else BY_ITSELF
    return int(every.total_seconds())


def _wanted(look: Look, task: Task, span: tuple[int, int]) -> Mask:
    """Which of a task's partitions in `span` the request wants."""
    wanted, n = look.request.wanted, span[1] - span[0]
    if wanted is None:
        return np.ones(n, np.bool_)
    masks = [wanted[node].mask(*span) for node in outputs(task) if node in wanted]
    return np.asarray(np.logical_or.reduce([np.zeros(n, np.bool_), *masks]))


def not_asked(look: Look, task: Task, span: tuple[int, int], newest: int | None) -> Mask | None:
    """Which of a task's partitions in `span` are made only if they are asked for; None if none is.

    With `catchup=False` these are the ones before the one that was the newest due one when the task
    was first seen. Asked for are those that a backfill wants, or that are named. `newest` is the
    newest due ordinal, None if none is due.
    """
    since = look.snapshot.effects_since.get(task.name, newest)
    if since is not None and is_ahead(task, since, look.snapshot.now):
        since = newest
    if task.options.catchup or since is None:
        return None
    mask = np.arange(*span) < since
    request = look.request
    if request.force is not None or request.names_partitions:
        mask &= ~_wanted(look, task, span)
    return np.asarray(mask)


def forced(look: Look, considered: Considered, needs: Needs, span: tuple[int, int]) -> Needs:
    """The needs, with what a backfill asks for beside what has to be made anyway.

    A backfill whose `only` is not `ALL` adds nothing: it chooses among what has to be made.
    """
    need, cause, force = needs.need.copy(), needs.cause.copy(), look.request.force
    task, own = considered.task, considered.own
    if force is None or force.only is not Only.ALL:
        return needs
    wanted = _wanted(look, task, span)
    older = np.logical_or.reduce([s.seq < force.since for s in own])
    is_disputed = disputed(look, task, own, span)
    asked = wanted & older & ((need == Reason.NONE) | is_disputed | pinned(own))
    need[asked], cause[asked] = Reason.ASKED, -1
    return replace(needs, need=need, cause=cause)
