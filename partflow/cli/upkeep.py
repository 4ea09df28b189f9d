"""`rollback`, `gc` and `state`: put back, sweep, and make the metastore anew.

Knows nothing of how any of it is done: `Project.upkeep` does it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from partflow.cli.options import no_wait, printing
from partflow.cli.session import DONE, INTERRUPTED, Session
from partflow.partitions.keytexts import shown_key
from partflow.report.text import moment, print_json

if TYPE_CHECKING:
    from partflow.execution.controls import Controls
    from partflow.project.upkeep import Upkeep

yes = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")


@click.command(
    short_help="Put back what a partition was before.",
    epilog="\b\nExample:\n  partflow rollback clean_sales -p 2024-01-05 --list",
)
@click.argument("dataset")
@click.option("-p", "--partition", "key", metavar="KEY", required=True, help="The partition.")
@click.option(
    "--to", type=click.IntRange(0), metavar="N", help="Put back the one with this number in --list."
)
@click.option("--list", "listing", is_flag=True, help="Show what is kept, and put nothing back.")
@click.option("--release", is_flag=True, help="Unpin what was put back; its file stays as it is.")
@yes
@no_wait
@printing("text", "json")
@click.pass_obj
def rollback(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    dataset: str,
    key: str,
    to: int | None,
    listing: bool,
    release: bool,
    yes: bool,
    no_wait: bool,
    output: str,
) -> int:
    """Put a materialization back that was replaced, with all outputs of its step, and pin it.

    Without --to it is the newest in the history that is not the present one. Pinned, it stays as
    it is, whatever code and inputs say, until it is released, or a backfill makes it again. What
    reads it is stale if it was made from other content.
    """
    from partflow.report.upkeep import kept_lines, kept_reports, put_back_report

    if sum([listing, release, to is not None]) > 1:
        raise click.UsageError("--to, --list and --release are for different things: give one")
    upkeep = session.project().upkeep
    if listing:
        kept = kept_reports(upkeep.kept(dataset, key))
        _print(kept, kept_lines(kept), output)
        return DONE
    if release:
        released = put_back_report(
            upkeep.release(dataset, key, session.controls(wait=not no_wait)), None
        )
        _print(released, [released.sentence], output)
        return DONE
    others = [
        k for k in upkeep.kept(dataset, key) if k.number == to or (to is None and not k.is_present)
    ]
    if others and others[0].record is not None:
        made = f"as it was made at {moment(others[0].record.made_at)}"
        if not _agreed(f"put {dataset}@{shown_key(key)} back {made}?", yes=yes):
            return INTERRUPTED
    done = upkeep.rollback(dataset, key, to, session.controls(wait=not no_wait))
    again = session.calls("rollback", dataset, "-p", shown_key(key), "--release")
    report = put_back_report(done, again)
    _print(report, [report.sentence], output)
    return DONE


@click.command(
    short_help="Sweep what nobody needs any more.", epilog="\b\nExample:\n  partflow gc --dry-run"
)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be swept, and sweep nothing.")
@click.option(
    "--undeclared", is_flag=True, help="Move what is not shown of DATASET into the history instead."
)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@yes
@no_wait
@printing("text", "json")
@click.pass_obj
def gc(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    datasets: tuple[str, ...],
    dry_run: bool,
    undeclared: bool,
    yes: bool,
    no_wait: bool,
    output: str,
) -> int:
    """Sweep staged files of dead runs, history past its bound, old runs and logs, unused caches.

    Also what the record holds of makings that were replaced, unless they are young or can be put
    back. How much history is kept, and for how long runs are, is configured. Only files that
    partflow wrote are swept, and no file of a dataset ever is.

    With --undeclared, files under the name of a DATASET that nothing declares, and that are not
    shown for that reason, are moved into the history: files outside of its range, of another grain,
    or of a dataset that is gone. There they are not swept while nothing declares them.
    """
    from partflow.report.upkeep import sweep_lines, sweep_report, swept_lines

    upkeep, controls = session.project().upkeep, session.controls(wait=not no_wait)
    if undeclared or datasets:
        return _move_undeclared(upkeep, datasets, controls, (undeclared, dry_run, yes), output)
    swept = upkeep.sweep(controls, dry_run=True)
    if not dry_run and not swept.is_empty:
        if output == "text":
            click.echo("\n".join(swept_lines(sweep_report(swept, is_done=False))), err=True)
        if not _agreed("sweep this?", yes=yes):
            return INTERRUPTED
        swept = upkeep.sweep(controls, dry_run=False)
    lying = upkeep.undeclared() if dry_run else ()
    report = sweep_report(swept, lying, is_done=not dry_run)
    _print(report, sweep_lines(report), output)
    return DONE


def _move_undeclared(
    upkeep: Upkeep,
    names: Sequence[str],
    controls: Controls,
    how: tuple[bool, bool, bool],
    output: str,
) -> int:
    """Move files that are not shown into the history; returns the exit code.

    `how` has --undeclared, --dry-run and --yes.
    """
    from partflow.operations.undeclared import chosen
    from partflow.report.strays import stray_lines, stray_reports
    from partflow.report.upkeep import move_report

    undeclared, dry_run, yes = how
    if not undeclared or not names:
        raise click.UsageError("--undeclared and the datasets of which it is go together")
    lying = chosen(upkeep.undeclared(), names)
    if not dry_run:
        if output == "text":
            click.echo("\n".join(stray_lines(stray_reports(lying))[:-1]), err=True)
        if not _agreed("move this into the history?", yes=yes):
            return INTERRUPTED
        lying = upkeep.move_undeclared(names, controls)
    report = move_report(lying, is_done=not dry_run)
    before = stray_lines(report.undeclared)[:-1] if dry_run else []
    _print(report, [*before, report.sentence], output)
    return DONE


@click.group(short_help="Mend the record of what was made from what.")
def state() -> None:
    """The metastore: the record of what was made from what."""


@state.command(
    short_help="Make the metastore anew from the files and the journal.",
    epilog="\b\nExample:\n  partflow state rebuild",
)
@yes
@no_wait
@printing("text", "json")
@click.pass_obj
def rebuild(session: Session, yes: bool, no_wait: bool, output: str) -> int:
    """Make the metastore anew from the footers of the files and from the journal.

    For a metastore that is lost, damaged, or older than the data. The old one is moved aside.
    Afterwards the list of runs is empty, their logs are not shown, and backfills that were cut off
    are forgotten.
    """
    from partflow.report.upkeep import caution_lines, rebuild_report

    upkeep = session.project().upkeep
    if upkeep.damage() is None and not _agreed(
        "the metastore can be read; make it anew all the same, without the log of runs?", yes=yes
    ):
        return INTERRUPTED
    report = rebuild_report(upkeep.rebuild(session.controls(wait=not no_wait)))
    if output == "text":
        for line in caution_lines(report):
            click.echo(line, err=True)
    _print(report, [report.sentence], output)
    return DONE


def _print(report: object, lines: Sequence[str], output: str) -> None:
    """Print a report as JSON, or its lines as text."""
    from partflow.report.document import document

    if output == "json":
        print_json(document(report))
    else:
        click.echo("\n".join(lines))


def _agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: by --yes, or by a question on the terminal.

    click.UsageError if there is neither.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{question} there is no terminal to ask on: give --yes")
    return click.confirm(question, err=True)
