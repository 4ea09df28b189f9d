"""What every format has to do for a file, whoever brings it: one suite for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.errors import ReadError
from partflow.formats.format import FileFormat
from partflow.formats.known import format_of, table_of
from partflow.partitions.calendar import Daily

DAYS = Daily("2024-01-01")
ONE, OTHER = {"a": 1, "b": "x"}, {"a": 2, "b": "x"}


class Pairs:
    """Lines of names and values, in any order."""

    name = "pairs"
    extension = "txt"

    def write(self, value: dict[str, Any], path: Path) -> None:
        path.write_text("".join(f"{key}={each}\n" for key, each in value.items()))

    def read(self, path: Path) -> dict[str, str]:
        pairs = [line.split("=") for line in path.read_text().splitlines()]
        return {key: value for key, value in pairs}  # noqa: C416 - a line of another shape raises

    def fingerprint(self, path: Path) -> str:
        return repr(sorted(self.read(path).items()))


@dataclass(frozen=True)
class Case:
    """A format, and how somebody writes a value for it."""

    declared: Callable[[], Dataset]
    write: Callable[[dict[str, Any], Path], object]

    @property
    def form(self) -> FileFormat:
        return format_of(self.declared())


def landing(form: str) -> Callable[[], Dataset]:
    return lambda: Source("landing", DAYS, path="landing/{key}", format=form)


def by_skops(value: dict[str, Any], path: Path) -> None:
    io = pytest.importorskip("skops.io", reason="the extra `flagship`")
    path.write_bytes(io.dumps(value))


CASES = {
    "parquet of a task": Case(
        lambda: Dataset("own", DAYS), lambda v, p: pl.DataFrame([v]).write_parquet(p)
    ),
    "parquet of others": Case(landing("parquet"), lambda v, p: pl.DataFrame([v]).write_parquet(p)),
    "csv": Case(landing("csv"), lambda v, p: pl.DataFrame([v]).write_csv(p)),
    "ndjson": Case(landing("ndjson"), lambda v, p: pl.DataFrame([v]).write_ndjson(p)),
    "json": Case(landing("json"), lambda v, p: p.write_text(json.dumps(v))),
    "file": Case(landing("file"), lambda v, p: p.write_text(json.dumps(v))),
    "skops": Case(lambda: Dataset("own", DAYS, format="skops"), by_skops),
    "a project's": Case(lambda: Dataset("own", DAYS, format=Pairs()), Pairs().write),
}


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


@pytest.fixture
def path(case, tmp_path) -> Path:
    """A file of one value, whose name does not end as the format's files do."""
    file = tmp_path / "1.tmp"
    case.write(ONE, file)
    return file


def test_the_name_is_what_is_declared(case):
    assert case.form.name == case.declared().stored_as.name


def test_a_fingerprint_is_tagged_with_how_it_was_made_and_is_32_digits(case, path):
    assert re.fullmatch(r"[a-z]+\d?(-[0-9a-f]{8})?:[0-9a-f]{32}", case.form.fingerprint(path))


def test_equal_values_have_one_fingerprint_and_others_another(case, path, tmp_path):
    again, other = tmp_path / "again" / path.name, tmp_path / "other" / path.name
    again.parent.mkdir()
    other.parent.mkdir()
    case.write(ONE, again)
    case.write(OTHER, other)
    first, second, third = (case.form.fingerprint(each) for each in (path, again, other))
    assert first == second
    assert first != third


@pytest.mark.parametrize("is_small", [True, False])
def test_what_the_record_gets_of_a_file_has_its_fingerprint_and_its_schema(case, path, is_small):
    there = case.form.contents(path, is_small=is_small)
    assert there.content == case.form.fingerprint(path)
    assert there.schema == case.form.schema_text(path)
    assert there.rows == 1
    assert there.frame is None or there.frame.height == 1


def test_tables_have_a_schema_and_rows_and_nothing_else_has(case, path, tmp_path):
    is_table = case.declared().stored_as.is_table
    assert (case.form.schema_text(path) is not None) == is_table
    if is_table:
        table = table_of(case.declared())
        assert table.rows(path) == 1
        assert table.memory(path) > 0
        case.write(OTHER, tmp_path / "other")
        both = [path, tmp_path / "other"]
        assert table.scan(both, None).collect()["a"].to_list() == [1, 2]
        table.require_together(both)


def test_reading_changes_no_file(case, path):
    before = path.read_bytes()
    case.form.require_likely(path)
    case.form.read(path)
    case.form.contents(path, is_small=True)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ask", ["read", "fingerprint", "contents"])
@pytest.mark.parametrize("damage", ["gone", "a folder", "cut off"])
def test_a_file_that_cannot_be_read_is_a_read_error_that_names_it(case, path, ask, damage):
    if case.form.name == "file" and (damage == "cut off" or ask == "read"):
        return  # Any bytes will do; and what is read of it is its path.
    if damage == "cut off":
        path.write_bytes(b'{"a": 1, "b": "x\n')
        if case.form.name == "csv":
            path.write_bytes(b'a,b\n1,"x\n')
    else:
        path.unlink()
    if damage == "a folder":
        path.mkdir()
    method = getattr(case.form, ask)
    with pytest.raises(ReadError, match=re.escape(str(path))):
        method(path, is_small=True) if ask == "contents" else method(path)
