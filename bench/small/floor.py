"""The least that partflow's promises cost, in a straight line and without partflow.

The source is fingerprinted, results are hashed by their rows and by their bytes, written aside some
at a time, synced together, renamed into folders of their own, and recorded in SQLite, what was
intended first. Nothing is planned, checked, locked, measured or told; frames pass from task to task
in memory, uncopied. What partflow takes beyond this is its own.

    python floor.py [DAYS]

With DAYS one call makes so many.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import hashlib
import io
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from byhand import days, path
from rules import FIRST, cleaned, totals, week_until

GROUP = 32
SEEDS = (1, 2)
Step = tuple[str, dt.date, pl.DataFrame]


def fingerprint(frame: pl.DataFrame) -> str:
    """A digest of the rows, in any order."""
    sums = [int(frame.hash_rows(seed=seed).to_numpy().sum()) for seed in SEEDS]
    return hashlib.blake2b(repr((sums, frame.schema)).encode()).hexdigest()


def sources() -> dict[dt.date, pl.DataFrame]:
    """Every day as it was delivered, read in one query and fingerprinted."""
    frames = pl.collect_all([pl.scan_parquet(path("landing", day)) for day in days()])
    return {day: frame for day, frame in zip(days(), frames, strict=True) if fingerprint(frame)}


def one_by_one() -> Iterator[Step]:
    """Each day of each dataset by a call of its own."""
    clean = {}
    for day, raw in sources().items():
        clean[day] = cleaned(raw.lazy()).collect()
        yield "clean", day, clean[day]
        window = [day - n * dt.timedelta(days=1) for n in range(min(6, (day - FIRST).days), -1, -1)]
        week = pl.concat([clean[each] for each in window]).lazy()
        yield "week", day, week_until(week, day, day).collect()
        yield "total", day, totals(clean[day].lazy()).collect()


def in_batches(size: int) -> Iterator[Step]:
    """So many days of a dataset by one call."""
    raw = sources()
    every = list(raw)
    clean: dict[dt.date, pl.DataFrame] = {}
    for i in range(0, len(every), size):
        block = every[i : i + size]
        first, last = block[0], block[-1]
        made = cleaned(pl.concat([raw[day] for day in block]).lazy()).collect()
        clean |= parts(made, block)
        before = [clean[day] for day in every[max(0, i - 6) : i]]
        weeks = week_until(pl.concat([*before, made]).lazy(), first, last).collect()
        sums = totals(made.lazy()).collect()
        for day, week, total in zip(
            block, parts(weeks, block).values(), parts(sums, block).values(), strict=True
        ):
            yield "clean", day, clean[day]
            yield "week", day, week
            yield "total", day, total


def parts(frame: pl.DataFrame, block: list[dt.date]) -> dict[dt.date, pl.DataFrame]:
    """The rows of each day."""
    by_day = frame.partition_by("date", as_dict=True)
    return {day: by_day[day,] for day in block}


def published(group: list[Step], record: sqlite3.Connection, root: int) -> None:
    """Write the files of some steps, durably, put them into place, and record them."""
    buffers = [io.BytesIO() for _ in group]
    sinks = [
        frame.drop("date", strict=False)
        .lazy()
        .sink_parquet(buffer, metadata={"made": name}, lazy=True)
        for (name, _, frame), buffer in zip(group, buffers, strict=True)
    ]
    pl.collect_all(sinks, engine="streaming")
    rows = []
    for n, ((name, day, frame), buffer) in enumerate(zip(group, buffers, strict=True)):
        data = buffer.getvalue()
        Path(f"made/{n}.tmp").write_bytes(data)
        rows.append((name, str(day), fingerprint(frame), hashlib.sha256(data).hexdigest()))
    ctypes.CDLL(None).syncfs(root)
    with record:
        record.executemany("insert into intents values (?, ?, ?, ?)", rows)
    for n, (name, day, *_) in enumerate(rows):
        os.makedirs(f"made/{name}/date={day}")
        os.replace(f"made/{n}.tmp", f"made/{name}/date={day}/data.parquet")
        os.stat(f"made/{name}/date={day}/data.parquet")
    ctypes.CDLL(None).syncfs(root)
    with record:
        record.executemany("insert into parts values (?, ?, ?, ?)", rows)
        record.execute("delete from intents")


def main() -> None:
    """Make every partition."""
    os.makedirs("made")
    root = os.open("made", os.O_RDONLY)
    record = sqlite3.connect("made/record.sqlite")
    record.execute("pragma journal_mode = wal")
    for table in ("intents", "parts"):
        record.execute(f"create table {table} (name, day, content, sha256)")  # nosec B608
    group: list[Step] = []
    for step in in_batches(int(sys.argv[1])) if len(sys.argv) > 1 else one_by_one():
        group.append(step)
        if len(group) == GROUP:
            published(group, record, root)
            group = []
    published(group, record, root)


if __name__ == "__main__":
    main()
