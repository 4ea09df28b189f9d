"""How partflow asks a format that a project brings: values, fingerprints, and what goes wrong."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.code.values import captured
from partflow.declarations.dataset import Dataset, Source
from partflow.errors import ReadError
from partflow.formats.format import Contents, ProjectFormat
from partflow.formats.known import format_of
from partflow.partitions.calendar import Daily

DAYS = Daily("2024-01-01")


@dataclass(frozen=True)
class Letters:
    """Text, which counts without regard to case."""

    name = "letters"
    extension = "txt"
    raised: Exception | None = None
    told: object = None

    def write(self, value, path):
        path.write_text(value, "utf-8")

    def read(self, path):
        if self.raised is not None:
            raise self.raised
        return path.read_text("utf-8")

    def fingerprint(self, path):
        return self.read(path).lower() if self.told is None else self.told


def asked(form=None, name="letters") -> ProjectFormat:
    return ProjectFormat(name, form or Letters())


def test_the_format_of_a_dataset_is_the_object_that_it_was_given():
    form = Letters()
    for dataset in (
        Dataset("letter", DAYS, format=form),
        Source("letter", DAYS, path="in/{key}.txt", format=form),
    ):
        found = format_of(dataset)
        assert isinstance(found, ProjectFormat)
        assert found.own is form
        assert (dataset.stored_as.name, dataset.stored_as.file_name) == ("letters", "data.txt")
        assert not dataset.stored_as.is_table
        assert not dataset.stored_as.has_footer


def test_what_is_written_is_read_and_has_the_fingerprint_of_its_value(tmp_path):
    asked().write("Dear Ada", tmp_path / "one")
    asked().write("DEAR ADA", tmp_path / "two")
    assert asked().read(tmp_path / "one") == "Dear Ada"
    assert asked().fingerprint(tmp_path / "one") == asked().fingerprint(tmp_path / "two")
    content = asked().fingerprint(tmp_path / "one")
    assert asked().contents(tmp_path / "one", is_small=True) == Contents(content)
    assert asked().schema_text(tmp_path / "one") is None


@given(st.text(), st.text())
def test_two_texts_are_one_fingerprint_only_if_they_are_one_text(one, other):
    first, second = (asked(Letters(told=text)).fingerprint(Path("f")) for text in (one, other))
    assert (first == second) == (one == other)
    assert first != asked(Letters(told=one), "others").fingerprint(Path("f"))


def test_what_a_method_raises_names_the_file_the_error_and_the_line():
    with pytest.raises(ReadError) as raised:
        asked(Letters(ValueError("no letter\nat all"))).read(Path("in/a.txt"))
    problem = raised.value.problem
    assert problem.startswith("cannot be read: ValueError: no letter (")
    assert f"{Path(__file__).name}:" in problem
    assert "in/a.txt" in str(raised.value)


def test_what_the_disk_refuses_is_told_as_of_any_format(tmp_path):
    with pytest.raises(ReadError, match="there is no such file"):
        asked().fingerprint(tmp_path / "gone")


@pytest.mark.parametrize("told", [7, b"bytes", ["a"]])
def test_a_fingerprint_that_is_no_text_is_refused(told):
    with pytest.raises(ReadError, match=f"is {type(told).__name__}, and no text"):
        asked(Letters(told=told)).fingerprint(Path("f"))


def test_a_method_that_writes_elsewhere_is_refused(tmp_path):
    class Elsewhere(Letters):
        def write(self, value, path):
            path.with_suffix(".txt").write_text(value)

    with pytest.raises(ReadError, match="has put no file there"):
        asked(Elsewhere()).write("Dear Ada", tmp_path / "1.tmp")


def test_a_dataset_that_a_function_carries_along_has_the_class_of_its_format_with_it():
    plain, own = Dataset("a", DAYS), Dataset("a", DAYS, format=Letters())
    assert captured(plain).code == ()
    assert Letters in captured(own).code
    assert captured(own).unread == ()
    assert captured(own).content != captured(Dataset("a", DAYS, format=Letters(told="x"))).content
