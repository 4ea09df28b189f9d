"""A project whose package lies in the folder `src`, which Python does not look into by itself."""

from __future__ import annotations

import sys

import pytest

from partflow.errors import ConfigurationError
from partflow.execution.controls import Controls

JOBS = """\
import polars as pl
from partflow import *
from {0}.rules import VAT

days = Dataset("days", Daily("2024-01-01", end="2024-01-03"))

@task(writes=days)
def make_days() -> pl.DataFrame:
    return pl.DataFrame({{"vat": [VAT]}})
"""


@pytest.fixture
def src(world):
    """The package is in `src` alone."""
    (world.root / world.package / "__init__.py").unlink()
    (world.root / world.package).rmdir()
    name = world.package
    world.write(f"src/{name}/__init__.py", "")
    world.write(f"src/{name}/rules.py", "VAT = 19\n")
    world.write(f"src/{name}/tasks.py", JOBS.format(name))
    return world


def test_a_package_in_src_is_found_in_workers_too(src) -> None:
    assert src.run(controls=Controls(workers=2)).ran == 2
    assert src.read("days")["vat"].to_list() == [19, 19]


def test_a_module_in_src_counts_to_the_code_of_a_task(src) -> None:
    src.run()
    src.write(f"src/{src.package}/rules.py", "VAT = 20\n")
    assert src.planned() == {"make_days": ["2024-01-01", "2024-01-02"]}
    assert src.project.codes["make_days"].not_followed == ()


def test_a_declaration_in_src_is_named_by_its_path_from_the_root(src) -> None:
    assert src.project.graph.task("make_days").place == f"src/{src.package}/tasks.py:7"


def test_the_roots_own_modules_come_before_those_in_src(src) -> None:
    src.write(f"{src.package}/__init__.py", "")
    src.write(f"{src.package}/rules.py", "VAT = 7\n")
    src.write(f"{src.package}/tasks.py", (src.root / f"src/{src.package}/tasks.py").read_text())
    src.run()
    assert src.read("days")["vat"].to_list() == [7, 7]


def test_a_folder_src_that_is_a_package_itself_is_not_looked_into(src) -> None:
    src.write("src/__init__.py", "")
    with pytest.raises(ConfigurationError, match=f"there is no module '{src.package}'"):
        src.project  # noqa: B018 - loads it
    assert str(src.root / "src") not in sys.path


def test_a_package_in_another_folder_is_named_with_what_to_do(src) -> None:
    (src.root / "src").rename(src.root / "lib")
    with pytest.raises(ConfigurationError) as raised:
        src.project  # noqa: B018 - loads it
    assert str(raised.value) == (
        f"jobs: there is no module '{src.package}' in {src.root} or its folder src, but "
        f"'{src.package}' lies in {src.root / 'lib'}; move it, or install your project "
        "(pip install -e .)"
    )


def test_jobs_that_are_named_with_src_before_them_are_told_their_name(src) -> None:
    src.write("partflow.toml", f'jobs = ["src.{src.package}"]\n')
    with pytest.raises(ConfigurationError) as raised:
        src.project  # noqa: B018 - loads it
    assert f'name the jobs so too, jobs = ["{src.package}"]' in str(raised.value)
    sys.modules.pop("src", None)
    sys.modules.pop(f"src.{src.package}", None)
