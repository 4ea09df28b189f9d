"""`runs`, `logs` and `cancel`: show runs and what they wrote, and end one.

Knows nothing of how anything is recorded. The user's modules are imported only to say how the graph
of a run differs from the present one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from partflow.cli.options import printing
from partflow.cli.session import Session
from partflow.errors import PartflowError, UsageError, guess
from partflow.partitions.keytexts import plain_key, shown_key
from partflow.report.text import print_json, printable

if TYPE_CHECKING:
    from partflow.metastore.record import RunRow, StepLog
    from partflow.project.history import History
    from partflow.report.logs import Written


@click.command(
    short_help="List the last runs, or show one.",
    epilog="\b\nExample:\n  partflow runs --limit 5\n  partflow runs last --profile",
)
@click.argument("run", required=False)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs."
)
@click.option("--task", "tasks", multiple=True, metavar="TASK", help="Only this task, by attempt.")
@click.option(
    "-p",
    "--partition",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Its attempts at this partition.",
)
@click.option("--profile", is_flag=True, help="What its tasks cost: time, rows, bytes, memory.")
@click.option("--graph", is_flag=True, help="The tasks that it had, and what changed since.")
@printing("text", "json")
@click.pass_obj
def runs(  # noqa: PLR0917 - one a click option, given by name
    session: Session,
    run: str | None,
    limit: int,
    tasks: tuple[str, ...],
    keys: tuple[str, ...],
    profile: bool,
    graph: bool,
    output: str,
) -> None:
    """List the last runs, the newest first; or show one RUN: its tasks or steps, and their times.

    RUN is its id, the beginning of that, or `last`. A bar shows when in the run each task was at
    work: the fuller a cell, the more workers. A run of few steps is shown step by step, one of many
    by task; --task and -p show single attempts. JSON has all attempts, the profile and the graph.
    """
    from partflow.report.document import document
    from partflow.report.profile import profile_lines
    from partflow.report.runs import (
        RunsReport,
        run_lines,
        run_report,
        run_with_steps,
        runs_lines,
        steps_lines,
    )

    history = session.history()
    if run is None:
        if tasks or keys or profile or graph:
            raise click.UsageError("name a RUN for that: its id, the beginning of it, or `last`")
        rows = history.runs(limit)
        if output == "json":
            print_json(document(RunsReport(tuple(map(run_report, rows)))))
        else:
            click.echo("\n".join(runs_lines(rows)))
        return
    row = history.run(run)
    steps = _filtered(row, history.steps(row.id), tasks, keys)
    if output == "json":
        print_json(document(run_with_steps(row, steps, history.graph(row.id))))
    elif graph:
        click.echo("\n".join(_graph_lines(session, history, row)))
    elif profile:
        click.echo("\n".join(profile_lines(row, steps)))
    elif tasks or keys:
        click.echo("\n".join(steps_lines(row, steps)))
    else:
        click.echo("\n".join(run_lines(row, steps)))


@click.command(
    short_help="Show what attempts wrote to their logs.",
    epilog="\b\nExample:\n  partflow logs last --tail 9\n  partflow logs clean_sales -p 2024-01-03",
)
@click.argument("what", metavar="RUN|DATASET")
@click.option("-p", "--partition", "key", metavar="KEY", help="The partition, such as 2024-01-03.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Only the Nth attempt.")
@click.option("--tail", type=click.IntRange(1), metavar="N", help="The last N lines of each.")
@printing("text", "json")
@click.pass_obj
def logs(
    session: Session,
    what: str,
    key: str | None,
    attempt: int | None,
    tail: int | None,
    output: str,
) -> None:
    """Show what attempts printed, logged or wrote to stdout and stderr, each under a heading.

    Of a RUN (its id, the beginning of that, or `last`), all that it attempted, or one partition of
    it; of a dataset or effect, the last run that attempted the partition.
    """
    from partflow.report.document import document
    from partflow.report.logs import calls, heading, log_text, logs_report

    history = session.history()
    attempts = _attempts(history, what, key)
    if attempt is not None:
        attempts = [(r, s) for r, s in attempts if s.attempt == attempt]
        if not attempts:
            raise UsageError(f"{what}: there was no attempt {attempt}")
    files = [(r, s, history.log_of(r, s)) for r, s in attempts]
    written: list[Written] = [(r, s, path) for r, s, path in files if path is not None]
    if output == "json":
        print_json(document(logs_report(written, tail)))
        return
    is_seen = (
        sys.stdout.isatty()
    )  # A terminal would obey some characters; a file gets them as they are.
    for group in calls(written):
        click.echo(heading(group))
        piece = "\n"
        for piece in log_text(group[0][2], tail):
            click.echo(printable(piece, "\n\t") if is_seen else piece, nl=False)
        click.echo("", nl=not piece.endswith("\n"))
    if not written:
        click.echo(_nothing(what, attempts))


@click.command(
    short_help="End a run that goes on, from another terminal.",
    epilog="\b\nExample:\n  partflow cancel last",
)
@click.argument("run")
@click.option("--gently", is_flag=True, help="Let it finish what is running, and do not wait.")
@printing("text", "json")
@click.pass_obj
def cancel(session: Session, run: str, gently: bool, output: str) -> None:
    """End a RUN that goes on: its id, the beginning of that, or `last`.

    It stops at once, as with a second Ctrl-C; one that does not stop within 5 seconds is killed.
    What was published stays, every partition is whole, and the same command makes the rest.
    """
    from partflow.operations.cancel import End
    from partflow.report.document import document
    from partflow.report.runs import EndedReport, run_report

    history = session.history()
    end, row = history.cancel(history.run(run), gently=gently)
    if output == "json":
        print_json(document(EndedReport(run_report(row), end)))
        return
    counts = f"ran {row.ran:,}, unchanged {row.unchanged:,}, failed {row.failed:,}"
    if end is End.ASKED:
        click.echo(f"run {row.id}: {end.value}; {counts} so far")
    else:
        click.echo(f"run {row.id} is {row.state}: {end.value}; {counts}")


def _filtered(
    row: RunRow, steps: list[StepLog], tasks: Sequence[str], keys: Sequence[str]
) -> list[StepLog]:
    """The attempts at these tasks and partitions; UsageError if one of them has none."""
    for name in tasks:
        if name not in {s.task for s in steps}:
            raise UsageError(_none(row, f"task {name!r}", name, {s.task for s in steps}))
    selected = [s for s in steps if not tasks or s.task in tasks]
    for key in keys:
        known = {shown_key(s.key) for s in selected}
        if shown_key(key) not in known:
            raise UsageError(_none(row, f"partition {shown_key(key)!r}", shown_key(key), known))
    wanted = {plain_key(key) for key in keys}
    return [s for s in selected if not keys or s.key in wanted]


def _none(row: RunRow, what: str, word: str, known: Iterable[str]) -> str:
    return f"run {row.id} attempted nothing of {what}; {_hint(word, known)}"


def _hint(word: str, known: Iterable[str]) -> str:
    """A hint at what was meant, or at what there is."""
    names = sorted(known)
    if not names:
        return "nothing was attempted"
    more = " and more" if len(names) > 5 else ""  # noqa: PLR2004
    return guess(word, names, f"there are {', '.join(names[:5])}{more}")


def _graph_lines(session: Session, history: History, row: RunRow) -> list[str]:
    from partflow.report.graph import past_graph_lines

    graph = history.graph(row.id)
    if graph is None:
        return [f"the graph of run {row.id} was not kept: it is older than that"]
    try:
        codes = {name: code.digest for name, code in session.project().codes.items()}
    except PartflowError as error:
        click.echo(f"not compared with the graph of now: {error}", err=True)
        return past_graph_lines(graph, None)
    return past_graph_lines(graph, codes)


def _attempts(history: History, what: str, key: str | None) -> list[tuple[str, StepLog]]:
    """The attempts of a run; or for a dataset, those of the last run at one partition.

    UsageError if there are none.
    """
    writers = history.writers()
    if what not in writers:
        return _of_run(history, what, key, writers)
    if key is None:
        key = "all" if history.attempts(writers[what], "all") else None
    if key is None:
        span = history.keys(writers[what])
        first = f", for example with -p {shown_key(span[0])}" if span else ""
        raise UsageError(f"logs {what}: which partition? name it{first}")
    attempts = history.attempts(writers[what], plain_key(key))
    if not attempts:
        keys = [shown_key(each) for each in history.keys(writers[what]) or ()]
        attempted = f"what was attempted of it is {' .. '.join(keys)}" if keys else "none was"
        raise UsageError(f"no run attempted {what}@{shown_key(key)}; {attempted}")
    newest = attempts[0][0]
    return [(run, step) for run, step in attempts if run == newest]


def _of_run(
    history: History, what: str, key: str | None, known: Iterable[str]
) -> list[tuple[str, StepLog]]:
    try:
        row = history.run(what)
    except UsageError:
        question = guess(what, sorted(known), "")
        if not question:
            raise
        raise UsageError(f"there is no run, dataset or effect {what!r}; {question}") from None
    keys = () if key is None else (key,)
    steps = _filtered(row, history.steps(row.id), (), keys)
    return [(row.id, step) for step in sorted(steps, key=lambda s: s.serial)]


def _nothing(what: str, attempts: Sequence[tuple[str, StepLog]]) -> str:
    """The sentence that says why no log is shown."""
    if not attempts:
        return f"{what}: no step of it came to an end"
    if not any(step.has_log for _, step in attempts):
        run, step = attempts[-1]
        if len({(s.task, s.key) for _, s in attempts}) > 1:
            return f"{what}: none of its attempts wrote anything"
        return f"{step.task}@{shown_key(step.key)} wrote nothing in run {run}: {step.state}"
    return f"{what}: what was written is no longer there"
