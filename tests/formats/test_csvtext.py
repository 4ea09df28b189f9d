"""CSV as it was delivered: whole lines, one header, commas, UTF-8; anything else is said."""

import gzip

import polars as pl
import pytest

from partflow.errors import ReadError
from partflow.formats.csvtext import opened
from partflow.formats.text import Csv


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "f.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def rows(path):
    return opened(path).rows(lambda fields: fields).rows()


def pieces(path):
    return [row for batch in opened(path).batches() for row in batch.rows()]


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b,c\n1,2,3\n4,5\n", "line 3 has 2 fields, and the header 3: it may be cut off"),
        ("a,b,c\n1,2,3\n4,5", "line 3 has 2 fields"),
        ("a,b,c\n4\n1,2,3\n", "line 2 has 1 fields"),
        ("a,b,c\r\n1,2,3\r\n4,5\r\n", "line 3 has 2 fields"),
        ("a,b,c\n1,2,\n\n\n4,5\n", "line 5 has 2 fields"),
        ('a,b,c\n1,"2,3"\n', "line 2 has 2 fields"),
        ('a,b,c\n"1\n,",2\n', "line 3 has 2 fields"),
        ('a,b,c\n1,",",\n4,5\n', "line 3 has 2 fields"),
        ("a,b,c\n1,2,\n,", "line 3 has 2 fields"),
        ('"a,b",c\n1\n', "line 2 has 1 fields, and the header 2"),
        ("a,b,c\n1,2,3,4\n", "line 2 has 4 fields, and the header 3: a value with a comma"),
        ("a,b,c\n1,2,3\n1,2,3,4,\n", "line 3 has 5 fields"),
        ('a,b,c\n1,"2,3\n', "line 2 has 2 fields"),
    ],
)
def test_a_line_of_too_few_fields_or_too_many_is_named(file, read, text, line):
    with pytest.raises(ReadError, match=line) as caught:
        read(file(text))
    assert "list[Path]" in str(caught.value)


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a,b\n1,2\n3,4", [("1", "2"), ("3", "4")]),
        ("a,b\n1,\n3,", [("1", None), ("3", None)]),
        ("a,b\n1,2\n\n\n", [("1", "2")]),
        ("\n\na,b\n\n1,2\n  \n3,\n\n", [("1", "2"), ("3", None)]),
        ("a,b\r\n1,\r\n\r\n3,4\r\n", [("1", None), ("3", "4")]),
        ('a,b\n"x\n\ny",\n', [("x\n\ny", None)]),
        ('a,b\n"1,2",\n",",","\n', [("1,2", None), (",", ",")]),
        ('"a,b",c\n1,\n', [("1", None)]),
        ('a,b\n"say ""so, so""",\n', [('say "so, so"', None)]),
        ("a,b\n,\n", [(None, None)]),
        ("a\n1\n\n2\n\n", [("1",), ("2",)]),
        ("a,b\n", []),
        ("a,b", []),
        ("\ufeffa,b\nx,\n", [("x", None)]),
    ],
)
def test_whole_lines_are_rows_and_blank_ones_are_none(file, read, text, wanted):
    assert read(file(text)) == wanted


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("a,b\n1,2\na,b\n3,4\n", "has its header twice"),
        ("a,b,a\n1,2,3\n", "has column 'a' twice in its header"),
        ("a;b\n1;2\n", "no commas between its columns, but ';'"),
        ("a;b;c, net\n1;2;3,5\n", "no commas between its columns, but ';'"),
        ("a\tb\n1\t2\n", "no commas between its columns, but a tab"),
        ("a|b\n1|2\n", "no commas between its columns, but '|'"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16"),
        ("a,b\nx,\u00e9\n".encode("latin-1"), "no UTF-8 text"),
        ("", "is empty"),
        ("\n \n", "is empty"),
    ],
)
def test_what_is_no_csv_of_ours_is_refused_and_said(file, read, data, problem):
    with pytest.raises(ReadError, match=problem):
        read(file(data))


def test_a_compressed_file_is_counted_as_what_is_in_it(file):
    assert rows(file(gzip.compress(b"a,b\n1,\n"))) == [("1", None)]
    with pytest.raises(ReadError, match="line 2 has 1 fields"):
        rows(file(gzip.compress(b"a,b\n1\n")))


def test_a_file_that_is_large_enough_to_be_mapped_is_counted_alike(file):
    lines = [f"{n},{'x' * 40}," for n in range(40_000)]
    assert len(rows(file("\n".join(["a,b,c", *lines])))) == len(lines)
    lines[30_000] = "30000,cut"
    for read in (rows, pieces):
        with pytest.raises(ReadError, match="line 30,002 has 2 fields"):
            read(file("\n".join(["a,b,c", *lines])))


def test_a_word_that_is_its_columns_name_is_no_header(file):
    assert rows(file("a,b\na,1\n")) == [("a", "1")]


def test_what_is_typed_is_what_is_no_blank_line(file):
    def numbers(fields):
        return fields.select(pl.col("a").cast(pl.Int64), "b")

    text = "a,b\n1,\n   \n2,x\n"
    assert opened(file(text)).rows(numbers).rows() == [(1, None), (2, "x")]


@pytest.mark.parametrize("read", [rows, pieces])
def test_long_headers_and_long_fields_are_read(file, read):
    names = [f"column_{n}" for n in range(9_000)]
    text = f"{','.join(names)}\n{',' * (len(names) - 1)}\n"
    assert read(file(text)) == [(None,) * len(names)]
    assert read(file(f"a,b\n{'x' * 200_000},\n\n1,2\n")) == [("x" * 200_000, None), ("1", "2")]


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize("text", ["a,b\r1,2\r3,4\r", "a\r1\r2", "a,b\n1,2\r3,4\n"])
def test_lines_that_end_in_cr_alone_are_said_in_plain_words(file, read, text):
    with pytest.raises(ReadError, match="has lines that end in CR alone, as of old Macs; have it"):
        read(file(text))


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,"x\n2,y\n', 2),
        ('a,b\r\n1,x\r\n3,"x', 3),
        ('a,b\n"1\n2",x\n3,"x', 4),
        ('a\n"x\ny\n', 2),
        ('"a,b\n1,2\n', 1),
    ],
)
def test_a_quotation_mark_that_nothing_closes_is_said_with_its_line(file, read, text, line):
    with pytest.raises(ReadError, match=f"csv: line {line} has a quotation mark that nothing clos"):
        read(file(text))


@pytest.mark.parametrize("read", [rows, pieces])
def test_a_quotation_mark_within_a_field_in_quotes_is_said_in_plain_words(file, read):
    with pytest.raises(ReadError, match="quotation marks that begin no field or end none"):
        read(file('a,b\n1,"x"y\n'))


ENUM = pl.Enum(["x,y", "z"])


@pytest.mark.parametrize("kind", [pl.String(), pl.Categorical(), ENUM])
@pytest.mark.parametrize("line", ["2,z", "2"])
def test_a_short_line_is_found_beside_commas_in_words_of_any_kind(file, kind, line):
    schema = {"a": pl.Int64(), "b": kind, "c": pl.String()}
    path = file(f'a,b,c\n1,"x,y","p\nq"\n{line}\n')
    for form in (Csv(schema), Csv({"b": kind})):
        with pytest.raises(ReadError, match=r"line 4 has . fields, and the header 3"):
            form.read(path)


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize("lines", [10, 30_000])
@pytest.mark.parametrize("tail", ["\0", "\0" * 4096, "9,\0\0\n"])
def test_zero_bytes_are_no_text_wherever_they_stand(file, read, lines, tail):
    text = "a,b\n" + "1,2\n" * lines
    with pytest.raises(ReadError, match="zero"):
        read(file(text + tail))


@pytest.mark.parametrize("read", [rows, pieces])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('a,b\n1,5"\n2,6"\n', "line 2 has a quotation mark within a field that begins with none"),
        ('a,b\n1,2\n1,x"y\n2,z\n', "line 3 has a quotation mark within a field"),
        ('"a""b",c\n1,2\n', "has a quotation mark in a column's name"),
        (",\n1,2\n", "has a first line of commas, and no names in it"),
        ('\n"",""\n1,2\n', "has a first line of commas, and no names in it"),
    ],
)
def test_marks_and_names_that_stand_amiss_are_said_in_plain_words(file, read, text, problem):
    with pytest.raises(ReadError, match=problem):
        read(file(text))


@pytest.mark.parametrize("read", [rows, pieces])
def test_in_a_file_of_one_column_spaces_are_a_value_and_nothing_is_none(file, read):
    assert read(file("a\n  \n\n1\n")) == [("  ",), ("1",)]
