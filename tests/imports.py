"""What was imported of one project is put aside while another of the same name is tried."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def taken_out(*tops: str) -> dict[str, ModuleType]:
    """The modules of these packages that were imported until now."""
    names = [name for name in sys.modules if name.partition(".")[0] in tops]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def put_aside(*tops: str) -> Iterator[None]:
    """Have nothing of these packages imported meanwhile, and all as it was afterwards."""
    path, others = list(sys.path), taken_out(*tops)
    try:
        yield
    finally:
        taken_out(*tops)
        sys.modules.update(others)
        sys.path[:] = path
