"""The documents are true: their sessions run, their links lead somewhere, their lists are whole.

A page is one session in an empty folder. Of its fenced blocks
- `console` holds commands after `$`, each with what it prints (moments, digests, seconds aside);
- `python` and `toml` that begin with `# some/file` are written there, other Python is run;
- `diff` is applied to the file that it names; all else is only to be read.
On the page of Airflow's ideas each section is a session, after the blocks above the first.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from imports import put_aside, taken_out

import partflow as public
from partflow.cli import commands, main
from partflow.declarations.dataset import Dataset
from partflow.declarations.options import Options
from partflow.execution import state
from partflow.planning.planner import Reason, State
from partflow.project.config import Config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SESSIONS = [
    ROOT / "README.md",
    ROOT / "docs/tutorial.md",
    *sorted((ROOT / "docs/how-to").glob("*")),
]
FROM_AIRFLOW = ROOT / "docs/explanation/coming-from-airflow.md"
IDEAS = [
    "Schedule",
    "timedelta",
    "Start and end date",
    "Catch-up",
    "Backfill",
    "Data interval in a template",
    "Fan-in and fan-out",
    "Branch",
    "Trigger rule",
    "Sensor",
    "XCom",
    "TaskFlow",
    "Pool",
    "SLA",
    "Dynamic tasks",
    "Latest only",
    "Deferrable operator",
]

DAY = 86_400 * 10**9  # in nanoseconds

PROGRESS = re.compile(r"[\d,]+ of [\d,]+ done, .* left$")
# What differs from one run to the next, and from one version of a library to another.
VARIES = [
    (r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "MOMENT"),
    (r"\b(?:[a-z]+\d?-[0-9a-f]{8}:)?[0-9a-f]{12,32}\b", "DIGEST"),
    (r"\b[\d.]+ (?:B|KB|MB)\b", "SIZE"),
    (r"\b\d+\.\d+ s\b", "SECONDS"),
    (r"\bMOMENT +\d+\.\d+\b", "MOMENT SECONDS"),
    (r"\S+@\S+(?= +partflow )", "SOMEBODY"),
    (r'File "[^"]*/jobs/', 'File "…/jobs/'),
    (r"[ \t]+", " "),
    (r" +$", ""),
]


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        first = self.text.partition("\n")[0]
        found = re.fullmatch(r"# ([\w./-]+\.(?:py|toml))", first)
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    found = []
    for match in re.finditer(
        r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        line = page.read_text("utf-8")[: match.start()].count("\n") + 1
        found.append(Block(page, line, match[1], match[2]))
    return found


def forget_jobs() -> None:
    taken_out("jobs")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Two edits in one second leave the time of a file's bytecode as it was.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    with put_aside("jobs"):
        yield tmp_path


def alike(text: str) -> list[str]:
    for pattern, name in VARIES:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line for line in text.strip().splitlines() if line and not PROGRESS.match(line)]


def partflow(words: list[str]) -> str:
    forget_jobs()
    printed = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        main(words)
    return printed.buffer.getvalue().decode("utf-8")


def said_by(command: str) -> str:
    words = shlex.split(command, comments=True)
    if words[0] == "partflow":
        return partflow(words[1:])
    shell = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert shell.returncode == 0, shell.stderr
    return shell.stdout + shell.stderr


def run_console(block: Block, change_to) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        if command.startswith("cd "):
            change_to(command.removeprefix("cd ").strip())
        else:
            printed = said_by(command)
            assert alike(printed) == alike(expected), f"{block.place}: $ {command}\n{printed}"


def apply_diff(block: Block) -> None:
    head, *lines = block.text.splitlines()
    path = Path(head.removeprefix("--- "))
    text = path.read_text("utf-8")
    old = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    new = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    assert text.count(old) == 1, f"{block.place}: {path} does not hold this once:\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def run_python(block: Block) -> None:
    forget_jobs()
    sys.path.insert(0, str(Path.cwd()))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(block.text, block.place, "exec"), {"__name__": "docs"})


def play(session: list[Block], change_to) -> None:
    for block in session:
        if block.kind == "console":
            run_console(block, change_to)
        elif block.kind == "diff":
            apply_diff(block)
        elif block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, "utf-8")
        elif block.kind == "python":
            run_python(block)


def sections(page: Path) -> dict[str, list[Block]]:
    """The blocks below each heading of the second level; those before the first below ""."""
    title, by_title = "", {"": []}
    parts = {block.line: block for block in blocks(page)}
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if line.startswith("## "):
            title = line.removeprefix("## ")
            by_title[title] = []
        if number in parts:
            by_title[title].append(parts[number])
    return by_title


@pytest.mark.parametrize("page", SESSIONS, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_page_shows_is_what_happens(page, folder, monkeypatch) -> None:
    play(blocks(page), monkeypatch.chdir)


@pytest.mark.parametrize("idea", IDEAS)
def test_an_idea_of_airflow_is_done_here_as_its_section_shows(idea, folder, monkeypatch) -> None:
    of_page = sections(FROM_AIRFLOW)
    play([*of_page[""], *of_page[idea]], monkeypatch.chdir)


def test_each_idea_of_airflow_is_shown_there_and_here_and_run() -> None:
    of_page = sections(FROM_AIRFLOW)
    assert list(of_page) == ["", *IDEAS]
    for idea in IDEAS:
        there, *here = [block.kind for block in of_page[idea]]
        assert there in ("py", "text"), idea
        assert "console" in here, idea
    for block in blocks(FROM_AIRFLOW):
        if block.kind == "py":
            compile(block.text, block.place, "exec")


def test_data_that_was_expected_is_late_once_its_time_has_passed(folder, monkeypatch) -> None:
    """The section cannot wait for days, so that they pass here."""
    of_page = sections(FROM_AIRFLOW)
    play([*of_page[""], *of_page["SLA"]], monkeypatch.chdir)
    forget_jobs()
    project = public.Project.load(".")
    now = project.clock()
    assert [name for name, late in project.late().items() if late.is_late] == []
    project.clock = lambda: now + 3 * DAY
    assert [name for name, late in project.late().items() if late.is_late] == ["takings"]


def test_a_shell_snippet_that_no_test_runs_holds_only_what_sets_up() -> None:
    setting_up = re.compile(r"(make|git clone|cd|python3? -m (venv|pytest)|pip install)\b")
    lines = [
        (block.place, line)
        for page in PAGES
        for block in blocks(page)
        if block.kind in ("sh", "shell", "bash")
        for line in block.text.splitlines()
        if line and not setting_up.match(line)
    ]
    assert lines == []


def test_python_on_other_pages_can_be_parsed() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "python":
                compile(block.text, block.place, "exec")


def test_every_link_leads_to_a_file_and_to_a_heading_in_it() -> None:
    broken = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            path, _, heading = target.partition("#")
            to = (page.parent / path).resolve() if path else page
            if not to.exists() or (heading and heading not in headings(to)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    }
    alone = [p for p in PAGES if p not in linked and p.name not in ("README.md", "CHANGELOG.md")]
    assert [str(p.relative_to(ROOT)) for p in alone] == []


def test_the_readme_shows_the_flagships_graph_as_it_is(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (shown,) = [b.text for b in blocks(ROOT / "README.md") if b.kind == "mermaid"]
    assert shown == partflow(["--project", str(ROOT), "graph", "--output", "mermaid"])


def test_the_readme_asks_for_the_figures_as_make_demo_does() -> None:
    assert "partflow query - < docs/figures.sql" in (ROOT / "Makefile").read_text("utf-8")
    asked = (ROOT / "docs/figures.sql").read_text("utf-8")
    assert [b.text for b in blocks(ROOT / "README.md") if b.kind == "sql"] == [asked]


def test_the_example_of_the_readme_is_short() -> None:
    example = next(b for b in blocks(ROOT / "README.md") if b.file == "jobs.py")
    assert len([line for line in example.text.splitlines() if line]) <= 25


def reference(name: str) -> str:
    return (ROOT / "docs/reference" / name).read_text("utf-8")


def test_the_reference_of_commands_is_what_the_commands_say() -> None:
    path = ROOT / "docs/make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert reference("commands.md") == module.page(), "run docs/make_reference.py"
    for name in commands.commands:
        assert f"## partflow {name}\n" in reference("commands.md")


def test_the_reference_of_configuration_has_every_setting() -> None:
    assert settings_in("configuration.md") == {f.name for f in fields(Config)}


def settings_in(page: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)`", reference(page), re.MULTILINE))


def test_the_reference_of_declarations_has_every_option_and_read() -> None:
    text = reference("declarations.md")
    names = {f.name for f in fields(Options)} | {f.name for f in fields(Dataset)} - {"place"}
    assert [n for n in sorted(names) if f"`{n}`" not in text] == []
    forms = (
        "window", "previous", "history", "asof", "within", "at_least", "overlapping", "optional",
    )  # fmt: skip
    assert [n for n in forms if not hasattr(Dataset, n) or f".{n}(" not in text] == []


def test_the_reference_of_states_has_every_state_and_reason() -> None:
    text = reference("states.md")
    names = [s.name.lower() for s in State] + [r.name for r in Reason if r is not Reason.NONE]
    assert [n for n in names if f"| `{n}` |" not in text] == []


def test_the_architecture_draws_every_package_and_names_no_module_that_is_not() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    package = ROOT / "partflow"
    faces = [p for p in package.rglob("__init__.py") if package / "template" not in p.parents]
    drawn = set(re.findall(r"(\w+)/  ", text.partition("```text")[2].partition("```")[0]))
    assert drawn == {p.parent.name for p in faces} - {"partflow"}
    named = set(re.findall(r"[\w/.]*\b\w+\.py\b", text))
    assert sorted(n for n in named if not any((at / n).exists() for at in (ROOT, package))) == []


def test_every_path_that_a_living_page_or_a_comment_names_is_there() -> None:
    """Decisions and the changelog tell of what was; a new project has its own `tests/`."""
    past = {ROOT / "CHANGELOG.md", *(ROOT / "docs/decisions").glob("0*.md")}
    texts = [*PAGES, ROOT / "Makefile", ROOT / "pyproject.toml"]
    for name in ("partflow", "tests", "bench", "docs"):
        texts += [*(ROOT / name).rglob("*.py"), *(ROOT / name).rglob("*.sql")]
    named = re.compile(r"(?<![\w./-])(?:partflow|tests|bench|docs)/[\w./-]*\w")
    made_up = {"partflow/task.py"}  # by a test
    lost = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in texts
        if path not in past
        for name in named.findall(path.read_text("utf-8"))
        if name not in made_up
        and not any((at / name).exists() for at in (ROOT, ROOT / "partflow/template"))
    ]
    assert lost == []


def test_what_pages_import_from_partflow_or_name_of_it_is_there() -> None:
    lost = []
    for page in PAGES:
        text = page.read_text("utf-8")
        names = set(re.findall(r"`partflow\.([A-Z]\w+)", text))
        for listed in re.findall(r"^ *from partflow import (\([^)]*\)|.*)", text, re.MULTILINE):
            names |= set(re.findall(r"\w+", listed))
        lost += [f"{page.relative_to(ROOT)}: {name}" for name in names if not hasattr(public, name)]
    assert lost == []


def test_the_architecture_names_only_what_the_classes_and_modules_of_the_house_have() -> None:
    """Of `Publisher.claim` that some class Publisher of ours has a claim, and so of modules."""
    package = ROOT / "partflow"
    holders: dict[str, list[object]] = {}
    for path in package.rglob("*.py"):
        if package / "template" in path.parents or path.name.startswith("__"):
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        classes = [v for v in vars(module).values() if isinstance(v, type)]
        for name, holder in [(path.stem, module), *((each.__name__, each) for each in classes)]:
            holders.setdefault(name, []).append(holder)
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(
        r"`(\w+)\.(\w+)(?:\(\))?`", re.sub(r"`\S+\.(py|sql|toml|duckdb|jsonl)`", "", text)
    )
    assert named
    lost = [
        f"{of}.{name}"
        for of, name in named
        if not any(hasattr(h, name) for h in holders.get(of, []))
    ]
    assert lost == []


def test_the_architecture_draws_the_life_of_a_step_as_the_code_does() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    drawn = [line.strip() for line in (state.__doc__ or "").splitlines()]
    drawn = [line for line in drawn if re.match(r"(PENDING|READY|RUNNING)  +", line)]
    assert drawn
    assert [line for line in drawn if line not in text] == []


def test_decisions_say_what_would_change_our_mind() -> None:
    parts = ("## Context", "## Decision", "## Consequences", "## What would change our mind")
    pages = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert [p.name[:4] for p in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        assert [p for p in parts if p not in page.read_text("utf-8")] == [], page.name


def test_the_changelog_has_the_version_or_what_is_unreleased() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in text or f"## [{version}]" in text
