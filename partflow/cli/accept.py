"""`accept` and `check`: vouching for what is stored, and testing it.

Knows nothing of how anything is accepted or compared: the project does that, `report` words it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from partflow.cli.options import no_wait, printing, selecting
from partflow.cli.session import DONE, FAILED, INTERRUPTED, Session
from partflow.report.text import count, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from partflow.operations.accept import Accepted
    from partflow.operations.acceptable import Acceptance
    from partflow.operations.check import Reading, Trial
    from partflow.planning.selection import Asked


@click.command(
    short_help="Vouch for what new code, a hand or a cut-off run left open.",
    epilog="\b\nExample:\n  partflow accept clean_sales --verify-sample 3",
)
@selecting
@click.option(
    "--verify-sample",
    "size",
    type=click.IntRange(1),
    metavar="N",
    help="First make N partitions on trial, picked at random; if one differs, accept nothing.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Pick the same sample as with this seed before."
)
@click.option(
    "-n", "--dry-run", is_flag=True, help="Show what would be accepted, and record nothing."
)
@click.option("--absent", is_flag=True, help="Record that these partitions of sources do not come.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_wait
@printing("text", "json")
@click.pass_obj
def accept(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    asked: Asked,
    size: int | None,
    seed: int | None,
    dry_run: bool,
    absent: bool,
    yes: bool,
    no_wait: bool,
    output: str,
) -> int:
    """Record that new code makes the same, and keep files that somebody changed.

    Partitions that are stale for nothing but changed code become fresh as they are. Files that
    were changed outside partflow are kept and pinned: neither code nor inputs make them again
    until a backfill. Effects that are perhaps done count as done with what they read now. Of a
    source of which files are gone, those that are left are taken for all. What is stale for
    another reason is left, and named.
    """
    from partflow.cli.outcome import echo_scopes
    from partflow.execution.controls import Sample
    from partflow.operations.accept import Accepted
    from partflow.planning.selection import scopes
    from partflow.report.plan import scope_reports

    if not asked.select:
        raise click.UsageError("accept needs to be told what: a dataset, or a selection of them")
    if seed is not None and size is None:
        raise click.UsageError("--seed picks a sample: give --verify-sample N too")
    project = session.project()
    if absent and (size is not None or not asked.has_partitions):
        raise click.UsageError("--absent is of partitions that are named: give -p KEY, no sample")
    acceptance = project.acceptable(asked=asked, absent=absent)
    plan = acceptance.plan
    selection = scope_reports(scopes(plan.graph, plan.request, plan.snapshot.now))
    if not absent:
        echo_scopes(selection, asked)
    if dry_run:
        return _show_acceptance(Accepted("", acceptance), asked, output, is_done=False)
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    question = _question(acceptance)
    if asks and question and not click.confirm(question, err=True):
        return INTERRUPTED
    sample = None
    if size is not None:
        sample = Sample(size, _drawn() if seed is None else seed)
        click.echo(f"sample of {size:,}, --seed {sample.seed}", err=True)
    accepted = project.accept(
        asked=asked, sample=sample, controls=session.controls(wait=not no_wait), absent=absent
    )
    return _show_acceptance(accepted, asked, output, is_done=True)


@click.command(
    short_help="Make partitions twice, or read every file again.",
    epilog="\b\nExample:\n  partflow check --twice clean_sales",
)
@selecting
@click.option(
    "--twice",
    is_flag=True,
    help="Make partitions twice, on trial, and name the tasks whose results differ.",
)
@click.option("--verify", is_flag=True, help="Read every file, and list what is not as recorded.")
@no_wait
@printing("text", "json")
@click.pass_obj
def check(
    session: Session, asked: Asked, twice: bool, verify: bool, no_wait: bool, output: str
) -> int:
    """Put to the test what is declared (--twice) or what is stored (--verify); changes nothing.

    Made twice is the newest partition of each task, or those that are named. A result may differ
    by a clock, a random number, or a sort that leaves ties open; effects are left out.
    """
    if not twice and not verify:
        raise click.UsageError("say what to check: --twice (tasks), --verify (files), or both")
    project = session.project()
    controls = session.controls(wait=not no_wait)
    reading = project.check_files(asked=asked, controls=controls) if verify else None
    trials = project.check_twice(asked=asked, controls=controls) if twice else None
    return FAILED if _show_checks(trials, reading, asked, output) else DONE


def _show_acceptance(accepted: Accepted, asked: Asked, output: str, *, is_done: bool) -> int:
    """Print what was accepted, or would be; returns the exit code.

    It is 1 if the sample differs, or if a partition that was named by its key is left.
    """
    from partflow.report.acceptance import acceptance_lines, acceptance_report
    from partflow.report.document import document

    report = acceptance_report(accepted, is_done=is_done)
    if output == "json":
        print_json(document(report))
    else:
        click.echo("\n".join(acceptance_lines(report)))
    return FAILED if report.refusal or (asked.keys and report.left) else DONE


def _show_checks(
    trials: Sequence[Trial] | None, reading: Reading | None, asked: Asked, output: str
) -> bool:
    """Print the results of checks; whether anything is at fault."""
    from partflow.report.acceptance import (
        reading_lines,
        reading_report,
        trials_lines,
        trials_report,
    )
    from partflow.report.document import document

    read = None if reading is None else reading_report(reading)
    trial_report = None if trials is None else trials_report(trials, asked)
    if output == "json":
        print_json(
            {**(document(read) if read else {}), **(document(trial_report) if trial_report else {})}
        )
    else:
        lines = [
            *(reading_lines(read) if read else ()),
            *(trials_lines(trial_report) if trial_report else ()),
        ]
        click.echo("\n".join(lines))
    return bool(
        (read and read.faults) or (trial_report and any(t.is_bad for t in trial_report.trials))
    )


def _question(acceptance: Acceptance) -> str:
    """The question whether to accept; empty if there is nothing to accept."""
    from partflow.operations.acceptable import Treatment

    code, hand = acceptance.count(Treatment.CODE), acceptance.count(Treatment.HAND)
    parts = [f"accept {count(code, 'partition')} as made by the new code"] if code else []
    parts += [f"keep and pin {count(hand, 'file')} that somebody changed"] if hand else []
    done = acceptance.count(Treatment.DONE)
    parts += (
        [f"take {count(done, 'effect')} that {'was' if done == 1 else 'were'} cut off for done"]
        if done
        else []
    )
    less, absent = map(acceptance.count, (Treatment.LESS, Treatment.ABSENT))
    parts += [f"take the files that are left of {count(less, 'partition')} for all"] if less else []
    parts += [f"record {count(absent, 'partition')} as absent"] if absent else []
    return f"{', and '.join(parts)}?" if parts else ""


def _drawn() -> int:
    import secrets

    return secrets.randbelow(2**32)
