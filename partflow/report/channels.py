"""Reports whether channels deliver: what a test of them came to, and which of them fail.

Knows nothing of how messages are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partflow.report.text import count, moment, painted, printable


@dataclass(frozen=True, slots=True)
class ChannelTrialReport:
    """Whether a message went through a channel; `said` is why not."""

    channel: str
    went: bool
    said: str | None


@dataclass(frozen=True, slots=True)
class ChannelTrialsReport:
    """One message through each channel; `sentence` says how many went."""

    channels: tuple[ChannelTrialReport, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class FailingChannelReport:
    """A channel that does not deliver, `since` a moment as a text in UTC, and why."""

    channel: str
    since: str
    said: str


def trials_of_channels(said: Mapping[str, str | None]) -> ChannelTrialsReport:
    """The report of what was said for each channel; None if the message went."""
    reports = tuple(ChannelTrialReport(name, why is None, why) for name, why in said.items())
    went = sum(each.went for each in reports)
    return ChannelTrialsReport(
        reports, f"sent {count(went, 'message')}, failed {len(reports) - went:,}"
    )


def channel_trial_lines(report: ChannelTrialsReport) -> list[str]:
    """A line for each channel, and the sentence."""
    return [
        *(
            f"{each.channel}: sent"
            if each.went
            else painted(printable(f"{each.channel}: failed: {each.said}"), "red")
            for each in report.channels
        ),
        report.sentence,
    ]


def failing_channel(name: str, since: float, said: str) -> FailingChannelReport:
    """The report of a channel that does not deliver, since so many epoch seconds."""
    return FailingChannelReport(name, moment(since), said)


def failing_channel_lines(reports: Sequence[FailingChannelReport]) -> list[str]:
    """A line for each channel that does not deliver."""
    return [
        painted(
            printable(f"channel {each.channel} does not deliver since {each.since}: {each.said}"),
            "red",
        )
        for each in reports
    ]
