"""The rules of the house that no tool checks: sizes, names, the drawn error tree, the wheel."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hypothesis import settings

import partflow
from partflow import errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "partflow"
TEMPLATE = PACKAGE / "template"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if TEMPLATE not in p.parents)
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that say nothing of what a module holds.
EMPTY_NAMES = listed("base common core helper helpers manager misc stuff util utils")

# Section "Words" of the design, its right column: what never stands in a name of ours ...
UNSAID = listed("""
    asset backend cadence catchup chunk dagrun dirty engine finalize freq frequency granularity
    handler helper helpers lookback manager operator outdated provenance reprocess service util
    utils
""")
UNSAID_PAIRS = listed("execution_date logical_date up_to_date catch_up clean_up")
# ... and what is plain English or another library's word elsewhere, but never a kind of ours.
UNSAID_KINDS = listed("""
    base cause checksum context hash job model node op resource slice table token trigger version
""")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines after the signature and the docstring: an interface with many options may be long."""
    first = function.body[min(bool(ast.get_docstring(function)), len(function.body) - 1)]
    return (function.end_lineno or 0) - first.lineno + 1


def words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return [word for word in parted.split("_") if word]


def project_files() -> list[Path]:
    """What is, or with the next commit would be, in the repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("only a git checkout says which files are the project's")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def drawn_tree(docstring: str) -> list[tuple[str, str | None]]:
    """Pairs of (class, class it is drawn under); two columns of indentation are one level."""
    lines = re.findall(r"^( *)([A-Z]\w+Error)\b", docstring, flags=re.MULTILINE)
    outermost = min(len(indent) for indent, _ in lines)
    path: list[str] = []
    pairs = []
    for indent, name in lines:
        level = (len(indent) - outermost) // 2
        del path[level:]
        pairs.append((name, path[-1] if path else None))
        path.append(name)
    return pairs


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_no_module_is_longer_than_a_sitting() -> None:
    lengths = {relative(p): len(p.read_text("utf-8").splitlines()) for p in MODULES}
    assert {name: n for name, n in lengths.items() if n > 600} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{relative(path)}:{function.lineno} {function.name}: {lines} lines"
        for path in MODULES
        for function in functions(ast.parse(path.read_text("utf-8")))
        if (lines := body_lines(function)) > 50
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for path in MODULES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert parts & EMPTY_NAMES == set()


def test_no_two_classes_have_one_name() -> None:
    """Whoever looks for a class by its name finds one."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(relative(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_every_module_opens_with_what_it_does() -> None:
    silent = [
        relative(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert silent == []


def test_names_keep_to_the_words_of_the_design() -> None:
    broken = []
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for name in [path.stem, *classes, *(function.name for function in functions(tree))]:
            banned = UNSAID | UNSAID_KINDS if name in classes else UNSAID
            joined = "_".join(words(name))
            if banned & set(words(name)) or any(pair in joined for pair in UNSAID_PAIRS):
                broken.append(f"{relative(path)}: {name}")
    assert broken == []


def test_no_protocol_asks_for_more_than_six_methods() -> None:
    large = [
        f"{relative(path)}: {kind.name}"
        for path in MODULES
        for kind in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(kind, ast.ClassDef)
        and "Protocol" in {ast.unparse(parent) for parent in kind.bases}
        and sum(isinstance(each, ast.FunctionDef) and not is_property(each) for each in kind.body)
        > 6
    ]
    assert large == []


def is_property(function: ast.FunctionDef) -> bool:
    return "property" in {ast.unparse(each) for each in function.decorator_list}


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    real = {
        (name, None if kind is errors.PartflowError else kind.__base__.__name__)
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.PartflowError)
    }
    drawn = drawn_tree(errors.__doc__ or "")
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == real


def test_every_module_below_the_line_is_held_to_do_no_io() -> None:
    contracts = {c["name"]: c for c in SETTINGS["tool"]["importlinter"]["contracts"]}
    layers = [
        name.strip(" ()")
        for layer in contracts["Imports only point down the house"]["layers"]
        for name in layer.split("|")
    ]
    core = {
        f"partflow.{name}"
        for name in layers[layers.index("code") :]
        if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
    }
    assert set(contracts["The core does no I/O"]["source_modules"]) == core


def test_every_public_name_is_there_and_stands_where_types_are_looked_up() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("partflow.")
        for alias in node.names
    }
    given = {f"partflow.{module}.{name}" for name, module in partflow._MODULES.items()}
    assert imported == given
    assert sorted(partflow._MODULES) == partflow.__all__
    assert all(hasattr(partflow, name) for name in partflow.__all__)


def test_a_face_says_what_its_package_does_and_does_nothing() -> None:
    faces = [p for p in PACKAGE.rglob("__init__.py") if TEMPLATE not in p.parents]
    busy = [
        relative(p)
        for p in faces
        if p.parent not in {PACKAGE, PACKAGE / "cli"}
        and len(ast.parse(p.read_text("utf-8")).body) > 1
    ]
    assert busy == []


def test_the_wheel_holds_partflow_and_nothing_else(wheel_names: list[str]) -> None:
    version = SETTINGS["project"]["version"]
    tops = {name.split("/")[0] for name in wheel_names}
    assert tops == {"partflow", f"partflow-{version}.dist-info"}


def test_the_wheel_brings_every_file_of_the_package(wheel_names: list[str]) -> None:
    files = {relative(p) for p in project_files() if PACKAGE in p.parents}
    assert {name for name in wheel_names if name.startswith("partflow/")} == files
    assert {
        "partflow/py.typed",
        "partflow/template/.gitignore",
        "partflow/template/landing/sales/2024-01-01.csv",
        "partflow/template/partflow.toml",
    } <= files


def test_what_is_installed_needs_no_extra_to_be_imported() -> None:
    extras = {"httpx", "matplotlib", "sklearn"}
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name and name.split(".")[0] in extras
    ]
    assert found == []


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    hosts = r"\b(?:[a-z0-9-]+\.)*(?:py" + r"pi|pythonhosted|npm" + r"js|anaconda)\.(?:org|com)\b"
    options = r"--(?:extra-)?index-url|--find-links"
    homes = r"(?<![\w.:/~-])/(?:ho" + r"me|Use" + r"rs|ro" + r"ot|wo" + r"rk)/"
    pattern = re.compile(rf"{hosts}|{options}|{homes}")
    found = []
    for path in project_files():
        if path == Path(__file__).resolve():
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        for number, line in enumerate(text.splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{relative(path)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][a-z0-9.]*", pin)] == []
    assert pins == sorted(pins, key=lambda pin: pin.split("==")[0])


def test_every_dependency_has_its_exact_version() -> None:
    project = SETTINGS["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.split(r"[<>=!~ ]", text, maxsplit=1)[0] for group in groups for text in group}
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert wanted - {line.split("==")[0] for line in text.splitlines()} == set()


def test_no_property_test_depends_on_how_fast_the_machine_is() -> None:
    assert settings.default.deadline is None
    texts = {p: p.read_text("utf-8") for p in (ROOT / "tests").rglob("*.py")}
    own = {ROOT / "tests/profiles.py", ROOT / "tests/test_architecture.py"}
    assert [p for p, t in texts.items() if re.search("deadline=(?!None)", t) and p not in own] == []
