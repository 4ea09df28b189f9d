"""Puts `serve` together: the configuration, the children, and the loop.

Knows nothing of what is decided, seen or made.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from partflow.project.config import find_root, read_config
from partflow.project.places import store_of
from partflow.project.settings import Scheduling
from partflow.scheduler.crew import Crew
from partflow.scheduler.editions import Editions
from partflow.scheduler.here import Here
from partflow.scheduler.serve import Serve

_LIMIT = 300.0


def served(folder: str, command: str, say: Callable[[str], None]) -> None:
    """Keep the project that a folder lies in fresh, until somebody asks it to stop.

    ConfigurationError if the folder lies in none, or the configuration is wrong.
    """
    root = find_root(folder)
    config = read_config(root, os.environ, {})
    settings = Scheduling()
    logs = store_of(root, config).layout.logs
    crew = Crew(root, logs, Editions(root, config.jobs), _LIMIT)
    outside = Here(crew, settings, command)
    serve = Serve(outside, settings, say)
    with outside.opened():
        while not serve.is_over:
            serve.turn()
