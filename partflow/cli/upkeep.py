"""`rollback`, `gc` and `state`: putting back, sweeping, and making the record anew.

Knows nothing of how any of it is done; `Project.upkeep` does it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from partflow.cli.options import printing
from partflow.cli.session import DONE, INTERRUPTED, Session
from partflow.partitions.keytexts import shown_key
from partflow.report.strays import stray_documents, stray_lines
from partflow.report.text import aligned, count, moment, print_json, printable, size

if TYPE_CHECKING:
    from partflow.operations.rebuild import Rebuilt
    from partflow.operations.rollback import Kept, PutBack
    from partflow.operations.sweep import Sweep
    from partflow.operations.undeclared import Lying
    from partflow.project.project import Controls
    from partflow.project.upkeep import Upkeep

_SHOWN = 20
no_wait = click.option(
    "--no-wait", is_flag=True, help="Exit with 4 if another run is at the same partitions."
)
yes = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")


@click.command(
    short_help="Put back what a partition was before.",
    epilog="\b\nExample:\n  partflow rollback clean_sales -p 2024-01-05 --list",
)
@click.argument("dataset")
@click.option("-p", "--partition", "key", metavar="KEY", required=True, help="The partition.")
@click.option(
    "--to", type=click.IntRange(0), metavar="N", help="The one of this number, as --list shows it."
)
@click.option("--list", "listing", is_flag=True, help="Show what is kept, and put nothing back.")
@click.option("--release", is_flag=True, help="Unpin what was put back; its file stays till then.")
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
    if sum([listing, release, to is not None]) > 1:
        raise click.UsageError("--to, --list and --release are for different things: give one")
    upkeep = session.project().upkeep
    if listing:
        _show_kept(upkeep.kept(dataset, key), output)
        return DONE
    if release:
        done = upkeep.release(dataset, key, _controls(session, no_wait))
        _show_put_back(done, f"released {_files(done)}", output)
        return DONE
    kept = [k for k in upkeep.kept(dataset, key) if k.number == to or (to is None and _is_other(k))]
    if kept and kept[0].record is not None:
        made = f"as it was made at {moment(kept[0].record.made_at)}"
        if not _agreed(f"put {dataset}@{shown_key(key)} back {made}?", yes=yes):
            return INTERRUPTED
    done = upkeep.rollback(dataset, key, to, _controls(session, no_wait))
    again = session.calls("rollback", dataset, "-p", shown_key(key), "--release")
    _show_put_back(done, f"put back and pinned {_files(done)}; to release: {again}", output)
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

    How much history is kept, and for how long runs are, is configured. Only files that partflow
    wrote are swept, and no file of a dataset ever is.

    With --undeclared, files that lie in the warehouse under the name of a DATASET are moved that
    nothing declares, so that they are not shown: outside of its range, of another grain, or of a
    dataset that is gone. They are in the history then, and stay there.
    """
    upkeep, controls = session.project().upkeep, _controls(session, no_wait)
    if undeclared or datasets:
        return _move_undeclared(upkeep, datasets, controls, (undeclared, dry_run, yes), output)
    found = upkeep.sweep(controls, dry_run=True)
    if not dry_run and not found.is_empty:
        if output == "text":
            click.echo("\n".join(_swept_lines(found)), err=True)
        if not _agreed("sweep this?", yes=yes):
            return INTERRUPTED
        found = upkeep.sweep(controls, dry_run=False)
    _show_sweep(found, output, upkeep.undeclared() if dry_run else (), is_done=not dry_run)
    return DONE


def _move_undeclared(
    upkeep: Upkeep,
    names: Sequence[str],
    controls: Controls,
    how: tuple[bool, bool, bool],
    output: str,
) -> int:
    """Move what is not shown of the named datasets; `how`: --undeclared, --dry-run and --yes."""
    from partflow.operations.undeclared import chosen

    undeclared, dry_run, yes = how
    if not undeclared or not names:
        raise click.UsageError("--undeclared and the datasets of which it is go together")
    found = chosen(upkeep.undeclared(), names)
    if not dry_run:
        if output == "text":
            click.echo("\n".join(stray_lines(found)[:-1]), err=True)
        if not _agreed("move this into the history?", yes=yes):
            return INTERRUPTED
        found = upkeep.move_undeclared(names, controls)
    files, nbytes = sum(len(each.strays) for each in found), sum(each.nbytes for each in found)
    what = f"{count(files, 'file')} of {size(nbytes)}"
    sentence = f"{what} would be moved" if dry_run else f"moved {what} into the history"
    if output == "json":
        print_json({"undeclared": stray_documents(found), "sentence": sentence})
        return DONE
    click.echo("\n".join([*(stray_lines(found)[:-1] if dry_run else []), sentence]))
    return DONE


@click.group()
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

    For one that is lost, damaged, or older than the data. What is there is moved aside. What runs
    did and wrote to their logs is not known afterwards, nor are backfills that were cut off.
    """
    upkeep = session.project().upkeep
    if upkeep.damage() is None and not _agreed(
        "the metastore can be read; make it anew all the same, without the log of runs?", yes=yes
    ):
        return INTERRUPTED
    _show_rebuilt(upkeep.rebuild(_controls(session, no_wait)), output)
    return DONE


def _agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: asked on a terminal; without one, --yes has to say so."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{question} there is no terminal to ask on: give --yes")
    return click.confirm(question, err=True)


def _controls(session: Session, no_wait: bool) -> Controls:
    from partflow.project.project import Controls

    return Controls(
        wait=not no_wait,
        command=session.command,
        waiting=lambda owner: click.echo(f"waiting for {printable(owner)}", err=True),
    )


def _is_other(kept: Kept) -> bool:
    return not kept.is_present


def _files(done: PutBack) -> str:
    names = ", ".join(f"{r.node}@{shown_key(r.key)}" for r in done.records)
    return f"{count(len(done.records), 'file')} ({names})"


def _show_kept(kept: Sequence[Kept], output: str) -> None:
    if output == "json":
        print_json([_kept(one) for one in kept])
        return
    rows = []
    for one in kept:
        if one.record is None:
            rows.append((f"{one.number}", "-", "-", "-", size(one.nbytes), "nothing recorded"))
            continue
        rows.append(
            (
                f"{one.number}",
                moment(one.record.made_at),
                one.record.run or "-",
                count(one.record.rows, "row"),
                size(one.nbytes),
                "the present content" if one.is_present else "",
            )
        )
    click.echo("\n".join([*(aligned(rows, {0}) if rows else []), f"{len(kept)} kept"]))


def _kept(one: Kept) -> dict[str, Any]:
    record = one.record
    return {
        "number": one.number,
        "made_at": None if record is None else moment(record.made_at),
        "run": None if record is None else record.run,
        "rows": None if record is None else record.rows,
        "bytes": one.nbytes,
        "content": None if record is None else record.content,
        "present": one.is_present,
    }


def _show_put_back(done: PutBack, sentence: str, output: str) -> None:
    if output == "json":
        files = [{"dataset": r.node, "key": r.key, "rows": r.rows} for r in done.records]
        print_json({"run": done.run, "files": files, "sentence": sentence})
        return
    click.echo(sentence)


def _swept_lines(found: Sweep) -> list[str]:
    rows = [
        (kind.value, count(found.files[kind], "file"), size(found.nbytes[kind]))
        for kind in found.files
        if found.files[kind]
    ]
    if found.runs:
        rows.append(("old runs", count(found.runs, "run"), ""))
    return aligned(rows) if rows else []


def _show_sweep(found: Sweep, output: str, strays: Sequence[Lying] = (), *, is_done: bool) -> None:
    files, nbytes = sum(found.files.values()), sum(found.nbytes.values())
    what = f"{count(files, 'file')} of {size(nbytes)}, {count(found.runs, 'run')}"
    sentence = f"swept {what}" if is_done else f"{what} would be swept"
    sentence = "nothing to sweep" if found.is_empty else sentence
    if output == "json":
        kinds = {
            kind.name.lower(): {"files": found.files[kind], "bytes": found.nbytes[kind]}
            for kind in found.files
        }
        told = {} if is_done else {"undeclared": stray_documents(strays)}
        print_json({**kinds, "runs": found.runs, **told, "sentence": sentence})
        return
    lines = [] if is_done else [*_swept_lines(found), *stray_lines(strays)]
    click.echo("\n".join([*lines, sentence]))


def _show_rebuilt(found: Rebuilt, output: str) -> None:
    sentence = (
        f"made anew: {count(found.files, 'partition')} of tasks, {found.sources:,} of sources, "
        f"{found.effects:,} of effects"
    )
    if output == "json":
        unknown = [{"dataset": u.node, "key": u.key, "problem": u.problem} for u in found.unknown]
        print_json(
            {
                "partitions": found.files,
                "sources": found.sources,
                "effects": found.effects,
                "unknown": unknown,
                "unread_lines": found.unread,
                "journal": found.has_journal,
                "aside": None if found.aside is None else str(found.aside),
                "sentence": sentence,
            }
        )
        return
    for line in _cautions(found):
        click.echo(line, err=True)
    click.echo(sentence)


def _cautions(found: Rebuilt) -> list[str]:
    """What somebody has to know who goes on with a metastore that was made anew."""
    lines = [f"unknown  {u.node}@{shown_key(u.key)}: {u.problem}" for u in found.unknown[:_SHOWN]]
    if len(found.unknown) > _SHOWN:
        lines.append(f"unknown  and {len(found.unknown) - _SHOWN:,} more")
    if found.unread:
        lines.append(f"{count(found.unread, 'line')} of the journal could not be read")
    if not found.has_journal:
        lines.append(
            "there is no journal: effects are taken to be done for all that is due, and pins, "
            "acceptances and what was seen of sources that are gone are not known"
        )
    if found.aside is not None:
        lines.append(f"the one that was there is now {found.aside}")
    return lines
