"""A query beside a run: DuckDB opens a file twice, and may find another one the second time."""

from __future__ import annotations

import duckdb
import pytest
from projects import World

from partflow.errors import UsageError
from partflow.project.queries import TRIES, Progress, asked_again

JOBS = """
landing = Source("landing", Daily("2024-01-01", end="2024-01-02"), path="landing/{key}.csv")
sales = Dataset("sales", landing.grain)

@task(reads=[landing], writes=sales)
def keep(raw: pl.DataFrame) -> pl.DataFrame:
    return raw
"""


@pytest.fixture
def world(tmp_path) -> World:
    world = World(tmp_path)
    world.jobs(JOBS)
    world.sales("2024-01-01", *range(9))
    world.project.materialize()
    return world


def progress(number: int, *intents: tuple[str, str, int]) -> Progress:
    return Progress("here", (("sales", number),), intents)


def asked_beside_a_run(world: World, times: int) -> list[list[tuple[int]]]:
    """The answers to a query that fails `times`, each time while a run puts in another file."""
    project, answers, tried = world.project, [], []

    def attempt() -> None:
        if len(tried) < times:
            (file,) = (world.root / "warehouse/sales").glob("*/*.parquet")
            file.write_bytes(b"half of it")
        try:
            answers.append(project.ask("select sum(qty)::int from sales").fetchall())
        except (UsageError, duckdb.Error) as error:
            tried.append(str(error))
            world.sales("2024-01-01", *range(100 + len(tried)))
            project.materialize()
            raise UsageError(str(error)) from None

    asked_again(attempt, project.progress, lambda: True)
    return answers


def test_a_query_that_fails_while_its_file_is_replaced_is_asked_again(world):
    assert asked_beside_a_run(world, 0) == [[(36,)]]
    assert asked_beside_a_run(world, 2) == [[(sum(range(102)),)]]


def test_a_query_whose_file_is_replaced_again_and_again_ends_with_what_to_do(world):
    with pytest.raises(UsageError, match="were replaced while it was read, so ask again"):
        asked_beside_a_run(world, TRIES)


@pytest.mark.parametrize(
    ("before", "after", "tries"),
    [
        (progress(1), progress(1), 1),
        (progress(1), progress(2), TRIES),
        (progress(1), progress(1, ("sales", "2024-01-01", 4)), TRIES),
        (progress(1, ("sales", "2024-01-01", 4)), progress(1, ("sales", "2024-01-01", 4)), TRIES),
        (progress(1), Progress("rebuilt", (("sales", 1),), ()), TRIES),
    ],
)
def test_what_fails_is_repeated_only_where_a_partition_may_have_been_replaced(before, after, tries):
    looks, asked = iter([before, after] * TRIES), []

    def attempt() -> None:
        asked.append(len(asked))
        raise UsageError("query: it is invalid")

    with pytest.raises(UsageError, match="query: it is invalid"):
        asked_again(attempt, lambda: next(looks), lambda: True)
    assert len(asked) == tries


def test_an_answer_that_is_printed_in_part_is_not_begun_again():
    looks, asked = iter([progress(1), progress(2)]), []

    def attempt() -> None:
        asked.append(len(asked))
        raise UsageError("query: it is invalid")

    with pytest.raises(UsageError, match="it is invalid; partitions were replaced"):
        asked_again(attempt, lambda: next(looks), lambda: False)
    assert asked == [0]
