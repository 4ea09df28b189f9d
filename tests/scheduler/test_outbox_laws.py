"""What is to be told waits until it went, through each channel by itself, and is never lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from partflow.project.settings import Notifying
from partflow.scheduler.outbox import (
    channel_troubles,
    may_be_tried,
    next_letter,
    next_moment,
    notice_through,
    with_delivered,
    with_failure,
    with_news,
)
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.toldnotes import Told, changed_notes, noted_told

START = 1_700_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86_400
CHANNELS = ("hook", "mail")
NOTIFYING = Notifying()


def failed(name, since=START):
    return Trouble(Root("failed", name), since, "no rows", "partflow logs last", 1, "a", "a")


def news(told, *names, now=START, channels=CHANNELS):
    return with_news(told, [failed(n, now) for n in names], now, NOTIFYING, channels)


def written(told):
    """What notes say of it, after they were written and read."""
    return noted_told({n: t for n, t in changed_notes({}, told).items() if t is not None})


moves = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sets(st.sampled_from(["clean", "daily"]))),
        st.tuples(st.just("goes"), st.sampled_from(CHANNELS)),
        st.tuples(st.just("refused"), st.sampled_from(CHANNELS)),
        st.tuples(st.just("passes"), st.sampled_from([MINUTE, HOUR, DAY, -3 * HOUR, 400 * DAY])),
    ),
    max_size=40,
)


def moved(told, now, move):
    """What is remembered, the time, and (channel, letter, is sent) of what a channel came to."""
    kind, value = move
    if kind == "tick":
        return with_news(told, [failed(n, now) for n in value], now, NOTIFYING, CHANNELS), now, None
    if kind == "passes":
        return told, now + value, None
    letter = next_letter(told, value)
    if letter is None:
        return told, now, None
    if kind == "goes":
        return with_delivered(told, value, letter.id), now, (value, letter.id, True)
    return with_failure(told, value, letter.id, "no", now), now, (value, letter.id, False)


@given(moves)
def test_what_was_written_down_is_read_back_as_it_was(history):
    told, now = Told(), START
    for move in history:
        told, now, _ = moved(told, now, move)
        assert written(told) == told


@given(moves)
def test_each_letter_goes_once_through_each_channel_unless_it_is_given_up(history):
    told, now, gone, wanted = Told(), START, [], set()
    for move in history:
        told, now, fared = moved(told, now, move)
        wanted |= {(c, letter.id) for letter in told.letters.values() for c in letter.waits}
        if fared is not None and fared[2]:
            gone.append(fared[:2])
    assert len(gone) == len(set(gone))
    waits = {(c, letter.id) for letter in told.letters.values() for c in letter.waits}
    lost = wanted - set(gone) - waits
    # Only what was refused a day after it was written is gone without having been sent.
    given_up, now, told = set(), START, Told()
    for move in history:
        before = told
        told, now, fared = moved(told, now, move)
        if fared is not None and not fared[2] and now - before.letters[fared[1]].at >= DAY:
            given_up.add(fared[:2])
    assert lost == given_up


@given(moves)
def test_nothing_is_written_when_nothing_changes(history):
    told, now = Told(), START
    for move in history:
        told, now, _ = moved(told, now, move)
    notes = {n: t for n, t in changed_notes({}, told).items() if t is not None}
    assert changed_notes(notes, noted_told(notes)) == {}


@given(st.dictionaries(st.text(), st.text()), moves)
def test_notes_that_nobody_understands_are_as_if_they_were_not(noise, history):
    told, now = Told(), START
    for move in history:
        told, now, _ = moved(told, now, move)
    notes = {n: t for n, t in changed_notes({}, told).items() if t is not None}
    strange = {f"{kind} {n}": t for n, t in noise.items() for kind in ("episode", "letter")}
    assert noted_told({**noise, **strange, **notes}) == told


@given(moves, st.data())
def test_a_note_that_was_cut_or_changed_is_no_crash(history, data):
    told, now = Told(), START
    for move in history:
        told, now, _ = moved(told, now, move)
    notes = {n: t for n, t in changed_notes({}, told).items() if t is not None}
    for name, text in notes.items():
        cut = data.draw(st.integers(0, len(text)))
        notes[name] = text[:cut] + data.draw(st.sampled_from(["", "null", "}", "-1", '"']))
    with_news(noted_told(notes), (), now, NOTIFYING, CHANNELS)


def test_a_letter_waits_for_each_channel():
    told = news(Told(), "clean", "daily")
    (letter,) = told.letters.values()
    assert letter.waits == {"hook": 0, "mail": 0}
    told = with_delivered(told, "hook", letter.id)
    assert (next_letter(told, "hook"), next_letter(told, "mail").id) == (None, letter.id)
    told = with_delivered(told, "mail", letter.id)
    assert told.letters == {}


def test_that_a_channel_fails_is_told_through_the_others_only():
    told = news(Told(), "clean", channels=CHANNELS)
    (letter,) = told.letters.values()
    told = with_delivered(told, "hook", letter.id)
    told = with_failure(told, "mail", letter.id, "550 no", START)
    assert news(told, "clean").letters == told.letters  # once may be an accident
    told = with_failure(told, "mail", letter.id, "550 no", START)
    (trouble,) = channel_troubles(told)
    assert (trouble.root, trouble.said) == (Root("channel", "mail"), "550 no; 1 message waits")
    told = news(told, "clean", now=START + 1)
    second = next(each for each in told.letters.values() if each.id != letter.id)
    assert second.waits == {"hook": 0}
    assert "mail does not deliver" in notice_through("hook", second, "shop").subject


def test_a_letter_of_several_episodes_leaves_out_of_a_channel_what_is_of_it():
    told = with_failure(news(Told(), "clean"), "mail", "", "no", START)
    told = with_failure(told, "mail", "", "no", START)
    told = news(told, "clean", "daily", now=START + 1)
    second = max(told.letters.values(), key=lambda each: each.at)
    assert second.waits == {"hook": 0, "mail": 0}
    names = [e.name for e in notice_through("mail", second, "shop").episodes]
    assert names == ["daily"]
    assert len(notice_through("hook", second, "shop").episodes) == 2


def test_a_channel_that_fails_is_tried_after_pauses_that_grow_up_to_an_hour():
    told, now, pauses = news(Told(), "clean"), START, []
    (letter,) = told.letters
    for _ in range(30):
        told = with_failure(told, "mail", letter, "no", now)
        until = told.ailing["mail"].next_at
        assert not may_be_tried(told, "mail", now)
        assert not may_be_tried(told, "mail", until - 0.1)
        assert may_be_tried(told, "mail", until)
        pauses.append(until - now)
        now = until
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (10, 3600)


def test_a_channels_pause_lasts_no_longer_if_the_clock_is_put_back():
    told = with_failure(news(Told(), "clean"), "mail", "", "no", START)
    assert may_be_tried(told, "mail", START - 400 * DAY)


def test_a_letter_is_given_up_only_when_it_was_tried_a_day_after_it_was_written():
    told = news(Told(), "clean")
    (letter,) = told.letters
    told = with_failure(told, "mail", letter, "no", START + DAY - 1)
    assert "mail" in told.letters[letter].waits
    told = with_failure(told, "mail", letter, "no", START + 8 * DAY)
    assert "mail" not in told.letters[letter].waits
    assert channel_troubles(told)[0].said == "no; 1 message was given up"


def three_letters():
    told = news(Told(), "clean")
    told = news(told, "clean", "daily", now=START + 60)
    told = news(told, "clean", "daily", "weekly", now=START + 120)
    return told, [each.id for each in sorted(told.letters.values(), key=lambda each: each.at)]


def test_letters_go_in_their_order_also_after_a_channel_failed_for_long():
    told, letters = three_letters()
    now = START + 120
    for _ in range(30):
        told = with_failure(told, "mail", next_letter(told, "mail").id, "no", now)
        if told.ailing["mail"].next_at > now:
            # A new round begins with the oldest.
            assert next_letter(told, "mail").id == letters[0]
        now = told.ailing["mail"].next_at
    while told.ailing["mail"].next_at <= now and told.ailing["mail"].passed_at:
        told = with_failure(told, "mail", next_letter(told, "mail").id, "no", now)
    gone = []
    while (letter := next_letter(told, "mail")) is not None:
        gone.append(letter.id)
        told = with_delivered(told, "mail", letter.id)
    assert gone == letters


def test_a_letter_that_never_goes_holds_up_no_other_for_long():
    told, letters = three_letters()
    now, gone = START + 120, []
    for _ in range(20):
        letter = next_letter(told, "mail")
        if letter.id == letters[0]:
            told = with_failure(told, "mail", letter.id, "too large", now)
        else:
            gone.append((letter.id, now - START))
            told = with_delivered(told, "mail", letter.id)
        now = told.ailing["mail"].next_at if told.ailing else now
    assert [each for each, _ in gone] == letters[1:]
    assert gone[-1][1] < 10 * MINUTE


def test_a_channel_that_is_configured_no_more_is_forgotten():
    told = with_failure(news(Told(), "clean"), "mail", "", "no", START)
    told = news(with_failure(told, "mail", "", "no", START), "clean", now=START + 1)
    assert Root("channel", "mail") in told.episodes
    told = news(told, "clean", channels=("hook",), now=START + 2)
    assert told.ailing == {}
    assert [root.kind for root in told.episodes] == ["failed"]
    assert {c for letter in told.letters.values() for c in letter.waits} == {"hook"}


def test_the_next_moment_is_that_of_the_next_try():
    told = with_failure(news(Told(), "clean"), "mail", "", "no", START)
    assert next_moment(told, START, NOTIFYING) == START + 10
    assert next_moment(Told(), START, NOTIFYING) is None


def test_a_moment_that_has_passed_is_not_the_next_one():
    told = with_failure(news(Told(), "clean"), "mail", "", "no", START)
    assert next_moment(told, START + 10, NOTIFYING) is None, "the mail is on its way"
    well = news(told, now=START + 60)
    healed_at = START + 60 + NOTIFYING.heals_after.total_seconds()
    assert next_moment(well, START + 60, NOTIFYING) == healed_at
    assert next_moment(well, healed_at + 1, NOTIFYING) is None, "nobody has looked yet"
