"""Imports the user's modules and collects the tasks and datasets that they declare.

Knows nothing of graphs. Nothing registers itself: what is found at the top of a module counts, also
inside of lists, tuples and mappings there.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from partflow.dataset import SRC, Dataset
from partflow.errors import ConfigurationError, PartflowError
from partflow.surroundings import own_process_only
from partflow.tasks import Task


def load_jobs(root: Path, names: tuple[str, ...]) -> tuple[list[Task], list[Dataset]]:
    """The tasks and datasets of the jobs' modules, every submodule imported, sorted by name."""
    _make_importable(root, names)
    importlib.invalidate_caches()
    tasks: dict[int, Task] = {}
    datasets: dict[int, Dataset] = {}
    for name in names:
        for module in _modules(root, name):
            for found in _declared(vars(module)):
                if isinstance(found, Task):
                    tasks[id(found)] = found
                else:
                    datasets[id(found)] = found
    return list(tasks.values()), list(datasets.values())


def _make_importable(root: Path, names: tuple[str, ...]) -> None:
    """Put the root on `sys.path`, and its folder `src` after it if packages lie in there.

    Where `src` is itself a package, or the jobs are named by it, its content is not importable.
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
    """Raise ConfigurationError for a task whose pool has no limit in the configuration."""
    for one in tasks:
        pool = one.options.pool
        if pool is not None and pool not in pools:
            near = difflib.get_close_matches(pool, pools, n=1)
            hint = f"did you mean {near[0]!r}? Else " if near else ""
            raise ConfigurationError(
                f"{one.place}: task {one.name!r} asks for the pool {pool!r}, which has no limit; "
                f"{hint}add {pool} = 2 to [pools] in partflow.toml, or to [tool.partflow.pools] in "
                "pyproject.toml"
            )


def _modules(root: Path, name: str) -> Iterator[ModuleType]:
    top = name.split(".", maxsplit=1)[0]
    _require_own(root, top)
    module = _imported(name, root)
    _require_own(root, top)  # a folder that the disk would not show for a moment is passed over
    yield module
    for info in sorted(
        pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."), key=lambda i: i.name
    ):
        if not info.name.endswith(".__main__"):
            yield _imported(info.name, root)


def _require_own(root: Path, top: str) -> None:
    """Raise ConfigurationError if Python finds a package elsewhere: it is another project's."""
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
    """Where Python has a top-level module from, or would take it from; none if it finds none."""
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
    """Whether a path lies below the root, by its words or really."""
    return path.is_relative_to(root) or path.resolve().is_relative_to(root.resolve())


def _imported(name: str, root: Path) -> ModuleType:
    try:
        with own_process_only():
            return importlib.import_module(name)
    except PartflowError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(_missing(name, root)) from None
        parts = name.split(".")
        if parts[0] == SRC and error.name and error.name.split(".")[0] in parts[1:2]:
            raise ConfigurationError(
                f"jobs: {name!r} imports {error.name!r}, without src; name the jobs so too, "
                f'jobs = ["{parts[1]}"]: packages in the folder src are found'
            ) from None
        raise _broken(name, root, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A module that calls sys.exit must not end the command as if all were well.
        raise _broken(name, root, error) from error


def _missing(name: str, root: Path) -> str:
    """That there is no such module, and where one of its name lies that Python does not look at."""
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
    """Whether a file is there to be seen."""
    try:
        return path.is_file()
    except OSError:
        return False


def _broken(name: str, root: Path, error: BaseException) -> ConfigurationError:
    """The error of importing a module, shown from the user's own frames on."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if Path(f.filename).is_relative_to(root)
    ]
    lines = "".join(traceback.format_list(frames))
    said = "".join(traceback.format_exception_only(error)).strip()
    return ConfigurationError(f"jobs: {name!r} cannot be imported:\n{lines}{said}")


def _declared(values: Mapping[str, object]) -> Iterator[Task | Dataset]:
    for value in list(values.values()):
        yield from _within(value)


def _within(value: object) -> Iterator[Task | Dataset]:
    if isinstance(value, Task | Dataset):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            if isinstance(each, Task | Dataset):
                yield each
    elif isinstance(value, dict):
        for each in value.values():
            if isinstance(each, Task | Dataset):
                yield each
