"""What `--output json` printed of one project: `python tests/cli/json_outputs.py` writes it anew.

A program that reads JSON relies on its keys. What differs from run to run is left out.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMANDS = [
    "ls clean sent",
    "graph by_daily",
    "status clean put_back edited sales sent",
    "plan clean brittle by_daily",
    "plan sent --with-effects",
    "why clean -p 2024-01-01",
    "why brittle -p 2024-01-02",
    "why put_back -p 2024-01-02",
    "why edited -p 2024-01-03",
    "why sent -p 2024-01-02",
    "why nothing -p 2024-01-02",
    "runs",
    "runs last",
    "logs last",
    "query 'select date, n from clean order by all'",
    "gc --dry-run",
    "accept clean --dry-run",
    "rollback clean -p 2024-01-02 --dry-run",
    "backfill brittle --dry-run",
    "check clean --verify",
    "check with_grains -p 2024-01-03",
    "materialize clean brittle by_daily",
    "backfill brittle",
    "cancel last",
]
GOLDEN = Path(__file__).with_suffix(".json")

_RUN = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
_TIME = re.compile(r"in [\d.]+ s")
_OF_A_DAY = ("gc --dry-run",)
"""What these count goes by the clock."""
_LOOKING = ("why", "runs", "logs")
_MAKING = ("materialize", "backfill")
"""These say how long they took."""


def documents(root: Path) -> dict[str, Any]:
    """The exit code and the document of each command, called one after the other below `root`."""
    from partflow.cli import main

    said = {}
    for command in COMMANDS:
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", command)]
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(["--project", str(root), *words, "--output", "json"])
        out.seek(0)
        text = out.read()
        try:
            document = json.loads(text)
        except ValueError:
            document = text + err.getvalue()
        said[command] = {"code": code, "document": _lasting(document, command)}
    return said


def _lasting(document: Any, command: str) -> Any:
    """The document without what is another one in each run."""
    match document:
        case dict():
            return {key: _lasting(value, command) for key, value in document.items()}
        case list():
            return [_lasting(value, command) for value in document]
        case str():
            if command.startswith(_LOOKING):
                return document
            return _TIME.sub("in TIME", _RUN.sub("RUN", document))
        case float() if command.startswith(_MAKING):
            return 0.0
        case int() if command.startswith(_OF_A_DAY):
            return 0
        case _:
            return document


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from stored import lay_out

    with tempfile.TemporaryDirectory() as folder:
        documented = documents(lay_out(Path(folder)))
        GOLDEN.write_text(json.dumps(documented, indent=1, ensure_ascii=False) + "\n", "utf-8")
