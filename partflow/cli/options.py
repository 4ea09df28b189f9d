"""The options that several commands share, and the types that they are parsed into.

Knows nothing of projects: whether a name or a key exists is checked later, from the `Asked`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from partflow.planning.selection import Asked
    from partflow.warehouse.verify import Verify

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Carrying:
    """The options on how a run is carried out."""

    jobs: int
    fail_fast: bool
    wait: bool
    reverse: bool
    retries: int | None
    batch_size: int | None
    trust_clock: bool


def selecting(function: Function) -> Function:
    """Add SELECT, --exclude and the options for partitions; the command gets them as `asked`."""

    @functools.wraps(function)
    def folded(
        select: tuple[str, ...],
        exclude: tuple[str, ...],
        start: str | None,
        end: str | None,
        keys: tuple[str, ...],
        span: tuple[str, str] | None,
        **rest: Any,
    ) -> Any:
        from partflow.planning.selection import Asked

        asked: Asked = Asked(select, exclude, start, end, keys, span)
        return function(asked=asked, **rest)

    return choosing(_partitions(folded))


def choosing(function: Function) -> Function:
    """Add SELECT and --exclude."""
    select = click.argument("select", nargs=-1, metavar="[SELECT]...")
    exclude = click.option(
        "--exclude", multiple=True, metavar="SELECT", help="Leave these out; may be given again."
    )
    return select(exclude(function))


def printing(*forms: str) -> Callable[[Function], Function]:
    """Add --output; the first form is the default."""
    return click.option(
        "--output", type=click.Choice(forms), default=forms[0], show_default=True, help="The form."
    )


no_wait = click.option(
    "--no-wait", is_flag=True, help="Exit with 4 if another run is at the same partitions."
)


def carrying(function: Function) -> Function:
    """Add the options on how a run is carried out; the command gets them as `how`."""

    @functools.wraps(function)
    def folded(  # noqa: PLR0917 - one a click option, given by name
        jobs: int,
        fail_fast: bool,
        no_wait: bool,
        reverse: bool,
        retries: int | None,
        batch_size: int | None,
        trust_clock: bool,
        **rest: Any,
    ) -> Any:
        how = Carrying(jobs, fail_fast, not no_wait, reverse, retries, batch_size, trust_clock)
        return function(how=how, **rest)

    options = (
        click.option(
            "-n", "--dry-run", is_flag=True, help="Show what would be done, and do nothing."
        ),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(1),
            default=1,
            metavar="N",
            help="The most worker processes.",
        ),
        click.option("-x", "--fail-fast", is_flag=True, help="Begin nothing more after a failure."),
        click.option(
            "--retries",
            type=click.IntRange(0),
            metavar="N",
            help="How often to try again what fails, whatever its task says.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            metavar="N",
            help="The most partitions that one call makes, of tasks that make batches.",
        ),
        click.option("--reverse", is_flag=True, help="The newest partitions first."),
        no_wait,
        click.option(
            "--trust-clock",
            is_flag=True,
            help="The clock is right, although something was recorded later than it says.",
        ),
    )
    return _with(options, folded)


def looking(function: Function) -> Function:
    """Add --verify and --no-verify; the command gets a `Verify` as `verify`."""

    @functools.wraps(function)
    def folded(verify: bool | None, **rest: Any) -> Any:
        return function(verify=_verify(verify), **rest)

    return click.option(
        "--verify/--no-verify",
        default=None,
        help="Read every file's bytes; or trust the record of what tasks made. Else: look at each "
        "file's size and times.",
    )(folded)


effects = click.option(
    "--with-effects", is_flag=True, help="Effects for the past too, not only for what is new."
)
detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 3 if there is work to be done."
)


def _partitions(function: Function) -> Function:
    options = (
        click.option("--start", metavar="DATE", help="From here on, in each dataset's zone."),
        click.option("--end", metavar="DATE", help="Up to here; what begins here is left out."),
        click.option(
            "-p",
            "--partition",
            "keys",
            multiple=True,
            metavar="KEY",
            help="One partition, such as 2026-03-01, 2026-W09 or 2026-03; may be given again.",
        ),
        click.option(
            "--partitions",
            "span",
            metavar="A..B",
            callback=_span,
            help="From one partition to another, both included.",
        ),
    )
    return _with(options, function)


def _with(options: tuple[Callable[[Function], Function], ...], function: Function) -> Function:
    """Add options so that `--help` lists them in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def _span(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[str, str] | None:
    if text is None:
        return None
    first, dots, last = text.partition("..")
    if not dots or not first.strip() or not last.strip():
        raise click.BadParameter(
            f"{text!r} is no range; write the first and the last key, as 2026-03-01..2026-03-07",
            context,
            option,
        )
    return first.strip(), last.strip()


def _verify(asked: bool | None) -> Verify:
    from partflow.warehouse.verify import Verify

    if asked is None:
        return Verify.STAT
    return Verify.CONTENT if asked else Verify.RECORD
