"""From the tills' daily CSV files to a trailing week and a month of sales."""

import polars as pl

from partflow import Daily, Dataset, Monthly, Source, task

# One declaration of time for all that is daily. Move `end`, or leave it out, as files come in.
DAYS = Daily("2024-01-01", "2024-01-15")
MONTHS = Monthly("2024-01-01", "2024-02-01")

SALE = {"store": pl.String, "item": pl.String, "qty": pl.Int64, "price": pl.Float64}

landing = Source("landing_sales", DAYS, path="landing/sales/{key}.csv", schema=SALE)
clean = Dataset("clean_sales", DAYS, schema=SALE, description="Sales that took place")
weekly = Dataset("trailing_week", DAYS, description="Each store's last seven days")
monthly = Dataset("monthly_sales", MONTHS, description="Each store's month")

revenue = (pl.col("qty") * pl.col("price")).sum().round(2)


@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Sales without the rows that the tills cancelled."""
    return raw.filter(pl.col("qty") > 0)


@task(reads=[clean.window(-6, 0)], writes=weekly)
def trailing_week(sales: pl.LazyFrame) -> pl.LazyFrame:
    """What each store sold on this day and the six before it; fewer at the very beginning."""
    return (
        sales.group_by("store")
        .agg(days=pl.col("date").n_unique(), pieces=pl.col("qty").sum(), revenue=revenue)
        .sort("store")
    )


@task(reads=[clean], writes=monthly)
def monthly_sales(sales: pl.LazyFrame) -> pl.LazyFrame:
    """What each store sold in a month: a month reads all of its days."""
    return sales.group_by("store").agg(pieces=pl.col("qty").sum(), revenue=revenue).sort("store")
