"""Tells people by a command: it gets the document on standard input, the words in its environment.

Knows nothing of what the command does. It went if the command ends with 0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess  # nosec B404
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from partflow.report.document import document
from partflow.report.notice import NoticeReport
from partflow.scheduler.channels.channel import Hiding

_LETTERS = 50_000
"""A variable of the environment holds no more: the system sets a limit."""
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class ByCommand:
    """A command, called in the folder `root`; `hiding` is what must not be said of its output."""

    name: str
    words: tuple[str, ...]
    root: Path
    environment: Mapping[str, str] = field(repr=False)
    hiding: Hiding
    timeout: float

    def send(self, notice: NoticeReport, now: float) -> str | None:  # noqa: ARG002 - of the protocol
        """Why a message did not go; None if the command ended with 0."""
        environment = {
            **self.environment,
            "NOTICE_ID": notice.id,
            "NOTICE_SUBJECT": notice.subject,
            "NOTICE_TEXT": notice.text[:_LETTERS],
        }
        with TemporaryFile() as given, TemporaryFile() as said:
            given.write(json.dumps(document(notice)).encode())
            given.seek(0)
            try:
                # It is the user's own command.
                process = subprocess.Popen(  # noqa: S603 # nosec B603
                    self.words, cwd=self.root, env=environment, stdin=given,
                    stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no command"
                return self.hiding.without(f"{self.words[0]}: {reason}")
            return self._ended(process, said)

    def _ended(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> str | None:
        try:
            code = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"{self.words[0]} took longer than {self.timeout:g} s, and was ended"
        if not code:
            return None
        ended = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        return self.hiding.without(f"{self.words[0]} {ended}{_last_line(said)}")


def _last_line(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL))
    lines = said.read().decode(errors="replace").split("\n")
    # The beginning of a longer line might be half of a secret.
    whole = [line.strip() for line in (lines if size <= _TAIL else lines[1:]) if line.strip()]
    return f": {whole[-1]}" if whole else ""
