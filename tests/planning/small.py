"""One small world for tests of what a plan says: a source of six days, two tasks, an effect."""

from __future__ import annotations

from collections.abc import Mapping

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import effect, task
from partflow.partitions.calendar import Daily, Monthly
from partflow.planning.digests import lanes
from partflow.planning.planner import Plan, Request, plan
from partflow.planning.snapshot import Condition, Snapshot, Unreadable, empty_state

FIRST = 19723  # 2024-01-01
NOW = 1_704_585_600  # 2024-01-07


def graph() -> Graph:
    """`clean` of each landing file, `month` of all its days, `tell` for each day."""
    landing = Source("landing", Daily("2024-01-01", "2024-02-01"), path="landing/{key}.csv")
    days = Dataset("days", Daily("2024-01-01", "2024-02-01"))
    months = Dataset("months", Monthly("2024-01-01", "2024-02-01"))
    made = [
        task(name="clean", reads=[landing], writes=days)(lambda raw: raw),
        task(name="month", reads=[days], writes=months)(lambda days: days),
        effect(name="tell", reads=[days])(lambda days: None),
    ]
    return derive(made, [landing])


def planned(
    landed: Mapping[int, Condition], request: Request | None = None, *, newest_at: int = 0
) -> Plan:
    """The plan where nothing was made yet; `landed` says of landing files how they are."""
    landing = empty_state(FIRST, 6)
    for day, condition in landed.items():
        landing.condition[day] = condition
        landing.content[day] = lanes("a" * 32)
    states = {
        "landing": landing,
        "days": empty_state(FIRST, 6, 1),
        "months": empty_state(648, 0, 1),
        "tell": empty_state(FIRST, 6, 1),
    }
    unreadable = {
        ("landing", landing_key(day)): Unreadable(f"{day}.csv", "it is torn", "mend it")
        for day, condition in landed.items()
        if condition is Condition.DAMAGED
    }
    snapshot = Snapshot(
        NOW, states, {"clean": "1" * 32, "month": "2" * 32, "tell": "3" * 32},
        {"tell": FIRST}, version=7, unreadable=unreadable, newest_at=newest_at,
    )  # fmt: skip
    return plan(graph(), snapshot, request or Request())


def landing_key(day: int) -> str:
    return f"2024-01-0{day + 1}"
