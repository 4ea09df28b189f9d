"""Whatever fails and whoever is killed, each message goes, and twice only after a kill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.project.settings import Notifying
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.telling import Telling
from partflow.scheduler.toldnotes import TOLD, noted_told
from partflow.store.memory import MemoryStore

START = 1_700_000_000.0
MINUTE, HOUR = 60, 3600
NAMES = ["clean", "daily", "weekly"]


@dataclass
class Line:
    """A channel that can be cut; it keeps the ids of what went."""

    name: str
    timeout: float = 30.0
    is_cut: bool = False
    went: list[str] = field(default_factory=list)

    def send(self, notice, now):
        if self.is_cut:
            return "cut"
        self.went.append(notice.id)
        return None


class House:
    """Ticks of one project, by one process after another."""

    def __init__(self, metastore, folder):
        self.metastore, self.store, self.now = metastore, MemoryStore(folder), START
        self.lines = {name: Line(name) for name in ("hook", "mail")}
        self.wrong: set[str] = set()
        self.kills = 0
        self.begin()

    def begin(self):
        self.telling = Telling(Notifying(), self.lines, "shop")

    def tick(self):
        troubles = [Trouble(Root("failed", n), self.now, "no", "do", 1) for n in self.wrong]
        self.telling.tick(troubles, self.metastore, self.store, self.now)

    def finish(self):
        self.telling.finish(self.metastore, self.store, lambda: self.now, 30)

    def killed(self):
        """Whatever was being sent went or not, and nobody marks it."""
        for flight in list(self.telling._flights):
            self.telling._await_one(30)
            del self.telling._flights[flight]
            self.telling._landed.get()
        self.kills += 1
        self.begin()

    @property
    def letters(self):
        return noted_told(self.metastore.noted(TOLD)).letters


moves = st.lists(
    st.one_of(
        st.tuples(st.just("wrong"), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("cut"), st.sets(st.sampled_from(["hook", "mail"]))),
        st.tuples(st.just("passes"), st.sampled_from([1, MINUTE, HOUR // 2])),
        st.tuples(st.just("kill"), st.none()),
        st.tuples(st.just("finish"), st.none()),
    ),
    max_size=25,
)
"""So short that no message is given up."""


@given(moves)
def test_each_message_goes_through_each_channel_and_twice_only_after_a_kill(history):
    with SqliteMetastore.in_memory() as metastore, TemporaryDirectory() as folder:
        house, wanted = House(metastore, folder), set()
        for kind, value in history:
            match kind:
                case "wrong":
                    house.wrong = value
                case "cut":
                    for line in house.lines.values():
                        line.is_cut = line.name in value
                case "passes":
                    house.now += value
                case "kill":
                    house.killed()
                case "finish":
                    house.finish()
            house.tick()
            wanted |= {(c, each.id) for each in house.letters.values() for c in each.waits}
        for line in house.lines.values():
            line.is_cut = False
        for _ in range(3):
            house.now += 2 * HOUR
            house.tick()
            wanted |= {(c, each.id) for each in house.letters.values() for c in each.waits}
            house.finish()
        went = Counter((line.name, id_) for line in house.lines.values() for id_ in line.went)
        assert house.letters == {}
        assert wanted <= set(went)
        assert sum(went.values()) - len(went) <= house.kills * len(house.lines)
