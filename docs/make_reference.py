"""Writes `docs/reference/commands.md` from the commands themselves.

Run it after a change of the command line; a test holds the page equal to what it writes.
"""

from __future__ import annotations

from pathlib import Path

import click

from partflow.cli import commands

PAGE = Path(__file__).parent / "reference" / "commands.md"
_HEAD = """\
# Commands

What `partflow COMMAND --help` says, on one page. This page is written by `docs/make_reference.py`.

How to select datasets and partitions, and what a run's last line means, stands in
[Selecting](selecting.md); exit codes are in [Exit codes](exit-codes.md).
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _section(commands, "partflow")]
    for name in sorted(commands.commands):
        command = commands.commands[name]
        parts.append(_section(command, f"partflow {name}"))
        if isinstance(command, click.Group):
            below = sorted(command.commands.items())
            parts += [_section(one, f"partflow {name} {word}") for word, one in below]
    return "\n".join(parts)


def _section(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=100)
    context.help_option_names = ["-h", "--help"]
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"## {name}", "", *_paragraphs(command.help or ""), "```text", usage, "```", ""]
    records = [p.get_help_record(context) for p in command.get_params(context)]
    options = [r for r in records if r is not None and r[1]]
    lines += ["| option | |", "|---|---|"]
    lines += [f"| `{_cell(names)}` | {_cell(said)} |" for names, said in options]
    example = _example(command)
    if example:
        lines += ["", "For example:", "", "```text", *example, "```"]
    return "\n".join([*lines, ""])


def _paragraphs(text: str) -> list[str]:
    found: list[str] = []
    for paragraph in text.split("\n\n"):
        found += [" ".join(paragraph.split()), ""]
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _example(command: click.Command) -> list[str]:
    _, _, lines = (command.epilog or "").partition("Example:\n")
    return [line.strip() for line in lines.splitlines()]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
