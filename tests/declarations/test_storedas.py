"""What follows from a dataset's format, and what is no format."""

from types import SimpleNamespace

import pytest

from partflow.declarations import storedas
from partflow.declarations.storedas import (
    CSV,
    DELIVERED,
    FILE,
    JSON,
    NDJSON,
    PARQUET,
    SKOPS,
    understood,
)


class Images:
    name = "png"
    extension = "png"

    def write(self, value, path): ...

    def read(self, path): ...

    def fingerprint(self, path): ...


class Delivered:
    name = "png"
    extension = "png"

    def read(self, path): ...

    def fingerprint(self, path): ...


def test_texts_mean_the_formats_of_partflow():
    assert [understood(n, is_source=False) for n in ("parquet", "skops")] == [PARQUET, SKOPS]
    assert [understood(n, is_source=True) for n in DELIVERED] == [
        PARQUET, CSV, NDJSON, JSON, FILE
    ]  # fmt: skip


def test_files_are_called_as_they_always_were():
    assert (PARQUET.file_name, SKOPS.file_name) == ("data.parquet", "data.skops")


def test_only_parquet_carries_the_record_of_its_making_and_three_formats_are_no_tables():
    every = (PARQUET, SKOPS, CSV, NDJSON, JSON, FILE)
    assert [f.name for f in every if f.has_footer] == ["parquet"]
    assert [f.name for f in every if not f.is_table] == ["skops", "json", "file"]
    assert [f.name for f in every if f.is_path] == ["file"]
    assert [f.name for f in every if f.is_text] == ["csv", "ndjson"]


def test_an_object_is_a_format_and_no_table():
    form = Images()
    found = understood(form, is_source=False)
    assert (found.name, found.file_name, found.brought) == ("png", "data.png", form)
    assert [found.is_table, found.is_text, found.has_footer] == [False, False, False]


def test_only_a_source_can_do_without_a_method_that_writes():
    assert understood(Delivered(), is_source=True).name == "png"
    assert understood(Delivered(), is_source=False) == (
        "its format Delivered has no write; see partflow.Format"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("csv", "format 'csv' is not known; there are parquet, skops"),
        (None, "its format is None; give one of parquet, skops, or an object"),
        ([], "its format is [];"),
        (Images, "its format is the class Images; give an object: Images()"),
        (storedas, "its format is the module partflow.declarations.storedas;"),
        (
            SimpleNamespace(name="a", extension="a", read=1, write=1, fingerprint=1),
            "the read of its format SimpleNamespace is no method of its class",
        ),
    ],
)
def test_what_is_no_format_is_told_in_words(given, said):
    problem = understood(given, is_source=False)
    assert isinstance(problem, str)
    assert problem.startswith(said)
