"""When a process of partflow's own looks for cycles among its objects.

Not while it loads modules, which make many objects that stay. Seldom afterwards, since a run makes
many objects, and hardly a cycle of them. And not at its end, when all memory is freed anyway: to
look then takes a sixth of a run with nothing to do.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

_NEW_OBJECTS: Final = 10_000
"""Python looks again after so many new objects; its own number is 700."""

_LOADING: Final[list[bool]] = []


def begin_loading() -> None:
    """Look at nothing until `end_loading`. For a process that is partflow's alone."""
    _LOADING.append(True)
    gc.disable()


def end_loading() -> None:
    """Look seldom from now on.

    In a process that did not begin so it changes nothing: that is somebody else's.
    """
    if _LOADING:
        _LOADING.clear()
        gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()


def end_process() -> None:
    """Look at nothing any more. For a process that is partflow's alone, before it ends.

    Where DuckDB is loaded, cycles are freed as ever: of objects that are not, nanobind would say
    that they leak.
    """
    if "duckdb" not in sys.modules:
        gc.freeze()
