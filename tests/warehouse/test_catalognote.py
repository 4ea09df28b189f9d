"""What is noted of a catalog: when its views need not be worked out, and when it is not opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.warehouse.catalognote import CatalogNote

WORDS = st.text("abc/09", max_size=4)
NOTES = st.builds(
    CatalogNote,
    st.text("abc09", max_size=4),
    WORDS,
    st.dictionaries(WORDS, st.tuples(WORDS, WORDS), max_size=3),
)
NOTED = CatalogNote("d", "f", {"sales": ("x", "1/2/3"), "raw": ("y", "")})


@given(NOTES)
def test_a_note_reads_back_from_its_text(note):
    assert CatalogNote.read(note.text) == note
    assert note.text.partition(" ")[0] == note.declared


@pytest.mark.parametrize("text", ["", "d", "d 0123456789abcdef", "d []", 'd ["f",[]]', 'd ["f",3]'])
def test_what_is_no_whole_note_says_nothing_of_files_and_views(text):
    assert CatalogNote.read(text) == CatalogNote(text[:1])


def test_the_digest_of_a_view_holds_while_what_it_was_made_from_is_the_same():
    assert NOTED.digest("sales", "d", "1/2/3") == "x"
    assert NOTED.digest("sales", "d", "1/2/4") is None
    assert NOTED.digest("sales", "other", "1/2/3") is None
    assert NOTED.digest("raw", "d", "") is None
    assert NOTED.digest("new", "d", "1/2/3") is None


def test_a_catalog_shows_what_was_noted_only_if_the_file_and_each_view_are_the_same():
    assert CatalogNote("d", "f", {"sales": ("x", "9"), "raw": ("y", "9")}).shows(NOTED)
    for other in (
        CatalogNote("e", "f", NOTED.views),
        CatalogNote("d", "g", NOTED.views),
        CatalogNote("d", "f", {"sales": ("x", "1/2/3")}),
        CatalogNote("d", "f", {"sales": ("z", "1/2/3"), "raw": ("y", "")}),
    ):
        assert not other.shows(NOTED)
    assert not CatalogNote("d").shows(CatalogNote("d"))
