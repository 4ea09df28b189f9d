"""What a year of hourly runs leaves behind, in short: `bench/year.py` has the whole of it."""

from __future__ import annotations

import pytest
from passingyear import AGAIN, PassingYear

from partflow.operations.thin import CONTENTS

TASKS, KEPT_DAYS = 20, 1
HOURS = 24
AN_HOUR = TASKS * (1 + AGAIN + 1)
"""So many makings are recorded in each."""


@pytest.fixture
def year(tmp_path) -> PassingYear:
    return PassingYear(tmp_path, TASKS, KEPT_DAYS)


def test_what_stays_is_bounded_by_partitions_and_by_the_runs_that_are_kept(year):
    young = (KEPT_DAYS * HOURS + 1) * AN_HOUR
    for _ in range(6):
        year.pass_by(HOURS)
        year.sweep()
        sizes = year.sizes()
        lasting = 2 * year.partitions + CONTENTS * TASKS
        assert sizes.runs <= KEPT_DAYS * HOURS + 1
        assert sizes.steps <= young
        assert sizes.makings <= lasting + young
        assert sizes.lines <= (year.partitions + young) * 4 / 3
    assert year.sweep().is_empty


def test_a_look_sees_the_same_as_before_and_nothing_is_left_to_sweep(year):
    year.pass_by(3 * HOURS)
    before = year.look()
    assert year.sweep().records > 0
    assert year.look() == before
