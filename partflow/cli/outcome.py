"""Shows what a run came to: failures with the user's own lines, the sentence, the exit code.

Knows nothing of how the run went about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from partflow.cli.session import DONE, FAILED, INTERRUPTED, PENDING, Session
from partflow.partitions.keytexts import shown_key
from partflow.planning.planner import Plan, State
from partflow.report import sentences
from partflow.report.plan import blocked_lines, plan_document, plan_lines
from partflow.report.remarks import remark_documents, remark_lines
from partflow.report.text import bounded, painted, print_json, printable, span

if TYPE_CHECKING:
    from partflow.execution.controls import Failed
    from partflow.metastore.runlog import RunRow
    from partflow.planning.selection import Asked
    from partflow.planning.snapshot import Snapshot
    from partflow.project.project import Result

_SHOWN = 5


def show_plan(plan: Plan, asked: Asked, output: str, *, detailed: bool) -> int:
    """Print a plan; 1 if a partition named by its key cannot be made, 3 for pending work."""
    refused = sentences.unmakeable(plan, asked)
    _refuse(refused)
    warn_of_effects(plan)
    if output == "json":
        print_json({**plan_document(plan), "unmakeable": sentences.unmakeable(plan, asked, str)})
    else:
        echo_faults(plan)
        click.echo("\n".join(plan_lines(plan)))
    if refused or (detailed and (plan.faults or plan.count(State.BLOCKED))):
        return FAILED
    return PENDING if detailed and plan.steps else DONE


def show_result(result: Result, asked: Asked, output: str, session: Session) -> int:
    """Print what a run came to; its exit code."""
    refused = sentences.unmakeable(result.plan, asked)
    _refuse(refused)
    if output == "json":
        plain = sentences.unmakeable(result.plan, asked, str)
        print_json({**_document(result, session), "unmakeable": plain})
    else:
        echo_faults(result.plan)
        echo_remarks(result.plan.snapshot)
        _refuse([result.catalog] if result.catalog else [])
        _echo_failures(result, session)
        click.echo("\n".join([*blocked_lines(result.plan, session.calls), _sentence(result)]))
    return _exit_code(result, refused, was_stopped=session.stopped)


def show_cut_off(row: RunRow, output: str) -> None:
    """Print what a run came to that was broken off before it could tell."""
    from partflow.report.runs import run_document

    if output == "json":
        print_json({**run_document(row), "sentence": sentences.cut_off(row)})
    else:
        click.echo(sentences.cut_off(row))


def echo_remarks(snapshot: Snapshot) -> None:
    """Say how the files of sources differ, beside what is printed for others to read."""
    for text in remark_lines(snapshot):
        click.echo(painted(printable(text), "yellow"), err=True)


def _exit_code(result: Result, refused: list[str], *, was_stopped: bool) -> int:
    summary, held = result.summary, result.plan.count(State.BLOCKED)
    if summary is not None and summary.cancelled and (was_stopped or not summary.failed):
        return INTERRUPTED
    failed = summary is not None and (summary.failed or summary.blocked)
    wrong = refused or result.faults or result.catalog
    return FAILED if failed or held or wrong else DONE


def _refuse(refused: list[str]) -> None:
    for text in refused:
        click.echo(f"error: {text}", err=True)


def echo_faults(plan: Plan) -> None:
    """Say what somebody has to put right, beside what is printed for others to read."""
    for text in sentences.fault_lines(plan.faults):
        click.echo(painted(f"error: {printable(text)}", "red"), err=True)


def warn_of_effects(plan: Plan) -> None:
    """Name the effects that a run began which was cut off: before they are done again."""
    for text in sentences.perhaps(plan):
        click.echo(painted(f"warning: {text}", "yellow"), err=True)


def _sentence(result: Result) -> str:
    if result.summary is None:
        return sentences.nothing(result.plan)
    return sentences.ran(result.summary, result.plan.count(State.BLOCKED))


def _echo_failures(result: Result, session: Session) -> None:
    """Say what failed where all that is wrong is said: beside the results, as errors are."""
    for group in _groups(result):
        click.echo("\n".join(_failure_lines(group, session)), err=True)


def _groups(result: Result) -> list[list[Failed]]:
    """The failures, those of one task with one message and place together."""
    groups: dict[tuple[str, str, str], list[Failed]] = {}
    for failed in () if result.summary is None else result.summary.failures:
        said = (failed.task, failed.failure.message, failed.failure.place)
        groups.setdefault(said, []).append(failed)
    return list(groups.values())


def _failure_lines(group: list[Failed], session: Session) -> list[str]:
    first, rest = group[0], group[_SHOWN:]
    said = bounded(first.failure.message) or [""]
    message, whole = said[0], "\n    ".join(said)
    lines = [
        painted(f"failed {f.node}@{shown_key(f.key)}: {message if i else whole}", "red")
        for i, f in enumerate(group[:_SHOWN])
    ]
    if rest:
        keys = sorted(f.key for f in rest)
        lines.append(f"and {len(rest):,} more with this message, {span(keys[0], keys[-1])}")
    if first.failure.place:
        lines.append(f"  at {first.failure.place}")
    lines += [f"  {line}" for line in bounded(first.failure.trace.rstrip())]
    named = [] if rest else [word for f in group for word in ("-p", shown_key(f.key))]
    again = session.again("materialize", first.node, *named)
    return [*lines, f"  again: {again}"]


def _document(result: Result, session: Session) -> dict[str, Any]:
    summary = result.summary
    counts = ("ran", "unchanged", "skipped", "failed", "blocked", "cancelled")
    found: dict[str, Any] = {
        "run": None if summary is None else summary.run,
        **{name: 0 if summary is None else getattr(summary, name) for name in counts},
        "seconds": 0.0 if summary is None else round(summary.seconds, 3),
    }
    found["blocked"] += result.plan.count(State.BLOCKED)
    found["failures"] = [
        {
            "task": f.task,
            "dataset": f.node,
            "key": f.key,
            "message": f.failure.message,
            "place": f.failure.place,
            "trace": f.failure.trace,
            "again": session.again("materialize", f.node, "-p", f.key),
        }
        for f in (() if summary is None else summary.failures)
    ]
    found["catalog"] = result.catalog
    plan = plan_document(result.plan)
    found["faults"] = plan.pop("faults")  # once in each output
    found |= remark_documents(result.plan.snapshot)
    return {**found, "plan": plan, "sentence": _sentence(result)}
