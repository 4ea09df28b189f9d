"""A key that stands twice in an object of NDJSON is found, in small files and in large ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from partflow.errors import ReadError
from partflow.formats.jsonkeys import require_keys_once
from partflow.formats.text import Ndjson

FILLING = '{"a": 1, "b": {"p": 1}, "c": [{"q": 1}, {"q": 2}], "d": null}\n'
SCHEMA = {
    "a": pl.Int64(),
    "b": pl.Struct({"p": pl.Int64}),
    "c": pl.List(pl.Struct({"q": pl.Int64})),
    "d": pl.Null(),
}


@pytest.mark.parametrize("lines", [2, 6000], ids=["small", "large"])
@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"a": 1, "a": 2}', "a"),
        ('{"a": 1, "b": null, "a": null}', "a"),
        (r'{"a": 1, "\u0061": 2}', "a"),
        ('{"b": {"p": 1, "p": 2}}', "p"),
        ('{"c": [{"q": 1}, {"q": 1, "q": 2}]}', "q"),
    ],
)
def test_a_key_twice_in_a_line_is_named_with_its_line(tmp_path: Path, lines, line, key) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text(FILLING * lines + line + "\n" + FILLING)
    with pytest.raises(ReadError, match=rf"line {lines + 1:,} has the key '{key}' twice; have it"):
        require_keys_once(file, SCHEMA)


@pytest.mark.parametrize("lines", [2, 6000], ids=["small", "large"])
def test_what_is_not_read_may_stand_twice_and_so_may_values(tmp_path: Path, lines: int) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text(FILLING * lines + '\n{"a": 1, "more": 1, "more": 2, "d": {"x": 1}}\n')
    require_keys_once(file, SCHEMA)


@pytest.mark.parametrize("folder", ["[a]", "it's", "a*"])
def test_the_name_of_the_file_plays_no_part(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / "a.ndjson"
    file.parent.mkdir()
    file.write_text('{"a": 1}\n' * 40_000 + '{"a": 1, "a": 2}\n')
    with pytest.raises(ReadError, match="line 40,001 has the key 'a' twice"):
        Ndjson().contents(file, is_small=False)
