"""Columns stand below one another whatever their letters are, and only a terminal cuts them."""

from __future__ import annotations

import io
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.report.rows import write_answer
from partflow.report.text import aligned, padded, printable, shortened, tabled, width

# How many cells a terminal takes for each, by Unicode's East Asian widths and its emoji sequences.
CELLS = {
    "abc": 3,
    "Müller": 6,
    "Mu\u0308ller": 6,  # the same, with a combining mark
    "日本語": 6,
    "ﾆﾎﾝ": 3,
    "\uff26\uff35\uff2c\uff2c": 8,  # Latin letters, as wide as Chinese ones
    "한국": 4,
    "\u1112\u1161\u11ab": 2,  # one syllable of three letters
    "नमस्ते": 4,
    "ภาษา": 4,
    "می\u200cرسد": 5,  # a joiner that keeps letters apart
    "👍": 2,
    "👍🏽": 2,
    "👨\u200d👩\u200d👧": 2,
    "🇯🇵": 2,
    "❤️": 2,
    "1️⃣": 2,
    "½ … ─": 5,
}
TEXTS = st.lists(st.sampled_from([*CELLS])).map(" ".join)


@pytest.mark.parametrize(("text", "cells"), CELLS.items())
def test_a_text_is_as_wide_as_a_terminal_shows_it(text, cells):
    assert width(text) == cells
    assert width(f"\x1b[31m{text}\x1b[0m") == cells


@pytest.mark.parametrize("text", CELLS)
def test_letters_of_any_script_are_not_written_out(text):
    assert printable(text) == text


@given(TEXTS, st.integers(1, 40))
def test_a_text_that_is_shortened_has_no_more_cells_than_asked_and_says_that_it_goes_on(text, size):
    short = shortened(text, size)
    assert width(short) <= size
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
    assert width(padded(short, size)) == size


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1))
def test_columns_stand_below_one_another_whatever_the_letters_are(rows):
    lines = aligned([(*row, "|") for row in rows], right=(1,))
    assert len({width(line) for line in lines}) == 1


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard output a terminal of so many cells."""

    def made(columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return made


STATUS = [
    ("dataset", "range", "fresh", "rows"),
    ("clean", "2024-01", "1", "3"),
    ("ab", "-", "20", "-"),
]


def test_a_table_stands_in_parts_below_one_another_where_the_terminal_is_narrow(terminal):
    terminal(22)
    assert tabled(STATUS, right=(2, 3)) == [
        "dataset  range",
        "clean    2024-01",
        "ab       -",
        "",
        "dataset  fresh  rows",
        "clean        1     3",
        "ab          20     -",
    ]


def test_a_table_is_whole_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    assert tabled(STATUS) == aligned(STATUS)


def test_each_part_of_a_table_has_the_colours_of_its_rows(terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal(20)
    lines = tabled(STATUS, colours=(None, "red", None))
    part = [False, True, False]
    assert [line.startswith("\x1b[31m") for line in lines] == [*part, False, *part]


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def drawn(table: pa.Table, file: io.BytesIO) -> list[str]:
    write_answer(table.to_reader(), "table", file, 40)
    return file.getvalue().decode().splitlines()


@given(st.lists(st.tuples(TEXTS, st.integers()), min_size=1, max_size=5))
def test_the_box_around_a_query_is_straight_and_holds_all_where_there_is_no_terminal(rows):
    texts, numbers = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"店": texts, "n": pa.array(map(str, numbers))})
    *box, _ = drawn(table, io.BytesIO())
    assert len({width(line) for line in box}) == 1
    assert all(text in line for text, line in zip(texts, box[3:], strict=False))


def test_a_terminal_that_is_too_narrow_has_the_widest_texts_cut_and_no_number(monkeypatch):
    monkeypatch.setenv("COLUMNS", "42")
    table = pa.table(
        {
            "day": pa.array(["2024-01-01"]).cast(pa.date32()),
            "store": ["東京都千代田区丸の内一丁目"],
            "a_long_name": [1234567890],
        }
    )
    assert drawn(table, Terminal()) == [
        "┌────────────┬─────────────┬─────────────┐",
        "│ day        │ store       │ a_long_name │",
        "├────────────┼─────────────┼─────────────┤",
        "│ 2024-01-01 │ 東京都千代… │  1234567890 │",
        "└────────────┴─────────────┴─────────────┘",
        "1 row",
    ]
    assert "東京都千代田区丸の内一丁目" in drawn(table, io.BytesIO())[3]


def test_a_text_is_cut_to_sixty_cells_on_a_wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    line = drawn(pa.table({"a": ["x" * 100]}), Terminal())[3]
    assert line == f"│ {'x' * 59}… │"
