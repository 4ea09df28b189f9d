"""Times what it costs to be run by partflow: many partitions, beside a loop written by hand.

Three tasks × 365 days, 240 rows a day, one trailing window of seven days (`bench/small`). Each
contestant calls the same functions and is a whole process that starts without anything made; they
take turns, round by round. Before that each runs once untimed, and what it made is compared with
what the loop made. polars and DuckDB make each table with one query over all days: the limit. The
floors do what partflow promises in a straight line, without partflow (`small/floor.py`).
Luigi and doit come with the extra `bench`; where they are missing they are left out.

    python bench/overhead.py
    python bench/overhead.py --rounds 3 --only loop,one,one-process
    python bench/overhead.py --rows 1000000 --days 10 --only one,batch,duckdb,polars
    python bench/overhead.py --burn          # beside something that takes one processor
    python bench/overhead.py --profile
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SMALL = Path(__file__).parent / "small"
DATASETS = ("clean", "week", "total")
BATCH = 31
MADE = ("warehouse", "made", ".doit.db")


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: what is run in the project's folder, and what its files look like."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    needs: str = "polars"
    files: str = "made/{}/*.parquet"


@dataclass(frozen=True, slots=True)
class Size:
    """The rows of a day, and how many days there are."""

    rows: int
    days: int

    @property
    def partitions(self) -> int:
        """How many are to be made."""
        return len(DATASETS) * self.days


def partflow(name: str, *options: str, batch: int = 0, durability: str = "full") -> Contestant:
    """One way to run partflow."""
    return Contestant(
        name,
        ("-m", "partflow", "materialize", *options),
        {"SMALL_BATCH": str(batch), "PARTFLOW_DURABILITY": durability},
        files="warehouse/{}/*/data.parquet",
    )


CONTESTANTS = (
    Contestant("loop", ("loop.py",)),
    partflow("one", "-j", "1"),
    partflow("one-process", "-j", "1", durability="process"),
    partflow("batch", "-j", "1", batch=BATCH),
    partflow("batch-process", "-j", "1", batch=BATCH, durability="process"),
    partflow("two", "-j", "2"),
    partflow("two-batch", "-j", "2", batch=BATCH),
    Contestant("floor", ("floor.py",), files="made/{}/*/*.parquet"),
    Contestant("floor-batch", ("floor.py", str(BATCH)), files="made/{}/*/*.parquet"),
    Contestant("polars", ("with_polars.py",), files="made/{}/*/*.parquet"),
    Contestant("duckdb", ("with_duckdb.py",), needs="duckdb", files="made/{}/*/*.parquet"),
    Contestant("luigi", ("with_luigi.py",), needs="luigi"),
    Contestant("doit", ("-m", "doit", "-v", "0"), needs="doit"),
)


def landed(root: Path, size: Size = Size(240, 365)) -> None:
    """The project, with a Parquet file for each day; a tenth of its rows are cancelled."""
    import numpy as np
    import polars as pl

    shutil.copytree(SMALL, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "landing").mkdir()
    random, rows = np.random.default_rng(0), np.arange(size.rows)
    for n in range(size.days):
        day = np.datetime64("2024-01-01") + n
        frame = pl.DataFrame(
            {
                "date": np.full(size.rows, day),
                "store": np.char.add("store ", (rows % 8).astype(str)),
                "item": np.char.add("item ", (rows // 8).astype(str)),
                "qty": random.integers(0, 10, size.rows),
                "price": random.integers(100, 10_000, size.rows),
            }
        )
        frame.write_parquet(root / f"landing/{day}.parquet")


def cleared(root: Path) -> None:
    """Nothing is made, and nothing of it is left for the disk to write.

    What was made is put aside and not removed: ext4 looks at each inode that was given free in the
    last minute before it makes a file, so that whoever comes next would pay for that.
    """
    aside = root / "aside"
    aside.mkdir(exist_ok=True)
    for name in MADE:
        if (root / name).exists():
            (root / name).rename(aside / f"{len(os.listdir(aside))}-{name}")
    os.sync()


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took: seconds by the clock and of processors, and the most memory in bytes.

    Its workers are included; of memory it is the largest process, not all of them together.
    """

    wall: float
    cpu: float
    memory: int


def environment() -> dict[str, str]:
    """That of a user: where bytecode is not kept, each start would compile all modules anew."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def timed(root: Path, one: Contestant, *python: str) -> Took:
    """One run from nothing made; ends the benchmark with what it said, if it fails."""
    cleared(root)
    began = time.perf_counter()
    with (root / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *python, *one.command],
            cwd=root,
            env=environment() | one.environment,
            stdout=said,
            stderr=said,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = Took(
            time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        )
        if process.returncode:
            said.seek(0)
            sys.exit(f"{one.name} failed:\n{said.read()}")
    return took


def results(root: Path, one: Contestant) -> list[object]:
    """What a contestant made: how many files, and a sum that differs where any row does.

    Without the dates, which stand in the path or in the file, and without the order of rows.
    """
    import polars as pl

    found: list[object] = []
    for dataset in DATASETS:
        for file in sorted(root.glob(one.files.format(dataset))):
            frame = pl.read_parquet(file, hive_partitioning=False).drop("date", strict=False)
            ints = frame.select(pl.col(sorted(frame.columns))).cast({pl.UInt32: pl.Int64})
            found.append((frame.height, ints.hash_rows(1).sum()))
    return found


def agreed(root: Path, chosen: list[Contestant], size: Size) -> None:
    """Run each once; all must have made what the loop made, or the times compare nothing."""
    wanted: list[object] = []
    for one in chosen:
        timed(root, one)
        found = results(root, one)
        if len(found) != size.partitions or found != (wanted or found):
            sys.exit(f"{one.name} did not make what the loop made")
        wanted = found


def rounds(root: Path, chosen: list[Contestant], count: int) -> dict[str, list[Took]]:
    """What every contestant took in every round; each round begins with another one."""
    took: dict[str, list[Took]] = {one.name: [] for one in chosen}
    for n in range(count):
        first = n % len(chosen)
        for one in chosen[first:] + chosen[:first]:
            took[one.name].append(timed(root, one))
        print(f"round {n + 1} of {count}", file=sys.stderr)
    return took


def report(took: dict[str, list[Took]], size: Size) -> None:
    """A line for each: the ratio to the loop first, with that of single rounds beside it."""
    walls = {name: [each.wall for each in runs] for name, runs in took.items()}
    cpus = {name: statistics.median(each.cpu for each in runs) for name, runs in took.items()}
    loop = statistics.median(walls["loop"])
    print(
        f"{'':16}{'of the loop':>12}{'from':>7}{'to':>7}{'of its CPU':>13}"
        f"{'ms a partition':>17}{'seconds':>10}{'memory':>10}"
    )
    for name, each in walls.items():
        ratios = [one / of for one, of in zip(each, walls["loop"], strict=True)]
        wall = statistics.median(each)
        print(
            f"{name:16}{wall / loop:12.2f}{min(ratios):7.2f}{max(ratios):7.2f}"
            f"{cpus[name] / cpus['loop']:13.2f}{wall / size.partitions * 1e3:17.2f}{wall:10.2f}"
            f"{max(run.memory for run in took[name]) / 1e6:7.0f} MB"
        )


def profile(root: Path, one: Contestant, lines: int) -> None:
    """Where the time of one contestant goes, inside its process."""
    cleared(root)
    timed(root, one, "-m", "cProfile", "-o", "profile.out")
    stats = pstats.Stats(str(root / "profile.out"))
    stats.sort_stats("cumulative").print_stats("/partflow/|/small/|/byhand|/rules", lines)
    stats.strip_dirs().sort_stats("tottime").print_stats(lines)


def file_system(folder: Path) -> str:
    """The kind of file system that a folder lies on."""
    command = ["df", "--output=fstype", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.split() or ["an unknown file system"])[-1]


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    names = ", ".join(one.name for one in CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=240, help="of a day")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--burn", action="store_true", help="keep one processor busy beside")
    parser.add_argument("--only", metavar="NAME,...", help=f"of {names}; the loop always runs")
    parser.add_argument("--folder", help="where to work, to choose a file system")
    parser.add_argument("--profile", action="store_true", help="cProfile of one, or of --only")
    parser.add_argument("--lines", type=int, default=25, help="of the profile")
    return parser.parse_args()


def main() -> None:
    """Make the sources, let everyone run, print a table."""
    given = parsed()
    names = given.only.split(",") if given.only else [one.name for one in CONTESTANTS]
    known = {one.name: one for one in CONTESTANTS}
    if set(names) - set(known):
        sys.exit(f"no contestant: {', '.join(sorted(set(names) - set(known)))}")
    present = [one for one in CONTESTANTS if importlib.util.find_spec(one.needs)]
    chosen = [one for one in present if one.name in {"loop", *names}]
    size = Size(given.rows, given.days)
    os.environ["SMALL_DAYS"] = str(size.days)
    root = Path(tempfile.mkdtemp(prefix="partflow-overhead-", dir=given.folder))
    burning = [sys.executable, "-c", "while True: pass"]
    beside = subprocess.Popen(burning) if given.burn else None
    try:
        landed(root, size)
        if given.profile:
            for name in given.only.split(",") if given.only else ["one"]:
                profile(root, known[name], given.lines)
            return
        agreed(root, chosen, size)
        took = rounds(root, chosen, given.rounds)
        print(
            f"{size.partitions:,} partitions, {size.rows:,} rows a day; medians of {given.rounds}; "
            f"{file_system(root)}, Python {platform.python_version()}, {os.cpu_count()} cores"
        )
        report(took, size)
        for one in CONTESTANTS:
            if one not in present and one.name in names:
                print(
                    f"{one.name:16}not installed: pip install -c bench/constraints.txt '.[bench]'"
                )
    finally:
        if beside is not None:
            beside.kill()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
