"""What a process does that asks sources' functions: it loads the project and calls them.

Knows nothing of when they are to be asked, or of what becomes of the answers. It ends with the
process that began it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from partflow.declarations.dataset import Source
from partflow.partitions.sets import Partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from partflow.declarations.graph import Graph

    Question = tuple[str, int]
    """A source's name, and the ordinal of the partition that is asked about."""

SIDE_BY_SIDE = 8
"""How many functions are called at a time: they mostly wait for somebody else."""


def main(words: list[str]) -> NoReturn:
    """Be such a process; `words` are the channel's descriptor, the root, and the overrides.

    It says ("loaded", 0), or ("unable", 0, why). Then it hears its questions, and says of each by
    its number ("begun", n), and then ("said", n, text) or ("failed", n, why).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(signal.SIGTERM, chain=True)  # It writes where it is, and ends.
    channel, root = Connection(int(words[0])), Path(words[1])
    os.chdir(root)
    try:
        from partflow.project.project import Project

        graph = Project.load_quietly(root, overrides=json.loads(words[2])).graph
    except BaseException as error:  # noqa: BLE001 - the user's modules may raise anything
        channel.send(("unable", 0, f"{type(error).__name__}: {error}"))
        sys.exit(1)
    channel.send(("loaded", 0))
    questions: Sequence[Question] = channel.recv()
    threading.Thread(target=_end_with, args=(channel,), daemon=True).start()
    lock = threading.Lock()

    def say(*message: object) -> None:
        with lock:
            channel.send(message)

    def answer(number: int, question: Question) -> None:
        say("begun", number)
        try:
            text = _asked(graph, question)
        except BaseException as error:  # noqa: BLE001 - the user's function may raise anything
            say("failed", number, _told(error, root))
        else:
            say("said", number, text)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for number, question in enumerate(questions):
            pool.submit(answer, number, question)
    sys.stdout.flush()
    os._exit(0)  # A thread that the user's code has begun keeps nothing alive.


def _asked(graph: Graph, question: Question) -> str | None:
    """What a source's function says of a partition; TypeError or ValueError if it is no text."""
    name, ordinal = question
    source = graph.datasets[name]
    assert isinstance(source, Source)
    assert source.fingerprint is not None
    text: object = source.fingerprint(Partition.of(source.grain, ordinal))
    if text is not None and not isinstance(text, str):
        raise TypeError(f"it returned {type(text).__name__}, and no text; return a str, or None")
    if text is not None:
        text.encode()
    return text


def _told(error: BaseException, root: Path) -> str:
    """What was raised, and the user's own line if there is one."""
    text = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f for f in frames if Path(f.filename).is_relative_to(root)]
    if not lines:
        return text
    return f"{text} ({Path(lines[-1].filename).relative_to(root).as_posix()}:{lines[-1].lineno})"


def _end_with(channel: Connection) -> None:
    """End this process once the one that asks has closed the channel, or died."""
    try:
        channel.recv()
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
