"""Why a worker process ended, in words: its exit code, and the stack that it wrote at the end.

Knows nothing of processes; it reads what is left of them. The stack is in the form of Python's
faulthandler, most recent call first.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

_OWN = Path(__file__).resolve().parents[2]
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
        said = (signal.strsignal(-code) or "").lower()
        hint = _HINTS.get(signal.Signals(-code), "")
    except ValueError:
        return f"signal {-code}"
    return f"signal {-code}: {said}{hint}"


def last_place(text: str, root: Path) -> tuple[str, str]:
    """The user's own line in the last stack in a text, and the stack down to it; else empty."""
    heads = list(_HEAD.finditer(text))
    if not heads:
        return "", ""
    shown = [heads[-1][0]]
    for line in text[heads[-1].end() :].splitlines()[1:]:
        found = _FRAME.match(line)
        if not found:
            break
        shown.append(line)
        if _is_users(Path(found[1]), root):
            place = f"{Path(found[1]).relative_to(root).as_posix()}:{found[2]}"
            return place, "\n".join(shown) + "\n"
    return "", ""


def _is_users(path: Path, root: Path) -> bool:
    return (
        path.is_relative_to(root)
        and not {"site-packages", "dist-packages"} & set(path.parts)
        and not path.is_relative_to(_OWN)
    )
