"""What `why` says of a step that failed in a run of `serve`: how often, and when again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from landings import FIRST, NOW, graph, tries

from partflow.planning.plan import Reason, State
from partflow.report.why import RetrialReport, WhyReport, why_lines
from partflow.scheduler.retrials import retrial_of
from partflow.scheduler.trynotes import TRIED, changed_notes


@dataclass
class Notes:
    """What a metastore has noted."""

    texts: dict[str, str]

    def noted(self, kind: str) -> dict[str, str]:
        return self.texts if kind == TRIED else {}


WHY = WhyReport(
    "clean", "2024-01-03", State.MISSING, may_become_stale=False, reason=Reason.NEVER,
    text="never made", task="clean", links=(), code_changes=(), lineage=(), made=None, history=(),
    not_followed=(), failure=None, perhaps_done_by=None, seen=(), settling=None, moved=None,
    paused=None, expected_by=None, late=False, provisional=False, retrial=None,
)  # fmt: skip
FAILED = {"clean": tries([FIRST, FIRST + 2])}
NOTES = Notes({name: text for name, text in changed_notes({}, FAILED).items() if text})


def test_a_step_that_failed_says_how_often_and_when_it_is_tried_again() -> None:
    # It failed an hour before the end of 2024-02-09, and is tried again after ten seconds.
    assert NOW == 1_707_523_200
    found = retrial_of(graph(), NOTES, "clean", "2024-01-03")
    assert found == RetrialReport(1, "2024-02-09T23:00:00Z", "2024-02-09T23:00:10Z")


def test_why_says_when_it_is_tried_again() -> None:
    made = RetrialReport(2, "2024-02-09T23:00:00Z", "2024-02-09T23:00:20Z")
    lines = why_lines(replace(WHY, retrial=made))
    assert lines[-2:] == [
        "serve tried it",
        (
            "  2 times, last at 2024-02-09T23:00:00Z; again at 2024-02-09T23:00:20Z, or at once "
            "when its inputs or its code move"
        ),
    ]


def test_what_did_not_fail_or_has_no_task_says_nothing() -> None:
    assert retrial_of(graph(), NOTES, "clean", "2024-01-02") is None
    assert retrial_of(graph(), NOTES, "week", "2024-01-03") is None
    assert retrial_of(graph(), NOTES, "landing", "2024-01-03") is None
