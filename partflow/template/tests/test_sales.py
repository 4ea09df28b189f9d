"""A task is its function: its tests call it, and need no partflow."""

import polars as pl

from jobs.sales import SALE, clean_sales


def test_rows_that_the_till_cancelled_are_left_out() -> None:
    raw = pl.LazyFrame(
        {
            "store": ["north", "north"],
            "item": ["bread", "milk"],
            "qty": [2, 0],
            "price": [3.5, 1.25],
        },
        schema=SALE,
    )

    clean = clean_sales(raw).collect()

    assert clean.rows() == [("north", "bread", 2, 3.5)]
