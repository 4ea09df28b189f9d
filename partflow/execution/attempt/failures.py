"""Says why an attempt failed, in the user's terms: what was raised, at which line of their code.

Knows nothing of how an attempt reads, calls or stores.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from partflow.declarations.parameters import ParameterKind
from partflow.errors import MovedError, PartflowError, ReadError, ResultError, advice_of
from partflow.execution.attempt.assignment import Work
from partflow.execution.orders import Attempt, Failure
from partflow.formats.frames import explain
from partflow.formats.known import table_of
from partflow.partitions.keytexts import shown_key
from partflow.warehouse.reading import keys_of


def refused(work: Work, attempt: Attempt, error: BaseException) -> Failure:
    """The failure of an attempt that could not be stored; its staged files are removed."""
    with suppress(OSError):
        work.store.discard(work.name_of(attempt, i) for i in range(len(work.task.writes)))
    return failure_of(error, work)


def _file_behind(error: BaseException, work: Work) -> ReadError | None:
    """The error of the file that made a lazy read fail; None if it was none.

    polars raises it only when the frame is computed, and does not name the file.
    """
    if not type(error).__module__.startswith("polars"):
        return None
    for i, task_input in enumerate(work.task.inputs):
        if (
            task_input.kind is not ParameterKind.LAZY
        ):  # Others were read by partflow, or not at all.
            continue
        dataset = task_input.read.dataset
        keys = keys_of(dataset, work.wanted(i).ordinals)
        paths = list(work.store.read(dataset, keys).paths)
        error_of_file = explain(paths, table_of(dataset))
        if error_of_file is not None:
            return error_of_file
    return None


def failure_of(raised: BaseException, work: Work) -> Failure:
    """The failure for what was raised: its message, the user's own line, and the traceback.

    partflow's own frames are left out of the traceback.
    """
    error, task, root = _file_behind(raised, work) or raised, work.task, work.store.layout.root
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if not Path(f.filename).resolve().is_relative_to(_OWN)]
    lines = [f for f in frames if _is_below(f.filename, root)]
    code = getattr(_innermost(task.function), "__code__", None)
    if lines:
        place = f"{_relative(lines[-1].filename, root)}:{lines[-1].lineno}"
    elif code is not None:
        place = f"{_relative(code.co_filename, root)}:{code.co_firstlineno}"
    else:
        place = task.place
    known = isinstance(error, PartflowError)
    message = text_of(error) if known else f"{type(error).__name__}: {text_of(error)}"
    if isinstance(error, ResultError) and len(task.writes) == 1:
        message = f"{error.problem}; {error.advice}"  # The dataset and key are printed before it.
    elif isinstance(error, OSError) and error.errno and not lines:
        where = error.filename or f"a new file below {work.store.layout.warehouse}"
        message = f"{where}: {error.strerror}; {advice_of(error)}, and run again"
    trace = "" if known or not lines else _trace(error, users)
    # Failures are sent and recorded, so they have no absolute path below the project.
    message, trace = (work.store.layout.shown(_unstaged(t, work)) for t in (message, trace))
    if isinstance(error, MovedError):
        return Failure(message.strip(), is_final=True)  # no line of the user's is at fault
    return Failure(message.strip(), place, trace, isinstance(error, ResultError))


def _unstaged(message: str, work: Work) -> str:
    """The message with paths of staged files replaced by the names of their partitions."""
    for attempt in work.order.attempts:
        for i, dataset in enumerate(work.task.writes):
            name = f"the new file of {dataset.name}@{shown_key(attempt.lineage.key)}"
            staged = work.store.layout.staged(work.name_of(attempt, i))
            message = message.replace(str(staged), name)
    return message


def text_of(error: BaseException) -> str:
    """The text of an exception, even if its `__str__` raises."""
    try:
        return str(error)
    except Exception as again:  # noqa: BLE001 - the user's own
        return f"(it has no text: {type(again).__name__} in its __str__)"


def _innermost(function: Callable[..., object]) -> object:
    inner: object = function
    while hasattr(inner, "__wrapped__") or hasattr(inner, "func"):
        inner = getattr(inner, "__wrapped__", None) or getattr(inner, "func", None)
    return inner


def _is_below(filename: str, root: Path) -> bool:
    path = Path(filename)
    outside = {"site-packages", "dist-packages"} & set(path.parts)
    return (
        path.is_absolute()
        and path.is_relative_to(root)
        and not outside
        and (not path.is_relative_to(Path(sys.prefix)) and not path.is_relative_to(_OWN))
    )


_OWN = Path(__file__).resolve().parents[2]


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _trace(error: BaseException, frames: Sequence[traceback.FrameSummary]) -> str:
    """The traceback as Python prints it, from the user's first frame on."""
    lines = traceback.format_list(list(frames))
    return "".join(
        [
            "Traceback (most recent call last):\n",
            *lines,
            *traceback.format_exception_only(type(error), error),
        ]
    )
