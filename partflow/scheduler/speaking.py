"""What `serve` says to others than its terminal: messages to people, and events of lineage.

Knows nothing of how either is worded or sent. It opens the record for them, and lets no refusal of
the disk or the record end `serve`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partflow.metastore.protocol import Metastore, MetastorePlace
from partflow.project.config import Config
from partflow.scheduler.lineage.following import Following
from partflow.scheduler.outlook import Trouble
from partflow.scheduler.telling import Telling
from partflow.store.protocol import Store

_AGAIN = 60.0
"""After so many seconds it is tried again to write down what is told."""


@dataclass(slots=True)
class Speaking:
    """Tells people and whoever follows runs; both may be nobody.

    `say` is called with a line if the record refuses. Call `tick` after each look, when something
    has gone wrong, at the moment that it gives back, and when it has called `wake`.
    """

    place: MetastorePlace
    store: Store
    telling: Telling
    following: Following | None
    say: Callable[[str], None]
    _refused: str = ""

    @classmethod
    def of(
        cls,
        config: Config,
        root: Path,
        environment: Mapping[str, str],
        place: MetastorePlace,
        store: Store,
    ) -> Speaking:
        """To whom the configuration says."""
        lineage = config.lineage
        following = None if lineage is None else Following(lineage, root, environment)
        return cls(place, store, Telling.of(config.notify, root, environment), following, _nothing)

    def heard_by(self, say: Callable[[str], None], wake: Callable[[], object]) -> None:
        """Who is to hear of refusals, and to be woken when something was delivered."""
        self.say, self.telling.wake = say, wake
        if self.following is not None:
            self.following.wake = wake

    @property
    def is_silent(self) -> bool:
        """Whether nobody is to be told anything."""
        return not self.telling.channels and self.following is None

    def tick(self, troubles: Sequence[Trouble], now: float, is_whole: bool) -> float | None:  # noqa: FBT001 - of `Tell`
        """Tell what is new; returns when to call again though nothing is, None if never.

        `troubles` are all that are wrong now if they are `is_whole`; `now` is in epoch seconds.
        """
        if self.is_silent:
            return None
        try:
            if not self.place.is_empty:
                with self.place.opened() as metastore:
                    moments = self._told(metastore, troubles, now, is_whole=is_whole)
                return min(moments, default=None)
        except Exception as error:  # noqa: BLE001 - whatever a disk or a metastore may refuse with
            self._complain(str(error))
        after = self.telling.tick(troubles, None, self.store, now, is_whole=is_whole)
        return now + _AGAIN if after.next_at is None else min(after.next_at, now + _AGAIN)

    def finish(self, within: float) -> None:
        """Wait at most so many seconds until what is being sent was."""
        if self.is_silent or self.place.is_empty:
            return
        try:
            with self.place.opened() as metastore:
                self.telling.finish(metastore, self.store, time.time, within)  # noqa: TID251
                if self.following is not None:
                    self.following.finish(within)
                    self.following.tick(metastore, self.store, time.time())  # noqa: TID251
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(str(error))

    def _told(
        self, metastore: Metastore, troubles: Sequence[Trouble], now: float, *, is_whole: bool
    ) -> list[float]:
        after = self.telling.tick(troubles, metastore, self.store, now, is_whole=is_whole)
        self._complain(after.unrecorded)
        moments = [after.next_at]
        if self.following is not None:
            moments.append(self.following.tick(metastore, self.store, now))
        return [at for at in moments if at is not None]

    def _complain(self, said: str) -> None:
        """Say once why the record refuses; "" if it no longer does."""
        if said and said != self._refused:
            self.say(f"what is told cannot be recorded: {said}")
        self._refused = said


def _nothing(text: str) -> None:
    """Say nothing."""
