"""The command line: parses, calls the project, prints, and ends with an exit code.

Knows nothing of how anything is decided or done. Commands import what is heavy when they are
called, so that `--help` does not wait for it.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import click

from partflow.cli.accept import accept, check
from partflow.cli.graph import graph, ls
from partflow.cli.init import init
from partflow.cli.look import status, why
from partflow.cli.make import backfill, materialize, plan
from partflow.cli.notifying import notify
from partflow.cli.pausing import pause, resume
from partflow.cli.query import query
from partflow.cli.runs import cancel, logs, runs
from partflow.cli.serve import serve
from partflow.cli.session import FAILED, INTERRUPTED, Session
from partflow.cli.upkeep import gc, rollback, state
from partflow.errors import PartflowError, advice_of
from partflow.process.streams import OutputLostError, let_be_lost, refusal, spoken
from partflow.report.text import print_json, printable

_BROKEN_PIPE = 141


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  partflow init shop && cd shop && partflow materialize",
)
@click.option(
    "--project",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="The project's folder; the nearest upwards from the working directory if not given.",
)
@click.version_option(package_name="partflow", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context, folder: str | None) -> None:
    """Date-partitioned data that is made exactly where it could differ, and says why."""
    session = context.ensure_object(Session)
    session.folder = folder
    if context.invoked_subcommand in _WORKING:
        let_be_lost()


_COMMANDS = (
    init, ls, graph, plan, materialize, backfill, accept, check, status, why, query, runs, logs,
    cancel, rollback, gc, pause, resume, notify, state, serve,
)  # fmt: skip
for command in _COMMANDS:
    commands.add_command(command)


_CHANGING = (
    init,
    materialize,
    backfill,
    accept,
    cancel,
    rollback,
    gc,
    pause,
    resume,
    notify,
    state,
    serve,
)
_WORKING = {c.name for c in _CHANGING}
"""Commands that change something: their work is done even if their output is lost."""

_OF_DISK = {errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS}
"""Numbers of errors of the disk or its limits, which are no bug even if they name no file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry a command line out, by default that of this process; returns the exit code."""
    words = [spoken(w) for w in sys.argv[1:]] if arguments is None else list(arguments)
    session = Session(command=shlex.join(["partflow", *words]))
    _have_threads_sleep()
    _print_what_it_can()
    try:
        code = commands.main(words, prog_name="partflow", standalone_mode=False, obj=session)
        _tell_of_lost_output()
    except OutputLostError as error:
        return _code_of_lost_output(error, session)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return _documented(words, error.format_message(), error.exit_code)
    except PartflowError as error:
        # It may quote files and paths, with characters that a terminal would obey.
        message = "\n".join(printable(line) for line in str(error).split("\n"))
        click.echo(f"error: {message}", err=True)
        return _documented(words, str(error), error.exit_code)
    except OSError as error:
        if error.filename is None and error.errno not in _OF_DISK:
            raise
        where = error.filename2 or error.filename or "a file of the warehouse"
        named = os.fsdecode(where) if isinstance(where, bytes) else str(where)
        message = f"{printable(named)}: {error.strerror}; {advice_of(error)}, and run again"
        click.echo(f"error: {message}", err=True)
        return _documented(words, message, 2)
    except Exception as error:
        met = _met_by_metastore(session, error)
        if met is None:
            raise
        click.echo(f"error: {met}", err=True)
        return _documented(words, met, 2)
    return code if isinstance(code, int) else 0


def _documented(words: Sequence[str], message: str, code: int) -> int:
    """Print an error as JSON if JSON was asked for; returns the exit code."""
    if "--output=json" in words or ("--output", "json") in pairwise(words):
        with suppress(OutputLostError):  # It is on stderr already.
            print_json({"error": message, "exit_code": code})
    return code


def _code_of_lost_output(error: OutputLostError, session: Session) -> int:
    """Say why the output of a command that only prints is lost; returns the exit code.

    If the reader has closed the pipe, nothing is said.
    """
    if isinstance(error.refusal, BrokenPipeError):
        return _BROKEN_PIPE
    click.echo(f"error: {error}", err=True)
    return INTERRUPTED if session.stopped else FAILED


def _tell_of_lost_output() -> None:
    lost = refusal()
    if lost is not None and not isinstance(lost, BrokenPipeError):
        message = "what was printed is lost: standard output cannot be written"
        click.echo(f"warning: {message} ({lost.strerror})", err=True)


def _have_threads_sleep() -> None:
    """Waste less processor time, here and in workers.

    After its start, and after each piece of work, each thread of OpenBLAS waits for more in a busy
    loop of 25 ms; this makes it half a millisecond.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")


def _met_by_metastore(session: Session, error: Exception) -> str | None:
    """What is said of an error that the metastore met in the middle; None if it is none of its."""
    try:
        metastore = session.history().metastore
    except (PartflowError, OSError):
        return None
    return metastore.problem_of(error)


def _print_what_it_can() -> None:
    """Let stdout and stderr write a replacement for a letter that they cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if encoding != "utf8" else "backslashreplace")
