"""The loop of `serve` in a world that is played: when it looks, begins runs, waits and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from outsides import NOW, Played, outlook

from partflow.project.settings import Scheduling
from partflow.scheduler.messages import Ended, Leased, LookDone, LookFailed, NotLoaded, Progressed
from partflow.scheduler.news import Changed, Died, OfRun, Stirred, Stopped
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.serve import Serve

SETTINGS = Scheduling(stop_within=timedelta(seconds=20))


def sees(*, steps: int = 0, changes_at: float | None = None):
    """An answer to looks: so many steps could begin."""

    def answer(played: Played) -> None:
        seen = outlook(played.clock, steps=steps, changes_at=changes_at, all_at=played.all_at)
        played.answers.append(LookDone(seen))

    return answer


def serving(played: Played, turns: int = 0) -> tuple[Serve, list[str]]:
    said: list[str] = []
    serve = Serve(played, SETTINGS, said.append)
    for _ in range(turns):
        serve.turn()
    return serve, said


def test_at_rest_it_looks_once_a_minute_and_once_an_hour_at_everything() -> None:
    played = Played(on_look=sees())
    serving(played, turns=400)

    looks = [(at - NOW, text) for at, text in played.asked]

    assert looks[:3] == [(0, "look at all"), (60, "look"), (120, "look")]
    assert [at for at, text in looks if text == "look at all"][:3] == [0, 3600, 7200]


def test_it_wakes_at_the_moment_at_which_something_becomes_due() -> None:
    played = Played(on_look=sees(changes_at=NOW + 17))
    serving(played, turns=4)

    assert played.asked[1] == (NOW + 17, "look")


def test_it_looks_again_when_a_run_has_its_lease_and_begins_another_beside_it() -> None:
    played = Played(on_look=sees(steps=3))
    serve, _ = serving(played, turns=2)
    assert played.words == ["look at all", "begin 1"]

    played.answers = [OfRun(1, Leased(3))]
    for _ in range(3):
        serve.turn()

    assert played.words == ["look at all", "begin 1", "look", "begin 2"]
    assert len(serve.runs) == 2


def test_while_a_run_is_about_to_take_its_lease_it_does_not_look() -> None:
    played = Played(on_look=sees(steps=3))
    serving(played, turns=10)

    assert played.words == ["look at all", "begin 1"]


def test_it_looks_at_once_when_a_run_has_ended() -> None:
    def comes_to_its_end(played: Played, number: int) -> None:
        played.answers += [OfRun(number, Leased(3)), OfRun(number, Progressed(3, 0))]
        played.answers += [OfRun(number, Ended("r1", ran=3))]
        played.on_look = sees()

    played = Played(on_look=sees(steps=3), on_begin=comes_to_its_end)
    serve, said = serving(played, turns=5)

    assert played.asked[:3] == [(NOW, "look at all"), (NOW, "begin 1"), (NOW, "look")]
    assert said == ["run r1: ran 3, unchanged 0, failed 0, blocked 0"]
    assert not serve.runs


def test_what_failed_and_cannot_be_remembered_is_said_and_not_tried_again_at_once() -> None:
    def fails(played: Played, number: int) -> None:
        said = "what failed cannot be remembered: the disk is full"
        ended = Ended("r1", failed=2, said=said)
        played.answers += [OfRun(number, Leased(2)), OfRun(number, ended)]

    played = Played(on_look=sees(steps=2), on_begin=fails)
    _, said = serving(played, turns=7)

    begun = [at - NOW for at, text in played.asked if text.startswith("begin")]
    assert begun[:2] == [0, 60]
    assert said[0].endswith(
        "failed 2, blocked 0; what failed cannot be remembered: the disk is full"
    )


def test_a_run_that_met_another_is_not_begun_again_at_once() -> None:
    def meets(played: Played, number: int) -> None:
        played.answers.append(OfRun(number, Ended(said="another run is at this", is_met=True)))

    played = Played(on_look=sees(steps=3), on_begin=meets)
    serving(played, turns=8)

    begins = [at - NOW for at, text in played.asked if text.startswith("begin")]
    assert begins[:2] == [0, 60]


def test_a_hint_that_files_have_come_and_changed_code_shorten_the_sleep() -> None:
    for hint in (Stirred(), Changed()):
        played = Played(on_look=sees())
        serve, _ = serving(played, turns=2)
        played.clock, played.answers = NOW + 7, [hint]
        for _ in range(2):
            serve.turn()

        assert played.asked[1] == (NOW + 7, "look")


def test_after_the_clock_was_put_back_it_looks_within_a_minute() -> None:
    played = Played(on_look=sees())
    serve, _ = serving(played, turns=2)
    played.clock = NOW - 400 * 86400
    back = played.clock
    for _ in range(2):
        serve.turn()

    assert played.asked[1][0] - back <= 60


def test_a_child_that_died_in_a_run_makes_the_next_run_apart_and_ends_nothing() -> None:
    played = Played(on_look=sees(steps=3))
    played.on_begin = lambda played, number: played.answers.append(
        Died("run", "signal 11", "jobs/a.py:3", number)
    )
    serve, said = serving(played, turns=6)

    assert played.words[:4] == ["look at all", "begin 1", "look", "begin 2 apart"]
    assert said == [
        "a child process ended while it was to carry a run out at jobs/a.py:3: signal 11"
    ]
    assert serve.troubles.keys() == {Root("child", "run")}


def test_a_child_that_died_in_a_look_is_no_trouble_any_more_once_a_look_comes_to_its_end() -> None:
    for doing in ("load", "look"):
        played = Played(on_look=lambda p, doing=doing: p.answers.append(Died(doing, "signal 11")))
        serve, _ = serving(played, turns=3)
        assert serve.troubles.keys() == {Root("child", doing)}

        played.on_look = sees()
        for _ in range(3):
            serve.turn()

        assert serve.is_well


def test_a_child_that_died_in_a_run_is_no_trouble_any_more_when_nothing_is_left_to_be_made() -> (
    None
):
    played = Played(on_look=sees(steps=3))
    serve, _ = serving(played, turns=2)
    played.on_look, played.answers = sees(), [Died("run", "signal 9", "", 1)]
    for _ in range(3):
        serve.turn()

    assert serve.is_well


def test_children_that_die_for_days_in_a_row_end_nothing() -> None:
    played = Played(on_look=lambda p: p.answers.append(Died("load", "signal 11")))
    serve, said = serving(played, turns=4000)

    assert not serve.is_over
    assert len(said) == 1
    assert played.asked[-1][0] - played.asked[-2][0] == 60


def test_once_it_goes_on_where_a_run_ended_while_it_looked() -> None:
    played = Played(on_look=sees(steps=3))
    serve = Serve(played, SETTINGS, lambda _: None, is_once=True)
    for _ in range(2):
        serve.turn()
    played.on_look = lambda _: None
    played.answers = [OfRun(1, Leased(3))]
    for _ in range(2):
        serve.turn()
    assert played.words == ["look at all", "begin 1", "look"]

    sees(steps=3)(played)
    played.answers.insert(0, OfRun(1, Ended("r1", ran=3)))
    serve.turn()
    assert not serve.is_over, "the look may have been before the end of the run"

    played.on_look = sees()
    for _ in range(2):
        serve.turn()
    assert serve.is_over


def test_once_it_makes_a_run_apart_after_one_in_which_its_child_died() -> None:
    played = Played(on_look=sees(steps=3))
    played.on_begin = lambda played, number: played.answers.append(
        Died("run", "signal 11", "", number)
    )
    serve = Serve(played, SETTINGS, lambda _: None, is_once=True)
    for _ in range(12):
        if not serve.is_over:
            serve.turn()

    assert serve.is_over
    assert played.words == ["look at all", "begin 1", "look", "begin 2 apart"]


def test_a_project_that_does_not_load_is_tried_again_said_once_and_over_when_it_loads() -> None:
    played = Played(on_look=lambda p: p.answers.append(NotLoaded("jobs/a.py:3: SyntaxError")))
    serve, said = serving(played, turns=9)
    assert said == ["jobs/a.py:3: SyntaxError; mend it: until then nothing new begins"]
    assert serve.troubles[Root("project", "")].since == NOW
    assert len(played.asked) > 2

    played.on_look = sees()
    for _ in range(3):
        serve.turn()

    assert not serve.troubles


def test_a_project_that_loads_no_more_is_told_with_the_time_of_the_last_good_load() -> None:
    played = Played(on_look=sees())
    serve, said = serving(played, turns=2)
    played.on_look = lambda played: played.answers.append(NotLoaded("jobs/a.py:3: SyntaxError"))
    for _ in range(2):
        serve.turn()

    assert len(said) == 1
    assert "it last loaded well at 2023-11-1" in said[0]


def test_what_a_look_finds_wrong_is_said_once_and_once_more_when_it_is_well() -> None:
    torn = Trouble(
        Root("unreadable", "landing"), NOW, "landing/2.csv: line 3 is cut off",
        "have it delivered again", count=1, first="2024-01-02", last="2024-01-02", blocked=7,
    )  # fmt: skip
    wrong = [(torn,), (torn,), ()]

    def answer(played: Played) -> None:
        seen = outlook(played.clock, steps=0, all_at=played.all_at)
        played.answers.append(LookDone(replace(seen, troubles=wrong.pop(0) if wrong else ())))

    _, said = serving(Played(on_look=answer), turns=8)

    wrong_words = "landing cannot be read (2024-01-02, 7 others wait behind)"
    assert said == [f"{wrong_words}: {torn.said}; {torn.advice}", "landing is well again"]


def test_a_look_that_fails_is_tried_again_a_minute_later() -> None:
    played = Played(on_look=lambda p: p.answers.append(LookFailed("the metastore is locked")))
    serve, _ = serving(played, turns=5)

    assert [at - NOW for at, _ in played.asked] == [0, 60, 120]
    assert serve.troubles.keys() == {Root("machine", "")}


def test_asked_to_stop_it_begins_nothing_and_ends_when_its_runs_have() -> None:
    played = Played(on_look=sees(steps=3))
    serve, _ = serving(played, turns=2)
    played.answers = [OfRun(1, Leased(3)), Stopped()]
    serve.turn()
    assert not serve.is_over

    played.answers = [OfRun(1, Ended("r1", ran=1, cancelled=2))]
    serve.turn()

    assert serve.is_over
    assert played.words == ["look at all", "begin 1", "halt"]


def test_asked_to_stop_it_gives_a_run_its_time_and_then_cancels_it() -> None:
    played = Played(on_look=sees(steps=3))
    serve, _ = serving(played, turns=2)
    played.answers = [OfRun(1, Leased(3)), Stopped()]
    asked_at = played.clock
    for _ in range(2):
        serve.turn()

    assert played.asked[-1] == (asked_at + 20, "halt now")
    assert not serve.is_over

    serve.turn()

    assert serve.is_over, "a run that does not end when it is cancelled is not waited for"


def test_asked_to_stop_twice_it_ends_at_once() -> None:
    played = Played(on_look=sees(steps=3))
    serve, _ = serving(played, turns=2)
    played.answers = [OfRun(1, Leased(3)), Stopped(), Stopped()]
    serve.turn()

    assert serve.is_over


def test_asked_to_stop_at_rest_it_ends() -> None:
    played = Played(on_look=sees())
    serve, _ = serving(played, turns=2)
    played.answers = [Stopped()]
    serve.turn()

    assert serve.is_over


def test_before_it_has_looked_it_does_not_say_that_it_tells_all() -> None:
    told: list[tuple[list[Root], bool]] = []

    def tell(troubles, now, is_whole):
        told.append(([each.root for each in troubles], is_whole))

    played = Played(on_look=lambda played: played.answers.append(NotLoaded("no")))
    serve = Serve(played, SETTINGS, lambda _: None, tell)
    for _ in range(2):
        serve.turn()
    assert told[-1] == ([Root("project", "")], False)

    played.on_look = sees()
    for _ in range(3):
        serve.turn()
    assert told[-1] == ([], True)
