"""When a process of partflow's own looks for cycles among its objects.

Not while it loads modules, which make many objects that stay: to look at those again and again is
a twentieth of a run with nothing to do. And seldom afterwards, since a run makes many objects, and
hardly a cycle of them.
"""

from __future__ import annotations

import gc
from typing import Final

_NEW_OBJECTS: Final = 10_000
"""Python looks again after so many new objects; its own number is 700."""

_LOADING: Final[list[bool]] = []


def begin_loading() -> None:
    """Look at nothing until `end_loading`. For a process that is partflow's alone."""
    _LOADING.append(True)
    gc.disable()


def end_loading() -> None:
    """Look seldom from now on, and never again at what there is by now.

    In a process that did not begin so it changes nothing: that is somebody else's.
    """
    if _LOADING:
        _LOADING.clear()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()
