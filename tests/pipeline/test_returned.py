"""A partition holds what the function returned when it returned it, whatever its memory holds next.

Every task here returns what its next call overwrites. The rows of day n are n, and so is what the
readers get that the same process hands them to.
"""

import polars as pl
import pytest

from partflow.execution.controls import Controls

JOBS = """
    import duckdb
    import numpy as np, pyarrow as pa
    DAYS = Daily("2024-01-01", "2024-01-21")
    made = Dataset("made", DAYS, OPTIONS)
    seen = Dataset("seen", DAYS)
    buffer, texts = np.zeros(3), bytearray(3 * 20)
    FRAME = pl.DataFrame({"x": [0.0, 0.0, 0.0]})
    ROWS = []

    def fill(day):
        buffer[:] = day
        texts[:] = f"day {day:016}".encode() * 3
        return day

    def texts_over_memory():
        ends = pa.array([0, 20, 40, 60], pa.int64()).buffers()[1]
        return pa.Array.from_buffers(pa.large_string(), 3, [None, ends, pa.py_buffer(texts)])

    def batches(day):
        schema = pa.schema({"x": pa.float64()})
        def each():
            for _ in range(3):
                yield pa.record_batch({"x": buffer[:1]}, schema)
                buffer[:] = -1
                fill(day)
            buffer[:] = -1
        return pa.RecordBatchReader.from_batches(schema, each())

    def one_in_place(day):
        for i in range(3):
            FRAME[i, "x"] = float(day)
        return FRAME

    def extended(day):
        ROWS.append(float(day))
        return pl.LazyFrame({"x": ROWS}).tail(1).select(pl.col("x").repeat_by(3).explode())

    @task(writes=made)
    def make(partition: Partition):
        fill(partition.date.day)
        return RESULT

    @task(reads=[made], writes=seen)
    def look(rows: pl.DataFrame):
        return rows
    """
RESULTS = {
    "a polars frame over a numpy buffer": 'pl.DataFrame({"x": buffer})',
    "a part of one": 'pl.DataFrame({"y": buffer, "x": buffer})[:, 1:].slice(1)',
    "frames over it, one after the other": (
        'pl.concat([pl.DataFrame({"x": buffer}), pl.DataFrame({"x": buffer})], rechunk=False)'
    ),
    "nested values over it": 'pl.DataFrame({"x": buffer}).select(pl.struct("x").alias("x"))',
    "an Arrow table": 'pa.table({"x": buffer})',
    "an Arrow record batch": 'pa.record_batch({"x": buffer})',
    "an Arrow reader": "batches(partition.date.day)",
    "a DuckDB relation": 'duckdb.from_arrow(pa.table({"x": buffer}))',
    "a lazy frame": 'pl.LazyFrame({"x": buffer})',
    "one module's frame, changed in place": "one_in_place(partition.date.day)",
    "a list that grows": "extended(partition.date.day)",
    "texts over memory": 'pa.table({"x": buffer, "s": texts_over_memory()})',
}
DAYS = range(1, 21)


def values(world, name):
    """For each day the different values of the column x, the days of the texts among them."""
    found = {}
    for day in DAYS:
        frame = pl.read_parquet(
            world.file(name, f"2024-01-{day:02}"), hive_partitioning=False, use_statistics=False
        )
        if isinstance(frame.schema["x"], pl.Struct):
            frame = frame.unnest("x")
        found[day] = set(frame["x"].cast(pl.Int64))
        if "s" in frame.columns:
            found[day] |= set(frame["s"].str.strip_prefix("day ").cast(pl.Int64))
    return found


def jobs(world, result, options=""):
    world.jobs(JOBS.replace("RESULT", result).replace("OPTIONS", options))


@pytest.mark.parametrize("result", RESULTS)
def test_each_partition_holds_what_was_returned_for_it(world, result):
    jobs(world, RESULTS[result])
    assert world.run().failed == 0
    assert values(world, "made") == values(world, "seen") == {day: {day} for day in DAYS}


@pytest.mark.parametrize("result", ["an Arrow table", "texts over memory"])
def test_workers_that_have_more_orders_queued_store_each_as_it_was_returned(world, result):
    jobs(world, RESULTS[result])
    assert world.run(controls=Controls(workers=2)).failed == 0
    assert values(world, "made") == values(world, "seen") == {day: {day} for day in DAYS}


@pytest.mark.parametrize("options", ['sort_by="x"', 'schema={"x": pl.Float64}'])
def test_a_schema_or_an_order_leaves_them_as_returned(world, options):
    jobs(world, 'pl.DataFrame({"x": buffer})', options)
    assert world.run().failed == 0
    assert values(world, "made") == {day: {day} for day in DAYS}


def test_a_frame_that_is_too_large_to_be_copied_is_stored_before_the_next_call(world):
    """Eight columns of nine megabytes over one buffer."""
    world.jobs("""
    import numpy as np
    DAYS = Daily("2024-01-01", "2024-01-03")
    made = Dataset("made", DAYS)
    buffer = np.zeros(1_200_000)

    @task(writes=made)
    def make(partition: Partition):
        buffer[:] = partition.date.day
        return pl.DataFrame({name: buffer for name in "abcdefgh"})
    """)
    assert world.run().failed == 0
    for day in (1, 2):
        frame = pl.read_parquet(world.file("made", f"2024-01-0{day}"), hive_partitioning=False)
        assert frame.select(pl.all().n_unique()).row(0) == (1,) * 8
        assert frame.row(0) == (day,) * 8


def test_a_batch_that_one_call_makes_is_not_overwritten_by_the_next(world):
    world.jobs("""
    import numpy as np
    DAYS = Daily("2024-01-01", "2024-01-21")
    source = Dataset("source", DAYS)
    made = Dataset("made", DAYS)
    also = Dataset("also", DAYS)
    buffer = np.zeros(5)

    @task(writes=source)
    def land(partition: Partition):
        return pl.DataFrame({"n": [partition.date.day]})

    @task(reads=[source], writes=[made, also], batch=5)
    def make(rows: pl.DataFrame, partition: Partition):
        buffer[: rows.height] = rows["n"].to_numpy()
        x = pl.Series("x", buffer[: rows.height])
        first = pl.DataFrame([x, rows["date"]])

        def overwrite(frame):
            buffer[:] = -1
            return frame

        return first, first.lazy().select(pl.all().map_batches(lambda s: s)).map_batches(overwrite)
    """)
    assert world.run().failed == 0
    assert values(world, "made") == {day: {day} for day in DAYS}


def test_computing_one_output_does_not_change_another(world):
    world.jobs("""
    import numpy as np
    DAYS = Daily("2024-01-01", "2024-01-21")
    made, lazy, seen = (Dataset(name, DAYS) for name in ("made", "lazy", "seen"))
    buffer = np.zeros(3)

    @task(writes=[lazy, made])
    def make(partition: Partition):
        buffer[:] = partition.date.day

        def overwrite(frame):
            buffer[:] = -1
            return frame.with_columns(x=pl.lit(1.0))

        return pl.LazyFrame({"x": [0.0]}).map_batches(overwrite), pl.DataFrame({"x": buffer})

    @task(reads=[made], writes=seen)
    def look(rows: pl.DataFrame):
        return rows
    """)
    assert world.run().failed == 0
    assert values(world, "made") == values(world, "seen") == {day: {day} for day in DAYS}


READERS = {
    "pl.DataFrame": 'rows["x"].to_numpy()',
    "pl.LazyFrame": 'rows.collect()["x"].to_numpy()',
    "pa.Table": 'rows["x"].chunk(0).to_numpy()',
}


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_that_writes_into_what_it_was_handed_changes_it_for_nobody_else(world, kind):
    world.jobs(
        """
    import ctypes
    import pyarrow as pa
    DAYS = Daily("2024-01-01", "2024-01-21")
    made, first, seen = (Dataset(name, DAYS) for name in ("made", "first", "seen"))

    @task(writes=made)
    def make(partition: Partition):
        return pl.DataFrame({"x": [float(partition.date.day)] * 3})

    @task(reads=[made], writes=first)
    def change(rows: KIND):
        view = VIEW
        ctypes.memset(view.ctypes.data, 1, view.nbytes)  # as a library in C may
        return pl.DataFrame({"x": [1]})

    @task(reads=[made, first], writes=seen)
    def look(rows: KIND, changed):
        return rows
    """.replace("KIND", kind).replace("VIEW", READERS[kind])
    )
    assert world.run().failed == 0
    assert values(world, "seen") == {day: {day} for day in DAYS}


def test_a_task_that_changes_its_model_changes_nobody_elses(world):
    pytest.importorskip("skops", reason="the extra `flagship`")
    world.jobs("""
    import numpy as np
    from sklearn.linear_model import LinearRegression
    DAYS = Daily("2024-01-01", "2024-01-21")
    model = Dataset("model", Whole(), format="skops")
    made = Dataset("made", DAYS)

    @task(writes=model)
    def train():
        found = LinearRegression()
        found.coef_ = np.array([7.0])
        return found

    @task(reads=[model], writes=made)
    def use(found, partition: Partition):
        before = float(found.coef_[0])
        found.coef_[0] = found.intercept_ = -1.0
        return pl.DataFrame({"x": [before]})
    """)
    assert world.run().failed == 0
    assert values(world, "made") == {day: {7} for day in DAYS}
