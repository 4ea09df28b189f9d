"""A project with a strange file, path, package or permission is read, or refused in a sentence."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import profiles  # noqa: F401 - how many examples, and no deadline
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from imports import put_aside
from small_shop import write_shop
from test_hostile_words import SETTINGS, VALUES, WORDS

from partflow.cli import main
from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import derive
from partflow.declarations.task import task
from partflow.errors import ConfigurationError, PartflowError, UsageError
from partflow.execution.orders import Failure
from partflow.partitions.calendar import Cron, Daily, Every, Hourly, Monthly, Weekly, Whole
from partflow.planning.selection import Asked, request_of, scopes
from partflow.project.config import Config, find_root, read_config
from partflow.project.loading import load_jobs

LOADED = {
    "jobs_that_end": "import sys\nsys.exit(0)\n",
    "jobs_that_raise": "raise BaseException('x')\n",
    "jobs_of_no_python": "def f(:\n",
    "jobs_that_go_in_a_circle": "from . import a\n",
}


def refused(root: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read_config(find_root(root), {}, {})
    return str(raised.value)


# --- configuration --------------------------------------------------------------------------


@given(st.text(max_size=60) | st.binary(max_size=60))
@example("a = " + "[" * 5000)
@example("history = " + "9" * 5000)
@example('runs_kept = "99999999999999d"')
@example('metastore = "a\\u0000b"')
@example('metastore = ".."')
@example('metastore = "state.lock"')
@example("a = 2024-13-45")
def test_a_configuration_of_any_text_is_taken_or_its_file_named(tmp_path_factory, text):
    root = tmp_path_factory.getbasetemp() / "any_text"
    root.mkdir(exist_ok=True)
    path = root / "partflow.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    try:
        found = read_config(root, {}, {})
    except ConfigurationError as error:
        assert str(path) in str(error)  # noqa: PT017 - it may be right, too
        assert ";" in str(error)  # noqa: PT017
    else:
        assert isinstance(found, Config)


@pytest.mark.parametrize("text", ["tool = 1", 'tool = "partflow"', "[[tool]]\nx = 1"])
def test_a_pyproject_of_somebody_else_is_no_project(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    assert "is in no partflow project" in refused(tmp_path)


@pytest.mark.parametrize("text", ["[tool]\npartflow = 1", "[[tool.partflow]]\nx = 1"])
def test_a_table_of_partflow_that_is_none_is_said_so(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    assert "write [tool.partflow]" in refused(tmp_path)


@given(SETTINGS | WORDS.filter(lambda t: "\0" not in t), WORDS.filter(lambda t: "\0" not in t))
@example("history", "9" * 5000)
@example("pools", "a=" + "9" * 5000)
@example("runs_kept", "9" * 400 + "d")
@example("warehouse", "\udcff")
def test_the_environment_is_taken_or_the_variable_named(tmp_path_factory, key, text):
    root = tmp_path_factory.getbasetemp() / "environment"
    root.mkdir(exist_ok=True)
    (root / "partflow.toml").touch()
    name = f"PARTFLOW_{key.upper()}"
    try:
        read_config(root, {name: text}, {})
    except ConfigurationError as error:
        assert name in str(error)  # noqa: PT017 - it may be right, too


@given(st.dictionaries(SETTINGS, VALUES, max_size=2))
def test_an_option_is_taken_or_named(tmp_path_factory, values):
    root = tmp_path_factory.getbasetemp() / "environment"
    root.mkdir(exist_ok=True)
    (root / "partflow.toml").touch()
    with contextlib.suppress(ConfigurationError):
        read_config(root, {}, values)


def test_a_path_that_is_no_text_is_refused_before_anything_is_read():
    with pytest.raises(ConfigurationError, match="must be UTF-8"):
        find_root(Path("/\udcff"))


# --- the jobs -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), LOADED.items(), ids=LOADED.keys())
def test_a_module_that_cannot_be_imported_is_named_whatever_it_raises(tmp_path, name, text):
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text(text)
    (package / "a.py").write_text("from . import b\nfrom .b import X\n")
    (package / "b.py").write_text("from .a import Y\n")
    with pytest.raises(ConfigurationError) as raised, loading():
        load_jobs(tmp_path, (name,))
    assert f"'{name}' cannot be imported:\n" in str(raised.value)
    assert "partflow/project/loading.py" not in str(raised.value)


@pytest.mark.parametrize("name", ["this", "sys", "json", "lent_jobs", "shared_jobs"])
def test_a_package_of_elsewhere_is_never_taken_for_the_projects(tmp_path, name, capsys):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for package in ("lent_jobs", "shared_jobs"):
        (elsewhere / package).mkdir(parents=True)
        (elsewhere / package / "__init__.py").write_text("print('imported')\n")
    (root / "shared_jobs").mkdir(parents=True)  # the project's own, without __init__.py
    with loading():
        sys.path.append(str(elsewhere))
        with pytest.raises(ConfigurationError, match="outside of the project; ") as raised:
            load_jobs(root, (name,))
    assert capsys.readouterr().out == ""
    assert name != "shared_jobs" or "put an empty __init__.py into" in str(raised.value)


class ElsewhereLater(importlib.abc.MetaPathFinder):
    """Finds a package first where it is, then elsewhere: a disk refused to show the first place."""

    def __init__(self, elsewhere: Path) -> None:
        self.elsewhere, self.asked = elsewhere, 0

    def find_spec(self, fullname, path=None, target=None):
        self.asked += fullname == "shared_jobs"
        if fullname == "shared_jobs" and self.asked > 1:
            return importlib.machinery.PathFinder.find_spec(fullname, [str(self.elsewhere)])
        return None


def test_a_package_that_the_disk_hides_for_a_moment_is_not_taken_from_elsewhere(tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for folder in (elsewhere, root):
        (folder / "shared_jobs").mkdir(parents=True)
        (folder / "shared_jobs/__init__.py").touch()
        (folder / "shared_jobs/more.py").write_text("print('imported')\n")
    finder = ElsewhereLater(elsewhere)
    with loading():
        sys.meta_path.insert(0, finder)
        try:
            with pytest.raises(ConfigurationError, match=r"already imported from .*elsewhere"):
                load_jobs(root, ("shared_jobs",))
        finally:
            sys.meta_path.remove(finder)
    assert finder.asked > 1


@contextlib.contextmanager
def loading():
    """Forget afterwards what is imported of a project, and before it what was of another."""
    with put_aside("jobs", *LOADED, "lent_jobs", "shared_jobs", "this"):
        yield


# --- requests -------------------------------------------------------------------------------

GRAINS = (
    Daily("2024-01-01"), Hourly("2024-01-01"), Monthly("2024-01"), Weekly("2024-01-01"),
    Weekly("2024-01-01", first_day="sunday"), Daily("2024-01-01", "2024-02-01", tz="Europe/Berlin"),
    Every("6h", "2024-01-01"), Every("3d", "2024-01-01"), Cron("0 6 * * 1-5", "2024-01-01"),
    Whole(),
)  # fmt: skip
DATES = WORDS | st.sampled_from(
    ["0001-01-01", "0000-01-01", "9999-12-31", "9999-12-31T23", "9999-12", "9999-W53", "0001-W01",
     "2024-W53", "2024-02-30", "10000-01-01", "2024-01-01T24", "\uff12\uff10\uff12\uff14-01-01",
     "2024-01-01\n", "1969-12-31", "2262-04-12", "now", "all"]
)  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    made = [Dataset(f"d{i}", grain) for i, grain in enumerate(GRAINS)]
    return derive([task(writes=d, name=f"t{d.name}")(lambda: None) for d in made])


@given(
    st.lists(st.sampled_from([f"d{i}" for i in range(len(GRAINS))]) | WORDS, max_size=3),
    st.none() | DATES, st.none() | DATES, st.lists(DATES, max_size=2),
    st.none() | st.tuples(DATES, DATES),
)  # fmt: skip
def test_what_is_asked_for_in_any_words_is_a_request_or_refused(
    graph, select, start, end, keys, span
):
    asked = Asked(tuple(select), (), start, end, tuple(keys), span)
    with contextlib.suppress(UsageError):
        scopes(graph, request_of(graph, asked, {}), 1_709_251_200)


@pytest.mark.parametrize("grain", GRAINS, ids=repr)
@given(DATES)
def test_a_key_of_any_grain_reads_back_as_itself(grain, text):
    with contextlib.suppress(PartflowError):
        assert grain.key(grain.ordinal(text)) == text


# --- what failed ----------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=20) | st.just("\udcff") | st.just("x" * 100_000))
def test_what_is_said_of_a_failure_can_be_written_down(text):
    found = Failure(text, text, text)
    assert len(found.message.encode()) <= 40_000
    assert Failure(found.message, found.place, found.trace) == found


# --- files, with the command line -----------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("files") / "shop"
    write_shop(root)
    run(root, "materialize")
    return root


def run(root: Path, *words: str, code: int = 0) -> str:
    """What a command of the project says, in this process."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with loading(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        ended = main(["--project", str(root), *words])
        said.flush()
        text = said.buffer.getvalue().decode()
    assert ended == code, text
    return text


def test_what_is_no_file_is_a_problem_of_its_partition_and_nobody_waits_for_it(
    made, tmp_path, monkeypatch
):
    root = Path(shutil.copytree(made, tmp_path / "shop"))
    landing, clean, doubled = (
        [root / pattern.format(day) for day in ("2024-01-01", "2024-01-02", "2024-01-03")]
        for pattern in (
            "landing/{}.csv",
            "warehouse/clean/date={}/data.parquet",
            "warehouse/doubled/date={}/data.parquet",
        )
    )
    for path in (*landing, *clean[:2], *doubled[:2]):
        path.unlink()
    for path in (landing[0], doubled[0]):
        os.mkfifo(path)
    for path in (landing[1], doubled[1]):
        path.symlink_to(path.name)
    landing[2].mkdir()
    clean[0].mkdir()
    monkeypatch.chdir(clean[1].parent)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("data.parquet")
    assert "landing, which cannot be read" in run(root, "plan")
    assert "it is no regular file" in run(root, "why", "landing", "-p", "2024-01-01")
    for path, day in zip(landing, ("1", "2", "3"), strict=True):
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_text(f"store,qty\na,{day}\n")
    said = run(root, "materialize", code=1)
    assert "a folder lies where a file should be: move it away" in said
    clean[0].rmdir()
    run(root, "materialize")
    assert all(path.is_file() and not path.is_symlink() for path in (*clean, *doubled))


@pytest.mark.parametrize("name", ["a*b?[c]", '{key} it\'s 100%\n,"c"'])
def test_a_project_may_lie_in_a_folder_of_any_name(made, tmp_path, name):
    root = Path(shutil.copytree(made, tmp_path / name / "shop"))
    (root / "warehouse/catalog.duckdb").unlink()
    run(root, "backfill", "doubled")
    assert (root / "warehouse/catalog.duckdb").is_file()
    said = run(root, "query", "select count(*) as n from clean, (select 1 from landing limit 1)")
    assert "5" in said


SETPRIV = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may do all, without setpriv"
)
def test_who_may_only_read_a_warehouse_can_look_at_it_and_is_told_that_he_may_not_write(
    made, tmp_path
):
    root = Path(shutil.copytree(made, tmp_path / "shop"))
    before = SETPRIV if os.geteuid() == 0 else ()
    everything = [root / "warehouse", *root.rglob("warehouse/**/*")]
    for path in everything:
        path.chmod(path.stat().st_mode & 0o555)
    ended = {}
    for words in (("status",), ("backfill", "clean")):
        done = subprocess.run(
            [*before, sys.executable, "-m", "partflow", *words],
            cwd=root, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        ended[words[0]] = done.returncode, (done.stdout + done.stderr).decode()
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)
    assert ended["status"][0] == 0, ended
    assert ended["backfill"][0] == 2
    assert "Permission denied; look at the permissions there, and run again" in ended["backfill"][1]


def test_a_folder_in_the_place_of_the_metastore_is_never_moved_aside(made, tmp_path):
    root = Path(shutil.copytree(made, tmp_path / "shop"))
    (root / "partflow.toml").write_text('metastore = "jobs"\n')
    for words in (["plan"], ["state", "rebuild", "--yes"]):
        assert "is a folder, and no metastore; move it away" in run(root, *words, code=2)
    assert (root / "jobs/tasks.py").exists()
