"""One file of text gives one answer, however it is read, or one refusal."""

import csv
import datetime as dt
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from partflow.declarations.parameters import ParameterKind
from partflow.errors import ReadError
from partflow.formats.csvtext import opened
from partflow.formats.frames import PartitionColumn, read_frames
from partflow.formats.known import table_named
from partflow.formats.text import Csv, Ndjson

DAY = dt.date(2024, 1, 1)
SCHEMA = {"b": pl.String, "a": pl.Int64}
FIELDS = st.sampled_from(
    (
        *("", "1", "007", "-2", "0.5", "x", "true", "a", "b", '""', '"1,5"', '"x\n\ny"', '" "'),
        *("01/02/2024", "2024-01-02", "2024-01-02T05:00", "2024-01-02T05:00Z", '"say ""so"""'),
    )
)
TEXTS = st.sampled_from([pl.String(), pl.Categorical()])
LINES = st.one_of(
    st.tuples(FIELDS, FIELDS, FIELDS).map(",".join),
    st.lists(FIELDS, max_size=4).map(",".join),
    st.sampled_from(["", "   ", "a,b,c"]),
)
CSV = st.tuples(
    st.sampled_from(["a,b,c", "a,b,c\n", "\na,b,c", "c,b,a", "a,b", "a", "a;b;c"]),
    st.lists(LINES, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
).map(lambda t: t[2].join([t[0], *t[1]]) + t[2] * t[3])
VALUES = st.sampled_from(["1", "null", '"x"', "0.5", '"2024-01-02"', "[1]", "true"])
OBJECTS = st.one_of(
    st.tuples(VALUES, VALUES).map(lambda t: f'{{"a":{t[0]},"b":{t[1]}}}'),
    st.sampled_from(["", '{"a":1}', '{"a":1,"b', '{"c":{}}', "[1]"]),
)
NDJSON = st.lists(OBJECTS, max_size=5).map("\n".join)
KINDS = (ParameterKind.LAZY, ParameterKind.EAGER, ParameterKind.ARROW)


def answer(make) -> tuple[object, ...]:
    """The types and rows that are read, or which error it was."""
    try:
        found = make()
        frame = found.collect() if isinstance(found, pl.LazyFrame) else pl.DataFrame(found)
    except ReadError as error:
        return ("refused", error.problem)
    return (dict(frame.schema), frame.rows())


def ways(path: Path, form: str, schema: dict[str, object] | None) -> Sequence[object]:
    """The answers of every way to read one file."""
    formats = {"csv": Csv, "ndjson": Ndjson}
    by_kind = [lambda k=k: read_frames([path], None, table_named(form, schema), k) for k in KINDS]
    pieces = [lambda: formats[form](schema, at_once=0).scan([path], None)] if schema else []
    whole = [
        lambda: formats[form](schema).read(path),
        lambda: formats[form](schema).scan([path], None),
    ]
    return [answer(make) for make in [*whole, *by_kind, *pieces]]


def among_others(path: Path, form: str, schema: dict[str, object] | None) -> object:
    """What a file gives where it is read together with a copy of itself."""
    column = PartitionColumn("date", (DAY, DAY + dt.timedelta(1)))
    copy = path.with_name(f"copy.{form}")
    copy.write_bytes(path.read_bytes())
    frame = answer(
        lambda: read_frames([path, copy], column, table_named(form, schema), ParameterKind.EAGER)
    )
    if frame[0] == "refused":
        return frame
    types = {n: t for n, t in frame[0].items() if n != "date"}
    half = len(frame[1]) // 2
    return (types, [row[:-1] for row in frame[1][:half]])


@settings(deadline=None)
@given(data=st.data(), form=st.sampled_from(["csv", "ndjson"]), declared=st.booleans())
def test_one_file_gives_one_answer_however_it_is_read(tmp_path_factory, data, form, declared):
    text = data.draw(CSV if form == "csv" else NDJSON)
    schema = SCHEMA if declared else None
    path = tmp_path_factory.mktemp("text") / f"f.{form}"
    path.write_bytes(text.encode())
    first, *others = ways(path, form, schema)
    for other in others:
        assert other == first
    if first[0] == "refused" or "date" not in first[0]:
        assert among_others(path, form, schema) == first


@settings(deadline=None)
@given(text=CSV, kinds=st.none() | st.tuples(TEXTS, TEXTS, TEXTS), pieces=st.booleans())
@example(text="a,b\n,1,", kinds=None, pieces=False)
@example(text="a,b\nx,1\nx,1,", kinds=None, pieces=True)
@example(text="a,b\nx,", kinds=None, pieces=True)
def test_a_line_is_refused_iff_it_has_too_few_fields_or_too_many(
    tmp_path_factory, text, kinds, pieces
):
    path = tmp_path_factory.mktemp("lines") / "f.csv"
    path.write_bytes(text.encode())
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header, *lines = [r for r in rows if len(r) > 1 or "".join(r).strip(" ")]
    if header == ["a;b;c"] or header in lines:
        return
    odd = [line for line in lines if len(line) != len(header)]
    if kinds is None:
        file = opened(path)
        whole, some = lambda: file.rows(lambda fields: fields), lambda: list(file.batches())
    else:
        form = Csv(dict(zip(header, kinds, strict=False)))
        whole, some = lambda: form.read(path), lambda: list(form.pieces(path))
    read = some if pieces else whole
    if not odd:
        read()
        return
    with pytest.raises(ReadError, match="fields, and the header"):
        read()


@settings(deadline=None)
@given(lines=st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=6), cut=st.integers(1, 60))
def test_a_file_that_is_cut_off_is_refused_or_lacks_only_what_was_cut(tmp_path_factory, lines, cut):
    """Of a file that is cut off anywhere, all lines before the last one are what they were."""
    path = tmp_path_factory.mktemp("cut") / "f.csv"
    text = "".join(f"{','.join(line)}\n" for line in [("a", "b", "c"), *lines])
    path.write_text(text)
    schema = dict.fromkeys("abc", pl.String)
    whole = answer(lambda: Csv(schema).read(path))
    path.write_text(text[:-cut])
    left = answer(lambda: Csv(schema).read(path))
    if whole[0] == "refused" or left[0] == "refused":
        return
    assert left[1][:-1] == whole[1][: max(0, len(left[1]) - 1)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "texts", list(itertools.combinations(["2024-01-02T05:00", "2024-01-02T05:00Z", "x", "1"], 2))
)
def test_files_of_other_types_are_an_error_in_either_order(tmp_path, texts, turned):
    paths = [tmp_path / f"{n}.csv" for n in (1, 2)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(f"at,n\n{text},1\n")
    paths = paths[::-1] if turned else paths
    for kind in KINDS:
        with pytest.raises(ReadError, match=r"column 'at' is .*declare a schema"):
            read_frames(paths, None, Csv(), kind)
