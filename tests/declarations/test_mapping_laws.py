"""What every read maps to, against a look at one interval after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from reference import World, from_newest, record_of
from strategies import Case, cases

from partflow.declarations.dataset import Dataset, Read
from partflow.declarations.mapping import Extent
from partflow.declarations.task import Task
from partflow.execution.state import RunState, Step
from partflow.partitions.every import Every
from partflow.planning.planner import plan


def as_range(extent: Extent, open_end: int) -> range:
    return range(extent.lo, open_end if extent.hi is None else extent.hi)


def chosen(case: Case, world: World, by: tuple[Task, Read], ordinal: int) -> range:
    """What a partition of a task reads, which may hang on what is there."""
    task, read = by
    state = case.snapshot.states[read.dataset.name]
    return from_newest(
        read, world.reads(task, read, ordinal), lambda o: record_of(state, o).content
    )


@given(cases())
def test_what_can_exist_is_what_no_strict_read_leaves_outside(case: Case) -> None:
    world = World(case.graph, case.snapshot.now)
    for name, extent in case.graph.task_extents.items():
        expected = world.ranges[name]
        assert list(as_range(extent, expected.stop)) == list(expected), name
    for name, extent in case.graph.dataset_extents.items():
        expected = world.extents[name]
        assert list(as_range(extent, expected.stop)) == list(expected), name


@given(cases())
def test_a_read_covers_what_a_look_at_every_interval_finds(case: Case) -> None:
    world = World(case.graph, case.snapshot.now)
    for name, planned in plan(case.graph, case.snapshot, case.request).tasks.items():
        task = case.graph.task(name)
        for one, (a, b) in zip(task.inputs, planned.bounds, strict=True):
            for i, ordinal in enumerate(range(planned.lo, planned.hi)):
                expected = list(chosen(case, world, (task, one.read), ordinal))
                assert list(range(a[i], b[i])) == expected, (name, one.read.declared, ordinal)


@given(cases())
def test_what_is_read_never_goes_back_as_time_goes_on(case: Case) -> None:
    for planned in plan(case.graph, case.snapshot, case.request).tasks.values():
        for a, b in planned.bounds:
            assert (a <= b).all()
            assert (a[1:] >= a[:-1]).all()
            assert (b[1:] >= b[:-1]).all()


TURNED_BACK = {
    "Europe/Berlin": "2018-10-27",
    "Australia/Lord_Howe": "2018-03-31",
    "America/Sao_Paulo": "2018-02-16",
}
SPANS = [("-1d", "-1d"), ("-7d", "0d"), ("-1 months", "-1d"), ("0d", "1d")]


@pytest.mark.parametrize(("tz", "day"), TURNED_BACK.items())
@pytest.mark.parametrize("span", SPANS)
def test_quarters_of_an_hour_read_on_where_a_clock_is_turned_back(tz, day, span) -> None:
    quarters = Every("15m", day, tz=tz)
    extent = Extent(quarters.lo, None)
    lo, hi = quarters.lo + 40, quarters.lo + 200
    a, b = Dataset("q", quarters).window(*span).bounds(quarters, lo, hi, extent, 0)
    assert (np.diff(a) >= 0).all()
    assert (np.diff(b) >= 0).all()
    assert (a <= b).all()


@given(cases())
def test_a_partition_has_those_readers_that_read_it(case: Case) -> None:
    made = plan(case.graph, case.snapshot, case.request)
    run = RunState(made)
    world = World(case.graph, case.snapshot.now)
    for planned in made.tasks.values():
        for ordinal in range(planned.lo, planned.hi):
            found = {
                (name, position, made.tasks[name].lo + i)
                for name, position, first, last in run._touched(Step(planned.task.name, ordinal))
                for i in range(first, last)
            }
            expected = {
                (reader.name, position, o)
                for dataset in planned.task.writes
                for reader, position in case.graph.readers(dataset.name)
                for o in range(made.tasks[reader.name].lo, made.tasks[reader.name].hi)
                if ordinal in chosen(case, world, (reader, reader.inputs[position].read), o)
            }
            assert found == expected, (planned.task.name, ordinal)
