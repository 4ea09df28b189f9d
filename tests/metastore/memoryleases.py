"""Leases within one process: a second implementation, to show that the first is one of several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from partflow.metastore.leases import Lease, Living, Met, Taken, first_met
from partflow.planning.footprint import Footprint


class MemoryLeases:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, Lease] = {}
        self._leader = threading.Lock()

    @contextmanager
    def taken(
        self,
        run: str,
        owner: str,
        footprint: Footprint,
        before: Callable[[Living], None] = lambda _: None,
    ) -> Iterator[Taken | Met]:
        lease = Lease(run, owner, footprint)
        with self._changed:
            others = dict(self._held)
            before(others)
            met = first_met(others, run, footprint)
            if met is None:
                self._held[run] = lease
        if met is not None:
            yield met
            return
        try:
            yield Taken(tuple(others.values()), lambda: self._held.get(run) is lease)
        finally:
            with self._changed:
                del self._held[run]
                self._changed.notify_all()

    def await_end(self, met: Met) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._held.get(met.lease.run) is not met.lease)

    def owner(self, run: str) -> str | None:
        lease = self._held.get(run)
        return None if lease is None else lease.owner

    def is_held(self, run: str) -> bool:
        return run in self._held

    def living(self) -> dict[str, Lease]:
        return {run: lease for run, lease in self._held.items() if lease is not None}

    @contextmanager
    def lead(self) -> Iterator[Callable[[], bool] | None]:
        leads = self._leader.acquire(blocking=False)
        try:
            yield (lambda: True) if leads else None
        finally:
            if leads:
                self._leader.release()
