"""`plan`, `materialize` and `backfill`: show what has to be made, and make it.

Knows nothing of plans or runs: the project makes them, other modules show them.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from partflow.cli.options import (
    Carrying,
    carrying,
    detailed,
    effects,
    looking,
    printing,
    selecting,
)
from partflow.cli.session import INTERRUPTED, Session
from partflow.cli.stopping import Interrupt
from partflow.report.text import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from partflow.execution.controls import Controls, Result
    from partflow.planning.planner import Plan
    from partflow.planning.selection import Asked
    from partflow.project.project import Project
    from partflow.report.plan import Counts
    from partflow.warehouse.verify import Verify


@click.command(
    short_help="Show what would be made, and why.",
    epilog="\b\nExample:\n  partflow plan +monthly_sales --start 2024-01-01",
)
@selecting
@effects
@looking
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Save the plan there too, for materialize --plan FILE.",
)
@printing("text", "json")
@detailed
@click.pass_obj
def plan(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    asked: Asked,
    with_effects: bool,
    verify: Verify,
    out: str | None,
    output: str,
    detailed_exitcode: bool,
) -> int:
    """Show what materialize would make, and why; nothing is written, but the plan with --out.

    Steps are grouped by dataset, range and reason: first what will run, then what may run, if
    what it reads changes, then what waits or is blocked.
    """
    from partflow.cli.outcome import echo_scopes, show_plan
    from partflow.report.document import document
    from partflow.report.plan import dry_run

    project = session.project()
    planned = project.plan(asked=asked, with_effects=with_effects, verify=verify)
    report = dry_run(planned, asked)
    echo_scopes(report.plan.selection, asked)
    if out is not None:  # First, so that nothing is printed if the file cannot be written.
        shown = {**document(report.plan), "faults": document(report.faults)}
        project.save_plan(planned, out, shown)
    code = show_plan(report, output, detailed=detailed_exitcode)
    if out is not None:
        click.echo(
            f"saved; carry it out with: {session.calls('materialize', '--plan', out)}", err=True
        )
    return code


@click.command(
    short_help="Make what is missing or stale.",
    epilog="\b\nExample:\n  partflow materialize clean_sales -p 2024-01-03",
)
@selecting
@carrying
@effects
@looking
@click.option(
    "--plan",
    "saved",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Carry out exactly this plan, saved by plan --out FILE, if what it rests on is unchanged.",
)
@click.option("--yes", is_flag=True, help="Ask nothing (materialize never does).")
@printing("text", "json")
@detailed
@click.pass_obj
def materialize(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    asked: Asked,
    how: Carrying,
    dry_run: bool,
    with_effects: bool,
    verify: Verify,
    saved: str | None,
    yes: bool,
    output: str,
    detailed_exitcode: bool,
) -> int:
    """Make what is missing or stale: of the selected datasets and what they need, or of all."""
    del yes
    if saved is not None and (with_effects or not asked.is_everything):
        raise click.UsageError(
            "--plan says all that is to be made: give no SELECT, partitions or --with-effects"
        )
    project = session.project()
    if dry_run:
        if saved is None:
            planned = project.plan(asked=asked, with_effects=with_effects, verify=verify)
        else:
            planned = project.saved_plan(saved, verify)
        return _shown_dry(planned, asked, output, detailed=detailed_exitcode)
    _echo_request(project, asked)

    def make(controls: Controls) -> Result:
        return project.materialize(
            asked=asked, with_effects=with_effects, saved=saved, controls=controls
        )

    carried_out = functools.partial(_carried_out, session, how, verify, output, make)
    return _shown(session, project, asked, output, carried_out)


@click.command(
    short_help="Make a range again.",
    epilog="\b\nExample:\n  partflow backfill clean_sales --start 2024-01-03",
)
@selecting
@carrying
@click.option(
    "--only",
    type=click.Choice(["all", "missing", "stale", "failed"]),
    default="all",
    show_default=True,
    help="Which partitions of the range.",
)
@click.option("--again", is_flag=True, help="Start over if the same command was cut off before.")
@effects
@click.option("--yes", is_flag=True, help="Do not ask.")
@looking
@printing("text", "json")
@detailed
@click.pass_obj
def backfill(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    asked: Asked,
    how: Carrying,
    dry_run: bool,
    only: str,
    again: bool,
    with_effects: bool,
    yes: bool,
    verify: Verify,
    output: str,
    detailed_exitcode: bool,
) -> int:
    """Make a range of partitions again, whether they are fresh or not.

    A backfill that was cut off is remembered: the same command goes on with it. On a terminal it
    asks before it begins.
    """
    from partflow.planning.planner import Only

    if not asked.select:
        raise click.UsageError("backfill needs to be told what: a dataset, or a selection of them")
    project = session.project()
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if dry_run or asks:
        planned = project.backfill_plan(asked, Only(only), again=again, with_effects=with_effects)
        if dry_run:
            return _shown_dry(planned, asked, output, detailed=detailed_exitcode)
        counts = _counts(planned, asked)
        if planned.steps and not click.confirm(_question(counts), err=True):
            return INTERRUPTED
    else:
        _echo_request(project, asked)

    def make(controls: Controls) -> Result:
        return project.backfill(
            asked=asked, only=Only(only), again=again, with_effects=with_effects, controls=controls
        )

    carried_out = functools.partial(_carried_out, session, how, verify, output, make)
    return _shown(session, project, asked, output, carried_out)


def _shown_dry(plan: Plan, asked: Asked, output: str, *, detailed: bool) -> int:
    """Print a plan that is only shown; returns the exit code."""
    from partflow.cli.outcome import echo_scopes, show_plan
    from partflow.report.plan import dry_run

    report = dry_run(plan, asked)
    echo_scopes(report.plan.selection, asked)
    return show_plan(report, output, detailed=detailed)


def _counts(plan: Plan, asked: Asked) -> Counts:
    """Print what a plan's selection has; returns the plan's counts."""
    from partflow.cli.outcome import echo_scopes
    from partflow.report.plan import plan_report

    report = plan_report(plan)
    echo_scopes(report.selection, asked)
    return report.counts


def _question(counts: Counts) -> str:
    more = f", and perhaps {counts.maybe:,} that read them" if counts.maybe else ""
    return f"make {count(counts.run, 'partition')} again{more}?"


def _shown(
    session: Session,
    project: Project,
    asked: Asked,
    output: str,
    carried_out: Callable[[Interrupt], Result],
) -> int:
    """Carry a run out and print how it ended, even if it is broken off; returns the exit code."""
    from partflow.cli.outcome import show_cut_off, show_result
    from partflow.execution.controls import Stop

    def tell() -> None:
        show_cut_off(project.history.cut_off(), output)

    try:
        return show_result(carried_out(Interrupt(Stop(), last_words=tell)), asked, output, session)
    except KeyboardInterrupt:
        if session.stopped:
            tell()
        raise


def _carried_out(
    session: Session,
    how: Carrying,
    verify: Verify,
    output: str,
    make: Callable[[Controls], Result],
    interrupt: Interrupt,
) -> Result:
    """Carry a run out, show its progress, and let Ctrl-C stop it."""
    from partflow.cli.outcome import tell_failure, warn_of_effects
    from partflow.cli.progress import watched

    tell = functools.partial(tell_failure, session, output)
    try:
        with interrupt.armed(INTERRUPTED), watched(interrupt, tell) as observer:
            controls = replace(
                session.controls(wait=how.wait),
                workers=how.jobs,
                fail_fast=how.fail_fast,
                newest_first=how.reverse,
                retries=how.retries,
                batch_size=how.batch_size,
                trust_clock=how.trust_clock,
                verify=verify,
                stop=interrupt.stop,
                observer=observer,
                planned=warn_of_effects,
            )
            return make(controls)
    finally:
        session.stopped = interrupt.running and interrupt.stop.asked


def _echo_request(project: Project, asked: Asked) -> None:
    """Print before a run what the selection has; only `status:` needs a look at files for it."""
    from partflow.cli.outcome import echo_scopes
    from partflow.planning.selection import request_of, scopes
    from partflow.planning.selectors import goes_by_states
    from partflow.report.plan import plan_report, scope_reports

    if asked.is_everything:
        return
    if goes_by_states((*asked.select, *asked.exclude)):
        echo_scopes(plan_report(project.plan(asked=asked)).selection, asked)
        return
    request = request_of(project.graph, asked, {})
    now = project.clock() // 1_000_000_000
    echo_scopes(scope_reports(scopes(project.graph, request, now)), asked)
