"""Writes the files that others delivered to the project beside this: `make_inputs.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def deliver(root: Path) -> None:
    """Three days of each source below `root`."""
    texts = {
        "dates": "on,n\n01/02/2024,{n}\n",
        "weather": "at,temperature\n2024-01-0{n},{n}.5\n",
        "codes": "code,n\n00{n},{n}\n",
        "stock": "shop,qty,price\na,{n},1.5\nb,{n},2.5\n",
    }
    for n in (1, 2, 3):
        for name, text in texts.items():
            path = root / "landing" / name / f"2024-01-0{n}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(n=n))
        path = root / "landing" / "visits" / f"2024-01-0{n}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"n": [n, n + 1]}).write_parquet(path)
    cut = root / "landing" / "stock" / "2024-01-03.csv"
    cut.write_text("shop,qty,price\na,3,1.5\nb,3")


if __name__ == "__main__":
    deliver(Path(sys.argv[1]))
