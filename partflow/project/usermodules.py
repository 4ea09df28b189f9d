"""Finds the modules that are the user's own, and reads their text and the SQL beside them.

Knows nothing of what they say: no module is imported or parsed here.
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
"""The text of modules as this process has imported it, with the module's spec of that time.

A reload gives the module another spec, and then the text of that time counts.
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
    """The modules of the project at `root`, each read once.

    The project does not include what lies in a virtual environment, among installed packages or in
    a hidden folder, what Python finds outside of the root (an editable install), nor partflow.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, ModuleSource | None] = {}
        self._places: dict[str, tuple[Path, ...]] = {}

    def source(self, module: str) -> ModuleSource | None:
        """The text of a module; None if it is not the project's.

        A folder without `__init__.py` is a package without text. OSError, SyntaxError or
        UnicodeDecodeError if a module of the project can't be read.
        """
        if module not in self._found:
            self._found[module] = self._read(module)
        return self._found[module]

    def keep(self, module: ModuleType) -> bool:
        """Fix an imported module's text to that of the first call; True if it was edited since.

        The first call should come soon after the module is imported or reloaded: what is written to
        its file later is not what runs.
        """
        name, spec = module.__name__, getattr(module, "__spec__", None)
        try:
            now = self.source(name)
        except (OSError, SyntaxError, UnicodeDecodeError):
            now = None  # `source` raises it again when the text is needed
        kept = _IMPORTED.get(module)
        if kept is None or kept[0] is not spec:
            if now is None:
                return False
            kept = _IMPORTED[module] = spec, now
        self._found[name] = kept[1]
        return now != kept[1]

    def sql(self, module: str, path: str) -> tuple[str, str] | None:
        """The path from the root and the text of what `sql_file(path)` in a module reads.

        If the module is imported, it is the text that was read first. None if the module is not the
        project's, or if the file can't be read or lies outside of the root. Raises as `source`.
        """
        source = self.source(module)
        if source is None:
            return None
        folder = (self._root / source.path).parent
        # The path as it is written: where a link leads does not matter, as for modules.
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
        """The folders that may hold a top-level package: the root, then where Python finds it."""
        if top not in self._places:
            self._places[top] = (self._root, *_found_by_python(top))
        return self._places[top]

    def _main(self, module: str) -> ModuleSource | None:
        """The script that is being run: it cannot be found by its name, which is `__main__`."""
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
        # What the user links into the root is the project's, wherever it leads. What Python found
        # elsewhere has to lie below the root once its links are followed.
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
    """A function that gives a task's code fingerprint, from the text that was imported.

    `jobs` are the modules, and packages of modules, in which tasks are declared. What was edited
    after the import does not count, since this process does not run it. A warning says so, at the
    caller `stacklevel` calls above.
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
    """The name of an imported module and, if it is a package, those of all modules in it.

    They are found in its folders, whatever else happens to be imported: so that every process has
    the same.
    """
    yield name
    for info in pkgutil.iter_modules(getattr(sys.modules.get(name), "__path__", []), f"{name}."):
        if not info.name.endswith(".__main__"):
            yield from modules_below(info.name)


def _candidates(folder: Path, parts: list[str]) -> tuple[Path, Path]:
    """The files that a module may be; a package comes before a module, as it does for Python."""
    place = folder.joinpath(*parts)
    return place / "__init__.py", place.with_name(f"{parts[-1]}.py")


def _holds_python(folder: Path) -> bool:
    """Whether a folder holds Python files, at any depth: a folder of data is no package."""
    return any(path.suffix == ".py" and path.is_file() for path in folder.iterdir()) or any(
        _holds_python(path)
        for path in folder.iterdir()
        if path.is_dir() and path.name.isidentifier() and path.name not in _PACKAGES_OF_OTHERS
    )


def _found_by_python(top: str) -> Iterator[Path]:
    """The folders in which Python finds a top-level package or module; none if it finds none."""
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
