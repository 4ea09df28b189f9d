"""Prints a plan or the end of a run, and gives the exit code.

Knows nothing of how a run is carried out, nor of the words: those are the report's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from partflow.cli.session import DONE, FAILED, INTERRUPTED, PENDING, Session
from partflow.planning.plan import perhaps_done
from partflow.report.document import document
from partflow.report.faults import (
    FaultReport,
    PerhapsDoneReport,
    fault_lines,
    perhaps_done_lines,
    perhaps_done_reports,
)
from partflow.report.plan import DryRun, ScopeReport, blocked_lines, plan_lines, scope_lines
from partflow.report.remarks import Remarks, remark_lines
from partflow.report.result import cut_off, failure_lines, first_lines, result_report
from partflow.report.text import painted, print_json, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from partflow.execution.controls import Failed, Result
    from partflow.metastore.record import RunRow
    from partflow.planning.plan import Plan
    from partflow.planning.selection import Asked
    from partflow.report.result import ResultReport


def show_plan(dry_run: DryRun, output: str, *, detailed: bool) -> int:
    """Print a plan; returns the exit code.

    It is 1 if a partition that was named by its key cannot be made. If `detailed`, it is also 1 for
    faults and blocked partitions, and 3 if there are steps.
    """
    refused, plan = dry_run.refusals.shown, dry_run.plan
    _echo_errors(refused)
    echo_perhaps_done(plan.perhaps_done)
    if output == "json":
        print_json(document(dry_run))
    else:
        echo_faults(dry_run.faults)
        click.echo("\n".join(plan_lines(plan)))
    is_undecided = any(effect.is_undecided for effect in plan.perhaps_done)
    if refused or (detailed and (dry_run.faults or plan.counts.blocked or is_undecided)):
        return FAILED
    return PENDING if detailed and plan.steps else DONE


def show_result(result: Result, asked: Asked, output: str, session: Session) -> int:
    """Print how a run ended; returns the exit code."""
    report = result_report(result, asked, session.calls)
    _echo_errors(report.refusals.shown)
    if output == "json":
        print_json(document(report))
    else:
        echo_faults(report.faults)
        echo_remarks(report.remarks)
        _echo_errors([report.catalog] if report.catalog else [])
        for line in failure_lines(report, session.calls):
            click.echo(line, err=True)
        click.echo("\n".join([*blocked_lines(report.plan, session.calls), report.sentence]))
    return _exit_code(report, was_stopped=session.stopped)


def tell_failure(session: Session, output: str, failed: Failed) -> None:
    """Print on stderr the first failure of a task, while the run goes on."""
    if output != "json":
        click.echo("\n".join(first_lines(failed, session.calls)), err=True)


def show_cut_off(row: RunRow, output: str) -> None:
    """Print how far a run came that was broken off."""
    from partflow.report.runs import CutOffReport, run_report

    if output == "json":
        print_json(document(CutOffReport(run_report(row), cut_off(row))))
    else:
        click.echo(cut_off(row))


def echo_scopes(selection: Sequence[ScopeReport], asked: Asked) -> None:
    """Print on stderr what the selection has, unless everything is selected."""
    if not asked.is_everything:
        for line in scope_lines(selection):
            click.echo(line, err=True)


def echo_faults(faults: Sequence[FaultReport]) -> None:
    """Print on stderr what has to be put right."""
    for text in fault_lines(faults):
        click.echo(painted(f"error: {printable(text)}", "red"), err=True)


def echo_remarks(remarks: Remarks) -> None:
    """Print on stderr how the files of sources differ."""
    for text in remark_lines(remarks):
        click.echo(painted(printable(text), "yellow"), err=True)


def warn_of_effects(plan: Plan) -> None:
    """Print on stderr which effects are perhaps done, before any of them is done again."""
    echo_perhaps_done(perhaps_done_reports(perhaps_done(plan)))


def echo_perhaps_done(effects: Sequence[PerhapsDoneReport]) -> None:
    """Print on stderr which effects are perhaps done, and what becomes of them."""
    _echo_warnings(perhaps_done_lines(effects))


def _echo_warnings(lines: Sequence[str]) -> None:
    for text in lines:
        click.echo(painted(f"warning: {text}", "yellow"), err=True)


def _echo_errors(lines: Sequence[str]) -> None:
    for text in lines:
        click.echo(f"error: {text}", err=True)


def _exit_code(report: ResultReport, *, was_stopped: bool) -> int:
    if report.cancelled and (was_stopped or not report.failed):
        return INTERRUPTED
    is_undecided = any(effect.is_undecided for effect in report.plan.perhaps_done)
    wrong = report.refusals.shown or report.faults or report.catalog or is_undecided
    return FAILED if report.failed or report.blocked or wrong else DONE
