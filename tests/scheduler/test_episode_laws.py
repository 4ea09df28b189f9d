"""What people are told of a trouble is bounded, loses nothing, and survives any restart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.project.settings import Notifying
from partflow.scheduler.episodes import Turn, next_telling, size_of, told_now
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.toldnotes import episode_of, episode_text

START = 1_700_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86_400
BY_DEFAULT = Notifying()
ROOTS = [Root("failed", "clean"), Root("late", "clean"), Root("source", "landing")]


def trouble(root=ROOTS[0], size=1, since=START, blocked=0):
    return Trouble(root, since, "no", "do", size - blocked, "a", "b", blocked)


def after_restart(episodes):
    texts = [json.loads(json.dumps(episode_text(e))) for e in episodes.values()]
    read = [episode_of(text) for text in texts]
    return {e.root: e for e in read if e is not None}


def told(history, notifying=BY_DEFAULT, restart=lambda e: e):
    """What is told in a history of (moment, troubles): (moment, root, turn, episode)."""
    episodes, news = {}, []
    for now, troubles in history:
        episodes, tidings = told_now(restart(episodes), troubles, now, notifying)
        news += [(now, t.episode.root, t.turn, t.episode) for t in tidings]
    return episodes, news


def turns(history, notifying=BY_DEFAULT):
    return [(now - START, turn.value) for now, _, turn, _ in told(history, notifying)[1]]


def minutes(*sizes):
    """A trouble of these sizes, one a minute; 0 is none."""
    return [
        (START + i * MINUTE, [trouble(size=n, since=START + i * MINUTE)] if n else [])
        for i, n in enumerate(sizes)
    ]


steps = st.one_of(
    st.sampled_from([1, MINUTE, 10 * MINUTE, 31 * MINUTE, HOUR, DAY]),
    st.sampled_from([-3 * HOUR - 7, -400 * DAY, 400 * DAY + 11, 8 * DAY]),
)
"""They never lead back to a moment that was: an episode is named by its first."""
spans = st.sampled_from([0, MINUTE, 30 * MINUTE, 2 * DAY]).map(lambda s: timedelta(seconds=s))
settings_of_telling = st.builds(Notifying, spans, spans)
wrongs = st.dictionaries(st.sampled_from(ROOTS), st.integers(1, 2000), max_size=3)


@st.composite
def histories(draw, moves=steps, size=60):
    now, history = START, []
    for _ in range(draw(st.integers(1, size))):
        now += draw(moves)
        wrong = draw(wrongs)
        history.append((now, [trouble(root, n, now) for root, n in wrong.items()]))
    return history


@given(histories(), settings_of_telling)
def test_an_episode_is_told_at_most_twice_and_as_often_as_it_doubled(history, notifying):
    counts: dict[str, int] = {}
    for _, _, _, episode in told(history, notifying)[1]:
        counts[episode.id] = counts.get(episode.id, 0) + 1
        assert counts[episode.id] == episode.told <= 2 + log2(episode.size)


@given(histories(), settings_of_telling)
def test_the_size_of_an_episode_is_no_more_than_what_was_wrong(history, notifying):
    """An outbreak counts as what was wrong in it; the second at least as much as the first."""
    episodes, largest = {}, {}
    for now, troubles in history:
        before = episodes
        episodes, _ = told_now(episodes, troubles, now, notifying)
        for t in troubles:
            now_, was = episodes[t.root], before.get(t.root)
            outbreaks = largest.setdefault(now_.id, {})
            outbreaks[now_.back] = max(outbreaks.get(now_.back, 0), size_of(t))
            assert was is None or was.id != now_.id or was.size <= now_.size
            counted = dict(outbreaks)
            if 1 in counted:
                counted[1] = max(counted[1], counted[0])
            assert now_.size <= sum(counted.values())
            if not now_.back:
                assert now_.told <= 1 + log2(max(outbreaks.values()))


@given(histories(), settings_of_telling, st.sets(st.integers(0, 60)))
def test_a_restart_changes_nothing(history, notifying, restarts):
    at = iter(range(len(history)))
    restarted = told(history, notifying, lambda e: after_restart(e) if next(at) in restarts else e)
    assert restarted == told(history, notifying)


@given(histories(), settings_of_telling)
def test_nobody_believes_that_all_is_well_while_it_is_not(history, notifying):
    """Whatever lasts for `tell_after` was told, and not as over."""
    last: dict[Root, Turn] = {}
    episodes: dict = {}
    for now, troubles in history:
        episodes, tidings = told_now(episodes, troubles, now, notifying)
        last |= {t.episode.root: t.turn for t in tidings}
        for t in troubles:
            if now - episodes[t.root].outbreak_at >= notifying.tell_after.total_seconds():
                assert last[t.root] is not Turn.RECOVERED


@given(histories(), settings_of_telling)
def test_what_is_remembered_stays_equal_where_nothing_changes(history, notifying):
    episodes: dict = {}
    for now, troubles in history:
        episodes, _ = told_now(episodes, troubles, now, notifying)
        again, tidings = told_now(episodes, troubles, now, notifying)
        assert (again, tidings) == (episodes, ())


@given(histories(), settings_of_telling, st.integers(1, 100))
def test_nothing_is_told_before_the_moment_that_was_foreseen(history, notifying, second):
    episodes, _ = told(history, notifying)
    now, troubles = history[-1]
    foreseen = next_telling(episodes, notifying)
    later = now + second if foreseen is None else min(now + second, foreseen - 0.001)
    if later > now:
        assert told_now(episodes, troubles, later, notifying) == (episodes, ())


@given(histories(), settings_of_telling)
def test_all_is_forgotten_after_it_was_well_for_long_enough(history, notifying):
    episodes, _ = told(history, notifying)
    now = history[-1][0]
    for _ in range(3):
        now += 3 * DAY
        episodes, _ = told_now(episodes, (), now, notifying)
    assert episodes == {}
    assert next_telling(episodes, notifying) is None


def test_an_episode_is_told_when_it_opens_and_when_it_was_well_for_long_enough():
    assert turns(minutes(3, 3, *[0] * 40)) == [(0, "opened"), (32 * MINUTE, "recovered")]


def test_what_is_well_for_a_short_time_is_not_over():
    assert turns(minutes(1, *[0] * 20, 1, *[0] * 20, 1)) == [(0, "opened")]


def test_what_does_not_last_is_not_told():
    patient = Notifying(tell_after=timedelta(minutes=5))
    assert turns(minutes(1, 1, 1, *[0] * 60, 1, 1), patient) == []
    assert turns(minutes(*[1] * 9), patient) == [(5 * MINUTE, "opened")]


def test_it_is_told_once_more_each_time_its_size_has_doubled():
    growing = turns(minutes(1, 2, 3, 4, 5, 6, 7, 8, 8, 3, 8, 15, 16))
    assert growing == [
        (0, "opened"),
        (60, "grew"),
        (180, "grew"),
        (420, "grew"),
        (720, "grew"),
    ]


def test_what_waits_behind_a_failure_counts_with_it():
    history = [(START, [trouble(size=160, blocked=120)]), (START + 60, [trouble(size=319)])]
    assert turns(history) == [(0, "opened")]


def test_a_failure_that_comes_back_within_a_day_is_the_same_episode_and_told_once():
    history = [
        (START, [trouble()]),
        (START + 60, []),
        (START + 60 + HOUR, []),
        (START + 5 * HOUR, [trouble(since=START + 5 * HOUR)]),
        (START + 6 * HOUR, [trouble(since=START + 5 * HOUR)]),
    ]
    news = told(history)[1]
    assert [t.value for _, _, t, _ in news] == ["opened", "recovered", "came back"]
    assert len({e.id for _, _, _, e in news}) == 1
    assert news[-1][3].began == START


def test_a_failure_that_comes_back_a_day_later_is_another_episode():
    history = [
        (START, [trouble()]),
        (START + 60, []),
        (START + 60 + HOUR, []),
        (START + 26 * HOUR, [trouble(since=START + 26 * HOUR)]),
    ]
    news = told(history)[1]
    assert [t.value for _, _, t, _ in news] == ["opened", "recovered", "opened"]
    assert len({e.id for _, _, _, e in news}) == 2


@pytest.mark.parametrize("times", [10, 1000])
def test_what_comes_and_goes_is_told_less_and_less(times):
    sizes = [1, *[0] * 40] * times
    news = told(minutes(*sizes))[1]
    assert len(news) <= 2 + log2(times)


def test_twenty_six_thousand_failures_in_a_day_are_one_episode():
    sizes = [18 * (i + 1) for i in range(1440)]
    news = told(minutes(*sizes))[1]
    assert len({e.id for _, _, _, e in news}) == 1
    assert len(news) <= 2 + log2(26_000)


@pytest.mark.parametrize("jump", [-3 * HOUR, -400 * DAY])
def test_a_clock_that_was_put_back_holds_nothing_up(jump):
    history = [(START, [trouble()]), (START + 60, [])]
    history += [(START + jump + i * MINUTE, []) for i in range(40)]
    assert [turn for _, turn in turns(history)] == ["opened", "recovered"]


@pytest.mark.parametrize("jump", [3 * HOUR, 8 * DAY, 400 * DAY])
def test_a_trouble_that_lasts_over_a_jump_of_the_clock_is_told_once(jump):
    lasting = trouble(size=5)
    history = [(START, [lasting]), (START + jump, [lasting]), (START + jump + 60, [lasting])]
    assert turns(history) == [(0, "opened")]
    # As long as nobody looked, nobody knows that it was well.
    history = [(START, [lasting]), (START + 60, []), (START + jump, [lasting])]
    assert turns(history) == [(0, "opened")]


def test_what_nobody_has_looked_at_is_neither_well_nor_wrong():
    lasting, project = trouble(), replace(trouble(), root=Root("project", ""))
    remembered, _ = told_now({}, [lasting], START, BY_DEFAULT)
    for later in (MINUTE, HOUR, 3 * DAY):
        now = START + later
        after, tidings = told_now(remembered, [project], now, BY_DEFAULT, is_whole=False)
        assert after[lasting.root] == remembered[lasting.root]
        assert [t.episode.root for t in tidings] == [project.root]


def test_several_troubles_by_one_root_are_one():
    both = [trouble(size=2), replace(trouble(size=3), first="0", last="c")]
    _, (tiding,) = told_now({}, both, START, BY_DEFAULT)
    assert (tiding.trouble.count, tiding.trouble.first, tiding.trouble.last) == (5, "0", "c")


def test_what_opens_grows_and_ends_in_one_tick_is_told_together():
    clean, late, landing = ROOTS
    history = [
        (START, [trouble(clean, 1), trouble(late, 1)]),
        (START + 60, [trouble(late, 1)]),
        (START + 60 + HOUR, [trouble(late, 2), trouble(landing, 1)]),
    ]
    assert {(t.value, now) for now, _, t, _ in told(history)[1] if now > START} == {
        ("recovered", START + 60 + HOUR),
        ("grew", START + 60 + HOUR),
        ("opened", START + 60 + HOUR),
    }
