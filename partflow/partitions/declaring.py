"""Says where something is declared, and notes for a load what modules declare while it imports.

Knows nothing of what is declared. There is no registry: the notes belong to one load of a project
and end with it. While no load is under way, nothing is noted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType

from partflow.errors import DeclarationError

if TYPE_CHECKING:
    from types import FrameType

Place = NewType("Place", str)
"""Where something is declared, relative to the project: `jobs/sales.py:12`."""

SRC = "src"
"""A folder in the root that holds packages and is none itself."""


@dataclass(frozen=True, slots=True)
class Constructed:
    """A dataset, task or effect, and the name of the module whose import constructed it."""

    declared: object
    module: str


@dataclass(slots=True)
class Declaring:
    """What one load has noted: all that was constructed, and all errors, both in order.

    `wrong` holds for each error the object that it is about, or None. What is made of such an
    object is not called wrong for that, too.
    """

    constructed: list[Constructed] = field(default_factory=list)
    errors: list[DeclarationError] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)


_UNDER_WAY: ContextVar[Declaring | None] = ContextVar("declaring", default=None)


@contextmanager
def declaring() -> Iterator[Declaring]:
    """Note what this thread declares while the context is open."""
    load = Declaring()
    token = _UNDER_WAY.set(load)
    try:
        yield load
    finally:
        _UNDER_WAY.reset(token)


def note(declared: object) -> None:
    """Tell the load that is under way, if there is one, what was constructed."""
    load = _UNDER_WAY.get()
    if load is not None:
        frame = _declaring_frame()
        while frame is not None and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        load.constructed.append(Constructed(declared, "" if frame is None else _module(frame)))


def refuse(error: DeclarationError, wrong: object = None) -> None:
    """Raise the error of a declaration if no load is under way; else have the load note it.

    If it is noted, the caller goes on with something neutral in the place of what is `wrong`, so
    that the user is told all errors at once.
    """
    load = _UNDER_WAY.get()
    if load is None:
        raise error from None
    load.errors.append(error)
    load.wrong.append(wrong)


def is_refused(declared: object) -> bool:
    """Whether the load that is under way has noted that this object is wrong."""
    load = _UNDER_WAY.get()
    return load is not None and any(each is declared for each in load.wrong)


def declared_at(depth: int = 2) -> Place:
    """The line of the user's code that led here, `?` if none did.

    Of its file's path only the parts that the module's name has are kept, and `src` before them.
    The search begins at the caller's caller if `depth` is 2, and passes over partflow's own code.
    """
    frame = _declaring_frame(depth + 1)
    if frame is None:
        return Place("?")
    parts = frame.f_code.co_filename.replace("\\", "/").split("/")
    kept = _module(frame).count(".") + 1 + (parts[-1] == "__init__.py")
    kept += parts[-kept - 1 : -kept] == [SRC]
    return Place(f"{'/'.join(parts[-kept:])}:{frame.f_lineno}")


def _declaring_frame(depth: int = 2) -> FrameType | None:
    """The nearest frame, from `depth` callers on, whose module is none of partflow's own."""
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - the only way to know a caller
    while frame is not None and _module(frame).split(".")[0] == "partflow":
        frame = frame.f_back
    return frame


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
