"""A project's warehouse as an older partflow left it; `make_warehouse.sh` says how it came about.

Its tasks carry partflow's own classes and objects along. One source was corrected since, a backfill
is half done, two files are somebody's own, and a plan lies there that nobody has carried out.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

_HERE = Path(__file__).parent


def lay_out(root: Path) -> Path:
    """That project, as if it had lain in this folder since; gives the folder."""
    shutil.copy(_HERE / "partflow.toml", root)
    shutil.copytree(
        _HERE / "shop_stored", root / "shop_stored", ignore=shutil.ignore_patterns("__pycache__")
    )
    with tarfile.open(_HERE / "warehouse.tar.xz") as archive:
        archive.extractall(root, filter="data")
    return root
