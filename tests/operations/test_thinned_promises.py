"""Promises that a thinned record keeps: what can be put back, is recognised, and is asked about."""

from __future__ import annotations

import shutil

import pytest

from partflow.execution.controls import Controls
from partflow.operations.thin import CONTENTS
from partflow.planning.plan import Reason

DAY = "2024-01-30"
PAIR = """
landing = Source("landing", Daily("2024-01-30", end="2024-01-31"), path="landing/{key}.csv")
few = Dataset("few", Daily("2024-01-30", end="2024-01-31"))
many = Dataset("many", Daily("2024-01-30", end="2024-01-31"))

@task(reads=[landing], writes=(few, many))
def both(raw: pl.DataFrame):
    return raw.filter(pl.col("qty") > 9000), raw
"""


@pytest.fixture
def forgetful(sales):
    """Five days of sales, of which no run is kept longer than it goes on."""
    file = sales.root / "partflow.toml"
    file.write_text(file.read_text() + 'runs_kept = "0s"\ndurability = "process"\n')
    return sales


def swept(world):
    return later(world).upkeep.sweep(Controls(), dry_run=False)


def made_again(world, number: int) -> None:
    """Make what was corrected, so many days from now."""
    world.sales(DAY, number)
    project = world.project
    now = project.clock()
    project.clock = lambda: now + number * 86_400 * 10**9
    project.materialize()


def later(world):
    project = world.project
    now = project.clock()
    project.clock = lambda: now + 99 * 86_400 * 10**9
    return project


def history(world, node: str, key: str = DAY) -> list[str | None]:
    with world.metastore() as metastore:
        return [record.content for record in metastore.history(node, key)]


def test_a_file_from_a_backup_is_recognised_as_far_as_contents_are_remembered(forgetful, tmp_path):
    made_again(forgetful, 1)
    file, backups = forgetful.file("clean", DAY), []
    for number in range(2, CONTENTS + 3):
        backups.append(shutil.copy2(file, tmp_path / f"backup{number}"))
        made_again(forgetful, number)
    found = swept(forgetful)
    assert found.records > 0
    assert len(history(forgetful, "clean")) == CONTENTS
    shutil.copy2(backups[2], file)
    assert reason_of_first_day(later(forgetful)) is Reason.INPUT
    shutil.copy2(backups[0], file)
    assert reason_of_first_day(later(forgetful)) is Reason.CHANGED_OUTSIDE


def reason_of_first_day(project) -> Reason:
    return Reason(int(project.plan().tasks["clean_sales"].reason[0]))


def test_a_step_with_an_output_that_stayed_the_same_can_be_put_back_with_both(forgetful):
    forgetful.jobs(PAIR)
    for number in range(1, CONTENTS + 6):
        made_again(forgetful, number)
    assert swept(forgetful).records > 0
    upkeep = later(forgetful).upkeep
    oldest = upkeep.kept("many", DAY)[-1]
    put_back = upkeep.rollback("many", DAY, oldest.number, Controls())
    assert {record.node for record in put_back.records} == {"few", "many"}


def test_a_declaration_is_forgotten_once_no_run_had_it(world):
    world.jobs(PAIR)
    world.sales(DAY, 1)
    world.run()
    world.project.upkeep.pause(["few", "many"], None, "a test")
    world.jobs(PAIR.replace("few", "fewer"))
    world.run()
    assert swept(world).notes == 0
    project = world.project
    project.config = project.config.__class__(runs_kept=project.config.runs_kept * 0)
    found = project.upkeep.sweep(Controls(), dry_run=False)
    assert found.notes > 0
    with world.metastore() as metastore:
        assert set(metastore.noted("paused")) == {"many"}


def test_codes_that_made_nothing_that_is_left_are_forgotten(forgetful):
    for number in range(3):
        forgetful.jobs(
            f"""
            a = Dataset("a", Whole())

            @task(writes=a)
            def make_a():
                return pl.DataFrame({{"x": [{number} // 3]}})
            """
        )
        forgetful.run("a")
    with forgetful.metastore() as metastore:
        assert len(metastore.other_codes(set())) == 3
        (record,) = metastore.records("a")
    assert swept(forgetful).notes == 1  # the first has made the content that is present
    with forgetful.metastore() as metastore:
        assert record.code in metastore.other_codes(set())


def test_a_sweep_of_a_thinned_record_writes_nothing(forgetful):
    for number in range(3):
        made_again(forgetful, number)
    swept(forgetful)
    before = {n: s for n, s in forgetful.data_files().items() if "sqlite-" not in n}
    assert swept(forgetful).is_empty
    after = {n: s for n, s in forgetful.data_files().items() if "sqlite-" not in n}
    assert {n for n in before if before[n] != after.get(n)} == set()
