"""What the code of a project's own format reads: its own file is followed, all else is named."""

import importlib
import textwrap

import pytest
from texts import Project, of

from partflow.code.fingerprint import CodeReader

PLAIN = """
    class Plain:
        def load(self, file):
            return file.read_bytes()
"""
FORMAT = """
    import json
    from pathlib import Path
    import numpy as np

    def opened(file, mode="r"):
        return open(file, mode)

    class Documents({base}):
        name = "toml"
        def write(self, value, path): path.write_text(value)
        def read(self, path):
            {read}
        def fingerprint(self, path): return self.read(path)

    DOCUMENTS = Documents()
    def clean_sales(doc): return doc
"""
OWN = [
    "return path.read_text('utf-8')",
    "return open(path).read()",
    "with path.open() as file: return json.load(file)",
    "return np.fromfile(str(path))",
    "file = Path(path); return np.fromfile(file)",
    "return self.load(path)",
    "return self.load(Path(path))",
    "return opened(path)",
]
OTHERS = [
    ("return Path('rates.toml').read_text()", "pathlib.Path('rates.toml').read_text(...)"),
    ("return path.with_name('rates').read_text()", "(...).read_text(...)"),
    ("return path.read_text(), Path('rates').read_text()", "path.read_text(...)"),
    ("other = path.with_name('rates'); return other.read_text()", "other.read_text(...)"),
    ("path = Path('rates'); return path.read_text()", "path.read_text(...)"),
    ("return self.load(Path('rates'))", "file.read_bytes(...)"),
    ("return opened('rates')", "open(...)"),
]


def not_followed(read: str) -> list[str]:
    """What is said of a task that reads such documents."""
    base = "Plain" if "self.load" in read else "object"
    text = textwrap.dedent(PLAIN + FORMAT.format(read=read, base=base))
    project = Project({"jobs/__init__.py": "", "jobs/sales.py": text})
    with project.imported():
        module = importlib.import_module("jobs.sales")
        reader = CodeReader(project.sources.get, modules=project.sources)
        formats = (("toml", module.DOCUMENTS),)
        return [
            each.what
            for each in reader.fingerprint(module.clean_sales, formats=formats).not_followed
        ]


@pytest.mark.parametrize("read", OWN)
def test_what_a_format_reads_of_the_file_that_it_is_handed_is_followed(read):
    assert not_followed(read) == []


@pytest.mark.parametrize(("read", "what"), OTHERS, ids=[read for read, _ in OTHERS])
def test_what_a_format_reads_of_other_files_is_named(read, what):
    assert any(each.endswith(what.rpartition(".")[2]) for each in not_followed(read))


def test_the_same_class_as_a_helper_reads_any_file():
    text = "class Plain:\n def read(self, path): return path.read_text()\n"
    text += "def clean_sales(raw): return Plain().read(raw)\n"
    assert [each.what for each in of(text).not_followed] == ["path.read_text(...)"]


METHODS = """
    class Base:
        def read_text(self): return 1
        def exists(self): return 1
    class Lines(Base):
        def read_bytes(self): return 2
        def size(self): return {call}
    LINES = Lines()
    def clean_sales(raw): return {outside}
"""


@pytest.mark.parametrize(
    ("call", "outside"),
    [
        ("self.read_bytes()", "LINES.size()"),
        ("self.read_text()", "LINES.size()"),
        ("1", "LINES.read_bytes()"),
        ("1", "LINES.read_text()"),
        ("1", "LINES.exists()"),
        ("1", "Lines.read_text(raw)"),
    ],
)
def test_a_method_of_the_project_is_followed_whatever_its_name_is(call, outside):
    assert of(METHODS.format(call=call, outside=outside)).not_followed == ()


@pytest.mark.parametrize(
    ("call", "outside", "what"),
    [
        ("self.other.read_text()", "LINES.size()", "self.other.read_text(...)"),
        ("1", "raw.read_text()", "raw.read_text(...)"),
        ("self.read_table()", "raw.read_bytes()", "raw.read_bytes(...)"),
        ("1", "LINES.path.read_text()", "LINES.path.read_text(...)"),
    ],
)
def test_a_method_of_something_unknown_is_named_by_its_name(call, outside, what):
    found = of(METHODS.format(call=call, outside=outside))
    assert [each.what for each in found.not_followed] == [what]
