"""Lets a year of hourly runs pass, written straight into the record, with a `gc` each week.

Each hour every task makes a partition, two earlier ones again, and one dataset anew. It prints what
there is after each month, and at the end what a look costs, beside that in a warehouse in which the
same partitions were recorded once.

    python bench/year.py --tasks 100 --days 365
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from passingyear import PassingYear

HOURS = 24


def month(year: PassingYear, days: int) -> float:
    """Let some days pass, with a `gc` each week; returns how many seconds the last one took."""
    took = 0.0
    for week in range(0, days, 7):
        year.pass_by(HOURS * min(7, days - week))
        began = time.process_time()
        year.sweep()
        took = time.process_time() - began
    return took


def cost(year: PassingYear) -> float:
    """The processor's seconds of a look: the least of five."""
    spent = []
    for _ in range(5):
        began = time.process_time()
        year.look()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    """Print the sizes, and then the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--kept-days", type=int, default=90, help="for how long runs are kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="year") as folder:
        root = Path(folder)
        year = PassingYear(root / "year", given.tasks, given.kept_days)
        for day in range(0, given.days, 30):
            took = month(year, min(30, given.days - day))
            sizes = year.sizes()
            print(
                f"day {year.hour // HOURS:4}: {year.partitions:9,} partitions, "
                f"{year.hour * given.tasks * 4:10,} makings, of which {sizes.makings:9,} stay; "
                f"{sizes.runs:5,} runs, {sizes.steps:7,} steps, {sizes.lines:9,} lines, "
                f"{sizes.metastore / 2**20:6.0f} MiB, gc {took:4.1f} s",
                flush=True,
            )
        once = year.once(root / "once")
        print(f"a look: {cost(year):.3f} s, and {cost(once):.3f} s where all was recorded once")
        print(f"{once.sizes().metastore / 2**20:.0f} MiB there")


if __name__ == "__main__":
    main()
