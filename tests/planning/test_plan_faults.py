"""What somebody has to put right is named if it concerns what is asked for, and not else."""

from __future__ import annotations

import pytest
from small import FIRST, NOW, planned

from partflow.errors import ClockError
from partflow.partitions.sets import PartitionSet
from partflow.planning.faults import require_clock
from partflow.planning.plan import CLOCK_SLACK, Request
from partflow.planning.snapshot import Condition

TORN = {0: Condition.DAMAGED, 1: Condition.GOOD, 2: Condition.DAMAGED}


def wanted(node: str, *days: int) -> Request:
    return Request({node: PartitionSet.of([(FIRST + day, FIRST + day + 1) for day in days])})


def test_everything_asked_for_names_every_file_that_cannot_be_read():
    faults = planned(TORN).faults
    assert [(f.dataset, f.key, f.file) for f in faults] == [
        ("landing", "2024-01-01", "0.csv"),
        ("landing", "2024-01-03", "2.csv"),
    ]
    assert {(f.reason, f.advice) for f in faults} == {("it is torn", "mend it")}


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        (wanted("days", 1), []),
        (wanted("days", 0, 1), ["2024-01-01"]),
        (wanted("tell", 2), ["2024-01-03"]),
        (wanted("landing", 2), ["2024-01-03"]),
    ],
)
def test_a_fault_is_named_if_it_is_asked_for_or_holds_up_what_is(request_, keys):
    assert [f.key for f in planned(TORN, request_).faults] == keys


def test_a_clock_that_is_behind_the_record_comes_first_and_lets_nothing_be_made():
    plan = planned(TORN, newest_at=NOW + CLOCK_SLACK + 2 * 86400)
    clock, *files = plan.faults
    assert (clock.dataset, len(files)) == ("", 2)
    assert "2 days behind the last record" in clock.reason
    with pytest.raises(ClockError, match="so nothing was made"):
        require_clock(plan)


def test_clocks_may_differ_by_a_little():
    plan = planned({}, newest_at=NOW + CLOCK_SLACK)
    assert not plan.faults
    require_clock(plan)
