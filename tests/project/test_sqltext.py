"""SQL files: what a module reads, and that it counts as code of every task that reaches it."""

import contextlib
import importlib
import sys

import pytest

from partflow.code.fingerprint import CodeReader
from partflow.errors import DeclarationError
from partflow.project.sqlfile import sql_file
from partflow.project.usermodules import ProjectModules

HEAD = "from partflow.project.sqlfile import sql_file\n"


def written(root, texts):
    for path, text in texts.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return root


@contextlib.contextmanager
def imported(root, module="sqljobs.sales"):
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(module)
    finally:
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if name.partition(".")[0] == "sqljobs"]:
            del sys.modules[name]


def fingerprint(root, name="clean_sales"):
    modules = ProjectModules(root)
    with imported(root) as module:
        return CodeReader(modules.source, modules.sql).fingerprint(getattr(module, name))


TEXTS = {
    "sqljobs/__init__.py": "",
    "sqljobs/sales.py": HEAD
    + """
from sqljobs.queries import RATES
CLEAN = sql_file("queries/clean.sql")
def clean_sales(raw):
    return CLEAN, sql_file(path="queries/inside.sql"), RATES
def other(raw):
    return sql_file("queries/other.sql")
""",
    "sqljobs/queries/__init__.py": HEAD + "RATES = sql_file('../rates.sql')",
    "sqljobs/queries/clean.sql": "select 1",
    "sqljobs/queries/inside.sql": "select 2",
    "sqljobs/queries/other.sql": "select 3",
    "sqljobs/rates.sql": "select 4",
}


@pytest.mark.parametrize(
    ("path", "text", "stale"),
    [
        ("sqljobs/queries/clean.sql", "select 9", True),
        ("sqljobs/queries/inside.sql", "select 9", True),
        ("sqljobs/rates.sql", "select 9", True),
        ("sqljobs/queries/other.sql", "select 9", False),
        ("sqljobs/queries/unread.sql", "select 9", False),
        ("sqljobs/queries/clean.sql", "\ufeffselect 1", False),
    ],
    ids=[
        "read by a constant",
        "read by the task",
        "read by another module",
        "read by another task",
        "read by nobody",
        "a byte order mark",
    ],
)
def test_a_changed_file_makes_stale_what_reaches_it_and_is_the_part_that_differs(
    tmp_path, path, text, stale
):
    old = fingerprint(written(tmp_path, TEXTS))
    new = fingerprint(written(tmp_path, {path: text}))
    assert {name for name, _ in set(old.parts) ^ set(new.parts)} == ({path} if stale else set())
    assert (old.digest != new.digest) is stale
    assert old.not_followed == new.not_followed == ()


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("sql_file(raw)", "sql_file(...) of a path that is not written out"),
        ("sql_file('a' + raw)", "sql_file(...) of a path that is not written out"),
        ("sql_file(f'{raw}.sql')", "sql_file(...) of a path that is not written out"),
        ("map(sql_file, raw)", "sql_file(...) of a path that is not written out"),
        ("sql_file('gone.sql')", "sql_file('gone.sql'): no file of the project that can be read"),
        ("sql_file('queries')", "sql_file('queries'): no file of the project that can be read"),
        (
            "sql_file('../../outside.sql')",
            "sql_file('../../outside.sql'): no file of the project that can be read",
        ),
    ],
    ids=[
        "a variable",
        "a sum",
        "an f-string",
        "handed on",
        "a file that is gone",
        "a folder",
        "a file outside of the project",
    ],
)
def test_says_which_files_are_not_followed(tmp_path, call, what):
    texts = {"sqljobs/sales.py": f"{HEAD}def clean_sales(raw):\n    return {call}\n"}
    written(tmp_path, {"outside.sql": "select 1"})
    root = written(tmp_path / "root", TEXTS | texts)
    found = fingerprint(root).not_followed
    assert [(each.place, each.what) for each in found] == [("sqljobs/sales.py:3", what)]


def test_a_reader_that_is_told_of_no_files_says_so(tmp_path):
    modules = ProjectModules(written(tmp_path, TEXTS))
    with imported(tmp_path) as module:
        found = CodeReader(modules.source).fingerprint(module.clean_sales).not_followed
    assert [each.what.partition(":")[0] for each in found] == [
        "sql_file('../rates.sql')",
        "sql_file('queries/clean.sql')",
        "sql_file('queries/inside.sql')",
    ]


def test_a_namesake_of_the_projects_own_is_not_taken_for_it(tmp_path):
    text = "def sql_file(path): return path\ndef clean_sales(raw): return sql_file('gone.sql')\n"
    found = fingerprint(written(tmp_path, TEXTS | {"sqljobs/sales.py": text}))
    assert found.not_followed == ()
    assert not any(name.endswith(".sql") for name, _ in found.parts)


def test_a_file_is_found_beside_the_module_that_calls_and_not_in_the_working_folder(
    tmp_path, monkeypatch
):
    written(tmp_path, TEXTS | {"queries/clean.sql": "select 'wrong'"})
    monkeypatch.chdir(tmp_path)
    with imported(tmp_path) as module:
        assert module.clean_sales(None) == ("select 1", "select 2", "select 4")


def test_a_module_without_a_file_reads_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(written(tmp_path, {"clean.sql": "select 1"}))
    names = {"sql_file": sql_file}
    exec("text = sql_file('clean.sql')", names)
    assert names["text"] == "select 1"


def test_line_ends_do_not_count(tmp_path):
    old = fingerprint(written(tmp_path, TEXTS | {"sqljobs/rates.sql": "select\n4\n"}))
    new = fingerprint(written(tmp_path, {"sqljobs/rates.sql": "select\r\n4\r\n"}))
    assert old == new


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.sql", r"test_sqltext\.py:\d+: sql_file\('gone.sql'\): No such file .* the module"),
        (".", r"test_sqltext\.py:\d+: sql_file\('\.'\): Is a directory"),
        ("/gone.sql", r"sql_file\('/gone.sql'\): give a path that is relative"),
    ],
    ids=["a file that is gone", "a folder", "an absolute path"],
)
def test_a_path_that_cannot_be_read_is_an_error_that_names_the_call(path, message):
    with pytest.raises(DeclarationError, match=message):
        sql_file(path)


def test_a_file_that_is_not_utf_8_is_an_error_at_its_byte(tmp_path):
    written(tmp_path, TEXTS)
    (tmp_path / "sqljobs/rates.sql").write_bytes(b"select '\xff'")
    message = r"sqljobs/queries/__init__\.py:2: .*: not UTF-8 at byte 8; save it as UTF-8"
    with pytest.raises(DeclarationError, match=message), imported(tmp_path):
        pass
