"""Streams that are closed or full, locales that know few letters, folders that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = f"{sys.executable} -m partflow"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
LOST = "standard output cannot be written"


def said(shop, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of the shell, in which PF stands for the command."""
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line.replace("PF", RUN)],
        cwd=shop.root, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False, timeout=100,
    )  # fmt: skip


def is_made(shop) -> bool:
    return shop.run("plan").out == "nothing to do: 29 fresh\n"


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_is_made_with_every_stream_closed(shop, jobs):
    assert said(shop, f"PF materialize -j {jobs} <&- >&- 2>&-").returncode == 0
    assert is_made(shop)
    for path in (shop.root / "warehouse/.partflow").glob("metastore*"):
        assert b"materialize" not in path.read_bytes()[:16]


@FULL
@pytest.mark.parametrize(
    ("streams", "err"),
    [(">&-", ""), (">/dev/full", f"warning: what was printed is lost: {LOST}"), ("| true", "")],
)
def test_making_ends_with_the_works_own_code_whatever_becomes_of_its_output(shop, streams, err):
    found = said(shop, f"PF materialize {streams}")
    assert found.returncode == 0
    assert found.stderr.startswith(err)
    assert len(found.stderr.splitlines()) == bool(err)
    assert is_made(shop)
    shop.edit("raw.filter", "raw.nothing")
    assert said(shop, f"PF materialize {streams}").returncode == 1


@FULL
def test_a_full_stderr_does_not_keep_the_work_from_being_done(shop):
    found = said(shop, "PF materialize clean_sales 2>/dev/full")
    assert (found.returncode, found.stdout[:7]) == (0, "ran 14,")


@FULL
@pytest.mark.parametrize("streams", [">&-", ">/dev/full"])
@pytest.mark.parametrize(
    "command",
    [
        "query 'select 1'",
        "query 'select 1' --output csv",
        "query 'select * from range(10000)' --output parquet",
        "status --output json",
        "materialize --output json",
    ],
)
def test_what_is_asked_for_its_output_ends_with_1_where_that_is_lost(shop, command, streams):
    found = said(shop, f"PF {command} {streams}")
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()  # and no word of DuckDB's about what is left at the end
    assert line.startswith(f"error: {LOST} (")


def test_a_reader_that_has_enough_ends_what_is_only_shown(shop):
    found = said(shop, "PF query 'select * from range(1000000)' --output csv | head -1")
    assert (found.returncode, found.stdout, found.stderr) == (141, "range\n", "")


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_a_query_with_other_letters_is_answered_where_the_locale_knows_ascii_only(shop):
    found = said(shop, "PF query \"select 'é' = chr(233) as ü\" --output csv | od -c", **ASCII)
    assert (found.returncode, found.stderr) == (0, "")
    assert said(shop, "PF query \"select 'é' = chr(233)\" --output csv", **ASCII).stdout.endswith(
        "\ntrue\n"
    )
    piped = "echo \"select 'é' = chr(233) as x\" | PF query - --output csv"
    assert said(shop, piped, **ASCII).stdout == "x\ntrue\n"


def test_a_query_that_is_no_text_is_refused_with_a_word(shop):
    found = said(shop, "PF query $'select \\'\\xff\\''")
    assert found.returncode == 2
    assert found.stderr.startswith("error: query: the SQL is not UTF-8; ")


def test_a_working_directory_that_is_gone_is_named_or_not_needed(shop):
    gone = "mkdir gone && cd gone && rmdir ../gone && "
    found = said(shop, f"{gone}PF status")
    assert (found.returncode, found.stderr[:36]) == (2, "error: the working directory is gone")
    assert (
        said(shop, f"{gone}PF init x").stderr[:42] == "error: init: the working directory is gone"
    )
    made = said(shop, f"{gone}PF --project {shop.root} materialize clean_sales -p 2024-01-03")
    assert made.returncode == 0
