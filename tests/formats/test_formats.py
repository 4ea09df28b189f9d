"""Formats: what is written, what is read back, and what a file that is wrong says."""

import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from partflow.errors import ReadError
from partflow.formats.fingerprint import fingerprint_frame
from partflow.formats.known import table_named
from partflow.formats.parquet import Parquet, footer, validate
from partflow.formats.skops import Skops
from partflow.formats.text import Csv, Ndjson

FRAME = pl.DataFrame({"a": [1, 2], "b": ["x", None]})


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "f.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def ndjson(tmp_path):
    def write(text, name="f.ndjson"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("frame", [FRAME, FRAME.lazy()])
def test_parquet_gives_back_the_frame_and_the_metadata(tmp_path, frame):
    path = tmp_path / "1.tmp"
    write = Parquet().stream if isinstance(frame, pl.LazyFrame) else Parquet().stage
    write(frame, path, {"partflow.key": "2026-03-01"})
    assert Parquet().read(path).equals(FRAME)
    assert footer(path)["partflow.key"] == "2026-03-01"
    assert Parquet().fingerprint(path) == fingerprint_frame(FRAME)


def test_ordered_parquet_is_fingerprinted_with_its_order(tmp_path):
    Parquet(ordered=True).stage(FRAME, tmp_path / "f", {})
    assert Parquet(ordered=True).fingerprint(tmp_path / "f") == fingerprint_frame(
        FRAME, ordered=True
    )


WRITERS = {
    "parquet": pl.DataFrame.write_parquet,
    "csv": pl.DataFrame.write_csv,
    "ndjson": pl.DataFrame.write_ndjson,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("schema", [None, {"n": pl.Int64}])
@pytest.mark.parametrize("is_small", [False, True])
def test_the_order_of_what_others_wrote_counts_iff_the_source_is_sorted(
    tmp_path, name, schema, is_small
):
    path, contents = tmp_path / "f", {}
    for ordered in (False, True):
        form = table_named(name, schema, ordered=ordered)
        for rows in ([1, 2], [2, 1]):
            WRITERS[name](pl.DataFrame({"n": rows}), path)
            content = form.contents(path, is_small=is_small).content
            assert content == form.fingerprint(path)
            contents[ordered, rows[0]] = content
    assert contents[False, 1] == contents[False, 2]
    assert contents[True, 1] != contents[True, 2]


def test_a_parquet_file_is_valid_iff_it_holds_what_was_written(tmp_path):
    path = tmp_path / "f"
    Parquet().stage(FRAME, path, {})
    validate(path, ["a", "b"], 2)
    with pytest.raises(ReadError, match="2 rows where 3"):
        validate(path, ["a", "b"], 3)
    with pytest.raises(ReadError, match="columns"):
        validate(path, ["b", "a"], 2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReadError, match="cannot be read"):
        validate(path, ["a", "b"], 2)


def test_a_parquet_file_that_is_gone_is_a_read_error(tmp_path):
    for read in (Parquet().read, footer, lambda path: validate(path, [], 0)):
        with pytest.raises(ReadError, match="no such file"):
            read(tmp_path / "f")


def test_parquet_with_a_schema_widens_reorders_and_leaves_out(tmp_path):
    FRAME.with_columns(pl.col("a").cast(pl.Int16), c=1).write_parquet(tmp_path / "f")
    form = Parquet(schema={"b": pl.String, "a": pl.Int64})
    assert form.read(tmp_path / "f").equals(FRAME.select("b", "a"))


def test_csv_is_typed_from_the_whole_file(csv):
    rows = "".join(f"{n},2026-03-01\n" for n in range(500))
    frame = Csv().read(csv(f"a,day\n{rows}0.5,2026-03-02\n"))
    assert frame.schema == {"a": pl.Float64, "day": pl.Date}


def test_csv_columns_of_times_are_typed_and_text_that_only_begins_like_one_stays_text(csv):
    text = "day,at,clock,text\n,2026-03-01T05:00:00Z,05:15,2026-03-01\n2026-03-01,,,x\n"
    wanted = [pl.Date, pl.Datetime("us", "UTC"), pl.Time, pl.String]
    assert Csv().read(csv(text)).dtypes == wanted


def test_csv_with_a_schema_goes_by_name_and_leaves_out_the_rest(csv):
    form = Csv({"b": pl.String, "a": pl.Float64})
    frame = form.read(csv("a,more,b\n1,x,007\n"))
    assert frame.equals(pl.DataFrame({"b": ["007"], "a": [1.0]}))


def test_csv_files_with_different_columns_beside_the_schema_are_read_as_one(tmp_path):
    paths = [tmp_path / f"{n}.csv" for n in range(3)]
    for path, text in zip(paths, ["a\n1\n", "more,a\nx,2\n", "a,less\n3,\n"], strict=True):
        path.write_text(text)
    frame = Csv({"a": pl.Int64}).scan(paths, "origin").collect()
    assert frame["a"].to_list() == [1, 2, 3]
    assert frame["origin"].to_list() == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,more,b\n1,x,2,3\n", "line 2 has 4 fields, and the header 3"),
        ("a\n1\n", "b"),
        ("a,b\nx,y\n", "column 'a': 'x' is no Int64"),
        ("", "empty"),
        ("a,b\n1,2,3\n", "line 2 has 3 fields, and the header 2"),
    ],
)
def test_csv_that_does_not_fit_its_schema_is_a_read_error(csv, text, problem):
    with pytest.raises(ReadError, match=problem):
        Csv({"a": pl.Int64, "b": pl.String}).read(csv(text))


def test_csv_and_ndjson_of_the_same_values_have_the_same_fingerprint(csv, ndjson):
    one = Csv().fingerprint(csv('b,a\n"x",1\r\ny,2\n'))
    other = Ndjson().fingerprint(ndjson('{"b":"y","a":2}\n{"b": "x", "a": 1}\n'))
    assert one == other


def test_ndjson_is_typed_from_the_whole_file(ndjson):
    rows = '{"a":1}\n' * 500
    frame = Ndjson().read(ndjson(rows + '{"a":0.5,"b":"x"}\n'))
    assert frame.schema == {"a": pl.Float64, "b": pl.String}


def test_ndjson_with_a_schema_goes_by_name(ndjson):
    form = Ndjson({"day": pl.Date, "a": pl.Int64})
    frame = form.read(ndjson('{"a":1,"day":"2026-03-01","more":0}\n{"a":2}\n'))
    assert frame.schema == {"day": pl.Date, "a": pl.Int64}
    assert frame["day"].null_count() == 1


def test_ndjson_in_a_file_whose_name_looks_like_a_pattern_is_read(ndjson):
    path = ndjson('{"a":1}\n', "a*[1].ndjson")
    form = Ndjson({"a": pl.Int64})
    assert form.read(path).height == 1
    assert form.scan((path,), None).collect().height == 1


@pytest.mark.parametrize("text", ["", "{", '{"a":"x"}\n'])
def test_ndjson_that_is_damaged_is_a_read_error(ndjson, text):
    form = Ndjson({"a": pl.Int64}) if "x" in text else Ndjson()
    problem = r"cannot be read|line 1 is no JSON object|line 1: column 'a': \"x\" is no Int64"
    with pytest.raises(ReadError, match=problem):
        form.read(ndjson(text))


@pytest.mark.parametrize("name", ["parquet", "csv", "ndjson"])
def test_a_format_of_tables_is_found_by_its_name(name):
    assert table_named(name).name == name


def test_an_unknown_format_is_a_key_error():
    with pytest.raises(KeyError, match="pickle"):
        table_named("pickle")


def fitted(scale=1.0):
    linear = pytest.importorskip("sklearn.linear_model", reason="the extra `flagship`")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing")
    data = [[float(n), float(n * n)] for n in range(9)]
    model = pipeline.make_pipeline(scaler.StandardScaler(), linear.Ridge())
    return model.fit(data, [scale * row[0] for row in data])


def test_skops_gives_back_a_model_that_predicts_the_same(tmp_path):
    model = fitted()
    Skops().write(model, tmp_path / "f")
    again = Skops().read(tmp_path / "f")
    assert again.predict([[3.0, 9.0]]) == model.predict([[3.0, 9.0]])


def test_the_same_model_made_twice_has_one_fingerprint(tmp_path):
    models = [fitted(), fitted(), fitted(scale=2.0)]
    paths = [tmp_path / str(n) for n in range(3)]
    for model, path in zip(models, paths, strict=True):
        Skops().write(model, path)
    one, again, other = (Skops().fingerprint(path) for path in paths)
    assert paths[0].read_bytes() != paths[1].read_bytes()
    assert one == again
    assert one != other
    assert one.startswith("skops1:")


def test_raw_bytes_have_one_fingerprint_though_skops_names_them_at_random(tmp_path):
    pytest.importorskip("skops", reason="the extra `flagship`")
    for name, data in (("1", b"x"), ("2", b"x"), ("3", b"y")):
        Skops().write({"raw": data}, tmp_path / name)
    one, again, other = (Skops().fingerprint(tmp_path / name) for name in "123")
    assert one == again
    assert one != other


def test_a_type_that_is_not_trusted_is_named_and_not_loaded(tmp_path):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="the extra `flagship`")
    model = ensemble.HistGradientBoostingRegressor(max_iter=1)
    data = [[float(n)] for n in range(50)]
    Skops().write(model.fit(data, [row[0] for row in data]), tmp_path / "f")
    name = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
    with pytest.raises(ReadError, match=f"(?s){name}.*trusted="):
        Skops().read(tmp_path / "f")
    assert Skops(trusted=(name,)).read(tmp_path / "f").n_iter_ == 1


def test_a_damaged_model_is_a_read_error(tmp_path):
    pytest.importorskip("skops", reason="the extra `flagship`")
    path = tmp_path / "f"
    with pytest.raises(ReadError, match="no such file"):
        Skops().read(path)
    path.write_bytes(b"not a zip")
    for read in (Skops().read, Skops().fingerprint):
        with pytest.raises(ReadError, match="cannot be read"):
            read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "")
    for read in (Skops().read, Skops().fingerprint):
        with pytest.raises(ReadError, match="cannot be read"):
            read(path)


def test_frames_encoded_together_have_the_bytes_of_each_alone(tmp_path):
    frames = [
        pl.DataFrame({"x": range(n), "s": [f"s{i % 3}" for i in range(n)]}) for n in (5, 0, 9)
    ]
    frames.append(pl.DataFrame({"other": [1.5, None]}))
    given = [(frame, {"k": str(i)}) for i, frame in enumerate(frames)]
    for data, (frame, metadata) in zip(Parquet().encode(given), given, strict=True):
        Parquet().stage(frame, tmp_path / "1", metadata)
        assert data == (tmp_path / "1").read_bytes()


def ranges(path: Path) -> list[bool]:
    """For each column of the first row group whether its least and greatest value are told."""
    group = pq.read_metadata(path).row_group(0)
    told = [group.column(i).statistics for i in range(group.num_columns)]
    return [each is not None and each.has_min_max for each in told]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("floats", "kept"), [([1.0, 2.0], True), ([1.0, float("nan")], False), ([None, None], True)]
)
def test_statistics_leave_no_nan_out(tmp_path, lazy, floats, kept):
    frame = pl.DataFrame({"f": floats, "n": [1, 2]}, schema={"f": pl.Float64, "n": pl.Int64})
    write, value = (Parquet().stream, frame.lazy()) if lazy else (Parquet().stage, frame)
    write(value, tmp_path / "1", {"partflow": "x"})
    (data,) = Parquet().encode([(frame, {})])
    (tmp_path / "2").write_bytes(data)
    for path in (tmp_path / "1", tmp_path / "2"):
        assert ranges(path)[1] is kept
        wanted = 1 if not kept else 0
        sql = f"select count(*) from read_parquet('{path}') where isnan(f)"
        assert duckdb.sql(sql).fetchall() == [(wanted,)]
    assert footer(tmp_path / "1")["partflow"] == "x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]
