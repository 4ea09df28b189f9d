"""Says of one partition when `serve` tries it again: for `why`.

Knows nothing of why it failed. What is remembered is what the last tick knew; once its inputs or
its code have moved since, it is tried at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.planning.selection import grain_of
from partflow.report.text import moment
from partflow.report.why import RetrialReport
from partflow.scheduler.tries import NO_TRIES
from partflow.scheduler.trynotes import TRIED, noted_memory

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.metastore.protocol import Noting


def retrial_of(graph: Graph, metastore: Noting, node: str, key: str) -> RetrialReport | None:
    """What is noted of a partition of a dataset or effect; None if it did not fail."""
    memory, ordinal = noted_memory(metastore.noted(TRIED)), grain_of(graph, node).ordinal(key)
    for task in graph.writers(node):
        tries = memory.get(task.name, NO_TRIES)
        one = tries.taken(tries.ordinals == ordinal)
        if len(one):
            again = one.tried_again_at(task.options.retry_delay.total_seconds())
            times = int(one.counts[0] + one.of_machine[0])
            return RetrialReport(times, moment(float(one.at[0])), moment(float(again[0])))
    return None
