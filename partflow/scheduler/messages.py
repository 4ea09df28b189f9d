"""What the process that leads and its children say to each other, and how that becomes bytes.

Knows nothing of how a child begins or ends. What comes from a child is made of the types that are
named here and of nothing else, so that no module of the user's can be imported by reading it.
"""

from __future__ import annotations

import io
import pickle  # only the types below are read from it  # nosec B403
from dataclasses import dataclass
from typing import Any, Final

from partflow.scheduler.outlook import Outlook, Root, Steps, Trouble
from partflow.scheduler.tries import Tries

# --- to a child ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskLook:
    """Look at the warehouse and answer `LookDone`: at everything, or at what may still change.

    `at` is the time that counts, in epoch seconds; None is that of the wall.
    """

    at_all: bool
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Carry a run out of at most so many steps that are due; answer `Leased` and then `Ended`.

    `command` is what the record calls it. With `jobs` workers; if it `is_apart`, the child calls no
    task itself, so that what ends a process costs one step. `at` is as in `AskLook`.
    """

    at_most: int
    command: str
    jobs: int = 1
    is_apart: bool = False
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """Let the run begin nothing more; with `now` give up what is under way, too."""

    now: bool


ToChild = AskLook | Begin | Halt

# --- from a child ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """The project is loaded, as of the digest `graph`.

    `files` are the paths of what it was loaded from: a change of one makes the child outdated.
    `folders` are those in which sources' files come.
    """

    graph: str
    files: tuple[str, ...]
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """The project cannot be loaded; `said` is the error, with the user's own file and line."""

    said: str


@dataclass(frozen=True, slots=True)
class LookDone:
    """What a look has seen; `memory` is the child's resident memory in bytes."""

    outlook: Outlook
    memory: int = 0


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A look that failed, and why: the disk, the metastore, the clock."""

    said: str


@dataclass(frozen=True, slots=True)
class Leased:
    """The run has taken its lease, and has so many steps: looks from now on leave them out."""

    steps: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """So many steps of the run have ended, and so many of these failed."""

    finished: int
    failed: int


@dataclass(frozen=True, slots=True)
class StepLost:
    """A step of the run has failed for good. `said` is the error, `place` the user's own line."""

    task: str
    key: str
    said: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended. `said` is why it could not be carried out, or remembered; "" if it was.

    `is_met` says that another run was at the same partitions, so that this one did nothing.
    """

    run: str = ""
    ran: int = 0
    unchanged: int = 0
    failed: int = 0
    blocked: int = 0
    cancelled: int = 0
    said: str = ""
    is_met: bool = False
    memory: int = 0


FromChild = Loaded | NotLoaded | LookDone | LookFailed | Leased | Progressed | StepLost | Ended


class UnknownMessageError(Exception):
    """Bytes that no child of this version sends."""


_OWN: Final[tuple[type, ...]] = (
    AskLook, Begin, Halt, Loaded, NotLoaded, LookDone, LookFailed, Leased, Progressed, StepLost,
    Ended, Outlook, Steps, Root, Trouble, Tries,
)  # fmt: skip
_KNOWN: Final = {
    *((kind.__module__, kind.__qualname__) for kind in _OWN),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


def packed(message: ToChild | FromChild) -> bytes:
    """A message as bytes."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def unpacked(data: bytes) -> ToChild | FromChild:
    """The message that was packed; UnknownMessageError if it is none, or names another type."""
    try:
        message = _Known(io.BytesIO(data)).load()
    except UnknownMessageError:
        raise
    except Exception as error:
        raise UnknownMessageError(f"{type(error).__name__}: {error}") from error
    if not isinstance(message, ToChild | FromChild):
        raise UnknownMessageError(f"a {type(message).__name__} is no message")
    return message


class _Known(pickle.Unpickler):
    """Reads the types of messages only."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise UnknownMessageError(f"{module}.{name} is in no message")
        return super().find_class(module, name)
