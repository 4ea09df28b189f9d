"""`init`: writes a small project that runs at once.

Of projects it knows only the files of the template.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from partflow.errors import UsageError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_PLACEHOLDER = "PROJECT_NAME"


@click.command(
    short_help="Write a small project that runs at once.",
    epilog="\b\nExample:\n  partflow init shop && cd shop && partflow materialize",
)
@click.argument("name")
def init(name: str) -> None:
    """Write a small project into the new folder NAME, or into this one if NAME is a dot.

    It has a source with two weeks of its own small data, three tasks, a configuration and a test.
    """
    from importlib import resources

    target = _target(name)
    target.mkdir(exist_ok=True)
    _copy(resources.files("partflow") / "template", target, target.resolve().name)
    enter = [] if name == "." else [f"  cd {name}"]
    lines = [
        f"{target.resolve().name} is ready; next:",
        *enter,
        "  partflow materialize",
        "  partflow status",
        '  partflow query "select * from monthly_sales"',
        "README.md says what to try then.",
    ]
    click.echo("\n".join(lines))


def _target(name: str) -> Path:
    """The folder to write into, which is absent or empty; else UsageError."""
    if name != "." and not _NAME.match(name):
        raise UsageError(
            f"init {name!r}: that is no plain name of a folder; use letters, digits, '-', '_' and "
            "'.', or a single dot for the working directory"
        )
    from pathlib import Path

    try:
        Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "init: the working directory is gone; change into a folder that is there"
        ) from None
    target = Path(name)
    if target.exists() and not target.is_dir():
        raise UsageError(f"init {name!r}: there is a file of that name; choose another")
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"init {name!r}: the folder is not empty; choose another name")
    return target


def _copy(source: Traversable, target: Path, name: str) -> None:
    for entry in source.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                (target / entry.name).mkdir()
                _copy(entry, target / entry.name, name)
        elif entry.name == "README.md":
            text = entry.read_text("utf-8").replace(_PLACEHOLDER, name)
            (target / entry.name).write_text(text, "utf-8")
        elif not entry.name.endswith(".pyc"):
            (target / entry.name).write_bytes(entry.read_bytes())
