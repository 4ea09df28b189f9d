"""How a process ended, in words, and where it was: read from its exit code and its last output.

Knows nothing of what the process was for.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

_OWN = Path(__file__).resolve().parents[1]
_HEAD = re.compile(r"^(?:Current thread .*|Stack) \(most recent call first\):$", re.MULTILINE)
_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+) in ')
_HINTS = {
    signal.SIGKILL: "; out of memory?",
    signal.SIGSEGV: "; a crash in a library?",
    signal.SIGABRT: "; a crash in a library?",
    signal.SIGBUS: "; a crash in a library?",
}


def ended(code: int) -> str:
    """How a process ended: `exit code 3`, `signal 9: killed; out of memory?`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = (signal.strsignal(-code) or "").lower()
        hint = _HINTS.get(signal.Signals(-code), "")
    except ValueError:
        return f"signal {-code}"
    return f"signal {-code}: {name}{hint}"


def last_place(text: str, root: Path) -> tuple[str, str]:
    """The user's own line in the last stack trace of a text, and that stack down to the line.

    Both are "" if there is none.
    """
    heads = list(_HEAD.finditer(text))
    if not heads:
        return "", ""
    shown = [heads[-1][0]]
    for line in text[heads[-1].end() :].splitlines()[1:]:
        frame = _FRAME.match(line)
        if not frame:
            break
        shown.append(line)
        if _is_users(Path(frame[1]), root):
            place = f"{Path(frame[1]).relative_to(root).as_posix()}:{frame[2]}"
            return place, "\n".join(shown).replace(f"{root}/", "") + "\n"
    return "", ""


def _is_users(path: Path, root: Path) -> bool:
    return (
        path.is_relative_to(root)
        and not {"site-packages", "dist-packages"} & set(path.parts)
        and not path.is_relative_to(_OWN)
    )
