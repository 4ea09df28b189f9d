"""Reports what is late of a dataset or source, and since when.

Knows nothing of how that is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partflow.planning.lateness import Lateness
from partflow.report.text import count, moment, painted


@dataclass(frozen=True, slots=True)
class LateReport:
    """What is late; moments are texts in UTC.

    `partitions` counts those that were expected and never made, the first one by `since`.
    `too_old_since` is when the newest fresh one became older than it may; None if it has not.
    """

    partitions: int
    since: str | None
    too_old_since: str | None


def late_report(late: Lateness | None) -> LateReport | None:
    """The report of what is late; None if nothing is."""
    if late is None or not late.is_late:
        return None
    too_old = late.too_old_since
    return LateReport(
        len(late.at),
        moment(late.since) if late.at else None,
        None if too_old is None else moment(too_old),
    )


def late_lines(reports: Mapping[str, LateReport | None]) -> list[str]:
    """Lines for what is late of each dataset or source."""
    return [
        painted(f"late: {node}, {words}", "red")
        for node, report in reports.items()
        if report is not None
        for words in _words(report)
    ]


def _words(report: LateReport) -> list[str]:
    words = []
    if report.partitions:
        many = count(report.partitions, "partition")
        words.append(f"{many} expected and never made, since {report.since}")
    if report.too_old_since:
        words.append(f"its newest fresh partition is too old since {report.too_old_since}")
    return words
