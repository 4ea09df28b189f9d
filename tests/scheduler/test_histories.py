"""Whatever happens, `serve` ends where a run from scratch would, and makes nothing in vain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played import Luck, Played
from simulated import Warehouse, contents, from_scratch
from strategies import epoch, graphs

from partflow.declarations.graph import Graph
from partflow.declarations.task import Task
from partflow.planning.plan import Automatic, Request
from partflow.planning.planner import plan
from partflow.project.settings import Notifying, Scheduling
from partflow.scheduler.episodes import Episodes, next_telling, told_now
from partflow.scheduler.outlook import Trouble
from partflow.scheduler.serve import Serve

OFTEN = st.sampled_from([0.3, 0.7])
KINDS = {
    "come late and are corrected": st.builds(Luck, news=OFTEN),
    "fail": st.builds(Luck, news=OFTEN, fails=st.sampled_from([0.1, 0.5])),
    "fail and are killed": st.builds(
        Luck, news=OFTEN, fails=st.sampled_from([0.0, 0.1, 0.5]), kills=st.just(0.3)
    ),
    "get other code and are made by hand": st.builds(
        Luck, news=OFTEN, codes=st.sampled_from([0.0, 0.05]), hands=st.just(0.1)
    ),
    "have an odd clock": st.builds(
        Luck, news=OFTEN, fails=st.sampled_from([0.0, 0.1]), jumps=st.just(0.05)
    ),
}
"""What happens to partitions, each with how likely it is."""
LUCKS = st.builds(
    Luck,
    fails=st.sampled_from([0.0, 0.0, 0.1, 0.5]),
    kills=st.sampled_from([0.0, 0.0, 0.3]),
    news=OFTEN,
    codes=st.sampled_from([0.0, 0.0, 0.05]),
    hands=st.sampled_from([0.0, 0.0, 0.1]),
    jumps=st.sampled_from([0.0, 0.0, 0.05]),
)
"""All of it at once."""
EXAMPLES = max(200, settings.default.max_examples) // (len(KINDS) + 1)
TURNS = 150
NOTIFYING = Notifying()
SCHEDULING = Scheduling(look_every=timedelta(hours=6), look_all_every=timedelta(days=1))


def played(graph: Graph, era: str, luck: Luck, seed: int) -> Played:
    """A history of some weeks; then nothing happens any more, and all comes to rest."""
    warehouse = Warehouse(graph, epoch(era), Random(seed))
    everything = frozenset(t.name for t in graph.tasks)
    play = Played(warehouse, luck, everything)
    serve = Serve(play, SCHEDULING, lambda _: None, Told())
    for _ in range(TURNS):
        serve.turn()
        assert play.begun_runs <= 10 * TURNS
    while play.answers:
        serve.turn()
    play.luck = Luck()
    play.paused.clear()
    play.decide_effects()
    for name, ordinal in warehouse.due_at_sources():
        was_there = warehouse.states[name].seq[ordinal - warehouse.states[name].lo] > 0
        if (name, ordinal) not in warehouse.files and (
            was_there or warehouse.chance.random() < 0.7
        ):
            warehouse.deliver(name, ordinal)
    serve.outlook = None
    for _ in range(4000):
        serve.turn()
        is_busy, seen = play.is_busy or serve.runs, serve.outlook
        if not is_busy and seen is not None and seen.at == warehouse.now and not seen.steps:
            return play
    raise AssertionError("it does not come to rest")


def require_nothing_in_vain(warehouse: Warehouse) -> None:
    """Raise AssertionError if anything was made once more of the same without an excuse.

    For an effect code does not count: what was done for one content is not done again.
    """
    effects: Counter[tuple[str, int, str]] = Counter()
    for making, times in warehouse.made.items():
        excused = warehouse.excuses[making.task, making.ordinal]
        assert times <= 1 + excused, f"{making} was made {times} times, with {excused} excuses"
        if warehouse.graph.task(making.task).is_effect:
            effects[making.task, making.ordinal, making.inputs] += times
    for (task, ordinal, _), times in effects.items():
        excused = warehouse.excuses[task, ordinal]
        assert times <= 1 + excused, f"{task} {ordinal} was done {times} times for one content"


class Told:
    """Counts the messages of each episode, as they would be sent."""

    def __init__(self) -> None:
        self.episodes: Episodes = {}
        self.messages: Counter[str] = Counter()

    def __call__(self, troubles: Sequence[Trouble], now: float, has_looked: bool) -> float | None:
        """See `Tell`."""
        del has_looked
        self.episodes, tidings = told_now(self.episodes, troubles, now, NOTIFYING)
        for tiding in tidings:
            self.messages[tiding.episode.id] += 1
            most = 2 + math.log2(tiding.episode.size)
            assert self.messages[tiding.episode.id] <= most, f"{tiding} is one message too many"
        return next_telling(self.episodes, NOTIFYING)


def may_differ(warehouse: Warehouse, afresh: Warehouse) -> set[str]:
    """The tasks that keep what they made, and all that are made from what differs for a reason.

    A reason is also that a history made more: what was the latest once, or before its time.
    """
    graph = warehouse.graph
    differ = {t.name for t in graph.tasks if _keeps(t)}
    for _ in graph.tasks:  # at most so often does a reason go from one to the next
        for task in graph.tasks:
            read = {w for i in task.inputs for w in graph.writers(i.read.dataset.name)}
            beside = {w for dataset in task.writes for w in graph.writers(dataset.name)}
            more = any(contents(warehouse, w).keys() != contents(afresh, w).keys() for w in read)
            if more or {w.name for w in read | beside} & differ:
                differ.add(task.name)
    return differ


def _keeps(task: Task) -> bool:
    return "keep" in (task.options.on_input_change, task.options.on_code_change)


@pytest.mark.parametrize("kind", [*KINDS, "have all of that"])
@settings(max_examples=EXAMPLES)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_the_end_is_that_of_a_run_from_scratch_where_partitions(
    kind: str, data: st.DataObject, seed: int
) -> None:
    graph, era = data.draw(graphs())
    judged(graph, era, data.draw(KINDS.get(kind, LUCKS)), seed)


def judged(graph: Graph, era: str, luck: Luck, seed: int) -> None:
    """Raise AssertionError if a history does not end as it has to."""
    play = played(graph, era, luck, seed)
    warehouse = play.warehouse
    require_nothing_in_vain(warehouse)
    by_itself = Request(automatic=Automatic(play.recompute))
    assert not plan(graph, warehouse.look(), by_itself).steps, "steps are left"
    afresh = from_scratch(warehouse)
    excepted = may_differ(warehouse, afresh)
    for task in graph.tasks:
        if task.name in excepted:
            continue
        made, expected = contents(warehouse, task), contents(afresh, task)
        for ordinal in expected.keys() & made.keys():
            assert made[ordinal] == expected[ordinal], f"{task.name} {ordinal}"
