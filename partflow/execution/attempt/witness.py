"""Sees what a call touches beside its inputs: files that it opens, programs, addresses.

Knows nothing of tasks, or of where this is recorded. It listens to Python's audit events. Libraries
that act outside of Python, such as polars and DuckDB when they read a file, raise no such events.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from partflow.metastore.record import Seen

MOST: Final = 100
"""The most files of one call that are named; one more entry says how many others there were."""
_OTHERS: Final = frozenset({"site-packages", "dist-packages", "node_modules"})


@dataclass(slots=True, eq=False)
class Call:
    """A call that is under way, and what it was seen to touch so far.

    `root` is the project's folder, `warehouse` that of all data, and `own` that of partflow alone.
    Calls are compared by identity.
    """

    root: str
    warehouse: str
    own: str
    opened: dict[str, None] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    programs: dict[str, None] = field(default_factory=dict)
    names: dict[tuple[str, str], None] = field(default_factory=dict)
    addresses: dict[tuple[str, str], None] = field(default_factory=dict)

    def seen(self, inputs: Callable[[], Collection[str]]) -> tuple[Seen, ...]:
        """What the call touched, in order of names; files with their present SHA-256.

        `inputs` gives the paths of its inputs. These are left out, and so are files that the call
        wrote itself, and files of modules.
        """
        if not (self.opened or self.programs or self.names or self.addresses):
            return ()
        without = self.written.union(inputs()) if self.opened else set[str]()
        files = sorted(_without_modules(self.opened.keys() - without))
        digests = [(path, _digest(path)) for path in files]
        seen_files = [
            Seen("file", _below(path, self.root), d) for path, d in digests if d is not None
        ]
        if len(seen_files) > MOST:
            seen_files = [
                *seen_files[:MOST],
                Seen("file", f"and {len(seen_files) - MOST:,} more", None),
            ]
        seen_files += [Seen("program", name, None) for name in sorted(self.programs)]
        # A host that was looked up by name is then connected to by one of its numbers.
        ports = {port for _, port in self.names}
        spoken = set(self.names) | {
            address for address in self.addresses if address[1] not in ports
        }
        texts = {f"{host}:{port}" if port else host for host, port in spoken}
        return (*seen_files, *(Seen("address", text, None) for text in sorted(texts)))


_UNDER_WAY: Final[list[Call]] = []
_OWN: ContextVar[Call | None] = ContextVar("call", default=None)
_INSTALLED: Final[list[bool]] = []
_DIGESTS: Final[dict[tuple[str, int, int, int], str]] = {}


@contextmanager
def watched(root: Path, warehouse: Path, own: Path) -> Iterator[Call]:
    """Watch this thread until the end of the block, and threads that have no call of their own."""
    if not _INSTALLED:
        _INSTALLED.append(True)
        sys.addaudithook(_hear)  # It stays until the process ends: a hook cannot be removed.
    call = Call(f"{root}{os.sep}", f"{warehouse}{os.sep}", f"{own}{os.sep}")
    token = _OWN.set(call)
    _UNDER_WAY.append(call)
    try:
        yield call
    finally:
        _UNDER_WAY.remove(call)
        _OWN.reset(token)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Hear an audit event; most events cost only the first line."""
    if not _UNDER_WAY or event not in _HEARD:
        return
    try:
        call = _OWN.get()
        if call is not None:
            _HEARD[event](call, arguments)
        elif threading.get_ident() != threading.main_thread().ident:
            # A thread that a task or its library has begun: nobody can tell which task's.
            for each in tuple(_UNDER_WAY):  # A copy, because other threads may end their calls.
                if not _is_in(each.warehouse, arguments):
                    _HEARD[event](each, arguments)
    except Exception:  # noqa: BLE001 - what is raised here would end the user's own call
        return


def _is_in(folder: str, arguments: tuple[Any, ...]) -> bool:
    path = _path(arguments[0]) if arguments else None
    return path is not None and path.startswith(folder)


def _path(given: object) -> str | None:
    """The absolute path for a path that was given; None for a descriptor."""
    if not isinstance(given, str | bytes | os.PathLike):
        return None
    text = os.fsdecode(given)
    return os.path.normpath(text if text.startswith(os.sep) else os.path.join(os.getcwd(), text))  # noqa: PTH109, PTH118 - cheap, and without events of its own


def _opened(call: Call, arguments: tuple[Any, ...]) -> None:
    path, mode, flags = _path(arguments[0]), *arguments[1:3]
    if path is None or not _is_of_interest(call, path):
        return
    if isinstance(mode, str):
        makes, adds = "w" in mode or "x" in mode, "a" in mode
    elif flags & getattr(os, "O_DIRECTORY", 0):
        return  # a folder, as the store opens one to look at many of its files
    else:
        makes, adds = bool(flags & os.O_TRUNC), False
        adds = not makes and flags & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
    if makes:
        call.written.add(path)
    elif not adds and path not in call.written and not _is_sql_of_a_module():
        call.opened[path] = None


def _is_of_interest(call: Call, path: str) -> bool:
    if not path.startswith(call.root) or path.startswith(call.own):
        return False
    folders = path[len(call.root) :].split(os.sep)[:-1]  # noqa: PTH206 - a text
    hidden = any(name.startswith(".") or name in _OTHERS for name in folders)
    return not hidden and not path.startswith(f"{sys.prefix}{os.sep}")


def _is_sql_of_a_module() -> bool:
    """Whether `sql_file` opens the file: then it is code, and its text counts as code."""
    frame: FrameType | None = sys._getframe(3)  # noqa: SLF001 - who opens the file, nothing else tells
    for _ in range(5):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") == "partflow.project.sqlfile":
            return True
        frame = frame.f_back
    return False


def _began(call: Call, program: object, words: object = ()) -> None:
    """Note a program by its name only, because its arguments may hold secrets."""
    listed = [*words] if isinstance(words, list | tuple) else []
    first = program if program is not None else listed[0]
    name = first if isinstance(first, str) else os.fsdecode(first)  # type: ignore[arg-type]
    if listed[1:2] == ["-c"] and name.endswith("sh"):  # The command for a shell.
        listed = _words(listed[2])
        name = listed[0]
    call.programs[_below(name, call.root)] = None
    for word in (name, *listed):
        path = _path(word)
        if path is not None and _is_of_interest(call, path):
            call.opened[path] = None


def _commanded(call: Call, command: object) -> None:
    words = _words(command)
    _began(call, words[0], words)


def _words(command: object) -> list[str]:
    """The words of a command for a shell."""
    text = command if isinstance(command, str) else os.fsdecode(command)  # type: ignore[arg-type]
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _connected(call: Call, address: object) -> None:
    if isinstance(address, tuple) and len(address) > 1:
        call.addresses[str(address[0]), str(address[1])] = None
    elif isinstance(address, str | bytes) and address:
        call.addresses[os.fsdecode(address), ""] = None


def _asked(call: Call, host: object, port: object) -> None:
    if isinstance(host, str | bytes) and host:
        call.names[os.fsdecode(host), "" if port is None else str(port)] = None


_HEARD: Final[dict[str, Callable[[Call, tuple[Any, ...]], None]]] = {
    "open": _opened,
    "sqlite3.connect": lambda call, a: _opened(call, (a[0], "r", 0)),
    "subprocess.Popen": lambda call, a: _began(call, a[0], a[1]),
    "os.system": lambda call, a: _commanded(call, a[0]),
    "os.exec": lambda call, a: _began(call, a[0], a[1]),
    "os.posix_spawn": lambda call, a: _began(call, a[0], a[1]),
    "os.spawn": lambda call, a: _began(call, a[1], a[2]),
    "os.startfile": lambda call, a: _began(call, a[0]),
    "pty.spawn": lambda call, a: _began(call, None, a[0]),
    "socket.connect": lambda call, a: _connected(call, a[1]),
    "socket.sendto": lambda call, a: _connected(call, a[1]),
    "socket.sendmsg": lambda call, a: _connected(call, a[1]),
    "socket.getaddrinfo": lambda call, a: _asked(call, a[0], a[1]),
    "socket.gethostbyname": lambda call, a: _asked(call, a[0], None),
}


def _without_modules(paths: Collection[str]) -> Iterator[str]:
    """The paths without those of imported modules; a compiled file counts as its source."""
    if not paths:
        return
    modules = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for path in paths:
        source = path
        if os.path.basename(os.path.dirname(path)) == "__pycache__":  # noqa: PTH119, PTH120 - texts
            try:
                source = importlib.util.source_from_cache(path)
            except ValueError:
                continue
        if source not in modules:
            yield source


def _digest(path: str) -> str | None:
    """The SHA-256 of a file, read again only if its stat has changed; None if it is no file."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - a text
        known = path, stat.st_mtime_ns, stat.st_size, stat.st_ino
        if known not in _DIGESTS:
            if not Path(path).is_file():
                return None
            with open(path, "rb") as file:  # noqa: PTH123 - a text
                _DIGESTS[known] = hashlib.file_digest(file, "sha256").hexdigest()
        return _DIGESTS[known]
    except OSError:
        return None


def _below(path: str, root: str) -> str:
    return path.removeprefix(root).replace(os.sep, "/")


def changed_since(root: Path, seen: Seen) -> str:
    """How a file that a call opened has changed since: "" if it has not, or if it is no file."""
    if seen.kind != "file" or seen.sha256 is None:
        return ""
    present = _digest(f"{root}{os.sep}{seen.what.replace('/', os.sep)}")
    if present is None:
        return "is gone since"
    return "" if present == seen.sha256 else "has changed since"
