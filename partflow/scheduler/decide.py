"""Decides what a tick comes to: a pure function of what was seen, what goes on, and the time.

There is no queue and no cursor: what was seen says all that is to be done. So a tick that was lost,
a restart or a jump of the clock needs no repair. Knows nothing of processes, files or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.scheduler.acts import Acts

if TYPE_CHECKING:
    from partflow.project.settings import Scheduling
    from partflow.scheduler.outlook import Outlook


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The runs that go on: how many, and whether any has begun or ended since the look was asked.

    `rests_until` is until when no run begins, in epoch seconds, since the last one had nothing to
    do.
    """

    runs: int = 0
    has_changed: bool = False
    rests_until: float = 0.0


def decide(outlook: Outlook, under_way: UnderWay, now: float, scheduling: Scheduling) -> Acts:
    """What is to be done now, and until when nothing else is.

    A run begins if anything can be made that no run that goes on is at: what was seen before one
    began or ended does not tell.
    """
    tells = not under_way.has_changed and outlook.at <= now
    has_room = under_way.runs < scheduling.runs_at_once
    wants = has_room and any(len(steps.ordinals) for steps in outlook.steps.values())
    rests = wants and now < under_way.rests_until <= now + scheduling.look_every.total_seconds()
    looks_next = outlook.at + scheduling.look_every.total_seconds()
    looks_at_all = outlook.looked_at_all + scheduling.look_all_every.total_seconds()
    moments = [looks_next, looks_at_all]
    if outlook.changes_at is not None:
        moments.append(outlook.changes_at)
    if rests:
        moments.append(under_way.rests_until)
    if not tells:
        moments.append(now)
    sleep_until = max(now, min(moments))
    return Acts(
        begins_run=tells and wants and not rests,
        sleep_until=sleep_until,
        looks_at_all=sleep_until >= looks_at_all or outlook.looked_at_all > now,
    )
