"""Words what people are sent when something went wrong, or is well again: subject, text, document.

Knows nothing of when that is told, or of how it is sent. A notice is made of reports of episodes,
each of all trouble by one cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from partflow.report.text import bounded, count, moment, printable, shortened, span

_SHOWN = 20
"""The text has so many episodes of each kind; the document has all of them."""
_SUBJECT = 160
_WRONG: Mapping[str, str] = MappingProxyType(
    {
        "failed": "{} failed",
        "unreadable": "{} cannot be read",
        "late": "{} is late",
        "too old": "{} is too old",
        "perhaps done": "{} is perhaps done",
        "changed outside": "{} was changed outside of partflow",
        "clock": "the clock is wrong",
        "source": "the source {} has a fault",
        "project": "the project does not load",
        "child": "a process of serve ended",
        "channel": "the channel {} does not deliver",
        "machine": "the machine fails",
    }
)
"""What is said of a cause, by its kind; {} stands for its name."""
_AGAIN: Mapping[str, str] = MappingProxyType(
    {
        "project": "the project loads again",
        "child": "the processes of serve go on again",
        "clock": "the clock is right again",
        "machine": "the machine is well again",
        "channel": "the channel {} delivers again",
    }
)


@dataclass(frozen=True, slots=True)
class EpisodeReport:
    """What is told of one episode; moments are texts in UTC.

    `turn` is `opened`, `came back`, `grew` or `recovered`, and `until` is None unless it recovered.
    `partitions` have the trouble, from the key `first` to `last`, and `blocked` others wait behind
    them; 0 and "" if it is of no partition. `said` is the line to read first, `advice` what goes
    on. `times` is how often it has come by now.
    """

    id: str
    turn: str
    kind: str
    name: str
    since: str
    until: str | None
    said: str
    advice: str
    partitions: int
    first: str
    last: str
    blocked: int
    times: int


@dataclass(frozen=True, slots=True)
class NoticeReport:
    """One message: `subject` and `text` are in words what `episodes` say.

    `id` is the same if it has to be sent once more. `project` names the project and its machine.
    """

    id: str
    at: str
    project: str
    subject: str
    text: str
    episodes: tuple[EpisodeReport, ...]
    version: int = 1


def notice(id_: str, at: float, project: str, episodes: Sequence[EpisodeReport]) -> NoticeReport:
    """The message of `at` epoch seconds about at least one episode."""
    return NoticeReport(
        id_,
        moment(at),
        project,
        _subject(project, episodes),
        "\n".join([*_lines(episodes), f"{project}, {moment(at)}; `partflow status` says all"]),
        tuple(episodes),
    )


def trial_notice(id_: str, at: float, project: str) -> NoticeReport:
    """The message of `partflow notify --test`: it is about no episode."""
    return NoticeReport(
        id_,
        moment(at),
        project,
        f"{project}: this is a test",
        f"Nothing is wrong: somebody called `partflow notify --test`.\n{project}, {moment(at)}",
        (),
    )


def wrong_words(kind: str, name: str) -> str:
    """What is wrong by a cause, in a few words."""
    words = _WRONG[kind].format(name) if kind in _WRONG else f"{name}: {kind}"
    return printable(f"{words} at {name}" if kind == "machine" and name else words)


def well_words(kind: str, name: str) -> str:
    """That what was wrong by a cause is well again, in a few words."""
    return printable(_AGAIN.get(kind, "{} is well again").format(name))


def _subject(project: str, episodes: Sequence[EpisodeReport]) -> str:
    """What is worst comes first: what is new, then what grew, then what is well again."""
    wrong = sorted((e for e in episodes if e.until is None), key=_weight)
    well = [e for e in episodes if e.until is not None]
    parts = []
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        parts.append(f"{_head(wrong[0])}{more}")
    if len(well) == 1:
        parts.append(well_words(well[0].kind, well[0].name))
    elif well:
        parts.append(f"{len(well):,} are well again")
    return shortened(printable(f"{project}: {'; '.join(parts)}"), _SUBJECT)


def _weight(episode: EpisodeReport) -> tuple[bool, int]:
    return episode.turn == "grew", -episode.partitions - episode.blocked


def _lines(episodes: Sequence[EpisodeReport]) -> list[str]:
    wrong = sorted((e for e in episodes if e.until is None), key=_weight)
    well = [e for e in episodes if e.until is not None]
    lines: list[str] = []
    for kind, words in ((wrong, "are wrong"), (well, "are well again")):
        for episode in kind[:_SHOWN]:
            lines += [*_lines_of(episode), ""]
        if len(kind) > _SHOWN:
            lines += [f"{len(kind) - _SHOWN:,} more {words}", ""]
    return lines


def _lines_of(episode: EpisodeReport) -> list[str]:
    if episode.until is not None:
        many = f" of {count(episode.partitions, 'partition')}" if episode.partitions > 1 else ""
        return [
            f"{well_words(episode.kind, episode.name)} since {episode.until}",
            f"  the trouble{many} began {episode.since}",
        ]
    lines = [_head(episode), *(f"  {line}" for line in bounded(episode.said))]
    lines.append(f"  since {episode.since}{_times(episode)}")
    lines += [f"  {printable(episode.advice)}"] if episode.advice else []
    return lines


def _head(episode: EpisodeReport) -> str:
    """What is wrong, of how many partitions, and which."""
    head = wrong_words(episode.kind, episode.name)
    if episode.turn == "grew":
        head += ", of more by now"
    elif episode.turn == "came back":
        head += " again"
    parts = []
    if episode.partitions:
        keys = printable(span(episode.first, episode.last)) if episode.first else ""
        parts.append(f"{count(episode.partitions, 'partition')}{keys and ', ' + keys}")
    if episode.blocked:
        behind = "them" if episode.partitions > 1 else "it"
        parts.append(f"{count(episode.blocked, 'other waits', 'others wait')} behind {behind}")
    return f"{head}: {'; '.join(parts)}" if parts else head


def _times(episode: EpisodeReport) -> str:
    """How often it came, and what follows from that for whoever reads it."""
    if episode.turn != "came back":
        return ""
    return (
        f"; it comes and goes, {episode.times:,} times by now: that it is well may be told only a "
        "day after it is"
    )
