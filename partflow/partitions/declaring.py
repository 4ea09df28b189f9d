"""Where something is declared, and what the load of a project notes while its modules declare.

Knows nothing of what is declared. There is no registry: what is noted belongs to one load and ends
with it, and without a load under way nothing is noted.
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
"""A folder in the root that packages lie in without its being one of them."""


@dataclass(frozen=True, slots=True)
class Constructed:
    """A dataset, task or effect that was constructed, and the module whose import did that."""

    declared: object
    module: str


@dataclass(slots=True)
class Declaring:
    """What one load has noted: all that was constructed, and what is wrong, both in order.

    `wrong` holds what could not be declared as it was meant, so that what is made of it is not
    called wrong for that once more.
    """

    made: list[Constructed] = field(default_factory=list)
    errors: list[DeclarationError] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)


_UNDER_WAY: ContextVar[Declaring | None] = ContextVar("declaring", default=None)


@contextmanager
def declaring() -> Iterator[Declaring]:
    """Note what is declared meanwhile in this thread."""
    noted = Declaring()
    token = _UNDER_WAY.set(noted)
    try:
        yield noted
    finally:
        _UNDER_WAY.reset(token)


def note(declared: object) -> None:
    """Have the load that is under way, if one is, know of what was constructed."""
    noted = _UNDER_WAY.get()
    if noted is not None:
        frame = _declaring_frame()
        while frame is not None and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        noted.made.append(Constructed(declared, "" if frame is None else _module(frame)))


def refuse(error: DeclarationError, wrong: object = None) -> None:
    """Raise what is wrong with a declaration; or let the load that is under way note it.

    Then the caller goes on with something neutral in the place of what is `wrong`, so that the
    user is told of all errors at once.
    """
    noted = _UNDER_WAY.get()
    if noted is None:
        raise error from None
    noted.errors.append(error)
    noted.wrong.append(wrong)


def is_refused(declared: object) -> bool:
    """Whether the load that is under way has noted that this is wrong."""
    noted = _UNDER_WAY.get()
    return noted is not None and any(each is declared for each in noted.wrong)


def declared_at(depth: int = 2) -> Place:
    """The place of the caller's caller, cut to the module's own part of the path."""
    frame = _declaring_frame(depth + 1)
    if frame is None:
        return Place("?")
    parts = frame.f_code.co_filename.replace("\\", "/").split("/")
    kept = _module(frame).count(".") + 1 + (parts[-1] == "__init__.py")
    kept += parts[-kept - 1 : -kept] == [SRC]
    return Place(f"{'/'.join(parts[-kept:])}:{frame.f_lineno}")


def _declaring_frame(depth: int = 2) -> FrameType | None:
    """The nearest frame that is none of partflow's own."""
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - the only way to know a caller
    while frame is not None and _module(frame).split(".")[0] == "partflow":
        frame = frame.f_back
    return frame


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
