"""Reports who keeps the warehouse fresh: which `serve` leads, and which stand by.

Knows nothing of how that is found.
"""

from __future__ import annotations

from dataclasses import dataclass

from partflow.report.text import moment, printable


@dataclass(frozen=True, slots=True)
class ServerReport:
    """A process of `serve`."""

    process: int
    host: str
    user: str


@dataclass(frozen=True, slots=True)
class ServingReport:
    """Who leads, and who stands by; the leader is None if nobody leads.

    `looked_at_all` is when everything was last looked at, as a text in UTC; None if that is not
    known.
    """

    leader: ServerReport | None = None
    looked_at_all: str | None = None
    standbys: tuple[ServerReport, ...] = ()


def serving_report(
    leader: ServerReport | None, looked_at_all: float, standbys: tuple[ServerReport, ...]
) -> ServingReport:
    """The report of who leads; `looked_at_all` is in epoch seconds, 0 if it never happened."""
    at = moment(looked_at_all) if leader is not None and looked_at_all else None
    return ServingReport(leader, at, standbys)


def serving_lines(report: ServingReport) -> list[str]:
    """A line, if anybody leads or stands by."""
    said = []
    if report.leader is not None:
        looked = f", looked at everything at {report.looked_at_all}"
        said.append(f"{_named(report.leader)} leads{looked if report.looked_at_all else ''}")
    if report.standbys:
        said.append(f"standing by: {', '.join(map(_named, report.standbys))}")
    return [printable(f"serve: {'; '.join(said)}")] if said else []


def _named(server: ServerReport) -> str:
    return f"{server.user}@{server.host}, process {server.process}"
