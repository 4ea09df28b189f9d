"""The picture of a run's time: cells, each as full as workers were busy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from partflow.report.timeline import Axis

SPANS = st.lists(
    st.tuples(st.floats(0, 99, allow_nan=False), st.floats(0, 50, allow_nan=False)), max_size=30
)


def test_a_step_fills_the_cells_of_its_time_and_no_other():
    axis = Axis(100.0, 110.0, 10)
    assert axis.row([(102.0, 3.0)], 1.0) == "  ███     "


def test_a_cell_is_as_full_as_workers_were_busy():
    axis = Axis(0.0, 4.0, 4)
    spans = [(0.0, 4.0), (0.0, 1.0), (1.0, 0.5), (2.0, 0.0)]
    assert axis.most_at_once(spans) == 2.0
    assert axis.row(spans, 2.0) == "█▆▄▄"
    assert axis.row(spans[1:2], 2.0) == "▄   "


def test_the_head_says_how_long_it_took_at_the_right_end():
    axis = Axis(100.0, 112.34, 20)
    assert axis.head == "0 s           12.3 s"
    assert len(axis.head) == axis.cells


def test_many_short_steps_long_after_the_epoch_are_counted_exactly():
    began = 1_800_000_000.0
    spans = [(began + i / 1e5, 1e-5) for i in range(100_000)]
    assert Axis(began, began + 1.0, 10).row(spans, 2.0) == "▄" * 10
    assert Axis(began, began + 2.0, 10).row(spans, 2.0) == "▄" * 5 + " " * 5


def test_a_run_of_no_time_has_a_picture_still():
    assert Axis(5.0, 5.0, 4).row([(5.0, 0.0)], 0.0).strip()


@given(SPANS, st.integers(1, 80))
def test_every_row_is_as_wide_as_its_axis_and_blank_only_where_nothing_ran(spans, cells):
    axis = Axis(0.0, 150.0, cells)
    row = axis.row(spans, axis.most_at_once(spans))
    assert len(row) == cells
    assert bool(row.strip()) == bool(spans)


@given(SPANS.filter(bool), st.integers(1, 80))
def test_the_fullest_cell_is_full(spans, cells):
    axis = Axis(0.0, 150.0, cells)
    busiest = axis.most_at_once(spans)
    if busiest > 1:
        assert "█" in axis.row(spans, busiest)
    assert busiest <= len(spans) + 1e-6
