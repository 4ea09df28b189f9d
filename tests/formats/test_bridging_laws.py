"""Parquet of others gives one answer under a schema, however it is read, or one refusal."""

import datetime as dt
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from partflow.declarations.parameters import ParameterKind
from partflow.errors import ReadError
from partflow.formats.frames import PartitionColumn, explain, read_frames
from partflow.formats.parquet import Parquet

DAY = dt.date(2024, 1, 1)
KINDS = (ParameterKind.LAZY, ParameterKind.EAGER, ParameterKind.ARROW)
NOON = dt.datetime(2024, 1, 1, 12)  # noqa: DTZ001
LATE = dt.datetime(2024, 1, 1, 12, 0, 0, 1)  # noqa: DTZ001
SCHEMA = {
    "at": pl.Datetime("ms"),
    "shop": pl.String(),
    "n": pl.Int32(),
    "price": pl.Decimal(12, 2),
    "size": pl.Enum(["s", "m"]),
}
HELD = {
    "at": ([pl.Datetime(unit) for unit in ("ms", "us", "ns")], [None, NOON, NOON, LATE]),
    "shop": ([pl.String, pl.Categorical], [None, "north", "south"]),
    "n": ([pl.Int8, pl.Int32, pl.Int64, pl.Float64], [None, 1, 100, 100]),
    "price": ([pl.Decimal(9, 1), pl.Decimal(12, 2), pl.Decimal(18, 4)], [None, "1.5", "1.2525"]),
    "size": ([pl.String, pl.Categorical, pl.Enum(["m", "s", "l"])], [None, "s", "m", "l"]),
}


@st.composite
def columns(draw: st.DrawFn, name: str) -> pl.Series:
    """A column as some writer wrote it: of another unit or width, or of nulls alone."""
    kinds, values = HELD[name]
    held = draw(st.sampled_from([pl.Null, *kinds, kinds[-1]]))
    found = draw(st.lists(st.sampled_from(values), min_size=2, max_size=2))
    if held == pl.Null:
        found = [None, None]
    if name == "price":
        found = [None if v is None or held == pl.Null else Decimal(v) for v in found]
        if held != pl.Decimal(18, 4):
            found = [None if v is None else v.quantize(Decimal("0.1")) for v in found]
    return pl.Series(name, found, dtype=held)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """A file's rows: its columns in any order, and perhaps one more, or one too few."""
    found = [draw(columns(name)) for name in draw(st.permutations(sorted(SCHEMA)))]
    if draw(st.booleans()):
        found.append(pl.Series("more", [1, 2]))
    return pl.DataFrame(found[draw(st.sampled_from([0, 0, 0, 0, 1])) :])


def answer(make, paths) -> tuple[object, ...]:
    """The types and rows that are read but for the partition's, or what was refused and why."""
    try:
        found = make()
        frame = found.collect() if isinstance(found, pl.LazyFrame) else pl.DataFrame(found)
    except ReadError as error:
        return (error.path, error.problem)
    except pl.exceptions.PolarsError:
        error = explain(paths, Parquet(schema=SCHEMA))
        assert error is not None
        return (error.path, error.problem)
    frame = frame.drop("date", strict=False)
    return (frame.columns, frame.with_columns(pl.col("size").cast(pl.String)).rows())


@settings(deadline=None)
@given(frame=frames(), other=frames())
def test_parquet_of_others_gives_one_answer_however_it_is_read(tmp_path_factory, frame, other):
    folder = tmp_path_factory.mktemp("bridged")
    paths = [folder / f"{n}.parquet" for n in (1, 2)]
    for path, rows in zip(paths, (frame, other), strict=True):
        rows.write_parquet(path)
    form = Parquet(schema=SCHEMA)
    alone = []
    for path in paths:
        makes = [lambda p=path: form.read(p), lambda p=path: form.scan([p], None)]
        makes += [lambda p=path, k=k: read_frames([p], None, form, k) for k in KINDS]
        first, *rest = [answer(make, [path]) for make in makes]
        assert all(each == first for each in rest)
        alone.append(first)
    column = PartitionColumn("date", (DAY, DAY + dt.timedelta(1)))
    refused = [each for each in alone if isinstance(each[0], str)]
    for kind in KINDS:
        both = answer(lambda k=kind: read_frames(paths, column, form, k), paths)
        if refused:
            assert both in refused
        else:
            assert both == (alone[0][0], alone[0][1] + alone[1][1])


@settings(deadline=None)
@given(frame=frames())
def test_no_value_changes_by_being_bridged(tmp_path_factory, frame):
    path = tmp_path_factory.mktemp("bridged") / "f.parquet"
    frame.write_parquet(path)
    try:
        found = Parquet(schema=SCHEMA).read(path)
    except ReadError:
        return
    assert found.schema == pl.Schema(SCHEMA)
    for name in SCHEMA:
        assert found[name].to_list() == frame[name].to_list()


def test_of_two_columns_that_do_not_fit_the_schemas_first_is_named(tmp_path):
    path = tmp_path / "f.parquet"
    rows = {"size": ["l"], "shop": ["a"], "n": [1], "price": [Decimal("1.2525")], "at": [NOON]}
    pl.DataFrame(rows).write_parquet(path)
    form = Parquet(schema=SCHEMA)
    for _ in range(50):
        assert "column 'price': " in answer(lambda: form.scan([path], None), [path])[1]
