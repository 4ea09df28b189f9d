"""Writes down what people were told, and are still to be, as notes, and reads that back.

A note is a text by name, as a metastore keeps it: one for each episode, for each letter that is not
delivered yet, and for each channel that does not deliver. Knows nothing of the metastore. What
cannot be read is as if it had never been.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import Any, TypeVar

from partflow.report.document import document
from partflow.report.notice import EpisodeReport
from partflow.scheduler.episodes import Episode, Episodes
from partflow.scheduler.outlook import Root

TOLD = "told"
"""The kind of these notes."""
_EPISODE, _LETTER, _CHANNEL = "episode", "letter", "channel"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is told at `at`, in epoch seconds, of some episodes, in one message.

    `waits` are the channels through which it has not gone yet, with the number of tries so far.
    """

    id: str
    at: float
    episodes: tuple[EpisodeReport, ...]
    waits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ailing:
    """A channel that has not delivered `since` a moment, in epoch seconds, in so many `tries`.

    It is tried again at `next_at`, with letters that were written after `passed_at` first. `said`
    is why, without secrets. `given_up` letters were refused for so long that they never will go.
    """

    since: float
    tries: int
    next_at: float
    said: str
    given_up: int = 0
    passed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """All that is remembered: episodes by root, letters by id, and ailing channels by name."""

    episodes: Episodes = field(default_factory=dict)
    letters: Mapping[str, Letter] = field(default_factory=dict)
    ailing: Mapping[str, Ailing] = field(default_factory=dict)


def noted_told(noted: Mapping[str, str]) -> Told:
    """What notes say, by name; those that say nothing are left out."""
    episodes, letters, ailing = {}, {}, {}
    for name, text in noted.items():
        kind, _, rest = name.partition(" ")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if kind == _EPISODE and (episode := episode_of(said)) is not None:
            episodes[episode.root] = episode
        elif kind == _LETTER and (letter := _read(_letter, said)) is not None:
            letters[letter.id] = letter
        elif kind == _CHANNEL and (state := ailing_of(said)) is not None:
            ailing[rest] = state
    return Told(episodes, letters, ailing)


def changed_notes(before: Mapping[str, str], after: Told) -> dict[str, str | None]:
    """What is to be noted so that notes that were `before` say `after`; None takes one away.

    Letters come first: if only a part is written, an episode is told twice rather than never.
    """
    texts = {f"{_LETTER} {letter.id}": _json(document(letter)) for letter in after.letters.values()}
    for episode in after.episodes.values():
        texts[f"{_EPISODE} {episode.root.kind}/{episode.root.name}"] = _json(episode_text(episode))
    texts |= {channel_note(name): ailing_text(state) for name, state in after.ailing.items()}
    changed: dict[str, str | None] = {n: t for n, t in texts.items() if before.get(n) != t}
    return changed | dict.fromkeys(before.keys() - texts.keys())


def together(noted: Told, since: Told) -> Told:
    """What was noted, and what was told since by whoever could not read that."""
    return Told(
        {**noted.episodes, **since.episodes},
        {**noted.letters, **since.letters},
        {**noted.ailing, **since.ailing},
    )


def channel_note(name: str) -> str:
    """The name of the note of a channel that does not deliver."""
    return f"{_CHANNEL} {name}"


def episode_text(episode: Episode) -> dict[str, Any]:
    """The episode as plain values, which `episode_of` reads."""
    return asdict(episode)


def episode_of(said: Any) -> Episode | None:
    """The episode that plain values say; None if they say none."""
    return _read(_episode, said)


def ailing_text(ailing: Ailing) -> str:
    """The text of a note of a channel that does not deliver."""
    return _json(asdict(ailing))


def ailing_of(said: Any) -> Ailing | None:
    """What the plain values of such a text say; None if they say nothing."""
    return _read(_ailing, said)


def _episode(said: Any) -> Episode:
    root = Root(_text(said["root"]["kind"]), _text(said["root"]["name"]))
    episode = Episode(
        _text(said["id"]),
        root,
        _moment(said["began"]),
        _moment(said["outbreak_at"]),
        _number(said["size"]),
        _number(said["outbreak"]),
        _number(said["told"]),
        _number(said["told_size"]),
        is_believed=said["is_believed"] is True,
        well_since=None if said["well_since"] is None else _moment(said["well_since"]),
        over_at=None if said["over_at"] is None else _moment(said["over_at"]),
        back=_number(said["back"]),
    )
    if not episode.size or (episode.over_at is not None and episode.well_since is None):
        raise ValueError(said)
    return episode


def _letter(said: Any) -> Letter:
    episodes = tuple(_report(each) for each in said["episodes"])
    waits = {_text(name): _number(tries) for name, tries in dict(said["waits"]).items()}
    if not episodes or not waits:
        raise ValueError(said)
    return Letter(_text(said["id"]), _moment(said["at"]), episodes, waits)


def _report(said: Any) -> EpisodeReport:
    numbers = {"partitions", "blocked", "times"}
    values: dict[str, Any] = {}
    for each in fields(EpisodeReport):
        value = said[each.name]
        if each.name == "until" and value is None:
            values[each.name] = None
        else:
            values[each.name] = _number(value) if each.name in numbers else _text(value)
    return EpisodeReport(**values)


def _ailing(said: Any) -> Ailing:
    return Ailing(
        _moment(said["since"]),
        _number(said["tries"]),
        _moment(said["next_at"]),
        _text(said["said"]),
        _number(said["given_up"]),
        _moment(said["passed_at"]),
    )


def _read(parse: Callable[[Any], _Value], said: Any) -> _Value | None:
    try:
        return parse(said)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _text(value: object) -> Any:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: object) -> Any:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(value)
    return value


def _moment(value: object) -> Any:
    if type(value) not in (int, float) or not isfinite(value) or abs(value) > 2**53:  # type: ignore[arg-type]
        raise ValueError(value)
    return value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
