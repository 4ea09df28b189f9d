"""Finds the modules that are the user's own and reads their text.

Also the SQL beside them. It does not know what they say: no module is imported or parsed here.
"""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from partflow.declarations.task import Task
from partflow.project.sqlfile import sql_for

if TYPE_CHECKING:
    from partflow.code.fingerprint import CodeFingerprint, CodeReader

_PACKAGES_OF_OTHERS: Final = frozenset(
    {"site-packages", "dist-packages", "node_modules", "__pycache__"}
)
_OWN_PACKAGE: Final = "partflow"
_IMPORTED: Final[WeakKeyDictionary[ModuleType, tuple[ModuleSpec | None, ModuleSource]]] = (
    WeakKeyDictionary()
)
"""The text of modules that this process has imported, whatever was written since.

With the module's spec of that time: a reload gives it another, and then other text counts.
"""
_EDITED: Final = (
    "{0} was edited after it was imported, and this process goes on with what it imported; "
    "reload it, or begin a new process"
)


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A module of the project; `path` is relative to the root, with forward slashes."""

    name: str
    path: str
    text: str
    is_package: bool


class ProjectModules:
    """The modules below `root`, each read once.

    Not the project: what lies in a virtual environment, among installed packages or in a hidden
    folder, what Python finds outside the root (an editable install), and partflow itself.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, ModuleSource | None] = {}
        self._places: dict[str, tuple[Path, ...]] = {}

    def source(self, module: str) -> ModuleSource | None:
        """None: not of the project. A folder without `__init__.py` is a package without text.

        Raises:
            OSError, SyntaxError, UnicodeDecodeError: it is the project's, and can't be read.
        """
        if module not in self._found:
            self._found[module] = self._read(module)
        return self._found[module]

    def keep(self, module: ModuleType) -> bool:
        """Take an imported module's text to be what it was when it was first asked for.

        Soon after it was imported, or reloaded, that is: what runs is not what was written since.
        Returns whether it was written since.
        """
        name, spec = module.__name__, getattr(module, "__spec__", None)
        try:
            now = self.source(name)
        except (OSError, SyntaxError, UnicodeDecodeError):
            now = None  # told of when it is needed
        kept = _IMPORTED.get(module)
        if kept is None or kept[0] is not spec:
            if now is None:
                return False
            kept = _IMPORTED[module] = spec, now
        self._found[name] = kept[1]
        return now != kept[1]

    def sql(self, module: str, path: str) -> tuple[str, str] | None:
        """What `sql_file(path)` in a module of the project reads: its path from the root, its text.

        Of a module that is imported it is what was read first. None: it can't be read, or lies
        outside of the root.
        """
        source = self.source(module)
        if source is None:
            return None
        folder = (self._root / source.path).parent
        # By its words: where a link leads does not matter, as for modules.
        named = Path(os.path.normpath(folder / path))
        if not named.is_relative_to(os.path.normpath(self._root)):
            return None
        spec = getattr(sys.modules.get(module), "__spec__", None)
        try:
            text = sql_for(spec, folder, path)
        except (OSError, UnicodeDecodeError):
            return None
        return named.relative_to(os.path.normpath(self._root)).as_posix(), text

    def _read(self, module: str) -> ModuleSource | None:
        parts = module.split(".")
        if parts[0] == _OWN_PACKAGE or not all(part.isidentifier() for part in parts):
            return None
        for folder in self._folders(parts[0]):
            for path in _candidates(folder, parts):
                if path.is_file() and self._is_own(path):
                    return self._loaded(module, path)
        for folder in self._folders(parts[0]):
            path = folder.joinpath(*parts)
            if path.is_dir() and self._is_own(path) and _holds_python(path):
                return ModuleSource(module, self._relative(path), "", is_package=True)
        return self._main(module)

    def _folders(self, top: str) -> tuple[Path, ...]:
        """Where the top-level package may lie: the root, else where Python finds it (`src`)."""
        if top not in self._places:
            self._places[top] = (self._root, *_found_by_python(top))
        return self._places[top]

    def _main(self, module: str) -> ModuleSource | None:
        """A script that is being run has no name of its own to be found by."""
        file = getattr(sys.modules.get(module), "__file__", None) if module == "__main__" else None
        path = Path(file) if isinstance(file, str) else None
        if path is None or path.suffix != ".py" or not path.is_file() or not self._is_own(path):
            return None
        return self._loaded(module, path)

    def _loaded(self, module: str, path: Path) -> ModuleSource:
        text = importlib.util.decode_source(path.read_bytes())
        is_package = path.name == "__init__.py"
        return ModuleSource(module, self._relative(path), text, is_package)

    def _relative(self, path: Path) -> str:
        if path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        return path.resolve().relative_to(self._root.resolve()).as_posix()

    def _is_own(self, path: Path) -> bool:
        # A link that the user put below the root is the user's project wherever it leads; what
        # Python found by itself has to lie below the root really.
        if not path.is_relative_to(self._root):
            if not path.resolve().is_relative_to(self._root.resolve()):
                return False
            path = self._root / path.resolve().relative_to(self._root.resolve())
        folder = path.parent if path.suffix else path
        while folder != self._root:
            if folder.name in _PACKAGES_OF_OTHERS or folder.name.startswith("."):
                return False
            if (folder / "pyvenv.cfg").exists():
                return False
            folder = folder.parent
        return True


def codes_of(
    root: Path, jobs: tuple[str, ...] = (), stacklevel: int = 1
) -> Callable[[Task], CodeFingerprint]:
    """Tells the code fingerprints of tasks that are imported, from the text that was imported.

    `jobs` are the modules, and packages of modules, in which tasks are declared.
    What is edited afterwards does not count: this process would not run it. A warning says so, at
    the caller that many calls above.
    """
    modules = ProjectModules(root)
    for module in list[object](sys.modules.values()):
        file = str(getattr(module, "__file__", None))
        is_near = file.startswith(f"{root}{os.sep}") and "site-packages" not in file
        if is_near and isinstance(module, ModuleType) and modules.keep(module):
            warnings.warn(_EDITED.format(module.__name__), stacklevel=stacklevel)
    names = [name for job in jobs for name in modules_below(job)]

    @cache
    def reader() -> CodeReader:
        from partflow.code.fingerprint import CodeReader

        return CodeReader(modules.source, modules.sql, names)

    return lambda task: reader().fingerprint(
        task.function, task.declared, task.declared_since, task.formats
    )


def modules_below(name: str) -> Iterator[str]:
    """A module that is imported, and those of the package that it is, as jobs are loaded.

    By the folders and not by what else happens to be imported: every process has the same.
    """
    yield name
    for info in pkgutil.iter_modules(getattr(sys.modules.get(name), "__path__", []), f"{name}."):
        if not info.name.endswith(".__main__"):
            yield from modules_below(info.name)


def _candidates(folder: Path, parts: list[str]) -> tuple[Path, Path]:
    """A package comes before a module of its name, as it does for Python."""
    place = folder.joinpath(*parts)
    return place / "__init__.py", place.with_name(f"{parts[-1]}.py")


def _holds_python(folder: Path) -> bool:
    """So that a folder of data is not taken for a package because a library has its name."""
    return any(path.suffix == ".py" and path.is_file() for path in folder.iterdir()) or any(
        _holds_python(path)
        for path in folder.iterdir()
        if path.is_dir() and path.name.isidentifier() and path.name not in _PACKAGES_OF_OTHERS
    )


def _found_by_python(top: str) -> Iterator[Path]:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None:
        return
    if spec.submodule_search_locations:
        yield from (Path(location).parent for location in spec.submodule_search_locations)
    elif spec.has_location and spec.origin:
        yield Path(spec.origin).parent
