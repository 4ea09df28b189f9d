"""A result that is larger than memory goes to its file in a stream."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

JOBS = """
big = Source("big", Whole(), path="big.parquet")
copied = Dataset("copied", Whole())

@task(reads=[big], writes=copied)
def copy(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("a") != 0).with_columns(d=pl.col("a") ^ pl.col("b"))
"""

MATERIALIZE = """
import resource, sys
from partflow.cli import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = main(["materialize"])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
sys.exit(code)
"""
GROUPS, ROWS = 48, 500_000


def test_a_result_many_times_the_memory_that_it_takes_is_streamed(world):
    chance = np.random.default_rng(0)
    schema = pa.schema([(name, pa.int64()) for name in "abc"])
    with pq.ParquetWriter(world.root / "big.parquet", schema, compression="none") as file:
        rows = {name: chance.integers(0, 2**62, ROWS) for name in "abc"}
        for _ in range(GROUPS):
            file.write_table(pa.table(rows))
    world.jobs(JOBS)
    done = subprocess.run(
        [sys.executable, "-c", MATERIALIZE], cwd=world.root, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pq.read_metadata(world.root / "warehouse/copied/data.parquet").num_rows == GROUPS * ROWS
    grown, size = int(done.stdout.split()[-1]), GROUPS * ROWS * 4 * 8
    assert grown < size / 2, f"{grown:,} bytes of memory for a result of {size:,}"
