"""Which modules are the user's own: the boundary of the code fingerprint."""

import sys

import pytest

from partflow.code.fingerprint import CodeReader
from partflow.project.usermodules import ModuleSource, ProjectModules


def written(folder, texts):
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


FILES = {
    "jobs/__init__.py": "",
    "jobs/sales.py": "VAT = 1\n",
    "jobs/pack/__init__.py": "X = 1\n",
    "jobs/pack.py": "X = 2\n",
    "loose/part.py": "",
    "numbers_only/data.csv": "1",
    "single.py": "",
    "venv/pyvenv.cfg": "",
    "venv/inside.py": "",
    "venv/lib/python3.11/site-packages/library.py": "",
    ".hidden_tools/tool.py": "",
    "jobs/site-packages/library.py": "",
    "jobs/node_modules/thing.py": "",
    "vendored/dist-packages/other.py": "",
    "partflow/__init__.py": "",
    "partflow/task.py": "",
}

BOUNDARY = [
    ("a module of a package", "jobs.sales", "jobs/sales.py"),
    ("a package", "jobs", "jobs/__init__.py"),
    ("a package before a module of its name", "jobs.pack", "jobs/pack/__init__.py"),
    ("a module in a folder without __init__", "loose.part", "loose/part.py"),
    ("a folder without __init__", "loose", "loose"),
    ("a module in the root", "single", "single.py"),
    ("a folder of data", "numbers_only", None),
    ("a module that is not there", "jobs.nothing", None),
    ("a virtual environment", "venv", None),
    ("a module in a virtual environment", "venv.inside", None),
    ("a package installed in it", "venv.lib.python3.11.site-packages.library", None),
    ("partflow itself", "partflow", None),
    ("a module of partflow", "partflow.declarations.task", None),
    ("the standard library", "json", None),
    ("a module without a file", "sys", None),
    ("an installed library", "pytest", None),
    ("no name of a module", "jobs..sales", None),
    ("a path upwards", "jobs/../single", None),
]


@pytest.mark.parametrize(
    ("module", "path"), [case[1:] for case in BOUNDARY], ids=[case[0] for case in BOUNDARY]
)
def test_a_module_is_the_projects_if_its_file_is(tmp_path, module, path):
    found = ProjectModules(written(tmp_path, FILES)).source(module)
    assert (found and found.path) == path


@pytest.mark.parametrize(
    "folder",
    [
        "venv",
        "venv/lib/python3.11/site-packages",
        ".hidden_tools",
        "jobs/site-packages",
        "jobs/node_modules",
        "vendored/dist-packages",
    ],
)
def test_what_python_finds_in_a_folder_of_others_is_not_the_projects(tmp_path, monkeypatch, folder):
    written(tmp_path, FILES | {f"{folder}/found_by_path.py": ""})
    monkeypatch.syspath_prepend(tmp_path / folder)
    assert ProjectModules(tmp_path).source("found_by_path") is None


def test_an_editable_package_outside_the_root_is_not_the_projects(tmp_path, monkeypatch):
    written(
        tmp_path / "elsewhere", {"editable_outside/__init__.py": "", "editable_outside/part.py": ""}
    )
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    modules = ProjectModules(written(tmp_path / "root", FILES))
    assert modules.source("editable_outside") is None
    assert modules.source("editable_outside.part") is None


def test_an_editable_package_below_the_root_is_the_projects(tmp_path, monkeypatch):
    written(
        tmp_path,
        {
            "libs/one/src/editable_inside/__init__.py": "",
            "libs/one/src/editable_inside/part.py": "",
        },
    )
    monkeypatch.syspath_prepend(tmp_path / "libs/one/src")
    found = ProjectModules(tmp_path).source("editable_inside.part")
    assert found is not None
    assert found.path == "libs/one/src/editable_inside/part.py"
    assert "editable_inside" not in sys.modules


def test_the_answer_is_the_same_whether_a_module_was_imported_or_not(tmp_path, monkeypatch):
    written(tmp_path, {"src/imported_or_not/__init__.py": "X = 1\n"})
    monkeypatch.syspath_prepend(tmp_path / "src")
    before = ProjectModules(tmp_path).source("imported_or_not")
    monkeypatch.setitem(sys.modules, "imported_or_not", None)
    monkeypatch.delitem(sys.modules, "imported_or_not")
    __import__("imported_or_not")
    try:
        assert ProjectModules(tmp_path).source("imported_or_not") == before
    finally:
        del sys.modules["imported_or_not"]


def test_a_folder_that_the_user_linked_into_the_root_is_the_projects(tmp_path):
    written(tmp_path / "shared", {"part.py": "X = 1\n"})
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(tmp_path / "shared")
    found = ProjectModules(tmp_path / "root").source("linked.part")
    assert found == ModuleSource("linked.part", "linked/part.py", "X = 1\n", is_package=False)


def test_the_root_may_lie_in_a_hidden_folder_and_hold_an_environment(tmp_path):
    root = written(tmp_path / ".cache/root", FILES | {"pyvenv.cfg": ""})
    assert ProjectModules(root).source("jobs.sales") is not None


def test_a_script_that_is_run_is_found(tmp_path, monkeypatch):
    written(tmp_path, FILES)
    monkeypatch.setattr(
        sys.modules["__main__"], "__file__", str(tmp_path / "single.py"), raising=False
    )
    found = ProjectModules(tmp_path).source("__main__")
    assert found is not None
    assert found.path == "single.py"


def test_line_ends_and_encodings_are_read_as_python_does(tmp_path):
    written(
        tmp_path,
        {"a.py": b"X = 1\r\nY = 2\r\n", "b.py": "# coding: latin-1\nX = 'é'\n".encode("latin-1")},
    )
    modules = ProjectModules(tmp_path)
    texts = [source.text for source in map(modules.source, "ab") if source]
    assert texts == ["X = 1\nY = 2\n", "# coding: latin-1\nX = 'é'\n"]


def test_a_file_is_read_once(tmp_path):
    modules = ProjectModules(written(tmp_path, FILES))
    before = modules.source("jobs.sales")
    written(tmp_path, {"jobs/sales.py": "VAT = 2\n"})
    assert modules.source("jobs.sales") is before


def test_nothing_that_is_found_holds_the_path_of_the_root(tmp_path):
    one, two = (ProjectModules(written(tmp_path / name, FILES)) for name in ("one", "two"))
    for name in ("jobs", "jobs.sales", "loose", "loose.part"):
        assert one.source(name) == two.source(name)


@pytest.mark.parametrize(
    ("text", "error"),
    [(b"\n\nX = '\xff'\n", UnicodeDecodeError), (b"# coding: nonsense\n", SyntaxError)],
    ids=["not the encoding that it says", "an encoding that there is not"],
)
def test_a_module_of_the_project_that_cannot_be_read_is_an_error_and_not_a_library(
    tmp_path, text, error
):
    modules = ProjectModules(written(tmp_path, {"jobs/__init__.py": "", "jobs/broken.py": text}))
    with pytest.raises(error):
        modules.source("jobs.broken")
    sales = "def clean_sales(raw):\n    from jobs.broken import helper\n    return helper(raw)\n"
    written(tmp_path, {"jobs/sales.py": sales})
    names = {"__name__": "jobs.sales"}
    exec(compile(sales, "sales.py", "exec"), names)
    found = CodeReader(modules.source).fingerprint(names["clean_sales"]).not_followed
    assert [(each.place, each.what) for each in found] == [
        ("jobs/sales.py:3", "the module 'jobs.broken', whose text is not Python")
    ]


SQL = {
    "jobs/queries/clean.sql": "select 1",
    "shared.sql": "select 2",
    "jobs/broken.sql": b"select '\xff'",
}


@pytest.mark.parametrize(
    ("module", "path", "found"),
    [
        ("jobs.sales", "queries/clean.sql", ("jobs/queries/clean.sql", "select 1")),
        ("jobs", "queries/clean.sql", ("jobs/queries/clean.sql", "select 1")),
        ("jobs.pack", "../queries/clean.sql", ("jobs/queries/clean.sql", "select 1")),
        ("jobs.sales", "../shared.sql", ("shared.sql", "select 2")),
        ("single", "shared.sql", ("shared.sql", "select 2")),
        ("jobs.sales", "./queries//clean.sql", ("jobs/queries/clean.sql", "select 1")),
        ("jobs.sales", "../../outside.sql", None),
        ("jobs.sales", "/etc/hostname", None),
        ("jobs.sales", "gone.sql", None),
        ("jobs.sales", "queries", None),
        ("jobs.sales", "broken.sql", None),
        ("jobs.nothing", "queries/clean.sql", None),
        ("venv.inside", "../shared.sql", None),
    ],
)
def test_sql_is_found_from_the_folder_of_its_module_and_below_the_root(
    tmp_path, module, path, found
):
    written(tmp_path, {"outside.sql": "select 3"})
    root = written(tmp_path / "root", FILES | SQL)
    assert ProjectModules(root).sql(module, path) == found


def test_sql_of_a_linked_folder_is_named_by_its_place_below_the_root(tmp_path):
    written(tmp_path / "shared", {"part.py": "X = 1\n", "clean.sql": "select 1"})
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(tmp_path / "shared")
    found = ProjectModules(tmp_path / "root").sql("linked.part", "clean.sql")
    assert found == ("linked/clean.sql", "select 1")
