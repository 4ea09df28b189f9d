"""Reports what is paused: who paused it, since when, until when, and why.

Knows nothing of where that is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partflow.planning.pauses import Pause
from partflow.report.text import moment, printable


@dataclass(frozen=True, slots=True)
class PausedReport:
    """One pause; moments are texts in UTC, `until` and `why` None where nothing was said."""

    since: str
    until: str | None
    by: str
    why: str | None


@dataclass(frozen=True, slots=True)
class PausingReport:
    """What was paused by one command, or went on; `sentence` says how many."""

    paused: Mapping[str, PausedReport]
    resumed: tuple[str, ...]
    sentence: str


def paused_report(pause: Pause | None) -> PausedReport | None:
    """The report of a pause; None if there is none."""
    if pause is None:
        return None
    until = None if pause.until is None else moment(pause.until)
    return PausedReport(moment(pause.since), until, pause.by, pause.why or None)


def pausing_report(pauses: Mapping[str, Pause], resumed: tuple[str, ...] = ()) -> PausingReport:
    """The report of what a command paused, or let go on."""
    parts = [f"paused {', '.join(pauses)}"] if pauses else []
    parts += [f"resumed {', '.join(resumed)}"] if resumed else []
    reports = {node: paused_report(pause) for node, pause in pauses.items()}
    return PausingReport(
        {node: report for node, report in reports.items() if report is not None},
        resumed,
        "; ".join(parts) or "nothing of it was paused",
    )


def paused_lines(pauses: Mapping[str, PausedReport | None]) -> list[str]:
    """A line for each node that is paused."""
    return [f"paused: {node} {paused_words(report)}" for node, report in pauses.items() if report]


def paused_words(report: PausedReport) -> str:
    """Since when a pause lasts, by whom, until when and why, without the node's name."""
    until = f", until {report.until}" if report.until else ""
    why = f": {report.why}" if report.why else ""
    return printable(f"since {report.since}, by {report.by}{until}{why}")
