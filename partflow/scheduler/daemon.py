"""Puts `serve` together: the configuration, who leads, the children, and the loop.

Knows nothing of what is decided, seen or made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from partflow.errors import BusyError
from partflow.metastore.leases import Leases
from partflow.project.config import find_root, read_config
from partflow.project.places import leases_of, metastore_of, store_of
from partflow.project.settings import Scheduling
from partflow.scheduler.alive import Alive
from partflow.scheduler.crew import Crew
from partflow.scheduler.editions import Editions
from partflow.scheduler.here import Here
from partflow.scheduler.leading import LOOKS, Lead, Watch, lead, leader_of, standing_by
from partflow.scheduler.serve import Serve
from partflow.scheduler.speaking import Speaking
from partflow.scheduler.systemd import Supervisor

Say = Callable[[str], None]

_LAST_WORDS = 10.0
"""For how many seconds what is being sent is waited for at the end."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """`serve` over one project. `folder` is where leaders and standbys say who they are."""

    leases: Leases
    folder: Path
    settings: Scheduling
    crew: Crew
    outside: Here
    supervisor: Supervisor
    speaking: Speaking
    say: Say

    @classmethod
    def of(cls, path: str, command: str, say: Say) -> Daemon:
        """That of the project which a path lies in; ConfigurationError if there is none."""
        root = find_root(path)
        config = read_config(root, os.environ, {})
        settings, supervisor = config.scheduler, Supervisor(os.environ)
        store = store_of(root, config)
        layout = store.layout
        crew = Crew(
            root, layout.logs, Editions(root, config.jobs), settings.look_within.total_seconds()
        )
        speaking = Speaking.of(config, root, os.environ, metastore_of(root, config, store), store)
        outside = Here(crew, settings, command, supervisor.patience)
        return cls(
            leases_of(store), layout.serving, settings, crew, outside, supervisor, speaking, say
        )

    def serve(self) -> None:
        """Lead, or stand by until the leader is gone; until somebody asks it to stop."""
        with self.outside.opened():
            self.supervisor.ready()
            while True:
                with lead(self.leases, self.folder) as held:
                    if held is not None and self._has_led(held):
                        return
                self.crew.close()
                if held is None and self._has_stood_by():
                    return

    def once(self, *, wait: bool) -> bool:
        """Do what there is to be done; whether nothing failed or is late.

        Beside a leader it does nothing, but says who leads. BusyError then, unless it may `wait`.
        """
        with self.outside.opened(), lead(self.leases, self.folder) as held:
            if held is None:
                self._beside(wait=wait)
                return True
            serve = self._serve(is_once=True)
            while not serve.is_over:
                serve.turn()
            self.speaking.finish(_LAST_WORDS)
            return serve.is_well

    def _beside(self, *, wait: bool) -> None:
        leader = leader_of(self.folder)
        said = "another `serve` leads" if leader is None else f"{leader.words} leads"
        if not wait:
            raise BusyError(f"{said}; it makes what there is to be made")
        self.say(f"nothing to do here: {said}")

    def _has_led(self, held: Lead) -> bool:
        """Lead until the end; False if the lead was lost before."""
        serve, alive = self._serve(is_once=False), Alive(self.settings.alive)
        self.say(f"process {os.getpid()} leads")
        while not serve.is_over and held.leads():
            serve.turn()
            if serve.outlook is not None:
                held.looked_at_all(serve.outlook.looked_at_all)
            self.supervisor.well(serve.words)
            if not serve.troubles and serve.outlook is not None:
                alive.is_well(time.monotonic())
        if not serve.is_over:
            self.say("the file of the leader was removed, so that another may lead")
            return False
        self.supervisor.stopping()
        self.speaking.finish(_LAST_WORDS)
        return True

    def _serve(self, *, is_once: bool) -> Serve:
        self.speaking.heard_by(self.say, self.outside.wake)
        return Serve(self.outside, self.settings, self.say, self.speaking.tick, is_once)

    def _has_stood_by(self) -> bool:
        """Stand by until nobody leads; True if it was asked to stop before."""
        leader, watch = leader_of(self.folder), Watch(self.folder, self.say)
        if leader is not None:
            self.say(f"standing by: {leader.words} leads")
        with standing_by(self.folder):
            while not self.outside.is_stopped(LOOKS):
                watch.look(time.monotonic())
                self.supervisor.well("standing by")
                if leader_of(self.folder) is None:
                    return False
        self.supervisor.stopping()
        return True
