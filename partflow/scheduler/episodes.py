"""Decides what people are told: once when a trouble opens, as it doubles, and when it is well.

A pure function of what is remembered, of what is wrong now, and of the time. What is remembered is
all there is: a restart changes nothing. Knows nothing of how it is kept, worded or sent.

All trouble by one root is one episode. It is over when it has been well for `heals_after`. If its
root has trouble again within a day of that, it is the same episode. Of one episode at most
2 + log2(`Episode.size`) messages are made, however often it comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from partflow.partitions.zone import DAY
from partflow.project.settings import Notifying
from partflow.scheduler.outlook import Root, Trouble


class Turn(Enum):
    """What is told of an episode."""

    OPENED = "opened"
    CAME_BACK = "came back"
    GREW = "grew"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Episode:
    """What is remembered of all trouble by one root; moments are in epoch seconds.

    `began` is its first moment, `outbreak_at` that of the trouble since it came back last.
    `size` is how many partitions it has reached: the sizes of all its outbreaks together, where the
    second counts as at least as large as the first, so that one message is left for it.
    `outbreak` is what the present outbreak counts in it. `told` messages told of it, of `told_size`
    partitions at most, and the last one said that it goes on if `is_believed`. It has been well
    since `well_since`, and is over since `over_at`; None if it is not. `back` counts how often it
    came back.
    """

    id: str
    root: Root
    began: float
    outbreak_at: float
    size: int
    outbreak: int
    told: int = 0
    told_size: int = 0
    is_believed: bool = False
    well_since: float | None = None
    over_at: float | None = None
    back: int = 0

    @property
    def at_most(self) -> int:
        """How many messages may tell of it: 2 + log2(size), in whole numbers."""
        return 1 + self.size.bit_length()


@dataclass(frozen=True, slots=True)
class Tiding:
    """What is told of one episode now; `trouble` is what is wrong, None if it is well again."""

    turn: Turn
    episode: Episode
    trouble: Trouble | None


Episodes = Mapping[Root, Episode]
"""The episodes that are remembered, by root."""


def told_now(
    remembered: Episodes,
    troubles: Iterable[Trouble],
    now: float,
    notifying: Notifying,
    *,
    is_whole: bool = True,
) -> tuple[Episodes, tuple[Tiding, ...]]:
    """What is to be remembered from now on, and what is to be told, all of it in one message.

    `troubles` is all that is wrong now if it `is_whole`; else nobody knows of the rest, which stays
    as it was. What is remembered stays equal if there is nothing new.
    """
    wrong = _by_root(troubles)
    episodes: dict[Root, Episode] = {}
    tidings: list[Tiding] = []
    for root in sorted(remembered.keys() | wrong.keys()):
        before, trouble = remembered.get(root), wrong.get(root)
        if before is not None:
            before = _not_later(before, now)
        if trouble is not None:
            after, turn = _while_wrong(before, trouble, now, notifying)
        else:
            assert before is not None, "BUG: a root of no trouble and no episode"
            if not is_whole:
                episodes[root] = before
                continue
            after, turn = _while_well(before, now, notifying)
        if turn is not None:
            tidings.append(Tiding(turn, after, trouble))
        if not _is_forgotten(after, now):
            episodes[root] = after
    return episodes, tuple(tidings)


def next_telling(
    episodes: Episodes, notifying: Notifying, after: float = float("-inf")
) -> float | None:
    """The first moment `after` another at which time alone makes something to be told or forgotten.

    Requires: the episodes are as `told_now` gave them. None if time alone changes nothing.
    """
    moments = []
    for episode in episodes.values():
        if episode.over_at is not None:
            moments.append(episode.over_at + DAY)
        elif episode.well_since is not None:
            moments.append(episode.well_since + notifying.heals_after.total_seconds())
        elif not episode.is_believed:
            moments.append(episode.outbreak_at + notifying.tell_after.total_seconds())
    return min((at for at in moments if at > after), default=None)


def size_of(trouble: Trouble) -> int:
    """How many partitions a trouble reaches; 1 if it is of none."""
    return max(1, trouble.count + trouble.blocked)


def _while_wrong(
    before: Episode | None, trouble: Trouble, now: float, notifying: Notifying
) -> tuple[Episode, Turn | None]:
    episode = _present(before, trouble, now)
    size = size_of(trouble)
    if not episode.is_believed:
        if now - episode.outbreak_at < notifying.tell_after.total_seconds():
            return episode, None
        turn = Turn.CAME_BACK if episode.told else Turn.OPENED
    elif size >= 2 * episode.told_size:
        turn = Turn.GREW
    else:
        return episode, None
    reached = max(episode.outbreak, size)
    grown = replace(
        episode,
        size=episode.size + reached - episode.outbreak,
        outbreak=reached,
        told=episode.told + 1,
        told_size=max(episode.told_size, size),
        is_believed=True,
    )
    return (grown, turn) if grown.told <= grown.at_most else (episode, None)


def _present(before: Episode | None, trouble: Trouble, now: float) -> Episode:
    """The episode that the trouble belongs to: a new one, one that goes on, or that comes back."""
    since, size = min(trouble.since, now), size_of(trouble)
    if before is None or (before.over_at is not None and now - before.over_at >= DAY):
        first = f"{trouble.root.kind}/{trouble.root.name}/{int(now)}"
        return Episode(first, trouble.root, since, since, size, size)
    if before.over_at is None:
        return before if before.well_since is None else replace(before, well_since=None)
    outbreak = size if before.back else max(size, before.size)
    return replace(
        before,
        outbreak_at=max(since, before.over_at),
        size=before.size + outbreak,
        outbreak=outbreak,
        well_since=None,
        over_at=None,
        back=before.back + 1,
    )


def _while_well(before: Episode, now: float, notifying: Notifying) -> tuple[Episode, Turn | None]:
    """One that came back is told as well only if a message stays for its coming back once more.

    Nobody must believe that all is well while it is not. A day later it can come back no more.
    """
    episode = before if before.well_since is not None else replace(before, well_since=now)
    assert episode.well_since is not None, "BUG: an episode is well since no moment"
    left = episode.at_most - episode.told
    if episode.over_at is None:
        if now - episode.well_since < notifying.heals_after.total_seconds():
            return episode, None
        episode = replace(episode, over_at=now)
        is_told = left > (1 if episode.back else 0)
    else:
        is_told = left > 0 and now - episode.over_at >= DAY
    if not (episode.is_believed and is_told):
        return episode, None
    return replace(episode, told=episode.told + 1, is_believed=False), Turn.RECOVERED


def _is_forgotten(episode: Episode, now: float) -> bool:
    """Whether it is over for a day, or is over and was never told."""
    if episode.over_at is None:
        return False
    return not episode.told or now - episode.over_at >= DAY


def _not_later(episode: Episode, now: float) -> Episode:
    """The episode with no moment later than now: the clock was put back."""
    if (
        max(episode.began, episode.outbreak_at, episode.well_since or 0, episode.over_at or 0)
        <= now
    ):
        return episode
    return replace(
        episode,
        began=min(episode.began, now),
        outbreak_at=min(episode.outbreak_at, now),
        well_since=None if episode.well_since is None else min(episode.well_since, now),
        over_at=None if episode.over_at is None else min(episode.over_at, now),
    )


def _by_root(troubles: Iterable[Trouble]) -> dict[Root, Trouble]:
    """The troubles by root; several by one root are one."""
    wrong: dict[Root, Trouble] = {}
    for trouble in troubles:
        before = wrong.get(trouble.root)
        wrong[trouble.root] = trouble if before is None else _together(before, trouble)
    return wrong


def _together(one: Trouble, other: Trouble) -> Trouble:
    return replace(
        one,
        since=min(one.since, other.since),
        count=one.count + other.count,
        blocked=one.blocked + other.blocked,
        first=min(filter(None, (one.first, other.first)), default=""),
        last=max(one.last, other.last),
    )
