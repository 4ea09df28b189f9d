"""Several files hold together what one file of all their rows holds, however they are cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.errors import ReadError
from partflow.formats.known import table_named
from partflow.formats.united import piece_of, united

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**40), 2**40)),
        st.one_of(st.none(), st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)),
    ),
    max_size=12,
)
SCHEMA = {"n": pl.Int64, "what": pl.String}


def written(folder: Path, form: str, parts: list[list[tuple[object, ...]]]) -> list[Path]:
    paths = []
    for number, rows in enumerate(parts):
        frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        path = folder / f"{number}.{form}"
        {
            "parquet": frame.write_parquet,
            "csv": frame.write_csv,
            "ndjson": frame.write_ndjson,
        }[form](path)
        paths.append(path)
    return paths


def content(form: str, paths: list[Path], schema: dict[str, object] | None) -> tuple[str, int]:
    table = table_named(form, schema)
    contents = united(table, {path: piece_of(table, path) for path in paths})
    return contents.content, contents.rows


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
@given(ROWS, st.sets(st.integers(0, 12), max_size=3), st.randoms())
def test_rows_have_one_content_however_they_are_cut_and_ordered(form, rows, cuts, chance):
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    mixed = list(rows)
    chance.shuffle(mixed)
    parts = [mixed[a:b] for a, b in pairwise(edges)]
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        whole = written(Path(first), form, [rows])
        several = written(Path(second), form, parts)
        expected = table_named(form, SCHEMA).contents(whole[0], is_small=True).content
        assert content(form, whole, SCHEMA) == content(form, several, SCHEMA)
        assert content(form, several, SCHEMA) == (expected, len(rows))


def test_files_of_other_types_have_the_content_of_their_common_ones(tmp_path):
    pl.DataFrame({"n": [1]}, schema={"n": pl.Int16}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": [2]}, schema={"n": pl.Int64}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"n": [2, 1]}, schema={"n": pl.Int64}).write_parquet(tmp_path / "c.parquet")
    two, one = ([tmp_path / f"{n}.parquet" for n in names] for names in ("ab", "c"))
    assert content("parquet", two, None) == content("parquet", one, None)


def test_files_that_do_not_fit_together_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("n\n1\n")
    (tmp_path / "b.csv").write_text("n\nx\n")
    with pytest.raises(ReadError, match="column 'n' is String"):
        content("csv", [tmp_path / "a.csv", tmp_path / "b.csv"], None)
