"""The world of `serve` as a play: children, clock, files, failures and kills by chance.

A run is planned when it begins, as a child does it, and carried out later, so that looks and other
runs go on beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from simulated import Warehouse, content_of

from partflow.execution.readyqueue import Step
from partflow.planning.footprint import footprint_of_steps
from partflow.planning.pauses import Pause
from partflow.planning.plan import Action, Automatic, Plan, Reason, Request
from partflow.planning.planner import plan
from partflow.planning.portion import portion, request_for
from partflow.planning.snapshot import Snapshot
from partflow.scheduler.messages import Ended, Leased, LookDone
from partflow.scheduler.news import Changed, Died, News, OfRun, Stirred
from partflow.scheduler.outlook import FailedSteps, Outlook
from partflow.scheduler.outlooks import Prospect, outlook_of, prospect, steps_of
from partflow.scheduler.tries import Memory, with_failures
from partflow.scheduler.trynotes import changed_notes, noted_memory

HOUR = 3600


@dataclass(frozen=True)
class Luck:
    """How likely each thing is that may happen."""

    fails: float = 0.0
    kills: float = 0.0
    news: float = 0.0
    """Of a source: a delivery, a correction, a file that is taken away."""
    codes: float = 0.0
    hands: float = 0.0
    """Somebody pauses or resumes, or makes something by hand."""
    jumps: float = 0.0
    """The clock is put back by some hours, or the machine sleeps for days."""


@dataclass
class Played:
    """One history of a warehouse. See `Outside`."""

    warehouse: Warehouse
    luck: Luck
    recompute: frozenset[str] = frozenset()
    paused: dict[str, Pause] = field(default_factory=dict)
    memory: Memory = field(default_factory=dict)
    answers: list[News] = field(default_factory=list)
    beginning: list[int] = field(default_factory=list)
    under_way: dict[int, Plan] = field(default_factory=dict)
    begun_runs: int = 0
    has_changed: bool = True
    """Whether anything was made since the last look."""

    def now(self) -> float:
        """The simulated time."""
        return float(self.warehouse.now)

    def look(self, *, at_all: bool) -> None:
        """See what there is, at once."""
        del at_all
        self.has_changed = False
        self.answers.append(LookDone(self.seen()))

    def begin(self, number: int, outlook: Outlook, *, is_apart: bool) -> None:
        """Remember that a run is to begin."""
        del outlook, is_apart
        self.begun_runs += 1
        self.beginning.append(number)

    def halt(self, *, now: bool) -> None:
        """Nothing: what is under way ends in its time."""
        del now

    def news(self, until: float) -> Sequence[News]:
        """What a child says, or what has happened by that moment."""
        chance = self.warehouse.chance
        if self.answers:
            return [self.answers.pop(0)]
        if self.beginning:
            return [self._begun(self.beginning.pop(0))]
        if self.under_way and chance.random() < 0.6:
            return [self._carried_out(chance.choice(sorted(self.under_way)))]
        return self._passed(until)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way, or was made that nobody has looked at."""
        is_asked = self.answers or self.beginning or self.under_way
        return bool(is_asked or self.memory or self.has_changed)

    # --- what a child does ------------------------------------------------------------------------

    def seen(self) -> Outlook:
        """What a look gives; what failed and would be tried with another is forgotten."""
        found, now = self._prospect(), self.now()
        self._remember(found.failing)
        return outlook_of(found, now, looked_at_all=now, graph="")

    def _prospect(self) -> Prospect:
        warehouse = self.warehouse
        busy = tuple(footprint_of_steps(each) for each in self.under_way.values())
        automatic = Automatic(self.recompute, busy=busy)
        return prospect(warehouse.graph, self._snapshot(), automatic, self.memory, self.now())

    def _snapshot(self) -> Snapshot:
        return replace(self.warehouse.look(), paused=dict(self.paused))

    def _begun(self, number: int) -> News:
        """Plan a run's portion, as a child does that has taken its lease."""
        whole = self._prospect().plan
        at_most = self.warehouse.chance.choice([1, 3, 500])
        request = request_for(whole, portion(whole, at_most))
        made = plan(whole.graph, whole.snapshot, request)
        if not made.steps:
            return OfRun(number, Ended())
        assert made.steps <= at_most
        for name, planned in made.tasks.items():
            again = (planned.action == Action.RUN) & (planned.need == Reason.REFRESH)
            for i in np.flatnonzero(again).tolist():
                self.warehouse.excuses[name, planned.lo + i] += 1
        self.under_way[number] = made
        return OfRun(number, Leased(made.steps))

    def _carried_out(self, number: int) -> News:
        warehouse, made = self.warehouse, self.under_way.pop(number)
        self.has_changed = True
        is_killed = warehouse.chance.random() < self.luck.kills
        ran = warehouse.carry_out(
            made, fails=self.luck.fails,
            killed_after=warehouse.chance.randrange(made.steps) if is_killed else None,
        )  # fmt: skip
        self._remember(with_failures(self.memory, self._lost(ran.failed), self.now()))
        if is_killed:
            return Died("run", "it was killed", number=number)
        return OfRun(number, Ended(f"run {number}", len(ran.made), failed=len(ran.failed)))

    def _lost(self, failed: Sequence[Step]) -> list[FailedSteps]:
        """What failed, each with what it would be made from now."""
        if not failed:
            return []
        anything = Request(automatic=Automatic(self.recompute))
        steps = steps_of(plan(self.warehouse.graph, self._snapshot(), anything))
        lost = []
        for step in failed:
            here = steps[step.task].ordinals == step.ordinal
            if here.any():
                each = steps[step.task]
                said = f"{step.task} failed"
                lost.append(FailedSteps(step.task, each.ordinals[here], each.digests[here], said))
        return lost

    def _remember(self, memory: Memory) -> None:
        """Write down what is remembered, and read it back, as after a restart."""
        self.memory = noted_memory({n: t for n, t in changed_notes({}, memory).items() if t})

    # --- what happens -----------------------------------------------------------------------------

    def _passed(self, until: float) -> list[News]:
        """Time goes on, and something may happen."""
        warehouse, chance = self.warehouse, self.warehouse.chance
        most = max(1, round(until) - warehouse.now)
        warehouse.now += chance.randint(1, most) if chance.random() < 0.3 else most
        if chance.random() < self.luck.jumps:
            warehouse.now += chance.choice([-3 * HOUR, 8 * 24 * HOUR])
        if chance.random() < self.luck.codes:
            task = chance.choice(warehouse.graph.tasks).name
            warehouse.codes[task] = content_of(task, chance.random())
            return [Changed()]
        if chance.random() < self.luck.hands:
            self._hand()
        return self._news_of_sources()

    def _news_of_sources(self) -> list[News]:
        warehouse, chance = self.warehouse, self.warehouse.chance
        due = warehouse.due_at_sources()
        if not due or chance.random() >= self.luck.news:
            return []
        for name, ordinal in chance.sample(due, min(len(due), chance.choice([1, 1, 3, 9]))):
            if (name, ordinal) in warehouse.files and chance.random() < 0.2:
                del warehouse.files[name, ordinal]
            else:
                warehouse.deliver(name, ordinal)
        return [Stirred()] if chance.random() < 0.5 else []

    def _hand(self) -> None:
        """Somebody pauses a node, resumes all, decides an effect, or makes what is to be made."""
        warehouse, chance = self.warehouse, self.warehouse.chance
        match chance.choice(["pause", "resume", "decide", "make"]):
            case "pause":
                node = chance.choice(sorted(warehouse.states))
                self.paused[node] = Pause(by="somebody", since=warehouse.now, until=None, why="")
            case "resume":
                self.paused.clear()
            case "decide":
                self.decide_effects()
            case _:
                self._made_by_hand()

    def decide_effects(self) -> None:
        """Somebody says that what was cut off was not done, so that it is done again."""
        for effect, ordinals in self.warehouse.begun.items():
            for ordinal in ordinals:
                self.warehouse.excuses[effect, ordinal] += 1
        self.warehouse.begun.clear()

    def _made_by_hand(self) -> None:
        """A run by hand beside those under way, if it meets none of them."""
        warehouse = self.warehouse
        made = plan(warehouse.graph, warehouse.look(), Request())
        mine = footprint_of_steps(made)
        if any(footprint_of_steps(other).meeting(mine) for other in self.under_way.values()):
            return
        for name, planned in made.tasks.items():
            for i in np.flatnonzero(planned.action == Action.RUN).tolist():
                warehouse.excuses[name, planned.lo + i] += 1
        warehouse.carry_out(made, fails=self.luck.fails)
