"""Whatever stands in the configuration or on the command line, the answer is one clear sentence."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import profiles  # noqa: F401 - how many examples, and no deadline
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from imports import put_aside
from small_shop import write_shop

from partflow.cli import main
from partflow.declarations.dataset import Dataset
from partflow.errors import ConfigurationError, DeclarationError, PartflowError
from partflow.partitions.calendar import Daily
from partflow.planning.selection import Asked
from partflow.project.config import read_config
from partflow.project.project import Project

NASTY = st.sampled_from(
    ["..", "../..", "/", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", "'", '"',
     "';drop table x;--", "%2e%2e", "%s", "*", "a[b]", "{key}", "CON", "nul", "select",
     "été", "日付", "x" * 300, "",
     "-", "--", "2024-13-45", "2024-01-01'", "2024-01-01/../x", " 2024-01-01", "2024-1-1", "+clean",
     "clean+", "status:", "tag:*", "@", "clean@2024-01-01", "\u202e", "\x1b[31m"]
)  # fmt: skip
WORDS = NASTY | st.text(max_size=20).filter(lambda t: "\ud800" not in t)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
SETTINGS = st.sampled_from(["jobs", "warehouse", "metastore", "executor", "durability", "pools"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("words") / "shop"
    write_shop(root)
    return root


@pytest.fixture(scope="module")
def project(shop) -> Iterator[Project]:
    """Loaded as if no other project's `jobs` had been imported in this process."""
    with put_aside("jobs"):
        with contextlib.chdir(shop):
            found = Project.load(shop)
        yield found


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


@given(st.dictionaries(SETTINGS | WORDS, VALUES, max_size=3))
def test_a_setting_of_a_wrong_type_or_name_is_named(values):
    from partflow.project.config import Config, _typed

    for key, value in values.items():
        try:
            found = _typed(f"partflow.toml: {key}", key, value)
        except ConfigurationError as error:
            assert key in str(error)  # noqa: PT017 - it may be right, too
        else:
            Config(**({key: found} if key in Config.__dataclass_fields__ else {}))


@given(SETTINGS, WORDS.filter(lambda t: "\0" not in t))
def test_a_setting_in_the_environment_is_taken_or_named(shop, key, text):
    name = f"PARTFLOW_{key.upper()}"
    try:
        read_config(shop, {name: text}, {})
    except ConfigurationError as error:
        assert name in str(error)  # noqa: PT017 - it may be right, too


@given(st.lists(WORDS, max_size=3), WORDS)
def test_a_selection_or_a_key_is_found_or_said_to_be_wrong(project, select, key):
    before = files(project.root)
    with contextlib.suppress(PartflowError):
        project.plan(asked=Asked(tuple(select), keys=(key,)))
    assert files(project.root) == before


@given(
    st.sampled_from(["plan", "status", "why", "ls", "logs", "query"]), st.lists(WORDS, max_size=2)
)
@example("query", ["-"])
def test_a_command_ends_with_a_code_of_the_list_whatever_it_is_told(shop, command, words):
    before = files(shop)
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SELECT 1")))
        code = main(["--project", str(shop), command, "--", *words])
    assert code in {0, 1, 2, 3}
    assert "Traceback" not in said.buffer.getvalue().decode()
    assert files(shop) == before


@given(WORDS)
def test_a_name_of_a_dataset_is_plain_or_refused(name):
    try:
        Dataset(name, Daily("2024-01-01"))
    except DeclarationError:
        return
    assert name.isascii()
    assert name.replace("_", "").isalnum()
    assert len(name) <= 63


@given(WORDS)
def test_a_key_is_one_that_its_grain_writes_or_refused(project, key):
    grain = project.graph.datasets["clean"].grain
    try:
        ordinal = grain.ordinal(key)
    except PartflowError:
        return
    assert grain.key(ordinal) == key


def test_a_folder_with_a_strange_name_is_no_partition_and_stops_nobody(project, shop):
    for name in ("date=2024-13-45", "date=..%2f..", "date=2024-01-01'; drop", "date="):
        folder = shop / "warehouse/clean" / name
        folder.mkdir(parents=True)
        (folder / "data.parquet").write_bytes(b"")
    assert project.plan().steps == 13
