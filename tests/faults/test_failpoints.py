"""A run that dies, is refused or sleeps at each named point of publishing, and of its recovery."""

from __future__ import annotations

import pytest
from deaths import ALL, KILLED, MOST, Shop, armed, said, taken_over

POINTS = {
    "abandoned", "checked", "claimed", "intended", "journaled", "kept", "locked", "recorded",
    "released", "renamed", "sealed", "staged", "synced",
}  # fmt: skip


def passed(root) -> set[str]:
    lines = said(root).splitlines()
    return {line.removeprefix("failpoint ") for line in lines if line.startswith("failpoint ")}


def test_whatever_kills_a_run_at_a_point_the_same_command_ends_it_well(made: Shop, cases):
    points = set()
    for number in range(1, MOST, 1 if ALL else 17):
        root = made.copy()
        code = made.nursery.run(root, environment=armed(number, "kill"))
        if not passed(root):
            break
        points |= passed(root)
        assert code == KILLED
        made.check_death(root)
        cases(1)
    assert number > 50
    assert not ALL or points == POINTS - {"abandoned"}


@pytest.mark.parametrize("action", ["kill", "full", "error"] if ALL else ["full"])
def test_a_first_run_that_is_killed_or_refused_at_a_point_is_ended_by_the_same_command(
    empty: Shop, action, cases
):
    for number in range(1, MOST, 1 if ALL else 37):
        root = empty.copy()
        code = empty.nursery.run(root, environment=armed(number, action))
        if not passed(root):
            break
        assert code == KILLED if action == "kill" else code in {0, 1, 2}, said(root)
        assert "Traceback" not in said(root)
        empty.check_death(root)
        cases(1)
    assert number > 40


@pytest.mark.parametrize("first", range(1, 100) if ALL else (13, 62))
def test_a_recovery_that_is_killed_too_is_ended_by_the_third_run(made: Shop, first, cases):
    for second in range(1 if ALL else 1 + first // 5, MOST, 1 if ALL else 50):
        root = made.copy()
        made.nursery.run(root, environment=armed(first, "kill"))
        if not passed(root):
            break
        (root / "said.txt").unlink()
        if made.nursery.run(root, environment=armed(second, "kill")) != KILLED:
            break
        made.check_death(root, deaths=2)
        if "staged" in passed(root):  # what it did then is no recovery any more
            break
        cases(1)


def test_a_recovery_that_is_killed_when_it_gave_up_is_ended_by_the_third_run(made: Shop, cases):
    root = made.copy()
    assert made.nursery.run(root, environment=armed(1, "kill", "intended")) == KILLED
    assert made.nursery.run(root, environment=armed(1, "kill", "abandoned")) == KILLED
    made.check_death(root, deaths=2)
    cases(1)


@pytest.mark.parametrize("protocol", ["", "unswept"] if ALL else [""])
@pytest.mark.parametrize("number", range(1, 80) if ALL else (4, 53))
def test_a_run_that_slept_while_another_took_its_warehouse_over_undoes_nothing(
    made: Shop, number, protocol, cases
):
    root, newest = taken_over(made, number, protocol)
    made.check_newest(root, newest)
    cases(1)


def test_a_run_that_is_stopped_keeps_its_warehouse_and_is_waited_for(made: Shop):
    root = made.copy()
    pid = made.nursery.start(root, environment=armed(1, "stop", "intended"))
    assert made.nursery.wait(pid) is None
    busy = 4
    assert made.nursery.run(root, words=["materialize", "--no-wait"]) == busy
    assert "another run is at this" in said(root)
    second = made.nursery.start(root)
    assert made.nursery.ended_or_blocked(second, root) is None
    made.nursery.wake(pid)
    assert made.nursery.wait(pid) == 0
    assert made.nursery.wait(second) == 0
    made.check_ended(root)
