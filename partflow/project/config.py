"""Reads a project's configuration: from its file, the environment, and the options of a command.

Knows nothing of what the values are used for. An option counts more than the environment, that more
than the file, and that more than the default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from partflow.errors import ConfigurationError, advice_of, guess
from partflow.project.lineagesettings import emitting_of
from partflow.project.notifysettings import notifying_of, variables_of
from partflow.project.schedulersettings import VARIABLES, scheduling_of, with_variables
from partflow.project.settings import Emitting, Notifying, Scheduling
from partflow.project.settingvalues import span_of_time

PREFIX = "PARTFLOW_"
_SCHEDULER = f"{PREFIX.lower()}{VARIABLES}"
_FOLDER = re.compile(r"[a-z][a-z0-9_]*")
_DURABILITIES = ("full", "process")
_EXECUTORS = ("inline", "processes")
_BESIDE = (".lock", ".new")
"""The endings of files that are made beside the metastore."""
_DIGITS = 20
"""A text with so many digits is not read as a number."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is configured; `metastore` is empty for the default below the warehouse.

    `jobs` are packages or modules below the root. `pools` gives for a name how many steps may run
    at once, `folders` the path of each folder that sources' paths name. `history` is how many
    replaced files of a partition are kept, `runs_kept` for how long runs and their logs are kept.
    A task that failed `failures_alike` times in a row in the same way is left for the rest of its
    run. `notify` says how people are told, `lineage` where OpenLineage events are sent, and
    `scheduler` how `partflow serve` works.
    """

    jobs: tuple[str, ...] = ("jobs",)
    warehouse: str = "warehouse"
    metastore: str = ""
    executor: str = ""
    durability: str = "full"
    history: int = 2
    runs_kept: timedelta = timedelta(days=90)
    failures_alike: int = 20
    pools: Mapping[str, int] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    notify: Notifying = field(default_factory=Notifying)
    lineage: Emitting | None = None
    scheduler: Scheduling = field(default_factory=Scheduling)


def find_root(path: str | Path) -> Path:
    """The nearest folder upwards with a partflow.toml, or a pyproject.toml with [tool.partflow].

    ConfigurationError if there is none, if the working directory is gone, if the path is not UTF-8,
    or if a pyproject.toml on the way cannot be read.
    """
    try:
        start = Path(path).resolve()
    except FileNotFoundError:
        raise ConfigurationError(
            "the working directory is gone; change into a folder that is there, or name the "
            "project's with --project"
        ) from None
    if not _is_text(str(start)):
        raise ConfigurationError(
            f"{start}: the path of a project must be UTF-8, and this is not; rename the folder"
        )
    for folder in (start, *start.parents):
        if (folder / "partflow.toml").is_file():
            return folder
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file() and "partflow" in _tools(pyproject):
            return folder
    raise ConfigurationError(
        f"{start} is in no partflow project: there is no partflow.toml, and no pyproject.toml with "
        "[tool.partflow], here or in a folder above; `partflow init NAME` makes a project"
    )


def read_config(root: Path, environment: Mapping[str, str], overrides: Mapping[str, str]) -> Config:
    """The configuration of the project at `root`; `overrides` are the options of a command.

    ConfigurationError if the file cannot be read, or if a setting is unknown or has a wrong value.
    """
    path, values = _file(root)
    settings = {f.name for f in fields(Config)}
    for key in values:
        if key not in settings:
            raise _unknown(f"{path}: {key!r}", key, settings)
    chosen: dict[str, Any] = {k: _typed(f"{path}: {k}", k, v) for k, v in values.items()}
    secrets = _secrets(chosen.get("notify", Notifying()), chosen.get("lineage"))
    scheduler = {n: t for n, t in environment.items() if n.lower().startswith(_SCHEDULER)}
    if scheduler:
        chosen["scheduler"] = with_variables(chosen.get("scheduler", Scheduling()), scheduler)
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in secrets or name in scheduler:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in settings:
            raise _unknown(f"the environment's {name}", key, settings)
        chosen[key] = _typed(name, key, text)
    chosen |= {k: _typed(f"--{k}", k, v) for k, v in overrides.items()}
    return Config(**chosen)


def _secrets(notifying: Notifying, emitting: Emitting | None) -> frozenset[str]:
    """The variables of the environment that hold what is secret, and are no settings."""
    own = (emitting.url_env, emitting.api_key_env) if emitting is not None else ()
    return variables_of(notifying) | frozenset(own)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; {advice_of(error)}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: it is nested too deep; mend the file") from None
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        problem = str(error).partition("; use sys.")[0]
        raise ConfigurationError(f"{path}: {problem}; mend the file") from None


def _tools(pyproject: Path) -> Mapping[str, Any]:
    """The table [tool] of a pyproject.toml; empty if what has that name is no table."""
    table = _parsed(pyproject).get("tool")
    return table if isinstance(table, dict) else {}


def _file(root: Path) -> tuple[Path, Mapping[str, Any]]:
    """The file with the configuration, and the settings in it."""
    path = root / "partflow.toml"
    if path.is_file():
        return path, _parsed(path)
    path = root / "pyproject.toml"
    table = _tools(path).get("partflow", {}) if path.is_file() else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: tool.partflow is no table; write [tool.partflow]")
    return path, table


def _unknown(where: str, key: str, settings: set[str]) -> ConfigurationError:
    hint = guess(key, settings, f"there are {', '.join(sorted(settings))}")
    return ConfigurationError(f"{where} is no setting of partflow; {hint}")


def _typed(where: str, key: str, value: object) -> object:
    """A setting's value in its type; ConfigurationError if it cannot be one."""
    if key in _PARSED:
        return _PARSED[key](where, value)
    if not isinstance(value, str) or not _is_text(value):
        raise ConfigurationError(f"{where} is {value!r}; it must be a text")
    if key == "durability" and value not in _DURABILITIES:
        raise ConfigurationError(f"{where} is {value!r}; choose {' or '.join(_DURABILITIES)}")
    if key == "executor" and value not in ("", *_EXECUTORS):
        raise ConfigurationError(f"{where} is {value!r}; choose {' or '.join(_EXECUTORS)}")
    if key == "warehouse":
        _check_warehouse(where, value)
    if key == "metastore":
        _check_metastore(where, value)
    return value


def _is_text(value: str) -> bool:
    """Whether a text can be encoded as UTF-8: that of a path that is not UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_warehouse(where: str, value: str) -> None:
    if "://" in value:
        raise ConfigurationError(
            f"{where} is {value!r}; this partflow keeps its warehouse in a folder only"
        )
    if not value.strip() or "\0" in value:
        raise ConfigurationError(f"{where} is {value!r}; name a folder, such as 'warehouse'")


def _check_metastore(where: str, value: str) -> None:
    name = value.rpartition("/")[2]
    if value and (not name.strip(". ") or "\0" in value):
        raise ConfigurationError(f"{where} is {value!r}; name a file, such as 'state.sqlite'")
    if Path(name).suffix in _BESIDE:
        raise ConfigurationError(
            f"{where} is {value!r}; files that end so are made beside it: let it end in .sqlite"
        )


def _names(where: str, value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names:
        raise ConfigurationError(f"{where} is {value!r}; give a list of packages or modules")
    for name in names:
        if not isinstance(name, str) or not all(p.isidentifier() for p in name.split(".")):
            raise ConfigurationError(f"{where}: {name!r} is no name of a package or module")
    return tuple(names)


def _number(where: str, value: object) -> int:
    """A whole number from 1; a text of the environment may be one."""
    number = _int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigurationError(f"{where} is {value!r}; give a number, one or more")
    return number


def _int(text: str) -> int | str:
    """The number that a text says; the text itself if it says none, or one of too many digits."""
    return int(text) if text.strip().isdecimal() and len(text) < _DIGITS else text


def _span(where: str, value: object) -> timedelta:
    return span_of_time(where, value, example="90d")


def _pools(where: str, value: object) -> dict[str, int]:
    """The limits of pools by name; a text of the environment says them as `api=2,disk=1`."""
    if isinstance(value, str):
        pairs = [p.partition("=") for p in value.split(",") if p.strip()]
        value = {n.strip(): _int(t) for n, _, t in pairs}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} is {value!r}; write a table [pools] with name = number")
    for name, limit in value.items():
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ConfigurationError(f"{where}.{name} is {limit!r}; give a number, one or more")
    return dict(value)


def _folders(where: str, value: object) -> dict[str, str]:
    """Paths of folders by name; a text of the environment says them as `landing=/srv/in,other=x`.

    They are absolute, or relative to the project's root; `~` is the user's own folder.
    """
    if isinstance(value, str):
        pairs = [p.partition("=") for p in value.split(",") if p.strip()]
        value = {name.strip(): path.strip() for name, _, path in pairs}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} is {value!r}; write a table [folders] with name = path")
    for name, path in value.items():
        if not _FOLDER.fullmatch(name) or name == "key":
            raise ConfigurationError(
                f"{where}.{name}: a name is a lower-case letter, then letters, digits and _, and "
                "none is named key"
            )
        if not isinstance(path, str) or not path.strip() or "\0" in path or "://" in path:
            raise ConfigurationError(f"{where}.{name} is {path!r}; give the path of a folder")
    return {name: Path(path).expanduser().as_posix() for name, path in value.items()}


_PARSED: Mapping[str, Callable[[str, object], object]] = MappingProxyType(
    {
        "jobs": _names,
        "pools": _pools,
        "folders": _folders,
        "history": _number,
        "failures_alike": _number,
        "runs_kept": _span,
        "notify": notifying_of,
        "lineage": emitting_of,
        "scheduler": scheduling_of,
    }
)
"""What makes a value of settings that are more than a text."""
