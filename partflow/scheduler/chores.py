"""What a child carries out on a project that it has loaded: a look, or a run.

Knows nothing of processes or channels, nor of what is decided from a look.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from partflow.declarations.dataset import Source
from partflow.declarations.graphdocument import graph_text
from partflow.errors import BusyError, PartflowError
from partflow.execution.controls import Controls, Failed, Result, Stop
from partflow.execution.executors.workermain import resident
from partflow.project.project import Project
from partflow.scheduler.lookout import Lookout
from partflow.scheduler.messages import (
    AskLook,
    Begin,
    Ended,
    FromChild,
    Leased,
    LookDone,
    LookFailed,
    Progressed,
    StepLost,
)

_SWEPT = "swept"
"""The file that is touched when it was swept."""
_DAY = 86_400.0

Tell = Callable[[FromChild], None]
"""Sends a message to the process that leads."""


@dataclass(frozen=True, slots=True)
class Chores:
    """A loaded project, and the looks and runs of it."""

    project: Project
    lookout: Lookout

    @classmethod
    def loaded(cls, folder: str) -> Chores:
        """Load the project that a folder lies in; whatever its modules raise is raised."""
        project = Project.load_quietly(folder)
        codes = {name: code.digest for name, code in project.codes.items()}
        text = graph_text(project.graph, codes)
        graph = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return cls(project, Lookout.of(project, graph))

    @property
    def graph(self) -> str:
        """The digest of the project's graph and code."""
        return self.lookout.graph

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the project's modules that are imported."""
        paths = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        root = self.project.root
        below = (p for p in paths if isinstance(p, str) and Path(p).is_relative_to(root))
        return tuple(sorted(p for p in below if "site-packages" not in p))

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in which sources' files come, but for those that hold the warehouse."""
        layout, datasets = self.project.store.layout, self.project.graph.datasets.values()
        sources = [d for d in datasets if isinstance(d, Source) and not d.is_asked]
        folders = {layout.root / layout.paths_of(source).folder for source in sources}
        return tuple(sorted(str(f) for f in folders if not layout.warehouse.is_relative_to(f)))

    def look(self, asked: AskLook) -> LookDone | LookFailed:
        """What there is to be done; a look that fails is told, and tried again."""
        self._keep_time(asked.at)
        try:
            outlook = self.lookout.look(at_all=asked.at_all)
        except Exception as error:  # noqa: BLE001 - the disk may raise anything
            return LookFailed(_said(error))
        return LookDone(outlook, resident() or 0)

    def tidy(self) -> None:
        """Once a day sweep what nobody needs; where that cannot be, it waits for the next time."""
        store = self.project.store
        marker = store.layout.serving / _SWEPT
        with suppress(Exception):  # the metastore's, too: a full disk is no end of this child
            if is_older_than_a_day(marker, self.project.clock() / 1e9):
                self.project.upkeep.sweep(Controls(wait=False), dry_run=False)
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.touch()

    def _keep_time(self, at: float | None) -> None:
        """Take a moment for now, or the wall's time from now on."""
        ns = None if at is None else round(at * 1e9)
        self.project.clock = time.time_ns if ns is None else lambda: ns

    def carry_out(self, begin: Begin, stop: Stop, tell: Tell) -> Ended:
        """Carry a run out; one that fails as a whole is told, and tried again."""
        controls = Controls(
            workers=begin.jobs, wait=False, newest_first=True, gives_back=True,
            command=begin.command, stop=stop,
            observer=_Progress(tell), planned=lambda plan: tell(Leased(plan.steps)),
        )  # fmt: skip
        self._keep_time(begin.at)
        project, config = self.project, self.project.config
        if begin.is_apart:
            project.config = replace(config, executor="processes")
        try:
            result = self.lookout.make(begin.at_most, controls)
        except BusyError as error:
            return Ended(said=str(error), is_met=True, memory=resident() or 0)
        except Exception as error:  # noqa: BLE001 - of the machine, or of another process
            return Ended(said=_said(error), memory=resident() or 0)
        finally:
            project.config = config
        for failed in result.summary.failures if result.summary else ():
            tell(_failed(failed))
        return replace(_ended(result), said=self._remembered(result))

    def _remembered(self, result: Result) -> str:
        """Remember what failed; why that can't be, "" if it can."""
        try:
            self.lookout.remember(result)
        except Exception as error:  # noqa: BLE001 - the disk may raise anything
            return f"what failed cannot be remembered: {_said(error)}"
        return ""


def is_older_than_a_day(marker: Path, now: float) -> bool:
    """Whether a file was touched more than a day before now, after now, or never."""
    try:
        return not 0 <= now - marker.stat().st_mtime < _DAY
    except FileNotFoundError:
        return True


class _Progress:
    """Tells of a run's progress when it has moved."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._last = tell, (0, 0)

    def begun(self, steps: int) -> None:
        """Nothing: whoever leads knows how many there are."""

    def moved(self, finished: int, failed: int) -> None:
        """Tell it, if it has changed."""
        if (finished, failed) != self._last:
            self._last = finished, failed
            self._tell(Progressed(finished, failed))

    def failed(self, failed: Failed) -> None:
        """Nothing: all that failed is told at the end."""


def _failed(failed: Failed) -> StepLost:
    return StepLost(failed.task, failed.key, failed.failure.message, failed.failure.place)


def _ended(result: Result) -> Ended:
    summary = result.summary
    if summary is None:
        return Ended(memory=resident() or 0)
    return Ended(
        summary.run, summary.ran, summary.unchanged, summary.failed, summary.blocked,
        summary.cancelled, memory=resident() or 0,
    )  # fmt: skip


def _said(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, PartflowError) else f"{type(error).__name__}: {text}"
