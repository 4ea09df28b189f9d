"""Keeps what is to be told until each channel has delivered it: a pure account.

A letter waits for each channel until it went, or until the channel has refused it for a day. A
channel that does not deliver is tried again after pauses that grow. Knows nothing of how anything
is sent, or of how the account is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace

from partflow.partitions.zone import DAY
from partflow.project.settings import Notifying
from partflow.report.notice import EpisodeReport, NoticeReport, notice
from partflow.report.text import count, moment
from partflow.scheduler.episodes import Episode, Tiding, next_telling, told_now
from partflow.scheduler.outlook import Root, Trouble
from partflow.scheduler.toldnotes import Ailing, Letter, Told

CHANNEL = "channel"
"""The kind of a root that is a channel."""
_FIRST_PAUSE, _LONGEST_PAUSE = 10, 3600
"""After the first failure of a channel, and at most, so many seconds pass until the next try."""
_DOUBLINGS = 20
_SAID = 1000
_PATIENCE = 5
"""A letter that was refused so often may be what is wrong, and not the channel."""


def with_news(
    told: Told,
    troubles: Iterable[Trouble],
    now: float,
    notifying: Notifying,
    channels: Collection[str],
    *,
    is_whole: bool = True,
) -> Told:
    """The account with what is to be told now as one letter, if there is anything.

    `troubles` are all that there are if they are `is_whole`, as of `told_now`. That a channel does
    not deliver is told when it has not twice, and never through itself.
    """
    told = _without_strangers(told, channels)
    wrong = [t for t in troubles if t.root.kind != CHANNEL]
    silent = [t for t in channel_troubles(told) if told.ailing[t.root.name].tries > 1]
    episodes, tidings = told_now(
        told.episodes, [*wrong, *silent], now, notifying, is_whole=is_whole
    )
    if not tidings:
        return replace(told, episodes=episodes)
    reports = tuple(_report(each) for each in tidings)
    waits = {name: 0 for name in sorted(channels) if _told_through(name, reports)}
    letters = dict(told.letters)
    if waits:
        said = "\n".join(f"{t.episode.id} {t.episode.told}" for t in tidings)
        id_ = hashlib.sha256(f"{now!r}\n{said}".encode()).hexdigest()[:32]
        letters[id_] = Letter(id_, now, reports, waits)
    return replace(told, episodes=episodes, letters=letters)


def with_delivered(told: Told, channel: str, letter: str) -> Told:
    """The account after a letter went through a channel, which is therefore well."""
    ailing = {name: state for name, state in told.ailing.items() if name != channel}
    return replace(_without_wait(told, channel, letter), ailing=ailing)


def with_failure(told: Told, channel: str, letter: str, said: str, now: float) -> Told:
    """The account after a letter did not go through a channel, and why.

    It is given up if a day has passed since it was written. After a letter that was refused often
    the next one is tried without a pause, so that one which never goes holds up no other.
    """
    before = told.ailing.get(channel, Ailing(now, 0, now, ""))
    sent = told.letters.get(letter)
    gives_up = sent is not None and channel in sent.waits and now - sent.at >= DAY
    tries = before.tries + 1
    passes = sent is not None and _is_passed(told, channel, sent)
    state = Ailing(
        min(before.since, now),
        tries,
        now if passes else now + pause_after(tries),
        said[:_SAID],
        before.given_up + gives_up,
        sent.at if sent is not None and passes else 0.0,
    )
    told = replace(told, ailing={**told.ailing, channel: state})
    if gives_up:
        return _without_wait(told, channel, letter)
    if sent is None or channel not in sent.waits:
        return told
    waits = {**sent.waits, channel: sent.waits[channel] + 1}
    return replace(told, letters={**told.letters, letter: replace(sent, waits=waits)})


def next_letter(told: Told, channel: str) -> Letter | None:
    """The letter to be sent through a channel next: the oldest one after what was passed over."""
    waiting = [each for each in told.letters.values() if channel in each.waits]
    passed_at = told.ailing[channel].passed_at if channel in told.ailing else 0.0
    later = [each for each in waiting if each.at > passed_at]
    return min(later or waiting, key=lambda each: (each.at, each.id), default=None)


def may_be_tried(told: Told, channel: str, now: float) -> bool:
    """Whether a channel's pause is over; it lasts no longer if the clock was put back."""
    state = told.ailing.get(channel)
    return state is None or not now < state.next_at <= now + pause_after(state.tries)


def next_moment(told: Told, now: float, notifying: Notifying) -> float | None:
    """When time alone makes something to be told, or to be tried again; None if it never does.

    Moments up to `now` do not count: what was to be done then was, or waits for something else.
    """
    moments = [
        state.next_at for name, state in told.ailing.items() if next_letter(told, name) is not None
    ]
    telling = next_telling(told.episodes, notifying, now)
    moments += [] if telling is None else [telling]
    return min((at for at in moments if at > now), default=None)


def channel_troubles(told: Told) -> tuple[Trouble, ...]:
    """A trouble for each channel that does not deliver."""
    return tuple(
        Trouble(
            Root(CHANNEL, name),
            state.since,
            ailing_words(told, name),
            "`partflow notify --test` tries it",
        )
        for name, state in sorted(told.ailing.items())
    )


def ailing_words(told: Told, channel: str) -> str:
    """Why a channel does not deliver, and what has become of the letters."""
    state = told.ailing[channel]
    waiting = sum(channel in letter.waits for letter in told.letters.values())
    words = [state.said]
    if waiting:
        words.append(f"{count(waiting, 'message waits', 'messages wait')}")
    if state.given_up:
        words.append(f"{count(state.given_up, 'message was', 'messages were')} given up")
    return "; ".join(words)


def notice_through(channel: str, letter: Letter, project: str) -> NoticeReport:
    """The message that a letter is, through one channel.

    Requires: the letter waits for the channel.
    """
    return notice(letter.id, letter.at, project, _told_through(channel, letter.episodes))


def _told_through(channel: str, reports: Iterable[EpisodeReport]) -> list[EpisodeReport]:
    return [each for each in reports if (each.kind, each.name) != (CHANNEL, channel)]


def _report(tiding: Tiding) -> EpisodeReport:
    episode, trouble = tiding.episode, tiding.trouble
    if trouble is None:
        return _report_of_end(tiding, episode)
    return EpisodeReport(
        id=episode.id,
        turn=tiding.turn.value,
        kind=episode.root.kind,
        name=episode.root.name,
        since=moment(episode.outbreak_at),
        until=None,
        said=trouble.said[:_SAID],
        advice=trouble.advice[:_SAID],
        partitions=trouble.count,
        first=trouble.first,
        last=trouble.last,
        blocked=trouble.blocked,
        times=episode.back + 1,
    )


def _report_of_end(tiding: Tiding, episode: Episode) -> EpisodeReport:
    assert episode.well_since is not None, "BUG: an end of what is not well"
    return EpisodeReport(
        id=episode.id,
        turn=tiding.turn.value,
        kind=episode.root.kind,
        name=episode.root.name,
        since=moment(episode.began),
        until=moment(episode.well_since),
        said="",
        advice="",
        partitions=episode.told_size,
        first="",
        last="",
        blocked=0,
        times=episode.back + 1,
    )


def _without_strangers(told: Told, channels: Collection[str]) -> Told:
    """The account without channels that are no longer configured."""
    if all(name in channels for name in _named(told)):
        return told
    letters = {}
    for letter in told.letters.values():
        waits = {name: tries for name, tries in letter.waits.items() if name in channels}
        if waits:
            letters[letter.id] = replace(letter, waits=waits)
    ailing = {name: state for name, state in told.ailing.items() if name in channels}
    episodes = {
        root: episode
        for root, episode in told.episodes.items()
        if root.kind != CHANNEL or root.name in channels
    }
    return Told(episodes, letters, ailing)


def _named(told: Told) -> set[str]:
    silent = {root.name for root in told.episodes if root.kind == CHANNEL}
    return silent.union(told.ailing, *(letter.waits for letter in told.letters.values()))


def _is_passed(told: Told, channel: str, letter: Letter) -> bool:
    """Whether a letter that has just been refused was so often, and another one waits behind it."""
    if letter.waits.get(channel, 0) + 1 < _PATIENCE:
        return False
    return any(channel in each.waits and each.at > letter.at for each in told.letters.values())


def _without_wait(told: Told, channel: str, letter: str) -> Told:
    sent = told.letters.get(letter)
    if sent is None:
        return told
    waits = {name: tries for name, tries in sent.waits.items() if name != channel}
    letters: dict[str, Letter] = {**told.letters, letter: replace(sent, waits=waits)}
    if not waits:
        del letters[letter]
    return replace(told, letters=letters)


def pause_after(tries: int) -> float:
    """After how many seconds a channel is tried again that has failed so often in a row."""
    return float(min(_FIRST_PAUSE * 2 ** min(max(tries, 1) - 1, _DOUBLINGS), _LONGEST_PAUSE))
