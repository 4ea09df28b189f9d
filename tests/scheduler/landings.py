"""One small world for tests of an outlook: files that land each day, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, derive
from partflow.declarations.task import effect, task
from partflow.partitions.calendar import Daily
from partflow.partitions.sets import PartitionSet
from partflow.planning.digests import lanes
from partflow.planning.plan import Automatic, Plan, Request
from partflow.planning.planner import plan
from partflow.planning.snapshot import Condition, Snapshot, Unreadable, empty_state
from partflow.scheduler.tries import Tries

FIRST, DAYS = 19723, 40  # from 2024-01-01 on
NOW = (FIRST + DAYS) * 86400


def tries(ordinals: Iterable[int], *, of_machine: bool = False) -> Tries:
    """Steps that failed once, an hour ago."""
    at = np.array(sorted(ordinals), np.int64)
    n = len(at)
    return Tries(
        at,
        np.zeros(n, np.uint64),
        np.ones(n, np.int64),
        np.full(n, NOW - 3600.0),
        np.full(n, int(of_machine)),
        "ValueError: no till",
    )


def graph() -> Graph:
    """`clean` of each landing file, `week` of seven of its days, `total` of itself, `tell`."""
    days = Daily("2024-01-01")
    landing = Source("landing", days, path="landing/{key}.csv", expect_by="1h")
    clean = Dataset("clean", days, expect_by="2h", max_age="3d")
    week = Dataset("week", days, schema={"n": pl.Int64})
    total = Dataset("total", days, schema={"n": pl.Int64})
    return derive(
        [
            task(name="clean", reads=[landing], writes=clean)(lambda raw: raw),
            task(name="week", reads=[clean.window(-6, 0)], writes=week)(lambda days: days),
            task(name="total", reads=[week, total.previous()], writes=total)(lambda a, b: a),
            effect(name="tell", reads=[clean])(lambda days: None),
        ],
        [landing],
    )


def made_of(
    landed: Iterable[int] = range(DAYS), *, held: Iterable[int] = (), torn: Iterable[int] = (),
    perhaps: Iterable[int] = (), newest_at: int = 0,
) -> Plan:  # fmt: skip
    """The automatic plan where nothing was made yet; days are counted from the first."""
    landing = empty_state(FIRST, DAYS)
    for day in landed:
        landing.condition[day], landing.content[day] = Condition.GOOD, lanes("a" * 32)
        landing.seq[day] = 1
    for day in torn:
        landing.condition[day] = Condition.DAMAGED
    states = {"landing": landing} | {
        name: empty_state(FIRST, DAYS, reads)
        for name, reads in (("clean", 1), ("week", 1), ("total", 2), ("tell", 1))
    }
    unreadable = {
        ("landing", "2024-01-01"): Unreadable("landing/2024-01-01.csv", "it is torn", "mend it")
    }
    snapshot = Snapshot(
        NOW, states, dict.fromkeys(("clean", "week", "total", "tell"), "1" * 32), {"tell": FIRST},
        unreadable=unreadable, newest_at=newest_at,
        perhaps_done={"tell": dict.fromkeys((FIRST + day for day in perhaps), "run-1")},
        expected_since={"landing": 0, "clean": 0},
    )  # fmt: skip
    at = PartitionSet.of((FIRST + day, FIRST + day + 1) for day in held)
    return plan(graph(), snapshot, Request(automatic=Automatic(held={"clean": at})))
