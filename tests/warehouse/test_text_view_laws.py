"""Whatever a file of text holds, its view shows the columns, types and rows that tasks read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import profiles  # noqa: F401 - the number of examples
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from partflow.errors import ReadError
from partflow.formats.connections import opened, quoted_name
from partflow.formats.csvtext import lines_before
from partflow.formats.schemas import schema_text
from partflow.formats.text import Csv, Ndjson
from partflow.warehouse.shapes import Part
from partflow.warehouse.sqltypes import sql_type
from partflow.warehouse.viewsql import MARK, View, view_sql

CONNECTION = opened()
KEYS = ("2024-01-01", "2024-01-02")
TEXTS = (
    "#1", "# note", "#", "7", "007", "it's", "'x'", "'", "x#y", "b c", " b ", "-", "~", "\\", "x\\",
    "\\N", "NULL", "a", "b", "", '""', '" "', '"x, y"', '"say ""so"""', '"two\nlines"', "1e3", "5 ",
)  # fmt: skip
NUMBERS = ("1", "-3", "12345678901234567890", "2.5", "", '""', '"4"', " 6", "+5", "1e3", "inf")
TIMES = (
    "2024-01-05", "0099-01-05", "2024-01-05T10:00", "2024-01-05 10:00:01.123456789", "05:00", '""',
    "2024-01-05T10:00:00.123456789+02:00", "2024-01-05T10:00Z", "2024-01-05T10:00+0200", "",
)  # fmt: skip
BOOLS = ("true", "FALSE", "False", "", '""')
KINDS: list[tuple[tuple[str, ...], list[Any]]] = [
    (TEXTS, [pl.String(), pl.Categorical(), pl.Enum(["a", "b", "7", ""])]),
    (NUMBERS, [pl.Int64(), pl.Int8(), pl.UInt64(), pl.Int128(), pl.Float64(), pl.Float32(),
               pl.Decimal(10, 2), pl.Decimal(38, 0)]),
    (TIMES, [pl.Date(), pl.Time(), pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("ms"),
             pl.Datetime("us", "UTC"), pl.Datetime("ns", "UTC")]),
    (BOOLS, [pl.Boolean()]),
]  # fmt: skip
NAMES = ("a", "b", "#c", " d", '"e,f"', '"g\nh"', "'i'", "order")


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[str], dict[str, Any] | None]:
    """The texts of two files of the same columns in any order, and their schema if there is one."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3))
    kinds = [draw(st.sampled_from(KINDS)) for _ in names]
    # Of few values for a column, so that it is often of one type.
    pools = [draw(st.lists(st.sampled_from(texts), min_size=1, max_size=3)) for texts, _ in kinds]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    files = []
    for _ in KEYS:
        order = draw(st.permutations(range(len(names))))
        lines = [""] * draw(st.sampled_from([0, 0, 1, 2]))
        lines.append(",".join(names[i] for i in order))
        for _ in range(draw(st.integers(0, 4))):
            lines.append(",".join(draw(st.sampled_from(pools[i])) for i in order))
        lines += [""] * draw(st.integers(0, 2))
        files.append(end.join(lines) + draw(st.sampled_from([end, ""])))
    if not draw(st.booleans()):
        return files, None
    schema = {
        name.strip('"'): draw(st.sampled_from(types))
        for name, (_, types) in zip(names, kinds, strict=True)
    }
    return files, dict(draw(st.permutations(list(schema.items()))))


@given(deliveries())
@example((["name,qty\nbread,1\n#7 screws,2\nmilk,3\n"], None))
@example((["a,b\n'xy',2\n'z',3\n"], None))
@example((['a,b\n"",x\n,y\n'], None))
@example((["a\nx\n\ny\n"], None))
@example((["title,x\n1,2\n3,4\n5,6\n"], None))
@example((["a,b\n1,x\n", "b,a\ny,4\n"], {"b": pl.String(), "a": pl.Int64()}))
@example((["\n\r\na,b\n1,x\n", "a,b\n2,y\n"], None))
@example((["\ufeff\na,b\n1,x\n"], None))
@example((["a,b\r\n1,x\n2,y\r\n", "a,b\n3,z\n"], None))
@example((['" a ",b\n1,2\n'], None))
@example((['n\n""\n5\n'], {"n": pl.Int64()}))
@example((["a,b\n" + "x" * 3_000_000 + ",2\n"], None))
@example((["a,b\n" + "x,1\n" * 30_000 + '"#z, ""q""",2\n'], None))
def test_a_view_of_csv_shows_what_tasks_read(delivery: tuple[list[str], Any]) -> None:
    texts, schema = delivery
    with tempfile.TemporaryDirectory() as folder:
        root, form, parts = Path(folder), Csv(schema), {}
        for key, text in zip(KEYS, texts, strict=False):
            file = root / f"{key}.csv"
            file.write_text(text, newline="")
            try:
                frame = form.read(file)
            except ReadError:  # what is no such file is in no part of a view
                continue
            held = form.held(file, frame)
            _, frames, keys = parts.setdefault(
                (schema_text(held), lines_before(file)), (held, [], [])
            )
            frames.append(frame)
            keys.append(key)
        for (_, skip), (held, frames, keys) in parts.items():
            view = View(
                "seen", "{key}.csv", "csv", "0000-00-00", "day", has_files=True,
                schema=schema or held, parts=(Part(tuple(keys), held, skip),),
                exact=schema is None, is_complete=True,
            )  # fmt: skip
            assert shown(root, view) == read(frames)


VALUES = (
    '"x"', '"007"', '""', "null", "1", "-3", "2.5", "1.0", "1e3", "-0.0", "1e-9", "true", '"1.5"',
    "12345678901234567890", '"2024-01-05"', '"2024-01-05T10:00:00.123456+02:00"', '"5"', "[1, 2]",
    '["a"]', "[]", '{"p": 1}', '{"p": "q"}', "[1.5, null]", r'"\u00e9"', r'"say \"so\""',
)  # fmt: skip
JSON_KINDS: list[Any] = [
    pl.String(), pl.Categorical(), pl.Enum(["x", "a"]), pl.Int64(), pl.Int8(), pl.UInt64(),
    pl.Int128(), pl.Float64(), pl.Float32(), pl.Decimal(10, 2), pl.Boolean(), pl.Date(), pl.Time(),
    pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.List(pl.Int64()), pl.List(pl.String()),
    pl.Struct({"p": pl.Int64()}), pl.Struct({"p": pl.String()}),
]  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, dict[str, Any] | None]:
    """The lines of a file of NDJSON, whose objects may lack a field, and their schema if any."""
    names = draw(st.lists(st.sampled_from(["a", "b", "#c"]), unique=True, min_size=1, max_size=2))
    pools = {n: draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=2)) for n in names}
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        within = [name for name in names if draw(st.integers(0, 9))]
        fields = (f'"{name}": {draw(st.sampled_from(pools[name]))}' for name in within)
        lines.append(f"{{{', '.join(fields)}}}\n")
    schema = {name: draw(st.sampled_from(JSON_KINDS)) for name in names}
    return "".join(lines), schema if draw(st.booleans()) else None


@given(objects())
@example(("{}\n", {"a": pl.Float64()}))
@example(('{"a": ""}\n', {"a": pl.Int8()}))
@example(('{"a": 1.0}\n', {"a": pl.String()}))
def test_a_view_of_ndjson_shows_what_tasks_read_or_says_that_it_cannot(
    delivery: tuple[str, Any],
) -> None:
    text, schema = delivery
    with tempfile.TemporaryDirectory() as folder:
        form, file = Ndjson(schema), Path(folder, f"{KEYS[0]}.ndjson")
        file.write_text(text)
        try:
            frame = form.read(file)
        except ReadError:
            return
        if not frame.width:
            return
        held = form.held(file, frame)
        view = View(
            "seen", "{key}.ndjson", "ndjson", "0000-00-00", "day", has_files=True,
            schema=schema or held, parts=(Part(KEYS[:1], held),), exact=schema is None,
            is_complete=True,
        )  # fmt: skip
        try:
            found = shown(Path(folder), view)
        except duckdb.Error as error:
            assert MARK in str(error)  # noqa: PT017 - or it shows the same
        else:
            columns, types, rows = read([frame])
            assert found == (columns, [t.replace('"', "") for t in types], rows)


def shown(root: Path, view: View) -> tuple[list[str], list[str], list[tuple[str, ...]]]:
    """The columns of a view, DuckDB's types of them, and the rows as text."""
    CONNECTION.execute(view_sql(view, root))
    relation = CONNECTION.sql("select * exclude (day) from seen order by day")
    rows = relation.project("columns(*)::varchar").fetchall()
    return relation.columns, [str(t).replace('"', "") for t in relation.types], rows


def read(frames: list[pl.DataFrame]) -> tuple[list[str], list[str], list[tuple[str, ...]]]:
    """The same of what tasks read, each value as DuckDB writes it."""
    frame = pl.concat(frames)
    types = [sql_type(kind) for kind in frame.dtypes]
    texts = []
    for name, kind in zip(frame.columns, types, strict=True):
        text = f"cast(cast({quoted_name(name)} as {kind}) as varchar)"
        if kind == "TIMESTAMPTZ_NS":  # of which Arrow hands over milliseconds alone
            text = f"cast({quoted_name(name)} as varchar) || '+00'"
        texts.append(text)
    table = frame.with_columns(
        pl.col(pl.Datetime("ns", "UTC")).dt.replace_time_zone(None),
        pl.col(pl.Int128).cast(pl.String),
    )
    rows = CONNECTION.from_arrow(table.to_arrow()).project(", ".join(texts)).fetchall()
    return frame.columns, types, rows


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a\n", 0), ("\n\na\n", 2), ("\r\n\na\n", 2), ("\ufeffa\n", 0), ("\ufeff\n\na\n", 2), ("", 0)],
)
def test_the_blank_lines_before_a_header_are_counted(tmp_path: Path, text: str, lines: int) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text, newline="")
    assert lines_before(file) == lines
