"""Other programs read the files of a warehouse, and know nothing of partflow."""

from __future__ import annotations

import mmap

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq

DAYS = ("2024-01-30",)


def test_who_has_a_file_open_or_mapped_goes_on_with_it_when_it_is_replaced(sales):
    sales.run()
    path = sales.file("clean", DAYS[0])
    before, rows = path.read_bytes(), pl.read_parquet(path)
    with (
        path.open("rb") as opened,
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        pq.ParquetFile(path, memory_map=True) as lazily,
    ):
        opened.read(4)
        sales.write(f"landing/{DAYS[0]}.csv", "store,qty\nother,5\n")
        assert sales.run().ran > 0
        assert path.read_bytes() != before
        assert opened.read() == before[4:]
        assert mapped[:] == before
        assert pl.from_arrow(lazily.read()).equals(rows)
    assert pl.read_parquet(path)["store"].to_list() == ["other"]


def test_staged_and_kept_files_are_seen_by_no_reader(sales):
    sales.run()
    private = sales.root / "warehouse/.partflow"
    file = sales.file("clean", DAYS[0])
    (private / "staging/run").mkdir(parents=True, exist_ok=True)
    (private / "staging/run/1-0.tmp").write_bytes(file.read_bytes())
    (private / "history/clean/x").mkdir(parents=True)
    (private / "history/clean/x/1.kept").write_bytes(file.read_bytes())
    clean = sales.root / "warehouse/clean"
    for pattern in (f"{clean}/**/*.parquet", f"{clean}/*/*.parquet"):
        assert len(pl.scan_parquet(pattern).collect()) == 10
        assert duckdb.sql(f"select count(*) from read_parquet('{pattern}')").fetchall() == [(10,)]
    assert ds.dataset(clean, partitioning="hive").count_rows() == 10
    everything = f"{sales.root}/warehouse/**/*.parquet"
    files = duckdb.sql(f"select count(*) from glob('{everything}')").fetchall()[0][0]
    assert files == 12
