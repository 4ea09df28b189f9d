"""The program: how signals end it from its first moment to its last, and then the command line.

Knows nothing of commands. What is heavy is imported when signals are in hand.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

from partflow.process.garbage import begin_loading, end_process
from partflow.process.streams import set_up
from partflow.process.surroundings import react

INTERRUPTED = 130
_ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def program() -> int:
    """Carry out the command line of this process; its exit code.

    SIGTERM and SIGHUP end it as Ctrl-C does, also while modules are imported. What comes after the
    first ends it at once, but for a run, which has ways of its own.
    """
    begin_loading()
    set_up()
    atexit.register(_ignore)  # the first to be registered is the last to be called
    try:
        react({n: _interrupt for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN})
        from partflow.cli import main

        code = main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    _end_by(code)
    end_process()
    return code


def _interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signals call it
    _end_by(INTERRUPTED)
    raise KeyboardInterrupt


def _end_by(code: int) -> None:
    """From now on signals end the process at once, with that code."""

    def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        os._exit(code)

    react({n: end for n in _ENDING if signal.getsignal(n) is not signal.SIG_IGN})


def _ignore() -> None:
    """Let no signal take the place of the exit code while Python takes itself apart."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(program())
