"""Begins a process of this Python beside this one, with a channel to it, and ends it with all.

Knows nothing of what the process does or says.
"""

from __future__ import annotations

import os
import signal
import subprocess  # this Python with a module of partflow  # nosec B404
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair

from partflow.process.spool import Spool

MOMENT = 0.2
"""Seconds that a process is given to end by itself before it is killed."""


def begun(
    main: str, words: Sequence[str], root: Path, spool: Spool
) -> tuple[subprocess.Popen[bytes], Connection]:
    """A process in the folder `root` that runs the module `main`, and the channel to it.

    Its first word is the descriptor of its end of the channel, then come `words`; it writes to the
    spool. OSError if none can be begun; then the spool is closed.
    """
    try:
        ours, theirs = socketpair()
        with ours, theirs:
            process = subprocess.Popen(  # noqa: S603 - this very Python  # nosec B603
                [sys.executable, "-P", "-m", main, str(theirs.fileno()), *words],
                stdin=subprocess.DEVNULL,
                stdout=spool.descriptor,
                stderr=spool.descriptor,
                pass_fds=[theirs.fileno()],
                process_group=0,  # so that Ctrl-C on the terminal does not reach it
                cwd=root,
            )
            return process, Connection(ours.detach())
    except OSError:
        spool.close()
        raise


def end(process: subprocess.Popen[bytes], *, is_gone: bool = False) -> int:
    """End a process and all that it has begun; its exit code, as of `Popen`.

    If it `is_gone`, it ends by itself, if it has not yet; else it is asked to first.
    """
    if not is_gone:
        process.terminate()  # It writes where it is, and ends.
    with suppress(subprocess.TimeoutExpired):
        process.wait(MOMENT)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()
