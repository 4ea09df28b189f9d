"""The loop that one would write by hand: day by day, each dataset in turn."""

from __future__ import annotations

from byhand import MADE, days, make, make_folders

if __name__ == "__main__":
    make_folders()
    for day in days():
        for dataset in MADE:
            make(dataset, day)
