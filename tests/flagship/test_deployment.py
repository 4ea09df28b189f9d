from pathlib import Path

import pytest

from jobs.deployment import replace_file, switch_release


@pytest.fixture(autouse=True)
def _root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_new_release_takes_the_place_of_the_old_one_and_the_old_one_stays():
    switch_release("2012-W01", {"model": b"old", "metrics": b"1"})
    switch_release("2012-W02", {"model": b"new", "metrics": b"2"})

    current = Path("deployed/current")
    assert {f.name: f.read_bytes() for f in current.iterdir()} == {"model": b"new", "metrics": b"2"}
    assert len(list(Path("deployed").glob("2012-*"))) == 2


def test_one_release_twice_is_one_release():
    for _ in range(2):
        switch_release("2012-W01", {"model": b"same"})

    assert len(list(Path("deployed").iterdir())) == 2


def test_a_release_that_breaks_off_leaves_the_present_one_and_nothing_else():
    switch_release("2012-W01", {"model": b"good"})

    with pytest.raises(FileNotFoundError):
        switch_release("2012-W02", {"model": b"half", "no such folder/metrics": b""})

    assert Path("deployed/current/model").read_bytes() == b"good"
    assert len(list(Path("deployed").iterdir())) == 2


def test_a_file_is_replaced_and_nothing_is_left_beside_it():
    replace_file("page.html", b"old")
    replace_file("page.html", b"new")

    assert [f.name for f in Path("deployed").iterdir()] == ["page.html"]
    assert Path("deployed/page.html").read_bytes() == b"new"
