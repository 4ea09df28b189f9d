"""Imports the user's modules and collects the tasks and datasets that they declare.

Knows nothing of graphs. Nothing registers itself: what modules hold counts. There is a warning for
what was declared while they were imported and none of them holds.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from partflow.declarations.collecting import held, left_out
from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph
from partflow.declarations.task import Task
from partflow.errors import ConfigurationError, DeclarationError, PartflowError, guess, together
from partflow.partitions.declaring import SRC, declaring
from partflow.process.surroundings import own_process_only
from partflow.project.usermodules import ProjectModules


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the modules of the jobs declare; `left_out` are warnings of what none of them holds."""

    tasks: tuple[Task, ...]
    datasets: tuple[Dataset, ...]
    left_out: tuple[str, ...]


def load_jobs(root: Path, names: tuple[str, ...]) -> Jobs:
    """The tasks and datasets of the jobs' modules; imports these with every submodule.

    A module that was imported before is not executed again, and gets no warning again. One
    DeclarationError or ConfigurationError says all that is wrong in all modules.
    """
    _make_importable(root, names)
    importlib.invalidate_caches()
    imports, before = _Imports(root), set(sys.modules)
    with declaring() as load:
        for name in names:
            imports.add_all(name)
    errors = [*load.errors, *imports.errors.values()]
    if errors:
        _forget(root, set(sys.modules) - before)
        raise together(errors)
    tasks, datasets = held(imports.modules.values())

    project = ProjectModules(root)

    def module_of(name: str) -> tuple[ModuleType, bool] | None:
        is_own = name in imports.modules or _is_own(project, root, name)
        return (sys.modules[name], name in imports.modules) if is_own else None

    return Jobs(
        tuple(tasks),
        tuple(datasets),
        tuple(left_out(load.constructed, tasks, datasets, module_of)),
    )


def _forget(root: Path, names: Iterable[str]) -> None:
    """Have modules of the project imported anew: they may hold stand-ins for what was refused."""
    project = ProjectModules(root)
    for name in names:
        if _is_own(project, root, name):
            del sys.modules[name]


def _is_own(project: ProjectModules, root: Path, name: str) -> bool:
    """Whether an imported module is the project's, and not of a library installed below it."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if not isinstance(file, str) or not _is_below(Path(file), root):
        return False
    try:
        return project.source(name) is not None
    except (OSError, SyntaxError, UnicodeDecodeError):
        return True


class _Imports:
    """The modules that were imported, and the errors by cause; a broken module stops no other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: dict[str, ModuleType] = {}
        self.errors: dict[str, PartflowError] = {}

    def add_all(self, name: str) -> None:
        """Import a module of the jobs and, of a package, every module in it."""
        top = name.split(".", maxsplit=1)[0]
        module = self._imported(name) if self._is_own(top) else None
        # Once more: Python passes over a folder that the disk would not show for a moment.
        if module is not None and self._is_own(top):
            self._add(name, module)

    def _add(self, name: str, module: ModuleType) -> None:
        self.modules[name] = module
        inner = pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        for info in sorted(inner, key=lambda i: i.name):
            if info.name.endswith(".__main__"):
                continue
            each = self._imported(info.name)
            if each is not None:
                self._add(info.name, each)

    def _is_own(self, top: str) -> bool:
        try:
            _require_own(self.root, top)
        except ConfigurationError as error:
            self.errors.setdefault(top, error)
            return False
        return True

    def _imported(self, name: str) -> ModuleType | None:
        try:
            with own_process_only():
                return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit must not end the command, either
            cause, told = _told(name, self.root, error)
            self.errors.setdefault(cause, told)
            return None


def _make_importable(root: Path, names: tuple[str, ...]) -> None:
    """Put the root on `sys.path`, and its folder `src` after it if packages lie in there.

    If `src` is a package itself, or if the jobs are named by it, it is not put there.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    folder = root / SRC
    is_package = _is_file(folder / "__init__.py") or any(
        name.split(".", maxsplit=1)[0] == SRC for name in names
    )
    if folder.is_dir() and not is_package and str(folder) not in sys.path:
        sys.path.insert(sys.path.index(str(root)) + 1, str(folder))


def require_pools(tasks: Iterable[Task], pools: Mapping[str, int]) -> None:
    """Raise ConfigurationError for all tasks whose pools have no limit in the configuration."""
    errors: list[ConfigurationError] = []
    for task in tasks:
        pool = task.options.pool
        if pool is not None and pool not in pools:
            problem = f"task {task.name!r} asks for the pool {pool!r}, which has no limit"
            advice = _to_add(pool, "2", "pools", pools)
            errors.append(ConfigurationError(f"{task.place}: {problem}; {advice}"))
    if errors:
        raise together(errors)


def require_folders(graph: Graph, folders: Mapping[str, str]) -> None:
    """Raise ConfigurationError for all sources in folders that the configuration does not name."""
    errors: list[ConfigurationError] = []
    for source in graph.datasets.values():
        for name in source.outside if isinstance(source, Source) else ():
            if name not in folders:
                problem = f"source {source.name!r} is in the folder {{{name}}}, which has no path"
                advice = _to_add(name, '"PATH"', "folders", folders)
                errors.append(ConfigurationError(f"{source.place}: {problem}; {advice}"))
    if errors:
        raise together(errors)


def _to_add(name: str, value: str, table: str, known: Iterable[str]) -> str:
    """What to do about a name that a table of the configuration lacks, perhaps a misspelt one."""
    question = guess(name, known, "")
    hint = f"{question} Else " if question else ""
    return (
        f"{hint}add {name} = {value} to [{table}] in partflow.toml, or to [tool.partflow.{table}] "
        "in pyproject.toml"
    )


def _require_own(root: Path, top: str) -> None:
    """Raise ConfigurationError if Python finds a package elsewhere than below the root."""
    loaded = sys.modules.get(top)
    others = [p for p in _places(top, loaded) if not _is_below(Path(p), root)]
    if not others:
        return
    if loaded is not None:
        problem, advice = f"is already imported from {others[0]}", "give the package another name"
    elif (root / top).is_dir():
        problem = f"is also found at {others[0]}"
        advice = f"put an empty __init__.py into {root / top}, so that this one is taken"
    else:
        problem = f"is not found below {root}, but at {others[0]}"
        advice = "make it, or name another in jobs = [...]"
    raise ConfigurationError(f"jobs: {top!r} {problem}, outside of the project; {advice}")


def _places(top: str, loaded: ModuleType | None) -> list[str]:
    """The places that Python has a top-level module from, or would take it from; perhaps none."""
    try:
        spec = importlib.util.find_spec(top) if loaded is None else None
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None and loaded is None:
        return []
    paths = getattr(loaded, "__path__", None) or getattr(spec, "submodule_search_locations", None)
    origin = getattr(loaded, "__file__", None) or getattr(spec, "origin", None)
    return list(paths or [origin or sys.executable])


def _is_below(path: Path, root: Path) -> bool:
    """Whether a path lies below the root, as it is written or after following links."""
    return path.is_relative_to(root) or path.resolve().is_relative_to(root.resolve())


def _told(name: str, root: Path, error: BaseException) -> tuple[str, PartflowError]:
    """The cause of an import's error, the same for all modules that meet it; and what to raise."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (name == missing or name.startswith(f"{missing}.")):
        return missing, ConfigurationError(_missing(name, root))
    parts = name.split(".")
    if missing and parts[0] == SRC and missing.split(".")[0] in parts[1:2]:
        problem = (
            f"jobs: {name!r} imports {missing!r}, without src; name the jobs so too, "
            f'jobs = ["{parts[1]}"]: packages in the folder src are found'
        )
        return problem, ConfigurationError(problem)
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).is_relative_to(root)
    ]
    text = "".join(traceback.format_exception_only(error)).strip()
    cause = f"{frames[-1].filename}:{frames[-1].lineno}: {text}" if frames else text
    if isinstance(error, DeclarationError):
        return cause, error
    if isinstance(error, PartflowError) and frames:
        place = Path(frames[-1].filename).relative_to(root)
        return cause, ConfigurationError(f"{place.as_posix()}:{frames[-1].lineno}: {error}")
    lines = "".join(traceback.format_list(frames))
    return cause, ConfigurationError(f"jobs: {name!r} cannot be imported:\n{lines}{text}")


def _missing(name: str, root: Path) -> str:
    """The message that a module is missing; it names a folder with one that Python passes over."""
    top = name.split(".", maxsplit=1)[0]
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        if any(_is_file(folder / p) for p in (f"{top}/__init__.py", f"{top}.py")):
            return (
                f"jobs: there is no module {name!r} in {root} or its folder src, but {top!r} lies "
                f"in {folder}; move it, or install your project (pip install -e .)"
            )
    return (
        f"jobs: there is no module {name!r} below {root}; make it, or name another in jobs = [...]"
    )


def _is_file(path: Path) -> bool:
    """Whether there is a file; False if the disk does not tell."""
    try:
        return path.is_file()
    except OSError:
        return False
