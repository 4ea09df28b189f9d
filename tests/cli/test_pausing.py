"""Pausing is recorded and shown, survives a rebuild, and keeps nobody from making by hand."""

from __future__ import annotations

import pytest


def test_what_is_paused_is_said_by_status_ls_and_why(shop):
    shop.made()
    said = shop.run("pause", "clean_sales", "--until", "2h", "--why", "tills are repaired")
    assert (said.code, said.last) == (0, "paused clean_sales")
    for words in (("status",), ("ls",), ("why", "clean_sales", "-p", "2024-01-03")):
        shown = shop.run(*words).out
        assert ": tills are repaired" in shown
        assert "until 20" in shown
    paused = {
        d["dataset"]: d["paused"]
        for d in shop.run("status", "--output", "json").document["datasets"]
    }
    assert paused.pop("clean_sales")["why"] == "tills are repaired"
    assert set(paused.values()) == {None}


def test_a_pause_is_ended_by_resume(shop):
    shop.run("pause", "clean_sales+")
    again = shop.run("resume", "clean_sales", "--output", "json").document
    assert again["resumed"] == ["clean_sales"]
    assert "paused: clean_sales" not in shop.run("ls").out
    assert "paused: monthly_sales" in shop.run("ls").out
    assert shop.run("resume", "clean_sales").last == "nothing of it was paused"


def test_what_is_paused_can_be_made_by_hand(shop):
    shop.run("pause", "clean_sales")
    assert shop.run("materialize", "clean_sales").code == 0
    assert "paused: clean_sales" in shop.run("status").out


def test_a_metastore_made_anew_knows_what_is_paused_and_what_is_no_more(shop):
    shop.made()
    shop.run("pause", "clean_sales", "monthly_sales", "--why", "no")
    shop.run("resume", "monthly_sales")
    before = shop.run("ls").out
    assert shop.run("state", "rebuild", "--yes").code == 0
    assert shop.run("ls").out == before
    assert "paused: clean_sales" in before


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_pausing_has_to_be_told_what(shop, word):
    assert shop.run(word).code == 2
    assert shop.run(word, "nothing_of_the_kind").code == 2


def test_an_end_that_lies_behind_pauses_nothing(shop):
    said = shop.run("pause", "clean_sales", "--until", "2020-01-01")
    assert (said.code, "lies behind" in said.err) == (2, True)
    assert "paused" not in shop.run("ls").out
